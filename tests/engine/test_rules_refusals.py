"""What the unlearning rules refuse, and what they say then."""
import numpy as np
import pytest
from learners import network, tiny
from test_rules import GOOD, flat

from benchmarks.guarantees import extremal, logistic, whole
from benchmarks.learners import half_square
from deletion import SGD, DoesNotApply, InputError, Learner, LearnerError
from deletion.unlearning import (CertifiedRemoval, Constants, Descent, MinMax, NaturalGradient, Privacy,
                                 Rewind, certify, inverted, logistic_bounds, noised, quadratic_bounds,
                                 trajectory)


@pytest.mark.parametrize("calculate, words", [
    (lambda: Constants(0.1, 1.0, 0.2), "strong convexity 0.2 exceeds smoothness 0.1"), (lambda: Constants(0.1, 1.0, -0.1), "convexity.*>= 0"),
    (lambda: Constants(0.0, 1.0), "smoothness.*> 0"), (lambda: Constants(np.nan, 1.0), "smoothness.*got nan"),
    (lambda: Constants("1", 1.0), "smoothness"), (lambda: Constants(1.0, -1.0), "gradients"), (lambda: Constants(1.0, 1.0, 0.1, np.inf), "Hessian"),
    (lambda: Privacy(0.0, 0.1), "eps"), (lambda: Privacy(np.nan, 0.1), "eps"),
    (lambda: Privacy(1.0, 0.0), "delta"), (lambda: Privacy(1.0, 1.0), "delta"),
    (lambda: Privacy(1.0, 0.1).sigma(-1.0), "distance >= 0"), (lambda: Privacy(2.0, 0.1).sigma(np.nan), "sensitivity"),
    (lambda: noised(np.ones(3), -1.0, 0), "sigma"), (lambda: noised(np.ones(3), 1.0, -1), "seed"), (lambda: noised(np.ones(3), [1.0, 1.0], 0), "sigma"),
    (lambda: Descent(Constants(1.0, 1.0), 5), "strongly convex"), (lambda: Descent((1.0, 1.0), 5), "expected Constants"),
    (lambda: Descent(GOOD, 0), "steps per request"), (lambda: Descent(GOOD, True), "steps per request"),
    (lambda: Descent(GOOD, 5, radius=0.0), "radius"),
    (lambda: Descent(GOOD, 5, privacy=(1.0, 0.1)), "Privacy"), (lambda: Descent(GOOD, 5).train(logistic(0)), "radius"),
    (lambda: Rewind(-1), "steps taken again"), (lambda: Rewind(5, rows="gone"), "'zero weight' or 'dropped'"),
    (lambda: Rewind(5, {0: 1}), "Trajectory"), (lambda: Rewind(5, constants=0.1), "expected Constants"),
    (lambda: trajectory(logistic(0), at=5), "at: expected a sequence of steps"), (lambda: inverted(logistic(0), "3", 0.35), "steps taken again"),
    (lambda: inverted(logistic(0), 3, 0.35, tolerance=0.0), "tolerance"), (lambda: Descent(Constants(1.0, 1.0, 1e-20), 5), "does not move"),
    (lambda: Descent(Constants(1.0, 0.0, 0.1), 5, radius=1.0).train(logistic(0)), "bounded by 0"),
    (lambda: trajectory(logistic(0), every=0), "between checkpoints"), (lambda: trajectory(logistic(0), at=[151]), "151"),
    (lambda: inverted(logistic(0, rate=4.0), 5, 0.35), "rate . smoothness < 1, not 1.4"),
    (lambda: inverted(network(), 5, 0.35), "plain SGD, not of Momentum"), (lambda: inverted(logistic(0), 151, 0.35), "the training has 150"),
    (lambda: NaturalGradient(constants=Constants(1.0, 1.0, 0.1), features=1.0), "hessian_lipschitz"),
    (lambda: NaturalGradient(constants=GOOD), "features"),
    (lambda: NaturalGradient(damping=-1.0), "damping"), (lambda: MinMax(turns=-1), "turns"), (lambda: CertifiedRemoval(scale=0.0), "scale"),
    (lambda: certify(logistic(0), Privacy(1.0, 0.1), 1.0, seed=0.5), "seed"), (lambda: certify(logistic(0), (1.0, 0.1), 1.0, 0), "Privacy"),
    (lambda: certify(logistic(0), Privacy(1.0, 0.1), 1.0, 0).remove([77]), "no unit 77"),
    (lambda: quadratic_bounds(logistic(0), 1.0), "not quadratic"), (lambda: logistic_bounds(extremal(0.1, 1.0)), "not that of logistic regression")])
