"""The additive estimator: every unit contributes to the change by itself."""
import numpy as np

from ..directions.decoders import Estimates
from ..learner.units import Sets


class Additive:
    """A unit of downweight h contributes h^2 psi - h (1 - h) slope: psi where it is deleted, and the slope at
    h = 0.

    Parameters
    ----------
    name : str
        Where psi comes from: 'finite step', 'leave-one-outs', ...
    finite, slopes : np.ndarray, (units, q)
        psi, and the derivatives of q measurements in the units' weights.
    """

    def __init__(self, name, finite, slopes):
        self.name, self.finite, self.slopes = name, finite, slopes

    def __call__(self, sets, errors=True):
        change = self.contributions(sets)
        return Estimates(change[:, None], change, None)

    def contributions(self, sets):
        """Return (sets, q): the sum over the units of each of the Sets."""
        def matrix(values):
            return Sets(sets.starts, sets.units, values).sparse(len(self.finite))

        h = sets.values
        return np.asarray(matrix(h ** 2) @ self.finite - matrix(h * (1.0 - h)) @ self.slopes)
