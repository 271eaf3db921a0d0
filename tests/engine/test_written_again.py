"""Whole trainings written again in plain NumPy: models, losses, optimisers. They use no circuits, and no
derivative is taken by hand: gradients are Cauchy integrals of the losses around every parameter.

These tests see a gate's wrong vector-Jacobian product. A test that trains with the recorded gradient on both
sides does not: both sides would be wrong in the same way.
"""
from typing import NamedTuple

import numpy as np
import pytest
from learners import network_loss, ridge
from scipy import special

import circuit as C
from deletion import SGD, Adam, Learner, LinearDecay, Momentum, given, precompute, retrain
from deletion.influence import metagradient
from taylor import from_lanes

POINTS = 16
AROUND = 0.01
"""Points of a Cauchy integral around one parameter, and their distance; its 16th power is below rounding."""


# losses, each written twice: with gates, and in NumPy, where parameters have a leading axis -----------------

def first_of(theta, *shapes):
    """Parameters (b, size) as arrays (b, ...) of the shapes, one after the other."""
    sizes = np.cumsum([0] + [int(np.prod(shape)) for shape in shapes])
    return [theta[:, a:b].reshape(len(theta), *shape) for a, b, shape in zip(sizes, sizes[1:], shapes)]


def network_again(theta, x, y):
    w1, b1, w2 = first_of(theta, (3, 2), (2,), (2,))
    z = np.einsum("i,bij->bj", x, w1) + b1
    return ((0.5 * z * (1.0 + special.erf(z / np.sqrt(2.0))) * w2).sum(axis=1) - y) ** 2


def smooth_loss(p, x, ids):
    """Every smooth gate, and those that move elements."""
    h = C.gather(p["table"], ids) + C.tanh(x @ p["w"])
    attention = C.softmax(C.einsum("ti,si->ts", h, h) * 0.5)
    h = C.concatenate([C.rms_norm(attention @ h), C.sin(h) * C.cos(h * 0.5)], axis=1)
    s, t = C.sigmoid(h @ p["v"]), C.transpose(h)[1:4, ::2].reshape(-1)
    parts = C.log(s + 0.5) * C.erf(s) + C.gelu(s) - C.softplus(s - 1.0) / (s * s + 1.0)
    return (parts.mean() + 0.1 * (C.exp(t * 0.3) + 1.0).sum() ** 0.5 + (t * t + 2.0).mean() ** -1.5
            + C.cross_entropy(h, ids).sum())


def smooth_again(theta, x, ids):
    table, w, v = first_of(theta, (5, 3), (3, 3), (6,))
    h = table[:, ids] + np.tanh(x @ w)
    e = np.exp(0.5 * h @ h.swapaxes(1, 2))
    a = e / e.sum(axis=2, keepdims=True) @ h
    a = a / np.sqrt((a * a).mean(axis=2, keepdims=True) + 1e-5)
    h = np.concatenate([a, np.sin(h) * np.cos(0.5 * h)], axis=2)
    s = 1.0 / (1.0 + np.exp(-np.einsum("bti,bi->bt", h, v)))
    t = h[:, ::2, 1:4].swapaxes(1, 2).reshape(len(h), -1)
    gelu = 0.5 * s * (1.0 + special.erf(s / np.sqrt(2.0)))
    parts = np.log(s + 0.5) * special.erf(s) + gelu - np.log(1.0 + np.exp(s - 1.0)) / (s * s + 1.0)
    cross = np.log(np.exp(h).sum(axis=2)) - h[:, np.arange(len(ids)), ids]
    return (parts.mean(axis=1) + 0.1 * np.sqrt((np.exp(0.3 * t) + 1.0).sum(axis=1))
            + (t * t + 2.0).mean(axis=1) ** -1.5 + cross.sum(axis=1))


def branching_loss(w, x, y):
    z = w.reshape(3, 2).T @ x
    return ((C.relu(z[0]) + C.abs(z[1]) - y) ** 2 + C.max(z * z, axis=0) + C.maximum(z[0], 2.0 * z[1])
            - C.minimum(z[1], 0.3) * y)


def branching_again(theta, x, y):
    """The branch is chosen by the real part: far from kinks, this is an analytic function."""
    z = np.einsum("bij,i->bj", theta.reshape(len(theta), 3, 2), x)
    a, b = z.T

    def larger(a, b):
        return np.where(np.real(a) > np.real(b), a, b)
    return ((larger(a, 0.0 * a) + larger(b, -b) - y) ** 2 + larger(a * a, b * b) + larger(a, 2.0 * b)
            + larger(-b, -0.3 + 0.0 * b) * y)


# optimisers -------------------------------------------------------------------------------------------------

def sgd_again(theta, gradient, state, step, steps):
    return theta - 0.1 * (1.0 - step / steps) * gradient, state


def momentum_again(theta, gradient, state, step, steps):
    state = 0.8 * (0.0 if state is None else state) + gradient
    return theta - 0.05 * state, state


def adam_again(theta, gradient, state, step, steps):
    m, v = (np.zeros_like(theta),) * 2 if state is None else state
    m, v = 0.9 * m + 0.1 * gradient, 0.95 * v + 0.05 * gradient ** 2
    m_hat, v_hat = m / (1.0 - 0.9 ** (step + 1)), v / (1.0 - 0.95 ** (step + 1))
    return theta - 0.05 * (1.0 - step / steps) * m_hat / np.sqrt(v_hat + 0.01), (m, v)


# trainings --------------------------------------------------------------------------------------------------

class Case(NamedTuple):
    """A learner, and its loss and optimizer in NumPy.

    penalty   its regulariser is half of this times |theta|^2
    radius    of the contour in t
    """
    learner: Learner
    loss: object
    optimizer: object
    penalty: float
    radius: float


