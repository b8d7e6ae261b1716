import pytest
import xarray

from istsim.experiments._page import _escaped
from istsim.experiments._theorem_table import theorem_row


def data(kind, lhs, rhs, *, error=0.1, deviation=1.0, holds=True):
    return xarray.Dataset(
        {
            "lhs": (("line", "x"), [lhs]),
            "rhs": (("line", "x"), [rhs]),
            "error": (("line", "x"), [[error] * len(lhs)]),
            "deviation": (("line", "x"), [[deviation] * len(lhs)]),
        },
        attrs={"theorem": "mine", "kind": kind, "allowed": 5.0, "holds": int(holds)},
    )


@pytest.mark.parametrize(
    ("kind", "holds", "verdict"),
    [
        ("exact", True, "holds"),
        ("upper", False, "DOES NOT HOLD"),
        ("refuted", False, "refuted"),
        ("refuted", True, "NOT REFUTED"),
    ],
)
def test_a_row_says_whether_the_theorem_holds(kind, holds, verdict):
    assert theorem_row(data(kind, [1.0, 2.0], [1.0, 2.0], holds=holds))[-1] == verdict


def test_a_row_tells_how_tight_the_sides_are_and_how_far_simulation_lies():
    row = theorem_row(data("upper", [0.5, 1.5], [1.0, 2.0], deviation=2.25))
    assert row == ("mine", "upper", "2", "0.5 to 0.75", "2.2 s.e. of 5.0", "holds")
    assert theorem_row(data("exact", [0.0], [0.0], error=0.0))[3:5] == ("both 0", "not random")


def test_simulation_that_disagrees_is_said_first():
    assert theorem_row(data("exact", [1.0], [1.0], deviation=6.0))[-1] == "DISAGREEMENT"


def test_text_on_the_page_is_not_read_as_markdown():
    assert _escaped("a_b |x| $y$ <z> [1] *") == r"a\_b \|x\| \$y\$ \<z\> \[1\] \*"
