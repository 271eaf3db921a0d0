"""The sketch: the trained parameters as polynomials along every direction, and what can be measured on it.

    precompute(learner, directions=500, degree=3).measure(lambda parameters: ...).predict(deletion_set)

Nothing in a sketch depends on what will be deleted or measured. In a folder it survives kills: see
storage/store.py.
"""
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from os import PathLike
from typing import Callable, Mapping, Optional, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import checked_learner, checked_threads, real_array
from circuit.errors import LearnerError, StoreError
from circuit.progress import Progress, working
from taylor import checked_degree

from ..directions.cotangents import Cotangents
from ..directions.directions import Directions, chosen, fitting
from ..learner.learner import Learner
from ..storage.bank import Bank, checked_bank
from ..storage.blocks import (
    DIRECTIONS_PER_BLOCK, Blocks, FolderBlocks, checked_dtype, to_storage)
from ..storage.files import writing
from ..storage.manifest import of_cotangents
from ..storage.store import Folder
from ..trust.calibration import SETS, Calibration, calibrate, sets_of
from ..trust.kinds import checked_kinds
from .estimate import Estimate, estimate
from .identity import (
    Identity, begun, keep_block, keep_calibration, missing_blocks, reopened, require_finished,
    require_learner, require_same_training, same_learner, unfinished_blocks)
from .measured import Measured, coefficients_of, measured_calibration, measured_coordinates, parameters_at
from .pulled import PulledSketch, opened_pulls, pulled
from .push import Plan, push_all

COORDINATES = 64
"""The parameters by which 'auto' chooses the decoder of all: more would seldom change the choice."""


