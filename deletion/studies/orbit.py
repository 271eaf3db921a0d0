"""The path of a flow, and its point nearest to another one."""
import numpy as np
from scipy.optimize import brentq

TIMES = 512
"""Times between which the nearest point is bracketed; of two minima between the same two, one is missed."""

SETTLED = 40.0
"""Time, in units of 1/(slowest rate), at which nothing moves any more: e^-40 is below rounding."""


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
