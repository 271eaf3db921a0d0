"""Gradient flow of weighted least squares.

    theta' = X^T W (y - X theta),   W = diag(weights),   on the sum scale: sum_i w_i (y_i - x_i^T theta)^2 / 2

is gradient descent with infinitely small steps. `Flow` has its explicit solution, and `Orbit`
the point of its path that is nearest to another one. fading.py deletes rows while it runs.

Time is steps x learning rate on the sum scale: SGD(rate) over full batches of n, which steps along the mean,
takes time rate / n a step, and follows the flow with an error of first order in that.
"""
from typing import Iterable, Optional

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from circuit.errors import LearnerError
from circuit.checks import iterable, real_array, whole_number
from .schedules import moments

TIMES = 512
"""Times between which the nearest point is bracketed; of two minima between the same two, one is missed."""

SETTLED = 40.0
"""Time, in units of 1/(slowest rate), at which nothing moves any more: e^-40 is below rounding."""


def vector(x, what, size):
    """x as floats (size,)."""
    x = real_array(x, what)
    if x.shape != (size,):
        raise LearnerError(f"{what}: expected shape ({size},), got {x.shape}")
    return x


class Flow:
    """Gradient flow of least squares.

    The weights that its methods take are one number in [0, 1] per row; default: ones. Where X^T W X is
    singular, the limit is the minimiser nearest to the start.

    Parameters
    ----------
    x : array_like
        Rows, (n, d).
    y : array_like
        Targets, (n,).
    start : array_like, optional
        Parameters at time 0, (d,). Default: zeros.

    Raises
    ------
    LearnerError
        If the shapes do not fit, or X^T X or X^T y is too large for floats.

    Examples
    --------
    >>> from deletion.influence import Flow
    >>> flow = Flow([[1.0], [1.0]], [2.0, 1.0])
    >>> flow.at([0.0, 0.5]).round(4).tolist(), flow.limit().round(4).tolist()
    ([[0.0], [0.9482]], [1.5])
    """

    def __init__(self, x: ArrayLike, y: ArrayLike, start: Optional[ArrayLike] = None):
        self.x = real_array(x, "x")
        if self.x.ndim != 2 or not self.x.size:
            raise LearnerError(
                f"x: expected (rows, parameters), at least one of each, got shape {self.x.shape}")
        rows, size = self.x.shape
        self.y = vector(y, "y", rows)
        self.start = np.zeros(size) if start is None else vector(start, "start", size)
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(self.x.T @ np.column_stack([self.x, self.y])).all():
                raise LearnerError("X^T X or X^T y is too large for floats: scale x and y down")

    def modes(self, weights: Optional[ArrayLike] = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Split the flow into independent directions.

        Along each axis theta tends to its aim as e^(-rate t); orthogonally to them nothing moves. They come
        from the singular values of W^(1/2) X, whose squares are the rates: nothing is squared before the rank
        is decided, and no rate is below 1e-300.

        Parameters
        ----------
        weights : array_like, optional
            (n,).

        Returns
        -------
        tuple of np.ndarray
            rates (r,), axes (d, r) and aims (r,).
        """
        root = np.sqrt(self._weights(weights))
        u, s, vt = np.linalg.svd(root[:, None] * self.x, full_matrices=False)
        kept = s > max(s[0] * max(self.x.shape) * np.finfo(float).eps, 1e-150)
        return s[kept] ** 2, vt[kept].T, u[:, kept].T @ (root * self.y) / s[kept]

    def at(self, times: ArrayLike, weights: Optional[ArrayLike] = None,
           start: Optional[ArrayLike] = None) -> np.ndarray:
        """Calculate theta(t) = e^{-Ht} start + (I - e^{-Ht}) H^+ X^T W y, with H = X^T W X.

        Parameters
        ----------
        times : array_like
            Of any shape, all >= 0.
        weights : array_like, optional
            (n,).
        start : array_like, optional
            Another start, (d,).

        Returns
        -------
        np.ndarray
            Of the shape of times + (d,).
        """
        times, start = moments(times), self._start(start)
        rates, axes, aims = self.modes(weights)
        return start - np.expm1(-times[..., None] * rates) * (aims - axes.T @ start) @ axes.T

    def limit(self, weights: Optional[ArrayLike] = None, start: Optional[ArrayLike] = None) -> np.ndarray:
        """Calculate theta at infinity: H^+ X^T W y + (I - H^+ H) start, with H = X^T W X.

        Parameters
        ----------
        weights : array_like, optional
            (n,).
        start : array_like, optional
            Another start, (d,).

        Returns
        -------
        np.ndarray
            (d,).
        """
        start = self._start(start)
        rates, axes, aims = self.modes(weights)
        return start + axes @ (aims - axes.T @ start)

    def without(self, rows: int | Iterable[int]) -> "Flow":
        """Return the flow of the other rows, from the same start.

        Parameters
        ----------
        rows : int or iterable of int
            The numbers of the rows to delete, from 0.

        Returns
        -------
        Flow
            The flow without them.

        Raises
        ------
        LearnerError
            If a row does not exist or is repeated, or if no row is left.
        """
        kept = np.delete(np.arange(len(self.x)), self.rows(rows))
        if not len(kept):
            raise LearnerError(f"all {len(self.x)} rows are deleted: nothing is left to learn from")
        return Flow(self.x[kept], self.y[kept], self.start)

    def rows(self, rows: int | Iterable[int]) -> np.ndarray:
        """Check numbers of rows.

        Parameters
        ----------
        rows : int or iterable of int
            Numbers from 0.

        Returns
        -------
        np.ndarray
            The numbers, all different.

        Raises
        ------
        LearnerError
            If a row does not exist or is repeated.
        """
        rows = [whole_number(i.item() if isinstance(i, np.generic) else i, "a row to delete", 0)
                for i in (rows if iterable(rows) else [rows])]
        if rows and max(rows) >= len(self.x):
            raise LearnerError(f"no row {max(rows)} to delete; there are rows 0 to {len(self.x) - 1}")
        if len(set(rows)) < len(rows):
            raise LearnerError(f"a row is to be deleted more than once: {rows}")
        return np.array(rows, int)

    def _weights(self, weights):
        if weights is None:
            return np.ones(len(self.x))
        weights = vector(weights, "weights", len(self.x))
        if weights.min() < 0.0 or weights.max() > 1.0:
            raise LearnerError("weights are numbers from 0 to 1: got "
                               f"{weights[(weights < 0.0) | (weights > 1.0)][0]:g}")
        if not weights.any():
            raise LearnerError("all weights are 0: nothing is left to learn from")
        return weights

    def _start(self, start):
        return self.start if start is None else vector(start, "start", len(self.start))


class Orbit:
    """The path theta(t) = limit + axes e^(-rates t) gaps that a Flow takes from a start.

    `until` is the last time that is looked at; inf is the path's limit. `times` end there, or earlier where
    nothing moves any more. `slopes` is what d/dt |theta - theta(t)|^2 needs at these times.
    """

    def __init__(self, flow, start, until=np.inf):
        self.flow, self.start, self.until = flow, start, until
        self.rates, self.axes, aims = flow.modes()
        self.gaps, self.times = self.axes.T @ start - aims, np.zeros(1)
        self.limit = flow.limit(start=start)
        if len(self.rates):
            end = min(SETTLED / self.rates.min(), until)
            first = 1e-4 * min(1.0 / self.rates.max(), end)
            self.times = np.concatenate([self.times, np.geomspace(first, end, TIMES - 1)])
        left = np.exp(-self.times[:, None] * self.rates) * self.gaps
        self.slopes = left * self.rates, (left * self.rates * left).sum(axis=1)

    def nearest(self, theta):
        """(time, point) of the path that is nearest to theta (d,).

        Every sign change of d/dt |theta - theta(t)|^2 between two of the times is refined to rounding.
        """
        offset = self.axes.T @ (theta - self.limit)
        falls = (self.slopes[0] @ offset - self.slopes[1]) < 0.0
        times = [0.0, *(self._valley(offset, self.times[k], self.times[k + 1])
                        for k in np.flatnonzero(falls[:-1] & ~falls[1:]))]
        last = self.limit if self.until == np.inf else self.flow.at(self.until, start=self.start)
        points = np.vstack([self.flow.at(times, start=self.start), last])
        best = int(np.linalg.norm(points - theta, axis=1).argmin())
        return [*times, self.until][best], points[best]

    def _slope(self, offset, time):
        left = np.exp(-self.rates * time) * self.gaps
        return left * self.rates @ (offset - left)

    def _valley(self, offset, begin, end):
        """The time of a minimum of the distance between two times."""
        at_begin, at_end = self._slope(offset, begin), self._slope(offset, end)
        if at_begin < 0.0 < at_end:
            return brentq(lambda time: self._slope(offset, time), begin, end, xtol=1e-15 * self.times[1],
                          rtol=1e-14)
        return begin if at_begin >= 0.0 else end      # the sign change was rounding
