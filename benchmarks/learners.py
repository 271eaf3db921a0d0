"""Learners on data that comes with scikit-learn: what methods are compared on besides microgpt.

digits          a two-layer network by minibatches, far from convex: 8x8 images of handwritten digits
breast_cancer   logistic regression by full-batch steps to near convergence: which tumours are benign
bounded_cancer  the same with everything regularised and rows no longer than 1, for methods that promise
                something
diabetes        least squares by full-batch steps to convergence: every deletion has a closed form

Each is a HeldOutLearner: its units are its training examples, and `loss_on(i)`, `margin_on(i)` or
`prediction_on(i)` are measurements on held-out example i. Nothing is fetched from a network; the data needs
the extra `data`.
"""
from functools import partial

import numpy as np

from circuit import cross_entropy, einsum, exp, gather, gelu, log, softplus
from deletion import SGD, Learner, LearnerError, LinearDecay, ModelLoss, Momentum, Objective


# what all of them share -------------------------------------------------------------------------------------

class HeldOutLearner(Learner):
    """A Learner with examples (x, y) that it does not see.   held_out: list of (x, y), as the training
    examples are."""

    def __init__(self, parameters, examples, loss, optimizer, schedule, *, held_out, **fields):
        self.held_out = list(held_out)
        super().__init__(parameters, examples, loss, optimizer, schedule, **fields)

    def loss_on(self, i):
        """A measurement: the training's loss, without regulariser, of held-out example i."""
        return partial(on_one if self.schedule.ndim == 2 else alone, self.loss, self.held_out[i])

    def gradient_norm(self, theta):
        """|gradient of the mean training loss plus regulariser| at flat parameters (parameters,): 0 at a
        stationary point."""
        return float(np.linalg.norm(Objective(self).gradient(theta))) / self.example_count


class Regressor(HeldOutLearner):
    """A linear model of a number.   rows (n, d), targets (n,), predictions rows @ w."""

    def prediction_on(self, i):
        """A measurement: the prediction for held-out example i, in the targets' units."""
        return partial(on_one, linear_prediction, self.held_out[i])


class Classifier(HeldOutLearner):
    """A model of classes.   margin(parameters, x, y) -> (batch,): positive where the right class has more
                             than half of the probability."""

    def __init__(self, *arguments, margin, **fields):
        self.margin = margin
        super().__init__(*arguments, **fields)

    def margin_on(self, i):
        """A measurement: log p / (1 - p), p being the probability of held-out example i's class."""
        return partial(on_one, self.margin, self.held_out[i])

    def accuracy(self, theta):
        """The share of held-out examples to which flat parameters (parameters,) give their own class, that of
        least loss."""
        parameters, (x, y) = self.layout.split(np.asarray(theta)), stacked(self.held_out)
        classes = np.unique(stacked(self.examples)[1])
        losses = [self.loss(parameters, x, np.full_like(y, c)) for c in classes]
        return float((classes[np.argmin(losses, axis=0)] == y).mean())


def on_one(function, example, parameters):
    """A function of a batch, on a batch of one example: a scalar."""
    return function(parameters, *[np.asarray(x)[None] for x in example])[0]


def alone(function, example, parameters):
    """A function of one example, as a schedule of single examples has it: a scalar."""
    return function(parameters, *example)


def stacked(examples):
    """Examples (x, y) as the arrays of one batch."""
    return tuple(np.stack(column) for column in zip(*examples))


def bundled(name):
    """(features, targets) of a data set that comes with scikit-learn."""
    try:
        from sklearn import datasets
    except ImportError:
        raise LearnerError(f"the data set {name!r} comes with scikit-learn, which is not installed: install "
                           "the extra `data`, as in pip install -e '.[data]'") from None
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def shuffled(x, y, count, seed, least=1):
    """Examples in random order: (x, y) of the first `count`, for training, and (x, y) of the others, held
    out."""
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or not least <= count < len(x):
        raise LearnerError(f"{count!r} training examples of {len(x)}: expected at least {least}, and one "
                           "that is left to hold out")
    order = np.random.default_rng(seed).permutation(len(x))
    return x[order[:count]], y[order[:count]], x[order[count:]], y[order[count:]]


def full_batch(count, steps):
    """The schedule that uses every example in every step: (steps, count)."""
    return np.tile(np.arange(count), (steps, 1))


def half_square(penalty, *tensors):
    """penalty/2 times the sum of all squares."""
    return sum((x * x).sum() for x in tensors) * (0.5 * penalty)


# handwritten digits -----------------------------------------------------------------------------------------

