"""Normalisations of what belongs to one example. They have no weights: multiply by a scale and add a bias."""
from ..errors import ShapeError
from ..shapes import Axes, Tensor, TensorLike, mean, negative_axes, one_axis, reshape, tensor, whole
from .softmax import kept


def _inverse_size(x, eps, axes):
    """1 / sqrt(mean(x^2) + eps) over some axes, which are kept."""
    return reshape((mean(x * x, axes) + eps) ** -0.5, kept(x, axes))


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
    return x * _inverse_size(x, eps, (one_axis(axis, x.ndim),))


def layer_norm(x: TensorLike, eps: float = 1e-5, axis: Axes = -1) -> Tensor:
    """Calculate (x - mean) / sqrt(variance + eps) over one axis or several.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    eps : float
        What keeps the root away from zero.
    axis : int, sequence of int or None
        The axes that mean and variance are taken over; None for all. An axis of examples is not among them.

    Returns
    -------
    Wire or np.ndarray
        The tensor, with mean 0 and a variance of about 1 over these axes.

    Examples
    --------
    >>> import circuit
    >>> circuit.layer_norm([1.0, 3.0], eps=0.0)
    array([-1.,  1.])
    """
    x = tensor(x)
    axes = negative_axes(axis, x.ndim)
    centred = x - reshape(mean(x, axes), kept(x, axes))
    return centred * _inverse_size(centred, eps, axes)


def group_norm(x: TensorLike, groups: int, eps: float = 1e-5, axis: Axes = -1) -> Tensor:
    """Normalise each group of channels by itself, as `layer_norm` does. The channels are the last axis.

    Parameters
    ----------
    x : Wire or array_like
        (..., channels).
    groups : int
        How many groups the channels are split into: neighbours form a group.
    eps : float
        What keeps the root away from zero.
    axis : int or sequence of int
        The axes that mean and variance are taken over, the last among them: (-3, -2, -1) for images.

    Returns
    -------
    Wire or np.ndarray
        The tensor, normalised.

    Raises
    ------
    ShapeError
        If the groups do not divide the channels, or the last axis is not among `axis`.

    Examples
    --------
    >>> import circuit
    >>> circuit.group_norm([1.0, 3.0, 10.0, 30.0], 2, eps=0.0)
    array([-1.,  1., -1.,  1.])
    """
    x, groups = tensor(x), whole(groups, "the number of groups")
    axes = negative_axes(axis, x.ndim)
    if -1 not in axes:
        raise ShapeError(f"group_norm normalises over the last axis, the channels, and others; axis={axis!r} "
                         "leaves it out")
    if groups < 1 or x.shape[-1] % groups:
        raise ShapeError(f"{x.shape[-1]} channels do not make {groups} groups of one size")
    split = reshape(x, x.shape[:-1] + (groups, x.shape[-1] // groups))
    # every axis but the last is one further from the end
    return reshape(layer_norm(split, eps, [a - (a < -1) for a in axes]), x.shape)
