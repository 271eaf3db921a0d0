"""What exact retrainings say of the errors of one measurement's estimators."""
from functools import cached_property

import numpy as np

from ..trust.error_model import fit_error_model, typical_change
from ..trust.kinds import RANDOM


class Calibrated:
    """One measurement beside its exact retrainings; an error model for each estimator, made when needed.

    Parameters
    ----------
    value : np.ndarray
        f(0), the measurement of the model as trained.
    calibration : Calibration or None
        The measurement of exactly retrained models. What is not asked `of` a kind is said of random sets.
    series : bool
        Whether an estimator's terms are those of a power series, whose last ones imply a remainder.
    lacking : str, optional
        What more directions would determine, in words; None if nothing.
    held_out : np.ndarray, (k, q), optional
        Where the estimator was fitted to the random calibration sets: the change of each as the others say.
    """

    def __init__(self, value, calibration, series=False, lacking=None, held_out=None):
        self.value, self.series, self.lacking, self.held_out = value, series, lacking, held_out
        self.everything, self.kind = calibration, RANDOM
        self.calibration = calibration and calibration.of(RANDOM)
        self._error_models, self._kinds = {}, {RANDOM: self}

    @property
    def declared(self):
        """The declared kinds, a tuple of Kind."""
        return () if self.everything is None else self.everything.kinds

    def of(self, kind):
        """The same beside the calibration sets of one kind, by its name."""
        if kind not in self._kinds:
            self._kinds[kind] = Calibrated(self.value, self.everything.of(kind), self.series, self.lacking)
            self._kinds[kind].kind = kind
        return self._kinds[kind]

    @cached_property
    def changes(self):
        """(k, q): the change of the measurement by exact retraining without each calibration set."""
        return (self.calibration.values - self.value).reshape(len(self.calibration.values), -1)

    @cached_property
    def typical(self):
        """The typical change by exact retraining as a function of a set's size: see typical_change."""
        return typical_change(self.changes, self.calibration.sets.squares())

    def excess(self, change, squares):
        """(change / typical change)^2"""
        typical = self.typical(squares)
        return (change / np.where(typical > 0, typical, 1.0)) ** 2

    def estimates(self, estimator):
        """The Estimates of the calibration sets; none is predicted by what was fitted to itself."""
        made = estimator(self.calibration.sets)
        return made if self.held_out is None else made._replace(change=self.held_out)

    @staticmethod
    def stated(estimates):
        """The standard errors (sets, q) that an estimator states; zeros if it states none."""
        return np.zeros_like(estimates.change) if estimates.error is None else estimates.error

    def error_model(self, estimator):
        """The ErrorModel of an estimator."""
        if estimator not in self._error_models:
            estimates, squares = self.estimates(estimator), self.calibration.sets.squares()
            self._error_models[estimator] = fit_error_model(
                estimates.change - self.changes, self.changes, self.stated(estimates), squares,
                self.excess(estimates.change, squares))
        return self._error_models[estimator]
