"""Where a run's files lie: every question takes a network's snapshots, too."""

import copy
import re

import pytest
import yaml
from layout import Run
from repository import ROOT

from dissection.config.validation import complete

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIG = {
    "run": "a",
    "dataset": {"synthetic": {}},
    "training": {"optimizer": "sgd"},
    "networks": {
        "net": {
            "title": "Net",
            "layers": ["conv1", "conv5"],
            "trained": {"snapshots": [1200, 0], "training": {"batch_size": 16}},
        },
        "net.2": {"layers": ["conv5"], "trained": {"task": "object"}},
        "own": {
            "layers": ["in/a", "in-b", "x.1"],
            "torchscript": {"file": "own.pt", "input_size": [64, 64]},
        },
    },
    "figures": {},
    "claims": {"baseline": ["net", "net.2"], "untrained": ["own"]},
}
DISSECTED = [
    *(("net", "conv1"), ("net", "conv5"), ("net@0", "conv1"), ("net@1200", "conv5")),
    *(("net.2", "conv5"), ("own", "in-a"), ("own", "in-b"), ("own", "x.1")),
]
NOT_DISSECTED = [
    *(("net", "conv2"), ("net@0", "conv"), ("net@7", "conv5"), ("net@", "conv5"), ("", "conv5")),
    *(("net.2", "conv1"), ("netx2", "conv5"), ("net.2@0", "conv5"), ("own@0", "x.1")),
    *(("own", "in/a"), ("own", "xx1"), ("own", "conv5"), ("other", "conv5"), ("et", "conv5")),
]


def run(**changes):
    config = complete(copy.deepcopy(CONFIG) | changes, SCHEMA, "a.yaml")
    return Run(config)


def changed(network, **changes):
    """The run with another entry of a network; None takes a key away."""
    networks = copy.deepcopy(CONFIG["networks"])
    networks[network] = {k: v for k, v in (networks[network] | changes).items() if v is not None}
    return run(networks=networks)


@pytest.mark.parametrize(("network", "layer"), DISSECTED + NOT_DISSECTED)
def test_wildcards_fit_what_the_configuration_names(network, layer):
    patterns = run().patterns()
    path = f"results/a/x/(?P<network>{patterns['network']})/(?P<layer>{patterns['layer']})/y.csv"
    found = re.fullmatch(path, f"results/a/x/{network}/{layer}/y.csv")
    assert (found is not None) == ((network, layer) in DISSECTED)
    if found:
        assert (found["network"], found["layer"]) == (network, layer)


def test_shards_and_trained_networks_by_pattern():
    shards = re.compile(run(dissection={"shards": 11}).patterns()["shard"])
    assert [n for n in range(-1, 120) if shards.fullmatch(str(n))] == list(range(11))
    trained = re.compile(run().trained_pattern())
    names = ("net", "net.2", "net@0", "netx2", "own", "")
    assert [name for name in names if trained.fullmatch(name)] == ["net", "net.2"]
    without = {"own": CONFIG["networks"]["own"]}
    nothing = run(networks=without, claims={}).trained_pattern()
    assert not re.fullmatch(nothing, "")
    assert not re.fullmatch(nothing, "own")


def test_every_question_takes_a_snapshot():
    r = run()
    assert r.title("net@1200") == "Net after 1,200 iterations"
    assert r.title("net") == "Net"
    assert r.title("own") == "own"
    assert r.layers("net@0") == ["conv1", "conv5"]
    assert r.layer("net@0", "conv5") == "conv5"
    assert r.held_out("net@0") == r.held_out("net") == r.training_set("net")
    assert r.source("net@0") == r.source("net")
    assert r.snapshots("net") == [(0, "net@0"), (1200, "net@1200")]
    assert r.snapshots("own") == []
    assert r.last_layers(["net@0"]) == ["results/a/dissection/net@0/conv5/detectors.csv"]


def test_layers_by_their_file_names():
    r = run()
    assert r.layer("own", "in-a") == "in/a"
    assert r.layer("own", "in-b") == "in-b"
    assert r.rotation("own", "in/a") == "results/a/rotation/own/in-a/rotation.csv"
    assert ("own", "in/a", "results/a/units/own/in-a.html") in r.unit_pages()


