"""The smoke run, end to end in an empty folder, and what reruns after which change."""

import zipfile

import pandas as pd
import pytest
import yaml
from browser import open_page
from repository import ROOT
from workflow_runs import clone, job_counts, planned, shards, snakemake, tables

pytestmark = pytest.mark.workflow


def read_config(folder):
    return yaml.safe_load((folder / "config/smoke.yaml").read_text())


def write_config(folder, config):
    (folder / "config/smoke.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def edit(path):
    path.write_text(path.read_text() + "\n# A comment.\n")


def test_every_figure_is_there_with_its_numbers(finished):
    for figure in read_config(finished)["figures"]:
        for kind in ("pdf", "png", "csv"):
            assert (finished / f"results/smoke/figures/{figure}.{kind}").stat().st_size > 0


def test_tables_keep_their_columns(finished):
    folder = finished / "results/smoke/dissection/alexnet/conv5"
    units = pd.read_csv(folder / "units.csv", keep_default_na=False)
    categories = ["object", "part", "scene", "material", "texture", "color"]
    assert list(units.columns) == [
        *("unit", "category", "label", "score"),
        *(
            f"{category}-{column}"
            for category in categories
            for column in ("label", "truth", "activation", "intersect", "iou")
        ),
        "cannot_fire",
    ]
    assert sorted(units["unit"]) == list(range(1, len(units) + 1))
    assert units["score"].is_monotonic_decreasing
    detectors = pd.read_csv(folder / "detectors.csv")
    assert list(detectors.columns[:4]) == ["rule", "category", "units", "unique"]
    assert list(detectors["category"]) == [*categories, "total"] * 2


def test_every_claim_that_the_run_has_networks_for_has_a_verdict(finished):
    claims = yaml.safe_load((ROOT / "workflow/claims.yaml").read_text())
    table = pd.read_csv(finished / "results/smoke/claims.csv", keep_default_na=False)
    groups = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())["claims"].keys()
    expected = [
        name
        for name, claim in claims.items()
        if {claim[key] for key in ("more", "fewer") if key in claim} <= groups
    ]
    assert list(table["id"]) == expected
    assert set(table["verdict"]) <= {"replicated", "not replicated", "inconclusive"}


def test_rotation_by_nothing_counts_what_the_layer_itself_counts(finished):
    results = finished / "results/smoke"
    rotation = pd.read_csv(results / "rotation/alexnet/conv5/rotation.csv")
    detectors = pd.read_csv(results / "dissection/alexnet/conv5/detectors.csv")
    counted = ["rule", "category", "units", "unique"]
    assert detectors["unique"].sum() > 0
    for seed, rows in rotation.query("alpha == 0").groupby("seed"):
        assert rows[counted].values.tolist() == detectors[counted].values.tolist(), seed
    # The network's own accuracy cannot depend on the basis.
    assert rotation["accuracy"].nunique() == 1


def test_report_opens_without_a_server_and_shows_every_figure(finished):
    with open_page(finished / "results/smoke/report.html") as (page, problems):
        for figure in read_config(finished)["figures"]:
            assert page.locator(f"#{figure} + figure img").count() == 1, figure
        claims = pd.read_csv(finished / "results/smoke/claims.csv")
        assert page.locator("#claims ~ table tbody tr").count() == len(claims)
        results = finished / "results/smoke"
        links = page.locator("#units + p + ul a").evaluate_all(
            "links => links.map(link => link.getAttribute('href'))"
        )
        found = [str(path.relative_to(results)) for path in results.glob("units/*/*.html")]
        assert sorted(links) == sorted(found)
        assert problems == []


def test_the_data_set_s_page_is_linked_and_has_every_concept(finished):
    results = finished / "results/smoke"
    with open_page(results / "report.html") as (page, _):
        page.click("a[href='dataset.html']")
        assert page.url == (results / "dataset.html").as_uri()
    with open_page(results / "dataset.html") as (page, problems):
        concepts = pd.read_csv(results / "concepts.csv", keep_default_na=False)
        assert page.locator("#table tbody tr").count() == len(concepts)
        assert page.locator("article img").count() > 12
        assert problems == []


def test_unit_page_of_a_run_can_be_filtered(finished):
    units = pd.read_csv(
        finished / "results/smoke/dissection/alexnet/conv5/units.csv", keep_default_na=False
    )
    with open_page(finished / "results/smoke/units/alexnet/conv5.html") as (page, problems):
        shown = page.locator("article:visible")
        assert shown.count() == len(units)
        assert f"unit {units['unit'][0]} " in shown.first.inner_text()
        detecting = units[units["score"] > 0.04]
        category = detecting["category"].iloc[0]
        page.locator(f"nav button[data-category={category}]").click()
        assert shown.count() == (detecting["category"] == category).sum() < len(units)
        assert problems == []


def test_snakemake_s_own_report_has_figures_with_captions(copy):
    result = snakemake(copy, "--report", "report.zip")
    assert result.returncode == 0, result.stdout
    with zipfile.ZipFile(copy / "report.zip") as archive:
        text = "".join(
            archive.read(name).decode() for name in archive.namelist() if name.endswith(".html")
        )
    for figure in read_config(copy)["figures"]:
        assert f"{figure}.png" in text, figure
    assert "what follows; a linear probe" in text


