# From: config/downloads.yaml. Makes: notes of files that were fetched and checked.


rule download_file:
    """Fetch a data set's or a network's file, or check one that was put there by hand."""
    input:
        registry=shipped("config/downloads.yaml"),
        code=code("download_file"),
    output:
        "resources/checked/{file}.json",
    log:
        "resources/logs/download_file-{file}.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        name=lambda wildcards: wildcards.file,
        folder=lambda wildcards, output: str(Path(output[0]).parents[1]),
    script:
        script_path("download_file")
