"""The size effect: what it fits exactly, what it says of a set by the others, and when it is left out."""
import numpy as np
import pytest
from learners import logistic

from circuit import softplus
from deletion import SGD, Adam, Learner, gradient_model, retrain
from deletion.directions.decoders import Estimates
from deletion.influence import metagradient
from deletion.learner.units import Sets
from deletion.models.size_effect import basis, chosen, fit_size_effect
from deletion.trust.calibration import calibration_sets
from deletion.trust.kinds import RANDOM

UNITS = 60


def curved(seed=0):
    """A learner whose examples hardly differ: how many are left decides how far the bias saturates."""
    x = np.random.default_rng(seed).normal(size=UNITS)
    return Learner([0.0, 0.0], list(x), lambda w, x: softplus(-w[0] - 0.3 * x * w[1]), SGD(0.3),
                   np.arange(UNITS))


def two(w):
    return w * 2.0


def drawn(count=96, seed=0):
    h = calibration_sets(UNITS, count, seed)
    return h, Sets.of(h)


def test_a_function_of_the_size_alone_is_found_exactly():
    h, sets = drawn()
    x = h.mean(axis=1)
    missed = np.stack([3.0 * x - 2.0 * x ** 2, x ** 1.5], axis=1)
    effect, held_out = fit_size_effect(missed, sets, UNITS)
    assert np.allclose(effect.coefficients, [[3.0, 0.0], [0.0, 1.0], [-2.0, 0.0]], atol=1e-10)
    assert np.allclose(held_out, missed, atol=1e-10) and np.allclose(effect.change(sets), missed, atol=1e-12)


def test_a_held_out_set_is_predicted_by_a_fit_to_the_others(rng):
    """The closed form by the leverage equals fits that were really made without each set."""
    h, sets = drawn(30)
    missed = rng.normal(size=(30, 2)) * h.mean(axis=1)[:, None]
    _, held_out = fit_size_effect(missed, sets, UNITS)
    for k in range(30):
        others = np.delete(np.arange(30), k)
        effect, _ = fit_size_effect(missed[others], Sets.of(h[others]), UNITS)
        expected = basis(sets.some(k, k + 1), UNITS)[0] @ effect.coefficients
        assert np.allclose(held_out[k], expected, rtol=1e-9, atol=1e-12)


def test_beyond_the_largest_set_the_effect_grows_with_the_size_alone():
    h, sets = drawn()
    effect, _ = fit_size_effect(h.mean(axis=1)[:, None] ** 2, sets, UNITS)
    largest = h.mean(axis=1).max()
    inside, twice = (np.arange(UNITS) < count for count in (largest * UNITS, 2 * largest * UNITS))
    changes = effect.change(Sets.of(np.array([inside, twice], float)))[:, 0]
    assert np.allclose(changes, [largest ** 2, 2.0 * largest ** 2], rtol=1e-9)


def test_weights_that_are_left_keep_the_slope_at_weight_one():
    """u x grows as the square of a downweight: at a small one nothing is added to the slope."""
    whole, some = (basis(Sets.of(np.full((1, UNITS), h)), UNITS)[0] for h in (1.0, 1e-6))
    assert np.allclose(whole, 1.0) and (some <= 1.001e-12).all()


def test_too_few_sets_have_no_effect():
    for count in (1, 2, 3):
        h, sets = drawn(count)
        assert fit_size_effect(h.mean(axis=1)[:, None], sets, UNITS) is None
    assert fit_size_effect(np.zeros((0, 1)), Sets.of(np.zeros((0, UNITS))), UNITS) is None


class Known:
    """An estimator whose changes are given: the share of the units, times a factor."""

    def __init__(self, factor, effect=None):
        self.factor, self.effect = factor, effect

    def __call__(self, sets):
        change = self.factor * basis(sets, UNITS)[:, :1]
        if self.effect is not None:
            change = change + self.effect.change(sets)
        return Estimates(change[:, None], change, None)

    def with_size_effect(self, effect):
        return Known(self.factor, effect)


def test_the_estimator_that_predicts_held_out_sets_best_is_chosen(rng):
    h, sets = drawn()
    x = h.mean(axis=1)[:, None]
    noise = 1e-3 * rng.normal(size=x.shape) * x
    assert chosen([Known(1.0)], 5.0 * x + noise, sets, UNITS).estimator.effect is not None
    alone, other = Known(5.0), Known(1.0)
    exact = chosen([other, alone], 5.0 * x, sets, UNITS)
    assert np.allclose(exact.held_out, 5.0 * x)
    # pure noise, which no effect of the size explains: the fit to the others is further off than nothing
    heavy = rng.standard_t(2.5, size=(40, 96, 1)) * np.sqrt(x)
    left_out = [chosen([Known(5.0)], 5.0 * x + each, sets, UNITS).estimator.effect is None for each in heavy]
    assert sum(left_out) >= 32      # of 40: where each was a coin's toss, 1 in 10,000 would have so many


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_comes_nearer_to_retraining_and_its_intervals_hold(seed):
    learner, rng = curved(seed=seed), np.random.default_rng(seed)
    sets = [rng.choice(UNITS, size, replace=False).tolist() for size in (3, 6, 12) for _ in range(40)]
    true = retrain(learner, sets, two, progress=False)
    plain = metagradient(learner, two, finite_step=True, progress=False)
    model = gradient_model(learner, two, levels=(), seed=seed, progress=False)
    p = model.predict_many(sets)
    errors = [np.abs(change - true + two(learner.trained)).sum()
              for change in (plain.changes(sets, finite_step=True), p.change)]
    assert "size effect" in model.estimator().name and errors[1] < 0.7 * errors[0]
    assert np.allclose(p.terms.sum(axis=1), p.value, atol=1e-12)
    assert np.mean((p.interval[0] <= true) & (true <= p.interval[1])) >= 0.9


def test_errors_of_calibration_sets_are_those_of_held_out_predictions():
    """Each is compared with a model that was calibrated without that set; those of the fit are smaller."""
    learner = logistic(n=UNITS, steps=25, optimizer=Adam(0.1, 0.9, 0.99, 1e-3))
    model = gradient_model(learner, two_of, levels=(), progress=False)
    calibrated, estimator = model.calibrated, model.estimator()
    assert estimator.size_effect is not None
    held = calibrated.estimates(estimator).change
    random = model.calibration.of(RANDOM)
    true = calibrated.changes
    without = estimator.additive(random.sets).change
    for k in (0, 40, 95):
        others = np.delete(np.arange(96), k)
        effect, _ = fit_size_effect((true - without)[others], Sets.of(random.downweights[others]), UNITS)
        expected = without[k] + basis(random.sets.some(k, k + 1), UNITS)[0] @ effect.coefficients
        assert np.allclose(held[k], expected, rtol=1e-9, atol=1e-12)
    fitted = np.abs(estimator(random.sets).change - true).sum()
    assert fitted < np.abs(held - true).sum()


def two_of(w):
    return w[:2] * 2.0


def test_leave_one_outs_and_models_without_calibration_have_none():
    learner = curved()
    for options in ({"calibration": 0}, {"self_terms": "retrained"}):
        model = gradient_model(learner, two, levels=(), progress=False, **options)
        assert model.estimator().size_effect is None
