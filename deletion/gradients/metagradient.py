"""The metagradient: a measurement's derivative in every unit's weight, by reverse mode through the training.

A training is s_{t+1} = step_t(s_t, w): s holds the parameters and the optimizer's state, w the weights. With
a_T the measurement's gradient at the end,

    a_t = a_{t+1} d step_t / d s,        gradient = sum_t a_{t+1} d step_t / d w

(Ilyas & Engstrom, MAGIC, arXiv 2504.16430), where a step's transposed derivatives are one more circuit. The
gradient is exact, costs a few trainings for a measurement, however many units there are, and is the whole
first order of a prediction: w = 1 - h, so T_1(h) = -h . gradient. States are needed in reverse order: as many
as the memory holds are kept on the way forward, and the others are calculated again.

With `finite_step`, the same pass also gives psi, what deleting a unit changes in the steps that use it, with
the rest of training linearized. psi differs from -w . gradient where an optimizer's update is not linear in
the gradient (Adam), and is then the better prediction of a deletion.
"""
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuit import DomainError, evaluate
from circuit.analysis import only_jump
from circuit.blas import one_blas_thread
from circuit.checks import checked_learner, checked_threads, iterable, real_array
from circuit.errors import LearnerError
from circuit.progress import Progress
from circuit.reverse import vjps_of_parts

from ..learner.learner import Learner
from .circuits import update_is_affine
from .compiled_walk import BASES
from .passes import Pass, add_steps, run_passes, units_of_steps
from .walk import walk

ELEMENTS = {1: 0.36, 4: 0.6, 8: 0.84, 16: 1.0}
"""Numbers of elements of a measurement that a pass back at one base takes together, with the time of such a
block, in units of that of 16; measured on microgpt."""

SIDE_BY_SIDE = 1.4
"""The time of a pass back for one element at a block of BASES bases, in the same units."""


@dataclass(frozen=True)
class Metagradient:
    """The derivative of one measurement f of one learner in the weight of every unit.

    Attributes
    ----------
    learner : Learner
        The learner whose training was differentiated.
    value : np.ndarray
        f as trained, of the measurement's shape. For derivatives at several bases this and all other arrays
        have a leading axis of bases.
    gradient : np.ndarray, (units,) + the measurement's shape
        df / d(weight of the unit's examples).
    weights : np.ndarray, (units,)
        Where the derivative is taken; ones for the ordinary training.
    stored : int
        How many states of a training were held at once.
    slopes : np.ndarray, the schedule's shape + the measurement's, or None
        df / d(weight of that example at that step alone), with `by_step`. The sum over the places of a unit's
        examples is the gradient.
    finite : np.ndarray, (units,) + the measurement's shape, or None
        psi, with `finite_step`: the sum over the steps t that use the unit of a_{t+1} . (the state behind
        step t without all of the unit's examples - the state behind it). 0 for a unit of weight 0.

    Examples
    --------
    The first order of a deletion is minus the gradient of the units deleted.

    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import metagradient
    >>> learner = Learner(np.zeros(1), np.array([1.0, 2.0, 6.0]), lambda w, x: (w[0] - x) ** 2, SGD(0.3),
    ...                   np.tile(np.arange(3), (40, 1)))
    >>> metagradient(learner, lambda w: w[0], progress=False).changes([[2], [0, 1]]).round(3)
    array([-1.,  1.])
    """
    learner: Learner
    value: np.ndarray
    gradient: np.ndarray
    weights: np.ndarray
    stored: int
    slopes: np.ndarray | None = None
    finite: np.ndarray | None = None

    def changes(self, deletion_sets: Sequence, *, weight: float = 0.0,
                finite_step: bool = False) -> np.ndarray:
        """Return predictions of the measurement's change, the sum of what the units of a set contribute.

        A unit of downweight h = 1 - weight contributes -h gradient, degree 1. With `finite_step` it
        contributes h^2 psi - h (1 - h) gradient: psi where it is deleted, and the same slope at h = 0.

        Parameters
        ----------
        deletion_sets : sequence of deletion sets
            Sets of units' labels, as `retrain` takes them.
        weight : float
            What is left of the units' weight.
        finite_step : bool
            Whether to predict by the finite steps; they must have been calculated.

        Returns
        -------
        np.ndarray, (sets,) + the measurement's shape

        Raises
        ------
        LearnerError
            For unknown or repeated units, for a gradient taken at weights other than 1, and for finite steps
            that were not calculated.
        """
        if np.any(self.weights != 1.0):
            raise LearnerError("this gradient is taken at weights of its own; deletions are predicted from "
                               "one at ordinary weights")
        if finite_step and self.finite is None:
            raise LearnerError("this metagradient has no finite steps: metagradient(learner, measurement, "
                               "finite_step=True) calculates them")
        if not iterable(deletion_sets):
            raise LearnerError(f"deletion sets are a sequence of sets, such as [{deletion_sets!r:.60}], not "
                               f"{deletion_sets!r:.60}")
        downweights = np.reshape([self.learner.downweight(s, weight) for s in deletion_sets],
                                 (-1, self.learner.unit_count))
        bases = self.weights.ndim - 1      # a leading axis, if there are several, stays in front

        def summed(rows, contributions):
            return np.moveaxis(np.tensordot(rows, contributions, (1, bases)), 0, bases)

        if not finite_step:
            return -summed(downweights, self.gradient)
        linear = summed(downweights * (1.0 - downweights), self.gradient)
        return summed(downweights ** 2, self.finite) - linear


