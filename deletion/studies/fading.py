"""How to fade rows out of a gradient flow while it runs.

A request to delete some rows arrives at time s. Their common weight eps(t), a weight schedule, is 1 until s
and 0 from the horizon T on; in between it can be chosen. schedules.py has families of schedules. `Unlearning`
says where a schedule ends, how far that is from what training without the rows reaches, and which schedule of
a family ends nearest.

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
* From the trained optimum of a 20 x 2 problem every eps > 0 loses. From the opposite side of the retrained
  one, some time with the example helps, and switching late loses badly.
"""
from functools import cached_property
from typing import Iterable, Optional

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.optimize import minimize
from scipy.stats import qmc

from circuit.errors import LearnerError
from circuit.checks import real_array, real_number, whole_number
from .flow import Flow, Orbit, vector
from .schedules import Family, WeightSchedule, moments

TOLERANCE = 1e-12
"""Of the numerical integration, relative, a step."""

CANDIDATES = 32
"""Scattered schedules of a family, of which the best are starts of the minimisation."""


class Fading:
    """Rows that fade out of a flow. The parameters are those of `Unlearning`."""

    def __init__(self, flow: Flow, rows: int | Iterable[int], horizon: float, asked: float = 0.0):
        if not isinstance(flow, Flow):
            raise LearnerError(f"expected a Flow, got {flow!r:.60}")
        self.flow, self.rows = flow, flow.rows(rows)
        self.retrained = flow.without(self.rows)
        self.asked = real_number(asked, "the time of asking", low=0.0)
        self.horizon = real_number(horizon, "the horizon", above=self.asked)

    def follow(self, schedule: WeightSchedule, times: ArrayLike) -> np.ndarray:
        """Calculate theta under a schedule.

        Constant weights take explicit solutions, one after another, which are exact to rounding. Others are
        integrated with tolerance 1e-12.

        Parameters
        ----------
        schedule : WeightSchedule
            It moves only between the request and the horizon.
        times : array_like
            Of any shape, all >= 0.

        Returns
        -------
        np.ndarray
            Of the shape of times + (d,).
        """
        checked_schedule(schedule, self.asked, self.horizon)
        times, theta, begin = moments(times), self.flow.start, 0.0
        if not len(self.rows):
            return self.flow.at(times)
        path = np.empty(times.shape + theta.shape)
        for end, weight in schedule.phases():
            inside = (begin <= times) & (times <= end)
            stops = np.append(times[inside], end if end < np.inf else begin) - begin
            if callable(weight):
                scale = max(np.abs(theta).max(), np.abs(self._optimum).max(), np.finfo(float).tiny)
                reached = integrated(self.flow, self.rows, theta, weight, begin, stops, scale)
            else:
                reached = self.flow.at(stops, row_weights(self.flow, self.rows, weight), theta)
            path[inside], theta, begin = reached[:-1], reached[-1], end
        return path

    def end(self, schedule: WeightSchedule) -> np.ndarray:
        """Calculate theta(T).

        Parameters
        ----------
        schedule : WeightSchedule
            As for `follow`.

        Returns
        -------
        np.ndarray
            (d,).
        """
        return self.follow(schedule, self.horizon)

    @cached_property
    def _optimum(self):
        return self.retrained.limit()


