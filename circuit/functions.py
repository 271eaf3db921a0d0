"""The functions that users call, each a few gates.

Every function takes wires and returns wires. Given plain arrays only, it calculates at once, so the same code
is a recording and a NumPy program. Axes may be counted from either end.
"""
from typing import Sequence, Union

import numpy as np

from .errors import CircuitError, ShapeError
from .gates.bilinear import einsum_pair
from .gates.gate import plain_array
from .gates.linear import gather_rows, join, scatter_rows
from .gates.piecewise import max_axis
from .shapes import Tensor, TensorLike, lengths, one_axis, reshape, several, tensor, whole
from .wire import Wire, aligned, both_wires, real_constant, widened


def einsum(spec: str, a: TensorLike, b: TensorLike) -> Tensor:
    """Sum products of two tensors over the axes that the output lacks.

    Parameters
    ----------
    spec : str
        Letters for the axes, as in 'ij,jk->ik'. Each is in at least two of the operands and the output.
    a, b : Wire or array_like
        The two operands.

    Returns
    -------
    Wire or np.ndarray
        The sums of products.

    Raises
    ------
    ShapeError
        For another form of `spec`, or shapes that do not fit it.

    Examples
    --------
    >>> import circuit
    >>> circuit.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0])
    array([21., 43.])
    """
    if not isinstance(spec, str):
        raise ShapeError(f"einsum: expected a text that names the axes, such as 'ij,jk->ik', got {spec!r}")
    if any(isinstance(x, Wire) for x in (a, b)):
        a, b = both_wires(a, b)
    return einsum_pair(a, b, spec=spec.replace(" ", ""))


def broadcast_to(x: TensorLike, shape: Union[int, Sequence[int]]) -> Tensor:
    """Repeat a tensor to a shape, by NumPy's rules.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    shape : int or sequence of int
        The shape of the result.

    Returns
    -------
    Wire or np.ndarray
        The tensor, repeated.

    Raises
    ------
    ShapeError
        If the tensor does not broadcast to this shape.

    Examples
    --------
    >>> import circuit
    >>> circuit.broadcast_to([1.0, 2.0], (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    x, shape = tensor(x), lengths(shape)
    try:
        fits = np.broadcast_shapes(x.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"shape {x.shape} does not broadcast to {shape}")
    return widened(x, shape) if isinstance(x, Wire) else np.broadcast_to(x, shape)


def concatenate(tensors: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Join tensors along an axis.

    Parameters
    ----------
    tensors : sequence of Wire or array_like
        At least one tensor; the lengths of the other axes agree.
    axis : int
        The axis to join along.

    Returns
    -------
    Wire or np.ndarray
        The joined tensor.

    Raises
    ------
    ShapeError
        If there is no tensor, or the shapes do not fit.

    Examples
    --------
    >>> import circuit
    >>> circuit.concatenate([[1.0, 2.0], [3.0]])
    array([1., 2., 3.])
    """
    tensors = [tensor(x) for x in several(tensors)]
    if not tensors or tensors[0].ndim == 0:
        raise ShapeError("concatenate needs at least one tensor, each with at least one axis")
    recorder = next((x.recorder for x in tensors if isinstance(x, Wire) and x.kind == "real"), None)
    if recorder is not None:      # whole numbers among real wires are real numbers
        tensors = [x if isinstance(x, Wire) else real_constant(x, recorder) for x in tensors]
    return join(*tensors, axis=one_axis(axis, tensors[0].ndim))


def stack(tensors: Sequence[TensorLike]) -> Tensor:
    """Stack tensors of one shape as the rows of a new leading axis.

    Parameters
    ----------
    tensors : sequence of Wire or array_like
        At least one tensor; all have the same shape.

    Returns
    -------
    Wire or np.ndarray
        A tensor with one more axis.

    Examples
    --------
    >>> import circuit
    >>> circuit.stack([[1.0, 2.0], [3.0, 4.0]])
    array([[1., 2.],
           [3., 4.]])
    """
    return concatenate([reshape(x, (1,) + tensor(x).shape) for x in several(tensors)])


def gather(table: TensorLike, ids: TensorLike) -> Tensor:
    """Read rows of a table.

    Parameters
    ----------
    table : Wire or array_like
        A tensor with at least one axis.
    ids : Wire or array_like
        A vector of whole numbers, the numbers of rows.

    Returns
    -------
    Wire or np.ndarray
        The rows table[ids].

    Raises
    ------
    DomainError
        When it is evaluated, if the table has no such row.

    Examples
    --------
    >>> import circuit
    >>> circuit.gather([10.0, 20.0, 30.0], [2, 0])
    array([30., 10.])
    """
    if isinstance(ids, Wire) and not isinstance(table, Wire):
        table = real_constant(table, ids.recorder)
    return gather_rows(table, ids, rank=tensor(table).ndim)


