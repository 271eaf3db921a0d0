"""Two sketches of the same learner become one with the directions of both."""
from functools import lru_cache
from os import PathLike

import numpy as np

from taylor import LANES

from ..storage.arrays import checksum
from ..storage.blocks import Blocks, block_name, packed
from ..trust.calibration import ARRAYS, Calibration
from ..directions.directions import mixture
from ..storage.files import writing
from .identity import Identity, begun, differing
from ..learner.learner import LearnerError
from .sketch import Sketch, load


def merge(sketches, out=None):
    """One sketch with the directions of several, in order; the same bits as precomputed along all of them.

    sketches   Sketches, or folders
    out        a folder for the result; default: in memory

    Raises LearnerError, naming what differs, unless all are of the same learner, degree and downweight and no
    direction comes twice.
    """
    sketches = [load(s) if isinstance(s, (str, PathLike)) else s for s in sketches]
    if len(sketches) < 2:
        raise LearnerError("it takes two sketches to merge")
    for number, other in enumerate(sketches[1:], 2):
        must_agree(sketches[0], other, f"sketch {number}{located(other)} and sketch 1{located(sketches[0])}")
    refuse_repeated(sketches)
    first, directions = sketches[0], mixture(*(s.directions for s in sketches))
    dtype = "float32" if all(s.dtype == "float32" for s in sketches) else "float64"
    blocks, units = regrouped(sketches), directions.psi.shape[1]
    learner, calibration = next((s.learner for s in sketches if s.learner is not None),
                                None), joined(sketches)
    if out is None:
        if learner is None:
            raise LearnerError("sketches opened without their learner are merged into a folder: give out=...")
        stored = [packed(block, dtype, units, b * LANES) for b, block in enumerate(blocks)]
        return Sketch(learner, directions, first.degree, first.theta, Blocks(stored, units), first.downweight,
                      calibration)
    recipe = next((s.recipe() for s in sketches if s.recipe()), None)
    identity = Identity(first.learner_parts(), recipe, directions, None, first.degree, first.downweight,
                        dtype, len(first.theta), 0 if calibration is None else len(calibration.downweights))
    with writing(out):
        folder, _ = begun(out, identity)
        if not folder.whole("theta"):
            folder.write("theta", first.theta)
        # shared out evenly: the sum stays true
        seconds = sum(s.seconds() for s in sketches) / -(-len(directions) // LANES)
        for b, block in enumerate(blocks):
            if not folder.whole(block_name(b)):
                folder.write(block_name(b), packed(block, dtype, units, b * LANES), seconds=round(seconds, 3))
        if calibration is not None:
            calibration.write(folder)
    return load(out, learner)


def joined(sketches):
    """The calibrations of all sketches in one, each set once; None where there is none."""
    held = [s.calibration for s in sketches if s.calibration is not None]
    if not held:
        return None
    arrays = [np.concatenate([getattr(c, name) for c in held]) for name in ARRAYS]
    once = np.sort(np.unique(arrays[0], axis=0, return_index=True)[1])
    return Calibration(*(x[once] for x in arrays))


def located(sketch):
    return f" ({sketch.folder.path})" if sketch.folder else ""


def must_agree(one, other, both):
    """Raise LearnerError, naming what differs, unless two sketches are of the same polynomials."""
    difference = differing(one.learner_parts(), other.learner_parts())
    if difference:
        raise LearnerError(f"{both} are of different learners: {difference}")
    if one.degree != other.degree:
        raise LearnerError(f"{both} differ in degree: {other.degree} and {one.degree}")
    if not np.array_equal(one.downweight, other.downweight):
        raise LearnerError(f"{both} expand around different downweights")
    if not np.allclose(one.theta, other.theta, rtol=1e-6, atol=1e-9):      # machines may round differently
        raise LearnerError(
            f"{both} hold different trained parameters: was one made by another version of this library?")


def refuse_repeated(sketches):
    """Raise LearnerError if a direction comes twice: it would count twice, and tell nothing new."""
    seen = {}
    for number, sketch in enumerate(sketches, 1):
        for j, psi in enumerate(sketch.directions.psi):
            where = f"direction {j} of sketch {number}{located(sketch)}"
            if seen.setdefault(checksum(psi), where) != where:
                raise LearnerError(f"{where} is {seen[checksum(psi)]} again: sketches to be merged are "
                                   "drawn from different seeds, and not as pairs, "
                                   "which give every unit its own direction whatever the seed")


def regrouped(sketches):
    """The blocks of all directions in order: generates (parameters, degree, 2, lanes)."""
    places = [(s, j) for s, sketch in enumerate(sketches) for j in range(len(sketch.directions))]

    @lru_cache(maxsize=2)      # a new block takes lanes of one old block after the other
    def block(s, b):
        return sketches[s].blocks[b]

    for at in range(0, len(places), LANES):
        new = np.zeros((len(sketches[0].theta), sketches[0].degree, 2, LANES))
        for lane, (s, j) in enumerate(places[at:at + LANES]):
            new[..., lane] = block(s, j // LANES)[..., j % LANES]
        yield new
