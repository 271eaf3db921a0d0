"""Bad input to learners and optimizers: an error, and a message that says what was wrong."""
import numpy as np
import pytest
from refusals import EXAMPLES, X, Y, learner, refused

from circuit.errors import LearnerError
from deletion import SGD, Adam, Learner, LinearDecay, Momentum, NoChange, Objective, precompute, retrain
from deletion.influence import metagradient


def with_first(x):
    return [(x, 1.0)] + EXAMPLES[1:]


class Custom(SGD):
    """An optimiser that returns whatever it is given a function for."""

    def __init__(self, result, state=(), constants=(0.1,)):
        self.__dict__.update(result=result, kept=state, numbers=constants)

    def state(self, size):
        return self.kept

    def constants(self, step, steps):
        return self.numbers

    def update(self, theta, gradient, state, constants):
        return self.result(theta, gradient)


@pytest.mark.parametrize("fields, words", [
    (dict(examples=with_first([1j, 1.0])), "example 0.*got complex128"),
    (dict(examples=with_first([np.inf, 1.0])), r"example 0.*inf at \(0,\)"),
    (dict(examples=with_first(["a", "b"])), "example 0.*expected.*numbers"),
    (dict(examples=with_first([True, False])), "example 0.*got bool"),
    (dict(examples=with_first([np.nan, 1.0]), labels=list("abcd")), "example 0, 'a'.*nan"),
    (dict(examples=with_first([[1.0], [1.0, 2.0]])), "different lengths"),
    (dict(examples=[list(e) for e in EXAMPLES]), "is a tuple, such as"),
    (dict(examples=5), "sequence of arrays"),
    (dict(examples=None), "sequence"),
    (dict(examples=list(X)), "cannot be called with 2 arguments.*'y'"),
    (dict(labels=["a"]), "1 labels for 4 examples"),
    (dict(w=[[1.0], [1.0, 2.0]]), "the parameters.*different lengths"),
    (dict(w={"a": np.zeros(2) * 1j}), "parameter 'a'.*complex"),
    (dict(schedule=[[0], [1, 2]]), "different lengths"),
    (dict(schedule="abc"), "whole numbers"),
    (dict(schedule=[True]), "whole numbers"),
    (dict(loss=None), "the loss.*: expected a function, got None"),
    (dict(regularizer=3.0), "the regularizer: expected a function"),
    (dict(loss=lambda w, x, y: np.float64(1.0)), "does not depend on the parameters"),
    (dict(loss=lambda w, x, y: w.sum() * np.nan), "got nan"),
    (dict(regularizer=lambda w: None), "one number.*not None"),
    (dict(regularizer=lambda w: w), "one number"),
    (dict(regularizer=lambda w: w.sum() + np.nan), "got nan"),
    (dict(optimizer=None), "None is none"),
    (dict(optimizer="sgd"), "'sgd' is none"),
    (dict(optimizer=SGD), "has the methods"),
    (dict(optimizer=Custom(lambda theta, g: theta)), r"returns \(theta, state\)"),
    (dict(optimizer=Custom(lambda theta, g: (theta.sum(), ()))), "returns shapes"),
    (dict(optimizer=Custom(lambda theta, g: (theta, (g,)))), "returns shapes"),
    (dict(optimizer=Custom(lambda theta, g: (theta, ()), state=([1j],))), "state.*complex"),
    (dict(optimizer=Custom(lambda theta, g: (theta, ()), constants=(np.nan,))), "constants at step 0.*nan"),
    (dict(optimizer=SGD(lambda step, steps: 0.1 - step)), "learning rate at step 1.*got -0.9"),
    (dict(optimizer=SGD(lambda step, steps: None)), "at step 0.*None"),
    (dict(all_units=[1, 2]), "it needs units"),
    (dict(units="x"), "labels, got 'x'"),
    (dict(units=5), "sequence of labels"),
    (dict(units=[1, 2, [3], 4]), "label 2"),
    (dict(units=[1, None, 2, 3]), "label 1 is None"),
    (dict(units=[1, np.nan, 2, 3]), "label 1 is nan"),
])
def test_learners(fields, words):
    refused(words, learner, **fields)


@pytest.mark.parametrize("make, words", [
    (lambda: SGD(-1.0), "learning rate.*>= 0"),
    (lambda: SGD("0.1"), "learning rate"),
    (lambda: SGD(None), "learning rate"),
    (lambda: SGD(1j), "complex"),
    (lambda: SGD(np.ones((2, 2))), "one number"),
    (lambda: SGD(np.nan), "nan"),
    (lambda: SGD(LinearDecay), "not a class"),
    (lambda: Momentum(0.1, -3.0), "momentum"),
    (lambda: Momentum(0.1, 1.0), "momentum.*< 1"),
    (lambda: Momentum(0.1, np.ones(2)), "momentum.*one number"),
    (lambda: Momentum(0.1, np.nan), "nan"),
    (lambda: Adam(0.1, beta1=-0.5), "beta1"),
    (lambda: Adam(0.1, 1.0), "beta1"),
    (lambda: Adam(0.1, beta2=1.5), "beta2"),
    (lambda: Adam(0.1, eps=0.0), "eps.*> 0"),
    (lambda: LinearDecay(-1), "learning rate"),
    (lambda: LinearDecay("a"), "learning rate"),
])
def test_optimizers(make, words):
    refused(words, make, error=LearnerError)


def test_what_a_learner_was_given_may_change_afterwards():
    x, schedule = X.copy(), np.array([0, 1, 2, 3])
    made = learner(examples=list(zip(x, Y[:, 0])), schedule=schedule)
    before = made.fingerprint()
    x[:], schedule[:] = 7.0, 0
    assert made.fingerprint() == before and made.schedule.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        made.examples[0][0][0] = 1.0


def test_labels_of_units_of_any_kind():
    for units in ([("b", 1), ("a", 1), ("b", 1), ("a", 2)], [1, "a", 1, 2.5], [True, False, True, True],
                  list(np.array([1, 0, 1, 1]) > 0)):
        made = learner(units=units)
        assert made.unit_indices(units[0]).tolist() == [made.units.index(units[0])] == made.unit_indices(
            [units[0]]).tolist()
    assert learner(units=[("b", 1), ("a", 1), ("b", 1), ("a", 2)]).units == [("a", 1), ("a", 2), ("b", 1)]


@pytest.mark.parametrize("call", [lambda x: retrain(x, [[0]]), lambda x: precompute(x, 8), Objective,
                                  lambda x: metagradient(x, max), lambda x: NoChange().answer(x, [[0]], max)])
@pytest.mark.parametrize("thing", [None, "microgpt", Learner, np.zeros(3)])
def test_what_is_no_learner_is_named(call, thing):
    with pytest.raises(LearnerError, match="expected a Learner"):
        call(thing)