def test_raw_activations_are_gone(finished):
    assert not list((finished / "results/smoke").glob("activations/*/*"))


def test_an_edited_file_reruns_what_depends_on_it(copy):
    assert planned(copy) == set()
    edit(copy / "scripts/slide08_layers.py")
    edit(copy / "scripts/dissection/report/claims.py")
    # The report shows both.
    assert planned(copy) == {"slide08_layers", "judge_claims", "make_report", "all"}
    edit(copy / "scripts/dissection/scoring/iou.py")
    rules = planned(copy)
    assert {"score_units", "rotate_basis", "slide08_layers", "slide09_rotation"} <= rules
    assert "list_concepts" in rules, "the bound of a concept's IoU follows from what IoU is"
    assert not rules & {"train_network", "synthesize_broden", "pack_labels"}


def test_one_figure_alone_runs_only_what_it_needs(tmp_path):
    folder = clone(tmp_path / "netdissect")
    assert planned(folder, "slide04_broden") == {
        *("synthesize_broden", "pack_labels", "list_concepts", "slide04_broden")
    }
    result = snakemake(folder, "slide09_rotation", "--dry-run")
    jobs = job_counts(result.stdout)
    assert {"rotate_basis", "slide09_rotation"} <= jobs.keys()
    assert not jobs.keys() & {"tally_overlaps", "score_units", "make_unit_page", "judge_claims"}
    assert jobs["train_network"] == 1


def test_changed_variant_is_retrained_alone(copy):
    config = read_config(copy)
    config["networks"]["alexnet"]["trained"]["dropout"] = 0.25
    write_config(copy, config)
    result = snakemake(copy, "--dry-run")
    assert result.stdout.count("rule train_network:") == 1
    assert "networks/alexnet/weights.pt" in result.stdout
    assert "networks/untrained/weights.pt" not in result.stdout


# Every rule's tables are compared in test_killed.py, those of one network.
@pytest.mark.long
def test_cores_and_shards_change_no_table(finished, tmp_path):
    folder = clone(tmp_path / "netdissect")
    config = read_config(folder)
    assert config["dissection"]["shards"] != 3
    config["dissection"]["shards"] = 3
    write_config(folder, config)
    result = snakemake(folder, cores=1)
    assert result.returncode == 0, result.stdout
    assert tables(folder) == tables(finished)


def test_p_values_are_a_column_more_whatever_the_shards(copy, finished):
    target = "results/smoke/dissection/untrained/conv5/units.csv"
    found = []
    for count in (2, 1):
        config = read_config(finished)
        config["dissection"] |= {"permutations": 19, "shards": count}
        write_config(copy, config)
        result = snakemake(copy, target)
        assert result.returncode == 0, result.stdout
        found.append((copy / target).read_bytes())
    assert found[0] == found[1]
    units, default = (
        pd.read_csv(folder / target, dtype=str, keep_default_na=False)
        for folder in (copy, finished)
    )
    assert list(units.columns) == [*default.columns, "p_value"]
    pd.testing.assert_frame_equal(units.drop(columns="p_value"), default)
    reached = units["p_value"].astype(float) * 20
    assert reached.between(1, 20).all()
    assert (reached == reached.round()).all()
    assert (reached[units["score"] == "0.0"] == 20).all()
    log = copy / "results/smoke/logs/score_units/untrained/conv5.log"
    assert "units that detect a concept have p < 0.05." in log.read_text()


def test_failed_shard_is_computed_again_alone(copy, finished):
    config = read_config(copy)
    config["dissection"]["shards"] = 3
    write_config(copy, config)
    dataset = copy / "results/smoke/dataset"
    last_image = dataset / "images" / pd.read_csv(dataset / "index.csv")["image"].iloc[-1]
    content = last_image.read_bytes()
    table = "results/smoke/dissection/untrained/conv5/thresholds.npy"

    last_image.write_bytes(b"broken")
    failed = snakemake(copy, table)
    assert failed.returncode == 1
    assert shards(failed.stdout) == {"untrained/0", "untrained/1", "untrained/2"}
    last_image.write_bytes(content)
    result = snakemake(copy, table)
    assert result.returncode == 0, result.stdout
    assert shards(result.stdout) == {"untrained/2"}
    assert (copy / table).read_bytes() == (finished / table).read_bytes()


def test_mistake_in_the_configuration_is_one_short_message(tmp_path):
    folder = clone(tmp_path / "netdissect")
    config = read_config(folder)
    config["dissection"]["quantil"] = 0.01
    write_config(folder, config)
    result = snakemake(folder)
    assert result.returncode != 0
    assert "dissection.quantil: unknown key. Did you mean 'quantile'?" in result.stdout
    assert "config/smoke.yaml" in result.stdout
    assert "Traceback" not in result.stdout
    assert len(result.stdout.splitlines()) < 8


def test_layer_that_the_network_lacks_is_refused_with_its_layers(tmp_path):
    folder = clone(tmp_path / "netdissect")
    config = read_config(folder)
    config["networks"]["untrained"]["layers"] = ["conv9"]
    config["figures"] = {"slide08_layers": {"network": "untrained"}}
    write_config(folder, config)
    result = snakemake(folder, "slide08_layers")
    assert result.returncode != 0
    assert "conv9" in result.stdout
    assert "conv5" in result.stdout
    assert "Traceback" not in result.stdout
