"""What intervals and verdicts claim, as statistics: laws of errors that are known, and retraining.

Every statement about chance says its false-alarm rate; all of them are seeded.
"""
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from learners import logistic, network
from scipy.stats import beta, norm

from deletion import given, precompute, retrain
from deletion.learner.units import Sets
from deletion.trust.error_model import fit_error_model, rank
from deletion.predictions.fits import lacking_directions
from deletion.trust.verdict import MAX_MOVED, MORE, NOT, RAISE, TRUST, crossed, judge, moved_beside, remainder


def model_of(errors, squares, changes=None, stated=None, excess=None):
    """An ErrorModel of errors (k, q); changes of 1, nothing stated, unless told."""
    nothing = np.zeros_like(errors)
    return fit_error_model(errors, nothing + 1.0 if changes is None else changes,
                           nothing if stated is None else stated, squares,
                           nothing if excess is None else excess)


# intervals --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count, level", [(96, 0.95), (96, 0.5), (40, 0.9), (300, 0.99)])
def test_the_rank_bounds_a_level_with_the_confidence_stated(count, level):
    """The share below the r-th of k independent errors has the law Beta(r, k + 1 - r)."""
    r = rank(count, level)
    assert beta.sf(level, r, count + 1 - r) >= 0.9 > beta.sf(level, r - 1, count + 2 - r)


def test_a_few_calibration_sets_give_their_largest_error():
    assert rank(3, 0.95) == 3 and rank(1, 0.95) == 1


def test_intervals_hold_heavy_tails_with_the_confidence_stated(rng):
    """A fifth of the errors ten times as large as the others, 300 calibrations of 96 sets: 95% intervals hold
    their level under the law itself in at least 90% of them, within 4 standard errors of a share (false
    alarms: 1 in 30,000); and they are not much wider than that asks for."""
    errors = rng.normal(size=(96, 300)) * np.where(rng.random((96, 300)) < 0.2, 1.0, 0.1)
    squares = np.ones(96)
    model = model_of(errors, squares)
    width = model.half_width(*model.deviations(np.zeros((1, 300)), np.ones(1), np.zeros((1, 300))),
                             np.ones(1), 0.95)[0]
    held = 1.0 - 2.0 * (0.2 * norm.sf(width) + 0.8 * norm.sf(width / 0.1))
    share, spread = np.mean(held >= 0.95), np.sqrt(0.9 * 0.1 / 300)
    assert 0.9 - 4.0 * spread <= share and held.mean() <= 0.985


def test_intervals_hold_at_a_size_that_is_predicted_worse_than_the_others(rng):
    """Twenty sets of one unit with errors twice as large as those of 76 larger sets: no power of the size
    says so.

    200 measurements. Intervals from all sizes together would hold 91% of the single units (of errors with
    deviation 2, where all together have 1.3); those of the size hold 93% or more, by the law itself.
    """
    squares = np.concatenate([np.ones(20), np.geomspace(5.0, 100.0, 76)])
    errors = rng.normal(size=(96, 200)) * np.where(squares == 1.0, 2.0, 1.0)[:, None]
    model = model_of(errors, squares, stated=np.ones((96, 200)))
    widths = model.half_width(*model.deviations(np.ones((2, 200)), np.array([1.0, 30.0]), np.zeros((2, 200))),
                              np.array([1.0, 30.0]), 0.95)
    held = 1.0 - 2.0 * norm.sf(widths / np.array([[2.0], [1.0]]))
    assert held[0].mean() >= 0.93 and 0.95 <= held[1].mean() <= 0.999


def test_calibrated_errors_recover_a_known_law(rng):
    """Errors drawn with a sampling part and a tail growing like |h|^4: half-widths hold 96% to 99.5% of new
    ones.

    60 calibration sets, 50 measurements: only the largest of 60 errors bounds 95% with confidence 9/10, and
    the largest of 60 is exceeded by one new one in 61.
    """
    squares = np.geomspace(1.0, 100.0, 60)

    def draw(squares, count):
        stated = np.full((len(squares), count), 0.3)
        return stated, rng.normal(size=stated.shape) * np.sqrt(0.3 ** 2 + (0.01 * squares[:, None] ** 2) ** 2)
    stated, errors = draw(squares, 50)
    model = model_of(errors, squares, stated=stated)
    fresh, new = draw(np.repeat(squares, 20), 50)
    deviations = model.deviations(fresh, np.repeat(squares, 20), np.zeros_like(fresh))
    assert 0.96 <= (np.abs(new) < model.half_width(*deviations, np.repeat(squares, 20), 0.95)).mean() <= 0.995
    sampling, tail = model.deviations(np.full((2, 50), 0.3), np.array([1.0, 100.0]), np.zeros((2, 50)))
    assert np.median(sampling[0]) == pytest.approx(0.3, rel=0.2)
    assert np.median(tail[1]) == pytest.approx(100.0, rel=0.3)


