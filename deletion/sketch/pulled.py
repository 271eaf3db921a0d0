"""The sketch from the other side: cotangents of the trained parameters pulled back to every unit's weight.

Forward directions live among the units: first order needs half as many of them as there are units. Cotangents
v_k live among the parameters. A measurement chosen later has a gradient at the trained parameters, grad f =
sum_k c_k v_k + res. What deleting a unit changes is then sum_k c_k psi_k, where psi_k are the finite steps of
v_k . theta. The cost does not depend on the number of units.

The residual moves the measurement by res . (theta(h) - theta_T), which no cotangent tells. The calibration
sets were really retrained, so that this is a part of the errors there, and of every interval.
"""
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import Callable, Optional, Sequence

import numpy as np

from circuit import evaluate
from circuit.analysis import only_jump
from circuit.checks import checked_learner, whole_number
from circuit.errors import LearnerError, StoreError
from circuit.progress import Progress, silence, working

from ..directions.cotangents import Cotangents, gradients_of
from ..gradients.pull import block_count, block_of, make_ready, pull, pull_blocks
from ..learner.learner import Learner
from ..predictions.additive import Additive
from ..predictions.calibrated import Calibrated
from ..predictions.questions import Questions
from ..storage.bank import Bank, checked_bank
from ..storage.blocks import FolderBlocks
from ..storage.files import writing
from ..storage.store import Folder
from ..trust.calibration import SETS, Calibration, calibrate, sets_of
from ..trust.kinds import checked_kinds
from .estimate import estimate_pulls
from .identity import (
    PulledIdentity, keep_block, keep_calibration, missing_blocks, reopened_cotangents, require_finished,
    require_learner, require_same_training, started, unfinished_blocks)
from .measured import measured_calibration
from .push import Parcel, checked_executor, gather


MOST = 0.5
"""The share of the squared errors at calibration sets, each divided by its size, from which the residual is
what verdicts name."""


@dataclass(frozen=True, repr=False)
class PulledSketch:
    """Finite steps and slopes of cotangents; `precompute(learner, cotangents(...))` makes it.

    Attributes
    ----------
    learner : Learner, optional
        The learner; None for a sketch opened without it, which cannot be measured.
    cotangents : Cotangents
        The v_k.
    theta : np.ndarray, (parameters,)
        The trained parameters.
    blocks : sequence of np.ndarray, (2, cotangents, units)
        Finite steps and slopes, a block of cotangents at a time; those in a folder are read when needed.
    units : int
        The number of units.
    calibration : Calibration, optional
        Exact retrainings of random sets.
    folder : Folder, optional
        Where the sketch is stored; None in memory.

    Examples
    --------
    >>> from deletion import SGD, Learner, cotangents, precompute
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> sketch = precompute(learner, cotangents(learner), calibration=0, progress=False)
    >>> print(sketch.measure(lambda w: w[0] * 2.0).predict([2]).value.round(2))
    4.0
    """
    learner: Optional[Learner]
    cotangents: Cotangents
    theta: np.ndarray
    blocks: Sequence
    units: int
    calibration: Optional[Calibration] = None
    folder: Optional[Folder] = None

    def __repr__(self):
        return f"<pulled sketch: {self.cotangents!r} over {self.units:,} units>"

    @property
    def finite(self) -> np.ndarray:
        """The finite steps psi_k.

        Returns
        -------
        np.ndarray, (cotangents, units)
        """
        return np.concatenate([block[0] for block in self.blocks])

    @property
    def slopes(self) -> np.ndarray:
        """The derivatives of v_k . theta in the units' weights.

        Returns
        -------
        np.ndarray, (cotangents, units)
        """
        return np.concatenate([block[1] for block in self.blocks])

    def measure(self, measurement: Callable, threads: Optional[int] = None,
                progress: bool = True) -> "PulledMeasured":
        """Express a measurement's gradient in the cotangents.

        Parameters
        ----------
        measurement : Callable
            measurement(parameters) -> a scalar or a vector, written with the functions of `circuit`.
        threads : int, optional
            As for a sketch of directions, so that both are asked alike; nothing here takes more than one.
        progress : bool
            Whether predictions that take long report progress on stderr.

        Returns
        -------
        PulledMeasured
            Of which predictions can be asked.

        Raises
        ------
        LearnerError
            If the measurement moves only by jumps.
        """
        require_learner(self)
        circuit = self.learner.measurement(measurement)
        if only_jump(circuit).any():
            raise LearnerError("this measurement, or an element of it, moves only by jumps, so that it has "
                               "no gradient. Measure a loss, a log-probability, a logit or a margin")
        gradients = gradients_of(circuit, self.theta)
        value = np.asarray(evaluate(circuit, [self.theta])[0])
        calibration = self.calibration and measured_calibration(self.calibration, circuit)
        return PulledMeasured(self, value, gradients, calibration, progress)


