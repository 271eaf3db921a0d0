"""Former spellings of what was renamed: they work for one more version, and warn."""
import numpy as np
import pytest
from learners import tiny

import deletion.influence
from deletion import Objective
from deletion.curvature.linearized import linearized_learner
from deletion.influence import SketchWithMetagradient, pbrf
from deletion.methods import gradients


@pytest.mark.parametrize("module, former, present", [
    (deletion.influence, "SketchedBeyond", SketchWithMetagradient),
    (gradients, "SketchedBeyond", SketchWithMetagradient),
    (pbrf, "pulled", linearized_learner),
])
def test_former_names_of_modules(module, former, present):
    with pytest.warns(DeprecationWarning, match=f"{former} is now called {present.__name__}"):
        assert getattr(module, former) is present


def test_the_former_name_of_a_method():
    objective, theta = Objective(tiny()), np.array([0.1, -0.2])
    with pytest.warns(DeprecationWarning, match="slope is now called Objective.value_and_gradient") as seen:
        value, gradient = objective.slope(theta, regularizer=False)
    assert seen[0].filename == __file__      # the caller's line is named
    expected = objective.value_and_gradient(theta, regularizer=False)
    assert value == expected[0] and (gradient == expected[1]).all()


def test_other_names_are_unknown_as_ever():
    with pytest.raises(AttributeError, match="module 'deletion.influence' has no attribute 'Oracle'"):
        deletion.influence.Oracle
    with pytest.raises(ImportError):
        from deletion.influence import Oracle  # noqa: F401
