"""The one walk over the steps of a training: plain and compiled, whole, in parts and backwards."""
import re
from pathlib import Path

import numpy as np
import pytest
from checks import close
from learners import network, squared_loss, tiny

from circuit import DomainError
from deletion import SGD, Learner
from deletion.learner.replay import PlainTraining, advance, replay

DELETION = Path(__file__).parent.parent.parent / "deletion"


def compiled(learner, weights):
    return learner.recurrence(None).block(learner.states, weights[None])


class Notes:
    """A training that only notes which steps it is asked to take."""

    def __init__(self):
        self.asked = []

    def run(self, first, last):
        self.asked.append((first, last))


@pytest.mark.parametrize("options, asked", [
    (dict(at_once=5), [(0, 5), (5, 10), (10, 12)]), (dict(begin=3, end=5), [(3, 4), (4, 5)]),
    (dict(at_once=9, backwards=True), [(9, 12), (0, 9)]), (dict(begin=4, end=4), []),
    (dict(at_once=4, skipped=5), [(0, 4), (4, 7)]),
])
def test_every_step_is_taken_once(options, asked):
    training = Notes()
    assert list(replay(tiny(), training, **options)) == asked == training.asked


def test_plain_and_compiled_steps_are_the_same_training():
    learner, weights = network(), np.linspace(0.5, 1.5, 20)
    plain, block = PlainTraining(learner, weights), compiled(learner, weights)
    for first, last in replay(learner, plain):
        advance(learner, block, first, last)
        assert all(close(block.constant(i)[0], x, 1e-12) for i, x in enumerate(plain.state))


def test_parts_of_a_training_are_the_training_to_the_bit():
    learner, weights = network(), np.ones(20)
    for make in (PlainTraining, compiled):
        states = []
        for cuts in ((0, 30), (0, 7, 8, 30)):
            training = make(learner, weights)
            for first, last in zip(cuts, cuts[1:]):
                advance(learner, training, first, last)
            states.append(training.state[0] if make is PlainTraining else training.constant(0))
        assert np.array_equal(*states)


@pytest.mark.parametrize("make", [PlainTraining, compiled])
@pytest.mark.parametrize("at_once", [1, 100])
def test_an_error_names_step_and_examples(make, at_once):
    """Rows of 1e200 overflow in their square; the second step is the first that uses one."""
    rows = [(np.array([x]), 1.0) for x in (1.0, 1e200, 2.0)]
    learner = Learner(np.ones(1), rows, squared_loss, SGD(1.0), [0, 1, 2, 0], labels=["anna", "bob", "carl"])
    with pytest.raises(DomainError, match=r"^step 1 \(example 1, 'bob'\): gate"):
        for _ in replay(learner, make(learner, np.ones(3)), at_once=at_once):
            pass


def test_nowhere_else_are_steps_named_in_errors():
    """Whoever repeats a training does so by replay."""
    places = [path.name for path in DELETION.rglob("*.py")
              if re.search(r"\.where\((error\.step|number)[^)]*\)\}[^\n]*: \{error\}", path.read_text())]
    assert places == ["replay.py"]
