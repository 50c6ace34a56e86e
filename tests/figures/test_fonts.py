"""Text in other scripts takes fonts that have them."""

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from dissection.figures import style

SCRIPT_A = "\N{MATHEMATICAL SCRIPT CAPITAL A}"  # in matplotlib's STIX fonts alone
NOBODY_S = "\U000ffffd"  # for private use


@pytest.fixture
def only_matplotlib_s_fonts(monkeypatch):
    own = [font for font in fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(fontManager, "ttflist", own)
    style._other_fonts.cache_clear()
    yield
    style._other_fonts.cache_clear()


def draw(folder, text):
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, text)
    style.save(figure, folder / "a.pdf", folder / "a.png", pd.DataFrame(), folder / "a.csv")
    return (folder / "a.png").read_bytes()


def test_usual_text_has_one_font():
    assert style.font_families("sky, größe, небо, θ\n\tα − β") == ["DejaVu Sans"]
    assert style.font_families("") == ["DejaVu Sans"]


def test_a_character_of_another_font(only_matplotlib_s_fonts, tmp_path, caplog):
    families = style.font_families(f"a {SCRIPT_A}")
    assert families[0] == "DejaVu Sans"
    assert families[1].startswith("STIX")
    assert draw(tmp_path, SCRIPT_A) != draw(tmp_path, NOBODY_S)
    assert style.text_width(SCRIPT_A, 10) > 0
    assert "No installed font has \U000ffffd:" in caplog.text


def test_what_no_font_has_is_said_once(only_matplotlib_s_fonts, tmp_path, caplog):
    for _ in range(3):
        draw(tmp_path, f"sky {NOBODY_S}")
        style.text_width(f"sky {NOBODY_S}", 7)
    assert caplog.text.count("No installed font") == 1
