"""Directions: along which lines of the space of downweights a training is pushed.

Each random direction has a generator of its own, SeedSequence(seed, spawn_key=(index,)): workers cannot repeat each other's
directions, and a sketch can grow. NumPy promises no equal streams between versions, so sketches keep the directions themselves.
"""
from dataclasses import dataclass

import numpy as np

from .learner import LearnerError

UNITARILY_INVARIANT = ("sphere", "haar")
"""Designs whose law no unitary rotation changes: the only ones for which mean and median of means are unbiased."""


@dataclass(frozen=True)
class Directions:
    """psi: (directions, units) complex;   design: how they were drawn."""
    psi: np.ndarray
    design: str

    def __len__(self):
        return len(self.psi)


def sphere(count, units, seed):
    """`count` directions, independent and uniform on the complex unit sphere of C^units."""
    _check(count, units)
    psi = np.empty((count, units), complex)
    for index in range(count):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        z = rng.standard_normal((2, units))
        psi[index] = (z[0] + 1j * z[1]) / np.sqrt(np.sum(z * z))
    return Directions(psi, "sphere")


def given(psi):
    """Directions chosen by the user, such as the real indicators of planned deletion sets: (directions, units)."""
    psi = np.array(psi, complex, ndmin=2)
    _check(*psi.shape)
    if not np.isfinite(psi).all():
        where = np.argwhere(~np.isfinite(psi))[0]
        raise LearnerError(f"direction {where[0]} holds {psi[tuple(where)]} at unit {where[1]}")
    return Directions(psi, "given")


def _check(count, units):
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise LearnerError(f"a sketch needs at least one direction, not {count!r}")
    if units < 1:
        raise LearnerError("a direction needs at least one unit")
