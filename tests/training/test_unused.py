"""Units that no step uses: deleting them changes nothing, and they take part in nothing."""
import logging
from dataclasses import replace

import numpy as np
import pytest
from learners import data, logistic_loss, margin_cost, margins, squared_loss

from circuit import softplus
from deletion import (
    SGD, Directions, Learner, LearnerError, LeaveOneOuts, ModelLoss, NoChange, Retraining, Sketched,
    SketchedModel, given, haar, load, merge, precompute, retrain, sphere, stability)
from deletion.storage.blocks import block_name
from deletion.trust.calibration import calibrate
from deletion.sketch.identity import Identity, begun
from deletion.influence import (
    PBRF, BayesianInfluence, ByMetagradient, Influence, NewtonStep, SketchWithMetagradient, five_gaps,
    metagradient)
from deletion.storage.files import writing
from deletion.unlearning import GradientAscent, NaturalGradient, Rewind
from microgpt import first_letter, names

USED = np.array([1, 2, 5, 6, 8])
IDLE = np.array([0, 3, 4, 7, 9])


def score(w):
    return softplus(w.sum())


def learner(steps=40, optimizer=SGD(0.5), loss=logistic_loss, batches=True, **fields):
    """Logistic regression on ten points, of which batches use five."""
    x, y = data(10, 3)
    rng = np.random.default_rng(2)
    schedule = rng.choice(USED, (steps, 3)) if batches else rng.choice(USED, steps)
    schedule[0, ...] = USED[:3] if batches else USED[0]
    schedule[1, ...] = USED[2:] if batches else USED[1]
    return Learner(np.array([0.2, -0.1, 0.3]), list(zip(x, y)), loss, optimizer, schedule, **fields)


def columns(sketch):
    return np.flatnonzero(sketch.directions.psi.any(axis=0))


@pytest.fixture(scope="module")
def made():
    return precompute(learner(), 5, 3, seed=1)


def test_which_units_are_used():
    assert np.flatnonzero(learner().used).tolist() == USED.tolist()
    grouped = learner(units=[0, 1, 1, 2, 2, 0, 3, 4, 4, 5], all_units=range(7))      # unit 0: 0, idle, and 5
    assert grouped.used.tolist() == [True, True, False, True, True, False, False]
    assert np.array_equal(grouped.used, grouped.first_steps() < len(grouped.steps))


@pytest.mark.parametrize("design, count", [("auto", 5), ("auto", 8), ("auto", 64), ("pairs", 3),
                                           ("pairs", 12), ("sphere", 6), ("haar", 7)])
def test_they_take_no_direction(design, count):
    sketch = precompute(learner(), count, 1, design=design, calibration=3)
    assert columns(sketch).tolist() == USED.tolist() and len(sketch.directions) == count
    assert sketch.directions.dimension == 5 and not sketch.calibration.downweights[:, IDLE].any()
    assert sketch.calibration.downweights.sum(axis=1).max() <= 2      # .3 of five


def test_the_design_is_chosen_by_the_units_that_are_used():
    """8 directions determine the 15 pairwise interactions of 5 units, not the 55 of 10."""
    assert precompute(learner(), 8, 1, calibration=0).directions.design == "sphere"
    everything = learner().again(schedule=np.arange(10))
    assert precompute(everything, 8, 1, calibration=0).directions.design == "pairs"


@pytest.mark.parametrize("decoder", ["auto", "least squares", "mean", "median of means"])
@pytest.mark.parametrize("design", ["sphere", "auto"])
def test_deleting_them_is_predicted_to_change_nothing_exactly(design, decoder):
    if design == "auto" and "mea" in decoder:
        return
    measured = precompute(learner(), 4, 2, design=design, seed=3).measure(score)
    truth = retrain(measured.learner, [[i] for i in IDLE], score)
    assert (truth == truth[0]).all()
    many = measured.predict_many([*[[i] for i in IDLE], IDLE, [1], [1, 0, 9], []], decoder=decoder)
    for k in range(6):
        assert many.change[k] == 0.0 and not many.terms[k, 1:].any() and many.standard_error[k] == 0.0
        assert many.value[k] == many.interval[0][k] == many.interval[1][k] == measured.value
        assert many.verdict[k] == "trust" and "no step of the training uses these" in many.reasons[k][0]
    assert many.change[6] != 0.0 and many.reasons[8] == ("Nothing is deleted.",)
    for field in ("value", "standard_error", "sampling", "truncation"):      # beside used ones they count 0
        assert getattr(many, field)[6] == getattr(many, field)[7]


def test_single_questions(made):
    measured = made.measure(score)
    p = measured.predict([3, 4], decoder="least squares")
    assert p.change == 0.0 and p.verdict == "trust" and "no step" in p.reasons[0]
    everyone = measured.leave_one_out()
    assert not everyone.change[IDLE].any() and everyone.change[USED].all()
    assert np.array_equal(measured.curve([1, 0], [0.0, 0.5]).value, measured.curve(1, [0.0, 0.5]).value)
    h = np.zeros(10)
    h[[3, 9]] = 0.7, -2.0
    assert measured.predict_downweights(h).change == 0.0
    assert np.array_equal(made.parameters([0, 3]), made.theta)
    assert np.array_equal(made.parameters([0, 3, 5]), made.parameters(5))


