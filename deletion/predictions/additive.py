"""The additive estimator: every unit contributes to the change by itself."""
import numpy as np

from ..directions.decoders import Estimates


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
        squares = sets._replace(values=sets.values ** 2).sparse(len(self.finite))
        fractions = sets._replace(values=sets.values * (1.0 - sets.values)).sparse(len(self.finite))
        return np.asarray(squares @ self.finite - fractions @ self.slopes)
