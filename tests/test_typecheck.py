"""The hook that checks annotations: that it is at work, in functions, methods and dataclasses, and how often."""

import numpy as np
import pytest
import typecheck
from jaxtyping import Float, TypeCheckError

import istsim
from istsim.certificates import Decision


def test_a_wrong_type_is_found_in_functions_methods_and_dataclasses():
    problem = istsim.Quadratic(np.eye(3)[None], np.zeros((1, 3)))
    with pytest.raises(TypeCheckError, match="holds"):
        Decision(claim="a claim", holds="yes")
    with pytest.raises(TypeCheckError, match="step_size"):
        istsim.theory.stationary(problem, istsim.IST(istsim.Permutation(1, 3)), "large")
    with pytest.raises(TypeCheckError, match="step_size"):
        istsim.theorems.get("expected-iterate").check(
            problem, istsim.IST(istsim.Permutation(1, 3)), step_size="large", rounds=2
        )


def test_shapes_are_those_of_one_call():
    @typecheck.checked
    def added(x: Float[np.ndarray, " d"], y: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
        return x + y

    assert added(np.ones(2), np.ones(2)).shape == (2,)
    with pytest.raises(TypeCheckError):
        added(np.ones(2), np.ones(1))


def test_the_first_calls_of_a_test_are_checked_and_then_ever_fewer():
    @typecheck.checked
    def negated(x: float) -> float:
        return x

    def refused():
        try:
            negated("text")
        except TypeCheckError:
            return True
        return False

    calls = [refused() for _ in range(40)]
    assert [number for number, found in enumerate(calls, 1) if found] == [1, 2, 3, 4, 8, 16, 32]
    typecheck.begin_test()
    assert refused()