class PulledMeasured(Questions):
    """A measurement expressed in cotangents; `PulledSketch.measure` makes it.

    Parameters
    ----------
    sketch : PulledSketch
        The sketch.
    value : np.ndarray
        The measurement as trained.
    gradients : np.ndarray, (q, parameters)
        Of its elements.
    calibration : Calibration or None
        The measurement of exactly retrained models.
    progress : bool
        Whether predictions that take long report progress on stderr.

    Examples
    --------
    >>> from deletion import SGD, Learner, cotangents, precompute
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> sketch = precompute(learner, cotangents(learner), calibration=0, progress=False)
    >>> sketch.measure(lambda w: w[0]).residual
    array([0.])
    """

    downweight, most = None, 1.0      # finite steps are those of deletions

    def __init__(self, sketch: PulledSketch, value: np.ndarray, gradients: np.ndarray,
                 calibration: Optional[Calibration], progress: bool = True):
        self.learner, self.value, self.progress = sketch.learner, value, progress
        self.sketch, self.gradients = sketch, gradients
        self.coefficients = gradients @ sketch.cotangents.vectors.T      # (q, cotangents)
        self.left = gradients - self.coefficients @ sketch.cotangents.vectors      # the residuals
        self.calibration = calibration

    def __repr__(self):
        return f"<measured by {self.sketch.cotangents!r}>"

    @property
    def residual(self) -> np.ndarray:
        """The length of what the cotangents leave of each element's gradient, as a share of it.

        Returns
        -------
        np.ndarray, (q,)
            0 where the gradient is a sum of cotangents.
        """
        length = np.linalg.norm(self.gradients, axis=1)
        return np.linalg.norm(self.left, axis=1) / np.where(length > 0.0, length, 1.0)

    @cached_property
    def calibrated(self):
        """What exact retrainings say of its errors."""
        return Calibrated(self.value, self.calibration, lacking=self._lacking())

    def _lacking(self):
        """Say how much the cotangents leave, if that is most of the error at the calibration sets; else None.

        A residual moves the measurement by residual . (theta(h) - theta_T), which is known there.
        """
        if self.calibration is None or not self.calibration.finite:
            return None
        hidden = (self.sketch.calibration.values - self.sketch.theta) @ self.left.T
        sets, change = self.calibration.sets, (self.calibration.values - self.value).reshape(hidden.shape)
        error, sizes = self._additive(sets).change - change, sets.squares()[:, None]
        if (hidden ** 2 / sizes).sum() <= MOST * (error ** 2 / sizes).sum():
            return None
        return (f"{len(self.sketch.cotangents)} cotangents leave up to {self.residual.max():.2g} of a "
                "gradient; take more of them, of a panel of measurements like these")

    @property
    def gradient(self) -> np.ndarray:
        """The gradient in the units' weights that the cotangents tell; see `Measured.with_gradient`.

        Returns
        -------
        np.ndarray, (units,) + the measurement's shape
        """
        return self._additive.slopes.reshape((self.sketch.units,) + self.value.shape)

    @property
    def weights(self) -> np.ndarray:
        """The weights at which it is the gradient: those of the ordinary training.

        Returns
        -------
        np.ndarray, (units,)
            Ones.
        """
        return np.ones(self.sketch.units)

    @cached_property
    def _additive(self):
        finite, slopes = (np.zeros((len(self.coefficients), self.sketch.units)) for _ in range(2))
        for b, block in enumerate(self.sketch.blocks):
            for total, part in zip((finite, slopes), block):
                total += block_of(self.coefficients.T, b).T @ part
        return Additive("cotangents", finite.T, slopes.T)

    def estimator(self) -> Additive:
        """Return the additive estimator of these finite steps.

        Returns
        -------
        Additive
            estimator(sets, errors) -> Estimates.
        """
        return self._additive


# making -----------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class PullPlan:
    """What is to be pulled back.

    Attributes
    ----------
    learner : Learner
    cotangents : Cotangents
    seed : int
        Of the calibration sets.
    sets, kinds, bank
        Of the calibration, as in a Plan.
    """
    learner: Learner
    cotangents: Cotangents
    seed: int
    sets: np.ndarray
    kinds: tuple
    bank: Optional[Bank] = None

    @classmethod
    def of(cls, learner, cotangents, seed, calibration, kinds, bank):
        """Return the plan of cotangents that fit a learner, with so many random sets for calibration."""
        size, parameters = cotangents.vectors.shape[1], checked_learner(learner).layout.size
        if size != parameters:
            raise LearnerError(f"cotangents of {size} parameters for a learner with {parameters}")
        seed = whole_number(seed, "a seed", 0)
        count = SETS if calibration is None else calibration
        kinds = checked_kinds(kinds, learner.used)
        return cls(learner, cotangents, seed, sets_of(learner, count, seed, kinds), kinds, checked_bank(bank))

    def __len__(self):
        """Return the number of blocks."""
        return block_count(self.cotangents.vectors)

    def identity(self):
        """Return what determines the sketch."""
        learner = self.learner
        return PulledIdentity(learner.fingerprint_parts(), learner.recipe, self.cotangents, self.seed,
                              learner.unit_count, len(self.sets), self.kinds)

    def tasks(self, chosen):
        """Return a PullTask for each chosen block."""
        return [PullTask(b, block_of(self.cotangents.vectors, b)) for b in chosen]


