"""Gradient flow of weighted least squares, and how to fade an example out of it.

    theta' = X^T W (y - X theta),   W = diag(weights),   on the sum scale: sum_i w_i (y_i - x_i^T theta)^2 / 2

is gradient descent with infinitely small steps; `Flow` has its explicit solution. A request to delete some
rows arrives at time s. Their common weight eps(t), a weight schedule, is 1 until s and 0 from the horizon T
on; in between it is ours to choose: schedules.py has families of them. `Unlearning` says where a schedule
ends, how far that is from what training without the rows reaches, and which schedule of a family ends
nearest.

Time is steps x learning rate on the sum scale: SGD(rate) over full batches of n, which steps along the mean,
takes time rate / n a step, and follows the flow with an error of first order in that.

Known answers (tests/rivals/test_flow.py has each of them):
* H = X^T X = I and |x_j| = 1, so that H_{-j} = P is a projector: with the example kept until tau, half the
  squared distance at T to the retrained optimum has the derivative e^{-tau} (1 - e^{-tau}) |(I - P)(theta* -
  start)|^2 >= 0 in tau; the earliest step is best. (The lecture notes this comes from print other factors,
  with the same conclusion.)
* X = (1, 1)^T, y = (2, 1), start 0: whichever row is deleted, keeping it to the end comes nearer to the
  retrained optimum than deleting it at once if T < log 3; of all steps, tau = min(T, log(3) / 2) comes
  nearest.
* Steps are not better than decay in general, as those notes have it, nor is decay: of random 20 x 2 problems
  some end nearest by the best step, some by the best straight line, and in others both are to drop the row at
  once.
* From the trained optimum of a 20 x 2 problem every eps > 0 loses; from the opposite side of the retrained
  one some time with the example helps, and switching late loses badly.
"""
from functools import cached_property

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq, minimize
from scipy.stats import qmc

from circuit.errors import LearnerError
from circuit.checks import iterable, real_array, real_number, whole_number
from .schedules import Family, Schedule, moments

TOLERANCE = 1e-12
"""Of the numerical integration, relative, a step."""


def vector(x, what, size):
    """x as floats (size,)."""
    x = real_array(x, what)
    if x.shape != (size,):
        raise LearnerError(f"{what}: expected shape ({size},), got {x.shape}")
    return x


class Flow:
    """Gradient flow of least squares.

    x      (n, d) rows;   y   (n,) targets
    start  (d,) parameters at time 0; default: zeros

    weights, below, are one number in [0, 1] per row; default: ones. Where X^T W X is singular, the limit is
    the minimiser nearest to the start. Raises LearnerError.
    """

    def __init__(self, x, y, start=None):
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

    def modes(self, weights=None):
        """(rates (r,), axes (d, r), aims (r,)): along each axis theta tends to its aim as e^(-rate t);
        elsewhere nothing moves.

        By singular values of W^(1/2) X, whose squares are the rates: nothing is squared before the rank is
        decided, and no rate is below 1e-300.
        """
        root = np.sqrt(self._weights(weights))
        u, s, vt = np.linalg.svd(root[:, None] * self.x, full_matrices=False)
        kept = s > max(s[0] * max(self.x.shape) * np.finfo(float).eps, 1e-150)
        return s[kept] ** 2, vt[kept].T, u[:, kept].T @ (root * self.y) / s[kept]

    def at(self, times, weights=None, start=None):
        """theta(t) = e^{-Ht} start + (I - e^{-Ht}) H^+ X^T W y,  H = X^T W X: shape of times + (d,).   start:
        another one."""
        times, start = moments(times), self._start(start)
        rates, axes, aims = self.modes(weights)
        return start - np.expm1(-times[..., None] * rates) * (aims - axes.T @ start) @ axes.T

    def limit(self, weights=None, start=None):
        """theta at infinity, (d,): H^+ X^T W y + (I - H^+ H) start."""
        start = self._start(start)
        rates, axes, aims = self.modes(weights)
        return start + axes @ (aims - axes.T @ start)

    def without(self, rows):
        """The flow of the other rows, from the same start.   rows: a row's number, or several."""
        kept = np.delete(np.arange(len(self.x)), self.rows(rows))
        if not len(kept):
            raise LearnerError(f"all {len(self.x)} rows are deleted: nothing is left to learn from")
        return Flow(self.x[kept], self.y[kept], self.start)

    def rows(self, rows):
        """Different numbers of rows, as an array."""
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
            raise LearnerError(
                f"weights are numbers from 0 to 1, not {weights[(weights < 0.0) | (weights > 1.0)][0]:g}")
        if not weights.any():
            raise LearnerError("all weights are 0: nothing is left to learn from")
        return weights

    def _start(self, start):
        return self.start if start is None else vector(start, "start", len(self.start))


