# From: a layer's activations, packed labels, the network. Makes: rotation.csv.


rule rotate_basis:
    """Dissect a layer in bases that are rotated step by step towards random ones."""
    input:
        activations=SHARDS,
        labels=rules.pack_labels.output.labels,
        files=lambda wildcards: RUN.network_files(wildcards.network),
        loader=lambda wildcards: LOADERS[wildcards.network.partition("@")[0]],
        held_out=lambda wildcards: RUN.held_out(wildcards.network),
        code=code("rotate_basis"),
    output:
        rotation=f"{RESULTS}/rotation/{{network}}/{{layer}}/rotation.csv",
    log:
        f"{LOGS}/rotate_basis/{{network}}/{{layer}}.log",
    benchmark:
        f"{BENCHMARKS}/rotate_basis/{{network}}/{{layer}}.jsonl"
    priority: ROTATION
    conda:
        "../../environment.yml"
    threads: DISSECTION["threads"]
    resources:
        mem_mb=memory(3000, SIZES.rotation),
        runtime=minutes(720),
        gpu=GPU,
    params:
        categories=COLOURLESS,
        network=lambda wildcards: RUN.source(wildcards.network),
        alphas=CONFIG["rotation"]["alphas"],
        seeds=CONFIG["rotation"]["seeds"],
        probe_splits=CONFIG["rotation"]["probe_splits"],
        quantile=DISSECTION["quantile"],
        iou_threshold=DISSECTION["iou_threshold"],
        threads=DISSECTION["threads"],
    script:
        script_path("rotate_basis")
