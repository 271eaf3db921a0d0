"""The methods of NumPy's arrays that wires have: each is NumPy's function of the same name."""
import numpy as np

from .. import shapes
from ..errors import CircuitError


class Methods:
    """What `x.sum()` and the like are for a wire x. The base class of Wire."""

    @property
    def dtype(self) -> np.dtype:
        """The type of its numbers: float64, or int64 for whole numbers."""
        return np.dtype(np.int64 if self.kind == "integer" else np.float64)

    @property
    def T(self):
        """The axes in reverse order."""
        return shapes.transpose(self)

    @property
    def mT(self):
        """The last two axes exchanged."""
        return np.swapaxes(self, -1, -2)

    def __abs__(self):
        return np.absolute(self)

    def sum(self, axis=None, *, keepdims=False):
        """As numpy.sum."""
        return np.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis=None, *, keepdims=False):
        """As numpy.mean."""
        return np.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis=None, *, ddof=0, keepdims=False):
        """As numpy.var."""
        return np.var(self, axis=axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis=None, *, ddof=0, keepdims=False):
        """As numpy.std."""
        return np.std(self, axis=axis, ddof=ddof, keepdims=keepdims)

    def max(self, axis=None, *, keepdims=False):
        """As numpy.max. Piecewise analytic: ties are kinks."""
        return np.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis=None, *, keepdims=False):
        """As numpy.min. Piecewise analytic: ties are kinks."""
        return np.min(self, axis=axis, keepdims=keepdims)

    def prod(self, axis=None, *, keepdims=False):
        """As numpy.prod."""
        return np.prod(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis=None):
        """As numpy.cumsum."""
        return np.cumsum(self, axis=axis)

    def trace(self, offset=0, axis1=0, axis2=1):
        """As numpy.trace."""
        return np.trace(self, offset, axis1, axis2)

    def clip(self, min=None, max=None):
        """As numpy.clip."""
        return np.clip(self, min, max)

    def dot(self, other):
        """As numpy.dot."""
        return np.dot(self, other)

    def reshape(self, *shape, order="C"):
        """As numpy.reshape; the shape is one tuple, or several whole numbers."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def ravel(self, order="C"):
        """As numpy.ravel."""
        return np.ravel(self, order=order)

    flatten = ravel

    def transpose(self, *axes):
        """As numpy.transpose; the axes are one tuple, several whole numbers, or none."""
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def swapaxes(self, axis1, axis2):
        """As numpy.swapaxes."""
        return np.swapaxes(self, axis1, axis2)

    def squeeze(self, axis=None):
        """As numpy.squeeze."""
        return np.squeeze(self, axis=axis)

    def diagonal(self, offset=0, axis1=0, axis2=1):
        """As numpy.diagonal."""
        return np.diagonal(self, offset, axis1, axis2)

    def repeat(self, repeats, axis=None):
        """As numpy.repeat."""
        return np.repeat(self, repeats, axis=axis)

    def take(self, indices, axis=None):
        """As numpy.take."""
        return np.take(self, indices, axis=axis)

    def copy(self):
        """The wire itself: nothing changes it."""
        return self

    def astype(self, dtype):
        """The wire itself, if its numbers are of this kind; others are refused."""
        if np.dtype(dtype).kind != self.dtype.kind:
            raise CircuitError(f"astype({dtype!r}) of a wire of {self.kind} numbers: give the learner an "
                               "array of that type; inside a circuit nothing converts it")
        return self
