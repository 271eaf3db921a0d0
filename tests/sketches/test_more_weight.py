"""What would be if some units had counted more, and what a deletion that is undone gives."""
import numpy as np
import pytest
from scipy.stats import binom

from circuit import einsum
from deletion import SGD, Learner, LearnerError, ask, cotangents, gradient_model, precompute, retrain


def loss(w, x, y):
    z = einsum("i,i->", w, x)
    return (1.0 + z * z) ** 0.5 - y * z + 0.05 * (w * w).sum()


def learner(seed, n=60):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    y = np.where(x @ [1.0, -1.0, 0.5, 0.0] + rng.normal(size=n) > 0, 0.8, -0.8)
    return Learner(np.zeros(4), list(zip(x, y)), loss, SGD(0.05), rng.permutation(np.tile(np.arange(n), 4)))


def first(w):
    return w * np.array([1.0, 2.0, -1.0, 0.5])


def test_units_that_count_more_are_predicted_within_their_intervals():
    """Of 480 numbers retrained at weights 1.5 and 2, intervals of 95% hold at least as many as a rate of 90%
    would give with a probability of 1e-6 to be refused."""
    inside = asked = 0
    for seed in range(3):
        made, rng = learner(seed), np.random.default_rng(seed + 100)
        measured = precompute(made, 60, degree=3, seed=seed, progress=False).measure(first)
        for weight in (1.5, 2.0):
            sets = [rng.choice(60, size, replace=False).tolist() for size in np.repeat([1, 3, 6, 12], 5)]
            truth = retrain(made, sets, first, weight=weight, progress=False)
            p = measured.predict_many(sets, weight=weight)
            inside += np.count_nonzero((p.interval[0] <= truth) & (truth <= p.interval[1]))
            asked += truth.size
            change = truth - measured.value
            assert np.abs(p.change - change).sum() < 0.5 * np.abs(change).sum()      # what trust means
    assert inside >= binom.ppf(1e-6, asked, 0.9)


def test_the_curve_goes_on_beyond_weight_one():
    made = learner(5)
    measured = precompute(made, 60, degree=3, progress=False).measure(first)
    weights = np.linspace(0.0, 2.0, 5)
    truth = np.stack([retrain(made, [[3, 4]], first, weight=w, progress=False)[0] for w in weights])
    curve = measured.curve([3, 4], weights)
    np.testing.assert_allclose(curve.value, truth, atol=2e-3 * np.abs(truth - measured.value).max() + 1e-4)
    assert curve.change[2].tolist() == [0.0] * 4


def test_a_deletion_undone():
    """A sketch of the training without some units says what it was before, and after deleting others."""
    made, gone = learner(7), [2, 11, 30]
    without = precompute(made, 60, degree=3, downweight=made.downweight(gone), progress=False)
    measured = without.measure(first)
    before, after = first(made.trained), retrain(made, [gone], first, progress=False)[0]
    np.testing.assert_allclose(measured.value, after, rtol=1e-12)
    back = measured.predict(gone, weight=1.0)
    size = np.abs(before - after).max()
    np.testing.assert_allclose(back.value, before, atol=0.02 * size)
    assert back.verdict is None and "without calibration" in back.reasons[0]
    other = retrain(made, [[2, 11, 30, 40]], first, progress=False)[0]
    np.testing.assert_allclose(measured.predict([40]).value, other, atol=0.02 * size)
    np.testing.assert_allclose(measured.predict([]).value, after, rtol=1e-12)
    one = retrain(made, [[2, 30]], first, progress=False)[0]
    np.testing.assert_allclose(measured.predict([11], weight=1.0).value, one, atol=0.02 * size)
    curve = measured.curve([11], [0.0, 1.0])
    np.testing.assert_allclose(curve.value, [after, one], atol=0.02 * size)
    np.testing.assert_array_equal(curve.value[1], measured.predict([11], weight=1.0).value)
    parameters = without.parameters([11], weight=1.0)
    np.testing.assert_allclose(first(parameters), one, atol=0.02 * size)
    exact = measured.predict_downweights(np.zeros(60))
    np.testing.assert_allclose(exact.value, back.value, rtol=1e-12)


def test_what_describes_deletions_only_refuses_more_weight():
    made = learner(1, 12)
    answers = (gradient_model(made, first, levels=(), calibration=0, progress=False),
               precompute(made, cotangents(made), calibration=0, progress=False).measure(first))
    for one in answers:
        assert one.predict([3], weight=0.5).value.shape == (4,)
        with pytest.raises(LearnerError, match="weights up to 1 can be asked about here, got 1.5"):
            one.predict([3], weight=1.5)
        with pytest.raises(LearnerError, match="weights up to 1"):
            one.curve([3], [0.0, 2.0])
    sketch = precompute(made, 12, degree=2, progress=False).measure(first)
    with pytest.raises(LearnerError, match="weights up to 2 can be asked about here, got 3"):
        sketch.predict_downweights(np.full(12, -2.0))
    with pytest.raises(LearnerError, match="ask"):
        ask(made, [[1]], first, weight=1.5, progress=False)
    with pytest.raises(LearnerError, match="with a downweight the calibration is 0"):
        precompute(made, 12, degree=2, downweight=made.downweight([3]), calibration=8, progress=False)