def test_without_calibration_or_where_it_failed_they_change_nothing_too(made):
    p = replace(made, calibration=None).measure(score).predict(3)
    assert p.change == 0.0 and p.verdict is None
    failed = replace(made.calibration, values=np.full_like(made.calibration.values, np.nan))
    many = replace(made, calibration=failed).measure(score).predict_many([[3], [1]])
    assert many.change[0] == 0.0 and many.verdict == ["trust", "do not trust"]
    assert "no step" in many.reasons[0][0]


def test_pairs_know_every_used_unit_exactly(made):
    """Five directions for the five used units: curves of their own, as a push along each alone gives them."""
    measured, alone = made.measure(score), precompute(learner(), given(np.eye(10)[USED]), 3, calibration=0)
    exact = alone.measure(score).coefficients.real
    for unit, expected in zip(USED, exact):
        p = measured.predict(unit)
        np.testing.assert_allclose(p.terms[1:], expected, rtol=1e-9)
        assert p.standard_error < 1e-6 * abs(p.change)


def test_the_papers_estimator_counts_the_units_that_directions_live_in():
    """Its mean at order r is C(n + r - 1, r) times a mean over the sphere: with n = 10 instead of 5 the first
    order would be twice, the second 3.7 times the truth. One of four means is five standard errors off by
    chance once in 400,000 seeds."""
    made = learner(steps=6)
    measured = precompute(made, 8000, 2, design="sphere", seed=4, calibration=0).measure(score)
    sets = [[2], [5, 8], [1, 2, 6], USED]
    along = precompute(made, given(made.deletion_sets(sets).dense(10)), 2, calibration=0)
    exact = along.measure(score).coefficients.real
    many = measured.predict_many(sets, decoder="mean")
    assert (np.abs(many.change - exact.sum(axis=1)) < 5.0 * many.standard_error).all()
    assert (many.standard_error < 0.1 * np.abs(exact[:, 0])).all()      # fine enough to tell a factor of two


def test_norms_count_the_units_that_directions_live_in():
    """The norm of T_1 is that of the metagradient."""
    made = learner(steps=6)
    sketch = precompute(made, 400, 1, design="haar", seed=4, calibration=0)
    result = stability(sketch, score, size=2, progress=False)
    norm = np.linalg.norm(metagradient(made, score).gradient)
    assert result.norms[0] == pytest.approx(norm, abs=5.0 * result.norm_errors[0])
    assert result.norm_errors[0] < 0.04 * result.norms[0]      # n = 10 would make it 1.4 times as large


def test_directions_of_ones_own_say_nothing_of_them():
    made, h = learner(), np.zeros((2, 10))
    h[0, [1, 3, 9]], h[1, [2, 0]] = 1.0, 1.0
    measured = precompute(made, h, 2, calibration=0).measure(score)
    for sets in ([[1, 3, 9], [1]], [[2, 0], [2, 4]]):
        many = measured.predict_many(sets)
        assert many.change[0] == many.change[1]
    along = measured.coefficients.real.sum(axis=1)
    np.testing.assert_allclose(measured.predict_many([[1, 3, 9], [2, 0]]).change, along, rtol=1e-9)


def test_a_folder_of_such_directions_made_before_is_read_alike(tmp_path):
    """Version 0.1 stored them as they were given."""
    made, h = learner(), np.zeros((1, 10))
    h[0, [1, 3]] = 1.0
    sketch = precompute(made, h, 2, calibration=0, out=tmp_path / "new")
    old = Identity(made.fingerprint_parts(), None, given(h), None, 2, np.zeros(10), "float64", 3, 0)
    with writing(tmp_path / "old"):
        folder, _ = begun(tmp_path / "old", old)
        folder.write("theta", sketch.theta)
        folder.write(block_name(0), sketch.blocks[0], seconds=1.0)
    opened, expected = load(tmp_path / "old", made).measure(score), sketch.measure(score).predict(1).change
    assert opened.predict([1, 3]).change == opened.predict(1).change == expected


def test_spheres_over_all_units_keep_their_numbers():
    """A sketch of version 0.1 has directions in every unit; its estimator is that of all ten."""
    made, directions = learner(), sphere(16, 10, 7)
    measured = precompute(made, directions, 2, calibration=0).measure(score)
    assert np.array_equal(measured.directions.psi, directions.psi)
    s = directions.psi.conj()[:, [1, 5]].sum(axis=1)
    first, second = ((s ** r * measured.coefficients[:, r - 1]).real.mean() for r in (1, 2))
    expected = 10 * first + 10 * 11 / 2 * second
    assert measured.predict([1, 5], decoder="mean").change == pytest.approx(expected, rel=1e-12)
    assert measured.predict(3, decoder="mean").change == 0.0


