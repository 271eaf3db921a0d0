"""What a sketch says of itself: calibration by exact retraining, kinks, verdicts, stability, the unlearned
model."""
import numpy as np
import pytest
from learners import logistic, network, tiny

import circuit as C
from circuit import cross_entropy, real, record, softmax
from deletion import (
    SGD, Learner, LearnerError, LinearDecay, Momentum, given, load, precompute, retrain, sphere, stability)
from deletion.trust.calibration import SETS, calibration_sets
from deletion.trust.error_model import typical_change
from circuit.analysis import branch_points
from deletion.trust.crossings import crossings
from deletion.sketch.stability import decay
from deletion.trust.verdict import remainder


def measure(w):
    return w.sum()


def kinked(steps=40):
    """A network of ReLUs small enough for kinks to be crossed."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=40)

    def loss(w, x, y):
        return (C.relu(x @ w["w1"]) @ w["w2"] - y) ** 2
    schedule = np.concatenate([rng.permutation(40).reshape(-1, 10) for _ in range(steps // 4)])
    return Learner({"w1": rng.normal(size=(3, 6)), "w2": rng.normal(size=6) / 2}, list(zip(x, y)), loss,
                   SGD(0.05), schedule)


# kinks ------------------------------------------------------------------------------------------------------

def kinks_by_hand(learner, weights):
    """Signs of every pre-activation in every step, recalculated outside of circuits."""
    w1, w2 = (x.copy() for x in learner.layout.split(learner.states[0]).values())
    signs = []
    for batch in learner.schedule:
        x, y = (np.stack([learner.examples[i][k] for i in batch]) for k in (0, 1))
        before = x @ w1
        signs.append(before > 0)
        residual = (np.maximum(before, 0) @ w2 - y) * 2 * weights[batch] / len(batch)
        w1, w2 = w1 - 0.05 * x.T @ (residual[:, None] * w2
                                    * (before > 0)), w2 - 0.05 * np.maximum(before, 0).T @ residual
    return np.array(signs)


def test_kinks_crossed_are_those_counted_by_hand():
    learner = kinked()
    h = learner.downweight([3, 7])
    expected = (kinks_by_hand(learner, 1.0 - h) != kinks_by_hand(learner, np.ones(40))).sum()
    assert expected > 0 and crossings(learner, learner.example_weights(h[None])).tolist() == [expected]


def test_calibration_counts_the_kinks_of_whole_deletions():
    """Not of some part of the weight: the counts differ."""
    learner = kinked()
    calibration = precompute(learner, 4, 1, calibration=12, progress=False).calibration
    as_trained = kinks_by_hand(learner, np.ones(40))

    def counted(left):
        return [(kinks_by_hand(learner, 1.0 - (1.0 - left) * h) != as_trained).sum()
                for h in calibration.downweights]
    assert calibration.crossings.tolist() == counted(0.0) != counted(0.5)


def test_what_softmax_subtracts_is_no_kink():
    smooth = record(lambda x: C.softmax(x).sum(), real(4))
    rough = record(lambda x: (C.max(x, axis=0) + C.abs(x).sum()), real(4))
    assert branch_points(smooth, [0]) == [] and len(branch_points(rough, [0])) == 2
    assert branch_points(rough, []) == [] and not crossings(logistic(), np.ones((2, 30))).any()


def test_crossed_kinks_are_not_trusted():
    sketch = precompute(kinked(), 40, 3, progress=False)
    p = sketch.measure(lambda w: w["w2"].sum()).predict([1, 2, 3, 4])
    assert p.verdict == "do not trust" and "kinks" in p.reasons[0]
    result = stability(sketch, lambda w: w["w2"].sum(), 4, progress=False)
    assert result.verdict == "do not trust" and result.crossings > 0 and "kinks" in str(result)


# calibration ------------------------------------------------------------------------------------------------

def test_calibration_sets_have_all_sizes_and_do_not_depend_on_how_many_follow():
    sets = calibration_sets(100, SETS, 3)
    sizes = sets.sum(axis=1)
    assert sizes[0] == 1 and sizes[-1] == 30 and (np.diff(sizes) >= 0).all()
    assert set(np.unique(sets)) == {0.0, 1.0}
    assert np.array_equal(sets, calibration_sets(100, SETS, 3))
    assert not np.array_equal(sets, calibration_sets(100, SETS, 4))
    assert calibration_sets(1, 5, 0).sum() == 5 and calibration_sets(4, 0, 0).shape == (0, 4)
    with pytest.raises(LearnerError, match="calibration sets"):
        calibration_sets(5, -1, 0)


def test_calibration_is_exact_retraining_and_lies_in_the_folder(tmp_path):
    learner = logistic()
    sketch = precompute(learner, 16, 2, seed=1, out=tmp_path, progress=False)
    kept = sketch.calibration
    np.testing.assert_allclose(kept.values, retrain(learner, weights=1.0 - kept.downweights), rtol=1e-13)
    (tmp_path / "calibration-values.npy").unlink()
    again = precompute(learner, 16, 2, seed=1, out=tmp_path, progress=False)
    assert np.array_equal(again.calibration.values, kept.values)
    measured = load(tmp_path, learner).measure(measure)
    np.testing.assert_allclose(measured.calibration.values, kept.values.sum(axis=1), rtol=1e-13)
    with pytest.raises(LearnerError, match="number of calibration sets differs"):
        precompute(learner, 16, 2, seed=1, out=tmp_path, calibration=3)


def test_without_calibration_there_is_no_interval_and_no_verdict():
    p = precompute(logistic(), 16, 2, calibration=0, progress=False).measure(measure).predict([3])
    assert p.interval is None and p.verdict is None and "without calibration" in p.reasons[0]
    assert p.standard_error >= 0


def bowl(w, k):
    return k * w[0] * w[0] * 0.5


def test_retraining_that_does_not_end_in_numbers_is_not_trusted():
    """Seven examples multiply w by 3 each time, and example 0 by 3^-7: without it w runs to infinity."""
    learner = Learner(np.ones(1), [np.array(1.0 - 3.0 ** -7)] + [np.array(-2.0)] * 7, bowl, SGD(1.0),
                      np.tile(np.arange(8), 100))
    sketch = precompute(learner, 8, 1, progress=False)
    assert not sketch.calibration.finite
    p = sketch.measure(measure).predict([1])
    assert p.verdict == "do not trust" and p.interval is None and "did not end in numbers" in p.reasons[0]
    assert stability(sketch, measure, 4, progress=False).verdict == "do not trust"


def test_typical_changes_follow_a_power_of_the_size(rng):
    squares = np.geomspace(1, 200, 80)
    typical = typical_change(rng.normal(size=(80, 30)) * 0.02 * squares[:, None] ** 0.5, squares)
    np.testing.assert_allclose(np.median(typical(np.array([1.0, 100.0])), axis=1), [0.02, 0.2], rtol=0.3)


def test_the_decoder_is_chosen_by_evidence():
    learner = logistic()
    measured = precompute(learner, 60, 3, design="sphere", progress=False).measure(measure)
    name, why = measured.choice
    assert name == "least squares"
    assert all(decoder in why for decoder in ("mean", "median of means", "least squares"))
    assert measured.predict([3]).decoder == name
    assert precompute(learner, 15, 2, progress=False).measure(measure).choice[0] == name


# stability --------------------------------------------------------------------------------------------------

def test_stability_pushes_and_retrains_what_is_asked_about():
    learner, sets = logistic(), [[1], [5], [9]]
    sketch = precompute(learner, 40, 3, design="sphere", progress=False)
    result = stability(sketch, measure, sets=sets, progress=False)
    exact = precompute(learner, given(np.array([learner.downweight(s) for s in sets])),
                       3).measure(measure).coefficients.real
    np.testing.assert_allclose(result.terms, np.sqrt((exact ** 2).mean(axis=0)), rtol=1e-12)
    true = retrain(learner, sets, measure) - sketch.measure(measure).value
    assert result.series_error == pytest.approx(np.abs(exact.sum(axis=1) - true).sum() / np.abs(true).sum())
    assert result.verdict == "trust" and result.decay < 1 and "order" in str(result) and result.crossings == 0
    for wrong in (dict(size=0), dict(size=1.5), dict(size=10 ** 6), dict(sets=[[]]), dict(sets=[["nobody"]])):
        with pytest.raises(LearnerError):
            stability(sketch, measure, progress=False, **wrong)


def test_terms_that_grow_are_not_trusted():
    """This network's learning rate is far too large for its series."""
    sketch = precompute(network(), 20, 3, progress=False)
    result = stability(sketch, lambda w: w["w2"].sum(), 1, progress=False)
    assert result.verdict == "do not trust" and result.decay > 1
    assert "do not shrink from order to order" in result.reasons[0]


