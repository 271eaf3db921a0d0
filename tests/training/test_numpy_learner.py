"""A learner whose loss is plain NumPy: it trains as a loop over arrays does, and its sketch predicts."""
import numpy as np

from deletion import Adam, Learner, precompute, retrain

ROWS, STEPS, RATE = 24, 30, 0.05
RNG = np.random.default_rng(3)
X, WEIGHTED = RNG.normal(size=(ROWS, 3)), RNG.integers(0, 2, ROWS)
CLASSES = RNG.integers(0, 4, ROWS)
START = {"in": RNG.normal(size=(3, 5)) / 2, "out": RNG.normal(size=(5, 4)) / 2, "shift": np.zeros(4)}


def loss(p, x, classes, weighted):
    """Rows of features, classes, and zeros and ones -> losses: a layer norm, a hidden layer, a softmax."""
    x = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 0.1)
    hidden = np.arctan(np.einsum("ri,ij->rj", x, p["in"]))
    hidden = np.concatenate([hidden[:, :1], np.square(hidden[:, 1:])], axis=-1)
    scores = np.clip(hidden @ p["out"], -9.0, 9.0) + p["shift"]
    top = np.max(scores, axis=-1, keepdims=True)
    total = np.log(np.sum(np.exp(scores - top), axis=-1)) + np.squeeze(top, axis=-1)
    chosen = np.take_along_axis(scores, classes[:, np.newaxis], axis=-1).ravel()
    return np.where(weighted, 1.5, 0.5) * (total - chosen)


def gradient(p, *data):
    """Of the mean loss, by complex steps: NumPy's own functions, none of the library's."""
    slopes = {}
    for name, value in p.items():
        slopes[name] = np.zeros(value.shape)
        for i in np.ndindex(value.shape):
            moved = {key: x.astype(complex) for key, x in p.items()}
            moved[name][i] += 1e-30j
            slopes[name][i] = loss(moved, *data).mean().imag / 1e-30
    return slopes


def test_it_trains_as_a_loop_over_arrays_and_is_predicted():
    schedule = np.stack([RNG.permutation(ROWS)[:8] for _ in range(STEPS)])
    learner = Learner(START, list(zip(X, CLASSES, WEIGHTED)), loss, Adam(RATE), schedule)
    p = {name: x.copy() for name, x in START.items()}
    first = {name: np.zeros(x.shape) for name, x in p.items()}
    second = {name: np.zeros(x.shape) for name, x in p.items()}
    optimizer = learner.optimizer
    for t, rows in enumerate(schedule, 1):
        for name, slope in gradient(p, X[rows], CLASSES[rows], WEIGHTED[rows]).items():
            first[name] = optimizer.beta1 * first[name] + (1 - optimizer.beta1) * slope
            second[name] = optimizer.beta2 * second[name] + (1 - optimizer.beta2) * slope ** 2
            m, v = first[name] / (1 - optimizer.beta1 ** t), second[name] / (1 - optimizer.beta2 ** t)
            p[name] = p[name] - RATE * m / np.sqrt(v + optimizer.eps)
    for name, x in learner.parameters().items():
        np.testing.assert_allclose(x, p[name], rtol=1e-10, atol=1e-12)


def test_its_sketch_predicts_what_retraining_gives():
    learner = Learner(START, list(zip(X, CLASSES, WEIGHTED)), loss, Adam(RATE),
                      np.tile(np.arange(ROWS), (STEPS, 1)))
    unseen = np.array([[0.3, -1.0, 0.5]]), np.array([2]), np.array([1])

    def loss_on_unseen(p):
        return loss(p, *unseen)[0]
    sketch = precompute(learner, ROWS, 3, progress=False)
    truth = retrain(learner, [[5], []], loss_on_unseen, progress=False)
    prediction = sketch.measure(loss_on_unseen).predict([5])
    assert abs(prediction.change - (truth[0] - truth[1])) < 0.05 * abs(truth[0] - truth[1])