@dataclass(frozen=True, repr=False)
class Sketch:
    """theta(t psi_j) for every direction j, truncated after t^degree; see `precompute`, `load` and `merge`.

    Attributes
    ----------
    learner : Learner, optional
        None for a sketch opened without its learner, which can be merged but not measured.
    directions : Directions
        The psi_j, (directions, units), and their design.
    degree : int
        The highest power of t.
    theta : np.ndarray
        (parameters,) float64: theta_0, the trained parameters, which all directions share.
    blocks : sequence of np.ndarray
        Each (parameters, degree, 2, 8) float64: theta_1 .. theta_p of 8 directions, by order, real or
        imaginary part, and direction. In the last block, directions beyond the last are zero.
    downweight : np.ndarray
        (units,): the point of the expansion; zero is the ordinary training.
    calibration : Calibration, optional
        Exact retrainings of random sets, from which intervals and verdicts come.
    folder : Folder, optional
        Where the sketch is stored; None in memory.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner, precompute
    >>> numbers = np.arange(20.0) / 10
    >>> learner = Learner([0.0], list(numbers), lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(20)] * 30)
    >>> sketch = precompute(learner, 10, degree=2, calibration=0, progress=False)
    >>> print("mean", sketch.theta.round(2), "without the largest", sketch.parameters([19]).round(2))
    mean [0.95] without the largest [0.9]
    """
    learner: Optional[Learner]
    directions: Directions
    degree: int
    theta: np.ndarray
    blocks: Sequence
    downweight: np.ndarray
    calibration: Optional[Calibration] = None
    folder: Optional[Folder] = None

    def __repr__(self):
        return (f"<sketch: {len(self.theta):,} parameters, {len(self.directions)} directions "
                f"({self.directions.design}) of degree {self.degree} "
                f"over {self.directions.psi.shape[1]:,} units>")

    @property
    def dtype(self):
        """The stored format of the coefficients."""
        return self.blocks.dtype.name

    def learner_parts(self) -> dict:
        """Return the parts of its learner's fingerprint.

        Returns
        -------
        dict
            {part: hash}; from the folder if the sketch has one, otherwise calculated.
        """
        return (self.folder.manifest["learner"]["fingerprint"] if self.folder
                else self.learner.fingerprint_parts())

    def seconds(self) -> float:
        """Return the time that its blocks took.

        Returns
        -------
        float
            Seconds of one core; 0 if the time is not known.
        """
        return self.folder.seconds() if self.folder else 0.0

    def recipe(self) -> Optional[dict]:
        """Return how its learner can be made again; see cli/recipe.py.

        Returns
        -------
        dict, optional
            The factory and its arguments; None if they are not known.
        """
        return self.folder.manifest["learner"].get("recipe") if self.folder else self.learner.recipe

    def measure(self, measurement: Callable, threads: Optional[int] = None,
                progress: bool = True) -> Measured:
        """Evaluate a measurement along every direction. This takes one inference per direction.

        Parameters
        ----------
        measurement : Callable
            measurement(parameters) -> a scalar or a vector, written with the functions of `circuit`.
        threads : int, optional
            Blocks measured at a time. Default: the number of cores.
        progress : bool
            False prints nothing on stderr, neither here nor for predictions.

        Returns
        -------
        Measured
            The coefficients, of which predictions can be asked.

        Raises
        ------
        CircuitError
            If the measurement is piecewise constant (an argmax, an accuracy). The message says what to use.
        """
        require_learner(self)
        circuit, threads = self.learner.measurement(measurement), checked_threads(threads)
        with Progress(len(self.blocks), "measure", progress) as report:
            value, coefficients = coefficients_of(self, circuit, threads, report)
            calibration = self.calibration and measured_calibration(self.calibration, circuit)
        return Measured(self.learner, self.directions, value, coefficients, self.downweight, calibration,
                        progress=progress)

    def parameters(self, deletion_set: Union[object, Sequence], *, weight: float = 0.0, decoder: str = "auto",
                   progress: bool = True) -> Union[np.ndarray, dict]:
        """Predict the parameters of the model trained without a deletion set: an approximate unlearned model.

        Parameters
        ----------
        deletion_set : a unit's label, or a sequence of them
            What is deleted.
        weight : float
            The weight that the units keep: 0 deletes them.
        decoder : str
            A decoder that is linear in the coefficients: 'auto', 'least squares' or 'mean'. 'auto' judges by
            64 of the parameters.
        progress : bool
            False prints nothing on stderr.

        Returns
        -------
        np.ndarray or dict
            The parameters as the learner's loss takes them.

        Raises
        ------
        LearnerError
            For unknown or repeated units, and for a decoder that is not linear.
        """
        require_learner(self)
        h, units = self.downweight.copy(), self.learner.unit_indices(deletion_set)
        h[units] = self.learner.downweight(deletion_set, weight)[units]
        with working("parameters", progress):
            return self.learner.layout.split(self.parameters_at(h[None], decoder)[0])

    def parameters_at(self, h: np.ndarray, decoder: str = "auto") -> np.ndarray:
        """Predict flat parameters for many downweights.

        Parameters
        ----------
        h : np.ndarray
            (k, units): the downweights.
        decoder : str
            As for `parameters`.

        Returns
        -------
        np.ndarray
            (k, parameters).
        """
        few = np.unique(np.linspace(0, len(self.theta) - 1, COORDINATES).astype(int))
        return parameters_at(self, h, measured_coordinates(self, few).calibrated.decoder(decoder))


# making -----------------------------------------------------------------------------------------------------

