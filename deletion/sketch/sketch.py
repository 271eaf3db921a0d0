"""The sketch: the trained parameters as polynomials along every direction, and what can be measured on it.

    sketch = precompute(learner, directions=500, degree=3, seed=0)
    measured = sketch.measure(lambda parameters: ...)
    measured.predict(deletion_set)

Nothing in a sketch depends on what will be deleted or measured. Made in a folder (out=...) it outlives kills:
see store.py.
"""
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Optional

import numpy as np

from circuit import CircuitError, evaluate
from circuit.blas import one_blas_thread
from circuit.progress import Progress, working
from taylor import LANES, Evaluator, checked_degree

from ..storage.blocks import Blocks, Filed, block_name, checked_dtype, packed
from ..trust.calibration import ARRAYS, SETS, Calibration, calibrate, calibration_sets
from circuit.checks import checked_learner, checked_threads, real_array
from ..directions.directions import Directions, draw, fitting, given
from .estimate import estimate
from ..storage.files import StoreError, writing
from .identity import Identity, begun, reopened, same_learner
from circuit.analysis import only_jump
from ..learner.learner import Learner, LearnerError
from .measured import Measured
from .push import Plan, push_all
from ..storage.store import Folder

log = logging.getLogger("deletion")

COORDINATES = 64
"""Parameters that decide the decoder of all of them."""


