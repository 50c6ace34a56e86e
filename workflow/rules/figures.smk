# From: tables, and what is kept of activations. Makes: the plots, each with the numbers that it draws.


if "slide04_broden" in CONFIG["figures"]:

    rule slide04_broden:
        """Slide 4: images with their label maps, and the data set in numbers."""
        input:
            dataset=dataset_folder,
            concepts=rules.list_concepts.output.concepts,
            published="workflow/published/broden.csv",
            code=code("slide04_broden"),
        output:
            **figure_outputs("slide04_broden"),
        log:
            f"{LOGS}/slide04_broden.log",
        benchmark:
            f"{BENCHMARKS}/slide04_broden.jsonl"
        localrule: True
        conda:
            "../../environment.yml"
        params:
            iou_threshold=DISSECTION["iou_threshold"],
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
            **figure_outputs("slide05_activation_map"),
        log:
            f"{LOGS}/slide05_activation_map.log",
        benchmark:
            f"{BENCHMARKS}/slide05_activation_map.jsonl"
        localrule: True
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
            **figure_outputs("slide06_unit_detectors"),
        log:
            f"{LOGS}/slide06_unit_detectors.log",
        benchmark:
            f"{BENCHMARKS}/slide06_unit_detectors.jsonl"
        localrule: True
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
            **figure_outputs("slide08_layers"),
        log:
            f"{LOGS}/slide08_layers.log",
        benchmark:
            f"{BENCHMARKS}/slide08_layers.jsonl"
        localrule: True
        conda:
            "../../environment.yml"
        params:
            title=title(CONFIG["figures"]["slide08_layers"]["network"]),
            layers=NETWORKS[CONFIG["figures"]["slide08_layers"]["network"]]["layers"],
        script:
            script_path("slide08_layers")


if "slide08_networks" in CONFIG["figures"]:

    rule slide08_networks:
        """Slide 8: unique detectors by category in every network, beside the paper's."""
        input:
            detectors=last_layers("slide08_networks")["detectors"],
            published="workflow/published/detectors.csv",
            code=code("slide08_networks"),
        output:
            **figure_outputs("slide08_networks"),
        log:
            f"{LOGS}/slide08_networks.log",
        benchmark:
            f"{BENCHMARKS}/slide08_networks.jsonl"
        localrule: True
        conda:
            "../../environment.yml"
        params:
            titles=last_layers("slide08_networks")["titles"],
        script:
            script_path("slide08_networks")


if "slide09_rotation" in CONFIG["figures"]:

    rule slide09_rotation:
        """Slide 9: unique detectors and accuracies against the rotation of the basis."""
        input:
            rotation=rotation_file()[0],
            published="workflow/published/rotation.csv",
            code=code("slide09_rotation"),
        output:
            **figure_outputs("slide09_rotation"),
        log:
            f"{LOGS}/slide09_rotation.log",
        benchmark:
            f"{BENCHMARKS}/slide09_rotation.jsonl"
        localrule: True
        conda:
            "../../environment.yml"
        params:
            title=title(CONFIG["figures"]["slide09_rotation"]["network"]),
            layer=CONFIG["figures"]["slide09_rotation"]["layer"],
        script:
            script_path("slide09_rotation")


if "slide10_regularization" in CONFIG["figures"]:

    rule slide10_regularization:
        """Slide 10: detectors of the baseline, its repeats, NoDropout and BatchNorm."""
        input:
            detectors=last_layers("slide10_regularization")["detectors"],
            training=last_layers("slide10_regularization")["training"],
            code=code("compare_networks"),
        output:
            **figure_outputs("slide10_regularization"),
        log:
            f"{LOGS}/slide10_regularization.log",
        benchmark:
            f"{BENCHMARKS}/slide10_regularization.jsonl"
        localrule: True
        conda:
            "../../environment.yml"
        params:
            titles=last_layers("slide10_regularization")["titles"],
            heading="Regularization: detectors in the last convolutional layer (accuracy)",
        script:
            script_path("compare_networks")


if "slide11_iterations" in CONFIG["figures"]:

    rule slide11_iterations:
        """Slide 11: unique detectors against the training iteration."""
        input:
            detectors=[
                dissected(
                    name,
                    NETWORKS[network_name(name)]["layers"][-1],
                    "detectors.csv",
                )
                for _, name in snapshot_networks()
            ],
            training=f"{RESULTS}/networks/{CONFIG['figures']['slide11_iterations']['network']}/training.csv",
            code=code("slide11_iterations"),
        output:
            **figure_outputs("slide11_iterations"),
        log:
            f"{LOGS}/slide11_iterations.log",
        benchmark:
            f"{BENCHMARKS}/slide11_iterations.jsonl"
        localrule: True
        conda:
            "../../environment.yml"
        params:
            iterations=[iteration for iteration, _ in snapshot_networks()],
            title=title(CONFIG["figures"]["slide11_iterations"]["network"]),
            layer=NETWORKS[CONFIG["figures"]["slide11_iterations"]["network"]][
                "layers"
            ][-1],
        script:
            script_path("slide11_iterations")


if "slide12_initialization" in CONFIG["figures"]:

    rule slide12_initialization:
        """Slide 12: networks that differ in their seed alone."""
        input:
            detectors=last_layers("slide12_initialization")["detectors"],
            training=last_layers("slide12_initialization")["training"],
            code=code("compare_networks"),
        output:
            **figure_outputs("slide12_initialization"),
        log:
            f"{LOGS}/slide12_initialization.log",
        benchmark:
            f"{BENCHMARKS}/slide12_initialization.jsonl"
        localrule: True
        conda:
            "../../environment.yml"
        params:
            titles=last_layers("slide12_initialization")["titles"],
            heading="Initialization: detectors in the last convolutional layer (accuracy)",
        script:
            script_path("compare_networks")


if "slide12_width" in CONFIG["figures"]:

    rule slide12_width:
        """Slide 12: a wider last convolution."""
        input:
            detectors=last_layers("slide12_width")["detectors"],
            training=last_layers("slide12_width")["training"],
            code=code("compare_networks"),
        output:
            **figure_outputs("slide12_width"),
        log:
            f"{LOGS}/slide12_width.log",
        benchmark:
            f"{BENCHMARKS}/slide12_width.jsonl"
        localrule: True
        conda:
            "../../environment.yml"
        params:
            titles=last_layers("slide12_width")["titles"],
            heading="Width: detectors in the last convolutional layer (accuracy)",
        script:
            script_path("compare_networks")
