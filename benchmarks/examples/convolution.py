"""A convolutional net on 8x8 digits: its loss on an unseen one without three of its training images."""
import numpy as np
from sklearn.datasets import load_digits

from deletion import Learner, LinearDecay, Momentum, precompute, retrain

images, digits = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8) / 16.0
rng = np.random.default_rng(0)


def loss(p, x, y):
    """Images (rows, 8, 8) and digits (rows,) -> losses (rows,)."""
    patches = np.stack([x[:, i:i + 6, j:j + 6] for i in range(3) for j in range(3)])      # (9, rows, 6, 6)
    features = np.tanh(np.einsum("krij,kc->rijc", patches, p["kernels"]))
    pooled = features.reshape(-1, 3, 2, 3, 2, 4).mean(axis=(2, 4)).reshape(-1, 36)
    scores = pooled @ p["weights"] + p["bias"]
    return np.logaddexp.reduce(scores, axis=1) - np.take_along_axis(scores, y[:, None], axis=1)[:, 0]


def loss_on_unseen(p):
    """The question: the loss on image 101, which is not in the training."""
    return loss(p, images[101:102], digits[101:102])[0]


parameters = {"kernels": rng.normal(size=(9, 4)) / 3, "weights": rng.normal(size=(36, 10)) / 6,
              "bias": np.zeros(10)}
schedule = np.concatenate([rng.permutation(80).reshape(-1, 20) for epoch in range(12)])      # (steps, batch)
learner = Learner(parameters, list(zip(images[:80], digits[:80])), loss, Momentum(LinearDecay(0.1)), schedule)

sketch = precompute(learner, directions=80, degree=3)      # does not depend on the question or the set
prediction = sketch.measure(loss_on_unseen).predict([20, 40, 60])
low, high = prediction.interval
print(f"as trained {prediction.terms[0]:.4f}")
print(f"predicted  {prediction.value:.4f}, 95% interval {low:.4f} to {high:.4f}: {prediction.verdict}")
print(f"retrained  {retrain(learner, [[20, 40, 60]], loss_on_unseen)[0]:.4f}")
