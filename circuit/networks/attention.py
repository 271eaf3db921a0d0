"""Embedding and attention. Layers that make queries, keys and values are products with the user's weights."""
from math import prod
from typing import Union

import numpy as np

from ..errors import CircuitError, ShapeError
from ..functions import einsum
from ..indexing import rows
from ..shapes import Tensor, TensorLike, reshape, tensor
from .softmax import softmax

MASKED = -1e30
"""What is added to the score of a key that may not be looked at: its weight is 0 to the bit."""


def embedding(table: TensorLike, ids: TensorLike) -> Tensor:
    """Read a row of a table for each of many whole numbers, in a tensor of any shape.

    Parameters
    ----------
    table : Wire or array_like
        (entries, ...): the rows.
    ids : Wire or array_like
        Whole numbers, such as tokens (examples, length).

    Returns
    -------
    Wire or np.ndarray
        The shape of ids, then that of a row.

    Raises
    ------
    DomainError
        When it is evaluated, if the table has no such row.

    Examples
    --------
    >>> import circuit
    >>> circuit.embedding([[1.0, 2.0], [3.0, 4.0]], [[1, 0]])
    array([[[3., 4.],
            [1., 2.]]])
    """
    return rows(tensor(table), tensor(ids))


def attention(queries: TensorLike, keys: TensorLike, values: TensorLike, causal: bool = False,
              mask: Union[TensorLike, None] = None) -> Tensor:
    """Average values by softmax(queries keys^T / sqrt(size)), for each query over the keys.

    Parameters
    ----------
    queries : Wire or array_like
        (..., queries, size), with the same axes before as the others: examples and heads, say.
    keys : Wire or array_like
        (..., keys, size).
    values : Wire or array_like
        (..., keys, features).
    causal : bool
        Whether query i looks at the keys up to i only.
    mask : Wire or array_like, optional
        1 where a query may look at a key, 0 elsewhere; it broadcasts to (..., queries, keys).

    Returns
    -------
    Wire or np.ndarray
        (..., queries, features).

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np, circuit
    >>> circuit.attention(np.zeros((2, 3)), np.zeros((2, 3)), [[1.0], [3.0]], causal=True)
    array([[1.],
           [2.]])
    """
    queries, keys, values = tensor(queries), tensor(keys), tensor(values)
    shapes = queries.shape, keys.shape, values.shape
    if min(map(len, shapes)) < 2 or len({shape[:-2] for shape in shapes}) > 1:
        raise ShapeError("attention takes queries (..., n, size), keys (..., m, size) and values (..., m, "
                         f"features) with the same axes before, not {', '.join(map(str, shapes))}")
    lead, (n, m) = queries.shape[:-2], (queries.shape[-2], keys.shape[-2])
    queries, keys, values = (reshape(x, (prod(lead),) + x.shape[-2:]) for x in (queries, keys, values))
    scores = einsum("znd,zmd->znm", queries * queries.shape[-1] ** -0.5, keys)
    scores = reshape(scores, lead + (n, m))
    if causal:
        if n != m:
            raise ShapeError(f"causal attention takes as many queries as keys, not {n} and {m}")
        scores = scores + np.triu(np.full((n, n), MASKED), 1)
    if mask is not None:
        scores = scores + (1.0 - _checked_mask(mask)) * MASKED
    weights = reshape(softmax(scores), (prod(lead), n, m))
    return reshape(einsum("znm,zmf->znf", weights, values), lead + (n, values.shape[-1]))


def _checked_mask(mask):
    """A mask of zeros and ones; that of a wire is not known."""
    mask = tensor(mask)
    if isinstance(mask, np.ndarray) and not np.isin(mask, (0, 1)).all():
        raise CircuitError("a mask holds 1 where a query may look at a key and 0 elsewhere, not "
                           f"{mask[~np.isin(mask, (0, 1))][0]}")
    return mask
