"""The whole idea in one file of plain Python is an oracle for the engine: it shares no code with it. Rule by
rule, through a training, and up to the estimator, both give the same polynomials; and a contour integral
agrees."""
import ast
import inspect
import random
import subprocess
import sys

import numpy as np
import pytest

import circuit as C
from circuit import real, record
from deletion import Learner, given, precompute, sphere
from microgpt import idea
from taylor import Polynomial, evaluate, from_lanes

COUNT = len(idea.EXAMPLES)


# rules ------------------------------------------------------------------------------------------------------

def random_pair(rng, constant):
    """The same polynomial as a Series and as a Polynomial (scalar, one direction)."""
    rest = rng.normal(size=idea.DEGREE) + 1j * rng.normal(size=idea.DEGREE)
    return idea.Series(constant, *rest), Polynomial(np.array(constant), rest[None])


def assert_same(series, polynomial):
    np.testing.assert_allclose(series.c, [polynomial.constant, *polynomial.coefficients[0]], rtol=1e-12,
                               atol=1e-14)


@pytest.mark.parametrize("constant", [0.3, 1.7])
@pytest.mark.parametrize("name", ["exp", "log", "tanh"])
def test_functions_of_a_series_are_the_engines(rng, name, constant):
    series, polynomial = random_pair(rng, constant)
    assert_same(getattr(idea, name)(series), evaluate(record(getattr(C, name), real()), [polynomial])[0])


@pytest.mark.parametrize("operation", [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: 2.0 - a,
    lambda a, b: 1.0 / b,
    lambda a, b: b ** -0.5 * a,
    lambda a, b: a ** 3,
])
def test_arithmetic_of_series_is_the_engines(rng, operation):
    (a, p), (b, q) = random_pair(rng, 0.4), random_pair(rng, 1.2)
    assert_same(operation(a, b), evaluate(record(operation, real(), real()), [p, q])[0])


# a training -------------------------------------------------------------------------------------------------

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


def measurement(theta):
    return -C.softplus(-theta[0] * C.tanh(theta[1] * 0.5 + theta[2]))


def learner_of(steps):
    """The file's training, written with the library: the gradient comes from reverse mode."""
    examples = [(np.array(x), np.array(float(y))) for x, y in idea.EXAMPLES]
    return Learner(np.array([0.5, 0.5, 0.0]), examples, loss, SmoothlyClipped(), np.arange(steps) % COUNT)


def sketched(learner, psi):
    return precompute(learner, given(np.array(psi)), idea.DEGREE, calibration=0, progress=False)


@pytest.fixture(scope="module")
def directions():
    """Three random directions, and the indicator of a set."""
    generator = random.Random(3)
    indicator = [float(i in (2, 5)) for i in range(COUNT)]
    return [idea.random_direction(generator, COUNT) for _ in range(3)] + [indicator]


def assert_same_training(steps, directions):
    """The polynomials of all three trained parameters, by the file's rules and by the machine."""
    blocks = sketched(learner_of(steps), directions).blocks
    coefficients = np.concatenate([from_lanes(block) for block in blocks])      # (directions, degree, 3)
    for j, psi in enumerate(directions):
        trained = idea.train([idea.Series(1.0, -x) for x in psi])
        by_rules = np.transpose([x.c[1:] for x in trained])
        np.testing.assert_allclose(by_rules, coefficients[j], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("steps", [1, 9, idea.STEPS])
def test_the_machine_pushes_the_same_polynomials_through_a_training(monkeypatch, directions, steps):
    monkeypatch.setattr(idea, "STEPS", steps)
    assert_same_training(steps, directions)


def wrong_tanh(x):
    y = right_tanh(x)
    if isinstance(x, idea.Series):
        y.c[idea.DEGREE] *= 1.0 + 1e-6
    return y


right_tanh = idea.tanh


def test_a_wrong_rule_is_seen(monkeypatch, directions):
    """A relative error of 1e-6, in the highest coefficient of one rule."""
    monkeypatch.setattr(idea, "STEPS", 9)
    monkeypatch.setattr(idea, "tanh", wrong_tanh)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_same_training(9, directions)


def test_measurements_and_retraining_are_the_engines(directions):
    learner = learner_of(idea.STEPS)
    measured = sketched(learner, directions).measure(measurement)
    for j, psi in enumerate(directions):
        np.testing.assert_allclose(idea.coefficients_along(psi), [measured.value, *measured.coefficients[j]],
                                   rtol=1e-11, atol=1e-13)
    weights = np.array([0.0, 0.5, 1.0, 1.0, 0.0, 1.0, 0.3, 1.0])
    np.testing.assert_allclose(learner.train(weights)[0], np.real(idea.train(weights)), rtol=1e-12)


def test_coefficients_are_contour_integrals_of_whole_trainings():
    psi = idea.random_direction(random.Random(5), COUNT)
    np.testing.assert_allclose(idea.coefficients_along(psi), idea.coefficients_by_contour(psi), rtol=1e-9,
                               atol=1e-11)


# the estimator ----------------------------------------------------------------------------------------------

def test_the_estimator_is_right_on_average():
    """Each order's mean over 300 directions is within 4 of its standard errors of the term along the set
    itself (false alarms: 1 in 5,000)."""
    deleted = [1, 6]
    exact = idea.coefficients_along([float(i in deleted) for i in range(COUNT)])
    pairs = idea.sketch(300, seed=11)
    for r in range(1, idea.DEGREE + 1):
        mean, error = idea.estimate(pairs, deleted, r)
        assert abs(mean - exact[r].real) < 4.0 * error


def test_the_estimator_is_the_librarys():
    """The library's decoder 'mean' gives the same terms from the same directions."""
    directions = sphere(8, COUNT, seed=2)
    units = directions.psi / np.linalg.norm(directions.psi, axis=1, keepdims=True)
    pairs = [(psi, idea.coefficients_along(psi)) for psi in units]
    measured = precompute(learner_of(idea.STEPS), directions, idea.DEGREE, calibration=0,
                          progress=False).measure(measurement)
    terms = measured.predict([1, 6], decoder="mean").terms
    np.testing.assert_allclose([idea.estimate(pairs, [1, 6], r)[0] for r in range(1, idea.DEGREE + 1)],
                               terms[1:], rtol=1e-9, atol=1e-12)


def test_it_runs_and_prints_a_prediction_beside_its_truth():
    printed = subprocess.run([sys.executable, "-m", "microgpt.idea"], capture_output=True, text=True,
                             check=True).stdout
    assert "retrained" in printed and "contour integral" in printed and "T_3" in printed


def test_it_imports_three_modules_of_the_standard_library():
    imported = [node for node in ast.walk(ast.parse(inspect.getsource(idea)))
                if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [alias.name for node in imported for alias in node.names] == ["cmath", "math", "random"]
