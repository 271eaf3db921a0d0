"""Directions: the lines in the space of downweights along which a training is pushed.

Every random direction has its own generator, SeedSequence(seed, spawn_key=(index,)), so that workers cannot
repeat each other's directions and a sketch can grow. NumPy does not promise equal streams between versions;
therefore sketches keep the directions themselves.

    sphere     uniform on the complex unit sphere, as in the paper: the mean is unbiased, the median of means
               consistent
    haar       the same distribution, orthonormal in blocks: a complete block determines degree 1
    pairs      each direction contains one unit, or two that occur far apart in the schedule: every unit's own
               curve is known, nearly free of interactions; directions that are left over are dense
    given      chosen by the user, such as the indicators of planned deletion sets: their curves are exact
    mixture    several of these, one after the other
"""
import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import array_of, one_of, whole_number
from circuit.errors import LearnerError

from .kernel import Kernel

log = logging.getLogger("deletion")

UNITARILY_INVARIANT = ("sphere", "haar")
"""Designs whose distribution no unitary rotation changes. Only for these is the mean unbiased and the
median of means consistent."""

USER_DESIGNS = ("given", "mixture")
"""Designs of directions that the user chose."""

DESIGNS = ("auto", "sphere", "haar", "pairs")
"""Designs that `precompute` can draw. 'auto' stands for one of the others."""

KINDS = ("sphere", "haar", "pairs", "given", "mixture")
"""Designs that existing Directions may have."""

NORM_ERROR = 1e-9
"""Directions of the sphere may differ this much from norm 1: more than rounding, less than any mistake."""


@dataclass(frozen=True, repr=False)
class Directions:
    """Directions in the space of downweights, and how they were drawn.

    Raises LearnerError for an unknown design, entries that are not finite numbers, or directions of the
    sphere whose norm is not 1.

    Attributes
    ----------
    psi : np.ndarray
        The directions, complex (directions, units). Real numbers and a single direction are converted.
    design : str
        'sphere', 'haar', 'pairs', 'given' or 'mixture'.

    Examples
    --------
    >>> from deletion import Directions
    >>> Directions([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], "given")
    <directions: 2 over 3 units (given)>
    """
    psi: np.ndarray
    design: str

    def __post_init__(self):
        object.__setattr__(self, "psi", complex_rows(self.psi))
        if self.design not in KINDS:
            raise LearnerError(f"no design {self.design!r:.60}: directions of your own are 'given'")
        if self.design in UNITARILY_INVARIANT:
            norms = np.linalg.norm(self.psi, axis=1)
            worst = np.abs(norms - 1.0).argmax()
            if abs(norms[worst] - 1.0) > NORM_ERROR:
                raise LearnerError(f"direction {worst} has norm {norms[worst]:.6g}: those of design "
                                   f"{self.design!r} lie on the unit sphere; "
                                   "directions of your own are 'given'")

    def __len__(self):
        return len(self.psi)

    def __repr__(self):
        return f"<directions: {len(self):,} over {self.psi.shape[1]:,} units ({self.design})>"

    @cached_property
    def dimension(self):
        """The number of units at which some direction is nonzero: the n of the paper's estimator."""
        return int(np.count_nonzero(self.psi.any(axis=0)))

    @cached_property
    def kernel(self):
        """The Gram matrices of these directions, which least squares needs for every measurement."""
        return Kernel(self.psi)


# directions for a learner -----------------------------------------------------------------------------------

def chosen(learner, directions, design, degree, seed):
    """Return the Directions to push through a learner's training, and their seed (None for given ones).

    directions   how many to draw; or Directions; or an array (directions, units)
    """
    if isinstance(directions, Directions):
        return fitting(directions, learner), None
    if np.ndim(directions):
        return fitting(given(directions), learner), None
    seed = whole_number(seed, "a seed", 0)
    idle = learner.unit_count - np.count_nonzero(learner.used)
    if idle:
        log.warning(f"no step uses {idle:,} of the {learner.unit_count:,} units: deleting those changes "
                    "nothing, and no direction is spent on them")
    return draw(design, directions, learner, degree, seed), seed


