"""The parts of `benchmarks.uses`: scores and choices against closed forms and plain loops."""
import sys
from functools import partial

import numpy as np
import pytest

from circuit import InputError
from deletion import SGD, Learner, retrain

pytest.importorskip("sklearn")

from benchmarks import harness, uses  # noqa: E402   the learners' data come with scikit-learn
from benchmarks.choosing import DRAWN, SHARES, WAYS, curves, kept_by, of_each  # noqa: E402
from benchmarks.informative import scored  # noqa: E402
from benchmarks.learners import stacked  # noqa: E402
from benchmarks.repairing import (KEPT, RARE, by_gradients, by_one_weight, chosen, direction,  # noqa: E402
                                  group_and_all, unfair)
from benchmarks.scores import (FOLDS, TRUTH, ByGroups, at_halves, every_method, gradient_norms,  # noqa: E402
                               held_out_losses, leave_one_outs, own_losses, shapley)
from benchmarks.subjects import Subject, exchanged, first, highest, overlap, subject  # noqa: E402
from benchmarks.wrong_labels import area  # noqa: E402

X = np.random.default_rng(0).normal(size=20)


def half_square(w, x, y):
    return (w[0] - x) ** 2 * 0.5 + 0.0 * y


@pytest.fixture(scope="module")
def mean():
    """A Learner whose parameter ends at the weighted mean of X."""
    return Learner(np.zeros(1), list(zip(X, np.zeros(20))), half_square, SGD(0.5),
                   np.tile(np.arange(20), (80, 1)))


def value(w):
    return w[0]


def own(w):
    return (w[0] - X) ** 2 * 0.5


# scores -----------------------------------------------------------------------------------------------------

def test_the_area_counts_pairs():
    rng = np.random.default_rng(1)
    scores, wrong = rng.integers(0, 6, 40), rng.random(40) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[wrong] for b in scores[~wrong]]
    assert area(scores, wrong) == pytest.approx(np.mean(pairs), rel=1e-12)
    assert area(wrong, wrong) == 1.0 and area(np.zeros(40), wrong) == 0.5


def test_losses_and_gradients_are_those_of_the_mean(mean):
    residuals = X - X.mean()
    assert np.allclose(own_losses(mean), residuals ** 2 / 2, rtol=1e-9)
    assert np.allclose(gradient_norms(mean), np.abs(residuals), rtol=1e-9)


def test_losses_without_a_fold_are_those_of_the_others_mean(mean):
    held = held_out_losses(mean, own, np.random.default_rng(2))
    fold = np.random.default_rng(2).permutation(20) % FOLDS
    assert np.allclose(held, [(x - X[fold != k].mean()) ** 2 / 2 for x, k in zip(X, fold)], rtol=1e-9)


def test_gradients_at_halves_have_a_closed_form(mean):
    """The mean of a half S moves by (x_i - mean of S) / |S| with the weight of i, in S or not."""
    rng, expected = np.random.default_rng(3), []
    for _ in range(16):
        half = rng.permutation(20) < 10
        expected.append((X - X[half].mean()) / 10)
    halves = at_halves(mean, value, np.random.default_rng(3))
    assert np.allclose(halves, -np.mean(expected, axis=0), rtol=1e-7)


def test_every_method_finds_what_deletion_from_a_mean_changes(mean):
    """Without x_i the mean moves by (mean - x_i) / (n - 1), to first order by (mean - x_i) / n."""
    methods = {name: method for name, method in every_method(mean, 0.0).items() if "Gauss" not in name}
    del methods["Newton step"]      # like Gauss-Newton, it needs a ModelLoss
    methods["gradients of groups"] = ByGroups(5)
    changes, refused = leave_one_outs(mean, value, methods)
    exact = (X.mean() - X) / 19
    assert not refused and list(changes) == list(methods)
    assert np.allclose(changes[TRUTH], exact, rtol=1e-9)
    for name in ("metagradient", "finite step", "influence, Hessian"):
        assert np.allclose(changes[name], exact * 19 / 20, rtol=1e-6)
    worse = np.abs(changes["metagradient"] - exact).sum()
    for name in ("gradients of groups", "sketch"):      # nearer than first order
        assert np.abs(changes[name] - exact).sum() < worse


