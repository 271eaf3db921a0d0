"""The bilinear gate: einsum, which is every product of two tensors (matrix, inner, outer and batched
products)."""
from functools import lru_cache
from math import prod

import numpy as np

from ..errors import ShapeError
from .cost import product
from .gate import Gate


@lru_cache(maxsize=None)
def einsum_letters(spec):
    """The axes of 'ab,bc->ac' by role: (batch: in all three, row: in a and the output, column: in b and the
    output, inner: in a and b)."""
    try:
        inputs, output = spec.split("->")
        a, b = inputs.split(",")
    except ValueError:
        raise ShapeError(
            f"einsum {spec!r} is not of the form 'ab,bc->ac' (two operands, an explicit output)") from None
    for part in (a, b, output):
        if len(set(part)) != len(part) or not (part.isalpha() or part == ""):
            raise ShapeError(
                f"einsum {spec!r}: {part!r} repeats a letter or has something other than letters")
    lone = set(a) ^ set(b)
    if not set(output) <= set(a) | set(b) or not lone <= set(output):
        raise ShapeError(
            f"einsum {spec!r}: each letter must be in at least two of the operands and the output; sum or "
            "broadcast the others first")
    both = [c for c in a if c in b]
    return ([c for c in output if c in both], [c for c in output if c not in b],
            [c for c in output if c not in a], [c for c in both if c not in output])


def einsum_sizes(spec, a, b):
    """The length of every letter's axis, from the operands' shapes; ShapeError where they disagree."""
    sizes = {}
    for letters, shape in zip(spec.split("->")[0].split(","), (a, b)):
        if len(letters) != len(shape):
            raise ShapeError(f"einsum {spec!r}: operand {letters!r} has shape {shape}")
        for letter, size in zip(letters, shape):
            if sizes.setdefault(letter, size) != size:
                raise ShapeError(f"einsum {spec!r}: axis {letter!r} is {sizes[letter]} and {size} long")
    return sizes


@lru_cache(maxsize=4096)
def _einsum_shape(a, b, spec):
    einsum_letters(spec)
    sizes = einsum_sizes(spec, a, b)
    return tuple(sizes[c] for c in spec.split("->")[1])


@lru_cache(maxsize=None)
def _matmul_plan(spec):
    """Permutations (negative axes) that turn the einsum into a matrix product, and back."""
    batch, row, column, inner = einsum_letters(spec)
    a, b = spec.split("->")[0].split(",")
    output = spec.split("->")[1]
    order = batch + row + column
    return ([a.index(c) - len(a) for c in batch + row + inner],
            [b.index(c) - len(b) for c in batch + inner + column],
            [order.index(c) - len(order) for c in output], len(batch), len(row), len(column))


def permuted(x, axes):
    """x with its last axes permuted: axis axes[i] (negative) becomes the i-th of them."""
    lead = x.ndim - len(axes)
    return x.transpose(*range(lead), *(x.ndim + axis for axis in axes))


def _einsum_value(a, b, spec):
    axes_a, axes_b, axes_out, batch, row, column = _matmul_plan(spec)
    a, b = np.asarray(a), np.asarray(b)
    lead_a, lead_b = a.ndim - len(axes_a), b.ndim - len(axes_b)
    a, b = permuted(a, axes_a), permuted(b, axes_b)
    shape_a, shape_b = a.shape[lead_a:], b.shape[lead_b:]
    batches, rows, columns = shape_a[:batch], shape_a[batch:batch + row], shape_b[len(shape_b) - column:]
    inner = prod(shape_a[batch + row:])
    a = a.reshape(a.shape[:lead_a] + batches + (prod(rows), inner))
    b = b.reshape(b.shape[:lead_b] + batches + (inner, prod(columns)))
    y = a @ b
    lead = y.shape[:y.ndim - batch - 2]
    return permuted(y.reshape(lead + batches + rows + columns), axes_out)


def _einsum_vjp(g, y, a, b, spec):
    inputs, output = spec.split("->")
    letters_a, letters_b = inputs.split(",")
    return (einsum_pair(g, b, spec=f"{output},{letters_b}->{letters_a}"),
            einsum_pair(a, g, spec=f"{letters_a},{output}->{letters_b}"))


def _einsum_marks(a, b, ids, spec):
    """A marked element of one operand reaches every product it is in, whatever the other operand holds."""
    marks = 0.0
    if a.any():
        marks = marks + _einsum_value(a, np.ones(b.shape), spec)
    if b.any():
        marks = marks + _einsum_value(np.ones(a.shape), b, spec)
    return marks


def _einsum_cost(p, a, b, spec):
    """Of one product, and of adding it to a sum."""
    return product(p) + 2 * p if a and b else 4 * p


einsum_pair = Gate(
    "einsum", 2, _einsum_shape, _einsum_value, _einsum_vjp,
    """Sum of products of two tensors, as in 'ij,jk->ik': matrix products, outer and inner products, batched
    or not. Taylor: as multiply, y_r = sum_{j=0..r} einsum(a_j, b_{r-j}).""",
    marks=_einsum_marks, taylor=("einsum", "einsum_constant"), cost=_einsum_cost, flops=2.0,
    count=lambda a, b, spec: prod(einsum_sizes(spec, a, b).values()))
