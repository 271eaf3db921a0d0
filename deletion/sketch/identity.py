"""Which sketch this is: what must agree before a folder is gone on with, a learner opens it, or two sketches
become one."""
import logging
import platform
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Optional

import numpy as np

from taylor import LANES

from ..storage.arrays import checksum
from ..directions.directions import Directions
from ..storage.files import StoreError, tidy
from ..learner.learner import LearnerError
from ..storage.manifest import MANIFEST
from ..storage.store import Folder

log = logging.getLogger("deletion")

NAMES = {"degree": "degree", "directions": "number of directions", "design": "design of the directions",
         "seed": "seed", "dtype": "number format", "downweight": "downweight expanded around",
         "lanes": "partition into blocks", "calibration": "number of calibration sets",
         "units": "number of units", "parameters": "number of parameters"}
"""What a sketch's facts are called; `psi`, the directions themselves, is spoken of apart."""


@dataclass(frozen=True)
class Identity:
    """parts: of the learner's fingerprint;   recipe: how to make the learner, or None;   seed: None for given
    directions"""
    parts: dict
    recipe: Optional[dict]
    directions: Directions
    seed: Optional[int]
    degree: int
    downweight: np.ndarray
    dtype: str
    parameters: int
    calibration: int

    @property
    def facts(self):
        """All that the content of the files depends on, besides the learner."""
        count, units = self.directions.psi.shape
        return {"degree": self.degree, "directions": count, "design": self.directions.design,
                "seed": self.seed, "dtype": self.dtype, "lanes": LANES, "calibration": self.calibration,
                "units": units, "parameters": self.parameters, "psi": checksum(self.directions.psi),
                "downweight": checksum(self.downweight)}


def differing(mine, other):
    """The parts in which two learners differ, as a sentence's end; None if they are the same."""
    different = [name for name in mine if mine[name] != other.get(name)]
    same = [name for name in mine if name not in different]
    if not different:
        return None
    return f"{listed(different)} differ" + (f" ({listed(same)} agree)" if same else "")


def listed(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def same_learner(folder, parts):
    """Raise LearnerError unless a folder's sketch is of the learner whose fingerprint has these parts."""
    difference = differing(folder.manifest["learner"]["fingerprint"], parts)
    if difference:
        raise LearnerError(f"the sketch in {folder.path} is of another learner: {difference}")


def reopened(path, identity):
    """The folder of an identity's sketch, to go on with; None if nothing has been begun there. Returns
    (folder, identity).

    Directions drawn from a seed are those in the folder, whatever NumPy draws today. Raises LearnerError or
    StoreError, telling what differs, if the folder holds anything else.
    """
    path = Path(path)
    if not (path / MANIFEST).exists():
        others = [x.name for x in path.iterdir() if x.name != ".lock"
                  and x.suffix != ".part"] if path.is_dir() else []
        if others or path.exists() and not path.is_dir():
            there = repr(others[0]) if others else "a file"
            raise StoreError(f"{path} is not an empty folder and holds no sketch (there is {there}, but no "
                             f"{MANIFEST}): choose another folder")
        return None, identity
    folder = Folder.open(path)
    same_learner(folder, identity.parts)
    facts = identity.facts
    for name, spoken in NAMES.items():
        if facts[name] != folder.facts.get(name):
            values = f" ({folder.facts.get(name)}, not {facts[name]})" if name != "downweight" else ""
            raise LearnerError(f"{path} holds another sketch of this learner: its {spoken} differs{values}. "
                               "Choose another folder")
    if facts["psi"] == folder.facts.get("psi"):
        return folder, identity
    if identity.seed is None:
        raise LearnerError(
            f"{path} holds another sketch of this learner: its directions differ. Choose another folder")
    if not folder.whole("directions"):
        raise StoreError(f"directions.npy in {path} is damaged or missing, and this version of NumPy draws "
                         f"others from seed {identity.seed}: "
                         "put back a copy of it, or begin again in another folder")
    log.warning("this version of the library or of NumPy draws other directions from seed %s than when this "
                "sketch was begun; going on with those in the folder", identity.seed)
    return folder, replace(identity,
                           directions=replace(identity.directions, psi=np.asarray(folder.read("directions"))))


def begun(path, identity):
    """(folder, identity) of a sketch to be made or gone on with, its directions and downweight written. The
    lock is held."""
    folder, identity = reopened(path, identity)
    if folder is None:
        folder = Folder.create(path, {"fingerprint": identity.parts, "recipe": identity.recipe},
                               identity.facts, versions())
    elif folder.manifest["versions"] != versions():
        log.warning("this sketch was begun with %s; it goes on with %s, and its last digits may differ",
                    *(", ".join(f"{name} {number}" for name, number in v.items())
                      for v in (folder.manifest["versions"], versions())))
    tidy(path)
    for name, array in (("directions", identity.directions.psi), ("downweight", identity.downweight)):
        if not folder.whole(name):
            folder.write(name, array)
    return folder, identity


def versions():
    """Versions of Python and of the packages that decide the last digits."""
    found = {"python": platform.python_version()}
    for name in ("deletion-sketch", "numpy", "scipy", "numba"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
