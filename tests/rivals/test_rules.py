"""Unlearning rules against formulas, exact retraining and learners made anew. Their bounds are tested in
test_guarantees.py, rewinding in test_rewinding.py."""
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from answers import SETS, answered
from scipy.special import expit, ndtr

from benchmarks.guarantees import PENALTY, extremal, logistic, minimiser, whole
from benchmarks.learners import half_square
from circuit import cross_entropy, gelu
from deletion import SGD, Learner, LearnerError, ModelLoss, Momentum, Objective
from deletion.influence import NewtonStep
from deletion.unlearning import (Certified, CertifiedRemoval, Constants, Descent, MinMax, NaturalGradient,
                                 Privacy, RetrainingDue, Rewind, certify, estimated, leaked, logistic_bounds,
                                 noised, quadratic_bounds)
from deletion.unlearning.strongly_convex.certified import logistic_of
from deletion.unlearning.constants import logistic_rows
from deletion.unlearning.strongly_convex.descent import first_steps, published_sigma
from deletion.unlearning.natural import divergence, sensitivity
from deletion.unlearning.rewind import published_distance

GOOD = Constants(0.35, 1.0, 0.1, 0.1)


def flat(p):
    """The measurement that is one parameter of a dictionary."""
    return p["w2"].sum()


# natural gradient -------------------------------------------------------------------------------------------

def test_the_natural_gradient_is_newtons_step():
    learner = logistic(4)
    rows, theta = np.array([x * y for x, y in learner.examples]), learner.trained
    for chosen, result in zip(SETS[:2], answered(NaturalGradient(), learner)):
        q, gone = rows @ theta, np.isin(np.arange(24), chosen)
        hessian = (rows.T * (~gone * expit(q) * expit(-q))) @ rows + 24 * PENALTY * np.eye(3)
        step = np.linalg.solve(hessian, -(gone * expit(-q)) @ rows)
        assert np.abs(result - theta - step).max() < 1e-10 * np.abs(step).max()


def published(deleted, count, bend, gradient, convexity, smoothness, features):
    """M w^2 C^2 / (mu^3 n^2) + 2 w^2 C Q K / (mu^2 n^2), as the paper has it, in exact fractions."""
    w, n, m, c, mu, q, k = map(Fraction, (deleted, count, bend, gradient, convexity, smoothness, features))
    return float(m * w ** 2 * c ** 2 / (mu ** 3 * n ** 2) + 2 * w ** 2 * c * q * k / (mu ** 2 * n ** 2))


@pytest.mark.parametrize("bend, features", [("1/10", "3"), ("0", "3"), ("7/4", "1/1000000000")])
def test_the_natural_gradients_bound_is_the_published_one(bend, features):
    """Both terms together, and each alone: of no bend, and of features that hardly move."""
    constants = Constants(0.35, 1.5, 0.1, float(Fraction(bend)))
    expected = published(3, 24, bend, "3/2", "1/10", "7/20", features)
    assert sensitivity(3, 24, constants, float(Fraction(features))) == pytest.approx(expected, rel=1e-12)
    rule = NaturalGradient(constants=constants, features=float(Fraction(features)))
    promised = rule.answer(logistic(4), [[3], [5, 0, 11]], whole).notes[-1]
    assert f"sensitivity at most {expected:.3g};" in promised      # of the larger set


def soft_scores(w, x, y):
    return x @ w


def soft_cost(scores, x, y):
    return cross_entropy(scores, y)


def softmax_learner(loss=ModelLoss(soft_scores, soft_cost)):
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(30, 3)), rng.integers(0, 4, 30)
    return Learner(np.zeros((3, 4)), list(zip(x, y)), loss, SGD(0.5), np.tile(np.arange(30), (60, 1)),
                   regularizer=partial(half_square, 0.1))


def flat_weights(w):
    return w.reshape(-1)