def draw(design, count, learner, degree, seed):
    """Draw `count` directions of a named design for a learner: zero at the units that no step uses.

    'auto' takes pairs, unless only the sphere gives the 2 m numbers that determine degree 2, which are all
    n (n + 1) / 2 pairwise interactions.
    """
    units = int(np.count_nonzero(learner.used))
    _check(count, units)
    if one_of(design, "design", DESIGNS) == "auto":
        left = max(count - units, 0)      # the number of dense directions among pairs
        design = "sphere" if 4 * count >= units * (units + 1) and 4 * left < units * (units - 1) else "pairs"
    if design == "pairs":
        order = np.argsort(learner.first_steps()[learner.used], kind="stable")
        drawn = pairs(count, order, degree, seed)
    else:
        drawn = (sphere if design == "sphere" else haar)(count, units, seed)
    return Directions(learner.over_units(drawn.psi), drawn.design)


def fitting(directions, learner):
    """Given Directions for a learner, set to zero at units that no step uses: nothing depends on these."""
    psi = directions.psi
    if psi.shape[1] != learner.unit_count:
        raise LearnerError(f"directions of {psi.shape[1]} units for a learner with {learner.unit_count}")
    missing = np.flatnonzero(learner.used & ~psi.any(axis=0))
    if directions.design in UNITARILY_INVARIANT and len(missing):
        raise LearnerError(f"directions of design {directions.design!r} live in every unit that a step uses; "
                           f"these are zero at unit {learner.units[missing[0]]!r}. Directions of yours are "
                           "'given'")
    if directions.design in USER_DESIGNS and not learner.used.all():
        return Directions(psi * learner.used, directions.design)
    return directions      # the sphere in more units serves as well: the estimator uses `dimension`


# designs ----------------------------------------------------------------------------------------------------

def sphere(count: int, units: int, seed: int) -> Directions:
    """Draw independent directions, uniform on the complex unit sphere.

    Parameters
    ----------
    count : int
        The number of directions.
    units : int
        The number of units: directions lie in C^units.
    seed : int
        The seed, at least 0. Direction k depends on the seed and k only.

    Returns
    -------
    Directions
        Of design 'sphere'.

    Examples
    --------
    >>> from deletion import sphere
    >>> directions = sphere(3, 5, seed=0)
    >>> directions
    <directions: 3 over 5 units (sphere)>
    >>> (abs(directions.psi) ** 2).sum(axis=1).round(6)
    array([1., 1., 1.])
    """
    _check(count, units)
    psi = np.stack([_normal(_generator(seed, index), units) for index in range(count)])
    return Directions(psi / np.linalg.norm(psi, axis=1, keepdims=True), "sphere")


