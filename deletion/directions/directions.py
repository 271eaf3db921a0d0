"""Directions: along which lines of the space of downweights a training is pushed.

Each random direction has a generator of its own, SeedSequence(seed, spawn_key=(index,)): workers cannot
repeat each other's directions, and a sketch can grow. NumPy promises no equal streams between versions, so
sketches keep the directions themselves.

    sphere     uniform on the complex unit sphere, the paper's: the mean is unbiased, the median of means
               consistent
    haar       the same law, orthonormal in blocks: a whole block determines degree 1
    pairs      every unit alone in a direction, or with another, far from it in training: curves of its own,
               nearly free of interactions; what is left over is dense
    given      the real indicators of planned deletion sets, say: their curves are exact
    mixture    several of these, one after the other
"""
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .kernel import Kernel
from circuit.checks import array_of, whole_number
from ..learner.learner import LearnerError

UNITARILY_INVARIANT = ("sphere", "haar")
"""Designs whose law no unitary rotation changes: the only ones for which the mean is unbiased, the median of
means consistent."""

OWN = ("given", "mixture")
"""Designs of the user's."""

DESIGNS = ("auto", "sphere", "haar", "pairs")

KINDS = ("sphere", "haar", "pairs", "given", "mixture")
"""Designs of directions that are there."""


@dataclass(frozen=True)
class Directions:
    """psi: (directions, units) complex;   design: how they were drawn."""
    psi: np.ndarray
    design: str

    def __post_init__(self):
        object.__setattr__(self, "psi", complex_rows(self.psi))
        if self.design not in KINDS:
            raise LearnerError(f"no design {self.design!r:.60}: directions of your own are 'given'")
        if self.design in UNITARILY_INVARIANT:
            norms = np.linalg.norm(self.psi, axis=1)
            wrong = np.abs(norms - 1.0).argmax()
            if abs(norms[wrong] - 1.0) > 1e-9:
                raise LearnerError(f"direction {wrong} has norm {norms[wrong]:.6g}: those of design "
                                   f"{self.design!r} lie on the unit sphere; "
                                   "directions of your own are 'given'")

    def __len__(self):
        return len(self.psi)

    @cached_property
    def dimension(self):
        """How many units some direction has a nonzero entry at: the n of the paper's estimator."""
        return int(np.count_nonzero(self.psi.any(axis=0)))

    @cached_property
    def kernel(self):
        """What least squares knows about these directions, whatever is measured."""
        return Kernel(self.psi)


def draw(design, count, learner, degree, seed):
    """`count` directions of a named design for a learner: Directions, zero at the units that no step uses.

    'auto' takes pairs, unless only the sphere gives the 2 m numbers that determine degree 2: all n (n + 1) /
    2 pairwise interactions.
    """
    units = int(np.count_nonzero(learner.used))
    _check(count, units)
    if design == "auto":
        left = max(count - units, 0)      # what pairs leave to dense directions
        design = "sphere" if 4 * count >= units * (units + 1) and 4 * left < units * (units - 1) else "pairs"
    if design == "sphere":
        drawn = sphere(count, units, seed)
    elif design == "haar":
        drawn = haar(count, units, seed)
    elif design == "pairs":
        drawn = pairs(count, np.argsort(learner.first_steps()[learner.used], kind="stable"), degree, seed)
    else:
        raise LearnerError(f"no design {design!r}; there are {', '.join(map(repr, DESIGNS))}")
    return Directions(learner.over_units(drawn.psi), drawn.design)


def fitting(directions, learner):
    """Given directions for a learner, with zeros at units that no step uses: nothing depends on those."""
    psi = directions.psi
    if psi.shape[1] != learner.unit_count:
        raise LearnerError(f"directions of {psi.shape[1]} units for a learner with {learner.unit_count}")
    missing = np.flatnonzero(learner.used & ~psi.any(axis=0))
    if directions.design in UNITARILY_INVARIANT and len(missing):
        raise LearnerError(f"directions of design {directions.design!r} live in every unit that a step uses; "
                           f"these are zero at unit {learner.units[missing[0]]!r}. Directions of yours are "
                           "'given'")
    if directions.design in OWN and not learner.used.all():
        return Directions(psi * learner.used, directions.design)
    return directions      # spheres in more units are as good: the estimator counts the units they live in


