"""The objective's gradients and curvature: against reverse mode over reverse mode, explicit J^T H_out J,
closed forms and finite differences."""
import pickle
from functools import cache

import numpy as np
import pytest
from checks import close
from learners import data, least_squares, logistic, relu_loss, ridge, tiny

from circuit import DomainError, cross_entropy, evaluate, gelu, gradient, log, real, record, softplus
from deletion import SGD, Learner, LearnerError, ModelLoss, Objective
from deletion.curvature.objective import objective_of
from deletion.influence import PBRF, Influence
from deletion.unlearning import MinMax, NaturalGradient
from microgpt import names

CURVATURES = pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
LEARNERS = pytest.mark.parametrize("name", ["batches", "kinds of batches", "one a step", "units"])


def decay(p):
    return 0.3 * (p["w1"] ** 2).sum() + log(2.0 + (p["w2"] ** 2).sum())      # not quadratic


def hidden(p, x):
    return gelu(x @ p["w1"] + p["b1"])


def margins(p, x, y):      # (rows, 3), (rows,) -> (rows,)
    return (hidden(p, x) @ p["w2"])[:, 0] * y


def margin_cost(margin, x, y):
    return softplus(-margin)


def pooled(p, x, y):      # (rows, length, 3), (rows,) -> (rows, 2)
    return hidden(p, x.mean(axis=1)) @ p["w2"]


def class_cost(scores, x, y):
    return cross_entropy(scores, y)


def sequence(p, x, y):      # (length, 3), (length,) -> (length, 2)
    return hidden(p, x) @ p["w2"]


def sequence_cost(scores, x, y):
    return cross_entropy(scores, y).mean()


@cache
def made(name):
    """Learners of one network with 4 hidden neurons: by batches, by batches of two shapes of examples, and
    one of many shapes a step."""
    rng = np.random.default_rng(5)
    parameters = {"w1": rng.normal(size=(3, 4)), "b1": rng.normal(size=4),
                  "w2": rng.normal(size=(4, 2 if "k" in name or "o" in name else 1))}
    if name in ("batches", "units"):      # 41 examples: blocks of 32 and 9
        x, y = data(41, 3)
        fields = {"units": np.arange(41) % 5} if name == "units" else {"regularizer": decay}
        return Learner(parameters, list(zip(x, y)), ModelLoss(margins, margin_cost), SGD(0.1),
                       np.arange(40).reshape(4, 10), **fields)
    lengths = [2, 5] * 4 if name == "kinds of batches" else [2, 5, 3, 2, 4, 5]
    if name == "kinds of batches":
        examples, loss = [(rng.normal(size=(n, 3)), np.array(i % 2)) for i,
                          n in enumerate(lengths)], ModelLoss(pooled, class_cost)
        return Learner(parameters, examples, loss, SGD(0.1), np.array([[0, 2, 4], [1, 3, 5]]),
                       regularizer=decay)
    examples = [(rng.normal(size=(n, 3)), rng.integers(0, 2, n)) for n in lengths]
    return Learner(parameters, examples, ModelLoss(sequence, sequence_cost), SGD(0.1), np.arange(6),
                   regularizer=decay)


@cache
def small_microgpt():
    return names(steps=3)


def given(learner, rng, count):
    """Parameters a step from the initial ones, weights of every sign and 0, and vectors."""
    theta = learner.layout.initial + 0.1 * rng.normal(size=learner.layout.size)
    weights = rng.normal(size=learner.example_count)
    weights[0] = 0.0
    return theta, weights, rng.normal(size=(count, learner.layout.size))


# other ways to the same numbers -----------------------------------------------------------------------------

def arrays(learner, i):
    """Example i as the loss takes it: a batch of one, or as it is."""
    return [x[None] for x in learner.examples[i]] if learner.schedule.ndim == 2 else learner.examples[i]


def second_derivative(function, at, vectors):
    """Hessian times each vector of a scalar function: reverse mode over reverse mode."""
    # a constant Hessian carries no batch
    return evaluate(twice(function, at.shape)[1], [at, vectors])[1] + np.zeros_like(vectors)


