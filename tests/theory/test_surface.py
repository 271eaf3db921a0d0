"""theta(t, eps): the identity's closed form, trainings followed at other weights, integrated velocities."""
import numpy as np
import pytest
from learners import network

from benchmarks import surface
from deletion import retrain


def test_the_identity_in_closed_form():
    """theta = (1 - e^-t, 1 - e^(-eps t)); its limits in t and eps do not commute."""
    times = np.array([0.0, 0.5, 3.0, 40.0])
    for eps in (1.0, 0.3, 0.01, 0.0):
        true = np.stack([1.0 - np.exp(-times), 1.0 - np.exp(-eps * times)], axis=1)
        np.testing.assert_allclose(surface.identity(times, eps), true, rtol=0, atol=1e-14)
    assert surface.identity([1e9], 1e-6)[0, 1] == pytest.approx(1.0)
    assert surface.identity([1e9], 0.0)[0, 1] == 0.0


def test_a_row_of_the_identity_is_best_dropped_at_once():
    """Kept until tau, the cost at T = 3 is (e^-2T + (1 - e^-tau)^2) / 2, with slope e^-tau (1 - e^-tau)."""
    taus = np.linspace(0.0, 3.0, 7)
    cost = 0.5 * (np.exp(-6.0) + (1.0 - np.exp(-taus)) ** 2)
    np.testing.assert_allclose(surface.kept_until(taus, 3.0), cost, rtol=1e-12)
    step, inside = 1e-5, taus[1:-1]
    slope = (surface.kept_until(inside + step, 3.0) - surface.kept_until(inside - step, 3.0)) / (2.0 * step)
    np.testing.assert_allclose(slope, np.exp(-inside) * (1.0 - np.exp(-inside)), rtol=1e-6)


def test_the_edges_of_the_surface_of_least_squares():
    """At time 0 all weights are at the start; the edge eps = 0 is the flow without the row."""
    times, eps, values = surface.least_squares(9)
    flow, row = surface.around(np.random.default_rng(0), *surface.FLOW_START)
    assert (values[:, 0] == flow.start[0]).all() and values.shape == (9, 9) and eps[0] == 0.0
    np.testing.assert_allclose(values[0], flow.without(row).at(times)[:, 0], rtol=1e-12)
    np.testing.assert_allclose(values[-1], flow.at(times)[:, 0], rtol=1e-12)


def test_a_training_is_followed_at_other_weights():
    learner = network()
    weights = 1.0 - 0.4 * learner.downweight([3, 7])

    def measure(p):
        return (p["w2"] * p["w2"]).sum()
    steps, values = surface.followed(learner, weights, measure, 10)
    assert steps.tolist() == [0, 10, 20, 30]
    assert values[-1] == pytest.approx(retrain(learner, weights=[weights], measurement=measure)[0], rel=1e-12)
    part = learner.again(schedule=learner.schedule[:10])      # momentum at a constant rate
    assert values[1] == pytest.approx(retrain(part, weights=[weights], measurement=measure)[0], rel=1e-12)
    _, ordinary = surface.followed(learner, np.ones(20), measure, 10)
    np.testing.assert_allclose(ordinary, learner.training_curve(measure, 10)[1], rtol=1e-12)


def test_integrated_velocities_end_at_retraining():
    errors = surface.crossings(network(), network().downweight([3, 7, 8]), (1, 2, 4, 8))
    assert (np.diff(errors) < 0.0).all() and errors[0] < 0.5 and errors[-1] < 1e-4 * errors[0]