def test_the_fisher_matrix_is_that_of_the_models_labels():
    """sum_i E_{y ~ model} grad l(x_i, y) grad l(x_i, y)^T, by enumerating labels: the step solves with it,
    without a factor in common; a damping is added to the sum over all 30 examples."""
    learner = softmax_learner()
    for damping in (0.0, 6.0):
        theta = NaturalGradient(damping).answer(learner, [[2, 9]], flat_weights).parameters[0]
        slope = softmax_slope(learner, learner.trained, [2, 9])
        expected = np.linalg.solve(softmax_fisher(learner, [2, 9], damping), slope)
        assert np.abs(theta - learner.trained - expected).max() < 1e-10 * np.abs(expected).max()


def probabilities(learner, theta):
    """(examples, classes), of the softmax learner."""
    e = np.exp(np.array([x for x, _ in learner.examples]) @ theta.reshape(3, 4))
    return e / e.sum(axis=1, keepdims=True)


def softmax_slope(learner, theta, chosen):
    """The gradient of the chosen examples' summed loss."""
    p = probabilities(learner, theta)
    each = [np.outer(x, p[i] - np.eye(4)[y]) for i, (x, y) in enumerate(learner.examples)]
    return sum(each[i] for i in chosen).ravel()


def softmax_fisher(learner, deleted, damping):
    fisher, p = (30 * 0.1 + damping) * np.eye(12), probabilities(learner, learner.trained)
    for i in np.delete(np.arange(30), deleted):
        for label in range(4):
            g = np.outer(learner.examples[i][0], p[i] - np.eye(4)[label]).ravel()
            fisher += p[i, label] * np.outer(g, g)
    return fisher


def test_min_max_takes_its_turns_as_described():
    """One turn down the retained objective and up the divergence from the original outputs, no step longer
    than the first."""
    learner, deleted = softmax_learner(), [2, 9]
    inverse, theta = np.linalg.inv(softmax_fisher(learner, deleted, 0.3)), learner.trained
    first, before = inverse @ softmax_slope(learner, theta, deleted), probabilities(learner, theta)
    kept, x = np.delete(np.arange(30), deleted), np.array([x for x, _ in learner.examples])

    def cut(step):
        return step * min(1.0, np.linalg.norm(first) / max(np.linalg.norm(step), 1e-300))
    for rate, push in ((0.5, 0.0), (0.0, 0.4), (0.3, 0.2), (0.0, 1e3), (50.0, 0.0)):
        here = theta + first
        here = here - cut(rate * inverse @ (softmax_slope(learner, here, kept) + 30 * 0.1 * here))
        away = x[deleted].T @ (probabilities(learner, here) - before)[deleted]
        here = here + cut(push * inverse @ away.ravel())
        result = MinMax(1, rate, push, damping=0.3).answer(learner, [deleted], flat_weights).parameters[0]
        assert np.abs(result - here).max() < 1e-9 * np.abs(here - theta).max()


def network_output(p, x, y):
    return gelu(x @ p["w1"]) @ p["w2"]


def network_cost(scores, x, y):
    return cross_entropy(scores, y)


def network_of_classes(outputs=network_output, cost=network_cost):
    rng = np.random.default_rng(11)
    x = rng.normal(size=(40, 2))
    return Learner({"w1": rng.normal(size=(2, 6)), "w2": rng.normal(size=(6, 3))},
                   list(zip(x, (x[:, 0] > 0) + (x[:, 1] > 0).astype(int))), ModelLoss(outputs, cost),
                   Momentum(0.1), np.tile(np.arange(40), (100, 1)), regularizer=weights_decay)


