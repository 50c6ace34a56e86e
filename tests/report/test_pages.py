"""The unit page and the report in a browser: they work offline, and names cannot run as scripts."""

import io
import shlex

import docutils.core
import jinja2
import numpy as np
import pandas as pd
import pytest
from browser import open_page, start_browser
from PIL import Image
from repository import ROOT

from dissection.activations.geometry import Geometry, upsample
from dissection.activations.top_images import TopImages
from dissection.categories import CATEGORIES, CATEGORY_COLORS, concept_name
from dissection.report.run_page import caption_html, report_page, rerun_command
from dissection.report.unit_page import (
    GAP,
    IMAGE_SIDE,
    masked_strip,
    render,
    save_strips,
    units_page,
)

REPORT = ROOT / "workflow/report"
PHONE, DESK = 400, 1280  # pixels: widths of windows
# Would show a dialog, or leave a mark, if it were not escaped.
EVIL = "<script>window.hacked = 1</script><img src=x onerror='alert(1)'>"
QUOTES = """it's "quoted" & <b>bold</b>' onmouseover="window.hacked = 2" x=\""""
GEOMETRY = Geometry(4, 4, 64, 64, centre=(8.0, 8.0), stride=(16.0, 16.0), size=(31, 31))
THRESHOLD = 0.5


