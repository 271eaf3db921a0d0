"""One interface for every way of answering the question: a method is given a learner, deletion sets and a
measurement, and returns predicted changes - and parameters where it has them -, or says why it does not
apply.

A new method is a small class: `name`; `check(learner)`, which raises DoesNotApply where the method does not
apply; and `_answer`, the arithmetic. It has its settings when it is made and keeps nothing between answers. Here are the simplest;
influence/ and unlearning/ hold more.
"""
import time
from dataclasses import dataclass, field, replace
from typing import Optional

import numpy as np

from circuit import DomainError, evaluate
from circuit.progress import working
from taylor import Polynomial
from taylor import evaluate as push

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import checked_learner, iterable, whole_number
from ..learner.retrain import retrain
from ..sketch.sketch import precompute


@dataclass(frozen=True)
class Answer:
    """What a method says of k deletion sets.

    change       (k,) + shape of the measurement: predicted value after deletion minus value as trained, in
                 the measurement's units
    parameters   (k, parameters): those of the model without each set; None from methods that have none
    notes        what a reader of the numbers should know: residuals, estimated constants, verdicts
    diagnostics  {name: number or array}: the numbers that the notes speak of
    seconds      what it took, training the model as it is excepted
    """
    change: np.ndarray
    parameters: Optional[np.ndarray] = None
    notes: tuple = ()
    seconds: float = float("nan")
    diagnostics: dict = field(default_factory=dict)


class Method:
    """A way to predict what deletion does."""

    name = "a method"

    def __repr__(self):
        settings = (f"{name}={value!r:.40}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({', '.join(settings)})"

    def check(self, learner):
        """Raise DoesNotApply, with the reason, where the method does not apply."""
        checked_learner(learner)

    def answer(self, learner, deletion_sets, measurement, weight=0.0, progress=True):
        """The Answer for deletion sets (as `retrain` takes them) and measurement(parameters) -> scalar or
        vector.

        weight     what is left of the deleted units' weight
        progress   False prints nothing on stderr

        Raises DoesNotApply with the reason, and LearnerError for unknown or repeated units.
        """
        with working(self.name, progress):
            return self._checked(learner, deletion_sets, measurement, weight)

    def _checked(self, learner, deletion_sets, measurement, weight):
        self.check(learner)
        if not iterable(deletion_sets):
            raise LearnerError(
                f"deletion sets are a sequence of sets, such as [{deletion_sets!r}], not {deletion_sets!r}")
        h = np.array([learner.downweight(s, weight) * learner.used for s in deletion_sets])
        if not len(h):
            raise LearnerError("nothing to answer: no deletion sets")
        learner.measurement(measurement)      # what is no measurement is told before any work
        learner.trained      # made once, and counted as given
        begin = time.perf_counter()
        found = self._answer(learner, h, measurement)
        return replace(found, seconds=time.perf_counter() - begin)

    def _answer(self, learner, h, measurement):
        """h: (k, units) downweights: 1 where deleted, 1 - weight where one is left, 0 where never used."""
        raise NotImplementedError


def remaining(learner, h):
    """(k, examples): the examples' weights under downweights h (k, units).

    Raises DoesNotApply where a set deletes all that steps use.
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


def linear_change(learner, measurement, moved):
    """(k,) + shape: the derivative of the measurement at the trained parameters along movements (k,
    parameters) of theirs.

    Raises DomainError where the measurement stands on a kink.
    """
    moving = Polynomial(learner.trained, moved[:, None].astype(complex))
    return push(learner.measurement(measurement), [moving])[0].coefficients[:, 0].real


class NoChange(Method):
    """The model as it is: what every method should beat."""

    name = "no change"

    def _answer(self, learner, h, measurement):
        theta = np.repeat(learner.trained[None], len(h), axis=0)
        return Answer(change_at(learner, measurement, theta), theta)


class Retraining(Method):
    """The truth: training again for every set, weight 0 and the schedule unchanged."""

    name = "retraining"

    def _answer(self, learner, h, measurement):
        theta = retrain(learner, weights=1.0 - h)
        return Answer(change_at(learner, measurement, theta), theta)


class LeaveOneOuts(Method):
    """The sum over a set of what retraining with each of its units alone downweighted changes: a training per
    unit that occurs in any set."""

    name = "sum of leave-one-outs"

    def _answer(self, learner, h, measurement):
        used = np.flatnonzero(h.any(axis=0))
        alone = np.diag(h.max(axis=0))[used]      # every set leaves the same weight
        theta = retrain(learner, weights=1.0 - alone) if len(used) else np.empty((0, learner.layout.size))
        inside, changes = (h[:, used] > 0.0).astype(float), change_at(learner, measurement, theta)
        return Answer(np.tensordot(inside, changes, axes=1),
                      learner.trained + inside @ (theta - learner.trained))


class Sketched(Method):
    """A sketch, its precomputation included.   options: as for `precompute`."""

    name = "sketch"

    def __init__(self, directions=500, degree=3, seed=0, **options):
        self.directions, self.degree, self.seed = whole_number(directions, "the number of directions",
                                                               1), degree, seed
        self.options = options

    def _answer(self, learner, h, measurement):
        sketch = self._sketch(learner)
        many = self._measured(sketch, learner, measurement).predict_downweights(h)
        verdicts = [] if many.verdict is None else [f"{many.verdict.count(v)} x {v}"
                                                    for v in dict.fromkeys(many.verdict)]
        return Answer(many.change, sketch.parameters_at(h), tuple(verdicts))

    def _sketch(self, learner):
        directions = min(self.directions, np.count_nonzero(learner.used))
        return precompute(learner, directions, self.degree, self.seed, **self.options)

    def _measured(self, sketch, learner, measurement):
        return sketch.measure(measurement)


class SketchedModel(Sketched):
    """The sketch's own unlearned model: `sketch.parameters` without each set, and the measurement there, not
    its own series."""

    name = "sketched model"

    def _answer(self, learner, h, measurement):
        theta = self._sketch(learner).parameters_at(h)
        return Answer(change_at(learner, measurement, theta), theta)
