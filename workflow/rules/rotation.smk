# From: a layer's activations, packed labels, the network. Makes: rotation.csv.


rule rotate_basis:
    """Dissect a layer in bases that are rotated step by step towards random ones."""
    input:
        activations=shard_activations,
        labels=rules.pack_labels.output.labels,
        files=network_files,
        held_out=held_out_images,
        code=code("rotate_basis"),
    output:
        rotation=f"{RESULTS}/rotation/{{network}}/{{layer}}/rotation.csv",
    log:
        f"{LOGS}/rotate_basis/{{network}}/{{layer}}.log",
    benchmark:
        f"{BENCHMARKS}/rotate_basis/{{network}}/{{layer}}.jsonl"
    conda:
        "../../environment.yml"
    threads: DISSECTION["threads"]
    resources:
        mem_mb=memory(4000, share=0.3),
        runtime=minutes(720),
    params:
        network=lambda wildcards: NETWORKS[network_name(wildcards.network)],
        alphas=CONFIG["rotation"]["alphas"],
        seeds=CONFIG["rotation"]["seeds"],
        probe_splits=CONFIG["rotation"]["probe_splits"],
        quantile=DISSECTION["quantile"],
        iou_threshold=DISSECTION["iou_threshold"],
        threads=DISSECTION["threads"],
    script:
        script_path("rotate_basis")