def test_settings_that_make_no_sense(calculate, words):
    with pytest.raises(InputError, match=words):
        calculate()


def free_bias(w):
    return half_square(0.1, w[:2])


def quartic(w):
    return (w * w * w * w).sum() * 0.1


def shifted(w):
    return half_square(0.1, w - 1.0)


def hill(w):
    return half_square(-0.1, w)


def logistic_with(regularizer):
    learner = logistic(0)
    return Learner(np.zeros(3), learner.examples, learner.loss, SGD(0.5), learner.schedule,
                   regularizer=regularizer)


@pytest.mark.parametrize("rule, learner, words", [
    (CertifiedRemoval(), logistic(0, longest=2.0), "rows must have norm at most 1; that of example .* is 2"),
    (CertifiedRemoval(), extremal(0.1, 1.0), "not that of logistic"), (CertifiedRemoval(), network(), "not that of logistic"),
    (CertifiedRemoval(), logistic_with(free_bias), "must hold every parameter"),
    (CertifiedRemoval(), logistic_with(None), "must hold every parameter"),
    (CertifiedRemoval(), logistic_with(quartic), "not quadratic"), (CertifiedRemoval(), logistic_with(shifted), "not quadratic"),
    (CertifiedRemoval(), logistic(0, steps=2), "budget"),
    (Rewind(151), logistic(0), "the training has 150"), (Rewind(7, trajectory(logistic(0), every=10)), logistic(0), "no checkpoint before step 143"),
    (Rewind(10, trajectory(logistic(0), every=10)), logistic(1), "another learner"),
    (Rewind(10, constants=GOOD), logistic(0, rate=3.0), "step is too large"), (Rewind(5, constants=GOOD), network(), "plain SGD, not of Momentum"),
    (NaturalGradient(), tiny(), "ModelLoss"), (NaturalGradient(), logistic_with(hill), "not positive definite"),
    (Descent(Constants(0.11, 1.0, 0.1), 50), logistic(0, steps=5), "the constants do not hold")])
def test_what_does_not_apply_is_said(rule, learner, words):
    measure = whole if learner.layout.single else flat
    with pytest.raises(DoesNotApply, match=words):
        rule.answer(learner, [[1]], measure)


@pytest.mark.parametrize("rule", [Descent(GOOD, 5), Rewind(5), Rewind(5, rows="dropped"), CertifiedRemoval(),
                                  NaturalGradient()])
def test_deleting_everything_or_the_unknown_is_refused(rule):
    learner = logistic(0)
    with pytest.raises(DoesNotApply, match="deletes every example"):
        rule.answer(learner, [[1], list(range(24))], whole)
    with pytest.raises(LearnerError, match="no unit 99"):
        rule.answer(learner, [[99]], whole)
    with pytest.raises(LearnerError, match="more than once"):
        rule.answer(learner, [[1, 1]], whole)


def test_requests_are_not_repeated():
    learner = logistic(0)
    rule = Descent(GOOD, 5)
    state = rule.request(learner, rule.begin(learner), [1])
    with pytest.raises(LearnerError, match="earlier request"):
        rule.request(learner, state, [2, 1])
    with pytest.raises(DoesNotApply, match="deletes every example"):
        rule.request(learner, state, [i for i in range(24) if i != 1])


def test_steps_that_do_not_contract_are_not_undone():
    """A smoothness stated too small: the fixed point is not reached, and nothing is returned."""
    away = extremal(-1.0, 30.0, rate=0.1)
    moved = Learner(np.array([0.0, 1e-3]), away.examples, away.loss, SGD(0.1), away.schedule,
                    regularizer=away.regularizer)
    with pytest.raises(DoesNotApply, match="cannot be inverted"):
        inverted(moved, 5, 1.0)