def precompute(learner: Learner, directions: Union[int, Directions, ArrayLike, Cotangents] = 64,
               degree: int = 3, seed: int = 0, *, design: str = "auto", calibration: Optional[int] = None,
               kinds: Optional[Mapping] = None, downweight: Optional[ArrayLike] = None,
               out: Union[str, PathLike, None] = None, executor: Optional[Executor] = None,
               threads: Optional[int] = None, dry_run: bool = False, dtype: str = "float64",
               bank: Optional[Bank] = None, progress: bool = True) -> Union[Sketch, PulledSketch, Estimate]:
    """Push directions through a learner's training, and keep the result as a Sketch.

    Parameters
    ----------
    learner, directions : Learner, and int, Directions, ArrayLike or Cotangents
        How many to draw, or the directions themselves; Cotangents make a sketch from the other side.
    degree : int
        The highest power of t that is kept, at least 1. Cotangents have first order only.
    seed, design : int, str
        Of the random directions. Designs are 'sphere', 'haar', 'pairs' and 'auto'; see deletion/README.md.
    calibration, kinds : int, Mapping, optional
        Random sets to retrain exactly, for intervals and verdicts: by default 96, or 0 with a downweight. And
        {name: labels of the units, or an Order} of other kinds of sets: 32 of each are retrained too.
    downweight : ArrayLike, optional
        (units,) real: the point of the expansion. Default: 0, the ordinary training.
    out, bank : str or PathLike, Bank, optional
        A folder for the sketch, in which a killed call continues. And one of retrainings, for calibration.
    executor, threads : concurrent.futures.Executor, int, optional
        What pushes blocks of directions. Default: threads, as many as there are cores.
    dry_run, dtype, progress : bool, str, bool
        True makes nothing and returns an Estimate of time, disk and memory, measured on a few steps.
        Coefficients are stored as 'float64', or as 'float32', half as large. False prints nothing on stderr.

    Returns
    -------
    Sketch, PulledSketch or Estimate

    Raises
    ------
    LearnerError, StoreError, DomainError
        For bad arguments; for a folder that cannot be used; where a gate leaves its domain.

    Examples
    --------
    >>> from deletion import SGD, Learner, precompute
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> precompute(learner, 2, degree=2, calibration=0, progress=False)
    <sketch: 1 parameters, 2 directions (pairs) of degree 2 over 3 units>
    """
    degree, dtype, threads = kept_degree(degree), checked_dtype(dtype), checked_threads(threads)
    if isinstance(directions, Cotangents):
        only_for_directions(degree=degree, downweight=downweight, design=design, dtype=dtype)
        return pulled(learner, directions, seed, (calibration, kinds, bank), out=out, executor=executor,
                      threads=threads, dry_run=dry_run, progress=progress)
    psi, seed = chosen(checked_learner(learner), directions, design, degree, seed)
    plan = planned(learner, psi, degree, seed, downweight, (calibration, kinds, bank))
    with working("precompute", progress):
        identity = None if out is None else Identity.of(plan, seed, dtype)
        if dry_run:
            missing = missing_blocks(len(plan), None if out is None else reopened(out, identity)[0])
            return estimate(plan, missing, dtype, out, threads)
        if out is None:
            return in_memory(plan, dtype, executor=executor, threads=threads)
        return in_folder(out, plan, identity, executor=executor, threads=threads)


def only_for_directions(**given):
    """Raise LearnerError if an argument is given that says nothing of cotangents."""
    unsaid = {"degree": (1, 3), "downweight": (None,), "design": ("auto",), "dtype": ("float64",)}
    for name, value in given.items():
        if isinstance(value, np.ndarray) or value not in unsaid[name]:
            raise LearnerError(f"{name}= is for sketches of directions; cotangents are pulled back from the "
                               "ordinary training, to first order, in double precision")


def kept_degree(degree):
    """A degree from 1 on: at degree 0 the series has no term that changes."""
    if checked_degree(degree) == 0:
        raise LearnerError("a sketch of degree 0 predicts no change: the degree is a whole number >= 1")
    return degree


def planned(learner, directions, degree, seed, downweight, judged_by=(None, None, None)):
    """The Plan of what to push.   judged_by: how many random sets, kinds, and the bank, of calibration"""
    calibration, kinds, bank = judged_by
    base = np.zeros(learner.unit_count) if downweight is None else real_array(downweight, "a downweight")
    if base.shape != (learner.unit_count,):
        raise LearnerError(f"a downweight: expected one real number per unit, ({learner.unit_count},), "
                           f"got shape {base.shape}")
    if base.max(initial=0.0) > 1.0:
        raise LearnerError(f"a downweight: expected at most 1, which deletes a unit, got {base.max():g}, "
                           "which leaves a negative weight")
    if calibration is None:
        calibration = 0 if base.any() else SETS
    if calibration and base.any():
        raise LearnerError("calibration sets are retrained around the ordinary training; with a downweight "
                           "the calibration is 0, and predictions come without intervals")
    kinds = checked_kinds(kinds, learner.used)
    sets = sets_of(learner, calibration, seed or 0, kinds)
    return Plan(learner, directions, degree, base, sets, kinds, checked_bank(bank))