@dataclass(frozen=True, repr=False)
class Sketch:
    """theta(t psi_j) for every direction j, truncated after t^degree.

    learner      None for a sketch opened without: it can be merged, not measured
    directions   the psi, (m, units), and their design
    theta        (parameters,) float64: theta_0, the trained parameters, the same for every direction
    blocks       sequence of (parameters, degree, 2, lanes) float64: theta_1 .. theta_p of `lanes` directions
                 each: order, real/imaginary part, direction; the last block may have unused lanes
    downweight   (units,): where the expansion is made; zero is ordinary training
    calibration  exact retrainings of random sets, from which intervals and verdicts come; None if there are
                 none
    folder       where it is stored, None in memory
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
        """Of the coefficients as they are stored."""
        return self.blocks.dtype.name

    def learner_parts(self):
        """The parts of its learner's fingerprint."""
        return (self.folder.manifest["learner"]["fingerprint"] if self.folder
                else self.learner.fingerprint_parts())

    def seconds(self):
        """What its blocks took, of one core; 0 where that is not known."""
        return self.folder.seconds() if self.folder else 0.0

    def recipe(self):
        """How to make its learner again, where known: see recipe.py."""
        return self.folder.manifest["learner"].get("recipe") if self.folder else self.learner.recipe

    def measure(self, measurement, threads=None, progress=True):
        """The coefficients of a measurement along every direction, as a Measured: one inference per
        direction, once.

        measurement   measurement(parameters) -> a scalar or vector, written with the functions of `circuit`
        threads       blocks measured at a time; default: the machine's cores
        progress      False prints nothing on stderr, neither here nor for predictions

        Raises CircuitError where the measurement is piecewise constant (an argmax, an accuracy), with advice.
        """
        if self.learner is None:
            raise LearnerError("this sketch was opened without its learner: open it with load(path, learner)")
        circuit, threads = self.learner.measurement(measurement), checked_threads(threads)
        with Progress(len(self.blocks), "measure", progress) as report:
            value, coefficients = self._coefficients(circuit, threads, report)
            calibration = self._calibrated(circuit)
        return Measured(self.learner, self.directions, value, coefficients, self.downweight, calibration,
                        progress=progress)

    def _coefficients(self, circuit, threads, report):
        """(the measurement as trained, its coefficients (directions, degree) + its shape)."""
        shared = Evaluator(circuit, {0}, self.degree)
        if not shared.part.active[0] or only_jump(circuit).any():
            raise CircuitError("this measurement, or an element of it, does not move with the " "parameters "
                               "(an accuracy, a step, a " "constant): "
                               "nothing can be predicted from its series. Measure a loss, a "
                               "log-probability, a logit or a margin")
        coefficients = np.zeros((len(self.directions), self.degree) + circuit.shapes[circuit.outputs[0]],
                                complex)
        report.begin()      # everything is compiled now

        def measure_blocks(first_block, stride):
            evaluator = Evaluator(circuit, {0}, self.degree, shared.program)
            evaluator.set_constants([self.theta])
            for b in range(first_block, len(self.blocks), stride):
                evaluator.set_coefficients(0, self.blocks[b])
                evaluator.run(b * LANES)
                constant, stored = evaluator.outputs()[0]
                here = coefficients[b * LANES:(b + 1) * LANES]
                here[...] = np.moveaxis(stored[..., 0, :len(here)] + 1j * stored[..., 1, :len(here)],
                                        (-1, -2), (0, 1))
                report(1)
            return constant

        count = min(threads, len(self.blocks))
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(measure_blocks, range(count), [count] * count))[0], coefficients

    def _calibrated(self, circuit):
        """The exact retrainings, measured."""
        if self.calibration is None:
            return None
        finite = np.isfinite(self.calibration.values).all(axis=1)
        values = np.full((len(finite),) + circuit.shapes[circuit.outputs[0]], np.nan)
        if finite.any():
            values[finite] = evaluate(circuit, [self.calibration.values[finite]])[0]
        return replace(self.calibration, values=values)

    def parameters(self, deletion_set, *, weight=0.0, decoder="auto", progress=True):
        """The approximate parameters of the model trained without a deletion set - an unlearned model -, as
        the learner's loss takes them.

        decoder    'auto', 'least squares' or 'mean': one that is linear in the coefficients
        progress   False prints nothing on stderr

        'auto' judges by 64 of the parameters. Raises LearnerError for unknown or repeated units.
        """
        if self.learner is None:
            raise LearnerError("this sketch was opened without its learner: open it with load(path, learner)")
        h = self.learner.downweight(deletion_set, weight)
        with working("parameters", progress):
            return self.learner.layout.split(self.parameters_at(h[None], decoder)[0])

    def parameters_at(self, h, decoder="auto"):
        """The same, flat, for many downweights h (k, units): (k, parameters)."""
        some = np.unique(np.linspace(0, len(self.theta) - 1, COORDINATES).astype(int))
        fitted = self._coordinates(some).decoder(decoder)
        if not hasattr(fitted, "weights"):
            raise LearnerError(
                f"the {fitted.name} gives no parameters: it is not linear. Use 'least squares' or 'mean'")
        if np.any(self.downweight):
            raise LearnerError("this sketch expands around a downweight of its own; parameters are "
                               "predicted from sketches around 0")
        counts = np.stack([fitted.weights(x) for x in h * self.learner.used])      # (k, directions, degree)
        theta = np.repeat(self.theta[None], len(h), axis=0)
        with Progress(len(self.blocks), "blocks") as report, one_blas_thread():
            for b in range(len(self.blocks)):
                g = np.moveaxis(counts[:, b * LANES:(b + 1) * LANES], 1, 2)
                block = self.blocks[b][..., :g.shape[2]]
                theta += np.tensordot(np.stack([g.real, -g.imag], axis=2), block, axes=((1, 2, 3), (1, 2, 3)))
                report(1)
        return theta

    def _coordinates(self, some):
        """A few of the parameters themselves, as a Measured."""
        pieces = [self.blocks[b][some] for b in range(len(self.blocks))]
        stored = np.concatenate([piece[:, :, 0] + 1j * piece[:, :, 1] for piece in pieces],
                                axis=-1)[..., :len(self.directions)]
        calibration = self.calibration and replace(self.calibration, values=self.calibration.values[:, some])
        return Measured(self.learner, self.directions, self.theta[some], np.moveaxis(stored, (2, 1), (0, 1)),
                        self.downweight, calibration)


