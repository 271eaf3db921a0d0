"""Products of tensors: how einsum is lowered, by roles of the axes."""
from math import prod
from typing import NamedTuple

import numpy as np

from circuit.gates.bilinear import einsum_letters, einsum_sizes

from .. import tape as k
from ..form import PAGE
from .lowering import Instruction, Tensor


def einsum(lowering, entry, inputs, wire):
    """A product of matrices, by roles of the axes: of what differs from lane to lane, and of constant parts.

    A tile of a product takes more columns than lines, so the columns are the axes of the larger operand: less
    is left over. Of operands that differ from lane to lane a constant one is always b.
    """
    (a, b), spec = inputs, entry.parameters["spec"]
    letters_a, letters_b = spec.split("->")[0].split(",")
    batch, row, column, inner = einsum_letters(spec)
    sizes = einsum_sizes(spec, a.ids.shape, b.ids.shape)
    counts = [prod(sizes[c] for c in letters) for letters in (batch, row, column, inner)]
    y = lowering.new(entry.shape, a.active or b.active)
    y_axes = separated(lowering, y.ids, spec.split("->")[1], (batch, row, column))
    a, a_axes = with_axes(lowering, a, letters_a, (batch, row, inner), wire)
    b, b_axes = with_axes(lowering, b, letters_b, (batch, column, inner), wire)
    straight, turned = (Product(y, y_axes, a, a_axes, b, b_axes, counts),
                        Product(y, [y_axes[0], y_axes[2], y_axes[1]], b, b_axes, a, a_axes,
                                [counts[0], counts[2], counts[1], counts[3]]))
    if lowering.form.shared or not y.active:
        better = min((straight, turned), key=Product.cost_of_values)
        lowering.instructions.append(better.instruction("einsum_values", False, wire))
    if y.active and (lowering.form.degree or not lowering.form.shared):
        turn = b.active and not a.active or (a.active == b.active and counts[1] > counts[2])
        operation = "einsum" if a.active == b.active else "einsum_constant"
        lowering.instructions.append((turned if turn else straight).instruction(operation, True, wire))
    return lowering.scaled(lowering.scaled(y, a.factor, wire), b.factor, wire)


class Product(NamedTuple):
    """y[batch, line, column] = sum over inner of a[batch, line, inner] b[batch, column, inner].

    Each operand comes with the relative ids of its three axes; counts are those of batch, lines, columns and
    inner.
    """
    y: Tensor
    y_axes: list
    a: Tensor
    a_axes: list
    b: Tensor
    b_axes: list
    counts: list

    def cost_of_values(self):
        """About how long einsum_values takes: numbers brought into panels, and products of vectors."""
        _, lines, columns, inner = self.counts
        filling = 2 if (np.diff(self.b_axes[1]) == 1).all() else 12      # as vectors, or one by one
        apart = np.abs(np.diff(self.a_axes[2])).max(initial=0) >= PAGE // 8
        return -(-columns // 8) * inner * (filling + (6 if apart else 4) * -(-lines // 4))

    def instruction(self, operation, active, wire):
        """The product as an Instruction."""
        axes = dict(zip((k.BATCH_Y, k.LINES_Y, k.COLUMNS_Y), self.y_axes))
        axes.update(zip((k.BATCH_A, k.LINES_A, k.INNER_A), self.a_axes))
        axes.update(zip((k.BATCH_B, k.COLUMNS_B, k.INNER_B), self.b_axes))
        return Instruction(operation, active, wire, self.y.ids.ravel(), self.a.ids.ravel(),
                           self.b.ids.ravel(), moving=self.a.active, axes=axes,
                           columns=dict(zip((k.BATCH, k.LINES, k.COLUMNS, k.INNER), self.counts)))


def with_axes(lowering, x, letters, roles, wire):
    """(x, its relative ids by role); x is written anew where its elements do not lie in a grid."""
    axes = separated(lowering, x.ids, letters, roles)
    if axes is None:
        x = lowering.written(x, wire)
        axes = separated(lowering, x.ids, letters, roles)
    return x, axes


def separated(lowering, ids, letters, roles):
    """Relative ids by role, where id = first id + sum over roles; None where the elements lie otherwise."""
    grouped = ids.transpose([letters.index(c) for role in roles for c in role])
    shape, at = [], 0
    for role in roles:
        shape.append(prod(grouped.shape[at:at + len(role)]))
        at += len(role)
    grouped = grouped.reshape(shape)
    if grouped.size == 0:
        return [np.zeros(n, np.int64) for n in shape]
    first = grouped[0, 0, 0]
    parts = [grouped[:, 0, 0] - first, grouped[0, :, 0] - first, grouped[0, 0, :] - first]
    rebuilt = first + parts[0][:, None, None] + parts[1][:, None] + parts[2]
    one_buffer = lowering.owner(grouped.min()) == lowering.owner(grouped.max())
    return parts if one_buffer and np.array_equal(rebuilt, grouped) else None
