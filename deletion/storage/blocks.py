"""Blocks of coefficients as they are stored: float64 as they are, or float32 balanced.

In balanced form order r is multiplied by C(n + r - 1, r)^(1/2), n being the units: along random directions
coefficients shrink with the order as that root grows, and single precision, whose exponents end at 1e-38 and
1e38, holds the product.
"""
from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

from ..learner.learner import LearnerError

DTYPES = ("float64", "float32")
SMALLEST = 1e-30
"""Below, single precision begins to lose digits."""


class Blocks(Sequence):
    """Blocks of coefficients, read one at a time: float64 (parameters, degree, 2, lanes).

    stored   sequence of arrays as they are stored;   units: how many there are
    """

    def __init__(self, stored, units):
        self.stored, self.units = stored, units

    def __len__(self):
        return len(self.stored)

    @property
    def dtype(self):
        """Of the coefficients as they are stored."""
        return self.stored[0].dtype

    def __getitem__(self, b):
        return unpacked(self.stored[b], self.units)


class Filed(Sequence):
    """The blocks in a sketch's folder, each read into memory and verified at every access."""

    def __init__(self, folder, count):
        self.folder, self.count = folder, count

    def __len__(self):
        return self.count

    def __getitem__(self, b):
        if not 0 <= b < self.count:
            raise IndexError(b)
        return self.folder.read(block_name(b))


def block_name(b):
    return f"block-{b:05d}"


def checked_dtype(dtype):
    name = np.dtype(dtype).name if not isinstance(dtype, str) else dtype
    if name not in DTYPES:
        raise LearnerError(f"coefficients are stored as {' or '.join(DTYPES)}, not {name}")
    return name


def roots(units, degree):
    """C(units + r - 1, r)^(1/2) for r = 1 .. degree."""
    orders = np.arange(1, degree + 1)
    return np.exp(0.5 * (gammaln(units + orders) - gammaln(orders + 1.0) - gammaln(units)))


def packed(coefficients, dtype, units, first=0):
    """Coefficients (parameters, degree, 2, lanes) as they are stored. first: the number of the first
    direction, for messages.

    Raises LearnerError where float32 cannot hold them: the balanced product leaves its range.
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
        raise LearnerError(f"float32 cannot hold order {r + 1} along direction {first + lane}: times C(n + "
                           "r - 1, r)^(1/2) its largest "
                           f"coefficient is {largest[r, lane]:.3g}. Store float64, or use a lower degree")
    return stored


def unpacked(stored, units):
    """The coefficients as float64; those stored so are returned as they are."""
    if stored.dtype == np.float64:
        return stored
    return stored.astype(float) / roots(units, stored.shape[1])[:, None, None]