def examples(count, kind):
    rng = np.random.default_rng(11)
    if kind == "text":
        return [(rng.normal(size=(4, 3)), rng.integers(0, 5, 4)) for _ in range(count)]
    return list(zip(rng.normal(size=(count, 3)), rng.normal(size=count)))


def network_case(optimizer, again):
    rng = np.random.default_rng(12)
    parameters = {"w1": rng.normal(size=(3, 2)), "b1": rng.normal(size=2), "w2": rng.normal(size=2)}
    schedule = np.stack([rng.permutation(6)[:3] for _ in range(7)])
    learner = Learner(parameters, examples(6, "numbers"), network_loss, optimizer, schedule)
    return Case(learner, network_again, again, 0.0, 0.3)


def smooth_case():
    rng = np.random.default_rng(13)
    parameters = {"table": rng.normal(size=(5, 3)), "w": rng.normal(size=(3, 3)), "v": rng.normal(size=6)}
    optimizer = Adam(LinearDecay(0.05), 0.9, 0.95, 0.01)
    learner = Learner(parameters, examples(4, "text"), smooth_loss, optimizer, np.arange(6) % 4)
    return Case(learner, smooth_again, adam_again, 0.0, 0.1)


def branching_case():
    # with this start, no step comes nearer than 0.05 to a kink
    start = np.random.default_rng(16).normal(size=6)
    learner = Learner(start, examples(5, "numbers"), branching_loss, SGD(LinearDecay(0.1)), np.arange(8) % 5,
                      regularizer=ridge)
    return Case(learner, branching_again, sgd_again, 0.1, 0.05)


CASES = {
    "momentum, minibatches": lambda: network_case(Momentum(0.05, 0.8), momentum_again),
    "adam, minibatches": lambda: network_case(Adam(LinearDecay(0.05), 0.9, 0.95, 0.01), adam_again),
    "adam, every smooth gate": smooth_case,
    "sgd, every branch, a regulariser": branching_case,
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return CASES[request.param]()


def gradient_again(loss, theta, example):
    """(b, size): the gradient of an analytic loss at parameters (b, size), by Cauchy's integral in every
    parameter."""
    circle = np.exp(2j * np.pi * np.arange(POINTS) / POINTS)
    size = theta.shape[1]
    # (b, size, points, size)
    moved = theta[:, None, None, :] + AROUND * circle[:, None] * np.eye(size)[:, None, :]
    return (loss(moved.reshape(-1, size), *example).reshape(-1, size, POINTS) / circle).mean(axis=2) / AROUND


def trained_again(case, weights):
    """(b, size): trained at complex weights (b, examples), one step after the other."""
    learner, state = case.learner, None
    theta = np.repeat(learner.layout.initial[None].astype(complex), len(weights), axis=0)
    for step, batch in enumerate(learner.schedule.reshape(len(learner.schedule), -1)):
        slopes = [weights[:, i, None] * gradient_again(case.loss, theta, learner.examples[i]) for i in batch]
        slope = sum(slopes) / len(batch) + case.penalty * theta
        theta, state = case.optimizer(theta, slope, state, step, len(learner.schedule))
    return theta


def close(result, expected, tolerance):
    """Whether two arrays agree, order by order (axis 1), relative to the largest number of the order."""
    return (np.abs(result - expected).max(axis=0) <= tolerance * np.abs(expected).max(axis=0)).all()


def test_training_and_deletion(case, rng):
    weights = np.stack([np.ones(case.learner.unit_count), np.eye(case.learner.unit_count)[1] < 1.0,
                        rng.uniform(0.2, 1.0, case.learner.unit_count)])
    expected = trained_again(case, weights.astype(float))
    assert np.abs(expected.imag).max() < 1e-10
    assert close(retrain(case.learner, weights=weights.astype(float)).T, expected.real.T, 1e-10)
    assert np.abs(expected[1:] - expected[0]).max() > 1e-3      # and the weights matter


def test_coefficients(case, rng):
    """Orders 1 to 3 along a complex direction, from trainings at 16 complex weights around 1."""
    psi = rng.normal(size=case.learner.unit_count) + 1j * rng.normal(size=case.learner.unit_count)
    psi *= case.radius / np.linalg.norm(psi)
    t = np.exp(2j * np.pi * np.arange(16) / 16)
    contour = np.fft.fft(trained_again(case, 1.0 - t[:, None] * psi), axis=0)[1:4].T / 16
    sketch = precompute(case.learner, given(psi), 3, calibration=0, progress=False)
    assert close(from_lanes(sketch.blocks[0])[0].T, contour, 1e-7)


def test_metagradients(case):
    """Cauchy's integral in every weight, of a parameter and of a sum of squares."""
    n, circle = case.learner.unit_count, np.exp(2j * np.pi * np.arange(8) / 8)
    weights = 1.0 + 0.02 * circle[:, None] * np.eye(n)[:, None, :]      # (units, points, units)
    theta = trained_again(case, weights.reshape(-1, n)).reshape(n, 8, -1)
    first = case.learner.layout.split(case.learner.layout.initial)
    name = next(iter(first)) if isinstance(first, dict) else None
    count = first[name].size if name else first.size

    def measure(p):
        w = (p[name] if name else p).reshape(-1)
        return C.concatenate([w[:1], (w * w).sum().reshape(1)])
    values = np.stack([theta[..., 0], (theta[..., :count] ** 2).sum(axis=2)], axis=2)
    expected = (values / circle[:, None]).mean(axis=1).real / 0.02
    assert close(metagradient(case.learner, measure, progress=False).gradient, expected, 1e-9)
