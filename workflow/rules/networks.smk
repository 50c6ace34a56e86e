# From: the training sets. Makes: networks' weights.


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