def test_norms_are_frobenius_norms():
    """|T_1| is the gradient's length; T_2's from all pairs. 4,000 directions: within 5 standard errors."""
    learner = tiny()

    def square(w):
        return (w * w).sum()
    sketch = precompute(learner, 4000, 2, design="sphere", progress=False)
    result = stability(sketch, square, 1, progress=False)
    n = learner.unit_count
    pairs = [(i, j) for i in range(n) for j in range(i, n)]
    psi = np.array([np.eye(n)[i] + np.eye(n)[j] if i != j else np.eye(n)[i] for i, j in pairs])
    c = precompute(learner, given(psi), 2, calibration=0).measure(square).coefficients.real
    own = {i: c[k] for k, (i, j) in enumerate(pairs) if i == j}
    first = np.array([own[i][0] for i in range(n)])
    second = np.array([[own[i][1] if i == j else 0.5 * (c[pairs.index((min(i, j), max(i, j)))][1] - own[i][1]
                                                        - own[j][1]) for j in range(n)] for i in range(n)])
    for r, exact in enumerate((np.linalg.norm(first), np.linalg.norm(second))):
        assert abs(result.norms[r] - exact) < 5 * result.norm_errors[r]


def test_decay_is_fitted():
    assert decay(np.array([1.0, 0.5, 0.25])) == pytest.approx(0.5) and decay(np.zeros(3)) == 0.0


