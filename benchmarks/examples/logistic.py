"""Logistic regression: what would it say about one point if examples 7, 8 and 9 had never been there?"""
import numpy as np

from deletion import SGD, Learner, precompute, retrain

rng = np.random.default_rng(0)
x = rng.normal(size=(100, 3))
y = np.sign(x @ np.array([1.0, -1.0, 0.5]) + rng.normal(size=100))      # noisy classes, -1 and 1


def loss(w, x, y):
    """A batch of examples -> one loss each."""
    return np.logaddexp(0.0, -y * (x @ w))


def decay(w):
    """Added to the mean loss."""
    return 0.01 * (w * w).sum()


def log_odds(w):
    """The question: the log-odds that the trained model gives to class 1 at this point."""
    return w @ np.array([1.0, 0.5, 0.5])


schedule = np.tile(np.arange(100), (50, 1))      # 50 steps, each with all examples
learner = Learner(np.zeros(3), list(zip(x, y)), loss, SGD(1.0), schedule, regularizer=decay)

sketch = precompute(learner, directions=100, degree=3)      # does not depend on the question or the set
prediction = sketch.measure(log_odds).predict([7, 8, 9])
low, high = prediction.interval
print(f"as trained {prediction.terms[0]:.4f}")
print(f"predicted  {prediction.value:.4f}, 95% interval {low:.4f} to {high:.4f}: {prediction.verdict}")
print(f"retrained  {retrain(learner, [[7, 8, 9]], log_odds)[0]:.4f}")