class Unlearning(Fading):
    """Rows to be deleted from a flow while it runs.

    The end of a schedule can be compared with three targets:

    * "optimum": where training without the rows ends in infinite time;
    * "trajectory": where it is at time T;
    * "orbit": the nearest of all points that it passes from 0 to infinity, its limit included.

    Parameters
    ----------
    flow : Flow
        The flow, with all rows.
    rows : int or iterable of int
        The numbers of the rows to delete, from 0.
    horizon : float
        T, the time at which unlearning has to be done.
    asked : float
        s, the time until which nobody knows of the request.

    Raises
    ------
    LearnerError
        If a row does not exist, or the horizon is not after the request.

    Examples
    --------
    Of two points, the higher one is deleted. The best time to do so is log(3) / 2:

    >>> from deletion.influence import Flow, Unlearning
    >>> from deletion.studies.schedules import STEPS
    >>> unlearning = Unlearning(Flow([[1.0], [1.0]], [2.0, 1.0]), rows=0, horizon=1.0)
    >>> best = unlearning.best(STEPS, "optimum")
    >>> round(best.edges[0], 4), round(unlearning.distance(best, "optimum"), 4)
    (0.5493, 0.0)
    """

    def target(self, theta: ArrayLike, to: str) -> np.ndarray:
        """Return the point that an end theta is compared with.

        Parameters
        ----------
        theta : array_like
            (d,), needed for "orbit".
        to : {"optimum", "trajectory", "orbit"}
            Which target.

        Returns
        -------
        np.ndarray
            (d,).
        """
        if to == "optimum":
            return self._optimum
        if to == "trajectory":
            return self._retrained_at_horizon
        if to == "orbit":
            return self.nearest(theta)[1]
        raise LearnerError(f"a target is 'optimum', 'trajectory' or 'orbit': got {to!r:.60}")

    def distance(self, schedule: WeightSchedule, to: str) -> float:
        """Calculate |theta(T) - target|.

        Parameters
        ----------
        schedule : WeightSchedule
            As for `follow`.
        to : {"optimum", "trajectory", "orbit"}
            Which target.

        Returns
        -------
        float
            The distance.
        """
        theta = self.end(schedule)
        return float(np.linalg.norm(theta - self.target(theta, to)))

    def good(self, schedule: WeightSchedule, beta: float, starts: Optional[ArrayLike] = None) -> bool:
        """Decide whether a schedule induces good unlearning.

        That is: whether it ends within beta of a point that training without the rows reaches at a time t <
        T, from one of the admissible starts. T itself is too late.

        Parameters
        ----------
        schedule : WeightSchedule
            As for `follow`.
        beta : float
            At least 0.
        starts : array_like, optional
            (d,) or (k, d): where that training may begin. Default: where the flow begins.

        Returns
        -------
        bool
            Whether it does.
        """
        beta, end = real_number(beta, "beta", low=0.0), self.end(schedule)
        for start in checked_starts(self.flow.start if starts is None else starts, len(end)):
            time, point = self.nearest(end, start, self.horizon)
            away = np.linalg.norm(end - point)
            if away < beta or away == beta and time < self.horizon:
                return True
        return False

    def nearest(self, theta: ArrayLike, start: Optional[ArrayLike] = None,
                until: float = np.inf) -> tuple[float, np.ndarray]:
        """Find the point of the trajectory without the rows that is nearest to theta.

        Of two minima between the same two of 512 geometrically spaced times, one would be missed.

        Parameters
        ----------
        theta : array_like
            (d,).
        start : array_like, optional
            (d,): where that trajectory begins. Default: where the flow begins.
        until : float
            The last time looked at; inf is the trajectory's limit.

        Returns
        -------
        tuple
            The time, and the point (d,).
        """
        theta = vector(theta, "theta", len(self.flow.start))
        if start is None and until == np.inf:
            return self._orbit.nearest(theta)
        start = self.flow.start if start is None else vector(start, "start", len(theta))
        return Orbit(self.retrained, start, until).nearest(theta)

    def commutator(self) -> float:
        """Calculate |H H_{-j} - H_{-j} H| in the Frobenius norm.

        For one row it is 0 exactly when x_j is an eigenvector of H_{-j}. Every other row being parallel or
        orthogonal to x_j is enough for that, but not necessary.

        Returns
        -------
        float
            The norm.
        """
        full, reduced = (x.T @ x for x in (self.flow.x, self.retrained.x))
        return float(np.linalg.norm(full @ reduced - reduced @ full))

    def best(self, family: Family, to: str, starts: int = 4) -> WeightSchedule:
        """Find the schedule of a family that ends nearest to a target.

        Half the squared distance is minimised by L-BFGS-B over the family's unit cube. The result is the best
        of several local minima, to about 1e-8 of the distances compared.

        Parameters
        ----------
        family : Family
            STEPS, LINES, polynomials(degree) or piecewise(count).
        to : {"optimum", "trajectory", "orbit"}
            Which target.
        starts : int
            How many minimisations, from the best of 32 scattered schedules and of those that switch at once.

        Returns
        -------
        WeightSchedule
            The best that was found.
        """
        if not isinstance(family, Family):
            raise LearnerError("a family is STEPS, LINES, polynomials(degree) or piecewise(count): got "
                               f"{family!r:.60}")
        starts = whole_number(starts, "starts", 1)

        def schedule(u):
            return family.make(np.clip(u, 0.0, 1.0), self.asked, self.horizon)

        def cost(u):
            return 0.5 * self.distance(schedule(u), to) ** 2
        return schedule(minimiser(cost, family.unknowns, starts))

    @cached_property
    def _orbit(self):
        return Orbit(self.retrained, self.flow.start)

    @cached_property
    def _retrained_at_horizon(self):
        return self.retrained.at(self.horizon)


