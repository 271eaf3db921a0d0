"""Which errors are expected of the answers to a question, and which sets to retrain against them."""
from typing import NamedTuple

import numpy as np
from scipy.stats import norm


class Expected(NamedTuple):
    """What is expected of the answers to k different sets, summed over the elements of a measurement.

    Attributes
    ----------
    errors, changes : np.ndarray, (k,)
        The expected |predicted - true| and |true change|. Errors of sets of one size are alike: how they
        differ is too uncertain to be counted on.
    doubts : np.ndarray, (k,)
        The errors as they may differ among sets of one size: these decide which sets are retrained first.
    counts : np.ndarray of int, (k,)
        How often each set was asked about.
    """
    errors: np.ndarray
    changes: np.ndarray
    doubts: np.ndarray
    counts: np.ndarray

    @property
    def pooled(self):
        """The expected error of all answers: sum |predicted - true| / sum |true change|."""
        errors, total = self.counts @ self.errors, self.counts @ self.changes
        return float(errors / total) if total > 0.0 else float(errors > 0.0)

    @property
    def order(self):
        """The sets in falling order of what retraining them may take from the pooled error."""
        return np.argsort(-self.counts * self.doubts, kind="stable")

    def scaled(self, factors):
        """The same with errors multiplied by factors."""
        return self._replace(errors=self.errors * factors, doubts=self.doubts * factors)

    def after(self, retrained):
        """The pooled error after retraining the first so many sets in `order`."""
        errors = self.errors.copy()
        errors[self.order[:int(retrained)]] = 0.0
        return self._replace(errors=errors).pooled

    def needed(self, tolerance):
        """How many sets, in `order`, must be retrained for a pooled error of at most `tolerance`."""
        losses = (self.counts * self.errors)[self.order]
        allowed = tolerance * (self.counts @ self.changes)
        left = losses[::-1].cumsum()[::-1]      # behind retraining 0, 1, ... sets
        return int(np.count_nonzero(left > allowed))


def expected_of(prediction, answers, squares, known, counts):
    """Return what is Expected of a Prediction for k different sets, by the errors at sets of their kinds.

    Parameters
    ----------
    prediction : Prediction
        For the k sets, with intervals.
    answers : Questions
        What predicted.
    squares : np.ndarray, (k,)
        The sizes |h|^2.
    known : np.ndarray of bool, (k,)
        Which sets were retrained.
    counts : np.ndarray of int, (k,)
        How often each set was asked about.
    """
    errors, changes, doubts = np.zeros((3, len(squares)))
    kinds = np.array(prediction.kind, object)
    for kind in dict.fromkeys(prediction.kind):
        here, model = kinds == kind, answers.calibrated.of(kind).error_model(answers.estimator())
        errors[here], changes[here], doubts[here] = expected_of_kind(
            prediction, model, here, squares[here], known[here])
    return Expected(np.where(known, 0.0, errors), changes, np.where(known, 0.0, doubts), counts)


def expected_of_kind(prediction, model, here, squares, known):
    """Return expected errors, changes and doubts of the sets `here`, by the ErrorModel of their kind.

    The errors are those of the calibrated variance at the sets' sizes; their sum is at least what calibration
    sets of these sizes say, with a standard error more.
    """
    def flat(values):
        return values[here].reshape(len(squares), -1)

    change = np.abs(flat(prediction.change))
    stated = np.zeros_like(change) if prediction.standard_error is None else flat(prediction.standard_error)
    usual = model.variance.deviation(stated, squares, 1.0)      # for a change typical of the size
    own = np.hypot(flat(prediction.sampling), flat(prediction.truncation))
    errors, doubts = folded_mean(0.0, usual).sum(axis=1), folded_mean(0.0, own).sum(axis=1)
    changes = folded_mean(change, usual).sum(axis=1)
    share, spread, _ = model.relative_error(squares)
    share = np.minimum(share + np.where(np.isfinite(spread), spread, share), 1e3)
    total = (errors * ~known).sum()
    if total > 0.0:
        errors = errors * max(1.0, (share * changes * ~known).sum() / total)
    return errors, changes, doubts


def folded_mean(mean, deviation):
    """The expected absolute value of normal numbers."""
    z = mean / np.where(deviation > 0.0, deviation, 1.0)
    value = deviation * 2.0 * norm.pdf(z) + mean * (1.0 - 2.0 * norm.cdf(-z))
    return np.where(deviation > 0.0, value, np.abs(mean))