def test_a_method_that_does_not_apply_is_named(mean):
    some = {name: every_method(mean, 0.0)[name] for name in ("metagradient", "influence, Gauss-Newton")}
    changes, refused = leave_one_outs(mean, value, some)
    assert list(changes) == ["metagradient"] and "ModelLoss" in refused["influence, Gauss-Newton"]


def test_shapley_values_of_two_units():
    """A loss falls by what the units take from it: the mean over both orders."""
    learner = Learner(np.zeros(1), [(1.0, 0.0), (3.0, 0.0)], half_square, SGD(0.5), np.tile([0, 1], (80, 1)))
    estimate, worth = shapley(learner, lambda w: (w[0] - 3.0) ** 2, 200, 0)
    loss = {(): 9.0, (0,): 4.0, (1,): 0.0, (0, 1): 1.0}      # at the mean of those that are there
    exact = (loss[()] - loss[(0,)] + loss[(1,)] - loss[(0, 1)]) / 2
    assert worth.sum() == pytest.approx(8.0) and estimate.permutations == 200
    assert np.all(np.abs(worth - [exact, 8.0 - exact]) < 4.0 * estimate.standard_errors)


# subjects ---------------------------------------------------------------------------------------------------

def test_labels_are_exchanged_for_others():
    y = np.random.default_rng(4).integers(0, 3, 50)
    other, wrong = exchanged(y, 0.1, np.random.default_rng(5))
    assert wrong.sum() == 5 and (other != y).tolist() == wrong.tolist() and set(other) <= {0, 1, 2}
    assert set(exchanged(np.array([-1.0, 1.0] * 5), 0.5, np.random.default_rng(5))[0]) == {-1.0, 1.0}


def test_what_is_kept_shares_the_weight_of_all(mean):
    """Training on some ends at their mean, and as near to it as training on all."""
    given = Subject(mean, (X, X), (X, X), 0.0, np.zeros(20, bool))
    kept = np.random.default_rng(6).random((3, 20)) < 0.4
    assert np.allclose(given.trained_on(kept)[:, 0], [X[row].mean() for row in kept], rtol=1e-9)


def test_subjects_are_tested_on_data_of_their_own():
    given = subject("breast cancer", 100, 0.1, count=40)
    (x, y), theta = given.test, given.learner.trained
    p = given.learner.layout.split(theta)
    margin = (x @ p["w"] + p["b"]) * y
    accuracy, loss = given.tested(theta[None])
    assert accuracy == np.mean(margin > 0.0) and np.allclose(loss, np.log1p(np.exp(-margin)).mean())
    rows = np.concatenate([stacked(given.learner.examples)[0], given.validation[0], x])
    assert len(np.unique(rows, axis=0)) == len(rows) == 569 and given.wrong.sum() == 4


def test_orders_of_scores():
    assert highest([1.0, 3.0, 3.0, 2.0]).tolist() == [1, 2, 3, 0]
    assert first(np.array([3, 1, 0, 2]), 0.5).tolist() == [False, True, False, True]
    scores = np.arange(20.0)
    assert overlap(scores, scores) == 1.0 and overlap(-scores, scores) == 0.0
    assert overlap(scores[::-1] * (np.arange(20) != 19), scores) == 0.0
    exact = scored({TRUTH: scores, "half": 0.5 * scores, "turned": -scores})
    assert exact["half"] == (pytest.approx(1.0), 0.5, 1.0, 1.0, 1.0)
    assert exact["turned"] == (pytest.approx(-1.0), 2.0, 0.0, 0.0, 1.0)


# choices ----------------------------------------------------------------------------------------------------

def test_examples_are_kept_in_the_order_of_their_scores():
    rng = np.random.default_rng(7)
    order, classes = rng.permutation(40), np.arange(40) % 2
    without, pruned, alone, of_classes = kept_by(order, classes).reshape(4, len(SHARES), 40)
    for k, share in enumerate(SHARES):
        count = round(40 * share)
        assert set(np.flatnonzero(without[k])) == set(order[count:])
        assert set(np.flatnonzero(pruned[k])) == set(order[:40 - count])
        assert set(np.flatnonzero(alone[k])) == set(order[:count])
    for c in (0, 1):
        best = [i for i in order if classes[i] == c][:4]
        assert set(np.flatnonzero(of_classes[2] & (classes == c))) == set(best)
    assert of_each(order, classes, 0.001).sum() == 2


