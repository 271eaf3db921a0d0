"""The exact finite step: two evaluations of the step contracted with the adjoints, and what it predicts."""
import numpy as np
import pytest
from batches import ADAM, close, first_and_all, repeated, small_ridge, three_kinds
from learners import least_squares, logistic, network, network_loss, of_weights, ridge, tiny
from naive_backward import backwards_naive

import circuit as C
from deletion import SGD, Adam, Learner, LearnerError, Momentum, retrain
from deletion.gradients.circuits import removals, update_is_affine
from deletion.influence import metagradient
from microgpt import names


def by_rows_loss(p, x, y):
    """Divides by the number of rows: a batch of fewer has other numbers."""
    return network_loss(p, x, y) * (3.0 / y.shape[0])


def of_three_loss(p, x, y):
    """Cannot be recorded for a batch of another length."""
    return network_loss(p, x, y) * np.array([1.0, 1.0, 1.0])


LEARNERS = {
    "adam, one example a step": tiny,
    "adam, batches of one": lambda: network(optimizer=ADAM, steps=12).again(
        schedule=np.arange(12).reshape(12, 1), regularizer=small_ridge),
    "adam, minibatches": lambda: network(optimizer=ADAM, steps=12),
    "adam, full batches": lambda: logistic(n=9, steps=6, optimizer=ADAM, regularizer=ridge),
    "adam, units several times": repeated,
    "adam, units several times, regularizer": lambda: repeated(regularizer=small_ridge),
    "adam, three kinds of circuits": three_kinds,
    "adam, a loss that divides by the rows": lambda: repeated(loss=by_rows_loss),
    "adam, a loss of three rows": lambda: repeated(loss=of_three_loss),
    "sgd": lambda: least_squares(steps=20),
    "sgd, one example a step": lambda: three_kinds(SGD(0.1)),
    "momentum": lambda: repeated(Momentum(0.02), regularizer=small_ridge),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_it_is_two_evaluations_of_the_step(name, rng):
    learner = LEARNERS[name]()
    weights = rng.uniform(0.3, 1.5, learner.unit_count)
    weights[1] = 0.0
    for base in (np.ones(learner.unit_count), weights):
        result = metagradient(learner, first_and_all, weights=base, finite_step=True)
        naive = backwards_naive(learner, first_and_all, base)
        assert close(result.finite.T, naive.finite) and close(result.gradient.T, naive.gradient)
    assert not result.finite[1].any() and result.gradient[1].any()      # the unit of weight 0
    assert metagradient(learner, first_and_all).finite is None


@pytest.mark.parametrize("name", LEARNERS)
def test_at_many_bases(name, rng):
    """Twenty bases and few elements: blocks of bases, each with states of its own."""
    learner = LEARNERS[name]()
    bases = rng.uniform(0.3, 1.5, (20, learner.unit_count))
    result = metagradient(learner, lambda p: first_and_all(p)[:2], weights=bases, finite_step=True)
    for k in (0, 15, 16, 19):
        naive = backwards_naive(learner, lambda p: first_and_all(p)[:2], bases[k])
        assert close(result.finite[k].T, naive.finite) and close(result.gradient[k].T, naive.gradient)


def test_of_microgpt():
    learner = names(steps=8)
    measure = learner.loss_on(learner.held_out[0])
    result = metagradient(learner, measure, finite_step=True)
    naive = backwards_naive(learner, measure)
    assert close(result.finite, naive.finite[0]) and close(result.gradient, naive.gradient[0])


def test_rows_of_a_removal():
    """The unit's examples alone, or the whole batch where the loss depends on the number of rows."""
    def rows(learner):
        return {len(removal.step.weights) for number in range(20) for removal in removals(learner).of(number)}
    assert rows(repeated()) == {1, 2, 3}
    assert rows(repeated(loss=by_rows_loss)) == rows(repeated(loss=of_three_loss)) == {3}
    learner = repeated()
    steps = [removals(learner).of(number) for number in range(20)]
    assert [[removal.place for removal in step] for step in steps[:5]] == [[0], [0], [0, 2], [0], [0, 2]]
    shared = [removal.step.data[2:] for step in steps for removal in step]
    assert len({id(x) for arrays in shared for x in arrays}) <= 3 * 8      # equal arrays are stored once


def test_a_contribution_of_zero_where_the_update_is_affine():
    """Of SGD and momentum it is minus weight times slope, and not calculated."""
    for name, make in LEARNERS.items():
        assert update_is_affine(make()) == name.startswith(("sgd", "momentum"))


class Clipped:
    """An update whose derivative in the gradient is constant where it is not 0: not affine."""

    def state(self, size):
        return ()

    def constants(self, step, steps):
        return ()

    def update(self, theta, gradient, state, constants):
        return theta - C.maximum(gradient, -0.5) * 0.1, ()


class Signed(Clipped):
    def update(self, theta, gradient, state, constants):
        return theta - (C.step(gradient) + gradient) * 0.1, ()


@pytest.mark.parametrize("optimizer", [Clipped(), Signed()])
def test_updates_with_branches(optimizer):
    learner = logistic(n=6, steps=5, optimizer=optimizer)
    assert not update_is_affine(learner)
    result = metagradient(learner, first_and_all, finite_step=True)
    assert close(result.finite.T, backwards_naive(learner, first_and_all).finite)


def test_predictions_by_it_are_nearer_for_adam():
    """Of deleting single units, against retraining; for fractions it has the gradient's slope."""
    learner = network(n=40, steps=60, optimizer=Adam(0.01, eps=1e-3))
    result = metagradient(learner, of_weights, finite_step=True)
    sets = [[i] for i in range(40)]
    true = retrain(learner, sets, of_weights) - result.value
    first, finite = result.changes(sets), result.changes(sets, finite_step=True)
    assert np.array_equal(finite, result.finite) and close(first, -result.gradient, 1e-15)
    assert np.linalg.norm(finite - true) < 0.5 * np.linalg.norm(first - true)
    little = result.changes(sets, weight=1.0 - 1e-6, finite_step=True)
    assert close(little * 1e6, first, 1e-4)
    half = result.changes([[3, 5]], weight=0.5, finite_step=True)
    expected = -0.25 * result.gradient[[3, 5]].sum() + 0.25 * result.finite[[3, 5]].sum()
    assert close(half, expected.reshape(1), 1e-12)


def test_what_makes_no_sense():
    with pytest.raises(LearnerError, match=r"no finite steps.*finite_step=True"):
        metagradient(tiny(), first_and_all).changes([[1]], finite_step=True)


def test_a_loss_that_changed_is_refused():
    """It is recorded once more for the finite step."""
    factor = [1.0]
    learner = Learner(np.ones(1), np.arange(3.0), lambda w, x: (w[0] - x) ** 2 * factor[0], ADAM,
                      np.arange(6) % 3)
    factor[0] = 2.0
    metagradient(learner, first_and_all)
    with pytest.raises(LearnerError, match="not deterministic"):
        metagradient(learner, first_and_all, finite_step=True)
