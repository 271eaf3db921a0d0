"""Gradient models of trainings: against retraining, closed forms and metagradients."""
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from learners import logistic

from circuit import step
from deletion import Adam, Bank, LearnerError, SGD, Learner, gradient_model, precompute, retrain
from deletion.influence import metagradient
from deletion.models import bases as module
from deletion.models import gradient_model as module_of_models
from deletion.models.bases import gradients_at
from deletion.trust.verdict import TRUST

UNITS = 60


def two(w):
    return w[:2] * 2.0


@pytest.fixture(scope="module")
def learner():
    return logistic(n=UNITS, steps=25, optimizer=Adam(0.1, 0.9, 0.99, 1e-3))


@pytest.fixture(scope="module")
def sets():
    rng = np.random.default_rng(1)
    return [rng.choice(UNITS, size, replace=False).tolist() for size in (1, 3, 6, 12) for _ in range(50)]


@pytest.fixture(scope="module")
def true(learner, sets):
    return retrain(learner, sets, two, progress=False)


def off(p, true, value):
    return np.abs(p.value - true).sum() / np.abs(true - value).sum()


def test_the_finite_step_alone_is_that_of_the_metagradient(learner, sets):
    model = gradient_model(learner, two, levels=(), calibration=0, progress=False)
    at = metagradient(learner, two, finite_step=True, progress=False)
    p = model.predict_many(sets)
    assert np.allclose(p.change, at.changes(sets, finite_step=True), rtol=0, atol=1e-12)
    assert np.allclose(p.terms.sum(axis=1), p.value, rtol=0, atol=1e-14) and p.terms.shape == (200, 3, 2)
    assert p.interval is None and p.source == ["finite step"] * 200
    half = model.predict_many(sets, weight=0.5)
    assert np.allclose(half.change, at.changes(sets, weight=0.5, finite_step=True), rtol=0, atol=1e-12)


def test_every_addition_comes_nearer_to_retraining(learner, sets, true):
    alone = gradient_model(learner, two, levels=(), progress=False)
    levels = gradient_model(learner, two, progress=False)
    retrained = gradient_model(learner, two, levels=(), self_terms="retrained", progress=False)
    grouped = gradient_model(learner, two, levels=(), groups=20, self_terms="retrained", progress=False)
    errors = [off(model.predict_many(sets), true, model.value)
              for model in (alone, levels, retrained, grouped)]
    assert errors[1] < errors[0] and errors[3] < errors[2] < errors[0]


def test_leave_one_outs_are_exact_where_they_were_retrained(learner):
    model = gradient_model(learner, two, groups=10, self_terms="retrained", calibration=0, progress=False)
    exact = retrain(learner, [[i] for i in range(UNITS)], two, progress=False)
    assert np.allclose(gradient_model(learner, two, levels=(), self_terms="retrained", calibration=0,
                                      progress=False).leave_one_out().value, exact, atol=1e-12)
    assert np.allclose(model.predict_many([[i] for i in range(UNITS)]).terms[:, 1], exact - model.value,
                       atol=1e-12)


def test_self_terms_of_a_sketch(learner, sets, true):
    sketched = precompute(learner, 30, 3, progress=False).measure(two, progress=False)
    model = gradient_model(learner, two, levels=(), groups=10, self_terms=sketched, progress=False)
    assert np.allclose(model.predict_many([[3]]).terms[:, 1], sketched.predict([3]).change, atol=1e-12)
    assert off(model.predict_many(sets), true, model.value) < 0.3
    with pytest.raises(LearnerError, match="another learner or measurement"):
        gradient_model(learner, lambda w: w[:2], self_terms=sketched, progress=False)


def test_intervals_and_verdicts_are_calibrated(learner, sets, true):
    """95% intervals hold at least 88% of 400 values (5% of misses would exceed 12% once in 10^7 draws of
    independent ones; the calibration's own spread is allowed for by CONFIDENCE)."""
    p = gradient_model(learner, two, groups=10, progress=False).predict_many(sets)
    inside = (p.interval[0] <= true) & (true <= p.interval[1])
    assert inside.mean() >= 0.88 and p.verdict.count(TRUST) > 100


