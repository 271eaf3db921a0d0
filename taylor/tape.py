"""The tape: what the machine reads. Each instruction is a row of whole numbers, a *word*.

An elementwise instruction works on ROWS rows of LENGTH elements (the last row has LAST). Element i of row j
of operand a is element `word[A] + tables[word[A_ROWS] + j] + i * word[A_STRIDE]` of the block's memory. So
slices, transposes and broadcasts cost nothing: they are other bases, strides and tables, and equal tables are
stored once. Where operands lie without such order, the instruction is *scattered*: the tables of a and b name
every element, and A_STRIDE is SCATTERED. The elements of a result always follow each other within a row.
"""
from typing import NamedTuple

import numpy as np

from circuit.gates.gate import Domain

# Of every instruction. CONDITIONS: the bits that operand a must meet; MOVING_A, MOVING_Y: whether operand a
# and the result differ from lane to lane; COUNT: elements of the result, which follow each other unless they
# lie in rows.
OPERATION, CONDITIONS, MOVING_A, MOVING_Y, COUNT = range(5)
# Of elementwise instructions, and partly of others: bases, tables of rows, strides.
ROWS, LENGTH, LAST, Y, Y_ROWS, A, A_ROWS, A_STRIDE, B, B_ROWS, B_STRIDE = range(5, 16)
# einsum: how many batches, lines, columns and inner indices there are, and a table per role and operand.
# Columns and inner indices are taken in blocks, so that what is read again and again stays in the cache.
# TIGHT_Y, TIGHT_B: whether consecutive columns of an operand follow each other; PACKED: whether inner indices
# of a lie so far apart that a tile's lines are brought next to each other first (the panel).
(BATCH, BATCH_Y, BATCH_A, BATCH_B, LINES, LINES_Y, LINES_A, COLUMNS, COLUMNS_Y, COLUMNS_B, INNER, INNER_A,
 INNER_B, COLUMN_BLOCK, INNER_BLOCK, TIGHT_Y, TIGHT_B, PACKED) = range(16, 34)
# sum, max and one_hot_max: GROUPS groups of LENGTH elements. Element i of group j of operand a lies at
# A + tables[A_ROWS + j] + tables[MEMBERS + i], and of the result (one_hot_max) likewise.
GROUPS, MEMBERS, Y_MEMBERS = 16, 17, 18
# gather and scatter: LINES rows of LENGTH elements, chosen by whole numbers from a table with LIMIT rows.
# Row j of operand a begins at A + j * A_PITCH.
LIMIT, A_PITCH = 21, 22
# The head of a strip: the next MEMBER_COUNT instructions run together, one chunk (a row) at a time.
MEMBER_COUNT = 16
WIDTH = 34

SCATTERED = -1

OPERATIONS = (
    "strip", "lift", "combine", "combine_constant", "multiply", "multiply_constant", "scale", "shift",
    "power", "power_whole", "inverse", "inverse_root", "inverse_root_cubed",
    "exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sin", "cos", "arctan", "erf", "gelu",
    "relu", "abs", "step",
    "einsum", "einsum_constant", "einsum_values", "sum", "max", "one_hot_max", "gather", "scatter")
"""All operations; an instruction names its own by its place in this tuple."""


def number_of(operation):
    """The number of an operation, by its name."""
    return OPERATIONS.index(operation)


STRIP, EINSUM = number_of("strip"), number_of("einsum")
GATHER, SCATTER = number_of("gather"), number_of("scatter")
"""Those that the machine treats differently. Operations before EINSUM work element by element."""

ELEMENTWISE = OPERATIONS[1:EINSUM]

CONSTANT_A, CONSTANT_B = ("lift",), ("combine_constant", "multiply_constant", "einsum_constant")
"""Operations whose operand a, or b, is a constant: one number for all lanes."""

HIDING = ("power", "power_whole", "inverse", "inverse_root", "inverse_root_cubed", "exp", "expm1", "log",
          "log1p", "tanh", "sigmoid", "arctan", "erf", "gelu", "step", "max", "one_hot_max")
"""Operations that may turn an infinity or NaN into an ordinary number, as 1 / x does. What they read is
checked; all others pass it on, and it is found in the state."""

# The bits of CONDITIONS, as plain numbers for the compiler.
NOT_NEGATIVE, NOT_ZERO, NO_TIE = int(Domain.NOT_NEGATIVE), int(Domain.NOT_ZERO), int(Domain.NO_TIE)
FINITE_INPUT = 8

# What can be wrong: a NaN or infinity, a value outside the gate's domain, an id that is no row of its table.
FINE, NOT_FINITE, OUTSIDE, NO_ROW = range(4)


class Memory(NamedTuple):
    """A block's memory, and what is shared between blocks.

    constants     (elements,) float64: the part of every element that all lanes share
    coefficients  (active elements * width,) float64: what differs from lane to lane, for the elements that do
    integers      (whole numbers,) int64: token ids and the like
    tables        (entries,) int64: addresses, relative to an operand's base
    numbers       (instructions, 2) float64: the constant parameters of each instruction
    """
    constants: np.ndarray
    coefficients: np.ndarray
    integers: np.ndarray
    tables: np.ndarray
    numbers: np.ndarray