def test_sets_that_pull_in_one_direction_have_wider_intervals(rng):
    """Errors with variance |h|^2 (1 + excess): beside a set without excess, one with 24 has 5 times the
    deviation."""
    squares, excess = np.geomspace(1.0, 100.0, 96), rng.choice([0.0, 3.0, 24.0], size=(96, 40))
    errors = rng.normal(size=(96, 40)) * np.sqrt(squares[:, None] * (1.0 + excess))
    model = model_of(errors, squares, excess=excess)
    plain, pulled = (np.hypot(*model.deviations(np.zeros((1, 40)), np.array([10.0]), np.full((1, 40), e)))[0]
                     for e in (0.0, 24.0))
    assert np.median(plain) == pytest.approx(10.0 ** 0.5, rel=0.15)
    assert np.median(pulled) == pytest.approx(250.0 ** 0.5, rel=0.15)


def test_the_parts_of_the_error_are_what_the_decoder_states_and_the_rest():
    errors = np.ones((50, 1)) * 2.0
    model = model_of(errors, np.geomspace(1.0, 30.0, 50), stated=np.ones((50, 1)))
    for stated in (0.5, 1.0, 3.0):
        sampling, truncation = model.deviations(np.full((1, 1), stated), np.array([5.0]), np.zeros((1, 1)))
        total = np.hypot(sampling, truncation)
        assert sampling == pytest.approx(min(stated, total[0, 0]))
        assert (stated < total[0, 0]) == (truncation[0, 0] > 0.0)


def test_error_that_neither_the_decoder_nor_the_series_explains_is_of_sampling():
    """Total 2: of it the decoder states 1 and the series implies 0.5, or as much as there is."""
    model = model_of(np.ones((50, 1)) * 2.0, np.ones(50), stated=np.ones((50, 1)))
    total = np.hypot(*model.deviations(np.ones((1, 1)), np.ones(1), np.zeros((1, 1))))[0, 0]
    for rest, sampling in ((0.5, np.sqrt(total ** 2 - 0.25)), (9.0, 1.0), (0.0, total)):
        parts = model.deviations(np.ones((1, 1)), np.ones(1), np.zeros((1, 1)), np.full((1, 1), rest))
        assert parts[0][0, 0] == pytest.approx(sampling) and np.hypot(*parts)[0, 0] == pytest.approx(total)


# the error beside the change --------------------------------------------------------------------------------

def test_the_relative_error_and_its_standard_error(rng):
    """Changes like |h|, errors of r(|h|^2) times that, both normal: sum |error| / sum |change| tends to r.

    400 calibrations at a size in the middle, where r is constant: the mean within 4 standard errors of it,
    the stated standard error within 15% of the spread that is seen (its own standard error is 3.5%, so false
    alarms are below 1 in 10,000).
    """
    squares = np.geomspace(1.0, 60.0, 96)
    calibrations = []
    for _ in range(400):
        changes = rng.normal(size=(96, 1)) * np.sqrt(squares)[:, None]
        errors = 0.3 * rng.normal(size=(96, 1)) * np.sqrt(squares)[:, None]
        error, spread, worst = model_of(errors, squares,
                                        changes=changes).relative_error(np.array([8.0, 8.0, 60.0]))
        assert error[0] == error[1] and (worst == error).all()
        calibrations.append([error[0], spread[0]])
    error, spread = np.array(calibrations).T
    # 0.01: a ratio of sums is biased by about 1 / (sets near)
    assert abs(error.mean() - 0.3) < 4.0 * error.std() / 20.0 + 0.01
    assert np.sqrt((spread ** 2).mean()) == pytest.approx(error.std(), rel=0.15)


