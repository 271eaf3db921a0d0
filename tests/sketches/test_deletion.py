"""Learners, sketches and predictions as a user meets them, and what bad input gets."""
import pickle

import numpy as np
import pytest
from checks import close
from learners import data, least_squares, logistic, logistic_loss, network, relu_loss, squared_loss

import circuit as C
from circuit import DomainError, InputError
from deletion import (
    SGD, Adam, Learner, LearnerError, LinearDecay, Momentum, given, precompute, retrain, sphere)


def measure(w):
    return w.sum()


@pytest.fixture(scope="module")
def sketch():
    return precompute(logistic(), 64, 3, seed=1, design="sphere")


# what predictions are ---------------------------------------------------------------------------------------

def test_a_prediction(sketch):
    p = sketch.measure(measure).predict([3, 5])
    assert p.terms.shape == (4,) and p.value == pytest.approx(p.terms.sum())
    assert p.change == pytest.approx(p.value - p.terms[0])
    assert p.terms[0] == pytest.approx(sketch.learner.train()[0].sum(), rel=1e-12) and p.standard_error > 0
    truth = retrain(sketch.learner, [[3, 5]], measure)[0]
    assert abs(p.value - truth) < 4 * p.standard_error + 0.02 * abs(truth - p.terms[0])


@pytest.mark.parametrize("decoder", ["mean", "median of means"])
def test_nothing_deleted_predicts_exactly_the_trained_model(sketch, decoder):
    measured = sketch.measure(measure)
    # sums of zeros
    for p in (measured.predict([], decoder=decoder), measured.predict([2, 9], weight=1.0, decoder=decoder)):
        assert p.value == measured.value and p.change == 0.0 and p.standard_error == 0.0
        assert not p.terms[1:].any()


def test_a_vector_measurement_is_its_scalars(sketch):
    vector = sketch.measure(lambda w: C.exp(w).reshape(3, 1)).predict([3, 5], decoder="mean")
    assert vector.value.shape == (3, 1) and vector.terms.shape == (4, 3, 1)
    assert vector.standard_error.shape == (3, 1)
    for i in range(3):
        scalar = sketch.measure(lambda w: C.exp(w)[i]).predict([3, 5], decoder="mean")
        np.testing.assert_allclose([vector.value[i, 0], vector.standard_error[i, 0]],
                                   [scalar.value, scalar.standard_error], rtol=1e-12)


def test_weights_scale_each_degree(sketch):
    measured = sketch.measure(measure)
    whole, half = measured.predict([3]), measured.predict([3], weight=0.5)
    np.testing.assert_allclose(half.terms, whole.terms * 0.5 ** np.arange(4), rtol=1e-12)


def test_units_delete_all_their_examples():
    units = np.array(["ann", "bob", "cid"])[np.arange(30) % 3]
    learner = logistic(units=units)
    assert learner.units == ["ann", "bob", "cid"]
    exact = precompute(learner, given(learner.downweight("bob")), 3).measure(measure).along(0, 1.0)
    single = logistic()
    same = precompute(single, given(single.downweight(range(1, 30, 3))), 3).measure(measure).along(0, 1.0)
    np.testing.assert_allclose(exact, same, rtol=1e-12)
    np.testing.assert_allclose(retrain(learner, ["bob", ["ann", "cid"]], measure),
                               retrain(single, [range(1, 30, 3), [i for i in range(30) if i % 3 != 1]],
                                       measure), rtol=1e-12)


def test_a_unit_without_examples_changes_nothing():
    """Trainings side by side take the same compiled steps: equal weights give equal bits."""
    learner = logistic(units=["a"] * 30, all_units=["a", "b"])
    assert (retrain(learner, ["b", []]) == learner.trained).all()
    p = precompute(learner, given(learner.downweight("b")), 2).measure(measure)
    assert not p.coefficients.any()


