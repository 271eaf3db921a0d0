"""Answers from a metagradient: first order alone, and joined to a sketch."""
import numpy as np

from circuit.renamed import former_names
from ..curvature.shared import shared
from ..gradients.metagradient import metagradient
from .base import Answer, Method
from .reference import Sketched

__getattr__ = former_names(__name__, {"SketchedBeyond": "SketchWithMetagradient"})


class ByMetagradient(Method):
    """The exact degree 1: the measurement's derivative in each unit's weight, summed over the set.

    The derivative goes through the whole training. `diagnostics` has `stored`, the number of the training's
    states that were held at once.

    Parameters
    ----------
    finite_step : bool
        Whether to answer with finite steps in place of the derivative: with what deleting each unit changes
        in the steps that use it, see `Metagradient.changes`. Under Adam that is the better prediction.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import ByMetagradient
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1]] * 60)
    >>> print(ByMetagradient().answer(learner, [[1]], lambda w: w[0], progress=False).change.round(6))
    [-0.5]
    """

    name = "metagradient"

    def __init__(self, finite_step: bool = False):
        self.finite_step = finite_step

    def _answer(self, learner, h, measurement):
        with shared():
            derivative = metagradient(learner, measurement, finite_step=self.finite_step)
        sets = [[learner.units[i] for i in np.flatnonzero(row)] for row in h]
        change = derivative.changes(sets, weight=1.0 - h.max(initial=0.0), finite_step=self.finite_step)
        return Answer(change, diagnostics={"stored": derivative.stored})


class SketchWithMetagradient(Sketched):
    """A sketch for the degrees above 1 and the metagradient for degree 1.

    It is for learners with many more units than twice the number of directions. The parameters are those of
    Sketched.

    Examples
    --------
    >>> from deletion.influence import SketchWithMetagradient
    >>> SketchWithMetagradient(100).name
    'sketch + metagradient'
    """

    name = "sketch + metagradient"

    def _measured(self, sketch, learner, measurement):
        return sketch.measure(measurement).with_gradient(metagradient(learner, measurement))
