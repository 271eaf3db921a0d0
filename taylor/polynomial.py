"""Polynomials as arrays: as an evaluation takes and returns them, and as a block stores them."""
from dataclasses import dataclass

import numpy as np

from circuit import CircuitError, ShapeError
from circuit.gates.gate import plain_array


@dataclass(frozen=True)
class Polynomial:
    """A tensor of truncated polynomials u_0 + u_1 t + ... + u_p t^p, one per direction.

    These are coefficients, not derivatives: the r-th derivative is r! times as large.

    Attributes
    ----------
    constant : np.ndarray
        float64, the tensor's shape S: u_0, which all directions share.
    coefficients : np.ndarray
        complex128, (directions, p) + S: coefficients[j, r - 1] is u_r along direction j.

    Raises
    ------
    ShapeError
        If the shapes of the two arrays do not fit.
    CircuitError
        If the constant part is complex.

    Examples
    --------
    1 + 2 t + 3 t^2, along one direction:

    >>> from taylor import Polynomial
    >>> u = Polynomial(1.0, [[2.0, 3.0]])
    >>> u.directions, u.degree, u.shape
    (1, 2, ())
    >>> u.all_orders().real
    array([[1., 2., 3.]])
    """
    constant: np.ndarray
    coefficients: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "constant", plain_array(self.constant))
        object.__setattr__(self, "coefficients", plain_array(self.coefficients))
        shape, constant_shape = np.shape(self.coefficients), np.shape(self.constant)
        if len(shape) < 2 or shape[2:] != constant_shape:
            raise ShapeError(f"expected coefficients of shape (directions, degree) + {constant_shape}, got "
                             f"{shape}: (directions, degree) comes before the tensor's shape")
        if np.iscomplexobj(self.constant):
            raise CircuitError("the constant part of a polynomial is real, because all directions share it; "
                               f"got {self.constant.dtype}")

    @property
    def shape(self) -> tuple[int, ...]:
        """S, the shape of the tensor."""
        return np.shape(self.constant)

    @property
    def directions(self) -> int:
        """How many directions there are."""
        return np.shape(self.coefficients)[0]

    @property
    def degree(self) -> int:
        """p, the highest power of t."""
        return np.shape(self.coefficients)[1]

    def all_orders(self) -> np.ndarray:
        """Return every coefficient, the constant part repeated for each direction.

        Returns
        -------
        np.ndarray
            complex128, (directions, p + 1) + S.
        """
        constant = np.broadcast_to(self.constant, (self.directions, 1) + self.shape)
        return np.concatenate([constant, self.coefficients], axis=1)


def to_lanes(coefficients: np.ndarray, lanes: int) -> np.ndarray:
    """Convert complex coefficients into the form in which a block stores them.

    Parameters
    ----------
    coefficients : np.ndarray
        Complex, (directions, p) + S, with directions <= lanes.
    lanes : int
        Directions in a block. Unused lanes are zero.

    Returns
    -------
    np.ndarray
        float64, flat; its shape is S + (p, 2, lanes): order, real and imaginary part, direction.

    Examples
    --------
    >>> import numpy as np
    >>> from taylor import to_lanes
    >>> to_lanes(np.array([[1.0 + 2.0j, 3.0]]), lanes=2).reshape(2, 2, 2).tolist()
    [[[1.0, 0.0], [2.0, 0.0]], [[3.0, 0.0], [0.0, 0.0]]]
    """
    directions, degree = coefficients.shape[:2]
    stored = np.zeros(coefficients.shape[2:] + (degree, 2, lanes))
    moved = np.moveaxis(coefficients, (0, 1), (-1, -2))
    stored[..., 0, :directions] = moved.real
    stored[..., 1, :directions] = moved.imag
    return stored.reshape(-1)


def from_lanes(stored: np.ndarray, directions: int | None = None) -> np.ndarray:
    """Convert a block's stored coefficients into complex ones: the inverse of `to_lanes`.

    Parameters
    ----------
    stored : np.ndarray
        Real, S + (p, 2, lanes): order, real and imaginary part, direction.
    directions : int, optional
        How many lanes are used, from the first on; all of them if left out.

    Returns
    -------
    np.ndarray
        Complex, (directions, p) + S: [j, r - 1] is the coefficient of order r along direction j.

    Examples
    --------
    >>> import numpy as np
    >>> from taylor import from_lanes
    >>> from_lanes(np.array([[[1.0, 0.0], [2.0, 0.0]], [[3.0, 0.0], [0.0, 0.0]]]), directions=1).tolist()
    [[(1+2j), (3+0j)]]
    """
    return np.moveaxis(stored[..., 0, :directions] + 1j * stored[..., 1, :directions], (-1, -2), (0, 1))