def test_what_opens_a_network_is_free_of_what_changes_no_activation():
    for network, changes in {
        "net": [
            {"title": "Other"},
            {"layers": ["conv5"]},
            {"trained": {"snapshots": [3], "seed": 7, "training": {"epochs": 2}}},
        ],
        "own": [{"title": "Other"}, {"layers": ["x.1"]}],
    }.items():
        for change in changes:
            assert changed(network, **change).source(network) == run().source(network)
    wider = changed("net", trained={"width": 2}).source("net")
    assert wider != run().source("net")
    assert wider["trained"]["width"] == 2
    assert run().source("own") == {"torchscript": {"file": "own.pt", "input_size": [64, 64]}}


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        ({"checkpoint_iterations": 7}, True),
        ({"workers": 9}, True),
        ({"step_size": 9}, True),  # of another schedule
        ({"momentum": 0.5}, False),
        ({"optimizer": "adamw"}, False),
        ({"epochs": 13}, False),
        ({"threads": 2}, False),
        ({"seed": 3}, None),
    ],
)
def test_what_weights_depend_on(settings, same):
    if same is None:  # no setting of the training
        assert changed("net", trained=settings).training("net") != run().training("net")
        return
    everywhere = run(training=CONFIG["training"] | settings)
    for name in ("net", "net.2"):
        assert (everywhere.training(name) == run().training(name)) == same
    trained = CONFIG["networks"]["net"]["trained"]
    if "workers" in settings:  # never a network's own
        return
    own = changed("net", trained=trained | {"training": {"batch_size": 16} | settings})
    assert (own.training("net") == run().training("net")) == same


