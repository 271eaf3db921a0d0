"""Small learners that tests share. Functions stand at the top of the module, so that learners can be
pickled."""
from pathlib import Path

import numpy as np

from circuit import gelu, relu, softplus
from deletion import SGD, Adam, Learner, ModelLoss, Momentum


def logistic_loss(w, x, y):
    return softplus(-y * (x @ w))


def squared_loss(w, x, y):
    return (x @ w - y) ** 2 * 0.5


def ridge(w):
    return (w * w).sum() * 0.05


def network_loss(p, x, y):
    return (gelu(x @ p["w1"] + p["b1"]) @ p["w2"] - y) ** 2


def relu_loss(w, x, y):
    return (relu(x @ w) - y) ** 2


def data(n, d, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, np.where(x @ rng.normal(size=d) + 0.5 * rng.normal(size=n) > 0, 1.0, -1.0)


def logistic(n=30, d=3, steps=40, optimizer=SGD(1.0), **fields):
    """Logistic regression by full-batch steps."""
    x, y = data(n, d)
    return Learner(np.zeros(d), list(zip(x, y)), logistic_loss, optimizer, np.tile(np.arange(n), (steps, 1)),
                   **fields)


def margins(w, x, y):
    return y * (x @ w)


def margin_cost(margin, x, y):
    return softplus(-margin)


def converged(n=30, d=3, steps=400):
    """Logistic regression with rows no longer than 1 and a ridge, by full-batch steps to its minimum."""
    x, y = data(n, d)
    x /= np.linalg.norm(x, axis=1).max()
    return Learner(np.zeros(d), list(zip(x, y)), ModelLoss(margins, margin_cost), SGD(1.0),
                   np.tile(np.arange(n), (steps, 1)), regularizer=ridge)


def least_squares(n=12, d=3, steps=2000, regularizer=ridge, **fields):
    """Ridge regression by full-batch gradient descent, to convergence."""
    x, y = data(n, d, 1)
    return Learner(np.zeros(d), list(zip(x, y)), squared_loss, SGD(0.3), np.tile(np.arange(n), (steps, 1)),
                   regularizer=regularizer, **fields)


def network(n=20, steps=30, optimizer=Momentum(0.05), **fields):
    """A two-layer network by minibatches of four."""
    rng = np.random.default_rng(3)
    x, y = data(n, 3, 2)
    parameters = {"w1": rng.normal(size=(3, 4)) * 0.5, "b1": np.zeros(4), "w2": rng.normal(size=4) * 0.5}
    schedule = np.stack([rng.permutation(n)[:4] for _ in range(steps)])
    return Learner(parameters, list(zip(x, y)), network_loss, optimizer, schedule, **fields)


def tiny(n=6, steps=12):
    """One example a step, two parameters, Adam: small enough to enumerate."""
    x, y = data(n, 2, 4)
    return Learner(np.array([0.3, -0.2]), list(zip(x, y)), logistic_loss, Adam(0.3, eps=0.1),
                   np.arange(steps) % n)


def contents(folder):
    """The bytes of every array in a sketch's folder."""
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.npy")}


def of_weights(p):
    """A measurement of the network."""
    return p["w1"].sum() + p["w2"].mean()


# logistic regression at its minimum, found in plain NumPy ---------------------------------------------------

def half_square_of(penalty, count):
    """On the sum scale: the learner multiplies its regulariser by the number of examples."""
    return lambda w: (w * w).sum() * (0.5 * penalty / count)


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def logistic_hessian(w, x, y, weights, penalty):
    s = sigmoid(y * (x @ w))
    return (x.T * (weights * s * (1.0 - s))) @ x + penalty * np.eye(len(w))


def logistic_minimiser(x, y, weights, penalty):
    """argmin of sum_i weight_i log(1 + exp(-y_i x_i w)) + penalty/2 |w|^2, by Newton's method in NumPy until
    nothing moves."""
    w = np.zeros(x.shape[1])
    for _ in range(50):
        step = np.linalg.solve(logistic_hessian(w, x, y, weights, penalty),
                               penalty * w - x.T @ (weights * y * sigmoid(-y * (x @ w))))
        w = w - step
        if np.abs(step).max() < 1e-15:
            return w
    raise AssertionError("no minimum found")


def at_minimum(penalty, units=None, loss=ModelLoss(margins, margin_cost), n=40):
    """Logistic regression that starts at its minimum, where training leaves it: (learner, x, y)."""
    x, y = data(n, 3)
    theta = logistic_minimiser(x, y, np.ones(n), penalty)
    return Learner(theta, list(zip(x, y)), loss, SGD(0.5), np.tile(np.arange(n), (3, 1)),
                   regularizer=half_square_of(penalty, n), units=units), x, y
