# From: config/downloads.yaml. Makes: notes of files that were fetched and checked, or are missing.


rule download_file:
    """Fetch a data set's or a network's file, or check one that was put there by hand."""
    input:
        registry=shipped("config/downloads.yaml"),
        code=code("download_file"),
    output:
        "resources/checked/{file}.json",
    log:
        "resources/logs/download_file-{file}.log",
    priority: DATA
    localrule: True
    conda:
        "../../environment.yml"
    params:
        name=lambda wildcards: wildcards.file,
        folder=lambda wildcards, output: str(Path(output[0]).parents[1]),
    script:
        script_path("download_file")


if MISSING:

    checkpoint find_networks:
        """Fetch the networks that are downloaded, and note those that cannot be had."""
        input:
            registry=shipped("config/downloads.yaml"),
            tries=lambda wildcards: tries(),
            code=code("find_networks"),
        output:
            missing=MISSING[0],
        log:
            f"{LOGS}/find_networks.log",
        priority: DATA
        localrule: True
        conda:
            "../../environment.yml"
        params:
            networks=lambda wildcards: RUN.network_downloads(),
            tables=literal(RUN.released_downloads()),
            folder="resources",
        script:
            script_path("find_networks")
