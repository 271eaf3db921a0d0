"""The sketch from the other side: exact where its cotangents span a measurement's gradient, and honest where
they do not."""
import numpy as np
import pytest
from learners import logistic, network

import circuit as C
from deletion import (
    SGD, Adam, Cotangents, Learner, LearnerError, Momentum, cotangents, precompute, retrain)
from deletion.gradients.pull import pull
from deletion.influence import metagradient


def lines(w):
    return C.concatenate([w[:2] * 3.0, (w * w).sum().reshape(1)])


def made(optimizer, **fields):
    return logistic(n=40, d=6, steps=20, optimizer=optimizer, **fields)


@pytest.mark.parametrize("optimizer", [SGD(0.5), Momentum(0.2, 0.9), Adam(0.1, 0.9, 0.99, 1e-3)])
@pytest.mark.parametrize("measure", [lines, lambda w: C.exp(w[3])])
def test_all_parameters_give_every_measurements_first_order(optimizer, measure):
    learner = made(optimizer, units=np.arange(40) % 7)
    sketch = precompute(learner, cotangents(learner), calibration=0, progress=False)
    measured = sketch.measure(measure)
    exact = metagradient(learner, measure, finite_step=True, progress=False)
    sets = [[0], [1, 2], []]
    assert np.allclose(measured.value, exact.value, rtol=1e-13)
    assert np.allclose(measured.predict_many(sets).change, exact.changes(sets, finite_step=True), atol=1e-10)
    assert np.allclose(measured.predict_many(sets, weight=0.5).change,
                       exact.changes(sets, weight=0.5, finite_step=True), atol=1e-10)
    assert (measured.residual < 1e-14).all()


def test_many_cotangents_several_blocks_and_batches():
    learner = network()
    size = learner.layout.size
    vectors = np.random.default_rng(0).normal(size=(37, size))
    back = pull(learner, vectors, progress=False)
    one = pull(learner, vectors[20:21], threads=1, progress=False)
    assert np.allclose(back.slopes[20], one.slopes[0], atol=1e-12 * np.abs(back.slopes).max())
    assert np.allclose(back.finite[20], one.finite[0], atol=1e-12 * np.abs(back.finite).max())
    twice = pull(learner, 2.0 * vectors[:3], progress=False)
    assert np.allclose(twice.finite, 2.0 * back.finite[:3], atol=1e-12 * np.abs(back.finite).max())


def test_a_panels_own_members_are_exact_and_others_have_a_residual():
    learner = made(Adam(0.1, 0.9, 0.99, 1e-3))
    panel = cotangents(learner, lambda w: C.concatenate([w[:2], w[:2] * 2.0 + w[1:3]]))
    assert len(panel) == 3 and np.allclose(panel.vectors @ panel.vectors.T, np.eye(3), atol=1e-14)
    sketch = precompute(learner, panel, calibration=0, progress=False)
    inside, outside = sketch.measure(lambda w: w[0] - 5.0 * w[2]), sketch.measure(lambda w: w[5] + w[0])
    exact = metagradient(learner, lambda w: w[0] - 5.0 * w[2], finite_step=True, progress=False)
    assert np.allclose(inside.leave_one_out().change, exact.finite, atol=1e-10)
    assert inside.residual[0] < 1e-14 and outside.residual[0] == pytest.approx(np.sqrt(0.5))
    several = cotangents(learner, [lambda w: w[0], lambda w: w[1:2] * 2.0, lambda w: w[:2] * 2.0 + w[1:3]])
    assert np.allclose(several.vectors.T @ several.vectors, panel.vectors.T @ panel.vectors, atol=1e-14)
    fewer = cotangents(learner, lambda w: C.concatenate([w[:1] * 100.0, w[1:2]]), 1)
    assert np.allclose(np.abs(fewer.vectors), np.eye(6)[:1])


def test_what_the_residual_hides_is_in_the_interval():
    """95% intervals hold at least 88% of 300 random sets, whether cotangents tell all or hardly anything; in
    the second case they are wider. (5% of misses would exceed 12% once in 10^6 draws of independent ones.)"""
    learner = made(Adam(0.1, 0.9, 0.99, 1e-3))
    rng = np.random.default_rng(1)
    sets = [rng.choice(40, size, replace=False).tolist() for size in (1, 2, 4) for _ in range(100)]
    true = retrain(learner, sets, lines, progress=False)
    widths = []
    for panel in (cotangents(learner), cotangents(learner, lambda w: w[3:])):
        p = precompute(learner, panel, progress=False).measure(lines).predict_many(sets)
        assert ((p.interval[0] <= true) & (true <= p.interval[1])).mean() >= 0.88
        widths.append(np.mean(p.interval[1] - p.interval[0]))
    assert widths[1] > 1.5 * widths[0]


@pytest.mark.parametrize("call, words", [
    (lambda x: cotangents(x, lambda w: w * 0.0), "do not move"),
    (lambda x: cotangents(x, lambda w: C.step(w)), "only by jumps"),
    (lambda x: cotangents(x, []), "at least one measurement"),
    (lambda x: cotangents(x, 3), "a panel"),
    (lambda x: cotangents(x, [lines, 3]), "measurement"),
    (lambda x: cotangents(x, lines, 0), "number of cotangents"),
    (lambda x: cotangents(x, lines, 7), "3 directions"),
    (lambda x: cotangents(x, None, 3), "without a panel"),
    (lambda x: precompute(x, Cotangents(np.eye(5))), "5 parameters for a learner with 6"),
    (lambda x: precompute(x, cotangents(x), calibration=-1), "calibration"),
    (lambda x: precompute(x, cotangents(x), calibration=0).measure(lambda w: C.step(w)), "only by jumps"),
    (lambda x: pull(x, np.full((1, 6), np.nan)), "finite"), (lambda x: pull(x, np.eye(5)), "6 parameters")])
def test_what_makes_no_sense(call, words):
    with pytest.raises(LearnerError, match=words):
        call(made(SGD(0.5)))


def test_units_that_no_step_uses_change_nothing():
    learner = Learner([0.0], list(np.arange(5.0)), lambda w, x: (w[0] - x) ** 2, SGD(0.1), [range(4)] * 9)
    measured = precompute(learner, cotangents(learner), calibration=0, progress=False).measure(lambda w: w[0])
    assert measured.predict([4]).change == 0.0