def precompute(learner, directions=64, degree=3, seed=0, *, design="auto", calibration=None, downweight=None,
               out=None, executor=None, threads=None, dry_run=False, dtype="float64", progress=True):
    """The sketch of a learner.

    directions   how many to draw, over the units that steps use; or Directions; or an array (directions,
                 units)
    degree       highest power of t kept, from 1 on
    seed         of the random directions
    design       how they are drawn: 'sphere', 'haar', 'pairs', or 'auto'; see directions.py
    calibration  how many random sets to retrain exactly, for intervals and verdicts; default 96, or none
                 around another downweight
    downweight   (units,) real: the point h_0 around which to expand; default 0, ordinary training
    out          a folder to make the sketch in; killed at any moment, the same call goes on from the blocks
                 that are finished, and ends with the same bits. The sketch returned reads its blocks from
                 there. Default: in memory
    executor     any concurrent.futures.Executor (processes, a cluster); default: threads
    threads      blocks of directions pushed at a time without an executor; default: the machine's cores
    dry_run      make nothing, and return an Estimate of time, disk and memory, measured on a few steps
    dtype        of stored coefficients: 'float64', or 'float32', half of the size, balanced between orders
    progress     False prints nothing on stderr: neither progress nor that it compiles

    Raises LearnerError for input that makes no sense or a folder of something else, StoreError for a folder
    that cannot be written, and DomainError, naming step, example, gate and direction, as soon as anything is
    not a number.
    """
    degree, dtype, threads = kept_degree(degree), checked_dtype(dtype), checked_threads(threads)
    chosen, seed = choose(checked_learner(learner), directions, design, degree, seed)
    base = np.zeros(learner.unit_count) if downweight is None else real_array(downweight, "a downweight")
    if base.shape != (learner.unit_count,):
        raise LearnerError(
            f"a downweight is one real number per unit ({learner.unit_count}), not {base.shape}")
    if base.max(initial=0.0) > 1.0:
        raise LearnerError(
            f"a downweight of {base.max():g} leaves a negative weight: it is at most 1, which deletes")
    if calibration is None:
        calibration = 0 if base.any() else SETS
    sets = learner.over_units(calibration_sets(np.count_nonzero(learner.used), calibration, seed or 0))
    plan = Plan(learner, chosen, degree, base, sets)
    with working("precompute", progress):
        if out is None:
            if dry_run:
                return estimate(plan, range(len(plan)), dtype, None, threads)
            return in_memory(plan, dtype, executor=executor, threads=threads)
        identity = Identity(learner.fingerprint_parts(), learner.recipe, chosen, seed, degree, base, dtype,
                            learner.layout.size, calibration)
        if dry_run:
            folder, _ = reopened(out, identity)
            wanted = [b for b in range(len(plan)) if folder is None
                      or folder.trouble(block_name(b), thorough=False)]
            return estimate(plan, wanted, dtype, out, threads)
        with writing(out):
            folder, identity = begun(out, identity)
            in_folder(folder, Plan(learner, identity.directions, degree, base, sets), dtype,
                      executor=executor, threads=threads)
        return load(out, learner)


def kept_degree(degree):
    """A sketch's degree: at degree 0 the terms end where predictions begin."""
    if checked_degree(degree) == 0:
        raise LearnerError("a sketch of degree 0 predicts no change: the degree is a whole number >= 1")
    return degree


def choose(learner, directions, design, degree, seed):
    """(Directions to push, their seed or None)."""
    if isinstance(directions, Directions) or np.ndim(directions):
        return fitting(directions if isinstance(directions, Directions) else given(directions), learner), None
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise LearnerError(f"a seed is a whole number >= 0, not {seed!r}")
    idle = learner.unit_count - np.count_nonzero(learner.used)
    if idle:
        log.warning(f"no step uses {idle:,} of the {learner.unit_count:,} units: deleting those changes "
                    "nothing, and they take no direction")
    return draw(design, directions, learner, degree, int(seed)), int(seed)