def test_the_relative_error_is_that_of_sets_of_the_size():
    squares = np.geomspace(1.0, 100.0, 96)
    errors = np.where(squares < 10.0, 0.1, 0.9)[:, None] * np.sqrt(squares)[:, None]
    error, spread, worst = model_of(np.hstack([errors, 0.0 * errors]), squares,
                                    changes=np.repeat(np.sqrt(squares)[:, None], 2,
                                                      1)).relative_error(np.array([1.0, 100.0]))
    assert error == pytest.approx([0.05, 0.45], abs=0.01) and worst == pytest.approx([0.1, 0.9], abs=0.02)
    assert (spread < 0.02).all()


def test_one_calibration_set_tells_nothing_of_its_error():
    error, spread, _ = model_of(np.ones((1, 1)), np.ones(1)).relative_error(np.array([1.0]))
    assert error == 1.0 and np.isinf(spread)


# verdicts ---------------------------------------------------------------------------------------------------

def judged(change, terms, errors=0.05, gradient=None, directions=50, sampling=1.0):
    """Verdict and reason of a set of four units among 100, where calibration sets move the measurement by
    exactly +-|h|."""
    squares = np.repeat([1.0, 4.0, 16.0], 32)
    changes = np.where(np.arange(96) % 2, 1.0, -1.0)[:, None] * np.sqrt(squares)[:, None]
    psi = np.zeros((directions, 100))
    psi[np.arange(100) % directions, np.arange(100)] = 1.0
    calibration = SimpleNamespace(sets=SimpleNamespace(squares=lambda: squares), crossings=np.zeros(96),
                                  reach=16.0)
    directions = type("Drawn", (), {"dimension": 100, "__len__": lambda self: len(psi)})()
    calibrated = SimpleNamespace(calibration=calibration, changes=changes, series=True, kind="random",
                                 declared=(), lacking=lacking_directions(directions, gradient),
                                 typical=lambda s: np.sqrt(s)[:, None])
    model = model_of(errors * changes, squares, changes=changes)
    sets = Sets.of(np.concatenate([np.ones(4), np.zeros(96)])[None])
    verdict, reasons = judge(calibrated, model, sets.squares(), np.array([[change]]),
                             remainder(np.array([terms])[..., None]),
                             np.array([[sampling]]), np.array([[1.0 - sampling]]))
    return verdict[0], reasons[0][0]


def test_a_small_error_is_trusted_and_sets_chosen_by_a_rule_are_spoken_of():
    verdict, reason = judged(2.0, [2.0, 0.1, 0.01])
    assert verdict == TRUST and "5% of the change" in reason and "chosen by a rule" in reason


@pytest.mark.parametrize("times, verdict", [(1.05, TRUST), (1.5, NOT), (3.0, NOT), (10.0, NOT)])
def test_a_set_that_moves_the_model_farther_than_any_that_was_retrained(times, verdict):
    """The calibration sets of at most eight units move it by exactly what is typical of them: 2 is as far as
    four units go."""
    assert judged(times * 2.0, [times * 2.0, 0.1, 0.01])[0] == verdict and 1.05 < MAX_MOVED < 1.5


def test_how_far_a_set_moves_the_model_is_counted_in_calibration_sets():
    squares = np.array([1.0, 4.0, 100.0])
    measured = SimpleNamespace(calibration=SimpleNamespace(sets=SimpleNamespace(squares=lambda: squares)),
                               typical=lambda s: np.sqrt(s)[:, None],
                               changes=np.array([[2.0], [2.0], [90.0]]))
    assert moved_beside(measured, np.array([[3.0], [6.0]]),
                        np.array([2.0, 100.0])) == pytest.approx([3.0 / 2.0, 6.0 / 90.0])


@pytest.mark.parametrize("errors, sampling, directions, gradient, verdict, words", [
    (0.6, 1.0, 20, None, MORE, "20 directions do not determine the first order of 100 units; take at least"),
    (1.0, 1.0, 49, None, MORE, "by sampling"),
    (0.6, 1.0, 50, None, NOT, "interactions"),
    (0.6, 1.0, 20, np.ones(100), NOT, "interactions"),
    (0.6, 0.0, 20, None, RAISE, "truncation"),
    (0.9, 0.0, 50, None, NOT, "does not predict"),
    (9.0, 1.0, 20, None, NOT, "does not predict"),
])
def test_a_large_error_is_said_to_be_what_it_is(errors, sampling, directions, gradient, verdict, words):
    given, reason = judged(2.0, [2.0, 0.1, 0.01], errors, gradient, directions, sampling)
    assert given == verdict and words in reason


def test_a_series_that_has_not_settled_is_not_trusted():
    verdict, reason = judged(2.0, [1.0, 0.5, 1.4])
    assert verdict == RAISE and reason.startswith("Series not converged: extrapolated remainder")