def test_a_step_never_trades_the_loss_of_all_once_it_is_bound():
    group, every = np.array([1.0, -2.0, 0.5]), np.array([-1.0, 1.0, 1.0])
    bound = direction(group, every, True)
    assert group @ every < 0.0 and bound @ every == pytest.approx(0.0) and bound @ group > 0.0
    assert direction(group, every, False) is group and direction(group, -every, True) is group


@pytest.fixture(scope="module")
def rare():
    return unfair(100, 120)


def test_a_class_is_made_rare(rare):
    y = stacked(rare.learner.examples)[1]
    assert (y == RARE).sum() == KEPT and len(y) == len(rare.wrong) < 120
    assert sorted(np.unique(rare.learner.schedule)) == list(range(len(y)))


def test_weights_by_gradients_lower_the_loss_of_the_class(rare):
    """Retrained exactly: below its value as trained, and below what one weight for the class reaches."""
    learner, measure = rare.learner, partial(group_and_all, rare.learner.loss, *rare.validation)
    (x, y), layout = rare.validation, learner.layout
    rows = by_gradients(learner, measure, 2.0)
    assert rows.min() >= 0.0 and rows.max() == 2.0
    best = chosen(learner, measure, rows)
    by_class = chosen(learner, measure, by_one_weight(learner, 2.0))
    assert {1.0} <= set(by_class) <= {1.0, *np.arange(1.25, 2.1, 0.25)}
    theta = retrain(learner, weights=np.array([np.ones(len(best)), best, by_class]), progress=False)
    loss = np.array([learner.loss(layout.split(row), x, y) for row in theta])
    group, every = loss[:, y == RARE].mean(axis=1), loss.mean(axis=1)
    assert group[1] < group[2] <= group[0] and every[1] <= every[0] and every[2] <= every[0]


def test_weights_that_raise_the_loss_of_all_are_not_chosen(mean):
    def measure(w):
        return np.array([[1.0], [-1.0]]) @ w

    raised = np.where(X > 0.0, 1.0, 2.0)      # a lower mean: the group gains, all lose
    assert (chosen(mean, measure, np.array([raised])) == 1.0).all()
    assert (chosen(mean, lambda w: np.array([[1.0], [1.0]]) @ w, np.array([raised])) == raised).all()


# what is measured and drawn ---------------------------------------------------------------------------------

def test_curves_are_those_of_retrained_models(monkeypatch):
    monkeypatch.setattr("benchmarks.choosing.DRAWS", 1)
    given = subject("breast cancer", 100, count=40)
    scores = np.random.default_rng(8).normal(size=40)
    tested = curves(given, {"a score": scores, "turned": -scores}, 0)
    order = np.argsort(-scores)
    weights = np.zeros((2, 40))
    weights[0, order[4:]], weights[1, order[:20]] = 40 / 36, 2.0
    accuracy, loss = given.tested(retrain(given.learner, weights=weights, progress=False))
    ours = tested["a score"]
    assert list(tested) == ["a score", "turned", "at random"] and ours.shape == (4, len(SHARES), 2)
    assert ours[0, 1].tolist() == [accuracy[0], loss[0]] and ours[2, -1].tolist() == [accuracy[1], loss[1]]
    assert np.array_equal(tested["turned"][:2], ours[1::-1])      # the best of one are the worst of the other


def test_the_command_writes_and_draws(tmp_path, monkeypatch, capsys):
    tested = np.linspace(0.0, 1.0, 3 * 4 * 6 * 2).reshape(3, 4, 6, 2)
    results = {"shares": SHARES, "ways": list(WAYS), "tested": {name: tested.tolist() for name in DRAWN}}
    monkeypatch.setattr(uses, "PARTS", {"choose": lambda options: results})
    uses.PARTS["choose"].__doc__ = "A part."
    monkeypatch.setattr(sys, "argv", ["uses", "--quick", "--part", "choose", "--out", str(tmp_path)])
    assert uses.main() == 0 and "== choose: A part." in capsys.readouterr().out
    assert '"best alone"' in (tmp_path / "uses.json").read_text()
    assert harness.pyplot() is None or (tmp_path / "uses.png").stat().st_size > 10_000
    for bad in (["--part", "all"], ["--trials", "0"], ["--orders", "1"]):
        monkeypatch.setattr(sys, "argv", ["uses", *bad, "--out", str(tmp_path)])
        with pytest.raises(InputError):
            uses.main()