def test_retraining_many_at_once_is_one_by_one():
    learner = network()
    sets = [[], [3], [0, 1, 2], list(range(20))]
    together = retrain(learner, sets, lambda p: p["w1"].sum())
    assert close(together, np.array([retrain(learner, [s], lambda p: p["w1"].sum())[0] for s in sets]), 1e-12)
    alone = learner.train(learner.example_weights(learner.downweight([3])))[0]
    assert close(retrain(learner, sets)[1], alone, 1e-12)
    weights = np.ones((1, 20))
    weights[0, 3] = 0.0
    assert close(retrain(learner, weights=weights), retrain(learner, [[3]]), 1e-12)


def test_the_same_seed_gives_the_same_bits_whatever_the_threads():
    """A block is one compiled loop over directions of its own, on one thread, whoever runs it."""
    learner = network()
    one, two = (precompute(learner, 20, 3, seed=5, design="sphere", threads=k) for k in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one.blocks, two.blocks))
    assert np.array_equal(one.theta, two.theta)
    assert not np.array_equal(one.blocks[0], precompute(learner, 20, 3, seed=6, design="sphere").blocks[0])


def test_optimisers_are_what_they_say(rng):
    x, y = data(8, 3)
    for optimizer in (SGD(LinearDecay(0.2)), Momentum(0.1, 0.8), Adam(LinearDecay(0.05), 0.85, 0.99, 1e-3)):
        learner = Learner(np.ones(3), list(zip(x, y)), squared_loss, optimizer, np.arange(20) % 8)
        theta, m, v = np.ones(3), np.zeros(3), np.zeros(3)
        for step in range(20):
            g = x[step % 8] * (x[step % 8] @ theta - y[step % 8])
            if isinstance(optimizer, SGD):
                theta = theta - 0.2 * (1 - step / 20) * g
            elif isinstance(optimizer, Momentum):
                m = 0.8 * m + g
                theta = theta - 0.1 * m
            else:
                m, v = 0.85 * m + 0.15 * g, 0.99 * v + 0.01 * g * g
                theta = (theta - 0.05 * (1 - step / 20) * (m / (1 - 0.85 ** (step + 1)))
                         / np.sqrt(v / (1 - 0.99 ** (step + 1)) + 1e-3))
        assert close(learner.train()[0], theta, 1e-12)


def test_a_learner_survives_pickling_and_its_fingerprint_tells_what_it_does():
    learner = network()
    again = pickle.loads(pickle.dumps(learner))
    assert again.fingerprint() == learner.fingerprint() and close(again.train()[0], learner.train()[0], 1e-13)
    # the same compiled steps: a sketch may go on elsewhere
    assert (again.trained == learner.trained).all()
    others = [network(steps=29), network(optimizer=Momentum(0.06)), network(n=21), network(units=[0, 1] * 10)]
    assert len({learner.fingerprint(), *(o.fingerprint() for o in others)}) == 5


# what bad input gets ----------------------------------------------------------------------------------------

def test_deletion_sets_may_be_generators(learner):
    """Each is read once."""
    expected = learner.deletion_sets([[1], [3, 4]])
    result = learner.deletion_sets((unit for unit in chosen) for chosen in ([1], [3, 4]))
    assert len(result) == 2 and all(np.array_equal(a, b) for a, b in zip(result, expected))


def test_deletion_sets_that_make_no_sense(sketch):
    measured = sketch.measure(measure)
    for bad, words in (([30], "no unit 30 to delete; the learner's units are 0 to 29"), ([-1], "no unit -1"),
                       ([2, 2], "unit 2 .*more than once"), (["x"], "no unit 'x'"), ([1.5], "no unit 1.5"),
                       ([True], "no unit True")):
        with pytest.raises(LearnerError, match=words):
            measured.predict(bad)
        with pytest.raises(LearnerError, match=words):
            retrain(sketch.learner, [bad], measure)
    with pytest.raises(LearnerError, match="units are 'a', 'b'"):
        logistic(units=["a", "b"] * 15).unit_indices([0])


@pytest.mark.parametrize("weight", [-0.1, 2.1, np.nan, np.inf])
def test_weights_of_a_set_that_make_no_sense(sketch, weight):
    with pytest.raises(LearnerError, match="lies between 0 and 2"):
        sketch.measure(measure).predict([1], weight=weight)


