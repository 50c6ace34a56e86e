# From: tables and figures. Makes: claims.csv, a page of units for each layer, report.html.


rule judge_claims:
    """Judge the slides' claims by criteria that were fixed beforehand."""
    input:
        claims="workflow/claims.yaml",
        detectors=[detectors for *_, detectors in judged_layers()],
        rotation=rotation_file(),
        code=code("judge_claims"),
    output:
        claims=report(
            f"{RESULTS}/claims.csv",
            category="Claims",
            caption="../report/captions/claims.rst",
        ),
    log:
        f"{LOGS}/judge_claims.log",
    benchmark:
        f"{BENCHMARKS}/judge_claims.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    params:
        layers=[[network, layer] for network, layer, _ in judged_layers()],
        groups=CONFIG.get("claims", {}),
        rotated=CONFIG["figures"].get("slide09_rotation"),
        iterations=snapshot_networks(),
    script:
        script_path("judge_claims")


rule make_unit_page:
    """Show every unit of a layer on one page that opens without a server."""
    input:
        dataset=dataset_folder,
        units=dissected("{network}", "{layer}", "units.csv"),
        thresholds=dissected("{network}", "{layer}", "thresholds.npy"),
        top_images=dissected("{network}", "{layer}", "top_images.npz"),
        geometry=dissected("{network}", "{layer}", "geometry.json"),
        template="workflow/report/units.html",
        code=code("make_unit_page"),
    output:
        page=report(
            f"{RESULTS}/units/{{network}}/{{layer}}.html",
            category="Units",
            labels={"network": "{network}", "layer": "{layer}"},
            caption="../report/captions/units.rst",
        ),
    log:
        f"{LOGS}/make_unit_page/{{network}}/{{layer}}.log",
    benchmark:
        f"{BENCHMARKS}/make_unit_page/{{network}}/{{layer}}.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        title=lambda wildcards: title(wildcards.network),
        iou_threshold=DISSECTION["iou_threshold"],
    script:
        script_path("make_unit_page")


rule make_report:
    """Gather claims and figures on one page that opens without a server."""
    input:
        figures=[figure_files(figure)["png"] for figure in CONFIG["figures"]],
        captions=[
            f"workflow/report/captions/{figure}.rst" for figure in CONFIG["figures"]
        ],
        claims=rules.judge_claims.output.claims,
        concepts=rules.list_concepts.output.concepts,
        units=[
            dissected(name, layer, "units.csv")
            for name, network in NETWORKS.items()
            for layer in network["layers"]
        ],
        template="workflow/report/report.html",
        lock="requirements.lock",
        code=code("make_report"),
    output:
        report=f"{RESULTS}/report.html",
    log:
        f"{LOGS}/make_report.log",
    benchmark:
        f"{BENCHMARKS}/make_report.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    params:
        run=CONFIG["run"],
        figures=list(CONFIG["figures"]),
        unit_pages=[
            [title(name), layer, os.path.relpath(unit_page(name, layer), RESULTS)]
            for name, network in NETWORKS.items()
            for layer in network["layers"]
        ],
        iou_threshold=DISSECTION["iou_threshold"],
        configuration=CONFIG,
        configuration_file=os.path.relpath(workflow.configfiles[0], ROOT),
    script:
        script_path("make_report")
