"""The page of a data set in a browser: everything is there, and names are text and nothing else."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from browser import open_page, start_browser
from PIL import Image, ImageColor
from repository import ROOT

from dissection.categories import CATEGORIES, CATEGORY_COLORS, concept_name
from dissection.figures.samples import Sample, choose_images
from dissection.report.dataset_page import LABELS, NAMES, SIDE, dataset_page, pictures

TEMPLATE = (ROOT / "workflow/report/dataset.html").read_text(encoding="utf-8")
EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='alert(1)'>"
PHONE, DESK = 400, 1200  # pixels: widths of windows


def made_up_concepts(count):
    rng = np.random.default_rng(0)
    categories = [CATEGORIES[k % 6] for k in range(count)]
    greatest = np.minimum(1, 0.01 / rng.random(count))
    return pd.DataFrame(
        {
            "name": [EVIL, *(f"thing_{k}{(k % 6 == 2 and '-s') or ''}" for k in range(1, count))],
            "category": categories,
            "images": rng.integers(1, 60_000, count),
            "area": 5,
            "share": rng.random(count) / 10,
            "greatest_iou": greatest,
            "within_reach": greatest > 0.04,
        }
    )


def statistics(concepts, images):
    counts = concepts.groupby("category").size().reindex(CATEGORIES, fill_value=0)
    rows = [(c, int(n), 1234.5, images // 2) for c, n in counts.items()]
    rows.append(("total", len(concepts), np.nan, images))
    return pd.DataFrame(rows, columns=["category", "labels", "mean_images", "images"])


def sample(name, numbers, size=(60, 90)):
    rng = np.random.default_rng(len(name))
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    rows = np.sort(rng.choice(numbers, (30, 1)), axis=0)
    maps = {
        "object": np.tile(rows, (1, 45))[None].astype(np.uint16),
        "color": np.ones((1, 30, 45), np.uint16),
    }
    return Sample(name, image, maps, {"scene": [2]})


def origin(left_out):
    return {
        "form": "masks",
        "files": {f"data/{EVIL}": {"files": 3, "bytes": 12345}},
        "left_out": {"images": left_out, "because": "they have no mask"},
        "versions": {"python": "3.11", "numpy": "2.0"},
    }


def write_page(folder, concepts, samples, left_out=None, missing=()):
    page = dataset_page(
        TEMPLATE,
        EVIL,
        statistics(concepts, 63_305),
        concepts,
        samples,
        ["", *concepts["name"]],
        0.04,
        "Some concepts are too large.",
        None if left_out is None else origin(left_out),
        f"masks: {EVIL}",
        missing,
        CATEGORY_COLORS,
    )
    path = folder / "dataset.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with start_browser() as started:
        yield started


def rows(page):
    return page.evaluate(
        """[...document.querySelectorAll("#table tbody tr")].filter(row => !row.hidden)
           .map(row => [...row.cells].map(cell => cell.textContent))"""
    )


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_everything_is_there_and_names_are_text(tmp_path, browser, width):
    concepts = made_up_concepts(30)
    left_out = [f"inner/left {k}" for k in range(4)] + [EVIL]
    samples = [sample(EVIL, [0, 1, 7]), sample("b.png", np.arange(1, 31), (50, 20))]
    path = write_page(tmp_path, concepts, samples, left_out, ["OpenSurfaces"])
    with open_page(path, width, browser=browser) as (page, problems):
        found = {(name, category): line for name, category, *line in rows(page)}
        assert len(found) == len(concepts)
        for row in concepts.to_dict("records"):
            images, share, iou = found[concept_name(row["name"], row["category"]), row["category"]]
            assert images == f"{row['images']:,}"
            assert share == (f"{row['share']:.1%}" if row["share"] > 0.0005 else "<0.1%")
            assert iou.startswith(f"{row['greatest_iou']:.3f}")
            assert iou.endswith("out of reach") == (not row["within_reach"])
        assert page.locator("#left-out ~ ul li").all_inner_texts() == left_out
        text = page.inner_text("body")
        for words in ("63,305 images, 30 concepts", "Made without: OpenSurfaces", "numpy 2.0"):
            assert words in text
        assert page.locator("article h3").all_inner_texts() == [EVIL, "b.png"]
        assert page.locator("article img").count() == 6
        assert page.locator("script").count() == 1
        assert page.locator("img[src=x], [onerror]").count() == 0
        assert page.evaluate("window.hacked") is None
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        assert problems == []


def test_concepts_are_searched_filtered_and_sorted(tmp_path, browser):
    concepts = made_up_concepts(30)
    with open_page(write_page(tmp_path, concepts, []), browser=browser) as (page, problems):
        page.click("th:has-text('Greatest IoU')")
        page.click("th:has-text('Greatest IoU')")
        values = [float(row[4].split()[0]) for row in rows(page)]
        assert values == sorted(values)
        page.click("th:has-text('Concept')")
        assert sorted(row[0] for row in rows(page)) == sorted(
            concept_name(*pair) for pair in concepts[["name", "category"]].itertuples(index=False)
        )
        page.click("#beyond")
        assert len(rows(page)) == (~concepts["within_reach"]).sum()
        page.click("#beyond")
        page.click("nav button[data-category=scene]")
        assert {row[1] for row in rows(page)} == {"scene"}
        page.click("nav button[data-category=scene]")
        page.fill("#search", "THING 1")
        assert {row[0] for row in rows(page)} == {f"thing {k}" for k in (1, *range(10, 20))}
        assert page.inner_text("#shown") == f"{len(rows(page))} concepts"
        assert problems == []


def test_a_data_set_of_brodens_size_opens_at_once(tmp_path, browser):
    concepts = made_up_concepts(1200)
    left_out = [f"image {k}" for k in range(50_000)]
    path = write_page(tmp_path, concepts, [sample(f"{k}.png", [1, 2]) for k in range(12)], left_out)
    assert path.stat().st_size < 2e6
    with open_page(path, browser=browser) as (page, problems):
        assert len(rows(page)) == 1200
        assert page.locator("#left-out ~ ul li").count() == NAMES + 1
        assert "and 49,000 more" in page.locator("#left-out ~ ul li").last.inner_text()
        assert problems == []


def test_nothing_comes_from_outside(tmp_path):
    text = write_page(tmp_path, made_up_concepts(9), [sample("a.png", [1, 2])], ["b"]).read_text()
    addresses = re.findall(r"""(?:src|href)=["']?([^"'> ]+)""", text.replace(EVIL, ""))
    assert {address.partition(":")[0] for address in addresses if address[0] != "#"} <= {
        "data",
        "report.html",
        "x",  # of an image that is text
    }
    assert "default-src 'none'; img-src data:" in text


def test_pictures_show_where_labels_are():
    image = np.full((20, 40, 3), 100, np.uint8)
    image[:, 20:] = (200, 30, 30)
    objects = np.zeros((2, 10, 20), np.uint16)
    objects[0, :, :5] = 3
    objects[1, :5] = 4  # below the first label
    colors = np.repeat([[1] * 10 + [2] * 10], 10, axis=0)[None].astype(np.uint16)
    maps = {"object": objects, "color": colors, "part": np.zeros((1, 10, 20), np.uint16)}
    names = ["", "grey-c", "red-c", "car", "tall_tree"]
    plain, of_objects, of_colors = pictures(Sample("a", image, maps, {}), names, {})
    assert (plain.heading, plain.labels) == ("", [])
    assert (plain.width, plain.height) == (SIDE, SIDE // 2)
    assert [(name, share) for _, name, share in of_objects.labels] == [
        ("tall tree", 0.375),
        ("car", 0.25),
    ]
    assert of_colors.labels == [("#646464", "grey", 0.5), ("#c81e1e", "red", 0.5)]
    assert len({colour for colour, *_ in of_objects.labels}) == 2
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(of_objects.source.split(",")[1]))))
    colours = [np.array(ImageColor.getrgb(colour)) for colour, *_ in of_objects.labels]
    quarter, half = SIDE // 4, SIDE // 2
    # The largest, which lies right of the other one, both in the image's left half and on grey 100.
    upper, right = drawn[5 : quarter - 5, quarter + 5 : half - 5], drawn[quarter + 5 :, half + 5 :]
    left = drawn[5:-5, 5 : quarter - 5]
    for part, colour in ((upper, colours[0]), (left, colours[1])):
        np.testing.assert_allclose(part.mean(axis=(0, 1)), 0.6 * colour + 40, atol=8)
    np.testing.assert_allclose(right.mean(axis=(0, 1)), (200 + 30 + 30) / 3, atol=8)