def in_memory(plan, dtype, **how):
    """The Sketch of a plan, in memory."""
    stored, thetas, units = [None] * len(plan), {}, plan.learner.unit_count

    def keep(b, theta, coefficients, seconds):
        stored[b], thetas[0] = packed(coefficients, dtype, units, b * LANES), theta

    push_all(plan, range(len(plan)), keep, **how)
    return Sketch(plan.learner, plan.directions, plan.degree, thetas[0], Blocks(stored, units),
                  plan.downweight, calibrate(plan.learner, plan.sets))


def in_folder(folder, plan, dtype, **how):
    """Make every block of a plan that its folder does not hold whole, and the calibration."""
    def keep(b, theta, coefficients, seconds):
        if folder.trouble("theta"):
            folder.write("theta", theta)
        folder.write(block_name(b), packed(coefficients, dtype, plan.learner.unit_count, b * LANES),
                     seconds=round(seconds, 3))

    wanted = [b for b in range(len(plan)) if not folder.whole(block_name(b))]
    if not folder.whole("theta") and not wanted:
        wanted = [0]      # the trained parameters come with any block
    push_all(plan, wanted, keep, **how)
    if len(plan.sets) and not all([folder.whole(f"calibration-{name}") for name in ARRAYS]):
        calibrate(plan.learner, plan.sets).write(folder)


def load(path, learner=None):
    """The sketch in a folder, whose blocks are read when they are measured.

    learner   the one it was made of; without, the sketch can be merged but not measured

    Every array is verified at every reading: its checksum, shape, number format and values, against the
    manifest that `load` read. Blocks are read again by every measurement; one that was damaged, replaced or
    truncated since then is refused by name. This protects from accidents and from folders that contradict
    themselves, not from wrong numbers stored with their checksums.

    Raises StoreError for a folder that is unfinished, damaged or no sketch, and LearnerError, naming the
    parts that differ, for another learner.
    """
    folder = Folder.open(path)
    if learner is not None:
        same_learner(folder, learner.fingerprint_parts())
    require_finished(folder, learner)
    facts = folder.facts
    calibration = Calibration.read(folder) if facts["calibration"] else None
    theta, psi, downweight = (folder.read(name) for name in ("theta", "directions", "downweight"))
    try:
        directions = Directions(psi, facts["design"])
    except LearnerError as error:
        raise StoreError(f"directions.npy in {path} is damaged or was edited: {error}") from None
    directions = directions if learner is None else fitting(directions, learner)
    blocks = Blocks(Filed(folder, folder.block_count), facts["units"])
    return Sketch(learner, directions, facts["degree"], theta, blocks, downweight, calibration, folder)


def require_finished(folder, learner=None):
    """Raise StoreError unless the manifest, and the headers of all files, are those of a finished sketch."""
    facts, count, finished = folder.facts, folder.block_count, len(folder.finished())
    units, parameters, start = facts["units"], facts["parameters"], f"the sketch in {folder.path}"
    if facts["lanes"] != LANES:
        raise StoreError(f"{start} has blocks of {facts['lanes']} directions; this version works with blocks "
                         f"of {LANES}")
    if learner is not None and (learner.unit_count, learner.layout.size) != (units, parameters):
        raise StoreError(f"{start} is damaged or was edited: by its facts it is of {units} units and "
                         f"{parameters} parameters; its learner has {learner.unit_count} and "
                         f"{learner.layout.size}")
    if finished < count:
        raise StoreError(f"{start} is not finished: {finished} of {count} blocks. Precompute into this "
                         "folder again: it goes on from there")
    for name in folder.arrays:
        trouble = folder.trouble(name, thorough=False)
        if trouble:
            raise StoreError(f"{trouble}. Precompute into this folder again: what is whole is kept")