def test_a_sphere_must_live_in_all_units_that_are_used():
    psi = np.zeros((4, 10), complex)
    psi[:, USED[1:]] = sphere(4, 4, 0).psi
    with pytest.raises(LearnerError, match="zero at unit 1. Directions of yours are 'given'"):
        precompute(learner(), Directions(psi, "sphere"), 1)


def test_spheres_over_different_units_merge_into_a_mixture():
    """Neither n is right for all of them."""
    made = learner()
    new, more = (precompute(made, 8, 1, seed=seed, design="sphere", calibration=0) for seed in (1, 3))
    old = precompute(made, sphere(8, 10, 2), 1, calibration=0)
    assert merge([new, more]).directions.design == "sphere"
    both = merge([new, old])
    assert both.directions.design == "mixture"
    with pytest.raises(LearnerError, match="unbiased only"):
        both.measure(score).predict(1, decoder="mean")


def test_how_many_there_are_is_said_once(caplog):
    with caplog.at_level(logging.WARNING, "deletion"):
        sketch = precompute(learner(), 4, 1, calibration=2)
        stability(sketch, score, size=2, probes=2, progress=False)
        sketch.measure(score).predict(3)
        precompute(learner().again(schedule=np.arange(10)), 4, 1, calibration=0)
    message, = (record.getMessage() for record in caplog.records)
    assert message.startswith("no step uses 5 of the 10 units: deleting those changes nothing")


def test_first_letters_that_no_name_of_the_training_has():
    made = names(steps=12, units=first_letter)
    used = sorted({name[0] for name in made.documents})
    assert len(used) < made.unit_count
    measured = precompute(made, 4, 1, calibration=4).measure(made.loss_on("max"))
    everyone = measured.leave_one_out()
    for letter, change, verdict in zip(made.units, everyone.change, everyone.verdict):
        assert (change == 0.0) == (letter not in used) and (letter in used or verdict == "trust")


def test_stability_draws_and_measures_the_used(made):
    result = stability(made, score, size=5, probes=2, progress=False)      # all five, twice
    assert result.size == 5.0
    with pytest.raises(LearnerError, match="1 to 5 units, as steps use, got 6"):
        stability(made, score, size=6)
    with pytest.raises(LearnerError, match="delete something"):
        stability(made, score, sets=[[1], [3, 4]])


GAUSS = dict(curvature="gauss-newton", damping=0.5)
METHODS = [NoChange(), Retraining(), LeaveOneOuts(), Sketched(64), SketchedModel(5),
           SketchWithMetagradient(3),
           ByMetagradient(), Influence(**GAUSS), Influence(**GAUSS, linear=False), NewtonStep(**GAUSS),
           PBRF(0.5), Rewind(10), GradientAscent(), NaturalGradient(), BayesianInfluence(draws=20, burn_in=5)]


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_every_method_answers_nothing_for_them(method):
    made = learner(loss=ModelLoss(margins, margin_cost))
    answer = method.answer(made, [[3], [0, 9], [1], [1, 3, 4]], score)
    assert not answer.change[:2].any() and answer.change[2] == answer.change[3]
    if answer.parameters is not None:
        np.testing.assert_allclose(answer.parameters[:2], [made.trained] * 2, rtol=1e-12)


def test_gradients_of_them_are_zero():
    made = learner(loss=ModelLoss(margins, margin_cost))
    gradient = metagradient(made, score).gradient
    assert not gradient[IDLE].any() and gradient[USED].all()
    assert not Influence(**GAUSS).self_influence(made)[IDLE].any()
    gaps = five_gaps(made, [[1], [1, 3]], score, damping=0.5, solver="cg")
    assert np.array_equal(gaps.change[:, 0], gaps.change[:, 1])


def test_a_calibration_begun_by_another_version_is_written_as_a_whole(tmp_path):
    """Another version may have drawn other sets: what they are and what came of them belong together."""
    made = learner()
    sketch = precompute(made, 4, 1, calibration=4, out=tmp_path / "s")
    other = calibrate(made, np.eye(10)[:4], progress=False)
    folder = sketch.folder
    folder.write("calibration-downweights", other.downweights)
    (tmp_path / "s" / "calibration-values.npy").unlink()
    again = precompute(made, 4, 1, calibration=4, out=tmp_path / "s").calibration
    np.testing.assert_allclose(again.values, retrain(made, weights=1.0 - again.downweights), rtol=1e-12)


def test_one_example_a_step():
    made = learner(batches=False, loss=squared_loss, optimizer=SGD(0.05))
    many = precompute(made, 5, 2).measure(score).leave_one_out()
    assert not many.change[IDLE].any() and many.change[USED].all()


def test_haar_directions_are_orthonormal_among_the_used():
    psi = precompute(learner(), 5, 1, design="haar", calibration=0).directions.psi[:, USED]
    np.testing.assert_allclose(psi @ psi.conj().T, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(psi, haar(5, 5, 0).psi, atol=1e-12)
