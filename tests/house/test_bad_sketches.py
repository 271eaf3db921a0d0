"""Bad questions to sketches: an error, and a message that says what was wrong."""
import numpy as np
import pytest
from checks import close
from refusals import learner, refused

import circuit as C
from circuit import DomainError
from deletion import SGD, Directions, Learner, LearnerError, given, precompute, retrain, sphere
from deletion.directions.decoders import LeastSquares, Mean


@pytest.fixture(scope="module")
def sketch():
    return precompute(learner(), directions=8, degree=2, calibration=0)


def total(w):
    return w.sum()


ONES = np.ones((1, 4))


@pytest.mark.parametrize("ask, words", [
    (lambda s: retrain(s.learner, weights=1j * ONES), "weights.*complex"),
    (lambda s: retrain(s.learner, weights=[["1"] * 4]), "weights.*expected.*numbers"),
    (lambda s: retrain(s.learner, weights=ONES, weight=0.3), "weight=0.3"),
    (lambda s: retrain(s.learner, 2.5), "sequence of deletion sets"),
    (lambda s: retrain(s.learner, [None]), "no unit None"),
    (lambda s: retrain(s.learner, [[0]], total, threads=0), "number of threads"),
    (lambda s: retrain(s.learner, [[0]], total, threads=1.5), "number of threads"),
    (lambda s: retrain(s.learner, [[0]], 3), "measurement: expected a function"),
    (lambda s: retrain(s.learner, [[0]], lambda w: w.sum() * np.nan), "got nan"),
    (lambda s: s.measure(total, threads=-1), "number of threads"),
    (lambda s: s.measure(total, threads="a"), "number of threads"),
    (lambda s: precompute(s.learner, threads=np.nan), "number of threads"),
    (lambda s: precompute(s.learner, downweight=1j * np.ones(4)), "downweight.*complex"),
    (lambda s: precompute(s.learner, downweight=[np.nan] * 4), "downweight.*nan"),
    (lambda s: precompute(s.learner, downweight=np.full(4, 1.5)), "negative weight"),
    (lambda s: precompute(s.learner, degree=10_000), "1000 is the highest"),
    (lambda s: precompute(s.learner, np.ones((1, 4, 2))), "not of shape"),
    (lambda s: precompute(s.learner, [["a"] * 4]), "expected.*numbers"),
    (lambda s: s.measure(lambda w: w[:0]), "measures nothing"),
    (lambda s: s.measure(lambda w: 1), "[Mm]easure a loss"),
    (lambda s: s.measure(None), "expected a function"),
    (lambda s: s.measure(lambda w: C.stack([C.step(w[0] + 1.25), w[1]])), "an element of it, does not move"),
    (lambda s: s.measure(lambda w: C.concatenate([w, C.constant_part(w)])), "does not move"),
])
def test_retraining_and_sketching(sketch, ask, words):
    refused(words, ask, sketch)


@pytest.mark.parametrize("ask, words", [
    (lambda m: m.predict(2.5), "no unit 2.5"),
    (lambda m: m.predict(None), "no unit None"),
    (lambda m: m.predict([[0]]), "no unit"),
    (lambda m: m.predict(0, weight="a"), "weight"),
    (lambda m: m.predict(0, weight=None), "weight"),
    (lambda m: m.predict(0, weight=[0, 0.5]), "weight"),
    (lambda m: m.predict(0, weight=1j), "weight"),
    (lambda m: m.predict(0, decoder=["mean"]), "no decoder"),
    (lambda m: m.predict(0, decoder=3), "no decoder"),
    (lambda m: m.predict(0, level="a"), "level"),
    (lambda m: m.predict_many(3), "sequence of sets"),
    (lambda m: m.predict_downweights(1j * np.ones(4)), "complex"),
    (lambda m: m.curve(0, weights="a"), "weights"),
    (lambda m: m.along(0, [1j]), "t: expected real numbers"),
    (lambda m: m.along(0, "1"), "t: expected real numbers"),
    (lambda m: m.along(0, np.nan), "nan"),
    (lambda m: m.along(0, None), "t: expected real"),
    (lambda m: m.along(0, 1e200), "overflows at t up to 1e"),
    (lambda m: m.along([0, 1], 1.0), "number of a direction"),
    (lambda m: m.along(-1, 1.0), "number of a direction"),
    (lambda m: m.along(True, 1.0), "number of a direction"),
    (lambda m: m.along(8, 1.0), "directions 0 to 7"),
])
def test_questions(sketch, ask, words):
    refused(words, ask, sketch.measure(total), error=LearnerError)


@pytest.mark.parametrize("make, words", [
    (lambda: given(np.ones((1, 2, 2))), "not of shape"),
    (lambda: given([[1.0], [1.0, 2.0]]), "different lengths"),
    (lambda: given(None), "expected.*numbers"),
    (lambda: Directions(np.zeros((0, 6)), "sphere"), "at least one direction"),
    (lambda: Directions(None, "given"), "expected.*numbers"),
    (lambda: Directions(np.eye(2), "spheer"), "no design 'spheer'"),
    (lambda: Directions(np.eye(2) * 2.0, "sphere"), "norm 2"),
    (lambda: Directions([[np.nan, 0.0]], "given"), "direction 0 holds nan"),
])
def test_directions(make, words):
    refused(words, make, error=LearnerError)


def test_questions_in_other_forms(sketch):
    measured, t = sketch.measure(lambda w: C.concatenate([w, np.ones(1)])), np.linspace(0.0, 1.0,
                                                                                        6).reshape(2, 3)
    assert close(measured.along(0, t).reshape(6, 3, 3), measured.along(0, t.ravel()), 1e-14)
    assert np.array_equal(measured.predict_downweights(np.array([True, False, False, False])).value,
                          measured.predict(0).value)
    assert measured.predict(np.int64(0)).value[2] == 1.0      # a constant stays what it is
    assert np.array_equal(retrain(sketch.learner, [[0], [1]], lambda w: 2.5), [2.5, 2.5])


def test_retraining_that_leaves_a_domain_names_the_training():
    x = np.array([[1.0], [3.0]])
    made = Learner(np.ones(1), list(x), lambda w, x: -((w * x).sum() ** 1.5), SGD(0.1), [0, 1, 0],
                   regularizer=lambda w: (w * w).sum() * 5.5)
    refused(r"step 1 .*gate power .*: -\d.* at \(\), training 1", retrain, made,
            weights=[[1.0, 1.0], [0.0, 0.0]], error=DomainError)


def test_degrees_too_high_for_a_decoder():
    psi, c = np.ones((2, 2000)), np.ones((2, 400, 1), complex)
    refused("degree 400 is too high for directions of norm 44.7", LeastSquares, given(psi), c,
            error=LearnerError)
    refused("degree 400 is too high for 2000 units", Mean, sphere(2, 2000, 0), c * 1e300, error=LearnerError)
