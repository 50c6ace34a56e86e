# From: tables, and what is kept of activations. Makes: the plots, each with the numbers that it draws.


if "slide04_broden" in CONFIG["figures"]:

    rule slide04_broden:
        """Slide 4: images with their label maps, and the data set in numbers."""
        input:
            dataset=dataset_folder,
            published="workflow/published/broden.csv",
            code=code("slide04_broden"),
        output:
            **figure_files("slide04_broden"),
        log:
            f"{LOGS}/slide04_broden.log",
        benchmark:
            f"{BENCHMARKS}/slide04_broden.jsonl"
        conda:
            "../../environment.yml"
        script:
            script_path("slide04_broden")


if "slide05_activation_map" in CONFIG["figures"]:

    rule slide05_activation_map:
        """Slide 5: from an image to an activation map, its threshold and the binary map."""
        input:
            **shown_layer(
                "slide05_activation_map",
                "units.csv",
                "thresholds.npy",
                "top_images.npz",
                "histograms.npz",
                "geometry.json",
            ),
            dataset=dataset_folder,
            code=code("slide05_activation_map"),
        output:
            **figure_files("slide05_activation_map"),
        log:
            f"{LOGS}/slide05_activation_map.log",
        benchmark:
            f"{BENCHMARKS}/slide05_activation_map.jsonl"
        conda:
            "../../environment.yml"
        params:
            title=title(CONFIG["figures"]["slide05_activation_map"]["network"]),
            layer=CONFIG["figures"]["slide05_activation_map"]["layer"],
            units=CONFIG["figures"]["slide05_activation_map"]["units"],
            quantile=DISSECTION["quantile"],
        script:
            script_path("slide05_activation_map")


if "slide06_unit_detectors" in CONFIG["figures"]:

    rule slide06_unit_detectors:
        """Slide 6: the best detectors of each category, on the images that excite them most."""
        input:
            **shown_layer(
                "slide06_unit_detectors",
                "units.csv",
                "thresholds.npy",
                "top_images.npz",
                "geometry.json",
            ),
            dataset=dataset_folder,
            code=code("slide06_unit_detectors"),
        output:
            **figure_files("slide06_unit_detectors"),
        log:
            f"{LOGS}/slide06_unit_detectors.log",
        benchmark:
            f"{BENCHMARKS}/slide06_unit_detectors.jsonl"
        conda:
            "../../environment.yml"
        params:
            title=title(CONFIG["figures"]["slide06_unit_detectors"]["network"]),
            layer=CONFIG["figures"]["slide06_unit_detectors"]["layer"],
            units=CONFIG["figures"]["slide06_unit_detectors"]["units"],
            iou_threshold=DISSECTION["iou_threshold"],
        script:
            script_path("slide06_unit_detectors")


if "slide08_layers" in CONFIG["figures"]:

    rule slide08_layers:
        """Slide 8: unique detectors by category in the layers of one network."""
        input:
            detectors=[
                dissected(
                    CONFIG["figures"]["slide08_layers"]["network"],
                    layer,
                    "detectors.csv",
                )
                for layer in NETWORKS[CONFIG["figures"]["slide08_layers"]["network"]][
                    "layers"
                ]
            ],
            published="workflow/published/detectors.csv",
            code=code("slide08_layers"),
        output:
            **figure_files("slide08_layers"),
        log:
            f"{LOGS}/slide08_layers.log",
        benchmark:
            f"{BENCHMARKS}/slide08_layers.jsonl"
        conda:
            "../../environment.yml"
        params:
            title=title(CONFIG["figures"]["slide08_layers"]["network"]),
            layers=NETWORKS[CONFIG["figures"]["slide08_layers"]["network"]]["layers"],
        script:
            script_path("slide08_layers")
