"""The identity of a sketch: what must agree before a folder is continued, a learner opens it, or two sketches
are merged."""
import logging
import platform
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Optional

import numpy as np

from circuit.errors import LearnerError, StoreError

from ..directions.cotangents import Cotangents
from ..directions.directions import Directions
from ..gradients.pull import COTANGENTS_PER_BLOCK
from ..storage.arrays import checksum
from ..storage.blocks import DIRECTIONS_PER_BLOCK, block_name
from ..storage.files import tidy
from ..storage.manifest import MANIFEST, of_cotangents
from ..storage.store import AGAIN, Folder
from ..trust.calibration import calibrate

log = logging.getLogger("deletion")

SAME = 1e-10
"""Numbers are the same if none differs by more than this share of the largest: processors and versions of
libraries round the last bits differently, which a training amplifies by some powers of ten, while another
schedule, rate or example moves parameters by far more."""

NAMES = {"degree": "degree", "directions": "number of directions", "design": "design of the directions",
         "seed": "seed", "dtype": "number format", "downweight": "downweight expanded around",
         "lanes": "partition into blocks", "kinds": "declaration of kinds",
         "calibration": "number of calibration sets", "units": "number of units",
         "parameters": "number of parameters", "cotangents": "number of cotangents"}
"""What messages call the facts of a sketch. The directions `psi`, and cotangents' `vectors`, have messages of
their own."""


@dataclass(frozen=True)
class Identity:
    """What determines a sketch.

    parts        of the learner's fingerprint
    recipe       how the learner can be made again, or None
    directions   those to push
    seed         of the directions; None if they were given
    degree       the highest power of t
    downweight   (units,): the point of the expansion
    dtype        the stored format of the coefficients
    parameters   the number of parameters
    calibration  the number of calibration sets
    kinds        the Kinds that are declared
    """
    parts: dict
    recipe: Optional[dict]
    directions: Directions
    seed: Optional[int]
    degree: int
    downweight: np.ndarray
    dtype: str
    parameters: int
    calibration: int
    kinds: tuple = ()

    @classmethod
    def of(cls, plan, seed, dtype):
        """The identity of the sketch that a Plan makes."""
        learner = plan.learner
        return cls(learner.fingerprint_parts(), learner.recipe, plan.directions, seed, plan.degree,
                   plan.downweight, dtype, learner.layout.size, len(plan.sets), plan.kinds)

    @property
    def facts(self):
        """Everything that determines the content of the files, besides the learner."""
        count, units = self.directions.psi.shape
        facts = {"degree": self.degree, "directions": count, "design": self.directions.design,
                 "seed": self.seed, "dtype": self.dtype, "lanes": DIRECTIONS_PER_BLOCK,
                 "calibration": self.calibration, "units": units, "parameters": self.parameters,
                 "psi": checksum(self.directions.psi), "downweight": checksum(self.downweight)}
        return facts | facts_of(self.kinds)


def facts_of(kinds):
    """The facts of declared kinds; without kinds there are none, as version 0.1 writes them."""
    return {} if not kinds else {"kinds": [
        [kind.name, kind.ordered, kind.sets, len(kind.members), checksum(kind.members)] for kind in kinds]}


@dataclass(frozen=True)
class PulledIdentity:
    """What determines a sketch of cotangents.

    parts        of the learner's fingerprint
    recipe       how the learner can be made again, or None
    cotangents   those to pull back
    seed         of the calibration sets
    units        the number of units
    calibration  the number of calibration sets
    kinds        the Kinds that are declared
    """
    parts: dict
    recipe: Optional[dict]
    cotangents: Cotangents
    seed: int
    units: int
    calibration: int
    kinds: tuple = ()

    @property
    def facts(self):
        """Everything that determines the content of the files, besides the learner."""
        vectors = self.cotangents.vectors
        return {"cotangents": len(vectors), "vectors": checksum(vectors), "seed": self.seed,
                "lanes": COTANGENTS_PER_BLOCK, "calibration": self.calibration, "units": self.units,
                "parameters": vectors.shape[1]} | facts_of(self.kinds)


def same_numbers(a, b):
    """Whether two arrays hold the same numbers, but for what machines round differently."""
    return a.shape == b.shape and gap(a, b) <= SAME


def gap(a, b):
    """The largest difference between two arrays of a shape, as a share of the largest number in the first."""
    return float(np.abs(a - b).max(initial=0.0) / (np.abs(a).max(initial=0.0) or 1.0))