def twice(function, *shapes):
    """(circuit of a scalar function and its gradient, circuit whose output 1 is the Hessian times the last
    input), in the first input."""
    inputs = [real(*shape) for shape in shapes]
    slope = gradient(record(function, *inputs))
    return slope, gradient(record(lambda *x: (slope(*x[:-1])[1] * x[-1]).sum(), *inputs, inputs[0]))


@cache
def circuits(learner, regularizer):
    """The same of R, as functions of (theta, weights): all examples in one circuit, their data as
    constants."""
    def total(x, weights):
        p = learner.layout.split(x)
        losses = sum(learner.loss(p, *arrays(learner, i)).sum() * weights[i]
                     for i in range(learner.example_count))
        return losses if learner.regularizer is None or not regularizer else losses + learner.regularizer(
            p) * float(learner.example_count)
    return twice(total, (learner.layout.size,), (learner.example_count,))


def exact(learner, theta, weights, vectors=None, regularizer=True):
    """(R, grad R) or, with vectors, the Hessian times each of them; weights may be a batch where vectors are
    none."""
    slope, along = circuits(learner, regularizer)
    return evaluate(slope,
                    [theta, weights]) if vectors is None else evaluate(along, [theta, weights, vectors])[1]


def gauss_newton(learner, theta, weights, regularizer=True):
    """sum_i w_i J_i^T H_i J_i + n grad^2 r, from explicit Jacobians and the criterion's explicit Hessians."""
    size, loss, total = learner.layout.size, learner.loss, 0.0
    for i, w in enumerate(weights):
        example = arrays(learner, i)
        outputs, = evaluate(record(lambda x: loss.outputs(learner.layout.split(x), *example), real(size)),
                            [theta])
        pull = gradient(record(lambda x, s: (loss.outputs(learner.layout.split(x), *example) * s).sum(),
                               real(size), real(*outputs.shape)))
        seeds = np.eye(outputs.size).reshape(-1, *outputs.shape)
        jacobian = evaluate(pull, [theta, seeds])[1]
        curvature = second_derivative(lambda f: loss.criterion(f, *example).sum(), outputs,
                                      seeds).reshape(outputs.size, -1)
        total = total + w * jacobian.T @ curvature @ jacobian
    if learner.regularizer is not None and regularizer:
        total = total + learner.example_count * second_derivative(
            lambda x: learner.regularizer(learner.layout.split(x)), theta, np.eye(size))
    return total


# sums and gradients -----------------------------------------------------------------------------------------

@LEARNERS
def test_values_and_gradients_are_sums_over_the_examples(name, rng):
    learner = made(name)
    objective, (theta, weights, _) = Objective(learner), given(learner, rng, 1)
    value, slope = exact(learner, theta, weights)
    size = np.abs(weights) @ objective.losses(theta) + abs(value)      # weights of both signs may cancel
    assert abs(objective.value(theta, weights) - value) <= 1e-13 * size
    assert close(objective.gradient(theta, weights), slope, 1e-12)
    assert close(objective.gradient(theta), exact(learner, theta, np.ones_like(weights))[1], 1e-12)
    assert close(objective.gradient(theta, weights, regularizer=False),
                 exact(learner, theta, weights, regularizer=False)[1], 1e-12)
    losses, slopes = exact(learner, theta, np.eye(learner.example_count), regularizer=False)
    assert close(objective.losses(theta), losses, 1e-13)
    assert close(objective.gradients(theta), slopes, 1e-12)


