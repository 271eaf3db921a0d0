"""Velocities along the path of weights, columns of the Jacobian, two starts: against closed forms,
interpolated retrainings and matrix powers."""
import numpy as np
import pytest
from learners import data, least_squares, network
from numpy.polynomial import chebyshev

from benchmarks import straightness
from deletion import SGD, Objective, retrain


def closed_form(x, y, point, eps):
    """theta, theta-dot and theta-ddot of least squares without a penalty: with leverage P and residual e,
    theta(eps) = theta(1) - (1 - eps) v / q, v = (X^T X)^-1 x e, q = 1 - (1 - eps) P."""
    inverse = np.linalg.inv(x.T @ x)
    theta = inverse @ x.T @ y
    leverage, v = x[point] @ inverse @ x[point], inverse @ x[point] * (y[point] - x[point] @ theta)
    q = 1.0 - (1.0 - eps) * leverage
    return theta - (1.0 - eps) * v / q, v / q ** 2, -2.0 * leverage * v / q ** 3


def test_the_path_of_least_squares_is_straight_and_speeds_up():
    learner, (x, y) = least_squares(regularizer=None), data(12, 3, 1)
    inverse = np.linalg.inv(x.T @ x)
    for point in (2, 7):
        h = learner.downweight([point])
        for eps in (1.0, 0.5, 0.0):
            for found, true in zip(straightness.derivatives(learner, h, eps), closed_form(x, y, point, eps)):
                np.testing.assert_allclose(found, true, rtol=0, atol=1e-8 * np.abs(true).max())
        row, leverage = straightness.straightness(learner, h, 3), x[point] @ inverse @ x[point]
        assert row["angle"] < 1e-4 and row["faster"] == pytest.approx((1.0 - leverage) ** -2, rel=1e-7)
        assert row["apart"] == pytest.approx(row["faster"] - 1.0, rel=1e-7)
        assert row["error"] == pytest.approx(leverage, rel=1e-7)
        assert row["error's bound"] == pytest.approx(leverage / (1.0 - leverage) ** 2, rel=1e-7)
        assert row["largest bend"] == pytest.approx(2.0 * leverage * (1.0 - leverage) ** -3, rel=1e-7)


def interpolated(learner, h, count=48):
    """theta, theta-dot and theta-ddot as polynomials in eps: Chebyshev's, through exact retrainings."""
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    series = chebyshev.chebfit(nodes, retrain(learner, weights=1.0 - np.outer((1.0 - nodes) / 2.0, h)),
                               count - 1)
    return [lambda eps, k=k: 2.0 ** k * chebyshev.chebval(2.0 * eps - 1.0, chebyshev.chebder(series, k))
            for k in range(3)]


def test_velocities_of_a_training_far_from_convergence():
    """And the bounds: |theta-dot(1) - theta-dot(0)| and twice the error of first order are at most sup
    |theta-ddot|."""
    learner = network()
    h = learner.downweight([3, 7, 8])
    true = interpolated(learner, h)
    for eps in (1.0, 0.3, 0.0):
        for found, series in zip(straightness.derivatives(learner, h, eps), true):
            np.testing.assert_allclose(found, series(eps), rtol=0, atol=1e-7 * np.abs(series(eps)).max())
    row, speed = straightness.straightness(learner, h, 9), np.linalg.norm(true[1](1.0))
    bends = np.linalg.norm([true[2](eps) for eps in np.linspace(0.0, 1.0, 1001)], axis=1) / speed
    assert row["apart"] == pytest.approx(np.linalg.norm(true[1](1.0) - true[1](0.0)) / speed, rel=1e-6)
    assert 0.95 * bends.max() < row["largest bend"] < bends.max() * (1.0 + 1e-6)
    assert row["apart"] <= bends.max() and row["error"] <= row["error's bound"]
    assert row["angle"] == pytest.approx(straightness.angle(true[1](1.0), true[1](0.0)), rel=1e-5)