def require_same_training(theta, other, where):
    """Raise LearnerError unless two trainings end with the same parameters.   where: of what, in words."""
    if not same_numbers(theta, other):
        by = f"by {gap(theta, other):.2g} of the largest" if theta.shape == other.shape else "in shape"
        raise LearnerError(f"{where} hold different trained parameters: they differ {by}, and {SAME:g} is "
                           "allowed for rounding. Was one made by another version of this library?")


def differing(mine, other):
    """The parts in which two learners differ, as the end of a sentence; None if they are the same."""
    different = [name for name in mine if mine[name] != other.get(name)]
    same = [name for name in mine if name not in different]
    if not different:
        return None
    return f"{listed(different)} differ" + (f" ({listed(same)} agree)" if same else "")


def listed(names):
    """'a, b and c'"""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def same_learner(folder, parts):
    """Raise LearnerError unless a folder's sketch is of the learner whose fingerprint has these parts."""
    difference = differing(folder.manifest["learner"]["fingerprint"], parts)
    if difference:
        raise LearnerError(f"the sketch in {folder.path} is of another learner: {difference}")


def reopened(path, identity):
    """Open the folder of a sketch that was begun, and return it with the directions to push.

    The folder is None if no sketch has been begun there. If the directions were drawn from a seed, those in
    the folder are used, even if this version of NumPy draws others. Raises LearnerError or StoreError, which
    say what differs, if the folder holds anything else.
    """
    folder, facts = continued(path, identity), identity.facts
    if folder is None or facts["psi"] == folder.facts["psi"]:
        return folder, identity.directions
    if same_as_kept(folder, "directions", identity.directions.psi):
        return folder, replace(identity.directions, psi=np.asarray(folder.read("directions")))
    if identity.seed is None:
        raise LearnerError(
            f"{path} holds another sketch of this learner: its directions differ. Choose another folder")
    if not folder.intact("directions"):
        raise StoreError(f"directions.npy in {path} is damaged or missing, and this version of NumPy draws "
                         f"others from seed {identity.seed}: "
                         "put back a copy of it, or begin again in another folder")
    log.warning("this version of the library or of NumPy draws other directions from seed %s than when this "
                "sketch was begun; continuing with those in the folder", identity.seed)
    return folder, replace(identity.directions, psi=np.asarray(folder.read("directions")))


def reopened_cotangents(path, identity):
    """Open the folder of a sketch of cotangents that was begun; return (folder or None, cotangents to pull).

    Cotangents that differ in the last bits only, as another machine calculates them, are those in the folder.
    """
    folder, facts = continued(path, identity), identity.facts
    if folder is None or facts["vectors"] == folder.facts["vectors"]:
        return folder, identity.cotangents
    if same_as_kept(folder, "cotangents", identity.cotangents.vectors):
        return folder, Cotangents(folder.read("cotangents"))
    raise LearnerError(f"{path} holds another sketch of this learner: its cotangents differ. Choose another "
                       "folder, or go on with those in it: precompute(learner, Cotangents(numpy.load("
                       f"'{Path(path) / 'cotangents.npy'}')), ...)")


def continued(path, identity):
    """Open the folder of a sketch that was begun; None if none has been begun there.

    Raises LearnerError if its learner or facts differ; directions and cotangents are left to be compared.
    """
    path = Path(path)
    if not (path / MANIFEST).exists():
        require_empty(path)
        return None
    folder, facts = Folder.open(path), identity.facts
    same_learner(folder, identity.parts)
    if of_cotangents(facts) != of_cotangents(folder.facts):
        kinds = "directions", "cotangents"
        there = of_cotangents(folder.facts)
        raise LearnerError(f"{path} holds another sketch of this learner: it is one of {kinds[there]}, not "
                           f"of {kinds[not there]}. Choose another folder")
    for name, words in NAMES.items():
        if facts.get(name) != folder.facts.get(name) and not (
                name == "downweight" and same_as_kept(folder, name, identity.downweight)):
            told = name not in ("downweight", "kinds")
            values = f" ({folder.facts[name]}, not {facts[name]})" if told else ""
            raise LearnerError(f"{path} holds another sketch of this learner: its {words} differs{values}. "
                               "Choose another folder")
    return folder


def same_as_kept(folder, name, array):
    """Whether the same numbers as in an array are kept, undamaged, in a folder."""
    return folder.trouble(name) is None and same_numbers(array, folder.read(name))


