"""The whole idea in one file of plain Python, as an oracle: its numbers are those of the engine, and of a
contour integral."""
import math
import random
import subprocess
import sys

import numpy as np
import pytest

import circuit as C
from circuit import real, record
from deletion import Learner, given, precompute
from microgpt import idea
from taylor import Polynomial, evaluate


def drawn(rng, constant):
    """The same polynomial as a Series and as a Polynomial (scalar, one direction)."""
    rest = rng.normal(size=idea.DEGREE) + 1j * rng.normal(size=idea.DEGREE)
    return idea.Series(constant, *rest), Polynomial(np.array(constant), rest[None])


@pytest.mark.parametrize("constant", [0.3, 1.7])
@pytest.mark.parametrize("name", ["exp", "log", "tanh"])
def test_functions_of_a_series_are_the_engines(rng, name, constant):
    series, polynomial = drawn(rng, constant)
    expected = evaluate(record(getattr(C, name), real()), [polynomial])[0]
    np.testing.assert_allclose(getattr(idea, name)(series).c, [expected.constant, *expected.coefficients[0]],
                               rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("operation",
                         [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b,
                          lambda a, b: b ** -0.5 * a, lambda a, b: 2.0 - a, lambda a, b: 1.0 / b])
def test_arithmetic_of_series_is_the_engines(rng, operation):
    (a, p), (b, q) = drawn(rng, 0.4), drawn(rng, 1.2)
    expected = evaluate(record(operation, real(), real()), [p, q])[0]
    np.testing.assert_allclose(operation(a, b).c, [expected.constant, *expected.coefficients[0]], rtol=1e-12,
                               atol=1e-14)


class SmoothlyClipped:
    """Gradient descent by g / sqrt(1 + g^2), as the file has it."""

    def state(self, size):
        return ()

    def constants(self, step, steps):
        return ()

    def update(self, theta, gradient, state, constants):
        return theta - gradient * (gradient * gradient + 1.0) ** -0.5 * 0.2, ()


def loss(theta, x, y):
    return C.softplus(-y * theta[0] * C.tanh(theta[1] * x + theta[2]))


def measure(theta):
    return -C.softplus(-theta[0] * C.tanh(theta[1] * 0.5 + theta[2]))


def test_the_training_is_the_engines():
    """The same model written with the library: same value, same coefficients along three directions."""
    n = len(idea.EXAMPLES)
    learner = Learner(np.array([0.5, 0.5, 0.0]),
                      [(np.array(x), np.array(float(y))) for x, y in idea.EXAMPLES], loss, SmoothlyClipped(),
                      np.arange(idea.STEPS) % n)
    generator = random.Random(3)
    psi = [idea.direction(generator, n) for _ in range(3)]
    measured = precompute(learner, given(np.array(psi)), idea.DEGREE, calibration=0,
                          progress=False).measure(measure)
    for j, direction in enumerate(psi):
        np.testing.assert_allclose(idea.push(direction), [measured.value, *measured.coefficients[j]],
                                   rtol=1e-11, atol=1e-13)


def test_coefficients_are_contour_integrals_of_whole_trainings():
    psi = idea.direction(random.Random(5), len(idea.EXAMPLES))
    np.testing.assert_allclose(idea.push(psi), idea.contour(psi), rtol=1e-9, atol=1e-11)


def test_the_estimator_finds_the_terms_of_a_set():
    """Each order's mean over 300 directions within 4 of its standard errors of one push along the set (false
    alarms: 1 in 5,000)."""
    deleted = [1, 6]
    exact = idea.push([1.0 if i in deleted else 0.0 for i in range(len(idea.EXAMPLES))])
    sketched = idea.sketch(300, seed=11)
    for r in range(1, idea.DEGREE + 1):
        each = list(idea.estimates(sketched, deleted, r))
        mean = sum(each) / len(each)
        assert abs(mean - exact[r].real) < 4.0 * math.sqrt(sum((x - mean) ** 2 for x in each)) / len(each)


def test_it_runs_and_prints_a_prediction_beside_its_truth():
    printed = subprocess.run([sys.executable, "-m", "microgpt.idea"], capture_output=True, text=True,
                             check=True).stdout
    assert "retrained" in printed and "contour integral" in printed and "T_3" in printed