def metagradient(learner: Learner, measurement: Callable, *, weights: ArrayLike | None = None,
                 memory: int | None = None, by_step: bool = False, finite_step: bool = False,
                 threads: int | None = None, checkpoints: int | None = None,
                 progress: bool = True) -> Metagradient:
    """Differentiate a measurement in the weight of every unit, by one pass backwards through the training.

    On a kink the branch in force counts, and a measurement that the parameters do not move has gradient zero.

    Parameters
    ----------
    learner : Learner
        The learner whose training is differentiated.
    measurement : callable
        measurement(parameters) -> scalar or vector, written with the functions of `circuit`.
    weights : array_like, (units,) or (bases, units), optional
        Real weights >= 0 at which to take the derivative; by default ones, the ordinary training.
    memory : int, optional
        Bytes for stored states of the training, by default 1 GiB. What does not fit is calculated again.
    by_step : bool
        Whether to keep the slopes of every step.
    finite_step : bool
        Whether to calculate what deleting each unit changes in the steps that use it. The loss is recorded
        once more for it.
    threads : int, optional
        How many blocks of bases, or of elements, run at a time; by default the machine's cores.
    checkpoints : int, optional
        Deprecated: memory for so many states, and for two at least. Use `memory`.
    progress : bool
        Whether to report progress on stderr.

    Returns
    -------
    Metagradient

    Raises
    ------
    LearnerError
        For input that makes no sense, a measurement that only jumps (an accuracy), and too little memory.
    DomainError
        Wherever a NaN or infinity appears; it names step and example.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.influence import metagradient
    >>> learner = Learner(np.zeros(1), np.array([1.0, 2.0, 6.0]), lambda w, x: (w[0] - x) ** 2, SGD(0.3),
    ...                   np.tile(np.arange(3), (40, 1)))
    >>> metagradient(learner, lambda w: w[0], progress=False).gradient.round(3)
    array([-0.667, -0.333,  1.   ])
    """
    measured = checked_measurement(learner, measurement)
    weights, threads = checked_weights(learner, weights), checked_threads(threads)
    if checkpoints is not None:
        warn_of_checkpoints(memory)
    affine = finite_step and update_is_affine(learner)
    sums = Sums(learner, measured, weights, by_step, finite_step and not affine)
    with Progress(None, "metagradient", progress) as report, one_blas_thread():
        stored = run_passes(learner, sums.passes(), threads, memory, report, checkpoints)
    return sums.result(stored, affine)


def checked_measurement(learner, measurement):
    """Return the circuit of a measurement that has a derivative to take."""
    measured = checked_learner(learner).measurement(measurement)
    if only_jump(measured).any():
        raise LearnerError("this measurement, or an element of it, moves only by jumps (an accuracy, a "
                           "step), so its derivative says nothing. Measure a loss, a log-probability, a "
                           "logit or a margin")
    return measured


def warn_of_checkpoints(memory):
    """Say what takes the place of checkpoints=; raise LearnerError if that is given too."""
    if memory is not None:
        raise LearnerError("give memory, in bytes, or the deprecated checkpoints, not both")
    warnings.warn("checkpoints= is deprecated: memory= says in bytes how much the stored states of the "
                  "training may take", DeprecationWarning, stacklevel=3)


def checked_weights(learner, weights):
    """Return one weight per unit, or a row of them for each base."""
    weights = np.ones(learner.unit_count) if weights is None else real_array(weights, "weights")
    if (weights.ndim not in (1, 2) or weights.shape[-1] != learner.unit_count or not weights.size
            or weights.min() < 0.0):
        raise LearnerError(f"weights are one number >= 0 per unit ({learner.unit_count}), or rows of them, "
                           f"not {weights.shape}" + (f" with {weights.min():g} among them" if weights.size
                                                     else ""))
    return weights