def test_logistic_regression_has_closed_forms(rng):
    learner = logistic(regularizer=ridge)
    x, y = data(30, 3)
    theta, weights, vectors = given(learner, rng, 5)
    p = 1.0 / (1.0 + np.exp(y * (x @ theta)))
    objective = Objective(learner)
    assert close(objective.gradients(theta), -(y * p)[:, None] * x, 1e-13)
    assert close(objective.gradient(theta, weights), -x.T @ (weights * y * p) + 30 * 0.1 * theta, 1e-12)
    hessian = (x.T * (weights * p * (1.0 - p))) @ x + 30 * 0.1 * np.eye(3)
    assert close(objective.products(theta, vectors, weights), vectors @ hessian, 1e-12)
    assert close(objective.matrix(theta, weights), hessian, 1e-12)
    assert close(objective.matrix(theta, weights, regularizer=False), hessian - 3.0 * np.eye(3), 1e-12)
    x, y = data(12, 3, 1)
    assert close(Objective(least_squares()).matrix(theta), x.T @ x + 12 * 0.1 * np.eye(3), 1e-12)


# curvature --------------------------------------------------------------------------------------------------

@LEARNERS
@pytest.mark.parametrize("regularizer", [True, False])
def test_products_are_those_of_other_ways(name, regularizer, rng):
    """The Hessian's by reverse over reverse, Gauss-Newton's explicitly; any number of vectors: two share a
    complex lane, 16 a block."""
    learner = made(name)
    objective, (theta, weights, vectors) = Objective(learner), given(learner, rng, 33)
    hessian = exact(learner, theta, weights, vectors, regularizer)
    matrix = gauss_newton(learner, theta, weights, regularizer)
    for count in (1, 2, 15, 16, 17, 33):
        some = vectors[:count]
        assert close(objective.products(theta, some, weights, regularizer=regularizer), hessian[:count],
                     1e-12)
        assert close(objective.products(theta, some, weights, curvature="gauss-newton",
                                        regularizer=regularizer), some @ matrix, 1e-12)


@LEARNERS
def test_products_with_the_hessian_are_differences_of_gradients(name, rng):
    """Central differences of step 1e-5: off by about 1e-10 from the third derivative, and 1e-11 from
    rounding."""
    learner = made(name)
    objective, (theta, weights, vectors) = Objective(learner), given(learner, rng, 3)
    step, gradient = 1e-5, objective.gradient
    expected = [(gradient(theta + step * v, weights) - gradient(theta - step * v, weights)) / (2.0 * step)
                for v in vectors]
    assert close(objective.products(theta, vectors, weights), np.array(expected), 1e-7)


@LEARNERS
@CURVATURES
def test_matrices_are_symmetric_and_gauss_newton_is_never_negative(name, curvature, rng):
    learner = made(name)
    theta, weights, _ = given(learner, rng, 1)
    matrix = Objective(learner).matrix(theta, curvature=curvature)
    assert (matrix == matrix.T).all()      # the mean of a matrix and its transpose: a + b is b + a
    assert close(matrix, Objective(learner).products(theta, np.eye(len(theta)), curvature=curvature), 1e-12)
    if curvature == "gauss-newton":
        loss_only = Objective(learner).matrix(theta, np.abs(weights), curvature=curvature, regularizer=False)
        assert np.linalg.eigvalsh(loss_only)[0] > -1e-12 * np.abs(loss_only).max()


def test_small_microgpt(rng):
    """Three names: the Hessian against reverse over reverse and differences, Gauss-Newton against explicit
    Jacobians."""
    learner = small_microgpt()
    objective, (theta, weights, vectors) = Objective(learner), given(learner, rng, 17)
    assert close(objective.gradient(theta, weights), exact(learner, theta, weights)[1], 1e-12)
    computed = objective.products(theta, vectors, weights)
    assert close(computed, exact(learner, theta, weights, vectors), 1e-12)
    step = 1e-5
    difference = (objective.gradient(theta + step * vectors[0], weights)
                  - objective.gradient(theta - step * vectors[0], weights)) / (2.0 * step)
    assert close(computed[0], difference, 1e-7)
    assert close(objective.products(theta, vectors, weights, curvature="gauss-newton"),
                 vectors @ gauss_newton(learner, theta, weights), 1e-12)