@dataclass(frozen=True)
class PullTask:
    """One block of cotangents (cotangents, parameters) to pull back, and its number."""
    block: int
    vectors: np.ndarray


def pulled(learner, cotangents, seed, judged_by, *, out, executor, threads, dry_run, progress):
    """Return the PulledSketch of a learner and Cotangents, or an Estimate; arguments as for `precompute`.

    judged_by   (how many random sets for calibration, kinds, the bank)
    """
    plan = PullPlan.of(learner, cotangents, seed, *judged_by)
    with working("precompute", progress):
        if dry_run:
            folder = None if out is None else reopened_cotangents(out, plan.identity())[0]
            return estimate_pulls(plan, missing_blocks(len(plan), folder), out, threads)
        if out is None:
            return pulled_in_memory(plan, executor=executor, threads=threads)
        return pulled_in_folder(out, plan, executor=executor, threads=threads)


def pulled_in_memory(plan, **how):
    """Pull a plan's cotangents back, and return their PulledSketch."""
    blocks, thetas = [None] * len(plan), {}

    def keep(b, theta, numbers, seconds):
        require_same_training(thetas.setdefault(0, theta), theta, f"the first finished block and block {b}")
        blocks[b] = numbers

    pull_all(plan, range(len(plan)), keep, **how)
    return PulledSketch(plan.learner, plan.cotangents, thetas[0], blocks, plan.learner.unit_count,
                        calibrate(plan.learner, plan.sets, plan.kinds, bank=plan.bank))


def pulled_in_folder(path, plan, **how):
    """Make what a folder lacks of a plan, and return its PulledSketch."""
    with writing(path):
        identity, lock = plan.identity(), Lock()
        folder, cotangents = reopened_cotangents(path, identity)
        folder = started(path, folder, identity, {"cotangents": cotangents.vectors})

        def keep(b, theta, numbers, seconds):
            with lock:
                keep_block(folder, b, theta, numbers, seconds)

        pull_all(replace(plan, cotangents=cotangents), unfinished_blocks(folder), keep, **how)
        keep_calibration(folder, plan)
        calibration = Calibration.read(folder) if len(plan.sets) else None
        return opened_pulls(folder, plan.learner, calibration)


def pull_all(plan, chosen, keep, executor=None, threads=None):
    """Pull the chosen blocks of a plan, and keep(b, theta, numbers, seconds) each, from any thread.

    The executor pulls blocks, by default as many threads as are asked for, or as the machine has cores.
    """
    checked_executor(executor)
    vectors = plan.cotangents.vectors
    with Progress(None, "pull back") as report:
        if executor is None:
            pull_blocks(plan.learner, vectors, chosen, keep, threads, report)
            return
        parcel, tasks = Parcel(plan.learner), plan.tasks(chosen)
        report.total = sum(len(task.vectors) for task in tasks)
        if tasks and not isinstance(executor, ThreadPoolExecutor):
            parcel.packed()      # raises here if the learner cannot be sent
        if tasks:
            make_ready(plan.learner, vectors)      # other processes of this machine find the results on disk
            report.begin()
        gather(tasks, lambda task: executor.submit(pull_block, parcel, task.vectors), keep,
               lambda task, seconds: report(len(task.vectors), seconds))


def pull_block(parcel, vectors):
    """Pull one block, as a worker: return (theta, numbers, seconds)."""
    with silence():
        start = time.perf_counter()
        back = pull(parcel.learner, vectors, threads=1, progress=False)
    return back.parameters, np.stack([back.finite, back.slopes]), time.perf_counter() - start


def opened_pulls(folder, learner, calibration):
    """Return the PulledSketch in a finished Folder."""
    require_finished(folder, learner)
    try:
        cotangents = Cotangents(folder.read("cotangents"))
    except LearnerError as error:
        raise StoreError(f"cotangents.npy in {folder.path} is damaged or was edited: {error}") from None
    blocks = FolderBlocks(folder, folder.block_count)
    return PulledSketch(learner, cotangents, folder.read("theta"), blocks, folder.facts["units"],
                        calibration, folder)
