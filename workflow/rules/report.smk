# From: tables and figures. Makes: claims.csv, a page of units for each layer, report.html.


# The layer that slide 9 shows, if the run has one.
ROTATED = CONFIG["figures"].get("slide09_rotation")


rule judge_claims:
    """Judge the slides' claims by criteria that were fixed beforehand."""
    input:
        claims=shipped("workflow/claims.yaml"),
        detectors=[
            RUN.dissected(*pair, "detectors.csv") for pair in RUN.judged_layers()
        ],
        rotation=[RUN.rotation(ROTATED["network"], ROTATED["layer"])] if ROTATED else [],
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
        categories=OWN_CATEGORIES,
        layers=RUN.judged_layers(),
        groups=CONFIG.get("claims", {}),
        rotated=ROTATED,
        iterations=RUN.shown_snapshots(),
    script:
        script_path("judge_claims")


rule make_unit_page:
    """Show every unit of a layer on one page that opens without a server."""
    input:
        unpack(lambda wildcards: RUN.shown_layer(dict(wildcards.items()))),
        template=shipped("workflow/report/units.html"),
        code=code("make_unit_page"),
    output:
        page=report(
            f"{RESULTS}/units/{{network}}/{{layer}}.html",
            category="Units",
            labels=lambda wildcards: {
                "network": RUN.title(wildcards.network),
                "layer": RUN.layer(wildcards.network, wildcards.layer),
            },
            caption="../report/captions/units.rst",
        ),
        pictures=directory(f"{RESULTS}/units/{{network}}/{{layer}}"),
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
        categories=OWN_CATEGORIES,
        title=lambda wildcards: RUN.title(wildcards.network),
        layer=lambda wildcards: RUN.layer(wildcards.network, wildcards.layer),
        iou_threshold=DISSECTION["iou_threshold"],
    script:
        script_path("make_unit_page")


rule make_report:
    """Gather claims and figures on one page that opens without a server."""
    input:
        figures=[RUN.figure(figure)["png"] for figure in CONFIG["figures"]],
        captions=[
            shipped(f"workflow/report/captions/{figure}.rst")
            for figure in CONFIG["figures"]
        ],
        claims=rules.judge_claims.output.claims,
        concepts=rules.list_concepts.output.concepts,
        units=[
            RUN.dissected(name, layer, "units.csv")
            for name, layer, _ in RUN.unit_pages()
        ],
        template=shipped("workflow/report/report.html"),
        lock=shipped("requirements.lock"),
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
        figures={figure: FIGURES[figure]["title"] for figure in CONFIG["figures"]},
        unit_pages=literal(
            [
                [RUN.title(name), layer, os.path.relpath(page, RESULTS)]
                for name, layer, page in RUN.unit_pages()
            ]
        ),
        iou_threshold=DISSECTION["iou_threshold"],
        configuration=literal(CONFIG),
        # What the command line says of it, so that a reader can say the same.
        configuration_files=literal(
            [os.path.relpath(file, ROOT) for file in workflow.configfiles]
        ),
        overrides=literal(list(workflow.config_settings.config_args or [])),
    script:
        script_path("make_report")
