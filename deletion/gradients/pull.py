"""Cotangents of the trained parameters, pulled back through the training: what each says of every unit.

Let v be a cotangent: the measurement v . theta has gradient v wherever theta is. One pass backwards, as for a
metagradient, gives its slope in every unit's weight, J' v with J = d theta_T / d w, and its finite step
psi(v). Both are linear in v. The optimizer's state has cotangents 0 at the end of the training.
"""
from typing import NamedTuple

import numpy as np

from circuit.blas import one_blas_thread
from circuit.checks import checked_learner, checked_threads, real_array
from circuit.errors import LearnerError
from circuit.progress import Progress
from taylor import TRAININGS

from ..learner.learner import Learner
from .circuits import update_is_affine
from .passes import Pass, add_steps, run_passes, units_of_steps
from .walk import walk

AT_ONCE = 32
"""Blocks of lanes that one pass takes back together. Each holds numbers of its own until the pass ends.
The training forwards, which a pass takes once, is then less than a hundredth of its work."""


class Pulled(NamedTuple):
    """Cotangents pulled back.

    Attributes
    ----------
    parameters : np.ndarray, (parameters,)
        The trained parameters, from which the way back started.
    finite : np.ndarray or None, (cotangents, units)
        psi, the finite steps; see Metagradient.finite.
    slopes : np.ndarray, (cotangents, units)
        The derivatives of v . theta_T in the units' weights.
    """
    parameters: np.ndarray
    finite: np.ndarray | None
    slopes: np.ndarray


def pull(learner: Learner, vectors: np.ndarray, *, finite_step: bool = True, memory: int | None = None,
         threads: int | None = None, progress: bool = True) -> Pulled:
    """Pull cotangents of the trained parameters back through the training, to every unit's weight.

    Parameters
    ----------
    learner : Learner
        The learner.
    vectors : np.ndarray, (cotangents, parameters)
        The cotangents of the flat trained parameters.
    finite_step : bool
        Whether to calculate finite steps.
    memory : int, optional
        Bytes for stored states of the training, by default 1 GiB. What does not fit is calculated again.
    threads : int, optional
        How many blocks of cotangents run at a time; by default the machine's cores.
    progress : bool
        Whether to report progress on stderr.

    Returns
    -------
    Pulled

    Raises
    ------
    LearnerError
        For vectors of another number of parameters, or that are not finite, and for too little memory.
    DomainError
        Wherever a NaN or infinity appears; it names step and example.

    Examples
    --------
    >>> from deletion import SGD, Learner
    >>> from deletion.gradients.pull import pull
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 40)
    >>> pull(learner, [[1.0], [3.0]], progress=False).slopes.round(3)
    array([[-0.667, -0.333,  1.   ],
           [-2.   , -1.   ,  3.   ]])
    """
    vectors = checked_vectors(checked_learner(learner), vectors)
    affine = finite_step and update_is_affine(learner)
    totals = Totals(learner, vectors, finite_step and not affine)
    with Progress(None, "pull back", progress) as report, one_blas_thread():
        run_passes(learner, totals.passes(), checked_threads(threads), memory, report)
    slopes, *finite = totals.sums
    return Pulled(totals.parameters, -slopes if affine else finite[0] if finite else None, slopes)


def checked_vectors(learner, vectors):
    """Return vectors (cotangents, parameters), at least one."""
    vectors, size = real_array(vectors, "cotangents"), learner.layout.size
    if vectors.ndim != 2 or vectors.shape[1] != size or not len(vectors):
        raise LearnerError(f"cotangents are an array (cotangents, parameters), with {size} parameters, "
                           f"not of shape {vectors.shape}")
    return vectors


class Totals:
    """The sums over the steps of what the ways back return.

    Parameters
    ----------
    learner : Learner
    vectors : np.ndarray, (cotangents, parameters)
    finite : bool
        Whether finite steps are calculated.
    """

    def __init__(self, learner, vectors, finite):
        self.learner, self.vectors, self.finite, self.parameters = learner, vectors, finite, None
        self.sums = np.zeros((1 + finite, len(vectors), learner.unit_count))      # slopes, psi
        self.units = units_of_steps(learner)

    def passes(self):
        """Return the passes; together they take all cotangents."""
        blocks = [slice(at, at + TRAININGS) for at in range(0, len(self.vectors), TRAININGS)]
        return [self.one_pass(blocks[at:at + AT_ONCE]) for at in range(0, len(blocks), AT_ONCE)]

    def one_pass(self, blocks):
        """Return the Pass of some blocks of cotangents."""
        def turn(there):
            self.parameters = there.parameters.copy()
            return [there.back(self.vectors[block]) for block in blocks]

        def collect(number, first, last, result):
            for total, part in zip(self.sums, result):
                add_steps(total[blocks[number]], self.units[first:last], part)

        weights = np.ones(self.learner.example_count)
        return Pass(lambda: walk(self.learner, weights, self.finite), turn, collect, len(blocks))
