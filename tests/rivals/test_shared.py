"""Work that answers share is done once and counted in each; curvature that is put together from what is kept
is the same as calculated anew."""
import numpy as np
import pytest
from learners import converged, margin_cost, margins, network, ridge, tiny

from deletion import ModelLoss, SGD, Learner, Objective, Sketched
from deletion.curvature import objective as module
from deletion.curvature.objective import objective_of
from deletion.curvature.shared import accounting, once, shared
from deletion.influence import PBRF, Influence, NewtonStep
from deletion.unlearning import NaturalGradient


def one_a_step(n=24, penalty=True):
    """Logistic regression of one example a step, to be deleted one by one."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(n, 3)), np.sign(rng.normal(size=n))
    return Learner(np.zeros(3), list(zip(x, y)), ModelLoss(margins, margin_cost), SGD(0.3),
                   np.tile(np.arange(n), 40), regularizer=ridge if penalty else None)


@pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
@pytest.mark.parametrize("make", [one_a_step, lambda: one_a_step(penalty=False), converged])
def test_a_matrix_of_what_is_left_is_the_whole_less_what_is_lost(make, curvature, rng):
    learner = make()
    objective, theta = objective_of(learner), learner.trained
    for lost in ([3], [0, 7, 11], [], range(learner.example_count - 2)):
        weights = np.ones(learner.example_count)
        weights[list(lost)] = rng.uniform(size=len(lost)) if len(lost) == 3 else 0.0
        direct = module.assemble(Objective(learner), theta, weights, curvature=curvature)
        for _ in range(2):
            found = objective.matrix(theta, weights, curvature=curvature)
            assert np.array_equal(found, found.T)
            np.testing.assert_allclose(found, direct, rtol=0, atol=1e-14 * np.abs(direct).max())
    found[:] = 0.0      # it is the caller's
    assert objective.matrix(theta, curvature=curvature).any()


def test_only_the_matrix_as_trained_is_kept_and_none_that_is_too_large(monkeypatch):
    learner = one_a_step()
    objective, weights = objective_of(learner), np.ones(24)
    weights[5] = 0.0
    objective.matrix(learner.trained + 0.1, weights)
    objective.matrix(learner.trained, weights, regularizer=False)
    assert not objective._kept
    monkeypatch.setattr(module, "KEPT", 8)
    objective.matrix(learner.trained, weights)
    assert not objective._kept
    monkeypatch.undo()
    objective.matrix(learner.trained, weights)
    assert list(objective._kept) == ["hessian"]


@pytest.mark.parametrize("make", [one_a_step, network, tiny])
def test_a_product_in_pieces_and_without_examples_of_no_weight_is_the_same(make, monkeypatch, rng):
    learner = make()
    objective, theta = Objective(learner), learner.layout.initial + 0.1
    v, weights = rng.normal(size=(40, objective.size)), rng.uniform(size=objective.count)
    weights[::3] = 0.0
    for vectors in (v, v[:1]):
        for w in (weights, None, np.zeros(objective.count)):
            expected = objective.products(theta, vectors, w)
            monkeypatch.setattr(module, "LARGE", 0)
            found = objective.products(theta, vectors, w)
            monkeypatch.undo()
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * np.abs(expected).max())
    exact = np.array([objective.gradients(theta)[i] for i in range(objective.count)])
    np.testing.assert_allclose(objective.gradient(theta, weights, regularizer=False), weights @ exact,
                               rtol=0, atol=1e-14 * np.abs(exact).max())


def test_costs_do_not_depend_on_what_was_asked_before(monkeypatch):
    """By a clock that only shared work moves: an answer that finds it made costs what the first one did."""
    clock = [0.0]
    for name in ("deletion.curvature.shared", "deletion.methods.base"):
        monkeypatch.setattr(f"{name}.time.perf_counter", lambda: clock[0])
    original = module.assemble

    def assemble(*arguments, **options):
        clock[0] += 100.0
        return original(*arguments, **options)

    monkeypatch.setattr(module, "assemble", assemble)
    learner = one_a_step()
    influence = Influence("gauss-newton", 0.1)
    first, second = (influence.answer(learner, [[2], [5]], lambda w: w[0], progress=False) for _ in range(2))
    assert (first.seconds, first.shared) == (second.seconds, second.shared) == (100.0, 100.0)
    retained = NaturalGradient(0.1).answer(learner, [[2], [5]], lambda w: w[0], progress=False)
    assert (retained.seconds, retained.shared) == (300.0, 100.0)      # and a part of each set
    response = PBRF(0.1).answer(learner, [[2]], lambda w: w[0], progress=False)
    assert (response.seconds, response.shared) == (100.0, 100.0)
    assert np.array_equal(first.change, second.change) and clock[0] == 300.0
    step = NewtonStep(optimum=10.0).answer(learner, [[2]], lambda w: w[0], progress=False)
    assert (step.seconds, step.shared) == (200.0, 100.0)


def test_accounts_count_nested_work_once(monkeypatch):
    clock, kept = [0.0], {}
    monkeypatch.setattr("deletion.curvature.shared.time.perf_counter", lambda: clock[0])

    def make():
        clock[0] += 5.0
        return "made"

    def nested():
        clock[0] += 1.0
        return once(kept, "inner", make)

    with accounting() as account:
        with shared():
            assert once(kept, "outer", nested) == "made" and once(kept, "inner", make) == "made"
    assert (account.seconds, account.spared, clock[0]) == (6.0, 0.0, 6.0)
    with accounting() as account:
        once(kept, "inner", make), once(kept, "inner", make)
    assert (account.seconds, account.spared, clock[0]) == (5.0, 5.0, 6.0)
    with accounting() as account:
        clock[0] += 7.0
    assert (account.seconds, account.spared) == (0.0, 0.0)
    assert once(kept, "inner", make) == "made"      # without an account too


def test_a_sketch_is_shared_work():
    answer = Sketched(6, 2, calibration=0).answer(tiny(), [[1], [2]], lambda w: w[0], progress=False)
    assert 0.0 < answer.shared <= answer.seconds