def image_of(i):
    """A picture of nothing much, not square for every third one."""
    rng = np.random.default_rng(i)
    height, width = ((64, 64), (64, 64), (48, 80))[i % 3]
    coarse = Image.fromarray(rng.integers(40, 256, (6, 6, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def made_up_units(n, evil=True):
    """A table as `scoring.unit_table` makes it; the first units have odd names."""
    rng = np.random.default_rng(1)
    rows = []
    for k in range(n):
        iou = np.round(rng.random(6) ** 3 * 0.3, 4)
        iou[rng.random(6) < 0.2] = 0
        if k == n - 1:
            iou[:] = 0  # a dead unit
        name = {"object": "car", "part": "wheel", "scene": "dining_room-s"}
        labels = [
            f"{name.get(c, c)}{rng.integers(4) or ''}" if value > 0 else ""
            for c, value in zip(CATEGORIES, iou, strict=True)
        ]
        if evil and k in (0, 1):
            iou[0] = 0.5 + k / 10
            labels[0] = (EVIL, QUOTES)[k]
        top = int(iou.argmax())
        row = {
            "unit": k + 1,
            "category": CATEGORIES[top] if iou[top] > 0 else "",
            "label": labels[top],
            "score": iou[top],
            "cannot_fire": "saturated" if k == n - 1 else "",
        }
        for c, category in enumerate(CATEGORIES):
            row |= {f"{category}-label": labels[c], f"{category}-iou": iou[c]}
            row[f"{category}-detects"] = iou[c] > 0.04
        row["detects"] = row["score"] > 0.04
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.sort_values(["score", "unit"], ascending=[False, True], ignore_index=True)


def made_up_top_images(n, count=6):
    rng = np.random.default_rng(2)
    maps = rng.random((n, count, 4, 4)).astype(np.float32) ** 2
    images = rng.integers(0, 30, (n, count))
    return TopImages(images, maps.max(axis=(2, 3)), maps)


def write_units_page(path, units, title=QUOTES, layer=EVIL):
    n = len(units)
    pictures = path.with_suffix("")
    pictures.mkdir()
    top_images = made_up_top_images(n)
    thresholds = np.full(n, THRESHOLD, np.float32)
    page = units_page(
        (REPORT / "units.html").read_text(encoding="utf-8"),
        title,
        layer,
        units,
        pictures.name,
        save_strips(pictures, thresholds, top_images, GEOMETRY, image_of),
        0.04,
        ["", f"1 of {n} units cannot fire {EVIL}"],
        CATEGORY_COLORS,
    )
    path.write_text(page, encoding="utf-8")
    return path


CAPTION = """A *caption* with ``code``, T_k and 0.5 %.

<script>window.hacked = 3</script> and "quotes" & <b>bold</b>; see
`a link <https://example.org/>`_.

.. raw:: html

   <script>window.hacked = 4</script>
"""


def png(width, height):
    pixels = np.random.default_rng(width).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(content, "PNG")
    return content.getvalue()


FIGURES = {
    "slide04_broden": ("Slide 4: the data set", png(1600, 900), CAPTION),
    "slide05_activation_map": (f"Slide 5: {QUOTES}", png(1050, 500), "A plain caption."),
    "slide08_networks": ("Slide 8: networks", png(1600, 1200), "Another."),
}
VERDICTS = ("replicated", "not replicated", "inconclusive")


def made_up_claims():
    rows = []
    for i, verdict in enumerate(VERDICTS):
        rows.append(
            {
                "id": f"claim_{i}",
                "slide": 8,
                "statement": ("A trained network has more unique detectors", EVIL, QUOTES)[i],
                "published": "79 (AlexNet-Places205) against 2 (random weights)",
                "measured": ("25.0 against 2.3", EVIL, "no network stands for it")[i],
                "effect": (22.7, -0.0123, float("nan"))[i],
                "spread": (1.234, float("nan"), float("nan"))[i],
                "criterion": "effect > 2 spread",
                "verdict": verdict,
                "confounded": (f"accuracy 1 % {EVIL}", "", "")[i],
                "measured_top_label": ("25.0 against 2.3", f"12 against 9 {EVIL}", "nothing")[i],
                "verdict_top_label": ("replicated", "inconclusive", "inconclusive")[i],
                "figure": ("slide08_networks", "slide08_networks", "slide09_rotation")[i],
            }
        )
    return pd.DataFrame(rows)


def write_report(
    path,
    claims=None,
    configuration_files=("config/smoke.yaml",),
    overrides=("run=x",),
    run=QUOTES,
    left_out=(),
):
    page = report_page(
        (REPORT / "report.html").read_text(encoding="utf-8"),
        run,
        FIGURES,
        claims,
        f"run: x\ntitle: {EVIL}\n",
        configuration_files,
        overrides,
        [(EVIL, QUOTES, "units/net/conv1.html", f"3 units cannot fire {EVIL}")],
        left_out,
        [f"Slide 9 {EVIL}"] if left_out else [],
        f"2 concepts are too large {EVIL}.",
        [("Python", "3.11"), (EVIL, QUOTES)],
    )
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser():
    with start_browser() as started:
        yield started


def test_browser_notices_problems(tmp_path, browser):
    """Else the tests below could not fail."""
    (tmp_path / "a.html").write_text(
        """<img alt="torn" src="data:image/png;base64,iVBORw0KGgo="><img alt="gone" src="gone.png">
        <script>
        console.error("first");
        fetch("http://192.0.2.1/").catch(() => 0);
        alert("second");
        throw Error("third");
        </script>"""
    )
    with open_page(tmp_path / "a.html", browser=browser) as (page, problems):
        page.wait_for_timeout(100)
        found = "\n".join(problems)
    for problem in (
        "console error: first",
        "request to http://192.0.2.1/",
        "dialog: second",
        "page error: third",
        "broken image: torn",
        "broken image: gone",
        "failed: file:///",
    ):
        assert problem in found


UNITS = made_up_units(40)


@pytest.fixture(scope="module")
def unit_page(tmp_path_factory):
    return write_units_page(tmp_path_factory.mktemp("pages") / "units.html", UNITS)


@pytest.fixture(scope="module")
def opened(unit_page, browser):
    with open_page(unit_page, browser=browser) as page_and_problems:
        yield page_and_problems


@pytest.fixture
def page(unit_page, opened):
    """The unit page, as it is before anything is clicked."""
    page, problems = opened
    page.goto(unit_page.as_uri())
    yield page
    assert problems == []


def numbers(page):
    """Of the units shown, in the page's order."""
    return page.evaluate(
        """[...document.querySelectorAll("article")].filter(a => a.checkVisibility())
           .map(a => Number(a.dataset.unit))"""
    )


def test_units_are_shown_best_first(page):
    assert numbers(page) == UNITS["unit"].tolist()
    assert UNITS["score"].is_monotonic_decreasing
    detecting = UNITS[UNITS["score"] > 0.04]
    assert 0 < len(detecting) < len(UNITS)
    assert page.inner_text("h1") == f"{QUOTES}, {EVIL}: 40 units"
    assert page.title() == f"{QUOTES}, {EVIL}: units"
    text = page.inner_text("header p")
    assert text.startswith(f"{len(detecting)} units detect a concept (IoU greater than 0.04).")
    assert page.inner_text("#shown") == "40 of 40 units"
    buttons = [button.inner_text() for button in page.query_selector_all("nav button")]
    counts = detecting["category"].value_counts()
    assert buttons == [f"{category} {counts.get(category, 0)}" for category in CATEGORIES]
    assert page.locator("article img").count() == 40
    articles = page.evaluate(
        """[...document.querySelectorAll("article")].map(article => ({
            head: [...article.querySelectorAll("h2 span")].map(span => span.textContent),
            lines: [...article.querySelectorAll("tr")].map(
                line => [...line.querySelectorAll("th, td")].map(cell => cell.textContent)),
            weak: [...article.querySelectorAll("tr")].map(line => line.classList.contains("weak")),
            note: article.querySelector("p")?.textContent,
        }))"""
    )
    for row, article in zip(UNITS.to_dict("records"), articles, strict=True):
        name = (
            f" {concept_name(row['label'], row['category'])} ({row['category']})"
            if row["label"]
            else ""
        )
        assert article["head"] == [f"unit {row['unit']}{name}", f"IoU {row['score']:.3f}"]
        best = sorted(
            (-row[f"{c}-iou"], CATEGORIES.index(c), c) for c in CATEGORIES if row[f"{c}-label"]
        )
        assert article["lines"] == [
            [c, concept_name(row[f"{c}-label"], c), f"{row[f'{c}-iou']:.3f}"] for _, _, c in best
        ]
        assert article["weak"] == [-iou <= 0.04 for iou, _, _ in best]
        dead = row["score"] == 0
        assert article.get("note") == ("It cannot fire: saturated." if dead else None)
    assert dead, "the last one"


def test_what_chance_reaches_stands_beside_each_iou(tmp_path, browser):
    units = made_up_units(3, evil=False).assign(p_value=[0.01, 0.25, 1.0])
    file = write_units_page(tmp_path / "units.html", units)
    with open_page(file, browser=browser) as (opened, _):
        scores = opened.locator("h2 .score").all_inner_texts()
        assert "p: how often" in opened.inner_text("header")
    best = zip(units["score"], ("0.01", "0.25", "1"), strict=True)
    assert scores == [f"IoU {score:.3f}, p {p}" for score, p in best]


def test_names_are_text_and_nothing_else(page):
    assert page.evaluate("document.scripts.length") == 2
    assert page.locator("b, img[src=x], [onmouseover], [onerror]").count() == 0
    for article in page.query_selector_all("article")[:2]:  # those with the odd names
        article.hover()
    assert page.evaluate("window.hacked") is None
    sources = [image.get_attribute("src") for image in page.query_selector_all("img")]
    assert sources == [f"units/{unit}.webp" for unit in UNITS["unit"]]


def test_filter_by_category(page):
    detecting = UNITS[UNITS["score"] > 0.04]

    def of(*categories):
        return detecting[detecting["category"].isin(categories)]["unit"].tolist()

    assert of("part")
    assert of("scene")
    page.click("button[data-category=part]")
    assert numbers(page) == of("part")
    assert page.inner_text("#shown") == f"{len(of('part'))} of 40 units"
    assert page.get_attribute("button[data-category=part]", "aria-pressed") == "true"
    page.click("button[data-category=scene]")
    assert numbers(page) == of("part", "scene")
    page.click("button[data-category=part]")
    assert numbers(page) == of("scene")
    page.click("button[data-category=scene]")
    assert numbers(page) == UNITS["unit"].tolist()


def units_with(*words):
    """Units that detect a concept with all the words, in any category."""
    found = []
    for row in UNITS.to_dict("records"):
        names = [f"unit {row['unit']}"] + [
            concept_name(row[f"{c}-label"], c) for c in CATEGORIES if row[f"{c}-iou"] > 0.04
        ]
        if all(word in " ".join(names).lower() for word in words):
            found.append(row["unit"])
    return found


def test_search(page):
    for text, words in {
        "wheel2": ["wheel2"],
        "  DINING room ": ["dining", "room"],
        "car wheel": ["car", "wheel"],
        "unit 12": ["unit", "12"],
        '"quoted" & <b>': ['"quoted"', "&", "<b>"],
    }.items():
        assert 0 < len(units_with(*words)) < 40
        page.fill("#search", text)
        assert numbers(page) == units_with(*words)
    page.fill("#search", "wheel")
    page.click("button[data-category=part]")
    parts = UNITS[(UNITS["score"] > 0.04) & (UNITS["category"] == "part")]["unit"]
    assert numbers(page) == [unit for unit in units_with("wheel") if unit in set(parts)]
    page.fill("#search", "zebra")
    assert numbers(page) == []
    assert page.inner_text("#shown") == "0 of 40 units"
    page.fill("#search", "")
    assert numbers(page) == parts.tolist()


def test_sort(page):
    page.select_option("#sort", "unit")
    assert numbers(page) == list(range(1, 41))
    page.fill("#search", "car")
    assert numbers(page) == sorted(units_with("car"))
    page.select_option("#sort", "score")
    assert numbers(page) == units_with("car")


def test_everything_can_be_done_with_the_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("wheel")
    assert numbers(page) == units_with("wheel")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.category") == "part"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "where the focus is can be seen"
    page.keyboard.press("Space")
    assert page.get_attribute("button[data-category=part]", "aria-pressed") == "true"
    page.keyboard.press("Enter")
    assert page.get_attribute("button[data-category=part]", "aria-pressed") == "false"
    for _ in range(5):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "sort"
    page.keyboard.press("u")
    assert numbers(page) == sorted(units_with("wheel"))
    # What a screen reader says of the controls and of the images.
    assert page.get_by_role("searchbox", name="Search a concept or unit").count() == 1
    assert page.get_by_role("combobox", name="Sort by").count() == 1
    assert page.get_by_role("button", name="texture").count() == 1
    assert page.evaluate("[...document.images].every(i => i.alt.includes('unit'))")


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_unit_page_fits_the_window(unit_page, width, browser):
    with open_page(unit_page, width, browser=browser) as (page, problems):
        assert fits(page)
        # Images keep their proportions, and none is too small to see something.
        for box in page.evaluate(
            """[...document.images].slice(0, 9).map(i => [i.clientWidth / i.clientHeight,
               i.naturalWidth / i.naturalHeight, i.clientWidth / 6])"""
        ):
            assert box[0] == pytest.approx(box[1], rel=0.02)
            assert box[2] > 85
        assert problems == []


def test_strip_is_dark_where_the_binary_map_is_zero():
    images = [image_of(i) for i in range(3)]
    maps = made_up_top_images(1, 3).maps[0]
    strip = np.asarray(masked_strip(images, maps, THRESHOLD, GEOMETRY)).astype(int)
    assert strip.shape == (IMAGE_SIDE, 3 * IMAGE_SIDE + 2 * GAP, 3)
    for i, (image, activation_map) in enumerate(zip(images, maps, strict=True)):
        height = round(IMAGE_SIDE * image.shape[0] / max(image.shape[:2]))
        left = i * (IMAGE_SIDE + GAP)
        tile = strip[:, left : left + IMAGE_SIDE]
        size = (IMAGE_SIDE, height)
        full = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.NEAREST)).astype(int)
        inside = upsample(activation_map, GEOMETRY, height, IMAGE_SIDE) > THRESHOLD
        assert 0.02 < inside.mean() < 0.98
        np.testing.assert_array_equal(tile[:height][inside], full[inside])
        outside = tile[:height][~inside]
        np.testing.assert_allclose(outside, 0.4 * full[~inside], atol=1)
        assert (tile[height:] == 255).all()
        assert (strip[:, left + IMAGE_SIDE : left + IMAGE_SIDE + GAP] == 255).all()


def test_strip_of_large_images_and_of_a_unit_that_never_fires():
    large = np.full((500, 250, 3), 200, np.uint8)
    strip = np.asarray(masked_strip([large], np.zeros((1, 4, 4)), 0.0, GEOMETRY))
    assert strip.shape == (IMAGE_SIDE, IMAGE_SIDE // 2, 3)
    assert (strip == 80).all()


def test_images_beside_the_page_are_the_top_images(page, unit_page):
    """Decoded again: WebP loses a little, no more."""
    unit = int(UNITS["unit"][3])
    source = page.get_attribute(f"article[data-unit='{unit}'] img", "src")
    top = made_up_top_images(40)
    shown = np.asarray(Image.open(unit_page.parent / source).convert("RGB")).astype(float)
    expected = masked_strip(
        [image_of(i) for i in top.images[unit - 1]], top.maps[unit - 1], THRESHOLD, GEOMETRY
    )
    assert shown.shape == (expected.height, expected.width, 3)
    assert np.abs(shown - np.asarray(expected)).mean() < 8


@pytest.mark.parametrize("layer", ["conv5", "features.0", "a b", "it's 100%#1?", 'ü&"\\x'])
def test_page_and_pictures_can_be_moved_together_only(tmp_path, browser, layer):
    page = write_units_page(tmp_path / f"{layer}.html", made_up_units(3, evil=False))
    pictures = page.with_suffix("")
    moved = tmp_path / "moved"
    moved.mkdir()
    page.rename(moved / page.name)
    with open_page(moved / page.name, browser=browser) as (opened, problems):
        assert len(problems) == 2 * 3 + 3, "each picture fails"
        assert opened.inner_text("#lost code") == pictures.name
        assert opened.is_visible("#lost")
    pictures.rename(moved / pictures.name)
    with open_page(moved / page.name, browser=browser) as (opened, problems):
        assert not opened.is_visible("#lost")
        assert problems == []


def test_a_page_of_4096_units_opens_at_once(tmp_path, browser):
    """What the browser reads and draws first does not grow with the pictures."""
    units = made_up_units(4096)
    sizes = [(IMAGE_SIDE, IMAGE_SIDE)] * len(units)
    template = (REPORT / "units.html").read_text(encoding="utf-8")
    page = units_page(template, "A", "fc6", units, "fc6", sizes, 0.04, [], CATEGORY_COLORS)
    (tmp_path / "fc6.html").write_text(page, encoding="utf-8")
    assert len(page) < 5e6
    opened = browser.new_page()
    requests = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto((tmp_path / "fc6.html").as_uri())
    assert opened.inner_text("#shown") == "4096 of 4096 units"
    assert 0 < len(requests) < 100, "pictures are asked for when they come into view"
    opened.close()


def test_a_template_that_asks_for_an_unknown_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        render("{{ missing }}")
    assert render("{{ a }}", a="<&'\"") == "&lt;&amp;&#39;&#34;"


def beside(claim):
    """What stands beside a claim's verdict."""
    text = f" confounded: {claim['confounded']}" if claim["confounded"] else ""
    if claim["verdict_top_label"] != claim["verdict"]:
        other = f"{claim['verdict_top_label']} ({claim['measured_top_label']})"
        text += f" each unit once, for its best concept: {other}"
    return text


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("pages") / "report.html", made_up_claims())


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_report(report, width, browser):
    with open_page(report, width, browser=browser) as (page, problems):
        assert fits(page)
        assert page.inner_text("h1") == f"Network Dissection, replicated: run {QUOTES}"
        summary = "Of 3 claims 1 are replicated, 1 are not, 1 are inconclusive. Of 1 the comparison"
        assert f"{summary} is confounded." in page.inner_text("p")
        assert [h.inner_text() for h in page.query_selector_all("h2")] == [
            "The slides' claims",
            *(title for title, *_ in FIGURES.values()),
            "Every unit",
            "How to rerun",
        ]
        links = page.query_selector_all("#units ~ ul a")
        assert [link.inner_text() for link in links] == [f"{EVIL}, {QUOTES}"]
        for link in page.query_selector_all("a[href^='#']"):
            target = link.get_attribute("href")
            assert page.locator(target).count() == 1, f"{target} leads somewhere"
        rows = [
            [cell.text_content() for cell in row.query_selector_all("td")]
            for row in page.query_selector_all("tbody tr")
        ]
        effects = ["+22.7 ± 1.2", "-0.0123 ± ?", ""]
        assert rows == [
            [str(c[k]) for k in ("slide", "statement", "published", "measured")]
            + [effect, c["criterion"], c["verdict"] + beside(c)]
            for c, effect in zip(made_up_claims().to_dict("records"), effects, strict=True)
        ]
        marks = page.evaluate(
            """[...document.querySelectorAll("tbody .verdict")].map(
                v => getComputedStyle(v, "::before").content)"""
        )
        assert marks == ['"✔ "', '"✘ "', '"○ "']
        # Figures in order, with the claims about them; one that is narrow stays narrow.
        figures = page.query_selector_all("figure")
        assert [f.query_selector("img").get_attribute("alt") for f in figures] == [
            title for title, *_ in FIGURES.values()
        ]
        assert [f.query_selector_all(".verdict") != [] for f in figures] == [False, False, True]
        assert [f.get_attribute("class") == "column" for f in figures] == [False, True, False]
        assert figures[2].inner_text().count("Paper: 79") == 2
        assert page.locator("figure .confounded").all_inner_texts() == [
            beside(made_up_claims().loc[0]).strip()
        ]
        # Everything about rerunning.
        again = "--cores 2 --configfile config/smoke.yaml --config run=x"
        assert page.inner_text("#rerun + pre") == f"snakemake {again}"
        text = f"snakemake slide05_activation_map {again}"
        assert page.locator("code", has_text=text).count() == 1
        for name, content in {
            "Versions": f"Python 3.11\n{EVIL} {QUOTES}",
            "Configuration": f"run: x\ntitle: {EVIL}",
        }.items():
            details = page.locator("details", has_text=name)
            assert not details.locator("pre").is_visible()
            details.locator("summary").press("Enter")
            assert details.locator("pre").is_visible()
            assert details.locator("pre").inner_text().strip() == content.strip()
        assert page.evaluate("document.scripts.length") == 0
        assert page.locator("figure b, img[src=x], [onmouseover], [onerror]").count() == 0
        assert page.evaluate("window.hacked") is None
        assert problems == []


def test_report_says_what_could_not_be_had(tmp_path, browser):
    left_out = [("A network", "no connection"), (EVIL, QUOTES)]
    path = write_report(tmp_path / "a.html", left_out=left_out)
    with open_page(path, browser=browser) as (page, problems):
        top = page.locator("p", has_text="Left out")
        assert top.inner_text().replace("\n", " ") == (
            f"Left out, because they could not be had: A network, {EVIL} (why, and what to do)."
        )
        top.locator("a").click()
        assert f"could not be drawn: Slide 9 {EVIL}." in page.inner_text("#missing + p")
        for name, reason in left_out:
            details = page.locator("#missing ~ details", has_text=name).first
            details.locator("summary").click()
            assert details.locator("pre").inner_text() == reason
        assert page.evaluate("window.hacked") is None
        assert problems == []


def test_report_without_claims_of_the_default_configuration(tmp_path, browser):
    path = write_report(tmp_path / "a.html", None, ["config/config.yaml"], [], run="mini")
    with open_page(path, browser=browser) as (page, problems):
        assert page.locator("table").count() == 0
        assert "claims" not in page.inner_text("body")
        assert page.inner_text("#rerun + pre") == "snakemake --cores 2"
        assert problems == []


@pytest.mark.parametrize(
    "files",
    [["myconfig/config.yaml"], ["../config/config.yaml"], ["config/config.yaml", "b.yaml"],
     ["it's mine.yaml", "config/config.yaml"]],
)  # fmt: skip
def test_every_other_configuration_is_named(files):
    overrides = ["run=b", "training={'epochs': 1}"]
    for target in ("", "slide04_broden"):
        words = shlex.split(rerun_command(files, overrides, target))
        start = ["snakemake", *([target] if target else []), "--cores", "2"]
        assert words == [*start, "--configfile", *files, "--config", *overrides]


def test_captions_bring_no_html_and_no_files_of_their_own(tmp_path):
    (tmp_path / "secret.txt").write_text("password")
    html = str(caption_html(f"{CAPTION}\n.. include:: {tmp_path}/secret.txt\n"))
    assert "<em>caption</em>" in html
    assert 'href="https://example.org/"' in html
    assert "<script" not in html
    assert "hacked = 3" in html, "as text"
    assert "hacked = 4" not in html
    assert "password" not in html
    assert "secret" not in html
    assert "System Message" not in html


@pytest.mark.parametrize("path", sorted((REPORT / "captions").glob("*.rst")), ids=lambda p: p.stem)
def test_captions_of_the_repository_are_sound(path):
    text = path.read_text(encoding="utf-8")
    messages = io.StringIO()
    docutils.core.publish_parts(text, settings_overrides={"warning_stream": messages})
    assert messages.getvalue() == ""
    assert "problematic" not in caption_html(text)
    assert caption_html(text).startswith("<p>")
