"""Soft weights against scipy's constrained minimiser, and against training with the weights they propose."""
import numpy as np
import pytest
from learners import data, logistic_loss
from scipy.optimize import LinearConstraint, minimize

from circuit import softplus
from deletion import SGD, DoesNotApply, Learner, LearnerError, retrain
from deletion.influence import Influence, soften
from deletion.influence.soft import soft_weights

N, D = 60, 3
X, Y = data(N, D, 3)
HELD, LABELS = data(40, D, 9)


def decay(w):
    return (w * w).sum() * 0.02


def regression(steps=1500, **fields):
    return Learner(np.zeros(D), list(zip(X, Y)), logistic_loss, SGD(2.0), np.tile(np.arange(N), (steps, 1)),
                   regularizer=decay, **fields)


def gap(w):
    """What two groups of held-out points score, on average, apart."""
    scores = HELD @ w
    return scores[:20].mean() - scores[20:].mean()


def other_gap(w):
    return -gap(w)


def held_loss(w):
    return softplus(-LABELS * (HELD @ w)).mean()


@pytest.mark.parametrize("value", [0.7, -0.7, 0.0])
@pytest.mark.parametrize("cost", [1e-3, 10.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_closed_form_is_what_scipy_finds(rng, value, cost, sign):
    """Every combination of active constraints: utility with or against the target, weights cheap or dear."""
    f = rng.normal(size=7)
    u = rng.normal(size=7) + sign * f * (1.0 if value >= 0 else -1.0)
    flipped = f if value >= 0.0 else -f
    computed = soft_weights(f, u, value, cost)
    feasible = LinearConstraint(np.array([u, flipped]), [0.0, -np.inf], [np.inf, abs(value)])
    expected = minimize(lambda w: -w @ flipped + cost * w @ w, np.zeros(7),
                        jac=lambda w: -flipped + 2 * cost * w, method="SLSQP", tol=1e-14,
                        constraints=feasible, options={"maxiter": 500})
    assert np.abs(computed - expected.x).max() < 2e-6 * max(1.0, np.abs(computed).max())
    assert computed @ u >= -1e-12 and computed @ flipped <= abs(value) + 1e-12


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_utility_does_not_matter(rng, scale):
    """No weight depends on whether a loss is told in nats or millinats, also where utility and target are at
    odds."""
    for _ in range(10):
        f, u = rng.normal(size=(2, 7))
        computed, expected = soft_weights(f, scale * u, 0.7, 0.1), soft_weights(f, u, 0.7, 0.1)
        np.testing.assert_allclose(computed, expected, rtol=1e-10)


@pytest.mark.parametrize("target", [gap, other_gap])
def test_the_target_moves_as_predicted_and_utility_does_not_suffer(target):
    learner = regression()
    value, utility = target_of(learner, target), target_of(learner, held_loss)
    errors = []
    for cost in (5.0, 50.0):      # a tenth of the weights, for the larger one
        soft = soften(learner, target, held_loss, cost=cost)
        moved = retrain(learner, weights=(1.0 + soft.weights)[None], measurement=target)[0] - value
        cared = retrain(learner, weights=(1.0 + soft.weights)[None], measurement=held_loss)[0] - utility
        assert soft.target * value < 0.0 and soft.utility <= 1e-12
        # linear in the parameters
        assert target(soft.parameters) - value == pytest.approx(soft.target, rel=1e-9)
        errors.append(abs(moved - soft.target) / abs(soft.target))
        assert cared - soft.utility < 5e-3 * np.abs(soft.weights).max()
    # first order: ten times nearer
    assert errors[0] < 0.05 and errors[0] / errors[1] == pytest.approx(10.0, rel=0.3)


def target_of(learner, measurement):
    return float(measurement(learner.trained))


def test_cheap_weights_end_at_zero_and_not_beyond():
    learner = regression()
    soft = soften(learner, gap, held_loss, cost=1e-9)
    assert gap(soft.parameters) == pytest.approx(0.0, abs=1e-9) and abs(gap(learner.trained)) > 0.1


def test_a_weight_of_minus_one_is_deletion():
    """The convention: w = -1 on a set moves parameters as the influence function's deletion does."""
    learner = regression(units=np.arange(N) % 6)
    soft = soften(learner, gap, held_loss, cost=1.0)
    alone = Influence().answer(learner, list(range(6)), gap)
    expected = -soft.weights @ (alone.parameters - learner.trained)
    assert np.abs(soft.parameters - learner.trained - expected).max() < 1e-9 * np.abs(expected).max() + 1e-12
    assert soft.target == pytest.approx(float(-soft.weights @ alone.change), rel=1e-9)


def test_bad_input():
    learner = regression(5)
    with pytest.raises(LearnerError, match="the target is one number"):
        soften(learner, lambda w: w, held_loss, cost=1.0)
    for bad in (0.0, -1.0, float("nan"), "1"):
        with pytest.raises(LearnerError, match="cost"):
            soften(learner, gap, held_loss, cost=bad)
    with pytest.raises(LearnerError, match="influences"):
        soft_weights([1.0, 2.0], [1.0], 0.5, 1.0)
    with pytest.raises(LearnerError, match="finite"):
        soft_weights([1.0, np.nan], [1.0, 1.0], 0.5, 1.0)
    with pytest.raises(DoesNotApply, match="not positive definite"):
        soften(Learner(np.zeros(D), list(zip(X[:2], Y[:2])), logistic_loss, SGD(1.0), [[0, 1]]), gap,
               held_loss, cost=1.0)
    assert not soft_weights(np.zeros(3), np.ones(3), 1.0, 1.0).any()      # nothing influences the target
