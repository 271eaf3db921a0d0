"""The questions that can be asked of a measurement, whatever estimates the answers."""
from typing import TYPE_CHECKING, Callable, Hashable, Optional, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import real_array
from circuit.errors import LearnerError
from circuit.progress import working

from ..learner.units import Sets
from .prediction import Prediction, predict

if TYPE_CHECKING:
    from ..learner.learner import Learner
    from .calibrated import Calibrated

Unit = Hashable
"""A unit's label: a number, a text or a tuple of them."""


class Questions:
    """What can be asked of one measurement of one learner.

    A subclass has the attributes below and gives `estimator`.

    Attributes
    ----------
    learner : Learner
        Whose training is asked about.
    value : np.ndarray
        f(0), the measurement of the model as trained.
    calibrated : Calibrated
        What exact retrainings say of the estimators' errors.
    progress : bool
        Whether predictions that take more than two seconds report progress on stderr.

    Examples
    --------
    >>> from deletion.predictions.questions import Questions
    >>> [name for name in vars(Questions) if not name.startswith("_") and callable(vars(Questions)[name])]
    ['estimator', 'predict', 'predict_downweights', 'predict_many', 'leave_one_out', 'curve']
    """
    learner: "Learner"
    value: np.ndarray
    calibrated: "Calibrated"
    progress: bool

    def estimator(self, **options: object) -> Callable:
        """Return what estimates changes: estimator(sets, errors) -> Estimates, with a `name`.

        Parameters
        ----------
        **options : object
            A subclass's own.

        Returns
        -------
        Callable
            The estimator.
        """
        raise NotImplementedError

    def predict(self, deletion_set: Union[Unit, Sequence[Unit]], *, weight: float = 0.0,
                level: float = 0.95, kind: Optional[str] = None, **options: object) -> Prediction:
        """Predict the measurement for one deletion set.

        Parameters
        ----------
        deletion_set : a unit's label, or a sequence of them
            What is deleted; without units the prediction is exactly f(0). Unknown or repeated units raise
            LearnerError.
        weight : float
            The weight that the units keep: 0 deletes them, 1 changes nothing.
        level : float
            The probability with which the interval contains the value for a set of its kind.
        kind : str, optional
            The kind of set, one that the calibration knows, or 'random'. Default: a declared kind where a
            random set would hardly be one of its sets, otherwise 'random'.
        **options : object
            As for `estimator`.

        Returns
        -------
        Prediction
            The prediction, with interval and verdict if there are calibration sets.
        """
        return self.predict_downweights(self.learner.downweight(deletion_set, weight), level=level, kind=kind,
                                        **options)

    def predict_downweights(self, h: ArrayLike, *, level: float = 0.95,
                            kind: Union[str, Sequence[str], None] = None, **options: object) -> Prediction:
        """Predict the measurement for any real downweights.

        Parameters
        ----------
        h : ArrayLike
            (units,), or (k, units) for k predictions at once: 1 deletes a unit, 0 changes nothing.
        level : float
            As for `predict`.
        kind : str or sequence of str, optional
            As for `predict`, or one for each row.
        **options : object
            As for `estimator`.

        Returns
        -------
        Prediction
            For (k, units), every array has a leading axis.
        """
        h = checked_downweights(h, self.learner.unit_count)
        with working("predict", self.progress):
            many = predict(self, Sets.of(h), self.estimator(**options), level, True, kind)
        return many if h.ndim == 2 else many.row(0)

    def predict_many(self, deletion_sets: Sequence, *, weight: float = 0.0, level: float = 0.95,
                     intervals: bool = True, kind: Union[str, Sequence[str], None] = None,
                     **options: object) -> Prediction:
        """Predict the measurement for many deletion sets at once.

        Parameters
        ----------
        deletion_sets : sequence of sequences of labels, or array (sets, size)
            The deletion sets.
        weight, level : float
            As for `predict`.
        intervals : bool
            False leaves out standard errors, intervals and verdicts, which is faster.
        kind : str or sequence of str, optional
            As for `predict`, or one for each set.
        **options : object
            As for `estimator`.

        Returns
        -------
        Prediction
            Every array has a leading axis of sets.
        """
        sets = self.learner.deletion_sets(deletion_sets, weight)
        with working("predict", self.progress):
            return predict(self, sets, self.estimator(**options), level, intervals, kind)

    def leave_one_out(self, **options: object) -> Prediction:
        """Predict the measurement without each unit alone, in the order of the learner's units.

        Parameters
        ----------
        **options : object
            As for `predict_many`.

        Returns
        -------
        Prediction
            Every array has a leading axis of units.
        """
        return self.predict_many([[unit] for unit in self.learner.units], **options)

    def curve(self, deletion_set: Union[Unit, Sequence[Unit]], weights: ArrayLike = np.linspace(0.0, 1.0, 11),
              **options: object) -> Prediction:
        """Predict the measurement for one deletion set at several weights.

        Parameters
        ----------
        deletion_set : a unit's label, or a sequence of them
            The units whose weight changes.
        weights : ArrayLike
            (k,): the weights that they keep.
        **options : object
            As for `predict_downweights`.

        Returns
        -------
        Prediction
            Every array has a leading axis of weights.
        """
        weights = np.atleast_1d(real_array(weights, "weights"))
        return self.predict_downweights(np.stack([self.learner.downweight(deletion_set, w) for w in weights]),
                                        **options)


def checked_downweights(h, units):
    """Real downweights (units,) or (k, units)."""
    h = real_array(h, "downweights")
    if h.ndim not in (1, 2) or h.shape[-1] != units:
        raise LearnerError(f"downweights: expected (units,) or (k, units) with {units} units, "
                           f"got shape {h.shape}")
    return h
