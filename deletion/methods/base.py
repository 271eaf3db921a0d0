"""One interface for every way of answering the question.

A method is given a learner, deletion sets and a measurement. It returns an Answer: predicted changes, and the
parameters of the model without each set where it has them; or it raises DoesNotApply with the reason. A new
method is a small class with a `name`, a `check(learner)` where it does not apply to every learner, and
`_answer`, the arithmetic: see "How to add a method" in deletion/README.md. A method has its settings when it
is made and keeps nothing between answers; what follows from the learner alone, such as a curvature matrix, is
kept with the learner. The simplest methods stand in reference.py; influence/ and unlearning/ hold more.
"""
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Callable, Iterable, Optional

import numpy as np

from circuit import DomainError, evaluate
from circuit.progress import working
from taylor import Polynomial
from taylor import evaluate as push

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import checked_learner, iterable
from ..curvature.shared import accounting

if TYPE_CHECKING:
    from ..learner.learner import Learner


@dataclass(frozen=True)
class Answer:
    """A method's predictions for k deletion sets.

    Attributes
    ----------
    change : (k,) + shape array
        The measurement's predicted value after deletion minus its value as trained, in the measurement's
        units; `shape` is that of the measurement.
    parameters : (k, parameters) array, optional
        The parameters of the model without each set; None from methods that have none.
    notes : tuple of str
        Sentences that a reader of the numbers should know.
    seconds : float
        How long the answer takes, without the training of the model as it is. Work that an earlier answer did
        and this one uses, such as a curvature matrix, is included.
    interval : (2, k) + shape array, optional
        Lower and upper ends of the intervals that hold the change; None from methods without intervals.
    verdict : (k,) array of str, optional
        Whether to trust each prediction, as `Prediction.verdict` says it; None from methods without verdicts.
    diagnostics : dict
        {name: number or array}: residuals, iterations, estimated constants, counts of verdicts, bounds.
    shared : float
        The part of `seconds` that is spent once for any number of sets: a sketch, a matrix, draws.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner, Retraining
    >>> x, y = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 2.0])
    >>> learner = Learner(np.zeros(1), list(zip(x, y)), lambda w, x, y: (x @ w - y) ** 2 * 0.5, SGD(0.1),
    ...                   np.tile([0, 1, 2], (100, 1)))
    >>> answer = Retraining().answer(learner, [[2]], lambda w: w[0], progress=False)
    >>> print(answer.change.round(6), answer.parameters.round(6))
    [0.214286] [[1.]]
    """
    change: np.ndarray
    parameters: Optional[np.ndarray] = None
    notes: tuple = ()
    seconds: float = float("nan")
    interval: Optional[np.ndarray] = None
    verdict: Optional[np.ndarray] = None
    diagnostics: dict = field(default_factory=dict)
    shared: float = 0.0


class Method:
    """A way to predict what deletion does: the base class of every method.

    Examples
    --------
    >>> from deletion import Answer, Method
    >>> class Twice(Method):
    ...     name = "twice the weight"
    ...     def _answer(self, learner, h, measurement):
    ...         return Answer(2.0 * h.sum(axis=1))
    >>> Twice()
    Twice()
    """

    name = "a method"

    def __repr__(self):
        settings = (f"{name}={value!r:.40}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({', '.join(settings)})"

    def check(self, learner: "Learner") -> None:
        """Raise DoesNotApply, with the reason, where the method does not apply to a learner.

        This one refuses nothing.

        Parameters
        ----------
        learner : Learner
            The learner that will be asked.
        """

    def answer(self, learner: "Learner", deletion_sets: Iterable, measurement: Callable, weight: float = 0.0,
               progress: bool = True) -> Answer:
        """Predict what deleting each of several sets changes.

        Parameters
        ----------
        learner : Learner
            It is trained if it has not been.
        deletion_sets : iterable
            Deletion sets, each a sequence of units' labels, as `retrain` takes them.
        measurement : Callable
            measurement(parameters) -> scalar or vector, written with the functions of `circuit`.
        weight : float
            What is left of the deleted units' weight: 0 deletes them.
        progress : bool
            False prints nothing on stderr.

        Returns
        -------
        Answer
            The predictions, in the order of the sets.

        Raises
        ------
        DoesNotApply
            If the method does not apply to the learner or to these sets.
        LearnerError
            If units are unknown or repeated, or there are no sets.
        """
        with working(self.name, progress):
            return self._checked(learner, deletion_sets, measurement, weight)

    def _checked(self, learner, deletion_sets, measurement, weight):
        """`answer`, within the line of progress."""
        self.check(checked_learner(learner))
        if not iterable(deletion_sets):
            raise LearnerError(f"deletion sets: expected a sequence of sets, such as "
                               f"[{deletion_sets!r:.60}], got {deletion_sets!r:.60}")
        h = np.array([learner.downweight(s, weight) * learner.used for s in deletion_sets])
        if not len(h):
            raise LearnerError("nothing to answer: no deletion sets")
        learner.measurement(measurement)      # refused before any work
        learner.trained      # made once, and counted as given
        begin = time.perf_counter()
        with accounting() as account:
            answer = self._answer(learner, h, measurement)
        return replace(answer, seconds=time.perf_counter() - begin + account.spared, shared=account.seconds)

    def _answer(self, learner, h, measurement):
        """The Answer for downweights h (k, units): 1 where deleted, 1 - weight where a weight is left, 0 for
        units that no step uses."""
        raise NotImplementedError


# what methods share -----------------------------------------------------------------------------------------

def remaining(learner, h):
    """(k, examples): the examples' weights under downweights h (k, units).

    Raises DoesNotApply where a set deletes every example that steps use.
    """
    weights = learner.example_weights(h)
    empty = np.flatnonzero(~weights[:, learner.used[learner.unit_of]].any(axis=1))
    if len(empty):
        raise DoesNotApply(f"set {empty[0]} deletes every example: there is no model of no data")
    return weights


def change_at(learner, measurement, theta):
    """(k,) + shape: the measurement at parameters theta (k, parameters), minus its value as trained."""
    circuit = learner.measurement(measurement)
    try:
        values = evaluate(circuit, [np.concatenate([learner.trained[None], theta])])[0]
    except DomainError as error:
        raise DomainError(f"the measurement, at the parameters as trained (0 of {len(theta)}) or without a "
                          f"set (1, 2, ...): {error}") from None
    # a constant is measured once
    values = np.broadcast_to(values, (len(theta) + 1,) + circuit.shapes[circuit.outputs[0]])
    return values[1:] - values[0]


def linear_change(learner, measurement, movements):
    """(k,) + shape: the derivative of the measurement at the trained parameters along movements (k,
    parameters) of them.

    Raises DomainError where the measurement is evaluated on a kink.
    """
    moving = Polynomial(learner.trained, movements[:, None].astype(complex))
    return push(learner.measurement(measurement), [moving])[0].coefficients[:, 0].real