def digits(count=1000, hidden=32, epochs=20, batch=50, rate=0.05, penalty=1e-3, seed=0):
    """A network of one hidden GELU layer on 8x8 digits, by minibatches, momentum 0.9, rate falling linearly
    to 0: a Classifier.

    count     training images; the rest of the 1,797 are held out
    epochs    passes over them, each in a new order, in minibatches of `batch`; what does not fill one waits
              for the next pass
    penalty   weight decay: penalty/2 |weights|^2 is added to the loss, biases left free
    """
    images, labels = bundled("digits")
    x, y, held_x, held_y = shuffled(images / 16.0, labels.astype(np.int64), count, seed)
    if not 1 <= batch <= count or epochs < 1:
        raise LearnerError(f"{epochs!r} passes in minibatches of {batch!r} of {count} images: expected at "
                           f"least one pass, and 1 to {count} images")
    rng = np.random.default_rng([seed, 1])
    schedule = np.concatenate([rng.permutation(count)[:count // batch * batch].reshape(-1, batch)
                               for _ in range(epochs)])
    parameters = {"w1": rng.normal(size=(64, hidden)) / 8.0, "b1": np.zeros(hidden),
                  "w2": rng.normal(size=(hidden, 10)) / np.sqrt(hidden), "b2": np.zeros(10)}
    return Classifier(parameters, list(zip(x, y)), ModelLoss(digit_scores, digit_cost),
                      Momentum(LinearDecay(rate), 0.9), schedule, held_out=zip(held_x, held_y),
                      margin=digit_margin, regularizer=partial(digit_decay, penalty))


def digit_logits(p, x):
    """Images (rows, 64) of greys from 0 to 1 -> scores (rows, 10)."""
    return gelu(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]


def digit_scores(p, x, y):
    return digit_logits(p, x)


def digit_cost(scores, x, y):
    return cross_entropy(scores, y)


def digit_decay(penalty, p):
    return half_square(penalty, p["w1"], p["w2"])


def digit_margin(p, x, y):
    """log p / (1 - p) = -log sum_{k != y} e^(z_k - z_y): analytic, where the lead over the runner-up alone
    has kinks."""
    z, right = digit_logits(p, x), gather(np.eye(10), y)
    lead = einsum("tv,tv->t", z, right).reshape(-1, 1) - z
    return -log(einsum("tv,tv->t", exp(-lead), 1.0 - right))


# breast cancer ----------------------------------------------------------------------------------------------

def breast_cancer(count=469, steps=400, rate=1.0, penalty=0.01, seed=0):
    """Logistic regression of benign (+1) against malignant (-1) on 30 standardised features: a Classifier.

    Full-batch gradient descent with momentum 0.9, which comes near convergence; penalty/2 |w|^2 is added to
    the mean loss. count: training patients; the rest of the 569 are held out.
    """
    features, benign = bundled("breast_cancer")
    x, y, held_x, held_y = shuffled(features, 2.0 * benign - 1.0, count, seed, least=2)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    return Classifier({"w": np.zeros(30), "b": np.zeros(())}, list(zip((x - mean) / deviation, y)),
                      ModelLoss(logistic_margin, margin_loss), Momentum(rate, 0.9), full_batch(count, steps),
                      held_out=zip((held_x - mean) / deviation, held_y), margin=logistic_margin,
                      regularizer=partial(logistic_decay, penalty))


def bounded_cancer(count=469, steps=400, penalty=0.01, seed=0):
    """The same as guarantees want it: a constant among the features, all of them regularised, and no row
    longer than 1.

    Plain descent at a rate of 1/L, L = 1/4 + penalty, whose distance to the minimiser shrinks by penalty/L or
    more a step.
    """
    features, benign = bundled("breast_cancer")
    x, y, held_x, held_y = shuffled(features, 2.0 * benign - 1.0, count, seed, least=2)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    rows, held = (np.column_stack([(part - mean) / deviation, np.ones(len(part))]) for part in (x, held_x))
    longest = np.linalg.norm(rows, axis=1).max()
    return Classifier(np.zeros(31), list(zip(rows / longest, y)), ModelLoss(linear_margin, margin_loss),
                      SGD(1.0 / (0.25 + penalty)), full_batch(count, steps),
                      held_out=zip(held / longest, held_y), margin=linear_margin,
                      regularizer=partial(half_square, penalty))


def linear_margin(w, x, y):
    return (x @ w) * y


def logistic_margin(p, x, y):
    return (x @ p["w"] + p["b"]) * y


def margin_loss(margin, x, y):
    return softplus(-margin)


def logistic_decay(penalty, p):
    return half_square(penalty, p["w"])


# diabetes ---------------------------------------------------------------------------------------------------

def diabetes(count=342, steps=200, penalty=0.0, seed=0):
    """Least squares of the progression of diabetes, in standard deviations, on 10 features and an intercept:
    a Regressor.

    Features are whitened on the training set: X^T X = n I there. Full-batch gradient descent at half of
    Newton's rate then shrinks the distance to the minimiser by (1 + l)/2 a step, l being the largest
    eigenvalue of the deleted examples' block of P = X (X^T X)^{-1} X^T (smaller with a penalty): unless l is
    close to 1, it ends at the minimiser to rounding.

    count     training patients; the rest of the 442 are held out
    penalty   penalty/2 |w|^2, in whitened coordinates and with the intercept, is added to the mean of half
              squared errors
    """
    features, progression = bundled("diabetes")
    x, y, held_x, held_y = shuffled(np.column_stack([features, np.ones(len(features))]), progression, count,
                                    seed, least=12)
    whiten = np.linalg.inv(np.linalg.qr(x)[1]) * np.sqrt(count)
    mean, deviation = y.mean(), y.std()
    return Regressor(np.zeros(11), list(zip(x @ whiten, (y - mean) / deviation)),
                     ModelLoss(linear_prediction, half_squared_error), SGD(0.5 / (1.0 + penalty)),
                     full_batch(count, steps), held_out=zip(held_x @ whiten, (held_y - mean) / deviation),
                     regularizer=partial(half_square, penalty) if penalty else None)


def linear_prediction(w, x, y):
    return x @ w


def half_squared_error(prediction, x, y):
    return (prediction - y) ** 2 * 0.5
