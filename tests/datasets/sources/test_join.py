"""Names and numbers of joined labels."""

import pytest

from dissection.datasets.sources.join import RawLabel, Totals, claim_names, number_labels
from dissection.datasets.sources.names import Synonyms, label_names, read_synonyms, without_side
from dissection.errors import InputError


def raw(names, frequency, coverage=None, category="object", source="a", code=1):
    names = tuple(names.split(", ")) if names else ()
    return RawLabel(source, category, code, names, frequency, coverage or float(frequency))


def joined(*labels, preferred=()):
    """Name and names of each label, with the frequencies of its members."""
    return [
        (label.name, label.names[1:], [member.frequency for member in label.members])
        for label in claim_names(labels, frozenset(preferred))
    ]


JOINED = {
    "first name": ([raw("car, auto", 5)], [("car", ["auto"], [5])]),
    "frequent first": (
        [raw("auto", 3), raw("car, auto", 5)],
        [("car", ["auto"], [5, 3])],
    ),
    "next own name": (
        [raw("airplane, plane", 3), raw("airplane", 5)],
        [("airplane", [], [5]), ("plane", [], [3])],
    ),
    "over categories": (
        [raw("wheel", 2), raw("wheel", 9, category="part")],
        [("wheel", [], [9, 2])],
    ),
    "unnamed": ([raw("", 9), raw("sky", 1)], [("sky", [], [1])]),
    "absent": ([raw("sky", 0)], []),
    "nearest mean size": (
        # Of two labels that it conflicts with, the one whose mean size is nearest to 0.2.
        [raw("a, x", 9, 9.0), raw("b, y", 8, 0.8), raw("a, b", 5, 1.0)],
        [("a", ["x"], [9]), ("b", ["y"], [8, 5])],
    ),
    "equal frequencies": (
        [raw("b", 5, 1.0), raw("a", 5, 2.0)],
        [("a", [], [5]), ("b", [], [5])],
    ),
}


@pytest.mark.parametrize("case", JOINED)
def test_labels_claim_their_names(case):
    labels, expected = JOINED[case]
    assert joined(*labels) == expected
    assert joined(*reversed(labels)) == expected


def test_preferred_name_takes_the_other_names_with_it():
    labels = [raw("faucet", 9, category="part"), raw("faucet, spigot", 5), raw("spigot", 2)]
    assert joined(*labels, preferred=["faucet"]) == [("faucet", ["spigot"], [9, 5, 2])]
    assert joined(*labels) == [("faucet", [], [9]), ("spigot", [], [5, 2])]


def totals(**labels):
    return {
        name: {category: Totals(*numbers) for category, numbers in of.items()}
        for name, of in labels.items()
    }


def test_numbers_go_by_frequency_then_coverage_then_name():
    numbers = number_labels(
        totals(
            d={"object": (10, 3.0)},
            c={"object": (10, 2.0)},
            b={"object": (10, 2.0)},
            a={"object": (6, 1.0), "part": (5, 1.0)},  # 11 in all
        )
    )
    assert numbers == {"a": 1, "d": 2, "b": 3, "c": 4}


def test_what_is_rare_or_small_is_cut_over_all_categories():
    numbers = number_labels(
        totals(
            enough={"object": (5, 0.25), "part": (5, 0.25)},
            rare={"object": (9, 9.0)},
            small={"object": (99, 0.49)},
        )
    )
    assert numbers == {"enough": 1}
    with pytest.raises(InputError, match=r"0 labels are left of 1 .* Take other sources"):
        number_labels(totals(rare={"object": (9, 9.0)}))


NAMES = [
    ("Car, auto , CAR", "object", ("car", "auto")),
    ("-", "object", ()),
    ("", "object", ()),
    ("left arm", "part", ("arm",)),
    ("right upper arm, limb", "part", ("arm", "limb")),
    ("person head", "part", ("head",)),
    ("person", "part", ("person",)),
    ("left side", "part", ("side",)),
    ("back pillow", "part", ("back pillow",)),
    ("left arm", "object", ("left arm",)),
    ("casino/outdoor", "scene", ("casino-outdoor-s",)),
    ("moat - dry", "scene", ("moat-dry-s",)),
    ("airport/airport", "scene", ("airport-s",)),
    ("~not labeled", "scene", ()),
    ("Carpet/rug", "material", ("carpet", "rug")),
    ("Plastic - opaque", "material", ("plastic-opaque",)),
    ("grey", "color", ("grey-c",)),
]


@pytest.mark.parametrize(("name", "category", "expected"), NAMES)
def test_names_are_cleaned(name, category, expected):
    assert label_names(name, category, Synonyms()) == expected


def test_synonyms_change_names(tmp_path):
    table = tmp_path / "synonyms.csv"
    table.write_text(
        "rule,name,of,why\n"
        "same,aeroplane,airplane,spelling\n"
        "prefer,bush,,usual\n"
        "confusing,can,toilet,a tin\n"
    )
    synonyms = read_synonyms(table)
    assert label_names("aeroplane, airplane", "object", synonyms) == ("airplane",)
    assert label_names("shrub, bush", "object", synonyms) == ("bush", "shrub")
    assert label_names("toilet, can", "object", synonyms) == ("toilet",)
    assert label_names("can", "object", synonyms) == ("can",)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("like,a,b,why", "the rule 'like' is none of prefer, confusing, same"),
        ("prefer,a,b,why", "a name is missing, or one too many"),
        ("same,a,,why", "a name is missing, or one too many"),
        ("same,a,b,", "why is empty"),
        ("same,b,c,why\nsame,a,b,why", "stands for another name already"),
    ],
)
def test_wrong_table_of_synonyms_is_named(tmp_path, row, problem):
    table = tmp_path / "synonyms.csv"
    table.write_text(f"rule,name,of,why\n{row}\n")
    with pytest.raises(InputError) as caught:
        read_synonyms(table)
    assert problem in str(caught.value)
    assert f"{table}, line {1 + row.count(chr(10)) + 1}" in str(caught.value)


def test_sides_alone_stay():
    assert [without_side(name) for name in ("front", "back", "side")] == ["front", "back", "side"]
