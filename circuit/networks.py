"""Functions of neural networks: softmax, norms and losses, each a few gates. Axes may be counted from either
end."""
import numpy as np

from .errors import ShapeError
from .functions import einsum, gather, max
from .gates.analytic import exp, log
from .gates.linear import constant_part
from .gates.piecewise import relu
from .shapes import Tensor, TensorLike, mean, one_axis, reshape, sum, tensor


def _kept(x, axis):
    """The shape that reducing one axis leaves, with that axis kept as length 1."""
    shape = list(x.shape)
    shape[axis] = 1
    return tuple(shape)


def _shifted(x, axis):
    """x minus the constant part of its maximum: the same softmax, and no overflow."""
    x = tensor(x)
    axis = one_axis(axis, x.ndim)
    return x - reshape(max(constant_part(x), axis), _kept(x, axis)), axis


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
    shifted, axis = _shifted(x, axis)
    e = exp(shifted)
    return e * reshape(sum(e, axis), _kept(e, axis)) ** -1


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
    shifted, axis = _shifted(x, axis)
    return shifted - reshape(log(sum(exp(shifted), axis)), _kept(shifted, axis))


def softplus(x: TensorLike) -> Tensor:
    """Calculate log(1 + e^x), without overflow: the loss of logistic regression.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.

    Returns
    -------
    Wire or np.ndarray
        Positive numbers.

    Examples
    --------
    >>> import numpy as np, circuit
    >>> circuit.softplus([0.0, 10.0]).round(4)
    array([ 0.6931, 10.    ])
    """
    top = constant_part(relu(constant_part(x)))
    return top + log(exp(-top) + exp(x - top))


def rms_norm(x: TensorLike, eps: float = 1e-5, axis: int = -1) -> Tensor:
    """Calculate x / sqrt(mean(x^2) + eps) along an axis.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    eps : float
        What keeps the root away from zero.
    axis : int
        The axis.

    Returns
    -------
    Wire or np.ndarray
        The tensor, with a mean square of about 1 along the axis.

    Examples
    --------
    >>> import numpy as np, circuit
    >>> circuit.rms_norm([3.0, 4.0], eps=0.0).round(4)
    array([0.8485, 1.1314])
    """
    x = tensor(x)
    axis = one_axis(axis, x.ndim)
    return x * reshape((mean(x * x, axis) + eps) ** -0.5, _kept(x, axis))


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
