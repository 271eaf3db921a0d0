"""Polynomials as arrays: what goes into an evaluation and comes out of it."""
from dataclasses import dataclass

import numpy as np

from circuit import CircuitError, ShapeError
from circuit.gates.gate import plain_array


@dataclass(frozen=True)
class Polynomial:
    """A tensor of truncated polynomials u_0 + u_1 t + ... + u_p t^p, one per direction.

    constant      float64, the tensor's shape S: u_0, shared by all directions
    coefficients  complex128, (directions, p) + S: coefficients[j, r - 1] is u_r along direction j.
                  Coefficients, not derivatives: the r-th derivative is r! times as large.
    """
    constant: np.ndarray
    coefficients: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "constant", plain_array(self.constant))
        object.__setattr__(self, "coefficients", plain_array(self.coefficients))
        if np.ndim(self.coefficients) < 2 or np.shape(self.coefficients)[2:] != np.shape(self.constant):
            raise ShapeError(f"coefficients of shape {np.shape(self.coefficients)} for a constant part " "of "
                             "shape " f"{np.shape(self.constant)}: (directions, degree) comes before the "
                             "tensor's shape")
        if np.iscomplexobj(self.constant):
            raise CircuitError("the constant part of a polynomial is real: all directions share it")

    @property
    def shape(self):
        return np.shape(self.constant)

    @property
    def directions(self):
        return np.shape(self.coefficients)[0]

    @property
    def degree(self):
        return np.shape(self.coefficients)[1]

    def all_orders(self):
        """(directions, p + 1) + S complex: every coefficient, the constant part repeated for each
        direction."""
        constant = np.broadcast_to(self.constant, (self.directions, 1) + self.shape)
        return np.concatenate([constant, self.coefficients], axis=1)


def to_lanes(coefficients, lanes):
    """Coefficients (directions, p) + S as a block's storage: flat float64, S + (p, 2, lanes), unused lanes
    zero."""
    directions, degree = coefficients.shape[:2]
    stored = np.zeros(coefficients.shape[2:] + (degree, 2, lanes))
    moved = np.moveaxis(coefficients, (0, 1), (-1, -2))
    stored[..., 0, :directions], stored[..., 1, :directions] = moved.real, moved.imag
    return stored.reshape(-1)


def from_lanes(stored, directions):
    """The inverse: from S + (p, 2, lanes) to complex (directions, p) + S."""
    return np.moveaxis(stored[..., 0, :directions] + 1j * stored[..., 1, :directions], (-1, -2), (0, 1))
