"""Words of the tape: an instruction as the machine's row of whole numbers (taylor/tape.py names the
columns)."""
import numpy as np

from .. import kernels
from .. import tape as k
from ..form import PAGE
from ..kernels import KERNELS

SHORTEST = 4
"""Rows shorter than this get no loop of their own: a table of all elements is as quick."""

WORTH_PACKING = 16
"""Operand a of a product is packed if inner indices are a page apart, and so many columns use it again."""


class Tables:
    """Address tables, each stored once."""

    def __init__(self):
        self.pieces, self.starts, self.size = [], {}, 0

    def add(self, table):
        """Where this table starts; equal ones share their place."""
        table = np.ascontiguousarray(table, np.int64)
        key = table.tobytes()
        if key not in self.starts:
            self.starts[key] = self.size
            self.pieces.append(table)
            self.size += table.size
        return self.starts[key]

    def array(self):
        return np.concatenate(self.pieces) if self.pieces else np.zeros(1, np.int64)


def strip_word(run, count, chunk):
    """The machine's row at the head of a strip."""
    row = np.zeros(k.WIDTH, np.int64)
    row[k.OPERATION], row[k.ROWS] = k.STRIP, -(-count // chunk)
    row[k.MEMBER_COUNT] = run.last - run.first
    return row


def word(instruction, place, tables, form, chunk=None):
    """The machine's row for an instruction.   chunk: elements of a row, in a strip"""
    row = np.zeros(k.WIDTH, np.int64)
    row[k.OPERATION] = k.number_of(instruction.operation)
    row[k.CONDITIONS] = instruction.conditions(form.degree)
    row[k.MOVING_A], row[k.MOVING_Y] = instruction.moving, instruction.active
    row[k.COUNT] = instruction.y.size
    operands = [(k.Y, instruction.y), (k.A, instruction.a), (k.B, instruction.b)]
    if instruction.elementwise:
        in_rows(row, [(column, place[ids]) for column, ids in operands if ids is not None], tables, chunk)
        return row
    row[k.ROWS] = 1
    for column, ids in operands:
        if ids is not None and ids.size:
            row[column] = place[ids[0]]
    if instruction.whole is not None and instruction.whole.size:
        row[k.B] = instruction.whole[0]
        row[k.B_ROWS] = tables.add(instruction.whole - row[k.B])
    for column, value in instruction.columns.items():
        row[column] = value
    for column, relative in instruction.axes.items():
        row[column] = tables.add(relative)
    if instruction.operation.startswith("einsum"):
        products(row, instruction, form)
    return row


def products(row, instruction, form):
    """Enter how a product is calculated into its word."""
    constant = instruction.operation in k.CONSTANT_B
    columns, inner = int(row[k.COLUMNS]), max(1, int(row[k.INNER]))
    row[k.COLUMN_BLOCK], row[k.INNER_BLOCK] = form.blocks(columns, inner, constant)
    row[k.TIGHT_Y], row[k.TIGHT_B] = ((np.diff(instruction.axes[role]) == 1).all()
                                      for role in (k.COLUMNS_Y, k.COLUMNS_B))
    apart = 8 * form.width * np.abs(np.diff(instruction.axes[k.INNER_A])).max(initial=0)
    row[k.PACKED] = apart >= PAGE and row[k.COLUMNS] >= WORTH_PACKING


def in_rows(row, operands, tables, chunk):
    """Enter the operands of an elementwise instruction, [(column, elements)], into a word."""
    count = operands[0][1].size
    if not count:
        return
    length = chunk or min(regular_until(elements) for _, elements in operands)
    rows = -(-count // length)
    strides = {column: stride_in_rows(elements, length) for column, elements in operands}
    if None in strides.values() or (rows > 1 and length < SHORTEST and not chunk):
        length, rows = chunk or count, -(-count // (chunk or count))
        strides = {column: k.SCATTERED for column in strides}
    row[k.ROWS], row[k.LENGTH], row[k.LAST] = rows, length, count - (rows - 1) * length
    for column, elements in operands:
        row[column] = elements[0]
        scattered = strides[column] == k.SCATTERED and column != k.Y
        row[column + 1] = tables.add((elements if scattered else elements[::length]) - elements[0])
        if column != k.Y:
            row[column + 2] = strides[column]


def regular_until(elements):
    """How many elements, from the first on, have the same distance from each to the next."""
    steps = np.diff(elements)
    other = np.flatnonzero(steps != steps[:1]) if steps.size else steps
    return int(other[0]) + 1 if other.size else elements.size


def stride_in_rows(elements, length):
    """The distance of consecutive elements within rows, if it is the same in all, else None."""
    steps = np.diff(elements)
    inside = np.ones(steps.size, bool)
    inside[length - 1::length] = False
    steps = steps[inside]
    if not steps.size:
        return 1
    return int(steps[0]) if (steps == steps[0]).all() and steps[0] >= 0 else None


def kernel_of(instruction, row):
    """(the kernel, the operation, whether it is calculated lane by lane)"""
    scattered = k.SCATTERED in (row[k.A_STRIDE], row[k.B_STRIDE])
    ordinary = kernels.scattered if scattered else kernels.elementwise
    return KERNELS.get(instruction.operation, ordinary), instruction.operation, instruction.active