def haar(count: int, units: int, seed: int) -> Directions:
    """Draw directions in orthonormal blocks: the columns of Haar-random unitary matrices.

    Each direction alone is uniform on the sphere. A block of `units` directions is Q of the QR
    decomposition of a complex normal matrix, times the phases of R's diagonal.

    Parameters
    ----------
    count : int
        The number of directions.
    units : int
        The number of units, which is also the size of a block.
    seed : int
        The seed, at least 0.

    Returns
    -------
    Directions
        Of design 'haar'.

    Examples
    --------
    >>> from deletion import haar
    >>> psi = haar(3, 3, seed=0).psi
    >>> abs(psi @ psi.conj().T).round(6)
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    _check(count, units)
    parts = []
    for first in range(0, count, units):
        rows = min(units, count - first)
        q, r = np.linalg.qr(np.stack([_normal(_generator(seed, first + j), units) for j in range(rows)],
                                     axis=1))
        parts.append((q * (np.diag(r) / np.abs(np.diag(r)))).T)
    return Directions(np.concatenate(parts), "haar")


def pairs(count: int, order: ArrayLike, degree: int, seed: int) -> Directions:
    """Distribute the units over the directions; units in one direction occur far apart in the training.

    Unit number k of the training goes into direction k mod m. With at most 2 m units, a direction is e_a,
    or e_a + e^{i phi} e_b with phi = pi / (4 (p + 1)). Both units' own terms A_r and B_r follow from the
    one complex coefficient c_r = A_r + e^{i r phi} B_r + interactions. The error is at most 1 / cos(phi)
    times the interaction at r = 2: a small angle keeps this factor near its minimum, 1, and costs only
    digits. With more than 2 m units, a direction contains more than two, at random phases, and no longer
    separates them. With fewer than m units, the directions left over are drawn from the sphere: they
    measure interactions.

    Parameters
    ----------
    count : int
        The number m of directions.
    order : ArrayLike
        (units,): the units' numbers in the order in which the training first uses them.
    degree : int
        The highest power p of t that will be kept.
    seed : int
        The seed of the random phases and of the dense directions, at least 0.

    Returns
    -------
    Directions
        Of design 'pairs'.

    Examples
    --------
    >>> from deletion import pairs
    >>> abs(pairs(2, [0, 1, 2, 3], degree=3, seed=0).psi).round(6)
    array([[1., 0., 1., 0.],
           [0., 1., 0., 1.]])
    """
    order = np.asarray(order)
    units, phi = len(order), np.pi / (4 * (degree + 1))
    _check(count, units)
    own = min(count, units)      # directions that contain one unit, two or more
    psi = np.zeros((own, units), complex)
    for k, unit in enumerate(order):
        phase = phi * (k // own) if units <= 2 * count else _generator(seed, k).uniform(0.0, 2.0 * np.pi)
        psi[k % own, unit] = np.exp(1j * phase)
    return Directions(psi if own == count else np.concatenate([psi, sphere(count - own, units, seed).psi]),
                      "pairs")


def given(psi: ArrayLike) -> Directions:
    """Use directions of your own, such as the indicators of planned deletion sets.

    Along the indicator of a set, the curve of deleting the set gradually is exact up to the degree.

    Parameters
    ----------
    psi : ArrayLike
        (directions, units), or (units,) for one direction; real or complex.

    Returns
    -------
    Directions
        Of design 'given'.

    Examples
    --------
    >>> from deletion import given
    >>> given([[1, 0, 1], [0, 1, 1]])
    <directions: 2 over 3 units (given)>
    """
    return Directions(psi, "given")


def mixture(*parts: Directions) -> Directions:
    """Join several Directions over the same units.

    Parameters
    ----------
    *parts : Directions
        The directions to be joined, in order.

    Returns
    -------
    Directions
        Of the parts' common design if their distributions agree, otherwise of design 'mixture'.

    Raises
    ------
    LearnerError
        If the parts have different numbers of units.

    Examples
    --------
    >>> from deletion import given, mixture, sphere
    >>> mixture(given([1, 0, 1]), sphere(2, 3, seed=0))
    <directions: 3 over 3 units (mixture)>
    """
    if len({part.psi.shape[1] for part in parts}) != 1:
        raise LearnerError(f"a mixture of directions over {[part.psi.shape[1] for part in parts]} units: "
                           "expected the same number")
    designs = {part.design for part in parts}
    units = {part.psi.any(axis=0).tobytes() for part in parts if part.design in UNITARILY_INVARIANT}
    design = designs.pop() if len(designs) == 1 and len(units) <= 1 else "mixture"
    return Directions(np.concatenate([part.psi for part in parts]), design)


# what they share --------------------------------------------------------------------------------------------

def complex_rows(psi):
    """Return psi as complex (directions, units), at least one of each; a vector is one direction."""
    psi = np.atleast_2d(array_of(psi, "directions", "biufc", "real or complex numbers", finite=False))
    if psi.ndim != 2:
        raise LearnerError(f"directions are an array (directions, units), not of shape {psi.shape}")
    _check(*psi.shape)
    if not np.isfinite(psi).all():
        where = np.argwhere(~np.isfinite(psi))[0]
        raise LearnerError(f"direction {where[0]} holds {psi[tuple(where)]} at unit {where[1]}")
    return psi.astype(complex, copy=False)


def _generator(seed, index):
    """The random generator of one direction."""
    return np.random.default_rng(np.random.SeedSequence(whole_number(seed, "a seed", 0), spawn_key=(index,)))


def _normal(generator, units):
    """A complex normal vector (units,)."""
    real, imaginary = generator.standard_normal((2, units))
    return real + 1j * imaginary


def _check(count, units):
    """Raise LearnerError unless there is at least one direction and one unit."""
    whole_number(count, "a sketch needs at least one direction", 1)
    whole_number(units, "a direction needs at least one unit", 1)