class Sums:
    """The results of all blocks, added up.

    A block covers either up to 16 elements of the measurement at one base, or up to BASES bases for one
    element, whichever takes less time for all.

    Parameters
    ----------
    learner : Learner
        The learner.
    measured : Circuit
        Of the measurement.
    weights : np.ndarray, (units,) or (bases, units)
        Where the derivative is taken.
    by_step, finite : bool
        What to keep besides the gradient.
    """

    def __init__(self, learner, measured, weights, by_step, finite):
        self.learner, self.measured, self.weights = learner, measured, weights
        self.shape, self.finite = measured.shapes[measured.outputs[0]], finite
        self.rows = np.atleast_2d(weights)
        count, elements = len(self.rows), int(np.prod(self.shape))
        self.example_weights = learner.example_weights(1.0 - self.rows)
        self.value = np.zeros((count,) + self.shape)
        self.totals = np.zeros((1 + finite, count, elements, learner.unit_count))      # gradient, psi
        self.slopes = np.zeros((count, elements) + learner.schedule.shape) if by_step else None
        self.units, self.backward = units_of_steps(learner), list(vjps_of_parts(measured))

    def passes(self):
        """Return the passes: for each a block of bases, and blocks of elements."""
        bases, elements = self.totals.shape[1:3]
        sizes, blocks = together(elements), range(0, bases, BASES)
        if bases * sum(ELEMENTS[size] for size in sizes) <= len(blocks) * elements * SIDE_BY_SIDE:
            starts = np.cumsum([0, *sizes])
            parts = [slice(at, min(at + size, elements)) for at, size in zip(starts, sizes)]
            return [self.one_pass(base, parts) for base in range(bases)]
        return [self.one_pass(slice(at, min(at + BASES, bases)), range(elements)) for at in blocks]

    def one_pass(self, bases, elements):
        """Return a Pass at one base for slices of elements, or at a slice of bases for single elements."""
        def turn(walk):
            with measuring():
                self.value[bases], = evaluate(self.measured, [walk.parameters])
                cotangents = [self.cotangents(part, walk.parameters) for part in elements]
            return [walk.back(x) for x in cotangents]

        def collect(number, first, last, result):
            place = (bases, elements[number])      # one of them is a slice: an axis of lanes stays
            for total, slopes in zip(self.totals, result):
                add_steps(total[place], self.units[first:last], slopes)
            if self.slopes is not None:
                self.slopes[place][:, first:last] = result[0].reshape(self.slopes[place][:, first:last].shape)

        return Pass(lambda: walk(self.learner, self.example_weights[bases], self.finite), turn, collect,
                    len(elements))

    def cotangents(self, part, parameters):
        """Return the gradient (lanes, parameters) of a slice of elements, or of one element at several
        bases."""
        gradients = []
        for first, backward in self.backward:
            shape = backward.inputs[0].shape
            size = int(np.prod(shape))
            units = np.eye(size).reshape((size,) + shape)
            begin, end = (part.start, part.stop) if isinstance(part, slice) else (part, part + 1)
            rows = units[max(begin - first, 0):max(end - first, 0)]
            if len(rows):
                gradient, = evaluate(backward, [rows if parameters.ndim == 1 else rows[0], parameters])
                lanes = len(rows) if parameters.ndim == 1 else len(parameters)
                gradients.append(np.broadcast_to(gradient, (lanes, parameters.shape[-1])))
        return np.concatenate(gradients)

    def result(self, stored, affine):
        """Return the Metagradient."""
        lead = self.weights.shape[:-1]

        def shaped(x, axes):      # elements come last, and take the measurement's shape
            x = np.moveaxis(x, 1, -1)
            return x.reshape(lead + x.shape[1:1 + axes] + self.shape)

        gradient, *finite = [shaped(x, 1) for x in self.totals]
        if affine:
            finite = [-self.weights.reshape(self.weights.shape + (1,) * len(self.shape)) * gradient]
        slopes = None if self.slopes is None else shaped(self.slopes, self.learner.schedule.ndim)
        return Metagradient(self.learner, self.value.reshape(lead + self.shape), gradient, self.weights,
                            stored, slopes, finite[0] if finite else None)


def together(elements):
    """Return how many elements each pass back at one base has lanes for, the largest blocks first."""
    sizes = []
    while sum(sizes) < elements:
        left = elements - sum(sizes)
        sizes.append(next((size for size in ELEMENTS if size >= left), max(ELEMENTS)))
    return sizes


@contextmanager
def measuring():
    """A context in which a DomainError says that it comes from the measurement."""
    try:
        yield
    except DomainError as error:
        raise DomainError(f"the measurement of the trained parameters: {error}") from None
