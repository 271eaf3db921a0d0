"""Stored blocks of coefficients: float64 unchanged, or float32 balanced.

In balanced form, order r is multiplied by C(n + r - 1, r)^(1/2), where n is the number of units. Along random
directions, coefficients shrink with the order about as fast as this root grows, so that the product lies in
the range of single precision, 1e-38 to 1e38.
"""
from collections.abc import Sequence

import numpy as np

from circuit.errors import LearnerError

from ..directions.terms import log_binomials

DTYPES = ("float64", "float32")

DIRECTIONS_PER_BLOCK = 8
"""Directions in a stored block. The number belongs to the format of the files, so that a folder can be
opened, continued and merged on any machine, whatever number of lanes is the fastest for the engine there."""

SMALLEST = 1e-30
"""The smallest largest coefficient of an order that is stored in single precision: the others are smaller,
and below 1e-38 they lose digits."""


class Blocks(Sequence):
    """Blocks of coefficients, read one at a time: float64 (parameters, degree, 2, DIRECTIONS_PER_BLOCK).

    stored   sequence of arrays in the stored format
    units    the number of units
    """

    def __init__(self, stored, units):
        self.stored, self.units = stored, units

    def __len__(self):
        return len(self.stored)

    @property
    def dtype(self):
        """The stored format of the coefficients."""
        return self.stored[0].dtype

    def __getitem__(self, b):
        return from_storage(self.stored[b], self.units)


class FolderBlocks(Sequence):
    """The stored blocks in a sketch's folder; each access reads one into memory and verifies it."""

    def __init__(self, folder, count):
        self.folder, self.count = folder, count

    def __len__(self):
        return self.count

    def __getitem__(self, b):
        if not 0 <= b < self.count:
            raise IndexError(b)
        return self.folder.read(block_name(b))


def parts(directions, lanes):
    """The slices of a stored block's directions that fill one block of the engine each."""
    return [slice(j, min(j + lanes, directions)) for j in range(0, directions, lanes)]


def filled(coefficients, lanes):
    """Coefficients (..., directions) with zeros behind them for the lanes that are left."""
    left = lanes - coefficients.shape[-1]
    return np.pad(coefficients, [(0, 0)] * (coefficients.ndim - 1) + [(0, left)]) if left else coefficients


def block_name(b):
    """The name of block b in a sketch's folder."""
    return f"block-{b:05d}"


def checked_dtype(dtype):
    """The name of a number format in which coefficients can be stored."""
    name = np.dtype(dtype).name if not isinstance(dtype, str) else dtype
    if name not in DTYPES:
        raise LearnerError(f"dtype of stored coefficients: expected {' or '.join(DTYPES)}, got {name:.60}")
    return name


def roots(units, degree):
    """C(units + r - 1, r)^(1/2) for r = 1 .. degree."""
    return np.exp(0.5 * log_binomials(units, degree))


def to_storage(coefficients, dtype, units, first=0):
    """Convert coefficients (parameters, degree, 2, directions) to the stored format.

    first   the number of the first direction, for messages

    Raises LearnerError if the balanced coefficients leave the range of float32.
    """
    if dtype == "float64":
        return coefficients
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        balanced = coefficients * roots(units, coefficients.shape[1])[:, None, None]
        stored = balanced.astype(np.float32)
    largest = np.abs(balanced).max(axis=(0, 2), initial=0.0)
    bad = ~np.isfinite(stored).all(axis=(0, 2)) | (largest > 0.0) & (largest < SMALLEST)
    if bad.any():
        r, lane = np.argwhere(bad)[0]
        raise LearnerError(f"float32 cannot hold order {r + 1} along direction {first + lane}: times "
                           f"C(n + r - 1, r)^(1/2) its largest coefficient is {largest[r, lane]:.3g}. "
                           "Store float64, or use a lower degree")
    return stored


def from_storage(stored, units):
    """Convert stored coefficients to float64; an array that is stored as float64 is returned itself."""
    if stored.dtype == np.float64:
        return stored
    return stored.astype(float) / roots(units, stored.shape[1])[:, None, None]
