"""Kinds of deletion sets: how they are declared, drawn, found, kept on disk, and what their intervals hold.

Every statement about chance says its false-alarm rate; all of them are seeded.
"""
import json
import shutil
from itertools import combinations

import numpy as np
import pytest
from conftest import GOLDEN
from learners import tiny
from scipy.stats import norm

from circuit import softplus
from deletion import (
    SGD, Learner, LearnerError, Order, StoreError, ask, cotangents, gradient_model, load, merge, precompute,
    retrain)
from deletion.learner.units import Sets
from deletion.storage.arrays import expected_form
from deletion.trust.error_model import fit_error_model
from deletion.trust.kinds import KIND_SETS, RANDOM, checked_kinds, kinds_of
from microgpt import first_letter, names

QUIET = {"progress": False}


def weights(w):
    return w


def classes(n=60, seed=0):
    """Logistic regression of three clusters, units in the order of the clusters, and {name: kind}."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat([0, 1, 2], n // 3)
    x = 0.5 * rng.normal(size=(n, 3)) + 2.0 * np.eye(3)[cluster]
    y = np.where(rng.random(n) < 0.2, -1.0, 1.0) * np.where(cluster == 1, -1.0, 1.0)

    def loss(w, x, y):
        return softplus(-(x @ w) * y)
    learner = Learner(np.zeros(3), list(zip(x, y)), loss, SGD(0.5), np.tile(np.arange(n), (40, 1)))
    return learner, {"class": cluster, "near": Order(x[:, 0])}


def declared(kinds, units=10):
    return checked_kinds(kinds, np.ones(units, bool))


# declaring --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kinds, said", [
    ([1, 2], "kinds are a dict"), ("class", "kinds are a dict"),
    ({"a": "abcdefghij"}, "a label for each unit"),
    ({"a": 3}, "a label for each unit"), ({"a": {0: "x"}}, "a label for each unit"),
    ({"a": set("abcdefghij")}, "a label for each unit"), ({"a": [1] * 9}, "each of 10 units, got 9"),
    ({"a": Order([1.0] * 11)}, "each of 10 units, got 11"), ({"random": [1] * 10}, "other than 'random'"),
    ({"": [1] * 10}, "1 to 40 ASCII"), ({3: [1] * 10}, "1 to 40 ASCII"), ({"e\n": [1] * 10}, "1 to 40 ASCII"),
    ({"a" * 41: [1] * 10}, "1 to 40 ASCII"), ({"a": [[1]] * 10}, "labels of kind 'a'"),
    ({"a": [np.nan] * 10}, "labels of kind 'a'"), ({"a": np.ones((10, 2))}, "labels of kind 'a'")])
def test_what_declares_no_kind_is_refused(kinds, said):
    with pytest.raises(LearnerError, match=said):
        declared(kinds)


@pytest.mark.parametrize("keys", [[[1.0, 2.0]], 3.0, [1.0, np.nan], ["a", "b"], [1j], None])
def test_what_gives_no_order_is_refused(keys):
    with pytest.raises(LearnerError, match="keys of an order"):
        Order(keys)


def test_kinds_need_random_sets_beside_them_and_two_units_that_share_something():
    learner, kinds = classes()
    for options in ({"calibration": 0}, {"downweight": np.full(60, 0.1)}):
        with pytest.raises(LearnerError, match="beside random sets"):
            precompute(learner, 4, kinds=kinds, **options, **QUIET)
    with pytest.raises(LearnerError, match="'id': no two units"):
        precompute(learner, 4, kinds={"id": range(60)}, **QUIET)


def test_labels_in_a_set_are_numbered_whatever_the_order_in_it():
    one, = declared({"letter": [set("abcdefgh"[:k]) for k in range(1, 9)] + [None, frozenset()]})
    other, = declared({"letter": [set("hgfedcba"[8 - k:]) for k in range(1, 9)] + [set(), None]})
    assert np.array_equal(one.members, other.members) and len(one.members) == 36


# drawing ----------------------------------------------------------------------------------------------------

def test_sets_of_a_kind_are_of_it_and_of_all_sizes():
    labels = [set("ab"[i % 2] + "xyz"[i % 3]) for i in range(60)] + [None] * 4
    kinds = checked_kinds({"label": labels, "run": Order(-np.arange(64.0))}, np.arange(64) != 5)
    for kind in kinds:
        h = kind.draw(64, 18, 3)
        sets, sizes = [set(np.flatnonzero(row)) for row in h], h.sum(axis=1)
        assert set(np.unique(h)) == {0.0, 1.0} and sizes.min() == 2 and not h[:, 5].any()
        assert np.unique(sizes).size > 8 and len(h) == KIND_SETS and np.array_equal(h, kind.draw(64, 18, 3))
        assert not np.array_equal(h, kind.draw(64, 18, 4))
        if kind.ordered:
            assert sizes.max() == 18
            assert all(max(s) - min(s) == len(s) - 1 + (min(s) < 5 < max(s)) for s in sets)
        else:
            assert all(set.intersection(*(labels[i] for i in s)) for s in sets)


def test_whole_classes_are_retrained_where_there_are_some_that_are_small_enough():
    kind, = declared({"class": np.repeat(np.arange(5), [2, 3, 5, 10, 40])}, 60)
    sizes = [tuple(np.flatnonzero(row)) for row in kind.draw(60, 18, 0)]
    for first, last in ((0, 2), (2, 5), (5, 10), (10, 20)):
        assert tuple(range(first, last)) in sizes


# finding ----------------------------------------------------------------------------------------------------

def test_the_kind_of_a_set_is_found_by_what_its_units_share():
    """Ten units: which sets are of a kind, and the share of them among all sets of a size, by counting."""
    labels = [{"a"}, {"a"}, {"a", "b"}, {"b"}, {"b"}, {"c"}, {"c"}, {"a"}, {"a"}, set()]
    order = np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])
    shared, run = declared({"label": labels, "run": Order(np.argsort(order))})
    for size in (2, 3, 5):
        count = [0, 0]
        for chosen in map(list, combinations(range(10), size)):
            places = np.flatnonzero(np.isin(order, chosen))
            expected = bool(set.intersection(*(labels[i] for i in chosen))), np.ptp(places) == size - 1
            assert (shared.holds(np.array(chosen)), run.holds(np.array(chosen))) == expected
            count = [c + e for c, e in zip(count, expected)]
        total = len(list(combinations(range(10), size)))
        assert run.chance(size, 10) == pytest.approx(count[1] / total)
        # with several labels for a unit the chance is a bound
        assert shared.chance(size, 10) == pytest.approx(count[0] / total)


def test_a_set_gets_the_first_kind_that_chance_hardly_explains():
    kinds = declared({"half": np.arange(40) % 2, "run": Order(range(40))}, 40)
    h = np.zeros((6, 40))
    h[0, ::2] = h[1, :8] = h[2, [0, 2]] = h[3, [7]] = h[4, [3, 4, 9]] = 1.0
    assert kinds_of(Sets.of(h), None, kinds, 40) == ["half", "run", RANDOM, RANDOM, RANDOM, RANDOM]
    assert kinds_of(Sets.of(h[2:3]), "half", kinds, 40) == ["half"]
    assert kinds_of(Sets.of(h[:0]), None, kinds, 40) == []


def test_a_kind_that_is_not_known_and_a_set_that_is_not_of_it_are_refused():
    learner, kinds = classes()
    measured = precompute(learner, 20, kinds=kinds, **QUIET).measure(weights, **QUIET)
    for kind, said in (("letter", "unknown kind 'letter': this calibration knows 'random', 'class', 'near'"),
                       (3, "expected a name for all sets"), ([3], "unknown kind 3"),
                       ("class", "set 0 is not of kind 'class': its units do not share"),
                       ("near", "its units do not follow each other")):
        with pytest.raises(LearnerError, match=said):
            measured.predict([0, 30], kind=kind)
    with pytest.raises(LearnerError, match="one for each of 2"):
        measured.predict_many([[0], [1]], kind=["class"])
    with pytest.raises(LearnerError, match="unknown kind 'class'.*kinds="):
        precompute(learner, 20, **QUIET).measure(weights, **QUIET).predict([0, 1], kind="class")


def test_answers_say_their_kind_and_verdicts_what_was_retrained():
    learner, kinds = classes()
    measured = precompute(learner, 30, kinds=kinds, **QUIET).measure(weights, **QUIET)
    many = measured.predict_many([range(6), [1, 25, 50]])
    assert many.kind == ["class", RANDOM] and measured.predict(range(6)).kind == "class"
    assert "sets of kind 'class' of this size" in many.reasons[0][0] and many.row(1).kind == RANDOM
    assert "another rule than the kinds declared ('class', 'near')" in many.reasons[1][0]
    named = measured.predict_many([range(6)] * 2, kind=["class", "random"])
    assert (named.interval[1] != named.interval[0]).all() and np.array_equal(named.value[0], named.value[1])
    assert not np.allclose(named.interval[0][0], named.interval[0][1])


def test_every_model_with_such_a_calibration_answers_by_kind():
    learner, kinds = classes()
    calibration = precompute(learner, 4, kinds=kinds, **QUIET).calibration
    model = gradient_model(learner, weights, calibration=calibration, **QUIET)
    pulled = precompute(learner, cotangents(learner), kinds=kinds, **QUIET).measure(weights, **QUIET)
    for measured in (model, pulled):
        assert measured.predict(range(20, 30)).kind == "class"
        assert "of kind 'class'" in measured.predict(range(20, 30)).reasons[0]
    assert len(ask(learner, [[1], range(20), [2]], weights, trainings=10, **QUIET).kind or [0] * 3) == 3


# statistics -------------------------------------------------------------------------------------------------

def test_intervals_by_the_few_sets_of_a_kind_hold_with_the_confidence_stated(rng):
    """Normal errors like |h| at the 32 sets of a kind, 400 calibrations, nothing stated: 95% intervals hold
    their level under the law itself in at least 80% of them, and 88% in at least 98%, within 4 standard
    errors of a share (false alarms: 1 in 30,000), and are not much wider than that asks for.

    The level is bounded with confidence 90%; how errors grow with the size is left to the fit.
    """
    squares = np.geomspace(2.0, 30.0, KIND_SETS)
    nothing = np.zeros((KIND_SETS, 400))
    errors = rng.normal(size=nothing.shape) * np.sqrt(squares)[:, None]
    model = fit_error_model(errors, nothing + 1.0, nothing, squares, nothing)
    for square in (2.0, 8.0, 30.0):
        one, none = np.array([square]), np.zeros((1, 400))
        width = model.half_width(*model.deviations(none, one, none), one, 0.95)[0]
        held = 1.0 - 2.0 * norm.sf(width / np.sqrt(square))
        for level, confidence in ((0.95, 0.8), (0.88, 0.98)):
            spread = np.sqrt(confidence * (1.0 - confidence) / 400)
            assert np.mean(held >= level) >= confidence - 4.0 * spread
        assert held.mean() <= 0.99


def test_errors_that_do_not_grow_have_intervals_too(rng):
    """Nothing is stated, and errors of all sizes are alike: intervals hold 90% to 99.9% of new ones."""
    squares, nothing = np.geomspace(1.0, 50.0, KIND_SETS), np.zeros((KIND_SETS, 200))
    model = fit_error_model(rng.normal(size=nothing.shape), nothing + 1.0, nothing, squares, nothing)
    widths = model.half_width(*model.deviations(nothing, squares, nothing), squares, 0.95)
    assert 0.9 <= (np.abs(rng.normal(size=nothing.shape)) <= widths).mean() <= 0.999


def test_intervals_hold_what_retraining_gives_for_sets_of_a_kind():
    """Twelve learners, of each kind up to 32 sets that were not retrained for it, three measurements.

    Sets of one learner share a calibration, so that the shares of learners are the independent observations:
    their mean stands at least 4 of its standard errors above 88% (false alarms: 1 in 30,000). Of classes the
    intervals of random sets hold fewer, by as many standard errors.
    """
    held = {"class": [], "near": []}
    for seed in range(12):
        learner, kinds = classes(seed=seed)
        measured = precompute(learner, 30, 2, seed=seed, kinds=kinds, **QUIET).measure(weights, **QUIET)
        known = {row.tobytes() for row in measured.calibration.downweights}
        for kind in measured.calibration.kinds:
            h = np.stack([row for row in kind.draw(60, 18, [seed, 1]) if row.tobytes() not in known])
            true = retrain(learner, weights=1.0 - h, measurement=weights, progress=False)
            bounds = [measured.predict_downweights(h, kind=name).interval for name in (kind.name, RANDOM)]
            held[kind.name].append([np.mean((low <= true) & (true <= high)) for low, high in bounds])
    for shares in map(np.array, held.values()):
        mean, spread = shares.mean(axis=0), shares.std(axis=0, ddof=1) / np.sqrt(len(shares))
        assert 0.88 + 4.0 * spread[0] <= mean[0] <= 0.997
    more = np.array(held["class"]) @ [1.0, -1.0]
    assert more.mean() >= 4.0 * more.std(ddof=1) / np.sqrt(len(more))


# on disk ----------------------------------------------------------------------------------------------------

def same(one, other):
    """Whether two calibrations are the same to the bit."""
    arrays = [[c.downweights, c.values, c.crossings, *(k.members for k in c.kinds)] for c in (one, other)]
    facts = [[(k.name, k.ordered, k.sets) for k in c.kinds] for c in (one, other)]
    return facts[0] == facts[1] and all(map(np.array_equal, *arrays))


def test_kinds_are_kept_and_a_damaged_calibration_is_made_again(tmp_path):
    learner, kinds = classes()
    made = precompute(learner, 8, kinds=kinds, out=tmp_path, **QUIET)
    assert same(load(tmp_path, learner).calibration, precompute(learner, 8, kinds=kinds, **QUIET).calibration)
    for name in ("calibration-kind-1", "calibration-values"):
        (tmp_path / f"{name}.npy").unlink()
        with pytest.raises(StoreError, match=f"{name}.npy is missing"):
            load(tmp_path, learner)
        assert same(precompute(learner, 8, kinds=kinds, out=tmp_path, **QUIET).calibration, made.calibration)


def test_a_folder_with_other_kinds_is_another_sketch(tmp_path):
    learner, kinds = classes()
    precompute(learner, 8, kinds=kinds, out=tmp_path, **QUIET)
    for other in (None, {"class": kinds["class"]}, kinds | {"class": kinds["class"] % 2}):
        with pytest.raises(LearnerError, match="its declaration of kinds differs"):
            precompute(learner, 8, kinds=other, out=tmp_path, **QUIET)


def test_an_old_folder_knows_random_sets_only(tmp_path):
    learner, path = tiny(), shutil.copytree(GOLDEN / "sketch_0_1" / "tiny", tmp_path / "tiny")
    old = load(path, learner)
    assert old.calibration.kinds == () and list(old.calibration.parts) == [RANDOM]
    assert old.measure(weights, **QUIET).predict([0]).kind == RANDOM
    with pytest.raises(LearnerError, match="declaration of kinds differs"):
        precompute(learner, 12, 3, seed=0, design="sphere", out=path, kinds={"a": [0] * 6}, **QUIET)


def test_merging_joins_the_sets_of_each_kind(tmp_path):
    learner, kinds = classes()
    drawn = {"degree": 2, "design": "sphere", **QUIET}
    one = precompute(learner, 8, seed=0, kinds=kinds, **drawn)
    two = precompute(learner, 8, seed=1, kinds={"near": kinds["near"], "half": np.arange(60) % 2}, **drawn)
    plain = precompute(learner, 8, seed=2, calibration=0, **drawn)
    merged = merge([one, two, plain])
    assert same(merge([one, two, plain], out=tmp_path).calibration, merged.calibration)
    assert same(load(tmp_path, learner).calibration, merged.calibration)
    for name in (RANDOM, "class", "near", "half"):
        parts = [s.calibration.of(name) for s in (one, two) if name in s.calibration.parts]
        expected = dict((h.tobytes(), v) for part in parts for h, v in zip(part.downweights, part.values))
        found = merged.calibration.of(name)
        assert len(found.downweights) == len(expected)
        assert all(np.array_equal(expected[h.tobytes()], v) for h, v in zip(found.downweights, found.values))
    other = precompute(learner, 8, seed=3, kinds={"class": np.arange(60) % 2}, **drawn)
    with pytest.raises(LearnerError, match="kind 'class' is not the same in all sketches"):
        merge([one, other])


@pytest.mark.parametrize("kinds, said", [
    (None, "its fact 'kinds' is None"), ([], "its fact 'kinds'"), ([["class"]], "its fact 'kinds'"),
    ([["class", False, 0, 60, "0" * 64]], "its fact 'kinds'"),
    ([["\x1b", False, 32, 60, "0" * 64]], "its fact"),
    ([["class", 1, 32, 60, "0" * 64]], "its fact"), ([["class", False, 32, 1, "0" * 64]], "its fact"),
    ([["class", False, 32, 60, "0" * 64]] * 2, "its fact"),
    ([["class", False, 160, 60, "0" * 64]], "no fewer sets than the 160")])
def test_a_manifest_with_impossible_kinds_is_refused(kinds, said, tmp_path):
    learner, good = classes()
    precompute(learner, 8, kinds=good, out=tmp_path, **QUIET)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["facts"]["kinds"] = kinds
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=said):
        load(tmp_path)


def test_members_of_a_kind_that_are_no_units_are_a_fault():
    facts = {"units": 60, "parameters": 3, "directions": 8, "calibration": 128, "psi": "", "downweight": "",
             "kinds": [["class", False, 32, 3, "0" * 64]]}
    form = expected_form("calibration-kind-0", facts)
    assert form.shape == (3, 2) and form.digest == "0" * 64
    assert expected_form("calibration-kind-1", facts) is None
    assert form.fault(np.array([[0, 2], [59, 0], [1, 1]])) is None
    for bad in ([60, 0], [-1, 0], [0, 3], [0, -1]):
        assert "it holds" in form.fault(np.array([[0, 0], bad, [1, 1]]))


# names ------------------------------------------------------------------------------------------------------

def test_names_have_kinds_by_letter_and_length():
    learner = names(steps=30)
    letter, length = checked_kinds(learner.kinds(), learner.used)
    with_a = [i for i, name in enumerate(learner.documents) if "a" in name]
    of_five = [i for i, name in enumerate(learner.documents) if len(name) == 5]
    assert with_a in [x.tolist() for x in letter.classes] and of_five in [x.tolist() for x in length.classes]
    grouped = names(steps=30, units=first_letter)
    assert all(unit in letters or not letters
               for unit, letters in zip(grouped.units, grouped.kinds()["letter"]))
