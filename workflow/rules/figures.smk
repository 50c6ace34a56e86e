# From: tables, and what is kept of activations. Makes: the plots, each with the numbers that it draws.

# A row a figure, with functions of what the configuration says of it:
#   title    for people: what `--list-target-rules` says, and the heading in the report
#   inputs   the files that it is drawn from
#   params   what else its script is told, if anything
#            (of networks that can be had, where it shows several: see of_figure)
#   script   if it is not named after the figure
FIGURES = {
    "slide04_broden": dict(
        title="Slide 4: images with their label maps, and the data set in numbers",
        inputs=lambda options: dict(
            dataset=RUN.dataset(),
            concepts=rules.list_concepts.output.concepts,
            published=shipped("workflow/published/broden.csv"),
        ),
        params=lambda options: dict(
            iou_threshold=DISSECTION["iou_threshold"], missing=RUN.missing_sources()
        ),
    ),
    "slide05_activation_map": dict(
        title="Slide 5: from an image to an activation map, its threshold and the binary map",
        inputs=lambda options: dict(
            RUN.shown_layer(options),
            histograms=RUN.dissected(
                options["network"], options["layer"], "histograms.npz"
            ),
        ),
        params=lambda options: dict(
            title=RUN.title(options["network"]),
            layer=options["layer"],
            units=options["units"],
            quantile=DISSECTION["quantile"],
        ),
    ),
    "slide06_unit_detectors": dict(
        title="Slide 6: the best detectors of each category, on the images that excite them most",
        inputs=lambda options: RUN.shown_layer(options),
        params=lambda options: dict(
            title=RUN.title(options["network"]),
            layer=options["layer"],
            units=options["units"],
            iou_threshold=DISSECTION["iou_threshold"],
        ),
    ),
    "slide06_agreement": dict(
        title="Slide 6: units beside those that the paper's authors released, one by one",
        inputs=lambda options: RUN.agreements(options["networks"]),
        params=lambda options: dict(
            titles=[
                f"{RUN.title(network)}, {RUN.layers(network)[-1]}"
                for network in options["networks"]
            ]
        ),
    ),
    "slide08_layers": dict(
        title="Slide 8: unique detectors by category in the layers of one network",
        inputs=lambda options: dict(
            detectors=[
                RUN.dissected(options["network"], layer, "detectors.csv")
                for layer in RUN.layers(options["network"])
            ],
            published=shipped("workflow/published/detectors.csv"),
        ),
        params=lambda options: dict(
            title=RUN.title(options["network"]), layers=RUN.layers(options["network"])
        ),
    ),
    "slide08_networks": dict(
        title="Slide 8: unique detectors by category in every network, beside the paper's",
        inputs=lambda options: dict(
            detectors=RUN.last_layers(options["networks"]),
            published=shipped("workflow/published/detectors.csv"),
        ),
        params=lambda options: dict(
            titles=RUN.titles(options["networks"]),
            shown=RUN.titles(CONFIG["figures"]["slide08_networks"]["networks"]),
        ),
    ),
    "slide09_rotation": dict(
        title="Slide 9: unique detectors and accuracies against the rotation of the basis",
        inputs=lambda options: dict(
            rotation=RUN.rotations(options),
            published=shipped("workflow/published/rotation.csv"),
        ),
        params=lambda options: dict(
            title=RUN.title(options["network"]), layer=options["layer"]
        ),
    ),
    "slide10_regularization": dict(
        title="Slide 10: detectors of the baseline, its repeats, NoDropout and BatchNorm",
        script="compare_networks",
        inputs=lambda options: RUN.compared(options["networks"]),
        params=lambda options: dict(
            titles=RUN.titles(options["networks"]),
            bars=RUN.bars(options),
            heading="Regularization: detectors in the last convolutional layer (accuracy)",
        ),
    ),
    "slide11_iterations": dict(
        title="Slide 11: unique detectors against the training iteration",
        inputs=lambda options: dict(
            detectors=RUN.last_layers(
                network for _, network in RUN.snapshots(options["network"])
            ),
            training=RUN.training_table(options["network"]),
        ),
        params=lambda options: dict(
            iterations=[
                iteration for iteration, _ in RUN.snapshots(options["network"])
            ],
            title=RUN.title(options["network"]),
            layer=RUN.layers(options["network"])[-1],
        ),
    ),
    "slide12_initialization": dict(
        title="Slide 12: networks that differ in their seed alone",
        script="compare_networks",
        inputs=lambda options: RUN.compared(options["networks"]),
        params=lambda options: dict(
            titles=RUN.titles(options["networks"]),
            bars=RUN.bars(options),
            heading="Initialization: detectors in the last convolutional layer (accuracy)",
        ),
    ),
    "slide12_width": dict(
        title="Slide 12: a wider last convolution",
        script="compare_networks",
        inputs=lambda options: RUN.compared(options["networks"]),
        params=lambda options: dict(
            titles=RUN.titles(options["networks"]),
            bars=RUN.bars(options),
            heading="Width: detectors in the last convolutional layer (accuracy)",
        ),
    ),
}


for figure, options in CONFIG["figures"].items():
    row = FIGURES[figure]

    rule:
        name:
            figure
        input:
            unpack(of_figure(figure, row["inputs"])),
            code=code(row.get("script", figure)),
        output:
            **RUN.figure(figure)
            | {
                "png": report(
                    RUN.figure(figure)["png"],
                    category="Figures",
                    labels={"figure": figure},
                    caption=f"../report/captions/{figure}.rst",
                )
            },
        log:
            f"{LOGS}/{figure}.log",
        benchmark:
            f"{BENCHMARKS}/{figure}.jsonl"
        priority: FIRST
        localrule: True
        conda:
            "../../environment.yml"
        params:
            **{
                key: of_figure(
                    figure,
                    lambda options, key=key, params=row["params"]: params(options)[
                        key
                    ],
                )
                for key in (row["params"](options) if "params" in row else ())
            },
            script=row.get("script", figure),
            categories=OWN_CATEGORIES,
        script:
            # Looked up when the job runs; by then `row` is the last one.
            script_path("{params.script}")

    # A docstring cannot come out of a table.
    list(workflow.rules)[-1].docstring = f"{row['title']}."
