"""config/thorough.yaml: the default run's experiments, with four seeds of what claims compare."""

import yaml
from layout import Run
from repository import ROOT

from dissection.config.validation import complete
from dissection.report.claims import read_claims

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def run(name):
    file = ROOT / f"config/{name}.yaml"
    return Run(complete(yaml.safe_load(file.read_text()), SCHEMA, str(file)))


DEFAULT, THOROUGH = run("config"), run("thorough")


def variants(r, networks):
    """What networks are but for their seed and how long they are trained, with their seeds."""
    found = {}
    for name in networks:
        trained = dict(r.training(name))
        seed, epochs = trained.pop("seed"), trained.pop("training")["epochs"]
        del trained["snapshots"]
        found.setdefault(repr((trained, epochs > 0)), []).append(seed)
    return found


def test_every_group_of_a_claim_has_four_seeds_of_the_default_run_s_variants():
    groups = THOROUGH.config["claims"]
    named = {claim[key] for claim in read_claims(ROOT / "workflow/claims.yaml")
             for key in ("more", "fewer") if key in claim}  # fmt: skip
    assert groups.keys() == DEFAULT.config["claims"].keys() == named
    for group, networks in groups.items():
        found = variants(THOROUGH, networks)
        assert found.keys() == variants(DEFAULT, DEFAULT.config["claims"][group]).keys()
        assert all(sorted(seeds) == [1, 2, 3, 4] for seeds in found.values()), group


def test_it_has_the_default_run_s_networks_figures_and_data():
    assert DEFAULT.config["networks"].keys() - {"untrained2"} <= THOROUGH.config["networks"].keys()
    everything = (variants(r, r.config["networks"]).keys() for r in (DEFAULT, THOROUGH))
    assert len(set(map(frozenset, everything))) == 1
    assert THOROUGH.config["figures"].keys() == DEFAULT.config["figures"].keys()
    assert THOROUGH.config["dataset"] == DEFAULT.config["dataset"]
    for key in ("images", "seed"):
        assert THOROUGH.config["training_set"][key] == DEFAULT.config["training_set"][key]


def test_figures_show_a_mean_of_each_variant_and_several_rotations():
    figures = THOROUGH.config["figures"]
    for figure in ("slide10_regularization", "slide12_width"):
        assert [len(bar) for bar in THOROUGH.bars(figures[figure])] == [4, 4, 4]
    assert len(THOROUGH.rotations()) == 4


def test_every_training_goes_by_the_same_rule():
    rules = [
        {k: v for k, v in THOROUGH.training(name)["training"].items() if k != "epochs"}
        for name in THOROUGH.config["networks"]
    ]
    assert all(rule == rules[0] for rule in rules)
    assert rules[0]["schedule"] == "plateau"
