"""The page of all units in a browser: a concept is searched, units come best first, lazily."""

import json
import re
import time

import numpy as np
import pandas as pd
import pytest
from browser import open_page, start_browser
from PIL import Image
from repository import ROOT

from dissection.categories import CATEGORIES, CATEGORY_COLORS, concept_name
from dissection.report.unit_index import IndexedLayer, script_json, unit_index

TEMPLATE = (ROOT / "workflow/report/index.html").read_text(encoding="utf-8")
EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='alert(1)'>"


def made_up(units, seed, names=3):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"unit": np.arange(units) + 1})
    for c in CATEGORIES:
        iou = (rng.random(units) ** 3 / 3).round(4)
        table[f"{c}-label"] = [f"{c} {k}" for k in rng.integers(0, names, units)]
        table[f"{c}-iou"] = iou
        table[f"{c}-detects"] = iou > 0.04
    return table


def write_page(folder, layers):
    """The page, with the pictures that its layers' pages have."""
    for layer in layers:
        pictures = folder / layer.page.removesuffix(".html")
        pictures.mkdir(parents=True)
        picture = pictures / "1.webp"
        Image.new("RGB", (687, 112), "navy").save(picture)
        for unit in layer.units["unit"][1:]:
            (pictures / f"{unit}.webp").hardlink_to(picture)
        pictures.with_suffix(".html").write_text("<!doctype html>")
    path = folder / "index.html"
    page = unit_index(TEMPLATE, EVIL, layers, 0.04, CATEGORY_COLORS)
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with start_browser() as started:
        yield started


LAYERS = [
    IndexedLayer("Net A", "conv5", "a/conv5.html", made_up(30, 0)),
    IndexedLayer("Net A", "conv/1", "a/conv-1.html", made_up(20, 1)),
    IndexedLayer(EVIL, EVIL, "b #1/conv5.html", made_up(25, 2)),
]
LAYERS[0].units.loc[3, ["object-label", "object-iou", "object-detects"]] = [EVIL, 0.5, True]


def expected(text, category=None, network=None, whole=False):
    """Network, layer, unit and IoU of what should be found, best first."""
    rows = []
    for place, layer in enumerate(LAYERS):
        for row in layer.units.to_dict("records"):
            for order, c in enumerate(CATEGORIES):
                name = concept_name(row[f"{c}-label"], c)
                fits = name == text if whole else text in name
                if row[f"{c}-detects"] and fits and category in (None, c):
                    rows.append((-row[f"{c}-iou"], place, row["unit"], order, layer))
    rows.sort(key=lambda row: row[:4])
    return [
        (f"{layer.network}, {layer.layer} unit {unit}", f"IoU {-iou:.3f}")
        for iou, _, unit, _, layer in rows
        if network in (None, layer.network)
    ]


def shown(page):
    page.evaluate(
        "async () => { for (let i = 0; i < 20; i++) { scrollTo(0, 1e6);"
        " await new Promise(requestAnimationFrame); } }"
    )
    return [
        tuple(pair)
        for pair in page.evaluate(
            """[...document.querySelectorAll("article")].map(
               a => [a.querySelector("p").textContent, a.querySelector(".score").textContent])"""
        )
    ]


def test_a_concept_is_searched_across_networks_and_layers(tmp_path, browser):
    path = write_page(tmp_path, LAYERS)
    with open_page(path, browser=browser) as (page, problems):
        assert sorted(shown(page)) == sorted(expected(""))
        scores = [score for _, score in shown(page)]
        assert scores == sorted(scores, reverse=True)
        page.fill("#search", "part 1")
        assert shown(page) == expected("part 1", whole=True)
        networks = {line.partition(",")[0] for line, _ in shown(page)}
        said = page.inner_text("#shown")
        assert said == f"{len(shown(page))} detectors in 3 layers of {len(networks)} networks"
        page.fill("#search", "ART 1")  # a part of a name
        assert shown(page) == expected("part 1", whole=True)
        page.fill("#search", "object")
        page.select_option("#network", "Net A")
        assert shown(page) == expected("object", network="Net A")
        page.click("nav button[data-category=part]")
        assert shown(page) == []
        assert page.inner_text("#shown") == "0 detectors in 0 layers of 0 networks"
        page.click("nav button[data-category=part]")
        page.fill("#search", "")
        page.select_option("#network", "")
        page.locator("#concepts button", has_text="object 2").first.click()
        assert page.input_value("#search") == "object 2"
        assert shown(page) == expected("object 2", whole=True)
        for link in page.query_selector_all("article a"):
            target = tmp_path / link.evaluate("a => decodeURI(a.getAttribute('href'))").replace(
                "%23", "#"
            )
            assert target.exists(), target
        assert problems == []


def test_names_are_text_and_nothing_else(tmp_path, browser):
    path = write_page(tmp_path, LAYERS)
    with open_page(path, browser=browser) as (page, problems):
        page.fill("#search", EVIL)
        assert shown(page) == [("Net A, conv5 unit 4", "IoU 0.500")]
        assert page.inner_text("article h2 span") == f"{EVIL} (object)"
        assert page.locator("script").count() == 2
        assert page.locator("img[src=x], [onerror]").count() == 0
        assert page.evaluate("window.hacked") is None
        assert problems == []


def test_many_thousands_of_units_are_drawn_as_they_are_scrolled_to(tmp_path, browser):
    tables = [made_up(2048, seed, names=150) for seed in range(12)]
    layers = [
        IndexedLayer(f"Net {i}", "layer4", f"net{i}/layer4.html", t) for i, t in enumerate(tables)
    ]
    path = tmp_path / "index.html"
    path.write_text(unit_index(TEMPLATE, "big", layers, 0.04, CATEGORY_COLORS))
    assert path.stat().st_size < 4e6
    start = time.monotonic()
    with open_page(path, browser=browser) as (page, problems):
        assert page.locator("article").count() < 300
        count = int(re.sub(r"\D", "", page.inner_text("#shown").partition(" ")[0]))
        assert count == sum(
            t[[f"{c}-detects" for c in CATEGORIES]].to_numpy().sum() for t in tables
        )
        page.fill("#search", "texture 77")
        assert page.locator("article").count() > 0
        problems[:] = []  # the pictures are not there
    assert time.monotonic() - start < 30  # a second, on a machine that is not busy


def test_a_run_without_detectors(tmp_path, browser):
    table = made_up(3, 0)
    for c in CATEGORIES:
        table[f"{c}-detects"] = False
    path = write_page(tmp_path, [IndexedLayer("Net", "conv5", "a/conv5.html", table)])
    with open_page(path, browser=browser) as (page, problems):
        assert page.inner_text("#shown") == "0 detectors in 0 layers of 0 networks"
        assert problems == []


def test_json_in_a_script_comes_back(tmp_path):
    value = {"a": ["<!--<script>", "\u2028", "</script>", "&lt;", 0.25]}
    text = str(script_json(value))
    assert json.loads(text) == value
    assert "<" not in text
