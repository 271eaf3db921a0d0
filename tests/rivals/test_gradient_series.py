"""Taylor series of gradients against Cauchy integrals of gradients at complex weights, order by order."""
import numpy as np
import pytest
from batches import close, repeated
from learners import logistic, relu_loss, tiny
from naive_backward import backwards_naive

from circuit import DomainError
from deletion import SGD, Learner, LearnerError, given, precompute
from deletion.influence import gradient_series, metagradient
from microgpt import names


def contour(learner, measure, psi, degree, points):
    """(coefficients (degree + 1, units) of df/dh, those (degree + 1,) of f), from gradients at the complex
    weights 1 - t psi, |t| = 1."""
    circle = np.exp(2j * np.pi * np.arange(points) / points)
    found = [backwards_naive(learner, measure, 1.0 - t * psi, finite=False) for t in circle]
    gradients = -np.array([x.gradient[0] for x in found])
    values = np.array([x.value for x in found])
    return tuple(np.fft.fft(x, axis=0)[:degree + 1] / points for x in (gradients, values))


def sum_of_squares(p):
    return (p * p).sum() if hasattr(p, "shape") else sum((x * x).sum() for x in p.values())


def gpt():
    learner = names(steps=5)
    return learner, learner.loss_on(learner.held_out[0])


CASES = {"logistic regression": lambda: (logistic(n=8, steps=12), sum_of_squares),
         "adam, minibatches of users": lambda: (repeated(), sum_of_squares), "microgpt": gpt}


@pytest.mark.parametrize("name", CASES)
def test_it_is_a_contour_integral_of_gradients(name, rng):
    learner, measure = CASES[name]()
    degree, n = 3, learner.unit_count
    psi = rng.normal(size=(2, n)) + 1j * rng.normal(size=(2, n))
    psi *= 0.1 / np.linalg.norm(psi, axis=1, keepdims=True)
    series = gradient_series(learner, measure, psi, degree)
    assert series.coefficients.shape == (2, degree + 1, n) and series.value.shape == (2, degree + 1)
    for j in range(2):
        coefficients, value = contour(learner, measure, psi[j], degree, 16)
        for r in range(degree + 1):
            assert close(series.coefficients[j, r], coefficients[r], 1e-10)
            assert abs(series.value[j, r] - value[r]) <= 1e-10 * abs(value[r])


def test_its_parts_are_the_metagradient_and_the_push(rng):
    """Order 0 is minus the metagradient; along psi, order r is r + 1 times the push's coefficient r + 1."""
    learner = repeated()
    n = learner.unit_count
    psi = rng.normal(size=(11, n)) + 1j * rng.normal(size=(11, n))      # two blocks
    series = gradient_series(learner, sum_of_squares, psi, 2)
    gradient = metagradient(learner, sum_of_squares).gradient
    pushed = precompute(learner, given(psi), 3, calibration=0).measure(sum_of_squares).coefficients
    for j in range(11):
        assert close(series.coefficients[j, 0], -gradient + 0j, 1e-12)
        assert close(series.coefficients[j] @ psi[j] / np.arange(1.0, 4.0), pushed[j], 1e-11)
        assert close(series.value[j, 1:], pushed[j, :2], 1e-11)
    assert np.array_equal(series.directions, psi)


def test_degree_zero_is_the_metagradient():
    learner = tiny()
    series = gradient_series(learner, lambda p: p[1], np.eye(6), 0)
    assert close(series.coefficients, np.broadcast_to(-metagradient(learner, lambda p: p[1]).gradient + 0j,
                                                      (6, 1, 6)), 1e-13)
    assert close(series.value, np.full((6, 1), learner.train()[0][1] + 0j), 1e-13)


def test_memory_and_threads_change_nothing():
    learner = tiny(steps=20)
    directions = np.eye(6)[np.arange(20) % 6]
    whole = gradient_series(learner, lambda p: p[0], directions, 2, threads=1)
    assert whole.stored == 20
    small = gradient_series(learner, lambda p: p[0], directions, 2, threads=2, memory=30_000)
    assert small.stored < 10 and np.array_equal(small.coefficients, whole.coefficients)
    assert np.array_equal(small.value, whole.value)


def test_a_measurement_that_does_not_move():
    series = gradient_series(tiny(), lambda p: np.array(2.0), np.eye(6), 1)
    assert np.array_equal(series.value, [[2.0, 0.0]] * 6) and not series.coefficients.any()


@pytest.mark.parametrize("change, words", [
    ({"directions": np.ones(6)}, r"directions of shape \(6,\): expected one row per direction.*\(6\)"),
    ({"directions": np.ones((2, 5))}, r"directions of shape \(2, 5\)"),
    ({"directions": np.ones((0, 6))}, r"directions of shape \(0, 6\)"),
    ({"directions": [["a"] * 6]}, "real or complex numbers"),
    ({"directions": [[np.nan] * 6]}, "finite"),
    ({"degree": -1}, "degree"),
    ({"degree": 1.0}, "degree"),
    ({"measurement": lambda p: p}, r"one number.*shape \(2,\).*one element at a time"),
    ({"measurement": lambda p: p[:1]}, r"shape \(1,\)"),
    ({"measurement": 3.0}, "a function"),
    ({"memory": "1 GB"}, "whole number"),
    ({"memory": 10}, "Give memory="),
    ({"threads": 0}, "threads"),
])
def test_what_makes_no_sense(change, words):
    arguments = {"learner": tiny(), "measurement": lambda p: p[0], "directions": np.eye(6), "degree": 1}
    with pytest.raises(ValueError, match=words) as caught:
        gradient_series(**{**arguments, **change})
    assert isinstance(caught.value, LearnerError) or "degree" in change


def test_kinks_have_no_series():
    x = np.array([[1.0, -1.0], [0.5, 0.2], [0.3, 0.9]])
    learner = Learner(np.ones(2), list(zip(x, [2.0, 0.1, 0.4])), relu_loss, SGD(0.1), np.arange(9) % 3)
    with pytest.raises(DomainError, match=r"step 0 \(example 0\).*kink"):
        gradient_series(learner, lambda w: w[0], np.eye(3), 1)