def test_min_max_moves_the_deleted_outputs_and_keeps_the_rest():
    """The divergence is KL(original || model) up to a constant; pushed up, it exceeds what the step alone
    gives, at little retained cost."""
    learner, rng = network_of_classes(), np.random.default_rng(12)
    x = np.array([x for x, _ in learner.examples])
    theta, objective, keep = learner.trained, Objective(learner), (np.arange(40) > 3).astype(float)
    away = divergence(objective, theta, 1.0 - keep)

    def kl(here):
        scores = [gelu(x[:4] @ here[:12].reshape(2, 6)) @ here[12:].reshape(6, 3) for here in (theta, here)]
        p, q = (np.exp(s) / np.exp(s).sum(axis=1, keepdims=True) for s in scores)
        return (p * np.log(p / q)).sum()
    other = theta + 0.3 * rng.normal(size=len(theta))
    assert away(other)[0] - away(theta)[0] == pytest.approx(kl(other), rel=1e-10)
    assert np.abs(away(theta)[1]).max() < 1e-12
    still, pushed = (MinMax(turns, damping=0.4).answer(learner, [[0, 1, 2, 3]], flat).parameters[0]
                     for turns in (0, 8))
    first = NaturalGradient(damping=0.4).answer(learner, [[0, 1, 2, 3]], flat).parameters[0]
    assert np.abs(still - first).max() < 1e-12
    assert kl(pushed) > 1.05 * kl(still)
    assert objective.value(pushed, keep) < objective.value(theta,
                                                           keep) + 0.05 * abs(objective.value(theta, keep))


def weights_decay(p):
    return half_square(1e-2, p["w1"], p["w2"])


# descent, certified removal, constants, noise ---------------------------------------------------------------

def test_enough_descent_is_the_minimiser_of_what_is_left():
    learner = logistic(3)
    result = answered(Descent(logistic_bounds(learner), 200, radius=10.0), learner)
    for chosen, theta in zip(SETS, result):
        assert np.abs(theta - minimiser(learner, 1.0 - learner.downweight(chosen), True)).max() < 1e-12


def test_the_published_noise_covers_ours_while_half_is_left():
    learner, privacy = logistic(3), Privacy(1.0, 1e-5)
    rule = Descent(logistic_bounds(learner), 4, radius=10.0, privacy=privacy)
    state, sigma = rule.train(learner), published_sigma(rule.constants, 4, 24, privacy)
    for unit in range(12):
        state = rule.request(learner, state, [unit])
        assert privacy.concentrated_sigma(rule.sensitivity(learner, state)) <= sigma
    g, log = rule.gamma ** 4, np.log(1e5)
    assert sigma == pytest.approx(4 * np.sqrt(2) * g
                                  / (0.1 * 24 * (1 - g) * (np.sqrt(log + 1) - np.sqrt(log))), rel=1e-9)
    assert first_steps(rule.constants, 4, 24,
                       20.0) == 4 + np.ceil(np.log(20.0 * 0.1 * 24 / 2) / np.log(1 / rule.gamma))


def test_certified_removals_follow_newton_until_the_budget_is_spent():
    learner, privacy = logistic(5), Privacy(2.0, 1e-3)
    model = certify(learner, privacy, 0.05, seed=1)
    assert model.budget == pytest.approx(0.1 / np.sqrt(2.0 * np.log(1500.0))) and model.spent < 1e-12
    with pytest.raises(RetrainingDue, match="Train again") as due:
        for unit in range(20):
            model = model.remove([unit])
    assert isinstance(model, Certified) and model.downweight.sum() >= 1
    assert model.spent <= due.value.budget < due.value.spent
    gone = np.flatnonzero(model.downweight).tolist()
    again = certify(learner, privacy, 0.05, seed=2, without=gone + [19])
    assert again.spent < 1e-12 and again.downweight.sum() == len(gone) + 1
    with pytest.raises(LearnerError, match="deleted before"):
        again.remove([19])
    # nothing is returned, not even for the sets within budget
    with pytest.raises(RetrainingDue, match="budget"):
        CertifiedRemoval(Privacy(1e-3, 1e-5), 0.1).answer(learner, [[0], list(range(20))], whole)
    assert np.abs(answered(CertifiedRemoval(scale=100.0), learner)
                  - answered(NaturalGradient(), learner)).max() < 1e-12


