# From: a data set, its packed labels, a network. Makes: units.csv and detectors.csv of each layer,
# and how its units compare with released ones.

# Off: 0. Tallies with permuted labels are kept like the others, for another score of them.
PERMUTATIONS = DISSECTION["permutations"]
PERMUTED = [f"{LAYER}/tally/{{shard}}-permuted"] if PERMUTATIONS else []

# The activations of all shards.
SHARDS = expand(
    f"{RESULTS}/activations/{{network}}/{{shard}}",
    shard=range(DISSECTION["shards"]),
    allow_missing=True,
)


rule cache_activations:
    """Run a network over one shard of the images and keep the activation maps of all its layers."""
    input:
        dataset=RUN.dataset(),
        files=lambda wildcards: RUN.network_files(wildcards.network),
        loader=lambda wildcards: LOADERS[wildcards.network.partition("@")[0]],
        code=code("cache_activations"),
    output:
        activations=temp(directory(f"{RESULTS}/activations/{{network}}/{{shard}}")),
    log:
        f"{LOGS}/cache_activations/{{network}}-{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/cache_activations/{{network}}-{{shard}}.jsonl"
    priority: ORDER.network
    conda:
        "../../environment.yml"
    threads: DISSECTION["threads"]
    resources:
        mem_mb=memory(4000),
        runtime=minutes(240),
        gpu=GPU,
    params:
        categories=COLOURLESS,
        network=lambda wildcards: RUN.source(wildcards.network),
        # Sorted: another order of them in figures runs no network again.
        layers=lambda wildcards: sorted(RUN.layers(wildcards.network)),
        shards=DISSECTION["shards"],
        batch_size=DISSECTION["batch_size"],
        precision=DISSECTION["precision"],
        # Not the rule's threads, which --cores can lower: these change the last bits of results.
        threads=DISSECTION["threads"],
        edition=lambda wildcards: fingerprint(
            *OWN_DATASET, *RUN.own_network_files(wildcards.network)
        ),
    script:
        script_path("cache_activations")


rule list_concepts:
    """List the concepts of the data set, with the greatest IoU that the size of each one allows."""
    input:
        labels=rules.pack_labels.output.labels,
        code=code("list_concepts"),
    output:
        concepts=f"{RESULTS}/concepts.csv",
    log:
        f"{LOGS}/list_concepts.log",
    benchmark:
        f"{BENCHMARKS}/list_concepts.jsonl"
    priority: FIRST
    localrule: True
    conda:
        "../../environment.yml"
    params:
        categories=COLOURLESS,
        quantile=DISSECTION["quantile"],
        iou_threshold=DISSECTION["iou_threshold"],
    script:
        script_path("list_concepts")


rule compute_thresholds:
    """Find T_k, the activation that each unit exceeds at 0.5 % of all positions."""
    input:
        activations=SHARDS,
        code=code("compute_thresholds"),
    output:
        thresholds=f"{LAYER}/thresholds.npy",
        cannot_fire=f"{LAYER}/cannot_fire.json",
    log:
        f"{LOGS}/compute_thresholds/{{network}}/{{layer}}.log",
    benchmark:
        f"{BENCHMARKS}/compute_thresholds/{{network}}/{{layer}}.jsonl"
    priority: ORDER.scored
    conda:
        "../../environment.yml"
    threads: DISSECTION["threads"]
    resources:
        mem_mb=memory(2000, SIZES.thresholds),
        runtime=minutes(60),
    params:
        quantile=DISSECTION["quantile"],
    script:
        script_path("compute_thresholds")


