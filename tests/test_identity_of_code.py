"""What decides the numbers of a stored cell is seen whole, also where a class of the user's takes it from elsewhere."""

import sys
import types

import pytest

from istsim.sweeps._identity import as_json

CLASS = """
import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

import istsim
{before}

@dataclasses.dataclass(frozen=True)
class Own(istsim.IST):
    {variable}

    @functools.cached_property
    def kept(self):
        return {kept}

    @staticmethod
    def static():
        return {static}

    def draw(self, key, num_workers, more={default}, *, again={named}):
        found = [{inner} for _ in range(2)]
        return super().draw(key, num_workers), {used}, jnp.sin(1.0), np.float64(math.pi), istsim.RandK
"""
PLAIN = {
    "before": "", "variable": "factor = 1.0", "kept": "1.0", "static": "1.0", "default": "1.0", "named": "1.0",
    "inner": "1.0", "used": "1.0",
}  # fmt: skip


def text(**changes):
    """What is stored of an instance of the class, so written."""
    module = types.ModuleType("own")
    sys.modules["own"] = module
    try:
        exec(CLASS.format(**PLAIN | changes), vars(module))
        return as_json(module.Own(module.istsim.Permutation(2, 4)))
    finally:
        del sys.modules["own"]


def test_the_same_code_has_the_same_text():
    assert text() == text()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"variable": "factor = 1.0"}, {"variable": "factor = 2.0"}),
        ({"default": "1.0"}, {"default": "2.0"}),
        ({"named": "1.0"}, {"named": "2.0"}),
        ({"kept": "1.0"}, {"kept": "2.0"}),
        ({"static": "1.0"}, {"static": "2.0"}),
        *(
            ({"before": f"{given}", place: name}, {"before": f"{changed}", place: name})
            for place in ("used", "inner")
            for name, given, changed in (
                ("RATE", "RATE = 1.0", "RATE = 2.0"),
                ("helper()", "def helper(): return 1.0", "def helper(): return 2.0"),
                ("helper()", "def helper(x=1.0): return x", "def helper(x=2.0): return x"),
                ("helper()", "RATE = 1.0\ndef helper(): return RATE", "RATE = 2.0\ndef helper(): return RATE"),
                ("helper()", "helper = jax.jit(lambda: 1.0)", "helper = jax.jit(lambda: 2.0)"),
                ("Other().value", "class Other: value = 1.0", "class Other: value = 2.0"),
                ("TABLE[0]", "TABLE = np.ones(2)", "TABLE = np.zeros(2)"),
            )
        ),
    ],
    ids=str,
)
def test_what_changes_a_number_changes_the_text(one, other):
    assert text(**one) == text(**one)
    assert text(**one) != text(**other)


def test_what_is_not_used_does_not_matter():
    assert text(before="UNUSED = 1.0") == text(before="UNUSED = 2.0")


def test_functions_that_use_each_other_are_no_endless_text():
    written = "def one(): return other()\ndef other(): return one()"
    assert text(before=written, used="one") == text(before=written, used="one")


def test_a_module_of_the_users_counts_by_its_text(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for number in (1, 2):
        (tmp_path / "helpers_of_mine.py").write_text(f"RATE = {number}.0")
        sys.modules.pop("helpers_of_mine", None)
        found.append(text(before="import helpers_of_mine", used="helpers_of_mine.RATE"))
    assert found[0] != found[1]


def test_what_cannot_be_told_by_its_content_is_named():
    with pytest.raises(ValueError, match=r"draw uses GENERATOR, which decides its numbers and cannot be told"):
        text(before="GENERATOR = np.random.default_rng(0)", used="GENERATOR")