def test_constants_bound_what_they_say(rng):
    """Hessians, third derivatives and gradients at random parameters, of every example; estimates name
    themselves."""
    learner = logistic(6)
    bounds, objective, z = logistic_bounds(learner), Objective(learner), np.array([x * y for x,
                                                                                   y in logistic(6).examples])
    assert np.abs(logistic_rows(learner) - z).max() < 1e-12
    for theta in rng.normal(size=(20, 3)) * 3:
        p = expit(z @ theta)
        curvature, bend = (p * (1 - p) * (z ** 2).sum(axis=1),
                           np.abs(p * (1 - p) * (1 - 2 * p)) * (z ** 2).sum(axis=1) ** 1.5)
        assert curvature.max() + PENALTY <= bounds.smoothness and bend.max() <= bounds.hessian_lipschitz
        assert np.linalg.norm(objective.gradients(theta), axis=1).max() <= bounds.gradient
    # of norm 1: at this margin its Hessian bends the most
    longest = z[np.linalg.norm(z, axis=1).argmax()]
    theta = np.log((3.0 + np.sqrt(3.0)) / (3.0 - np.sqrt(3.0))) * longest
    curvatures = [expit(q) * expit(-q) for q in (0.0, longest @ theta - 1e-5, longest @ theta + 1e-5)]
    assert bounds.smoothness == pytest.approx(curvatures[0] + PENALTY, rel=1e-12)
    assert bounds.hessian_lipschitz == pytest.approx((curvatures[1] - curvatures[2]) / 2e-5, rel=1e-6)
    assert bounds.gradient == pytest.approx(1.0)
    seen = estimated(learner)
    assert bounds.convexity == pytest.approx(PENALTY)
    assert PENALTY < seen.convexity < seen.smoothness < bounds.smoothness
    assert str(seen).startswith("constants estimated") and str(bounds).startswith("constants given")
    quadratic = quadratic_bounds(extremal(0.2, 1.0), 3.0)
    assert (quadratic.smoothness, quadratic.gradient, quadratic.convexity,
            quadratic.hessian_lipschitz) == pytest.approx((1.0, 1.0, 0.2, 0.0), rel=1e-12)


def half_squares(w, x, y):
    return (x @ w - y) ** 2 * 0.5


def test_the_steepest_quadratic_loss_in_a_ball(rng):
    """|x_i| (|x_i| R + |y_i|) of least squares: the gradient where w lies at the ball's edge, against y_i
    x_i."""
    x, y = rng.normal(size=(7, 3)), rng.normal(size=7)
    learner = Learner(np.zeros(3), list(zip(x, y)), half_squares, SGD(0.1), np.arange(7)[None],
                      regularizer=partial(half_square, PENALTY))
    edges = -2.0 * np.sign(y)[:, None] * x / np.linalg.norm(x, axis=1, keepdims=True)
    steepest = [np.linalg.norm((x[i] @ edges[i] - y[i]) * x[i]) for i in range(7)]
    result, longest = quadratic_bounds(learner, 2.0), (x ** 2).sum(axis=1).max()
    expected = [max(steepest), longest + PENALTY, PENALTY]
    assert [result.gradient, result.smoothness, result.convexity] == pytest.approx(expected, rel=1e-9)