def test_declared_kinds_are_calibrated_with_their_own_sets(learner):
    """Sets of one label say which kind they are, and the calibration sets are those of a sketch."""
    labels = ["a", "b", "c"] * (UNITS // 3)
    settings = {"kinds": {"label": labels}, "calibration": 40, "progress": False}
    model = gradient_model(learner, two, levels=(), **settings)
    p = model.predict_many([list(range(0, 30, 3)), [0, 1, 2, 4]])
    assert p.kind == ["label", "random"] and "sets of kind 'label'" in p.reasons[0][0]
    sketch = precompute(learner, 4, 1, **settings)
    assert np.array_equal(model.calibration.downweights, sketch.calibration.downweights)
    again = gradient_model(learner, two, levels=(), calibration=sketch.calibration, progress=False)
    assert np.array_equal(again.predict([0, 3]).interval, model.predict([0, 3]).interval)
    with pytest.raises(LearnerError, match="kinds of its own"):
        gradient_model(learner, two, kinds={"label": labels}, calibration=sketch.calibration)


def test_what_fits_does_not_calibrate(learner):
    """The sets of one seed that are retrained for intervals are none of those whose gradients fit."""
    model = gradient_model(learner, two, groups=10, seed=3, progress=False)
    of_groups, rows = module_of_models.designed(learner.used, 10, [0.05, 0.2], 8, 3)
    bases = {row.tobytes() for row in 1.0 - np.concatenate(rows)}
    assert len(bases) == 1 + 8 + 8 + 10
    assert not bases & {row.tobytes() for row in model.calibration.downweights.astype(float)}


def test_one_set_many_sets_and_curves_agree(learner, sets):
    model = gradient_model(learner, two, groups=10, progress=False)
    many = model.predict_many(sets[50:60])
    for k in range(10):
        one = model.predict(sets[50 + k])
        assert np.allclose(one.value, many.value[k], atol=1e-14) and one.verdict == many.verdict[k]
    curve = model.curve(sets[60], [1.0, 0.5, 0.0])
    assert np.allclose(curve.value[0], model.value)
    assert np.allclose(curve.value[2], model.predict(sets[60]).value)
    assert model.predict([]).change.tolist() == [0.0, 0.0]


def test_partners_are_those_of_the_matrix_and_are_refused_without_groups(learner):
    model = gradient_model(learner, two, levels=(), groups=20, calibration=0, progress=False)
    m = np.stack([model.estimator().levels.interactions.matrix(q) for q in (0, 1)], axis=-1)
    strength = np.sqrt((m[:, [4, 9]].sum(axis=1) ** 2).mean(axis=1))
    strength[[4, 9]] = 0.0
    found = model.partners([4, 9], 3)
    assert [unit for unit, _ in found] == np.argsort(-strength)[:3].tolist()
    assert np.allclose(found[0][1], m[found[0][0], [4, 9]].sum(axis=0))
    with pytest.raises(LearnerError, match="with groups"):
        gradient_model(learner, two, levels=(), calibration=0, progress=False).partners([1])


def test_a_killed_call_goes_on_and_gives_the_same_bits(learner, sets, tmp_path, monkeypatch):
    whole = gradient_model(learner, two, groups=20, calibration=10, progress=False)
    calculate, calls = module.packed_gradients, []

    def counting(learner, measurement, rows, *rest):
        calls.append(len(rows))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return calculate(learner, measurement, rows, *rest)

    monkeypatch.setattr(module, "packed_gradients", counting)
    with pytest.raises(KeyboardInterrupt):
        gradient_model(learner, two, groups=20, calibration=10, out=tmp_path, progress=False)
    again = gradient_model(learner, two, groups=20, calibration=10, out=tmp_path, progress=False)
    assert sum(calls) == 37 + calls[2]      # 1 + 16 + 20 bases, and those that were lost
    assert np.allclose(again.predict_many(sets).value, whole.predict_many(sets).value, rtol=0, atol=1e-12)
    calls[:] = [0] * 9
    gradient_model(learner, two, groups=20, calibration=10, bank=Bank(tmp_path), progress=False)
    assert len(calls) == 9


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor(pool):
    learner, rows = logistic(n=20, steps=5), np.ones((40, 20))
    rows[:, 0] = np.arange(40)
    here = gradients_at(learner, two, rows, progress=False)
    with pool(2) as executor:
        there = gradients_at(learner, two, rows, executor=executor, progress=False)
    for a, b in zip(here, there):
        assert np.allclose(a, b, rtol=0, atol=1e-12)


def test_gradients_at_bases_are_metagradients(learner):
    rows = np.ones((3, UNITS))
    rows[1, :5], rows[2, 7] = 0.0, 0.5
    at = gradients_at(learner, two, rows, progress=False)
    for k, row in enumerate(rows):
        one = metagradient(learner, two, weights=row, finite_step=True, progress=False)
        assert np.allclose(at.values[k], one.value, atol=1e-13)
        assert np.allclose(at.finite[k], one.finite, atol=1e-12)
        assert np.allclose(at.slopes[k], one.gradient, atol=1e-12)


def test_units_that_no_step_uses_change_nothing():
    x = np.linspace(0.0, 2.0, 12)
    learner = Learner([0.0], list(x), lambda w, x: (w[0] - x) ** 2, SGD(0.2), [list(range(11))] * 20)
    model = gradient_model(learner, lambda w: w[0], groups=4, calibration=20, progress=False)
    p = model.predict_many([[11], [3], [3, 11]])
    assert p.change[0] == 0.0 and p.change[1] == p.change[2] and p.value.shape == (3,)
    assert "no step of the training uses" in p.reasons[0][0]


@pytest.mark.parametrize("options, words", [
    ({"groups": 1}, "number of groups"), ({"groups": 61}, "2 to 60"), ({"groups": -1}, "groups"),
    ({"levels": (0.0,)}, "share"), ({"levels": (1.0,)}, "share"), ({"levels": 0.1}, "sequence of shares"),
    ({"levels": (0.001,)}, "are 0"), ({"levels": (0.1, 0.101)}, "different sizes"), ({"bases": 1}, "bases"),
    ({"self_terms": "exact"}, "self_terms"), ({"self_terms": 3}, "self_terms"), ({"seed": -1}, "a seed"),
    ({"bank": 3, "out": "x"}, "not both"), ({"bank": 3}, "a Bank"), ({"calibration": -1}, "calibration")])
def test_arguments_that_make_no_sense(learner, options, words):
    with pytest.raises(LearnerError, match=words):
        gradient_model(learner, two, progress=False, **options)


def test_a_measurement_that_only_jumps_is_refused(learner):
    with pytest.raises(LearnerError, match="only by jumps"):
        gradient_model(learner, lambda w: step(w[0]), progress=False)