# the unlearned model ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("decoder", ["mean", "least squares"])
@pytest.mark.parametrize("directions", [sphere(20, 30, 1), "pairs"], ids=["sphere", "pairs"])
def test_predicted_parameters_are_predictions_of_the_parameters(decoder, directions):
    learner = logistic()
    sketch = precompute(learner, 20 if directions == "pairs" else directions, 3, design="pairs",
                        progress=False)
    if decoder == "mean" and directions == "pairs":
        with pytest.raises(LearnerError, match="unbiased only"):
            sketch.parameters([3], decoder=decoder)
        return
    result = sketch.parameters([3, 5], decoder=decoder)
    np.testing.assert_allclose(
        result, sketch.measure(lambda w: w * 1.0).predict([3, 5], decoder=decoder).value, rtol=1e-10)
    np.testing.assert_allclose(sketch.parameters([]), sketch.theta, rtol=1e-15)
    with pytest.raises(LearnerError, match="gives no parameters"):
        precompute(learner, 20, 2, design="sphere").parameters([3], decoder="median of means")


def test_the_unlearned_model_is_near_the_retrained_one():
    learner = network()
    theta = precompute(learner, 60, 3, progress=False).parameters([3])
    exact, trained = retrain(learner, [[3]])[0], learner.train()[0]
    flat = np.concatenate([x.ravel() for x in theta.values()])
    assert np.linalg.norm(flat - exact) < 0.2 * np.linalg.norm(trained - exact)


def test_a_unit_whose_own_terms_have_not_settled_is_not_trusted():
    """One user with wrong labels: its series goes on where those of random sets have long ended, and the
    verdict says so."""
    rng = np.random.default_rng(3)
    centres, user = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]]), np.arange(240) % 24
    label = rng.integers(0, 3, 240)
    x = centres[label] + 1.3 * rng.normal(size=(240, 2))
    label[user == 5] = (label[user == 5] + 1) % 3
    order = np.random.default_rng(0)
    schedule = np.concatenate([order.permutation(240).reshape(-1, 24) for _ in range(15)])
    learner = Learner({"w": np.zeros((2, 3)), "b": np.zeros(3)}, list(zip(x, label)), lambda p, x,
                      y: cross_entropy(x @ p["w"] + p["b"], y), Momentum(LinearDecay(0.1), 0.9), schedule,
                      units=user)
    measured = precompute(learner, 12, 3, progress=False).measure(lambda p: softmax(np.array([0.3, 0.2])
                                                                                    @ p["w"] + p["b"])[0])
    everyone = measured.leave_one_out()
    assert everyone.verdict[5] == "raise degree" and "Series not converged" in everyone.reasons[5][0]
    assert everyone.verdict.count("trust") >= 21


def test_what_a_series_implies_beyond_its_last_term():
    """A geometric series of ratio 1/2 has as much left as its last term; one that grows is cut at 9 times."""
    terms = np.array([[4.0, 2.0, 1.0], [1.0, 1.0, 2.0], [0.0, 0.0, 0.0]])[:, :, None]
    assert np.allclose(remainder(terms)[:, 0], [1.0, 18.0, 0.0])
