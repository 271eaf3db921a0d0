"""The metagradient against derivatives that know nothing of reverse mode, and the sketch it is joined to."""
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from learners import (
    data, least_squares, logistic, network, network_loss, of_weights, relu_loss, ridge, squared_loss, tiny)

import circuit as C
from benchmarks.truth import Several, error
from circuit import DomainError, evaluate
from deletion import SGD, Adam, Learner, LearnerError, Momentum, given, precompute, retrain
from deletion.influence import metagradient
from microgpt import names


def gradient_exact(learner, measure, weights=None):
    """By complex steps through the whole training: Im f(w + i e) / e, exact to rounding; one training per
    unit."""
    weights = np.ones(learner.unit_count) if weights is None else weights
    moved = weights + 1e-30j * np.eye(learner.unit_count)
    theta = learner.train(learner.example_weights(1.0 - moved))[0]
    return evaluate(learner.measurement(measure), [theta])[0].imag / 1e-30


def close(result, expected, tolerance):
    assert result.shape == expected.shape
    return np.abs(result - expected).max() <= tolerance * np.abs(expected).max()


def tokens_loss(w, x, y):
    return ((C.gelu(x @ w) - y) ** 2).mean()


def three_kinds():
    """Examples of three shapes, and so three circuits; every unit several times, one unit never."""
    rng = np.random.default_rng(6)
    examples = [(rng.normal(size=(1 + i % 3, 2)), rng.normal(size=1 + i % 3)) for i in range(9)]
    return Learner(np.array([0.3, -0.2]), examples, tokens_loss, Adam(0.1, eps=0.1), np.arange(25) % 9,
                   regularizer=ridge, units=[f"user {i % 4}" for i in range(9)],
                   all_units=[f"user {i}" for i in range(5)])