def test_noise_keeps_its_promise_exactly():
    """delta = the integral of (p - e^eps q)+ by quadrature: the analytic sigma reaches it, the others stay
    below; the classic one fails at eps = 20."""
    x = np.linspace(-40, 41, 2_000_001)
    for eps, delta in ((0.1, 0.3), (1.0, 1e-3), (4.0, 1e-2)):
        privacy = Privacy(eps, delta)
        sigma = privacy.analytic_sigma(1.0)
        p, q = (np.exp(-0.5 * ((x - m) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi)) for m in (1.0, 0.0))
        assert np.maximum(p - np.exp(eps) * q, 0.0).sum() * (x[1] - x[0]) == pytest.approx(delta, rel=1e-5)
        assert leaked(privacy.sigma(1.0), eps) <= delta * (1 + 1e-9)
        assert leaked(privacy.concentrated_sigma(1.0), eps) <= delta
    assert Privacy(0.5, 1e-5).sigma(3.0) == pytest.approx(6.0 * np.sqrt(2 * np.log(1.25e5)))
    assert Privacy(0.5, 0.1).sigma(0.0) == 0.0
    # the classic formula fails
    assert leaked(np.sqrt(2 * np.log(12.5)) / 20.0, 20.0) > 0.1 > leaked(Privacy(20.0, 0.1).sigma(1.0),
                                                                         20.0) - 1e-9
    # the difference of two roots would be off by a third
    tiny_eps = Privacy(1e-15, 1e-5).concentrated_sigma(1.0)
    assert tiny_eps == pytest.approx(1e15 * np.sqrt(2.0 * np.log(1e5)), rel=1e-12)
    assert Privacy(1e15, 1e-5).sigma(1.0) == pytest.approx(1.0 / np.sqrt(2e15), rel=1e-6)
    draws = noised(np.zeros((100_000, 1)), 2.0, seed=1)[:, 0]
    assert abs((draws < 2.0).mean() - ndtr(1.0)) < 5 * 0.5 / np.sqrt(1e5)      # false alarms: below 1e-6
    assert np.array_equal(noised(np.ones(3), 1.0, 5), noised(np.ones(3), 1.0, 5))
    assert np.array_equal(noised(np.ones((2, 3)), [0.0, 0.0], 5), np.ones((2, 3)))


def test_what_keeps_some_weight_is_removed_in_part():
    """Of a linear model, the three Newton steps agree; descent ends where the weighted mean is least, and its
    bound stays finite."""
    learner = logistic(5)
    sets, theta = [[3], [5, 0, 11]], learner.trained
    newton = NewtonStep().answer(learner, sets, whole, weight=0.3).parameters
    for rule in (CertifiedRemoval(scale=100.0), NaturalGradient(), MinMax(0, damping=0.0)):
        assert np.abs(rule.answer(learner, sets, whole, weight=0.3).parameters - newton).max() < 1e-9
    certified = CertifiedRemoval(scale=100.0)
    start = Certified(learner, logistic_of(learner, 0.0), theta, np.zeros(24), 0.0, np.inf)
    end = start.without(learner.downweight(sets[1], 0.3))
    assert 1e-9 < end.residual() <= end.spent + 1e-8
    assert np.abs(end.theta - certified.answer(learner, sets, whole, weight=0.3).parameters[1]).max() < 1e-13
    promised = NaturalGradient(constants=GOOD, features=1.0).answer(learner, [[3]], whole,
                                                                    weight=0.3).notes[-1]
    assert f"sensitivity at most {published('7/10', 24, '1/10', 1, '1/10', '7/20', 1):.3g};" in promised
    sets = [range(1, 24), range(24)]
    result = Descent(logistic_bounds(learner), 300).answer(learner, sets, whole, weight=0.01)
    rows = logistic_rows(learner)
    for there, keep in zip(result.parameters, np.array([[1.0] + [0.01] * 23, [0.01] * 24])):
        assert np.abs(PENALTY * there - (keep * expit(-rows @ there)) @ rows / keep.sum()).max() < 1e-12
    assert "sensitivity at most" in result.notes[-1]


def test_min_max_counts_the_weight_that_is_gone():
    learner = network_of_classes()
    objective, keep = Objective(learner), np.where(np.arange(40) < 4, 0.6, 1.0)
    away, all_away = (divergence(objective, learner.trained, gone)
                      for gone in (1.0 - keep, (keep < 1.0).astype(float)))
    other = learner.trained + 0.1
    assert np.allclose(away(other)[1], 0.4 * all_away(other)[1], rtol=1e-10, atol=1e-12)


def test_a_bound_beyond_floats_is_said():
    learner, high = logistic(0, steps=1200, rate=0.5), Constants(2.0, 1.0)
    notes = Rewind(5, constants=high).answer(learner, [[1]], whole).notes
    assert "beyond floats" in notes[-1] and np.isinf(published_distance(1, 24, 0.5, 1200, 5, high))
    assert published_distance(1, 24, 0.5, 1200, 1200, high) == 0.0
