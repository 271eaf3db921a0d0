"""Truth and how predictions are scored against it: a bank of exact retrainings, measurements joined in a
vector, LDS and error."""
import time
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from circuit import concatenate, evaluate
from deletion import Bank, precompute, retrain

from . import harness


@dataclass(frozen=True)
class Several:
    """Scalar measurements joined in one vector."""
    measurements: tuple

    def __call__(self, parameters):
        return concatenate([measure(parameters).reshape(1) for measure in self.measurements])


class Truth:
    """Exact retrainings of one learner, kept in a folder so that no benchmark does them twice.

    folder   where the library's bank is; None keeps nothing
    """

    def __init__(self, learner, folder=None):
        self.learner, self.kept = learner, Bank(harness.output_folder(folder)) if folder else None

    def parameters(self, downweights):
        """The retrained parameters (k, parameters) for downweights (k, units)."""
        return retrain(self.learner, weights=1.0 - downweights, bank=self.kept)

    def values(self, sets, measure):
        """The measurement (k, ...) after retraining without each of k deletion sets."""
        return self.measured(self.learner.deletion_sets(sets).dense(self.learner.unit_count), measure)

    def measured(self, downweights, measure):
        """The measurement (k, ...) after retraining at downweights (k, units)."""
        return evaluate(self.learner.measurement(measure), [self.parameters(downweights)])[0]


class Trial:
    """A learner, a vector of measurements, and banks of sets with their truth."""

    def __init__(self, learner, measurements, folder):
        self.learner, self.measure = learner, Several(tuple(measurements))
        self.bank = Truth(learner, folder)
        self.start = self.bank.values([[]], self.measure)[0]

    def changes(self, sets):
        """What retraining really changes: (sets, measurements)."""
        return self.bank.values(sets, self.measure) - self.start

    def held(self, many, true):
        """(sets, measurements): whether predictions' intervals hold the true changes."""
        low, high = (bound - self.start for bound in many.interval)
        return (low <= true) & (true <= high)

    def sketch(self, directions, degree=3, **options):
        """A measured sketch, and the seconds its precomputation took."""
        begin = time.perf_counter()
        sketch = precompute(self.learner, directions, degree, **options)
        return sketch.measure(self.measure), time.perf_counter() - begin


def random_sets(units, sizes, count, seed):
    """{size: `count` random sets of that many units}: lists of labels."""
    rng = np.random.default_rng(seed)
    return {size: [[units[i] for i in rng.choice(len(units), size, replace=False)] for _ in range(count)]
            for size in sizes}


def lds(predicted, true):
    """Linear datamodeling score: the rank correlation over sets, averaged over measurements.   (sets,
    measurements) each."""
    a, b = (rankdata(x, axis=0) - (len(x) + 1) / 2 for x in (predicted, true))
    norm = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    return float(np.mean((a * b).sum(axis=0) / np.where(norm > 0, norm, 1.0)))


def error(predicted, true):
    """sum |predicted - true change| / sum |true change|: "no change" scores 1."""
    return float(np.abs(predicted - true).sum() / np.abs(true).sum())


def bootstrap(score, predicted, true, draws=400, seed=0):
    """(score, low, high): with a 95% interval over the choice of sets."""
    rng = np.random.default_rng(seed)
    scores = [score(predicted[chosen], true[chosen])
              for chosen in rng.integers(0, len(true), (draws, len(true)))]
    return score(predicted, true), *np.quantile(scores, [0.025, 0.975])


def advantage(better, worse, true, draws=2000, seed=0):
    """The share of resampled banks of sets in which `better` has a smaller error than `worse`: paired
    bootstrap."""
    rng, n = np.random.default_rng(seed), len(true)
    gain = (np.abs(worse - true) - np.abs(better - true)).sum(axis=1)
    return float(np.mean(gain[rng.integers(0, n, (draws, n))].sum(axis=1) > 0))
