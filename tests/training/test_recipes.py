"""The recipes "How to write a learner" and "How to add an optimizer" of deletion/README.md.

Their code is run as a reader would run it, and what it makes meets the checks of what is shipped.
"""
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from test_shared_checks import CHECKS, Row, check_training_is_the_plain_update, trained_by

from deletion import Learner, LearnerError, LinearDecay

GUIDE = (Path(__file__).parent.parent.parent / "deletion" / "README.md").read_text(encoding="utf-8")


def module_of(recipe):
    """The module that a recipe's code makes; it can be imported, so that its functions can be pickled."""
    section = GUIDE.split(f"## {recipe}\n")[1].split("\n## ")[0]
    module = ModuleType(recipe.replace(" ", "_").lower())
    sys.modules[module.__name__] = module
    exec(re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1), vars(module))
    return module


@pytest.fixture(scope="module")
def learner():
    return module_of("How to write a learner").learner


@pytest.fixture(scope="module")
def adagrad():
    return module_of("How to add an optimizer").Adagrad


@pytest.mark.parametrize("check", CHECKS)
def test_the_recipes_learner_meets_the_checks_of_every_learner(learner, check):
    assert isinstance(learner, Learner)
    check(learner, 0.5)


@pytest.mark.parametrize("check", CHECKS)
def test_learners_by_the_recipes_optimizer_meet_them_too(adagrad, check):
    check(trained_by(adagrad(LinearDecay(0.05), 0.5)), 0.5)


def plain_adagrad(theta, gradient, memory, step, steps):
    v = memory[0] + gradient ** 2
    return theta - 0.05 * (1.0 - step / steps) * gradient / np.sqrt(v + 0.5), (v,)


def test_the_recipes_optimizer_is_its_formula(adagrad):
    check_training_is_the_plain_update(Row(adagrad(LinearDecay(0.05), 0.5), (0.0,), plain_adagrad))


@pytest.mark.parametrize("settings, words", [((-0.1,), "learning rate"), ((0.1, 0.0), "eps")])
def test_the_recipes_optimizer_checks_its_settings(adagrad, settings, words):
    with pytest.raises(LearnerError, match=words):
        adagrad(*settings)