@pytest.mark.parametrize("arguments, words", [
    (dict(weights=np.ones(30)), "weights of shape"),
    (dict(weights=np.ones((2, 29))), "one column per unit"),
    (dict(weights=np.full((1, 30), -1.0)), ">= 0"),
    (dict(weights=np.full((1, 30), np.nan)), "finite"),
    (dict(), "one of the two"),
    (dict(sets=[]), "no deletion sets"),
    (dict(sets=3), "sequence of deletion sets"),
])
def test_retraining_what_makes_no_sense(sketch, arguments, words):
    with pytest.raises(LearnerError, match=words):
        retrain(sketch.learner, **arguments)


@pytest.mark.parametrize("arguments, words", [
    (dict(directions=0), "at least one direction"),
    (dict(directions=-3), "at least one direction"),
    (dict(directions=2.5), "at least one direction"),
    (dict(degree=-1), "whole number >= 0"),
    (dict(degree=1.0), "whole number"),
    (dict(directions=np.ones((2, 7))), "directions of 7 units for a learner with 30"),
    (dict(directions=np.full((1, 30), np.nan)), "direction 0 holds"),
    (dict(downweight=np.ones(4)), "one real number per unit"),
])
def test_precomputing_what_makes_no_sense(arguments, words):
    with pytest.raises(InputError, match=words):
        precompute(logistic(), **arguments)


@pytest.mark.parametrize("decoder, virtue", [("mean", "unbiased"), ("median of means", "consistent")])
def test_estimators_refuse_directions_that_are_not_unitarily_invariant(decoder, virtue):
    measured = precompute(logistic(), np.eye(30), 2).measure(measure)
    with pytest.raises(LearnerError, match=f"the {decoder} is {virtue} only for directions that are uniform"):
        measured.predict([1], decoder=decoder)


@pytest.mark.parametrize("arguments, words", [
    (dict(decoder="mode"), "no decoder 'mode'; there are 'auto', 'mean'"),
    (dict(decoder="mean", groups=3), "groups are for"),
    (dict(decoder="median of means", groups=0), "groups: expected a whole number >= 1, got 0"),
    (dict(decoder="median of means", groups=65), "groups: expected at most 64"),
])
def test_decoders_that_make_no_sense(sketch, arguments, words):
    with pytest.raises(LearnerError, match=words):
        sketch.measure(measure).predict([1], **arguments)


def test_measurements_without_a_derivative_are_refused_with_advice(sketch):
    for bad in (lambda w: C.argmax(w), lambda w: w.argmax(), lambda w: C.step(w).mean(), lambda w: 1.0,
                lambda w: (w > 0).mean()):
        with pytest.raises(InputError, match="[Mm]easure a loss"):
            sketch.measure(bad)
    with pytest.raises(LearnerError, match="one scalar or vector"):
        sketch.measure(lambda w: (w, w))


X, Y = data(4, 2)
EXAMPLES, UNEQUAL = list(zip(X, Y)), [(X[0], Y[0]), (X[0, :1], Y[0])]


@pytest.mark.parametrize("parameters, examples, loss, schedule, words", [
    (np.zeros(2), [], squared_loss, [], "at least one example"),
    (np.zeros(2), EXAMPLES, squared_loss, [4], "names example 4"),
    (np.zeros(2), EXAMPLES, squared_loss, [0.5], "whole numbers"),
    (np.zeros(2), EXAMPLES, lambda w, x, y: w * x, [0], "it is a scalar"),
    (np.zeros(2), EXAMPLES, lambda w, x, y: w.sum(), [[0, 1]], "one number per example"),
    (np.array([np.nan, 0.0]), EXAMPLES, squared_loss, [0], r"nan at \(0,\)"),
    (np.zeros(0), EXAMPLES, squared_loss, [0], "at least one parameter"),
    (np.zeros(2), UNEQUAL, squared_loss, [[0, 1]], "cannot be one batch"),
    (np.zeros(3), EXAMPLES, squared_loss, [0], "gate einsum"),
])
def test_learners_that_make_no_sense(parameters, examples, loss, schedule, words):
    with pytest.raises(InputError, match=words):
        Learner(parameters, examples, loss, SGD(0.1), schedule)


