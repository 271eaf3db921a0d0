"""Learners whose batches hold units several times, shared by the tests of the way back."""
import numpy as np
from learners import data, network_loss, ridge

import circuit as C
from deletion import Adam, Learner

ADAM = Adam(0.1, eps=0.1)


def close(result, expected, tolerance=1e-12):
    assert result.shape == expected.shape
    return np.abs(result - expected).max() <= tolerance * np.abs(expected).max()


def first_and_all(p):
    p = p if hasattr(p, "shape") else C.concatenate([x.reshape(-1) for x in p.values()])
    return C.concatenate([p[:1], p * p])


def small_ridge(p):
    return sum((x * x).sum() for x in p.values()) * 0.05 if isinstance(p, dict) else ridge(p)


def repeated(optimizer=ADAM, loss=network_loss, **fields):
    """Minibatches in which examples, and units, come twice; once a unit fills the batch; one is in none."""
    x, y = data(9, 3, 2)
    rng = np.random.default_rng(3)
    parameters = {"w1": rng.normal(size=(3, 2)), "b1": np.zeros(2), "w2": rng.normal(size=2)}
    schedule = np.array([[0, 0, 1], [2, 3, 2], [4, 5, 6], [7, 7, 7], [1, 0, 4]] * 4)
    return Learner(parameters, list(zip(x, y)), loss, optimizer, schedule, units=[i // 2 for i in range(9)],
                   **fields)


def tokens_loss(w, x, y):
    return ((C.gelu(x @ w) - y) ** 2).mean()


def three_kinds(optimizer=ADAM):
    """Examples of three shapes, one a step, and a regularizer; every unit several times, one unit never."""
    rng = np.random.default_rng(6)
    examples = [(rng.normal(size=(1 + i % 3, 2)), rng.normal(size=1 + i % 3)) for i in range(9)]
    return Learner(np.array([0.3, -0.2]), examples, tokens_loss, optimizer, np.arange(25) % 9,
                   regularizer=ridge, units=[f"user {i % 4}" for i in range(9)],
                   all_units=[f"user {i}" for i in range(5)])