def test_angles():
    assert straightness.angle(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(45.0)
    assert straightness.angle(np.array([1.0, 0.0]), np.array([-2.0, 0.0])) == pytest.approx(180.0)


def test_columns_are_influence_and_a_group_is_their_sum():
    """Least squares, 12 and 11 units: column j is (X^T X)^-1 x_j e_j. The velocity of a group is the sum of
    its columns; theta-ddot and the movement are not."""
    for n in (12, 11):
        learner, (x, y) = least_squares(n, regularizer=None), data(n, 3, 1)
        inverse = np.linalg.inv(x.T @ x)
        jacobian = inverse @ (x * (y - x @ inverse @ x.T @ y)[:, None]).T
        np.testing.assert_allclose(straightness.columns(learner), jacobian, rtol=0, atol=1e-9)
    h = learner.downweight([1, 4, 9])
    np.testing.assert_allclose(straightness.derivatives(learner, h, 1.0)[1], jacobian @ h, rtol=0, atol=1e-9)


def test_how_far_sums_over_members_are_off():
    """Least squares with 60 units: second derivatives by differences of weighted minima, movements by minima
    without rows."""
    learner, (x, y) = least_squares(60, regularizer=None), data(60, 3, 1)

    def minimum(h):
        return np.linalg.solve((x.T * (1.0 - h)) @ x, x.T @ ((1.0 - h) * y))

    def bend(h, step=1e-3):
        return (minimum(step * h) - 2.0 * minimum(0.0 * h) + minimum(-step * h)) / step ** 2
    _, off = straightness.additivity(learner, 2)
    for k, h in enumerate(straightness.sets_of(learner, 2)["5%"]):
        members, start = np.eye(60)[h > 0.0], minimum(0.0 * h)
        assert len(members) == 3
        for what, change in (("second order", bend), ("movement", lambda h: minimum(h) - start)):
            parts, whole = sum(change(one) for one in members), change(h)
            true = np.linalg.norm(parts - whole) / np.linalg.norm(whole)
            assert off[what][k] == pytest.approx(true, rel=1e-3)


def test_a_group_s_second_order_is_not_the_sum():
    """Of a network, whose J^T grad phi is the metagradient."""
    learner = network(60)      # 5% are three units
    jacobian, off = straightness.additivity(learner, 2)
    assert off["first order"].max() < 1e-12 and off["second order"].min() > 1e-4 < off["movement"].min()
    assert straightness.off_metagradient(learner, jacobian, lambda p: (p["w2"] * p["w2"]).sum()) < 1e-12


def test_two_starts_of_least_squares():
    """(I - rate H)^k moves what lies between two starts; e^(L t) is larger, however often one looks."""
    learner, (x, _) = least_squares(30), data(30, 3, 1)
    weights = 1.0 - learner.downweight([2, 5])
    hessian = (x.T * weights) @ x / 30 + 0.1 * np.eye(3)
    low, high = np.linalg.eigvalsh(hessian)[[0, -1]]
    found = straightness.curvature(Objective(learner), np.zeros(3), weights)
    assert found == pytest.approx((low, high), rel=1e-9)
    rows = straightness.drift(learner, weights, 0.5, [3, 10], starts=200)
    for row in rows:
        worst = np.linalg.norm(np.linalg.matrix_power(np.eye(3) - 0.5 / high * hessian, row["steps"]), 2)
        assert 0.95 * worst < row["measured"] <= worst * (1.0 + 1e-9)
        assert row["by the step"] == pytest.approx(worst, rel=1e-6)
        assert row["L t"] == pytest.approx(0.5 * row["steps"], rel=1e-6)
        assert row["exponential"] == pytest.approx(np.exp(0.5 * row["steps"]), rel=1e-6)


def test_descending_is_a_learner_s_training():
    learner = network(steps=1).again(optimizer=SGD(0.1), schedule=np.tile(np.arange(20), (15, 1)))
    weights = 1.0 - learner.downweight([4, 6])
    path = straightness.descend(Objective(learner), learner.layout.initial, weights, 0.1, 15)
    np.testing.assert_allclose(path[-1], learner.train(weights)[0], rtol=1e-10)


def test_bounds_hold_where_starts_drift_apart():
    """A network, not convex. The 1% is for curvatures between the steps at which they are computed."""
    learner = network()
    for row in straightness.drift(learner, np.ones(20), 1.0, [5, 20], starts=8):
        assert row["measured"] <= 1.01 * row["by the step"] <= 1.02 * row["exponential"]
