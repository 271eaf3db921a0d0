"""A recurrent net that predicts letters: its loss on "reated eq" without the training line "dicated t"."""
import numpy as np

from deletion import Adam, Learner, LinearDecay, precompute, retrain

TEXT = ("four score and seven years ago our fathers brought forth on this continent a new nation conceived "
        "in liberty and dedicated to the proposition that all men are created equal")
LETTERS = "abcdefghijklmnopqrstuvwxyz "
numbers = np.array([LETTERS.index(letter) for letter in TEXT])
lines = [numbers[i:i + 9] for i in range(0, len(numbers) - 9, 5)]      # each overlaps its neighbours
rng = np.random.default_rng(0)


def loss(p, letters):
    """Lines (rows, 9) of letters -> the mean loss of predicting each letter from those before it, (rows,)."""
    state, total = np.zeros((letters.shape[0], 8)), 0.0
    for at in range(8):
        state = np.tanh(p["read"][letters[:, at]] + state @ p["keep"])
        scores, following = state @ p["write"], letters[:, at + 1, None]
        total += np.logaddexp.reduce(scores, axis=1) - np.take_along_axis(scores, following, axis=1)[:, 0]
    return total / 8.0


def loss_on_last(p):
    """The question: the loss on the last line, "reated eq", which is not in the training."""
    return loss(p, lines[-1][None])[0]


parameters = {"read": rng.normal(size=(27, 8)) / 3, "keep": rng.normal(size=(8, 8)) / 3,
              "write": rng.normal(size=(8, 27)) / 3}
schedule = np.concatenate([rng.permutation(32).reshape(-1, 8) for epoch in range(20)])      # (steps, batch)
learner = Learner(parameters, [(line,) for line in lines[:32]], loss, Adam(LinearDecay(0.02)), schedule)

sketch = precompute(learner, directions=32, degree=3)      # does not depend on the question or the set
prediction = sketch.measure(loss_on_last).predict([23])      # without line 23, "dicated t"
low, high = prediction.interval
print(f"as trained {prediction.terms[0]:.4f}")
print(f"predicted  {prediction.value:.4f}, 95% interval {low:.4f} to {high:.4f}: {prediction.verdict}")
print(f"retrained  {retrain(learner, [[23]], loss_on_last)[0]:.4f}")
