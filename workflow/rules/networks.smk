# From: the training sets, or a folder of images. Makes: networks' weights.


rule download_weights:
    """Fetch a network's file, or check one that was put there by hand."""
    input:
        registry="config/downloads.yaml",
        code=code("download_file"),
    output:
        "resources/checked/{file}.json",
    log:
        "resources/logs/download_weights-{file}.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        name=lambda wildcards: wildcards.file,
        folder=lambda wildcards, output: str(Path(output[0]).parents[1]),
    script:
        script_path("download_file")


ruleorder: download_broden > download_weights


if "folder" in CONFIG["training_set"]:

    rule index_training_images:
        """Write down which labelled images the folder of the training set has."""
        input:
            code=code("index_training_images"),
        output:
            index=directory(f"{RESULTS}/training_images"),
        log:
            f"{LOGS}/index_training_images.log",
        benchmark:
            f"{BENCHMARKS}/index_training_images.jsonl"
        conda:
            "../../environment.yml"
        resources:
            mem_mb=memory(4000),
            runtime=minutes(60),
        params:
            # Not an input: without it, too, a dry run says what there is to do, and figures that
            # need no training are made. The script says what belongs where.
            folder=CONFIG["training_set"]["folder"],
        script:
            script_path("index_training_images")


rule train_network:
    """Train one network; an interrupted training goes on from its last checkpoint."""
    input:
        training_set=training_content,
        code=code("train_network"),
    output:
        weights=f"{RESULTS}/networks/{{network}}/weights.pt",
        training=f"{RESULTS}/networks/{{network}}/training.csv",
        snapshots=directory(f"{RESULTS}/networks/{{network}}/snapshots"),
    log:
        f"{LOGS}/train_network/{{network}}.log",
    benchmark:
        f"{BENCHMARKS}/train_network/{{network}}.jsonl"
    conda:
        "../../environment.yml"
    threads:
        lambda wildcards: (
            training_parameters(wildcards)["training"]["threads"] + training_workers()
        )
    resources:
        mem_mb=memory(4000 + 1000 * training_workers(), most=64000),
        # If it does not suffice, the second attempt goes on from the last checkpoint.
        runtime=minutes(1440 if "folder" in CONFIG["training_set"] else 240),
        gpu=GPU,
    params:
        trained=training_parameters,
        # Not an output: Snakemake removes the outputs of an interrupted job.
        unfinished=f"{RESULTS}/networks/{{network}}/unfinished",
    script:
        script_path("train_network")