def backwards(value):
    """The same configuration with its keys in another order."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(value)}
    return value


def test_the_order_of_keys_changes_no_parameter():
    """Snakemake compares what is printed."""
    r, other = run(), Run(backwards(run().config))
    for name in ("net", "net.2", "own"):
        assert repr(r.source(name)) == repr(other.source(name))
    for name in ("net", "net.2"):
        assert repr(r.training(name)) == repr(other.training(name))
    trained = CONFIG["networks"]["net"]["trained"]
    other = changed("net", trained=trained | {"snapshots": [0, 1200]})
    assert repr(other.training("net")) == repr(r.training("net"))
    trained = CONFIG["networks"]["net.2"]["trained"]
    explicit = changed("net.2", trained={"training": {}, **trained})
    assert repr(explicit.training("net.2")) == repr(r.training("net.2"))


def test_iterations_make_epochs_idle():
    few, many = (run(training={"iterations": 2900, "epochs": n}).training("net") for n in (2, 9))
    assert few == many
    own = changed("net", trained={"training": {"epochs": 3}})
    assert own.training("net")["training"]["epochs"] == 3


def test_checkpoints_are_the_network_s_own_or_everybody_s():
    r = changed("net", trained={"training": {"checkpoint_iterations": 7}})
    assert r.checkpoint_iterations("net") == 7
    assert r.checkpoint_iterations("net.2") == 5000


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [
        ({"synthetic": {}}, "results/a/dataset"),
        ({"broden": 227}, "resources/broden1_227"),
        ({"folder": "my data"}, "my data"),
        ({"masks": {"images": "i", "masks": ["m"], "labels": "l.csv"}}, "results/a/imported"),
    ],
)
def test_data_set(dataset, folder):
    assert run(dataset=dataset).dataset() == folder


def test_training_sets():
    r = run()
    assert r.training_set("net") == "results/a/training_set/scene"
    assert r.training_set("net.2") == "results/a/training_set/object"
    assert r.held_out("own") == []
    folder = run(training_set={"folder": "photographs"})
    assert folder.training_set("net") == folder.training_set("net.2") == "results/a/training_images"


def test_layers_that_claims_look_at():
    assert run().judged_layers() == [
        *(("net", "conv1"), ("net", "conv5"), ("net.2", "conv5"), ("own", "x.1")),
    ]
    figures = {
        "slide09_rotation": {"network": "own", "layer": "in/a"},
        "slide11_iterations": {"network": "net"},
    }
    assert run(figures=figures).judged_layers() == [
        *(("net", "conv1"), ("net", "conv5"), ("net@0", "conv5"), ("net@1200", "conv5")),
        *(("net.2", "conv5"), ("own", "in/a"), ("own", "x.1")),
    ]
    assert run(claims={}).judged_layers() == []
    assert run(figures=figures).shown_snapshots() == [(0, "net@0"), (1200, "net@1200")]
    assert run().shown_snapshots() == []


def test_networks_whose_accuracies_claims_compare():
    assert run().compared_by_claims() == ["net", "net.2"]
    assert run(claims={"untrained": ["own"]}).compared_by_claims() == []
    for short in ({"epochs": 0}, {"iterations": 0}):
        untrained = changed("net", trained={"training": short})
        assert untrained.compared_by_claims() == ["net.2"]
    assert changed("net", trained={"training": {"iterations": 5}}).compared_by_claims()[0] == "net"


def seeds():
    """A run with networks that differ in their seed, or in more."""
    networks = {
        f"{name}{seed}": {"layers": ["conv5"], "trained": {**options, "seed": seed}}
        for name, options in (("a", {"snapshots": []}), ("b", {"dropout": 0}))
        for seed in (1, 2)
    } | {"more": {"layers": ["conv5"], "trained": {"training": {"epochs": 3}}}}
    rotated = {"network": "a2", "layer": "conv5", "repeats": ["b1", "a2", "a1"]}
    shown = {"networks": ["a1", "b1", "more", "b2", "a2"]}
    figures = {
        "slide09_rotation": rotated,
        "slide10_regularization": shown | {"seeds": "mean"},
        "slide12_width": shown,
    }
    return run(networks=networks, figures=figures, claims={})


def test_networks_that_differ_in_their_seed_alone_can_be_one_bar():
    r, options = seeds(), seeds().config["figures"]
    assert r.bars(options["slide10_regularization"]) == [[0, 4], [1, 3], [2]]
    assert r.bars(options["slide12_width"]) == [[0], [1], [2], [3], [4]]


def test_rotated_layers():
    names = ["a2", "b1", "a1"]
    assert seeds().rotated() == [(name, "conv5") for name in names]
    assert seeds().rotations() == [f"results/a/rotation/{n}/conv5/rotation.csv" for n in names]
    assert set(seeds().judged_layers()) == {(name, "conv5") for name in names}
    assert run().rotated() == []
    left = seeds().of({name: seeds().network(name) for name in ("a1", "a2")})
    assert left.rotated() == [("a2", "conv5"), ("a1", "conv5")]


# ---- networks that cannot be had ---------------------------------------------------------------

ELSEWHERE = {
    "zoo": {
        "layers": ["conv5"],
        "caffe": {"download": "zoo"},
        "released": {"download": "zoo"},
    },
    "tv": {"layers": ["layer4"], "torchvision": {"name": "resnet18", "weights": "IMAGENET1K_V1"}},
}
TV = "ResNet18_Weights.IMAGENET1K_V1"
SHOWN = {
    "slide04_broden": {},
    "slide06_unit_detectors": {"network": "zoo", "layer": "conv5", "units": []},
    "slide06_agreement": {"networks": ["zoo"]},
    "slide08_networks": {"networks": ["tv", "net", "zoo"]},
    "slide09_rotation": {"network": "net", "layer": "conv5", "repeats": []},
}


def partly_elsewhere():
    return run(
        networks={**copy.deepcopy(CONFIG["networks"]), **ELSEWHERE},
        figures=SHOWN,
        claims={"baseline": ["net", "zoo"], "untrained": ["tv"], "object_task": ["own"]},
    )


@pytest.mark.parametrize(
    ("missing", "networks", "figures"),
    [
        (set(), {"zoo", "tv"}, SHOWN),
        ({"unknown"}, {"zoo", "tv"}, SHOWN),
        (
            {"zoo.caffemodel"},
            {"tv"},
            {"slide04_broden": {}, "slide08_networks": {"networks": ["tv", "net"]},
             "slide09_rotation": SHOWN["slide09_rotation"]},
        ),
        (
            {"released-zoo.csv", TV},
            {"zoo"},
            {k: v for k, v in SHOWN.items() if k != "slide06_agreement"}
            | {"slide08_networks": {"networks": ["net", "zoo"]}},
        ),
    ],
)  # fmt: skip
def test_a_run_without_what_is_missing(missing, networks, figures):
    r = partly_elsewhere()
    assert r.uncertain() == {"zoo", "tv"}
    left = r.without(missing)
    assert set(left.config["networks"]) == {*CONFIG["networks"], *networks}
    assert left.config["figures"] == figures
    groups = left.config["claims"]
    assert groups["baseline"] == ["net", *(["zoo"] if "zoo" in networks else [])]
    assert ("untrained" in groups) == ("tv" in networks)
    assert set(left.targets()) <= set(r.targets())
    assert r.unit_index() in left.targets()
    assert [page for *_, page in left.unit_pages()] == [
        page for name, _, page in r.unit_pages() if name in left.config["networks"]
    ]
    assert left.judged_layers() == [
        pair for pair in r.judged_layers() if pair[0] in left.config["networks"]
    ]


def test_what_tells_the_layers_of_a_network_is_no_weights():
    r = partly_elsewhere()
    assert r.defining_files("zoo") == ["resources/checked/zoo.prototxt.json"]
    assert r.defining_files("own") == ["own.pt"]
    assert r.defining_files("net") == r.defining_files("tv") == []
    assert r.released("zoo") == "resources/checked/released-zoo.csv.json"
    assert "resources/checked/released-zoo.csv.json" in r.download_notes()