@pytest.mark.parametrize("units, words", [
    (dict(units=[1, 2, 3]), "3 unit labels for 4 examples"),
    (dict(units=[1, 2, 3, 1], all_units=[1, 2]), "unit 3 is not among"),
])
def test_units_that_make_no_sense(units, words):
    with pytest.raises(LearnerError, match=words):
        Learner(np.zeros(2), EXAMPLES, squared_loss, SGD(0.1), [0], **units)


def test_nan_names_gate_step_document_and_direction():
    x, y = data(4, 2)
    learner = Learner(np.ones(2), list(zip(x * 1e3, y)), squared_loss, SGD(1e3), np.arange(60) % 4,
                      labels=["ann", "bob", "cid", "dee"])
    with pytest.raises(DomainError,
                       match=r"step \d+ \(example \d, '(ann|bob|cid|dee)'\): gate \w+ at wire %\d+ gives"):
        learner.train()
    with pytest.raises(DomainError,
                       match=r"step \d+ \(example \d, '(ann|bob|cid|dee)'\): gate \w+ at wire %\d+ gives"):
        precompute(learner, 4, 2)
    # constant parts that stay finite, coefficients that do not
    growing = Learner(np.ones(2), list(zip(x, y)), squared_loss, SGD(0.1), np.arange(40) % 4)
    psi = np.zeros((10, 4), complex)
    psi[9] = 1e100
    words = r"step \d+ \(example \d\): gate \w+ at wire %\d+ gives .* order \d, direction 9"
    with pytest.raises(DomainError, match=words):
        precompute(growing, given(psi), 4)


def test_a_kink_in_training_names_gate_and_step():
    x, y = data(4, 2)
    learner = Learner(np.zeros(2), list(zip(x, y)), relu_loss, SGD(0.1), np.arange(8) % 4)
    learner.train()      # a plain training takes a branch
    with pytest.raises(DomainError, match=r"step 0 \(example 0\): gate relu .*kink"):
        precompute(learner, 4, 1)
    with pytest.raises(LearnerError, match="step 0 .*gate relu .*kink"):
        learner.check()


def test_check_finds_randomness_and_what_cannot_be_pickled():
    x, y = data(4, 2)
    assert logistic().check().unit_count == 30
    rng = np.random.default_rng(0)

    def noisy(w, x, y):
        return squared_loss(w, x + rng.normal(size=2), y)
    with pytest.raises(LearnerError, match="not deterministic"):
        Learner(np.ones(2), list(zip(x, y)), noisy, SGD(0.1), [0, 1]).check()
    with pytest.raises(LearnerError, match="cannot be pickled"):
        Learner(np.ones(2), list(zip(x, y)), lambda w, x, y: logistic_loss(w, x, y), SGD(0.1), [0, 1]).check()


def test_random_directions_need_units():
    with pytest.raises(LearnerError, match="at least one unit"):
        sphere(3, 0, 0)


def test_a_learner_of_one_example_and_of_everything_deleted():
    learner = least_squares(n=1, d=1, steps=5)
    p = precompute(learner, 8, 2).measure(measure).predict([0])
    assert np.isfinite(p.value)
    assert retrain(learner, [[0]], measure)[0] == 0.0      # nothing ever moved it


def test_a_learner_recorded_again_is_the_same_but_for_what_changes():
    learner = network(regularizer=lambda p: (p["w1"] ** 2).sum() * 0.01, units=np.arange(20) % 5)
    assert learner.again().fingerprint() == learner.fingerprint()
    assert learner.again(units=np.arange(20) % 3).units == [0, 1, 2]
    assert learner.again(units=None).units == list(range(20))
    warm = learner.again(parameters=learner.layout.split(learner.trained), regularizer=None)
    assert np.array_equal(warm.layout.initial, learner.trained) and warm.regularizer is None
    assert warm.units == learner.units
    assert warm.fingerprint_parts()["schedule"] == learner.fingerprint_parts()["schedule"]
