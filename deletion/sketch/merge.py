"""Merging sketches of the same learner into one with the directions of all."""
from dataclasses import replace
from functools import lru_cache
from os import PathLike
from typing import Sequence, Union

import numpy as np

from circuit.errors import LearnerError

from ..directions.directions import mixture
from ..storage.arrays import checksum
from ..storage.blocks import DIRECTIONS_PER_BLOCK, Blocks, block_name, to_storage
from ..storage.files import writing
from ..trust.calibration import ARRAYS, Calibration
from ..trust.kinds import RANDOM
from .identity import Identity, begun, differing, require_same_training, same_numbers
from .pulled import PulledSketch
from .sketch import Sketch, load, opened


def merge(sketches: Sequence[Union[Sketch, str, PathLike]],
          out: Union[str, PathLike, None] = None) -> Sketch:
    """Merge several sketches of one learner into a sketch with all their directions, in order.

    It has the same bits as a sketch precomputed along all of these directions on one machine. Sketches from
    different processors, which differ in the last bits, are merged as well.

    Parameters
    ----------
    sketches : sequence of Sketch, str or PathLike
        Sketches, or their folders.
    out : str or PathLike, optional
        A folder for the result. Default: in memory.

    Returns
    -------
    Sketch
        The merged sketch.

    Raises
    ------
    LearnerError
        If the sketches differ in learner, degree or downweight, which the message names, or if a direction
        occurs twice.

    Examples
    --------
    >>> from deletion import SGD, Learner, merge, precompute
    >>> learner = Learner([0.0], [1.0, 2.0, 6.0], lambda w, x: (w[0] - x) ** 2, SGD(0.3), [range(3)] * 30)
    >>> options = {"degree": 2, "design": "sphere", "calibration": 0, "progress": False}
    >>> merge([precompute(learner, 4, seed=seed, **options) for seed in (0, 1)])
    <sketch: 1 parameters, 8 directions (sphere) of degree 2 over 3 units>
    """
    sketches = [load(s) if isinstance(s, (str, PathLike)) else s for s in sketches]
    if any(isinstance(s, PulledSketch) for s in sketches):
        raise LearnerError("sketches of cotangents are not merged: pull all of them back in one call")
    if len(sketches) < 2:
        raise LearnerError("expected at least two sketches to merge")
    parts = require_same_polynomials(sketches)
    refuse_repeated(sketches)
    first, directions = sketches[0], mixture(*(s.directions for s in sketches))
    dtype = "float32" if all(s.dtype == "float32" for s in sketches) else "float64"
    learner = next((s.learner for s in sketches if s.learner is not None), None)
    calibration = joined_calibration(sketches)
    if out is None:
        if learner is None:
            raise LearnerError("sketches opened without their learner are merged into a folder: give out=...")
        blocks = Blocks(list(stored_blocks(sketches, dtype)), directions.psi.shape[1])
        return Sketch(learner, directions, first.degree, first.theta, blocks, first.downweight, calibration)
    recipe = next((s.recipe() for s in sketches if s.recipe()), None)
    identity = Identity(parts, recipe, directions, None, first.degree, first.downweight, dtype,
                        len(first.theta), *(0, ()) if calibration is None else
                        (len(calibration.downweights), calibration.kinds))
    with writing(out):
        folder, _ = begun(out, identity)
        write(folder, sketches, dtype, calibration)
        return opened(out, learner)


# what is merged ---------------------------------------------------------------------------------------------

def require_same_polynomials(sketches):
    """Raise LearnerError, naming what differs, unless sketches differ in their directions only.

    Returns the parts of their learner's fingerprint.
    """
    first, parts = sketches[0], sketches[0].learner_parts()
    for number, other in enumerate(sketches[1:], 2):
        both = f"sketch {number}{located(other)} and sketch 1{located(first)}"
        difference = differing(parts, other.learner_parts())
        if difference:
            raise LearnerError(f"{both} are of different learners: {difference}")
        if first.degree != other.degree:
            raise LearnerError(f"{both} differ in degree: {other.degree} and {first.degree}")
        if not same_numbers(first.downweight, other.downweight):
            raise LearnerError(f"{both} expand around different downweights")
        require_same_training(first.theta, other.theta, both)
    return parts