# parts ------------------------------------------------------------------------------------------------------

def row_weights(flow, rows, weight):
    """(n,): 1 for every row of a flow but `rows`, which have a common weight."""
    weights = np.ones(len(flow.x))
    weights[rows] = weight
    return weights


def integrated(flow, rows, theta, weight, begin, stops, scale):
    """theta at begin + stops, by an explicit Runge-Kutta method of order 8.

    `weight` is the rows' weight as a function of time, and `scale` the size of parameters.
    """
    def velocity(t, theta):
        return (row_weights(flow, rows, weight(begin + t)) * (flow.y - flow.x @ theta)) @ flow.x
    order, back = np.unique(stops, return_inverse=True)
    solved = solve_ivp(velocity, (0.0, order[-1]), theta, "DOP853", order, rtol=TOLERANCE,
                       atol=TOLERANCE * scale)
    if not solved.success:
        raise LearnerError(
            f"the flow could not be integrated from {begin:g} to {begin + order[-1]:g}: {solved.message}")
    return solved.y.T[back]


def minimiser(cost, unknowns, starts):
    """The best point of a unit cube that L-BFGS-B finds from the `starts` best candidates."""
    candidates = [*np.tri(unknowns + 1, unknowns, -1), *qmc.Halton(unknowns, seed=0).random(CANDIDATES)]
    costs = np.array([cost(u) for u in candidates])
    scale = costs.max() or 1.0
    for k in costs.argsort(kind="stable")[:starts]:
        result = minimize(lambda u: cost(u) / scale, candidates[k], method="L-BFGS-B",
                          bounds=[(0.0, 1.0)] * unknowns, options={"ftol": 1e-15, "gtol": 1e-10})
        candidates.append(result.x)
        costs = np.append(costs, result.fun * scale)
    return candidates[costs.argmin()]


def checked_starts(starts, size):
    """Admissible starts (k, size), at least one."""
    starts = np.atleast_2d(real_array(starts, "starts"))
    if starts.ndim != 2 or not len(starts) or starts.shape[1] != size:
        raise LearnerError(f"admissible starts: expected shape (k, {size}), k at least 1, got {starts.shape}")
    return starts


def checked_schedule(schedule, asked, horizon):
    """Raise LearnerError unless this is a schedule that moves only from the request to the horizon."""
    if not isinstance(schedule, WeightSchedule):
        raise LearnerError("a schedule is step(tau), linear(s, t1), PolynomialFade or PiecewiseConstant: got "
                           f"{schedule!r:.60}")
    ends = [end for end, _ in schedule.phases()]
    if not asked <= ends[0] <= ends[-2] <= horizon:
        raise LearnerError(f"the weight moves between {ends[0]:g} and {ends[-2]:g}; it may from {asked:g}, "
                           f"when deletion was asked for, to the horizon {horizon:g}")
