"""The recipe "How to add a method" of deletion/README.md: its class passes what every method must."""
import re
from pathlib import Path

import numpy as np
import pytest
import test_methods
from learners import converged, least_squares

from deletion import DoesNotApply, Learner, LearnerError, Method

GUIDE = (Path(__file__).parent.parent.parent / "deletion" / "README.md").read_text(encoding="utf-8")


def recipe():
    """The class that the recipe's code defines."""
    section = GUIDE.split("## How to add a method")[1].split("\n## ")[0]
    names = {}
    exec(re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1), names)      # what a reader would run
    return names["DiagonalFisher"]


@pytest.fixture(scope="module")
def diagonal_fisher():
    return recipe()


@pytest.mark.parametrize("check", [
    test_methods.test_answers_have_the_promised_shapes_and_nothing_deleted_changes_nothing,
    test_methods.test_sets_are_answered_one_by_one,
    test_methods.test_a_weight_that_is_left_counts,
    test_methods.test_bad_sets_and_measurements_are_refused,
], ids=lambda check: check.__name__)
@pytest.mark.parametrize("damping", [0.0, 2.0])
def test_it_meets_the_checks_of_every_method(diagonal_fisher, check, damping):
    assert issubclass(diagonal_fisher, Method)
    check((diagonal_fisher(damping), converged()))


def test_it_is_its_formula(diagonal_fisher):
    learner = least_squares()
    x, y = (np.array(column) for column in zip(*learner.examples))
    gradients = (x @ learner.trained - y)[:, None] * x
    answer = diagonal_fisher(0.5).answer(learner, [[1], [2, 7]], lambda w: w)
    expected = np.array([gradients[[1]].sum(axis=0), gradients[[2, 7]].sum(axis=0)])
    assert np.allclose(answer.change, expected / ((gradients ** 2).sum(axis=0) + 0.5), rtol=1e-12, atol=1e-15)
    assert answer.diagnostics["smallest"] > 0.5
    assert repr(diagonal_fisher(0.5)) == "DiagonalFisher(damping=0.5)"


def test_it_refuses_by_raising(diagonal_fisher):
    learner = least_squares()
    flat = Learner(np.zeros(4), learner.examples, lambda w, x, y: (x @ w[:3] - y) ** 2, learner.optimizer,
                   learner.schedule[:5])
    with pytest.raises(DoesNotApply, match="no example's loss changes with parameter 3: give damping"):
        diagonal_fisher().answer(flat, [[0]], lambda w: w[0])
    assert (diagonal_fisher(1.0).answer(flat, [[0]], lambda w: w[3]).change == 0.0).all()
    with pytest.raises(LearnerError, match="damping"):
        diagonal_fisher(-1.0)