def refuse_repeated(sketches):
    """Raise LearnerError if a direction occurs twice: the second has no new information."""
    seen = {}
    for number, sketch in enumerate(sketches, 1):
        for j, psi in enumerate(sketch.directions.psi):
            where = f"direction {j} of sketch {number}{located(sketch)}"
            other = seen.setdefault(rounded(psi), where)
            if other != where:
                raise LearnerError(f"{where} is {other} again: sketches to be merged are "
                                   "drawn from different seeds, and not as pairs, "
                                   "which give every unit its own direction whatever the seed")


def rounded(psi):
    """A hash of a direction that the last bits do not decide, which differ where other machines drew it."""
    return checksum(np.round(psi / (np.abs(psi).max() or 1.0), 8) + 0.0)      # -0 is 0


def located(sketch):
    """Where a sketch is, as a part of a message."""
    return f" ({sketch.folder.path})" if sketch.folder else ""


def joined_calibration(sketches):
    """The calibration sets of all sketches in one, each once and those of a kind together; None if there are
    none.   Raises LearnerError if sketches declare different kinds under one name."""
    calibrations = [s.calibration for s in sketches if s.calibration is not None]
    if not calibrations:
        return None
    kinds = {}
    for kind in (kind for calibration in calibrations for kind in calibration.kinds):
        first = kinds.setdefault(kind.name, kind)
        if kind.ordered != first.ordered or not np.array_equal(kind.members, first.members):
            raise LearnerError(f"kind {kind.name!r} is not the same in all sketches: its labels or its order "
                               "differ. Precompute one of them under another name")
    parts = {name: each_once([c.of(name) for c in calibrations if name in c.parts])
             for name in (RANDOM, *kinds)}
    return Calibration(*map(np.concatenate, zip(*parts.values())), tuple(
        replace(kind, sets=len(parts[kind.name][0])) for kind in kinds.values()))


def each_once(calibrations):
    """The arrays of all calibrations, joined, without sets that occur before."""
    arrays = [np.concatenate([getattr(c, name) for c in calibrations]) for name in ARRAYS]
    once = np.sort(np.unique(arrays[0], axis=0, return_index=True)[1])
    return [x[once] for x in arrays]


# what is written --------------------------------------------------------------------------------------------

def write(folder, sketches, dtype, calibration):
    """Write what a folder lacks of a merged sketch."""
    if not folder.intact("theta"):
        folder.write("theta", sketches[0].theta)
    # every block gets the same share of the time, so that the sum is right
    seconds = round(sum(s.seconds() for s in sketches) / folder.block_count, 3)
    for b, stored in enumerate(stored_blocks(sketches, dtype)):
        if not folder.intact(block_name(b)):
            folder.write(block_name(b), stored, seconds=seconds)
    if calibration is not None:
        folder.write_all(calibration.arrays())


def stored_blocks(sketches, dtype):
    """The blocks of all directions, in order and in the stored format, one at a time."""
    units = sketches[0].directions.psi.shape[1]
    for b, block in enumerate(regrouped(sketches)):
        yield to_storage(block, dtype, units, b * DIRECTIONS_PER_BLOCK)


def regrouped(sketches):
    """The blocks of all directions, in order and one at a time: (parameters, degree, 2, directions)."""
    sources = [(s, j) for s, sketch in enumerate(sketches) for j in range(len(sketch.directions))]

    @lru_cache(maxsize=2)      # the directions of a merged block come from one old block after the other
    def old_block(s, b):
        return sketches[s].blocks[b]

    for start in range(0, len(sources), DIRECTIONS_PER_BLOCK):
        merged = np.zeros((len(sketches[0].theta), sketches[0].degree, 2, DIRECTIONS_PER_BLOCK))
        for place, (s, j) in enumerate(sources[start:start + DIRECTIONS_PER_BLOCK]):
            b, old_place = divmod(j, DIRECTIONS_PER_BLOCK)
            merged[..., place] = old_block(s, b)[..., old_place]
        yield merged