def repeated():
    """Minibatches in which examples, and units, come twice."""
    x, y = data(8, 3, 2)
    rng = np.random.default_rng(3)
    parameters = {"w1": rng.normal(size=(3, 2)), "b1": np.zeros(2), "w2": rng.normal(size=2)}
    schedule = np.array([[0, 0, 1], [2, 3, 2], [4, 5, 6], [7, 7, 7], [1, 0, 4]] * 4)
    return Learner(parameters, list(zip(x, y)), network_loss, Momentum(0.02, 0.9), schedule,
                   units=[i // 2 for i in range(8)])


def first_and_all(p):
    """A vector measurement, one element of which depends on a single parameter."""
    return C.concatenate([p[0].reshape(1), (p * p).reshape(-1), C.exp(p).sum().reshape(1)])


LEARNERS = {"logistic": (logistic, first_and_all), "adam": (tiny, first_and_all),
            "momentum": (network, of_weights), "three kinds of circuits": (three_kinds, first_and_all),
            "repeated examples": (repeated, of_weights),
            "regulariser": (lambda: least_squares(steps=60), first_and_all)}


@pytest.mark.parametrize("name", LEARNERS)
def test_it_is_the_derivative_by_complex_steps(name, rng):
    make, measure = LEARNERS[name]
    learner = make()
    result = metagradient(learner, measure)
    expected = gradient_exact(learner, measure)
    assert close(result.gradient, expected, 1e-11)
    assert close(result.value, evaluate(learner.measurement(measure), [learner.train()[0]])[0], 1e-13)
    weights = rng.uniform(0.2, 1.5, learner.unit_count)
    assert close(metagradient(learner, measure, weights=weights).gradient,
                 gradient_exact(learner, measure, weights), 1e-11)


def test_it_is_central_differences_of_retraining():
    learner, step = three_kinds(), 1e-4
    moved = np.eye(5) * step
    high, low = (retrain(learner, weights=1.0 + way, measurement=first_and_all) for way in (moved, -moved))
    gradient = metagradient(learner, first_and_all).gradient
    assert close(gradient, (high - low) / (2 * step), 1e-7)
    assert not gradient[4].any()      # the user without examples


def test_three_routes_to_the_first_order_of_microgpt():
    """Reverse mode; a real push of every unit; and 100 complex directions, whose 200 numbers determine 200
    effects."""
    learner = names(steps=200)
    measure = Several(tuple(learner.loss_on(name) for name in learner.held_out[:2]))
    reverse = metagradient(learner, measure)
    pushed = precompute(learner, given(np.eye(200)), 1, calibration=0).measure(measure)
    sketch = precompute(learner, 100, 1, design="sphere", calibration=0).measure(measure)
    decoded = sketch.leave_one_out(decoder="least squares", intervals=False).change
    np.testing.assert_allclose(reverse.value, pushed.value, rtol=1e-12)
    assert close(reverse.gradient, -pushed.coefficients[:, 0].real, 1e-9)
    assert close(reverse.changes([[unit] for unit in learner.units]), decoded, 1e-9)


def test_converged_ridge_regression_has_a_closed_form():
    learner = least_squares(steps=600)
    x, y = (np.array(column) for column in zip(*learner.examples))
    hessian = x.T @ x / len(x) + 0.1 * np.eye(3)
    theta = np.linalg.solve(hessian, x.T @ y / len(x))
    expected = np.linalg.solve(hessian, (x * (y - x @ theta)[:, None]).T).T / len(x)
    assert close(metagradient(learner, lambda w: w).gradient, expected, 1e-10)


def test_more_elements_than_go_together():
    learner = network()
    gradient = metagradient(learner, lambda p: C.concatenate([p["w1"].reshape(-1)] * 3)).gradient
    assert gradient.shape == (20, 36) and close(gradient[:, :12], gradient[:, 24:], 1e-13)
    assert close(gradient[:, :12], gradient_exact(learner, lambda p: p["w1"].reshape(-1)), 1e-11)


def test_changes_take_sets_as_retraining_does():
    learner = three_kinds()
    result = metagradient(learner, first_and_all)
    sets = [["user 1", "user 3"], "user 0", []]
    first = -result.gradient
    np.testing.assert_allclose(result.changes(sets), [first[1] + first[3], first[0], 0.0 * first[0]],
                               rtol=1e-13)
    np.testing.assert_allclose(result.changes(sets, weight=0.25), 0.75 * result.changes(sets), rtol=1e-13)
    assert result.changes([]).shape == (0,) + result.value.shape and not result.changes([[]]).any()


def test_a_scalar_measurement_and_a_constant_one():
    learner = logistic()
    assert metagradient(learner, lambda w: w.sum()).changes([[1], [2, 3]]).shape == (2,)
    still = metagradient(learner, lambda w: np.array([1.0, 2.0]))
    assert np.array_equal(still.value, [1.0, 2.0]) and still.gradient.shape == (30, 2)
    assert not still.gradient.any()


def test_on_a_kink_the_branch_in_force_counts():
    """At the first step x @ w is exactly 0, where a sketch finds no series."""
    x = np.array([[1.0, -1.0], [0.5, 0.2], [0.3, 0.9]])
    learner = Learner(np.ones(2), list(zip(x, [2.0, 0.1, 0.4])), relu_loss, SGD(0.1), np.arange(9) % 3)
    assert close(metagradient(learner, lambda w: w).gradient, gradient_exact(learner, lambda w: w), 1e-12)
    with pytest.raises(DomainError, match="kink"):
        precompute(learner, 2, 1, calibration=0)


# joined to a sketch -----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def joined():
    """(learner, a measured sketch that does not determine degree 1, the gradient), for directions of the
    sphere."""
    learner = logistic(n=40, steps=20)
    return learner, precompute(learner, 8, 3,
                               design="sphere").measure(first_and_all), metagradient(learner, first_and_all)


@pytest.mark.parametrize("decoder", ["least squares", "mean", "median of means"])
def test_degree_one_is_exact_and_the_others_are_the_sketchs(joined, decoder):
    learner, alone, gradient = joined
    sets = [[3], [1, 2, 30], list(range(10))]
    rest = replace(alone, coefficients=alone.coefficients * np.array([0.0, 1.0, 1.0])[:, None])
    both, others = (m.predict_many(sets, decoder=decoder) for m in (alone.with_gradient(gradient), rest))
    np.testing.assert_allclose(both.terms[:, 1], gradient.changes(sets), rtol=1e-12)
    expected = alone.predict_many(sets, decoder=decoder).terms[:, 2:]
    np.testing.assert_allclose(both.terms[:, 2:], expected, rtol=1e-12)
    np.testing.assert_allclose(both.change, gradient.changes(sets) + others.change, rtol=1e-12)
    np.testing.assert_allclose(both.standard_error, others.standard_error, rtol=1e-12)
    assert not alone.with_gradient(gradient).predict([], decoder=decoder).change.any()


def test_all_that_is_said_of_a_prediction_is_said_of_the_joined_one(joined):
    learner, alone, gradient = joined
    both = alone.with_gradient(gradient)
    rng = np.random.default_rng(1)
    sets = [rng.choice(40, 4, replace=False) for _ in range(60)]
    true = retrain(learner, sets, first_and_all) - alone.value
    one, two = alone.predict_many(sets), both.predict_many(sets)
    assert error(two.change, true) < 0.2 * error(one.change, true)
    assert np.mean(two.interval[1] - two.interval[0]) < 0.5 * np.mean(one.interval[1] - one.interval[0])
    for prediction in (one, two):  # the narrower intervals still hold what the wider ones hold
        low, high = prediction.interval - alone.value
        assert np.mean((low <= true) & (true <= high)) > 0.9
    assert set(two.verdict) == {"trust"} and set(one.verdict) == {"more directions"}
    assert both.choice[0] in two.decoder and both.choice[1] != alone.choice[1]
    assert close(both.along(0, 0.5), alone.along(0, 0.5), 1e-14)


def test_where_directions_determine_degree_one_nothing_changes():
    learner = logistic(n=12, steps=20)
    alone = precompute(learner, 12, 3).measure(first_and_all)
    both = alone.with_gradient(metagradient(learner, first_and_all))
    sets = [[1, 2], [5], list(range(6))]
    np.testing.assert_allclose(both.predict_many(sets).change, alone.predict_many(sets).change, rtol=1e-9)
    assert close(both.predict_many(sets).terms, alone.predict_many(sets).terms, 1e-11)


def test_joined_to_a_sketch_around_another_downweight():
    """The first order of its predictions is then the gradient there, times how far weights are moved."""
    learner = logistic(n=12, steps=20)
    weights = np.where(np.arange(12) == 3, 0.5, 1.0)
    alone = precompute(learner, 3, 3, downweight=1.0 - weights, design="sphere").measure(first_and_all)
    gradient = metagradient(learner, first_and_all, weights=weights)
    both = alone.with_gradient(gradient)
    np.testing.assert_allclose(both.predict([1]).terms[1], -gradient.gradient[1], rtol=1e-12)
    np.testing.assert_allclose(both.predict([3], weight=1.0).terms[1], 0.5 * gradient.gradient[3], rtol=1e-12)
    with pytest.raises(LearnerError, match="other weights"):
        alone.with_gradient(metagradient(learner, first_and_all))


# what makes no sense ----------------------------------------------------------------------------------------

def refused(words, calculate):
    with pytest.raises((LearnerError, C.CircuitError), match=words):
        calculate()


def test_gradients_of_something_else_are_refused(joined):
    learner, alone, gradient = joined
    refused("another learner.*data",
            lambda: alone.with_gradient(metagradient(logistic(n=41, steps=20), first_and_all)))
    refused("another learner.*learning rates", lambda: alone.with_gradient(
        metagradient(logistic(n=40, steps=20, optimizer=SGD(0.9)), first_and_all)))
    refused(r"another measurement.*shape \(\)",
            lambda: alone.with_gradient(metagradient(learner, lambda w: w.sum())))
    refused("another measurement",
            lambda: alone.with_gradient(metagradient(learner, lambda w: first_and_all(w) + 0.01)))
    refused("another measurement",
            lambda: alone.with_gradient(replace(gradient, gradient=gradient.gradient[::-1])))
    # the same learner, made again
    again = alone.with_gradient(metagradient(logistic(n=40, steps=20), first_and_all))
    assert close(again.gradient, gradient.gradient, 1e-13)
    refused("degree 0",
            lambda: replace(alone, coefficients=alone.coefficients[:, :0]).with_gradient(gradient))
    refused("a Metagradient", lambda: alone.with_gradient(gradient.gradient))


@pytest.mark.parametrize("options, words", [
    ({"weights": np.ones(11)}, "one number >= 0 per unit"),
    ({"weights": np.ones((2, 11))}, "one number >= 0 per unit.*rows of them"),
    ({"weights": np.ones((1, 2, 12))}, "one number >= 0 per unit"),
    ({"weights": np.ones((0, 12))}, "one number >= 0 per unit"),
    ({"weights": -np.ones(12)}, "one number >= 0 per unit.*-1"),
    ({"weights": [np.nan] * 12}, "finite numbers"),
    ({"weights": "ones"}, "real numbers"),
    ({"weights": []}, "one number >= 0 per unit"),
    ({"memory": 0}, "memory, a number of bytes: expected a whole number >= 1"),
    ({"memory": True}, "whole number"),
    ({"memory": 2.5e9}, "whole number"),
    ({"memory": "1 GB"}, "whole number"),
    ({"memory": 40}, "2 of 24 bytes each. Give memory=48 or more"),
    ({"threads": 0}, "the number of threads"),
])
def test_options_that_make_no_sense(options, words):
    refused(words, lambda: metagradient(logistic(n=12, steps=3), first_and_all, **options))


def test_questions_that_make_no_sense():
    learner = logistic(n=12, steps=3)
    result = metagradient(learner, first_and_all)
    refused("no unit 12", lambda: result.changes([[12]]))
    refused("more than once", lambda: result.changes([[1, 1]]))
    refused("sequence of sets", lambda: result.changes(1))
    refused("sequence of sets", lambda: result.changes("12"))
    refused("lies between 0 and 2", lambda: result.changes([[1]], weight=-1.0))
    refused("weights of its own",
            lambda: metagradient(learner, first_and_all, weights=np.full(12, 0.5)).changes([[1]]))
    refused("a function", lambda: metagradient(learner, 3.0))
    refused("only by jumps", lambda: metagradient(learner, lambda w: C.step(w)))


def three_halves_loss(w, x, y):
    return (x @ w - y) ** 1.5


def test_what_is_no_number_on_the_way_back_names_step_and_example():
    """(x w - y)^1.5 has a slope where it is 0, and no second derivative."""
    learner = Learner(np.ones(1), [(np.array([x]), 1.0) for x in (2.0, 3.0, 1.0)], three_halves_loss,
                      SGD(0.0), np.arange(3), labels=["anna", "bob", "carl"])
    learner.train()
    with pytest.raises(DomainError, match=r"step 2 \(example 2, 'carl'\): on the way back, "
                                          "gate power .*positive base"):
        metagradient(learner, lambda w: w)
    with pytest.raises(DomainError, match="the measurement of the trained parameters: gate power"):
        metagradient(tiny(), lambda w: (w - w) ** 0.5)
    wild = Learner(np.ones(1), [(np.array([1e200]), 1.0)], squared_loss, SGD(1.0), np.zeros(3, int))
    with pytest.raises(DomainError, match=r"step 0 \(example 0\): gate"):
        metagradient(wild, lambda w: w)


def test_the_benchmark_tells_cost_and_accuracy(tmp_path):
    command = ["benchmarks.metagradient", "--quick", "--designs", "pairs", "--bank", tmp_path / "bank",
               "--json", tmp_path / "report.json"]
    result = subprocess.run([sys.executable, "-m", *map(str, command)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "states held at once" in result.stdout and "plain trainings" in result.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(report["agreement"]) == 2 and max(float(row[1]) for row in report["agreement"]) < 1e-9
    scores = report["accuracy"]      # {name: {size: [LDS, error]}}
    assert scores["pairs and metagradient"]["7"][1] < scores["metagradient"]["7"][1] < scores["pairs"]["7"][1]