def sphere(count, units, seed):
    """`count` directions, independent and uniform on the complex unit sphere of C^units."""
    _check(count, units)
    psi = np.stack([_normal(_generator(seed, index), units) for index in range(count)])
    return Directions(psi / np.linalg.norm(psi, axis=1, keepdims=True), "sphere")


def haar(count, units, seed):
    """`count` directions in blocks of `units`, each block orthonormal: the columns of a Haar-random unitary
    matrix.

    Columns of Q from the QR of a complex normal matrix, times the phases of R's diagonal.
    """
    _check(count, units)
    blocks = []
    for first in range(0, count, units):
        rows = min(units, count - first)
        q, r = np.linalg.qr(np.stack([_normal(_generator(seed, first + j), units) for j in range(rows)],
                                     axis=1))
        blocks.append((q * (np.diag(r) / np.abs(np.diag(r)))).T)
    return Directions(np.concatenate(blocks), "haar")


def pairs(count, order, degree, seed):
    """Units shared out among directions: unit number k of the training goes into direction k mod m, so that
    companions lie far apart.

    order    (units,): the units in the order in which training first meets them
    degree   highest power of t that will be kept

    Up to 2 m units a direction is e_a, or e_a + e^{i phi} e_b with phi = pi / (4 (p + 1)). From the one
    complex coefficient c_r = A_r + e^{i r phi} B_r + interactions, both self-terms follow, up to 1 / cos(phi)
    times the interaction at r = 2: a small angle keeps that near its least, 1, and costs only digits. Beyond
    2 m units a direction holds more than two, at random phases, and no longer tells them apart. Directions
    that are left when each unit has one of its own are drawn from the sphere: they tell of interactions.
    """
    order = np.asarray(order)
    units, phi = len(order), np.pi / (4 * (degree + 1))
    _check(count, units)
    own = min(count, units)
    psi = np.zeros((own, units), complex)
    for k, unit in enumerate(order):
        phase = phi * (k // own) if units <= 2 * count else _generator(seed, k).uniform(0.0, 2.0 * np.pi)
        psi[k % own, unit] = np.exp(1j * phase)
    return Directions(psi if own == count else np.concatenate([psi, sphere(count - own, units, seed).psi]),
                      "pairs")


def given(psi):
    """Directions chosen by the user, such as the real indicators of planned deletion sets: (directions,
    units)."""
    return Directions(psi, "given")


def complex_rows(psi):
    """psi as directions (directions, units), at least one of each; a vector is one direction."""
    psi = np.atleast_2d(array_of(psi, "directions", "biufc", "real or complex numbers", finite=False))
    if psi.ndim != 2:
        raise LearnerError(f"directions are an array (directions, units), not of shape {psi.shape}")
    _check(*psi.shape)
    if not np.isfinite(psi).all():
        where = np.argwhere(~np.isfinite(psi))[0]
        raise LearnerError(f"direction {where[0]} holds {psi[tuple(where)]} at unit {where[1]}")
    return psi.astype(complex, copy=False)


def mixture(*parts):
    """Several Directions over the same units, one after the other."""
    if len({part.psi.shape[1] for part in parts}) != 1:
        raise LearnerError(f"a mixture of directions over {[part.psi.shape[1] for part in parts]} units: "
                           "expected the same number")
    designs = {part.design for part in parts}
    units = {part.psi.any(axis=0).tobytes() for part in parts if part.design in UNITARILY_INVARIANT}
    design = designs.pop() if len(designs) == 1 and len(units) <= 1 else "mixture"
    return Directions(np.concatenate([part.psi for part in parts]), design)


def _generator(seed, index):
    return np.random.default_rng(np.random.SeedSequence(whole_number(seed, "a seed", 0), spawn_key=(index,)))


def _normal(generator, units):
    real, imaginary = generator.standard_normal((2, units))
    return real + 1j * imaginary


def _check(count, units):
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise LearnerError(f"a sketch needs at least one direction, not {count!r}")
    if units < 1:
        raise LearnerError("a direction needs at least one unit")