def test_a_concept_has_one_colour_on_the_page():
    places = {}
    image = np.zeros((3, 4, 3), np.uint8)
    first = np.array([[[3, 3, 5]]], np.uint16)
    second = np.array([[[0, 5, 7]]], np.uint16)
    colours = {}
    for maps in (first, second):
        (_, shown) = pictures(Sample("a", image, {"part": maps}, {}), list("abcdefgh"), places)
        for colour, name, _ in shown.labels:
            assert colours.setdefault(name, colour) == colour
    assert len(set(colours.values())) == 3


def test_many_labels_are_named_by_the_largest():
    label_map = np.sort(np.arange(900).reshape(1, 30, 30) % 40).astype(np.uint16)
    names = [f"label {k}" for k in range(40)]
    image = np.asarray(Image.new("RGB", (30, 30)))
    shown = pictures(Sample("a", image, {"part": label_map}, {}), names, {})[1]
    assert len(shown.labels) == LABELS
    assert shown.more == 39 - LABELS
    shares = [share for *_, share in shown.labels]
    assert shares == sorted(shares, reverse=True)


def test_images_are_chosen_alike_every_time():
    def load(i):
        return {"object": np.array([[[i % 7]]], np.uint16)}, {"scene": [8]} if i == 777 else {}

    chosen = choose_images(load, 1000, 8)
    assert chosen == choose_images(load, 1000, 8)
    assert len(set(chosen)) == 8
    assert {i % 7 for i in chosen} >= set(range(1, 7))
    assert choose_images(load, 3, 8) == [1, 2, 0]
