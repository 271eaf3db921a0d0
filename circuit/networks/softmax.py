"""Softmax and what is made of it, without overflow. Axes may be counted from either end."""
import numpy as np

from ..errors import ShapeError
from ..functions import einsum, gather, max
from ..gates.analytic import exp, log
from ..gates.linear import constant_part
from ..shapes import Tensor, TensorLike, one_axis, reshape, sum, tensor


def kept(x, axes):
    """The shape that reducing some axes leaves, with these axes kept as length 1."""
    return tuple(1 if axis in axes else n for axis, n in zip(range(-x.ndim, 0), x.shape))


def _shifted(x, axis):
    """(x minus the constant part of its maximum, which overflows nowhere; that part; the axis)."""
    x = tensor(x)
    axis = one_axis(axis, x.ndim)
    top = max(constant_part(x), axis)
    return x - reshape(top, kept(x, (axis,))), top, axis


def softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """Calculate e^x / sum e^x along an axis, without overflow. To mask entries, add -1e30 to them.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    axis : int
        The axis.

    Returns
    -------
    Wire or np.ndarray
        Positive numbers that sum to 1 along the axis.

    Examples
    --------
    >>> import numpy as np, circuit
    >>> circuit.softmax([0.0, np.log(3.0)]).round(6)
    array([0.25, 0.75])
    """
    shifted, _, axis = _shifted(x, axis)
    e = exp(shifted)
    return e * reshape(sum(e, axis), kept(e, (axis,))) ** -1


def log_softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """Calculate x - log sum e^x along an axis, without overflow.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    axis : int
        The axis.

    Returns
    -------
    Wire or np.ndarray
        The logarithms of `softmax`.

    Examples
    --------
    >>> import numpy as np, circuit
    >>> np.exp(circuit.log_softmax([0.0, np.log(3.0)])).round(6)
    array([0.25, 0.75])
    """
    shifted, _, axis = _shifted(x, axis)
    return shifted - reshape(log(sum(exp(shifted), axis)), kept(shifted, (axis,)))


def logsumexp(x: TensorLike, axis: int = -1) -> Tensor:
    """Calculate log sum e^x along an axis, without overflow.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    axis : int
        The axis.

    Returns
    -------
    Wire or np.ndarray
        The tensor without that axis.

    Examples
    --------
    >>> import circuit
    >>> circuit.logsumexp([[1000.0, 1000.0]]).round(4)
    array([1000.6931])
    """
    shifted, top, axis = _shifted(x, axis)
    return log(sum(exp(shifted), axis)) + top


def cross_entropy(logits: TensorLike, targets: TensorLike) -> Tensor:
    """Calculate -log softmax(logits)[target] for each row, in nats.

    Parameters
    ----------
    logits : Wire or array_like
        (rows, classes) real numbers.
    targets : Wire or array_like
        (rows,) whole numbers: the class of each row.

    Returns
    -------
    Wire or np.ndarray
        (rows,) losses.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or the targets are not whole numbers.

    Examples
    --------
    >>> import numpy as np, circuit
    >>> circuit.cross_entropy([[0.0, np.log(3.0)]], [1]).round(4)      # -log 0.75
    array([0.2877])
    """
    logits = tensor(logits)
    if logits.ndim != 2 or tensor(targets).ndim != 1:
        raise ShapeError("cross_entropy takes logits (rows, classes) and targets (rows,), not "
                         f"{logits.shape} and {tensor(targets).shape}")
    chosen = gather(np.eye(logits.shape[1]), targets)
    return -einsum("tv,tv->t", log_softmax(logits), chosen)