# unlearning -------------------------------------------------------------------------------------------------

class Unlearning:
    """Rows to be deleted from a flow while it runs.

    flow      a Flow
    rows      a row's number, or several
    horizon   T: the time at which unlearning has to be done
    asked     s: the time until which nobody knows of it

    Where a schedule ends can be compared with three targets:

    "optimum"      where training without the rows ends in infinite time
    "trajectory"   where it is at time T
    "orbit"        the nearest of all points that it passes from 0 to infinity, its limit included

    `good` allows less time and other starts: it asks for a point that training without the rows reaches
    before T.
    """

    def __init__(self, flow, rows, horizon, asked=0.0):
        if not isinstance(flow, Flow):
            raise LearnerError(f"expected a Flow, got {flow!r:.60}")
        self.flow, self.rows = flow, flow.rows(rows)
        self.retrained = flow.without(self.rows)
        self.asked = real_number(asked, "the time of asking", low=0.0)
        self.horizon = real_number(horizon, "the horizon", above=self.asked)

    def follow(self, schedule, times):
        """theta under a schedule: shape of times + (d,).

        Constant weights by chained explicit solutions, exact to rounding; others by integration with
        tolerance 1e-12. Raises LearnerError for a schedule that moves before it was asked, or after the
        horizon.
        """
        self._check(schedule)
        times, theta, begin = moments(times), self.flow.start, 0.0
        if not len(self.rows):
            return self.flow.at(times)
        path = np.empty(times.shape + theta.shape)
        for end, weight in schedule.phases():
            here = (begin <= times) & (times <= end)
            stops = np.append(times[here], end if end < np.inf else begin) - begin
            if callable(weight):
                reached = self._integrate(theta, weight, begin, stops)
            else:
                reached = self.flow.at(stops, self._row_weights(weight), theta)
            path[here], theta, begin = reached[:-1], reached[-1], end
        return path

    def end(self, schedule):
        """theta(T), (d,)."""
        return self.follow(schedule, self.horizon)

    def target(self, theta, to):
        """The point that an end theta is compared with, (d,)."""
        if to == "optimum":
            return self._optimum
        if to == "trajectory":
            return self._reached
        if to == "orbit":
            return self.nearest(theta)[1]
        raise LearnerError(f"a target is 'optimum', 'trajectory' or 'orbit', not {to!r:.60}")

    def distance(self, schedule, to):
        """|theta(T) - target|.   to: "optimum", "trajectory" or "orbit"."""
        theta = self.end(schedule)
        return float(np.linalg.norm(theta - self.target(theta, to)))

    def good(self, schedule, beta, starts=None):
        """Whether the schedule induces good unlearning: whether it ends within beta of a point that training
        without the rows reaches at a time t < T, from one of the admissible starts.

        starts   (d,) or (k, d): where that training may begin; default: where the flow begins
        """
        beta, end = real_number(beta, "beta", low=0.0), self.end(schedule)
        starts = np.atleast_2d(self.flow.start if starts is None else real_array(starts, "starts"))
        if starts.ndim != 2 or not len(starts) or starts.shape[1] != len(end):
            raise LearnerError(f"admissible starts are (k, {len(end)}), k at least 1, not {starts.shape}")
        for start in starts:
            time, point = self.nearest(end, start, self.horizon)
            away = np.linalg.norm(end - point)
            if away < beta or away == beta and time < self.horizon:      # at T itself is too late
                return True
        return False

    def nearest(self, theta, start=None, until=np.inf):
        """(time, point) of the trajectory without the rows that is nearest to theta (d,).

        start   (d,): where that trajectory begins; default: where the flow begins
        until   the last time looked at; inf is the trajectory's limit

        Every sign change of d/dt |theta - theta_{-j}(t)|^2 between 512 geometrically spaced times is refined
        to rounding; of two minima between the same two times one would be missed.
        """
        theta, usual = vector(theta, "theta", len(self.flow.start)), start is None and until == np.inf
        start = self.flow.start if start is None else vector(start, "start", len(theta))
        limit, rates, axes, gaps, times, slopes = self._orbit if usual else self._trajectory(start, until)
        apart = axes.T @ (theta - limit)

        def slope(t):
            left = np.exp(-rates * t) * gaps
            return left * rates @ (apart - left)

        def valley(begin, end):
            if slope(begin) < 0.0 < slope(end):
                return brentq(slope, begin, end, xtol=1e-15 * times[1], rtol=1e-14)
            return begin if slope(begin) >= 0.0 else end      # the signs were rounding
        falls = (slopes[0] @ apart - slopes[1]) < 0.0
        found = [0.0, *(valley(times[k], times[k + 1]) for k in np.flatnonzero(falls[:-1] & ~falls[1:]))]
        last = limit if until == np.inf else self.retrained.at(until, start=start)
        points = np.vstack([self.retrained.at(found, start=start), last])
        best = int(np.linalg.norm(points - theta, axis=1).argmin())
        return [*found, until][best], points[best]

    def commutator(self):
        """|H H_{-j} - H_{-j} H| in the Frobenius norm. For one row it is 0 exactly when x_j is an eigenvector
        of H_{-j}.

        Every other row being parallel or orthogonal to x_j is enough for that, but not necessary.
        """
        whole, less = (x.T @ x for x in (self.flow.x, self.retrained.x))
        return float(np.linalg.norm(whole @ less - less @ whole))

    def best(self, family, to, starts=4):
        """The schedule of a family that ends nearest to a target.

        Half the squared distance, minimised by L-BFGS-B over the family's unit cube, from the `starts` best
        of 32 scattered schedules and of those that switch at once. A local minimum each: the best that was
        found, to about 1e-8 of the distances compared.
        """
        if not isinstance(family, Family):
            raise LearnerError(
                f"a family is STEPS, LINES, polynomials(degree) or pieces(count), not {family!r:.60}")
        starts = whole_number(starts, "starts", 1)

        def schedule(u):
            return family.make(np.clip(u, 0.0, 1.0), self.asked, self.horizon)

        def cost(u):
            return 0.5 * self.distance(schedule(u), to) ** 2
        candidates = [*np.tri(family.unknowns + 1, family.unknowns, -1),
                      *qmc.Halton(family.unknowns, seed=0).random(32)]
        costs = np.array([cost(u) for u in candidates])
        scale = costs.max() or 1.0
        for k in costs.argsort(kind="stable")[:starts]:
            found = minimize(lambda u: cost(u) / scale, candidates[k], method="L-BFGS-B",
                             bounds=[(0.0, 1.0)] * family.unknowns, options={"ftol": 1e-15, "gtol": 1e-10})
            candidates.append(found.x)
            costs = np.append(costs, found.fun * scale)
        return schedule(candidates[costs.argmin()])

    # parts --------------------------------------------------------------------------------------------------

    @cached_property
    def _optimum(self):
        return self.retrained.limit()

    @cached_property
    def _reached(self):
        return self.retrained.at(self.horizon)

    @cached_property
    def _orbit(self):
        return self._trajectory(self.flow.start, np.inf)

    def _trajectory(self, start, until):
        """(limit, rates, axes, gaps, times, slopes): theta_{-j}(t) = limit + axes e^{-rates t} gaps.

        `slopes` is what d/dt |theta - theta_{-j}|^2 needs at `times`, which end at `until`, or earlier where
        nothing moves any more.
        """
        rates, axes, aims = self.retrained.modes()
        gaps, times = axes.T @ start - aims, np.zeros(1)
        if len(rates):
            end = min(40.0 / rates.min(), until)
            times = np.concatenate([times, np.geomspace(1e-4 * min(1.0 / rates.max(), end), end, 511)])
        left = np.exp(-times[:, None] * rates) * gaps
        slopes = left * rates, (left * rates * left).sum(axis=1)
        return self.retrained.limit(start=start), rates, axes, gaps, times, slopes

    def _row_weights(self, weight):
        weights = np.ones(len(self.flow.x))
        weights[self.rows] = weight
        return weights

    def _integrate(self, theta, weight, begin, stops):
        """theta at begin + stops, by an explicit Runge-Kutta method of order 8."""
        x, y = self.flow.x, self.flow.y

        def velocity(t, theta):
            return (self._row_weights(weight(begin + t)) * (y - x @ theta)) @ x
        order, back = np.unique(stops, return_inverse=True)
        scale = max(np.abs(theta).max(), np.abs(self._optimum).max(), np.finfo(float).tiny)
        solved = solve_ivp(velocity, (0.0, order[-1]), theta, "DOP853", order, rtol=TOLERANCE,
                           atol=TOLERANCE * scale)
        if not solved.success:
            raise LearnerError(
                f"the flow could not be integrated from {begin:g} to {begin + order[-1]:g}: {solved.message}")
        return solved.y.T[back]

    def _check(self, schedule):
        if not isinstance(schedule, Schedule):
            raise LearnerError(
                f"a schedule is step(tau), linear(s, t1), Polynomial or Pieces, not {schedule!r:.60}")
        ends = [end for end, _ in schedule.phases()]
        if not self.asked <= ends[0] <= ends[-2] <= self.horizon:
            raise LearnerError(f"the weight moves between {ends[0]:g} and {ends[-2]:g}; it may from "
                               f"{self.asked:g}, when deletion was asked for, "
                               f"to the horizon {self.horizon:g}")
