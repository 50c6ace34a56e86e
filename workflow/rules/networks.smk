# From: the training sets, or a folder of images. Makes: networks' weights; prints networks' layers.


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
        priority: DATA
        conda:
            "../../environment.yml"
        resources:
            mem_mb=memory(4000),
            runtime=minutes(60),
        params:
            # Not an input: without it, too, a dry run says what there is to do, and figures that
            # need no training are made. The script says what belongs where.
            folder=literal(CONFIG["training_set"]["folder"]),
        script:
            script_path("index_training_images")


# Processes that load images; drawn ones are in memory.
WORKERS = CONFIG["training"]["workers"] if "folder" in CONFIG["training_set"] else 0


rule train_network:
    """Train one network; an interrupted training goes on from its last checkpoint."""
    input:
        training_set=lambda wildcards: RUN.training_set(wildcards.network),
        code=code("train_network"),
    output:
        weights=f"{RESULTS}/networks/{{network}}/weights.pt",
        training=f"{RESULTS}/networks/{{network}}/training.csv",
        snapshots=directory(f"{RESULTS}/networks/{{network}}/snapshots"),
    log:
        f"{LOGS}/train_network/{{network}}.log",
    benchmark:
        f"{BENCHMARKS}/train_network/{{network}}.jsonl"
    wildcard_constraints:
        network=RUN.trained_pattern(),
    priority: ORDER.training
    conda:
        "../../environment.yml"
    threads: lambda wildcards: (RUN.training(wildcards.network)["training"]["threads"] + WORKERS)
    resources:
        mem_mb=memory(4000 + 1000 * WORKERS),
        # If it does not suffice, the second attempt goes on from the last checkpoint.
        runtime=minutes(1440 if "folder" in CONFIG["training_set"] else 240),
        gpu=GPU,
    params:
        trained=lambda wildcards: RUN.training(wildcards.network),
        checkpoint_iterations=neutral(
            lambda wildcards: RUN.checkpoint_iterations(wildcards.network)
        ),
        # Not an output: Snakemake removes the outputs of an interrupted job.
        unfinished=f"{RESULTS}/networks/{{network}}/unfinished",
    script:
        script_path("train_network")


# Whose layers are to be printed, if any network's.
LISTED = CONFIG.get("network")


rule list_layers:
    """Print the layers of a network: snakemake list_layers --config network=NAME."""
    input:
        files=lambda wildcards: RUN.defining_files(LISTED) if LISTED else [],
        loader=LOADERS[LISTED] if LISTED else [],
        code=code("list_layers"),
    log:
        f"{LOGS}/list_layers.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        name=LISTED,
        names=list(NETWORKS),
        network=literal(RUN.source(LISTED) if LISTED else None),
    script:
        script_path("list_layers")
