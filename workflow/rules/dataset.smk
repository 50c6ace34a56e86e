# From: the configuration. Makes: the data set in Broden format, its packed labels, the training sets.


rule unpack_broden:
    """Unpack a downloaded archive of Broden."""
    input:
        archive="resources/checked/broden1_{resolution}.json",
        published=shipped("workflow/published/broden.csv"),
        code=code("unpack_broden"),
    output:
        dataset=directory("resources/broden1_{resolution}"),
    log:
        "resources/logs/unpack_broden-{resolution}.log",
    wildcard_constraints:
        resolution="224|227|384",
    priority: DATA
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(2000),
        runtime=minutes(120),
    script:
        script_path("unpack_broden")


rule synthesize_broden:
    """Draw mini-Broden: images with pixel labels, in the format of the released Broden."""
    input:
        code=code("synthesize_broden"),
    output:
        dataset=directory(f"{RESULTS}/dataset"),
    log:
        f"{LOGS}/synthesize_broden.log",
    benchmark:
        f"{BENCHMARKS}/synthesize_broden.jsonl"
    priority: DATA
    conda:
        "../../environment.yml"
    threads: 4
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        **CONFIG["dataset"].get("synthetic", {}),
    script:
        script_path("synthesize_broden")


rule unpack_archive:
    """Unpack a downloaded archive of images and labels."""
    input:
        archive="resources/checked/{archive}.json",
        code=code("unpack_archive"),
    output:
        folder=directory("resources/unpacked/{archive}"),
    log:
        "resources/logs/unpack_archive-{archive}.log",
    priority: DATA
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(2000),
        runtime=minutes(120),
    script:
        script_path("unpack_archive")


if "sources" in CONFIG["dataset"]:
    JOINED = CONFIG["dataset"]["sources"]

    # Notes of the modules that read the sources, which no script imports by itself. All of them
    # now: Snakemake lists a folder once, and files that come later do not exist for it.
    READERS = {
        source: noted(
            RUN.source_module(source),
            lambda: LIBRARY.module(RUN.source_module(source)),
        )
        for source in RUN.sources()
    }

    rule convert_source:
        """Read a published data set's images and labels, once, at their full size."""
        input:
            archives=lambda wildcards: list(RUN.unpacked(wildcards.source).values()),
            colors=RUN.color_table(),
            reader=lambda wildcards: READERS[wildcards.source],
            code=code("convert_source"),
        output:
            converted=directory(f"{RESULTS}/sources/{{source}}"),
        log:
            f"{LOGS}/convert_source/{{source}}.log",
        benchmark:
            f"{BENCHMARKS}/convert_source/{{source}}.jsonl"
        wildcard_constraints:
            source="|".join(RUN.sources()),
        priority: DATA
        conda:
            "../../environment.yml"
        threads: 8
        resources:
            mem_mb=memory(4000),
            runtime=minutes(240),
        params:
            edition=lambda wildcards: RUN.sources()[wildcards.source],
            roles=lambda wildcards: list(RUN.unpacked(wildcards.source)),
            size=JOINED["size"],
        script:
            script_path("convert_source")

    rule join_sources:
        """Join the sources' labels to one Broden."""
        input:
            sources=expand(rules.convert_source.output.converted, source=RUN.sources()),
            synonyms=shipped("workflow/synonyms.csv"),
            published=shipped("workflow/published/broden.csv"),
            code=code("join_sources"),
        output:
            dataset=directory(f"{RESULTS}/joined"),
        log:
            f"{LOGS}/join_sources.log",
        benchmark:
            f"{BENCHMARKS}/join_sources.jsonl"
        priority: DATA
        conda:
            "../../environment.yml"
        threads: 8
        resources:
            mem_mb=memory(4000),
            runtime=minutes(240),
        params:
            editions=RUN.sources(),
            size=JOINED["size"],
        script:
            script_path("join_sources")


if RUN.import_form():

    rule import_masks:
        """Turn labelled images into a data set in Broden format."""
        input:
            files=RUN.import_files(),
            archive=f"resources/checked/{RUN.archive()}.json" if RUN.archive() else [],
            code=code("import_masks"),
        output:
            dataset=directory(f"{RESULTS}/imported"),
            origin=f"{RESULTS}/imported.json",
        log:
            f"{LOGS}/import_masks.log",
        benchmark:
            f"{BENCHMARKS}/import_masks.jsonl"
        priority: DATA
        conda:
            "../../environment.yml"
        threads: 8
        resources:
            mem_mb=memory(4000),
            runtime=minutes(120),
        params:
            categories=COLOURLESS,
            form=RUN.import_form(),
            # Patterns of names have braces, which are no wildcards.
            options=literal(RUN.import_options()),
            edition=lambda wildcards: fingerprint(*RUN.own_import_files()),
        script:
            script_path("import_masks")


rule synthesize_training_set:
    """Draw labelled images of the same world for the networks to learn from."""
    input:
        code=code("synthesize_training_set"),
    output:
        training_set=directory(f"{RESULTS}/training_set/{{content}}"),
    log:
        f"{LOGS}/synthesize_training_set/{{content}}.log",
    benchmark:
        f"{BENCHMARKS}/synthesize_training_set/{{content}}.jsonl"
    wildcard_constraints:
        content="object|scene",
    priority: DATA
    conda:
        "../../environment.yml"
    threads: 4
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        **CONFIG["training_set"],
    script:
        script_path("synthesize_training_set")


# A data set that no rule makes.
OWN_DATASET = [CONFIG["dataset"]["folder"]] if "folder" in CONFIG["dataset"] else []


rule pack_labels:
    """Read every label map once and store it where the scorer needs no decoder."""
    input:
        dataset=RUN.dataset(),
        code=code("pack_labels"),
    output:
        labels=directory(f"{RESULTS}/labels"),
    log:
        f"{LOGS}/pack_labels.log",
    benchmark:
        f"{BENCHMARKS}/pack_labels.jsonl"
    priority: DATA
    conda:
        "../../environment.yml"
    threads: 4
    resources:
        mem_mb=memory(4000),
        runtime=minutes(120),
    params:
        categories=COLOURLESS,
        edition=lambda wildcards: fingerprint(*OWN_DATASET),
    script:
        script_path("pack_labels")
