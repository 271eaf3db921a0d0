"""Whole trainings against independent truth: the golden numbers, contour integrals, finite differences,
closed forms."""
from pathlib import Path

import numpy as np
import pytest
from checks import close
from learners import least_squares, logistic, network

import circuit as C
from benchmarks import parity
from circuit import evaluate
from deletion import given, precompute, retrain, sphere
from deletion.sketch.push import Task, push

GOLDEN = Path(__file__).parent.parent / "golden"


def series(sketch, direction=0):
    """(parameters, p + 1) complex: a sketch's parameters along one direction."""
    stored = sketch.blocks[direction // 8][..., direction % 8]
    return np.concatenate([sketch.theta[:, None], stored[..., 0] + 1j * stored[..., 1]], axis=1)


@pytest.mark.parametrize("name",
                         ["census_12steps_degree6", "census_40steps_degree3", "census_1000steps_x_degree4"])
def test_parity_with_the_polynomial_golden_files(name):
    """Below the highest order the engine as it is; at the highest with GELU differentiated as the files' code
    does."""
    degree, _, results = parity.compare(GOLDEN / f"{name}.npz")
    for exact, filed in zip(results["exact"], results["as filed"]):
        assert exact[:degree].max() < 1e-11 and filed.max() < 1e-11


@pytest.mark.parametrize("name", ["census_1000steps_w0", "census_1000steps_w1"])
def test_parity_with_the_plain_golden_files(name):
    _, _, results = parity.compare(GOLDEN / f"{name}.npz")
    assert max(part.max() for part in results["exact"]) < 1e-11


def test_microgpt_is_a_contour_integral_of_whole_trainings(golden):
    """f along a random complex direction, orders 1 to 6, from 64 trainings at complex weights on the unit
    circle - nothing of Taylor arithmetic in it. It also decides who is right about the golden file's highest
    order."""
    data = golden("census_12steps_degree6")
    learner, psi = parity.learner_of(data), data["downweight_direction"]
    measure = learner.loss_on(str(data["test_doc"]))
    t = np.exp(2j * np.pi * np.arange(64) / 64)
    theta = learner.train(1.0 - t[:, None] * psi)[0]
    losses = evaluate(learner.measurement(measure), [theta])[0]
    contour, parameters = np.fft.fft(losses)[:7] / 64, np.fft.fft(theta, axis=0)[:7].T / 64

    sketch = precompute(learner, given(psi), 6)
    pushed = sketch.measure(measure).coefficients[0]
    assert (np.abs(pushed - contour[1:]) / np.abs(contour[1:])).max() < 1e-9
    errors = np.abs(series(sketch) - parameters).max(axis=0) / np.abs(parameters).max(axis=0)
    assert errors.max() < 1e-9
    filed = np.abs(data["params"] - parameters).max(axis=0) / np.abs(parameters).max(axis=0)
    assert filed[:6].max() < 1e-9 and filed[6] > 1e-8


def test_first_and_second_order_are_finite_differences_of_retraining():
    learner = network()
    h = learner.downweight([3, 7, 8])

    def measure(p):
        return (p["w1"] * p["w1"]).sum() + p["w2"].sum()
    step = 2e-4
    low, middle, high = retrain(learner, weights=1.0 - np.array([-step, 0.0, step])[:, None] * h,
                                measurement=measure)
    orders = precompute(learner, given(h), 2).measure(measure).coefficients[0].real
    assert orders[0] == pytest.approx((high - low) / (2 * step), rel=1e-5)
    assert orders[1] == pytest.approx((high - 2 * middle + low) / (2 * step ** 2), rel=1e-3)


def closed_form_series(learner, x, y, psi, degree, penalty):
    """Coefficients of (X^T W X / n + penalty)^{-1} X^T W y / n with W = 1 - t psi, by solving order after
    order."""
    a, b = x.T @ x / len(x) + penalty * np.eye(x.shape[1]), x.T @ y / len(x)
    da, db = x.T @ (psi[:, None] * x) / len(x), x.T @ (psi * y) / len(x)
    orders = [np.linalg.solve(a, b).astype(complex)]
    for r in range(1, degree + 1):
        orders.append(np.linalg.solve(a, da @ orders[-1] - (db if r == 1 else 0.0)))
    return np.stack(orders, axis=1)


def test_ridge_regression_is_its_closed_form_at_every_order(rng):
    learner = least_squares()
    x, y = (np.array(column) for column in zip(*learner.examples))
    psi = sphere(1, 12, 5).psi[0]
    expected = closed_form_series(learner, x, y, psi, 6, penalty=0.1)
    errors = np.abs(series(precompute(learner, given(psi), 6))
                    - expected).max(axis=0) / np.abs(expected).max(axis=0)
    assert errors.max() < 1e-10


def test_least_squares_deletion_is_the_leverage_formula():
    """theta - theta_{-i} = (X^T X)^{-1} x_i e_i / (1 - P_ii), by retraining, and by the series where it
    converges."""
    learner = least_squares(regularizer=None, steps=4000)
    x, y = (np.array(column) for column in zip(*learner.examples))
    inverse = np.linalg.inv(x.T @ x)
    theta = inverse @ x.T @ y
    leverage, residual = np.einsum("ij,jk,ik->i", x, inverse, x), y - x @ theta
    exact = theta - (x @ inverse) * (residual / (1.0 - leverage))[:, None]
    np.testing.assert_allclose(retrain(learner, [[i] for i in range(12)]), exact, atol=1e-9)
    i = int(np.argmin(leverage))
    curve = precompute(learner, np.eye(12)[[i]], 30).measure(lambda w: w).along(0, 1.0)[0].real
    np.testing.assert_allclose(curve[-1], exact[i], atol=1e-9)
    influence = theta - (x @ inverse)[i] * residual[i]
    np.testing.assert_allclose(curve[1], influence, atol=1e-9)      # order 1 is the influence function


def test_expanding_around_other_weights():
    """The series around h_0 is the training with weights 1 - h_0 - t psi."""
    learner = logistic()
    base, h = learner.downweight([1, 2], 0.5), learner.downweight([5])
    measured = precompute(learner, given(h), 9, downweight=base).measure(lambda w: C.exp(w).sum())
    truth = retrain(learner, weights=np.stack([1.0 - base, 1.0 - base - h]),
                    measurement=lambda w: C.exp(w).sum())
    assert measured.value == pytest.approx(truth[0], rel=1e-13)
    assert measured.along(0, 1.0)[0, -1].real == pytest.approx(truth[1], rel=1e-8)


def test_theta_0_is_the_training_itself_in_every_block_and_degree():
    """The same bits at every degree: constant parts are single floats, which the compiler may neither fuse
    nor reorder."""
    learner = network()
    plain = learner.train()[0]
    pushed, nothing = [precompute(learner, 20, degree).theta for degree in (1, 3)], np.zeros((1, 20), complex)
    # degree 0, which sparse directions begin with
    pushed.append(push(learner, Task(0, nothing, 0, np.zeros(20)))[0])
    assert all(np.array_equal(pushed[0], theta) for theta in pushed)
    assert close(pushed[0], plain, 1e-12)
