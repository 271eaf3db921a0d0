"""The methods that others are compared with: no change, retraining, leave-one-outs, the sketch itself, and
`ask`, which chooses."""
from collections import Counter

import numpy as np

from circuit.checks import whole_number
from ..asking.ask import ask
from ..curvature.shared import shared
from ..learner.retrain import retrain
from ..sketch.sketch import precompute
from .base import Answer, Method, change_at


class NoChange(Method):
    """The model as it is: what every method should beat.

    Examples
    --------
    >>> from deletion import NoChange
    >>> NoChange().name
    'no change'
    """

    name = "no change"

    def _answer(self, learner, h, measurement):
        theta = np.repeat(learner.trained[None], len(h), axis=0)
        return Answer(change_at(learner, measurement, theta), theta)


class Retraining(Method):
    """The truth: training again for every set, with weight 0 and an unchanged schedule.

    Examples
    --------
    >>> from deletion import Retraining
    >>> Retraining().name
    'retraining'
    """

    name = "retraining"

    def _answer(self, learner, h, measurement):
        theta = retrain(learner, weights=1.0 - h)
        return Answer(change_at(learner, measurement, theta), theta)


class LeaveOneOuts(Method):
    """The sum, over a set, of what retraining without each of its units alone changes.

    It takes one training per unit that occurs in any set.

    Examples
    --------
    >>> from deletion import LeaveOneOuts
    >>> LeaveOneOuts().name
    'sum of leave-one-outs'
    """

    name = "sum of leave-one-outs"

    def _answer(self, learner, h, measurement):
        deleted = np.flatnonzero(h.any(axis=0))
        alone = np.diag(h.max(axis=0))[deleted]      # every set leaves the same weight
        if len(deleted):
            theta = retrain(learner, weights=1.0 - alone)
        else:
            theta = np.empty((0, learner.layout.size))
        inside, changes = (h[:, deleted] > 0.0).astype(float), change_at(learner, measurement, theta)
        return Answer(np.tensordot(inside, changes, axes=1),
                      learner.trained + inside @ (theta - learner.trained))


class Sketched(Method):
    """A sketch, its precomputation included.

    Its answers have intervals and verdicts; `diagnostics` counts the verdicts. A learner with fewer units
    than `directions` gets one direction per unit.

    Parameters
    ----------
    directions : int
        The number of random directions, at least 1.
    degree : int
        The degree of the polynomials.
    seed : int
        The seed of the directions.
    **options : object
        More options of `precompute`.

    Raises
    ------
    LearnerError
        If `directions` is not a whole number >= 1.

    Examples
    --------
    >>> from deletion import Sketched
    >>> Sketched(100)
    Sketched(directions=100, degree=3, seed=0, options={})
    """

    name = "sketch"

    def __init__(self, directions: int = 500, degree: int = 3, seed: int = 0, **options: object):
        self.directions = whole_number(directions, "the number of directions", 1)
        self.degree, self.seed, self.options = degree, seed, options

    def _answer(self, learner, h, measurement):
        with shared():
            sketch = self._sketch(learner)
            measured = self._measured(sketch, learner, measurement)
        prediction = measured.predict_downweights(h)
        diagnostics = {"directions": len(sketch.directions), "degree": self.degree}
        interval = verdict = None
        if prediction.verdict is not None:
            verdict = np.array(prediction.verdict)
            diagnostics |= Counter(prediction.verdict)
        if prediction.interval is not None:
            interval = np.array(prediction.interval) - (prediction.value - prediction.change)
        return Answer(prediction.change, sketch.parameters_at(h), interval=interval, verdict=verdict,
                      diagnostics=diagnostics)

    def _sketch(self, learner):
        directions = min(self.directions, np.count_nonzero(learner.used))
        return precompute(learner, directions, self.degree, self.seed, **self.options)

    def _measured(self, sketch, learner, measurement):
        return sketch.measure(measurement)


class SketchedModel(Sketched):
    """The sketch's own unlearned model: its parameters without each set, and the measurement taken there.

    The measurement's own series is not used, so there are no intervals. The parameters are those of Sketched.

    Examples
    --------
    >>> from deletion import SketchedModel
    >>> SketchedModel(100).name
    'sketched model'
    """

    name = "sketched model"

    def _answer(self, learner, h, measurement):
        with shared():
            sketch = self._sketch(learner)
        theta = sketch.parameters_at(h)
        return Answer(change_at(learner, measurement, theta), theta)


class Asked(Method):
    """`ask` for a price: it chooses among gradients, leave-one-outs and retraining.

    Its answers have intervals and verdicts; `diagnostics` counts the sources, and has the cost in trainings
    and the expected error. The retrainings that calibrate are counted in `seconds`, not in `trainings`.

    Parameters
    ----------
    trainings : float, optional
        The most that may be spent, in trainings made side by side.
    **options : object
        More options of `ask`.

    Examples
    --------
    >>> from deletion import Asked
    >>> Asked(300)
    Asked(trainings=300, options={})
    """

    name = "ask"

    def __init__(self, trainings: float | None = None, **options: object):
        self.trainings, self.options = trainings, options

    def _answer(self, learner, h, measurement):
        sets = [[learner.units[i] for i in np.flatnonzero(row)] for row in h]
        p = ask(learner, sets, measurement, weight=1.0 - h.max(initial=0.0) if h.any() else 0.0,
                trainings=self.trainings, progress=False, **self.options)
        diagnostics = dict(Counter(p.source)) | {"trainings": p.strategy.trainings,
                                                 "expected error": p.strategy.error}
        interval = None if p.interval is None else np.array(p.interval) - (p.value - p.change)
        return Answer(p.change, interval=interval, verdict=None if p.verdict is None else np.array(p.verdict),
                      notes=(str(p.strategy),), diagnostics=diagnostics)