def test_kinks_are_those_of_calibration_sets_of_the_size():
    calibration = SimpleNamespace(crossings=np.array([0] * 5 + [1, 2, 3, 4, 90]),
                                  downweights=np.repeat([1.0, 4.0], 5)[:, None] * np.eye(1))
    assert crossed(calibration, np.array([1.0, 16.0])).tolist() == [0.0, 3.0]


# against retraining -----------------------------------------------------------------------------------------

def whole(w):
    return w * 1.0


def test_too_few_directions_ask_for_more_and_more_of_them_help():
    """Four directions leave the first order of 30 units open, whatever the degree; fifteen do not."""
    learner = logistic(steps=20)
    sets = [[i] for i in range(30)] + [[i, (i + 7) % 30] for i in range(30)]
    true, error = retrain(learner, sets, whole, progress=False), {}
    for count, degree in ((4, 2), (4, 4), (15, 2)):
        measured = precompute(learner, count, degree, progress=False).measure(whole)
        many = measured.predict_many(sets)
        change = true - measured.value
        error[count, degree] = np.abs(many.change - change).sum() / np.abs(change).sum()
        common = max(set(many.verdict), key=many.verdict.count)
        assert common == (TRUST if count == 15 else MORE), many.reasons[0]
        if count == 4:
            assert (many.sampling > many.truncation).mean() > 0.9
    assert error[15, 2] < 0.1 < 0.5 < min(error[4, 2], error[4, 4])


@pytest.mark.parametrize("make, directions", [(logistic, 6), (logistic, 15), (network, 4), (network, 10)])
def test_trusted_predictions_are_worth_more_than_no_change(make, directions):
    """Of 120 random sets of four sizes: the trusted ones of each size, as a group, are off by at most half of
    their change."""
    learner, rng = make(), np.random.default_rng(11)
    measure = whole if make is logistic else (lambda p: p["w2"] * 1.0)
    measured = precompute(learner, directions, 3, progress=False).measure(measure)
    for size in (1, 2, 4, 6):
        sets = [rng.choice(learner.unit_count, size, replace=False) for _ in range(30)]
        many, true = measured.predict_many(sets), retrain(learner, sets, measure,
                                                          progress=False) - measured.value
        kept = np.array(many.verdict) == TRUST
        assert np.abs(many.change[kept] - true[kept]).sum() <= 0.5 * np.abs(true[kept]).sum()


def test_stability_asks_for_directions_too():
    from deletion import stability
    learner = logistic(steps=20)
    assert stability(precompute(learner, 4, 3, progress=False), whole, 2, progress=False).verdict == MORE
    assert stability(precompute(learner, given(np.eye(30)), 3, progress=False), whole, 2,
                     progress=False).verdict == TRUST


# the benchmark -------------------------------------------------------------------------------------------

def test_the_benchmark_counts_what_it_says():
    """Six sets of two measurements, by hand: four trusted, of whose eight numbers one lies outside."""
    from benchmarks.trust import cell_of, summary
    true = np.ones((6, 2)) * 3.0      # as trained it was 1: the true change is 2
    change = np.full((6, 2), 1.5)
    change[0, 0] = 0.0
    many = SimpleNamespace(change=change, interval=(1.0 + change - 1.0, 1.0 + change + 1.0),
                           verdict=[TRUST, TRUST, NOT, TRUST, TRUST, MORE])
    cell = cell_of("one", 0, 5, 2, many, true, np.ones(2))
    assert cell.predictions == 12 and cell.trusted == 8 and cell.trusted_outside == 1
    assert cell.error == pytest.approx((11 * 0.5 + 2.0) / 24)
    assert cell.trusted_error == pytest.approx((7 * 0.5 + 2.0) / 16)
    assert cell.outside == pytest.approx(1 / 12) and cell.verdicts == {TRUST: 4, NOT: 1, MORE: 1}
    counts = summary([cell] * 3)
    assert counts["outside"] == pytest.approx(1 / 8) and counts["count"] == 3
    assert counts["held"] == counts["good"] == 0


def test_the_front_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    made = subprocess.run([sys.executable, "-m", "benchmarks.front", "--quick", "--out", tmp_path, "--json",
                           tmp_path / "front.json"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "front.png").stat().st_size > 10_000 and "all names with a letter" in made.stdout
    assert len(json.loads((tmp_path / "front.json").read_text())["verdicts"]) > 12