def test_gauss_newton_is_the_hessian_of_a_linear_model(rng):
    x, y = data(30, 3)
    learner = Learner(np.zeros(3), list(zip(x, y)), ModelLoss(lambda w, x, y: (x @ w) * y, margin_cost),
                      SGD(1.0), np.arange(30).reshape(1, 30))
    theta = rng.normal(size=3)
    assert close(Objective(learner).matrix(theta, curvature="gauss-newton"), Objective(learner).matrix(theta),
                 1e-12)


def test_a_learner_keeps_one_objective():
    learner = tiny()
    assert objective_of(learner) is objective_of(learner) is not objective_of(tiny())
    objective_of(learner).products(np.zeros(2), np.ones((1, 2)))
    again = pickle.loads(pickle.dumps(learner))      # it is not sent, and made again where it is needed
    assert (objective_of(again).matrix(np.ones(2)) == objective_of(learner).matrix(np.ones(2))).all()
    with pytest.raises(LearnerError, match="expected a Learner"):
        objective_of("the learner")


# what is refused --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("theta, vectors, weights, options, message", [
    (np.zeros(3), np.zeros((1, 2)), None, {}, "parameters: expected one flat vector"),
    (np.zeros(2), np.zeros(2), None, {}, r"vectors: expected shape \(k, 2\)"),
    (np.zeros(2), np.zeros((1, 3)), None, {}, r"vectors: expected shape \(k, 2\)"),
    (np.zeros(2), [[np.nan, 0.0]], None, {}, "finite numbers"),
    (np.zeros(2), [["a", "b"]], None, {}, "real numbers"),
    ([0.0, np.inf], np.zeros((1, 2)), None, {}, "finite numbers"),
    (np.zeros(2), np.zeros((1, 2)), np.ones(5), {}, r"one per example \(6,\)"),
    (np.zeros(2), np.zeros((1, 2)), None, {"curvature": "fisher"}, "no curvature 'fisher'"),
    (np.zeros(2), np.zeros((1, 2)), None, {"curvature": "gauss-newton"}, "ModelLoss"),
])
def test_bad_input_is_named(theta, vectors, weights, options, message):
    with pytest.raises(LearnerError, match=message):
        Objective(tiny()).products(theta, vectors, weights, **options)


def test_a_kink_is_named():
    """Every ReLU stands at 0: no second derivative."""
    x, y = data(8, 3)
    learner = Learner(np.zeros(3), list(zip(x, y)), relu_loss, SGD(0.1), np.arange(8).reshape(1, 8))
    with pytest.raises(DomainError, match="the curvature at these parameters.*kink"):
        Objective(learner).products(np.zeros(3), np.eye(3))


@pytest.mark.parametrize("outputs, criterion, message",
                         [(lambda w, x, y: (x @ w, y * 1.0), lambda two, x, y: softplus(-two[0] * two[1]),
                           "one array, with a row for each of 8 examples, got 2 things"),
                          (lambda w, x, y: (x @ w).reshape(1, -1), lambda row, x, y: softplus(-row[0] * y),
                           r"got shape \(1, 8\)")])
def test_outputs_are_one_array_with_a_row_for_each_example(outputs, criterion, message):
    x, y = data(8, 3)
    learner = Learner(np.zeros(3), list(zip(x, y)), ModelLoss(outputs, criterion), SGD(0.1),
                      np.arange(8).reshape(1, 8), regularizer=ridge)
    for method in (Influence("gauss-newton"), PBRF(), NaturalGradient(), MinMax()):
        with pytest.raises(LearnerError, match=message):
            method.answer(learner, [[1]], lambda w: w)


def test_an_example_that_no_step_uses_is_looked_at_too():
    """The loss of its shape is a vector, which no step has noticed."""
    learner = Learner(np.ones(1), [np.ones(1), np.ones(2)], lambda w,
                      x: (w * x)[0] if x.shape == (1,) else w * x, SGD(0.1), [0, 0])
    with pytest.raises(LearnerError, match=r"the loss has shape \(2,\), not \(\)"):
        Objective(learner).gradient(np.ones(1))
