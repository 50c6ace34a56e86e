# From: tables and figures. Makes: claims.csv, pages of units, of the data set, report.html.


# The networks that claims look at.
JUDGED = {network.partition("@")[0] for network, _ in RUN.judged_layers()}
# Those whose accuracies they compare, each with what it learned from.
LEARNED = {name: RUN.training_set(name) for name in RUN.compared_by_claims()}


rule judge_claims:
    """Judge the slides' claims by criteria that were fixed beforehand."""
    input:
        claims=shipped("workflow/claims.yaml"),
        detectors=of_found(
            lambda run: [
                run.dissected(*pair, "detectors.csv") for pair in run.judged_layers()
            ],
            JUDGED,
        ),
        rotation=of_found(lambda run: run.rotations(), JUDGED),
        training=[RUN.training_table(name) for name in LEARNED],
        training_sets=list(LEARNED.values()),
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
        categories=COLOURLESS,
        layers=of_found(lambda run: run.judged_layers(), JUDGED),
        groups=of_found(lambda run: run.config.get("claims", {}), JUDGED),
        rotated=of_found(lambda run: run.rotated(), JUDGED),
        iterations=RUN.shown_snapshots(),
        learned={name: RUN.training(name)["task"] for name in LEARNED},
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


rule make_unit_index:
    """Show, for a concept, the units of every dissected layer that detect it, best first."""
    input:
        units=of_found(
            lambda run: [
                run.dissected(name, layer, "units.csv")
                for name, layer, _ in run.unit_pages()
            ]
        ),
        template=shipped("workflow/report/index.html"),
        code=code("make_unit_index"),
    output:
        page=RUN.unit_index(),
    log:
        f"{LOGS}/make_unit_index.log",
    benchmark:
        f"{BENCHMARKS}/make_unit_index.jsonl"
    localrule: True
    conda:
        "../../environment.yml"
    params:
        categories=OWN_CATEGORIES,
        run=CONFIG["run"],
        layers=of_found(
            lambda run: [
                [run.title(name), layer, os.path.relpath(page, f"{RESULTS}/units")]
                for name, layer, page in run.unit_pages()
            ]
        ),
        iou_threshold=DISSECTION["iou_threshold"],
    script:
        script_path("make_unit_index")


rule make_dataset_page:
    """Show on one page what is in the data set: concepts, images with labels, its origin."""
    input:
        dataset=RUN.dataset(),
        concepts=rules.list_concepts.output.concepts,
        origin=rules.import_masks.output.origin if RUN.import_form() else [],
        template=shipped("workflow/report/dataset.html"),
        code=code("make_dataset_page"),
    output:
        page=report(
            f"{RESULTS}/dataset.html",
            category="Data set",
            caption="../report/captions/dataset.rst",
        ),
    log:
        f"{LOGS}/make_dataset_page.log",
    benchmark:
        f"{BENCHMARKS}/make_dataset_page.jsonl"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory(2000),
        runtime=minutes(30),
    params:
        categories=OWN_CATEGORIES,
        run=CONFIG["run"],
        iou_threshold=DISSECTION["iou_threshold"],
        configuration=literal(CONFIG["dataset"]),
        missing=RUN.missing_sources(),
    script:
        script_path("make_dataset_page")


rule make_report:
    """Gather claims and figures on one page that opens without a server."""
    input:
        figures=of_found(
            lambda run: [run.figure(figure)["png"] for figure in run.config["figures"]]
        ),
        captions=of_found(
            lambda run: [
                shipped(f"workflow/report/captions/{figure}.rst")
                for figure in run.config["figures"]
            ]
        ),
        claims=rules.judge_claims.output.claims,
        concepts=rules.list_concepts.output.concepts,
        units=of_found(
            lambda run: [
                run.dissected(name, layer, "units.csv")
                for name, layer, _ in run.unit_pages()
            ]
        ),
        missing=MISSING,
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
        figures=of_found(
            lambda run: {
                figure: FIGURES[figure]["title"] for figure in run.config["figures"]
            }
        ),
        titles={figure: FIGURES[figure]["title"] for figure in CONFIG["figures"]},
        unit_pages=of_found(
            lambda run: [
                [run.title(name), layer, os.path.relpath(page, RESULTS)]
                for name, layer, page in run.unit_pages()
            ]
        ),
        networks=lambda wildcards: [
            [RUN.title(name), files] for name, files in RUN.network_downloads().items()
        ],
        iou_threshold=DISSECTION["iou_threshold"],
        configuration=literal(CONFIG),
        # What the command line says of it, so that a reader can say the same.
        configuration_files=literal(
            [os.path.relpath(file, ROOT) for file in workflow.configfiles]
        ),
        overrides=literal(list(workflow.config_settings.config_args or [])),
    script:
        script_path("make_report")