rule summarize_activations:
    """Keep what figures show of the activations: top images and the distribution of each unit."""
    input:
        activations=SHARDS,
        code=code("summarize_activations"),
    output:
        top_images=f"{LAYER}/top_images.npz",
        histograms=f"{LAYER}/histograms.npz",
        geometry=f"{LAYER}/geometry.json",
    log:
        f"{LOGS}/summarize_activations/{{network}}/{{layer}}.log",
    benchmark:
        f"{BENCHMARKS}/summarize_activations/{{network}}/{{layer}}.jsonl"
    priority: ORDER.shown
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(2000, SIZES.top_images),
        runtime=minutes(60),
    params:
        top_images=DISSECTION["top_images"],
    script:
        script_path("summarize_activations")


rule tally_overlaps:
    """Count, in one shard, the pixels that binary maps and labels share; also with shuffled labels."""
    input:
        activations=f"{RESULTS}/activations/{{network}}/{{shard}}",
        thresholds=rules.compute_thresholds.output.thresholds,
        labels=rules.pack_labels.output.labels,
        code=code("tally_overlaps"),
    output:
        tally=f"{LAYER}/tally/{{shard}}.npz",
        chance=f"{LAYER}/tally/{{shard}}-chance.npz",
        permuted=[directory(folder) for folder in PERMUTED],
    log:
        f"{LOGS}/tally_overlaps/{{network}}/{{layer}}-{{shard}}.log",
    benchmark:
        f"{BENCHMARKS}/tally_overlaps/{{network}}/{{layer}}-{{shard}}.jsonl"
    priority: ORDER.scored
    conda:
        "../../environment.yml"
    threads: DISSECTION["threads"]
    resources:
        mem_mb=memory(2000, SIZES.tally),
        runtime=minutes(60 + PERMUTATIONS),
    params:
        categories=COLOURLESS,
        shards=DISSECTION["shards"],
        batch_size=DISSECTION["batch_size"],
        blocks=DISSECTION["bootstrap_blocks"],
        permutations=PERMUTATIONS,
        seed=DISSECTION["seed"],
    script:
        script_path("tally_overlaps")


rule score_units:
    """Find each unit's best concepts by IoU and count the detectors by both rules."""
    input:
        tallies=expand(
            rules.tally_overlaps.output.tally,
            shard=range(DISSECTION["shards"]),
            allow_missing=True,
        ),
        chances=expand(
            rules.tally_overlaps.output.chance,
            shard=range(DISSECTION["shards"]),
            allow_missing=True,
        ),
        permuted=expand(PERMUTED, shard=range(DISSECTION["shards"]), allow_missing=True),
        cannot_fire=rules.compute_thresholds.output.cannot_fire,
        labels=rules.pack_labels.output.labels,
        code=code("score_units"),
    output:
        units=f"{LAYER}/units.csv",
        detectors=f"{LAYER}/detectors.csv",
    log:
        f"{LOGS}/score_units/{{network}}/{{layer}}.log",
    benchmark:
        f"{BENCHMARKS}/score_units/{{network}}/{{layer}}.jsonl"
    priority: ORDER.scored
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(2000, SIZES.scoring),
        runtime=minutes(60),
    params:
        categories=COLOURLESS,
        iou_threshold=DISSECTION["iou_threshold"],
        bootstrap_samples=DISSECTION["bootstrap_samples"],
        permutations=PERMUTATIONS,
        seed=DISSECTION["seed"],
    script:
        script_path("score_units")


rule compare_released:
    """Compare a layer's units with a released table of them: one by one, by label, by category."""
    input:
        units=rules.score_units.output.units,
        thresholds=rules.compute_thresholds.output.thresholds,
        released=lambda wildcards: RUN.released(wildcards.network),
        code=code("compare_released"),
    output:
        agreement=f"{LAYER}/agreement.csv",
        labels=f"{LAYER}/agreement_labels.csv",
        categories=f"{LAYER}/agreement_categories.csv",
    log:
        f"{LOGS}/compare_released/{{network}}/{{layer}}.log",
    benchmark:
        f"{BENCHMARKS}/compare_released/{{network}}/{{layer}}.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    params:
        iou_threshold=DISSECTION["iou_threshold"],
    script:
        script_path("compare_released")
