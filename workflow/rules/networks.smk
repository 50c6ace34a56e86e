# From: the training sets. Makes: networks' weights.


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
        folder="resources",
    script:
        script_path("download_file")


ruleorder: download_broden > download_weights


rule train_network:
    """Train one network; an interrupted training goes on after its last finished epoch."""
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
    threads: lambda wildcards: training_parameters(wildcards)["training"]["threads"]
    params:
        trained=training_parameters,
        # Not an output: Snakemake removes the outputs of an interrupted job.
        unfinished=f"{RESULTS}/networks/{{network}}/unfinished",
    script:
        script_path("train_network")
