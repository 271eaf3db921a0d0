"""A small network of every kind of layer as a learner: convolution, pooling, norm, embedding, attention.

Its truth is a loop in NumPy over the same steps, with the loss written again and gradients by complex steps.
"""
import numpy as np
import pytest
from checks import close
from scipy.signal import correlate
from scipy.special import softmax

from circuit import attention, conv2d, elu, embedding, layer_norm, leaky_relu, log_softmax, max_pool, silu
from deletion import Accumulated, Clipped, Learner, Momentum, WarmUp, given, precompute, retrain
from deletion.influence import metagradient

ROWS, SIZE, CHANNELS, CLASSES = 8, 6, 3, 3
RNG = np.random.default_rng(11)
IMAGES, LABELS = RNG.normal(size=(ROWS, SIZE, SIZE, 1)), RNG.integers(0, CLASSES, ROWS)
PLACES = RNG.integers(0, 5, (ROWS, 9))
SCHEDULE = np.stack([RNG.permutation(ROWS)[:2] for _ in range(9)])


def parameters():
    rng = np.random.default_rng(5)
    square = CHANNELS, CHANNELS
    return {"kernel": rng.normal(size=(3, 3, 1, CHANNELS)) / 2.0, "places": rng.normal(size=(5, CHANNELS)),
            "norm": [np.ones(CHANNELS), np.zeros(CHANNELS)],
            "heads": {name: rng.normal(size=square) for name in ("query", "key", "value")},
            "layers": (rng.normal(size=square), rng.normal(size=(CHANNELS, CLASSES)))}


def logits(p, images, places):
    """Images (rows, 6, 6, 1), kinds of places (rows, 9) -> (rows, classes)."""
    features = elu(max_pool(conv2d(images, p["kernel"], padding=1), (2, 2))).reshape(-1, 9, CHANNELS)
    scale, shift = p["norm"]
    tokens = layer_norm(features + embedding(p["places"], places)) * scale + shift
    queries, keys, values = (tokens @ p["heads"][name] for name in ("query", "key", "value"))
    seen = attention(queries, keys, values, causal=True).mean(axis=1)
    return silu(leaky_relu(seen @ p["layers"][0], 0.2)) @ p["layers"][1]


def loss(p, images, places, labels):
    scores = log_softmax(logits(p, images, places))
    return -scores[np.arange(len(labels)), labels]


def margin(p):
    """How much likelier the first class is than the second, on an image that nobody trains on."""
    scores = logits(p, np.cos(np.arange(36.0)).reshape(1, 6, 6, 1), np.arange(9)[None] % 5)
    return scores[0, 0] - scores[0, 1]


def made():
    optimizer = Accumulated(Clipped(Momentum(WarmUp(0.2, 1), 0.5), 2.0), 2)
    return Learner(parameters(), list(zip(IMAGES, PLACES, LABELS)), loss, optimizer, SCHEDULE)


@pytest.fixture(scope="module")
def learner():
    return made()


# the same in NumPy ------------------------------------------------------------------------------------------

def plain_loss(p, image, places, label):
    """Of one example, for complex parameters: branches by the real part."""
    image = np.pad(image[..., 0], 1)
    convolved = np.stack([correlate(image, k.conj(), mode="valid")      # SciPy's takes the conjugate
                          for k in np.moveaxis(p["kernel"][:, :, 0], -1, 0)], axis=-1)
    patches = [convolved[i:i + 2, j:j + 2].reshape(4, -1) for i in (0, 2, 4) for j in (0, 2, 4)]
    pooled = np.array([[c[np.argmax(c.real)] for c in patch.T] for patch in patches])
    x = np.where(pooled.real > 0, pooled, np.exp(pooled) - 1.0) + p["places"][places]
    x = x - x.mean(axis=1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5) * p["norm"][0] + p["norm"][1]
    q, k, v = (x @ p["heads"][name] for name in ("query", "key", "value"))
    seen = [softmax(k[:i + 1] @ q[i] / np.sqrt(CHANNELS)) @ v[:i + 1] for i in range(9)]
    hidden = np.mean(seen, axis=0) @ p["layers"][0]
    hidden = np.where(hidden.real > 0, hidden, 0.2 * hidden)
    scores = hidden / (1.0 + np.exp(-hidden)) @ p["layers"][1]
    return np.log(np.exp(scores).sum()) - scores[label]


def plain_gradient(learner, theta, i):
    """By complex steps, parameter by parameter: exact to rounding."""
    rows = theta + 1e-30j * np.eye(len(theta))
    return np.array([plain_loss(learner.layout.split(row), IMAGES[i], PLACES[i], LABELS[i]).imag / 1e-30
                     for row in rows])


def plain_training(learner, weights):
    """Nine gradients make four steps; the ninth is not used."""
    theta, velocity, total = learner.layout.initial, 0.0, 0.0
    for number, chosen in enumerate(SCHEDULE):
        total = total + sum(weights[i] * plain_gradient(learner, theta, i) for i in chosen) / 2.0
        if number % 2:
            mean, total = total / 2.0, 0.0
            velocity = 0.5 * velocity + mean / np.sqrt(1.0 + mean @ mean / 4.0)
            theta = theta - 0.2 * velocity
    return theta


# against it -------------------------------------------------------------------------------------------------

def test_the_loss_is_the_plain_one(learner):
    p = learner.layout.split(learner.layout.initial)
    expected = [plain_loss(p, *example) for example in zip(IMAGES, PLACES, LABELS)]
    np.testing.assert_allclose(loss(p, IMAGES, PLACES, LABELS), expected, rtol=1e-12)


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_retraining_is_the_plain_loop(learner, weight):
    unit = SCHEDULE[0, 0]
    weights = np.where(np.arange(ROWS) == unit, weight, 1.0)
    assert close(retrain(learner, weights=weights[None], progress=False)[0], plain_training(learner, weights),
                 1e-11)


def test_metagradients_are_differences_of_retraining(learner):
    step = 1e-4
    weights = 1.0 + step * np.concatenate([np.eye(ROWS), -np.eye(ROWS)])
    up, down = np.split(retrain(learner, weights=weights, measurement=margin, progress=False), 2)
    slopes = metagradient(learner, margin, weights=np.ones((1, ROWS)), progress=False).gradient
    assert close(slopes.ravel(), (up - down) / (2.0 * step), 1e-6)


def test_what_each_degree_leaves_shrinks_as_the_next_power(learner):
    """Degree r along a deletion leaves an error of order r + 1: of half the weight, 2^(r + 1) times less."""
    deleted, shares = SCHEDULE[1, :1], (0.04, 0.02)
    sketch = precompute(learner.check(), given(learner.downweight(deleted)), 3, calibration=0, progress=False)
    measured = sketch.measure(margin)
    truth = [retrain(learner, [deleted], margin, weight=1.0 - x, progress=False)[0] for x in shares]
    errors = [measured.along(0, x)[0].real - y for x, y in zip(shares, truth)]
    np.testing.assert_allclose(np.log2(np.abs(errors[0] / errors[1])), [1.0, 2.0, 3.0, 4.0], atol=0.2)