def require_empty(path):
    """Raise StoreError unless a path without a manifest is an empty folder, or can become one."""
    others = []
    if path.is_dir():
        others = [x.name for x in path.iterdir() if x.name != ".lock" and x.suffix != ".part"]
    if others or path.exists() and not path.is_dir():
        there = repr(others[0]) if others else "a file"
        raise StoreError(f"{path} is not an empty folder and holds no sketch (there is {there}, but no "
                         f"{MANIFEST}): choose another folder")


def begun(path, identity):
    """Begin or continue a sketch in a folder whose lock is held; return (folder, directions to push).

    Afterwards the folder contains the directions and the downweight.
    """
    folder, directions = reopened(path, identity)
    arrays = {"directions": directions.psi, "downweight": identity.downweight}
    return started(path, folder, identity, arrays), directions


def started(path, folder, identity, arrays):
    """Begin a sketch in a folder, or continue that of a Folder; write the named arrays that it lacks."""
    if folder is None:
        folder = Folder.create(path, {"fingerprint": identity.parts, "recipe": identity.recipe},
                               identity.facts, versions())
    elif folder.manifest["versions"] != versions():
        before, now = (", ".join(f"{name} {number}" for name, number in v.items())
                       for v in (folder.manifest["versions"], versions()))
        log.warning("this sketch was begun with %s and continues with %s; its last digits may differ", before,
                    now)
    tidy(path)
    for name, array in arrays.items():
        if not folder.intact(name):
            folder.write(name, array)
    return folder


def unfinished_blocks(folder):
    """The numbers of the blocks to make: those that are not intact, or one if only theta is not."""
    missing = [b for b in range(folder.block_count) if not folder.intact(block_name(b))]
    if not folder.intact("theta") and not missing:
        missing = [0]      # every block comes with the trained parameters
    return missing


def missing_blocks(count, folder):
    """The numbers of a sketch's blocks that a Folder does not hold, by their sizes; of None it is all."""
    return [b for b in range(count) if folder is None or folder.trouble(block_name(b), thorough=False)]


def keep_block(folder, b, theta, stored, seconds):
    """Write a block, made now, and the trained parameters that came with it, or compare them."""
    if folder.trouble("theta"):
        folder.write("theta", theta)
    require_same_training(folder.read("theta"), theta,
                          f"the sketch in {folder.path} and its block {b}, made now,")
    folder.write(block_name(b), stored, seconds=round(seconds, 3))


def keep_calibration(folder, plan):
    """Retrain without each calibration set of a plan, unless a folder has all of it."""
    kept = [name for name in folder.names() if name.startswith("calibration-")]
    if not all([folder.intact(name) for name in kept]):
        folder.write_all(calibrate(plan.learner, plan.sets, plan.kinds, bank=plan.bank).arrays())


def require_learner(sketch):
    """Raise LearnerError if a sketch was opened without its learner."""
    if sketch.learner is None:
        raise LearnerError("this sketch was opened without its learner: open it with load(path, learner)")


def require_finished(folder, learner=None):
    """Raise StoreError unless the manifest, and the headers of all files, are those of a finished sketch."""
    facts, count, finished = folder.facts, folder.block_count, len(folder.finished())
    units, parameters, start = facts["units"], facts["parameters"], f"the sketch in {folder.path}"
    lanes, what = ((COTANGENTS_PER_BLOCK, "cotangents") if of_cotangents(facts)
                   else (DIRECTIONS_PER_BLOCK, "directions"))
    if facts["lanes"] != lanes:
        raise StoreError(f"{start} has blocks of {facts['lanes']} {what}; this version works with blocks "
                         f"of {lanes}")
    if learner is not None and (learner.unit_count, learner.layout.size) != (units, parameters):
        raise StoreError(f"{start} is damaged or was edited: by its facts it is of {units} units and "
                         f"{parameters} parameters; its learner has {learner.unit_count} and "
                         f"{learner.layout.size}")
    if finished < count:
        raise StoreError(f"{start} is not finished: {finished} of {count} blocks. {AGAIN}")
    for name in folder.arrays:
        trouble = folder.trouble(name, thorough=False)
        if trouble:
            raise StoreError(f"{trouble}. {AGAIN}")


def versions():
    """The versions of Python and of the packages that decide the last digits."""
    versions_of = {"python": platform.python_version()}
    for name in ("deletion-sketch", "numpy", "scipy", "numba"):
        try:
            versions_of[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions_of