def scatter(rows: TensorLike, ids: TensorLike, count: int) -> Tensor:
    """Add rows to a table of zeros: the adjoint of `gather`.

    Parameters
    ----------
    rows : Wire or array_like
        The rows to add.
    ids : Wire or array_like
        A vector of whole numbers: where each row is added.
    count : int
        The number of rows of the table.

    Returns
    -------
    Wire or np.ndarray
        The table.

    Raises
    ------
    DomainError
        When it is evaluated, if the table has no such row.

    Examples
    --------
    >>> import circuit
    >>> circuit.scatter([1.0, 2.0, 3.0], [0, 2, 2], 4)
    array([1., 0., 5., 0.])
    """
    count = whole(count, "the number of rows")
    if count < 0:
        raise ShapeError(f"the number of rows: expected 0 rows or more, got {count}")
    return scatter_rows(rows, ids, count=count, rank=tensor(rows).ndim)


def max(x: TensorLike, axis: int = -1) -> Tensor:
    """Find the largest element along an axis. Piecewise analytic: ties are kinks.

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
    >>> circuit.max([[1.0, 5.0], [4.0, 2.0]])
    array([5., 4.])
    """
    x = tensor(x)
    return max_axis(x, axis=one_axis(axis, x.ndim))


def maximum(a: TensorLike, b: TensorLike) -> Tensor:
    """Choose the larger of two tensors, element by element. Piecewise analytic.

    Parameters
    ----------
    a, b : Wire or array_like
        Two tensors that broadcast together.

    Returns
    -------
    Wire or np.ndarray
        The larger elements.

    Examples
    --------
    >>> import circuit
    >>> circuit.maximum([1.0, 5.0], 3.0)
    array([3., 5.])
    """
    return max(_beside(a, b), axis=0)      # a + relu(b - a) would lose the smaller number's digits


def minimum(a: TensorLike, b: TensorLike) -> Tensor:
    """Choose the smaller of two tensors, element by element. Piecewise analytic.

    Parameters
    ----------
    a, b : Wire or array_like
        Two tensors that broadcast together.

    Returns
    -------
    Wire or np.ndarray
        The smaller elements.

    Examples
    --------
    >>> import circuit
    >>> circuit.minimum([1.0, 5.0], 3.0)
    array([1., 3.])
    """
    return -max(-_beside(a, b), axis=0)


def _beside(a, b):
    """Two tensors, broadcast to one shape, as the rows of one."""
    if any(isinstance(x, Wire) for x in (a, b)):
        return stack(aligned(a, b))
    try:
        return stack(np.broadcast_arrays(plain_array(a), plain_array(b)))
    except ValueError as error:
        raise error if isinstance(error, CircuitError) else ShapeError(
            f"shapes {np.shape(a)} and {np.shape(b)} do not broadcast together") from None


def sqrt(x: TensorLike) -> Tensor:
    """Take the square root of a positive tensor.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.

    Returns
    -------
    Wire or np.ndarray
        x ** 0.5.

    Examples
    --------
    >>> import circuit
    >>> circuit.sqrt([4.0, 9.0])
    array([2., 3.])
    """
    return tensor(x) ** 0.5


def square(x: TensorLike) -> Tensor:
    """Square a tensor, element by element.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.

    Returns
    -------
    Wire or np.ndarray
        x ** 2.

    Examples
    --------
    >>> import circuit
    >>> circuit.square([2.0, 3.0])
    array([4., 9.])
    """
    return tensor(x) ** 2


def argmax(*arguments: object, **more: object) -> None:
    """Refuse: a choice has no derivative, so its Taylor series predicts nothing.

    Parameters
    ----------
    *arguments, **more : object
        Anything.

    Raises
    ------
    CircuitError
        Always, with advice on what to measure instead.

    Examples
    --------
    >>> import circuit
    >>> circuit.argmax([1.0, 2.0])      # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    circuit.errors.CircuitError: argmax and accuracy jump ...
    """
    raise CircuitError(
        "argmax and accuracy jump and are flat in between: no Taylor series predicts them. Measure a loss, a "
        "log-probability, a logit or a margin instead, and threshold the prediction")