def in_memory(plan, dtype, **how):
    """Push a plan and return its Sketch.   how: `executor` and `threads`."""
    stored, thetas, units = [None] * len(plan), {}, plan.learner.unit_count

    def keep(b, theta, coefficients, seconds):
        require_same_training(thetas.setdefault(0, theta), theta, f"the first finished block and block {b}")
        stored[b] = to_storage(coefficients, dtype, units, b * DIRECTIONS_PER_BLOCK)

    push_all(plan, range(len(plan)), keep, **how)
    return Sketch(plan.learner, plan.directions, plan.degree, thetas[0], Blocks(stored, units),
                  plan.downweight, calibrate(plan.learner, plan.sets, plan.kinds, bank=plan.bank))


def in_folder(path, plan, identity, **how):
    """Make what a folder lacks of a plan (blocks, trained parameters, calibration); return its Sketch."""
    learner, units = plan.learner, plan.learner.unit_count
    with writing(path):
        folder, directions = begun(path, identity)
        plan = plan if directions is plan.directions else replace(plan, directions=directions)

        def keep(b, theta, coefficients, seconds):
            stored = to_storage(coefficients, identity.dtype, units, b * DIRECTIONS_PER_BLOCK)
            keep_block(folder, b, theta, stored, seconds)

        push_all(plan, unfinished_blocks(folder), keep, **how)
        keep_calibration(folder, plan)
        return opened(path, learner)


# opening ----------------------------------------------------------------------------------------------------

def load(path: Union[str, PathLike], learner: Optional[Learner] = None) -> Union[Sketch, PulledSketch]:
    """Open the sketch in a folder. Its blocks are read when they are measured.

    Every array is verified whenever it is read: its checksum, shape, number format and values are compared
    with the manifest that `load` read. A block that was damaged, replaced or truncated since then is
    refused by name. This protects from accidents and from contradictory folders, not from wrong numbers
    stored with their checksums.

    Parameters
    ----------
    path : str or PathLike
        The folder.
    learner : Learner, optional
        The learner of the sketch. Without it, the sketch can be merged but not measured.

    Returns
    -------
    Sketch or PulledSketch
        The sketch, of directions or of cotangents.

    Raises
    ------
    StoreError
        If the folder is unfinished, damaged or no sketch.
    LearnerError
        If the sketch is of another learner; the message names the parts that differ.

    Examples
    --------
    >>> import tempfile
    >>> from deletion import SGD, Learner, load, precompute
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = precompute(learner, 2, degree=2, calibration=0, out=folder, progress=False)
    ...     print(load(folder, learner).theta.round(3))
    [3.]
    """
    return opened(path, learner, check=learner is not None)


def opened(path, learner=None, check=False):
    """Open a folder's sketch.   check: whether its learner's fingerprint must be compared."""
    folder = Folder.open(path)
    if check:
        same_learner(folder, learner.fingerprint_parts())
    require_finished(folder, learner)
    facts = folder.facts
    calibration = Calibration.read(folder) if facts["calibration"] else None
    if of_cotangents(facts):
        return opened_pulls(folder, learner, calibration)
    theta, psi, downweight = (folder.read(name) for name in ("theta", "directions", "downweight"))
    try:
        directions = Directions(psi, facts["design"])
    except LearnerError as error:
        raise StoreError(f"directions.npy in {path} is damaged or was edited: {error}") from None
    directions = directions if learner is None else fitting(directions, learner)
    blocks = Blocks(FolderBlocks(folder, folder.block_count), facts["units"])
    return Sketch(learner, directions, facts["degree"], theta, blocks, downweight, calibration, folder)
