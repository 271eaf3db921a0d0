"""Loops over elements: a rule applied to whole tensors. A program is a tape of such loops (see program.py and
machine.py).

One instruction is a row of whole numbers, `word`. Every operand is addressed through a table: element e of
operand a is number `word[A] + tables[word[A_TABLE] + e]` of the block's memory. So transposes, slices,
broadcasts and concatenations cost nothing, since they are only other tables, and instructions share equal
tables.
"""
import math
from typing import NamedTuple

import numpy as np
from numba import config

from circuit.gates.gate import Domain

from . import rules

if config.DISABLE_JIT:
    from .plain import at, local, positive, rule
else:
    from .elements import at, local
    from .lanes import positive, rule


class Memory(NamedTuple):
    """A block's memory, and what is shared between blocks.

    constants     (elements,) float64: the constant part of every element; (elements * lanes,) where lanes do
                  not share it
    coefficients  (active elements * 2 p lanes,) float64: the rest, for elements that are not only constants
    integers      (whole numbers,) int64: token ids and the like
    tables        (entries,) int64: addresses, relative to an operand's base
    numbers       (instructions, 2) float64: the constant parameters of each instruction
    """
    constants: np.ndarray
    coefficients: np.ndarray
    integers: np.ndarray
    tables: np.ndarray
    numbers: np.ndarray


# Columns of an instruction. ACTIVE: it has coefficients to write; CONDITIONS: the bits of the Domain that
# operand a must lie in, as the gate declares it; Y, A, B: bases of the operands, each followed by its table.
OPERATION, ACTIVE, CONDITIONS, COUNT, Y, Y_TABLE, A, A_TABLE, B, B_TABLE = range(10)
# einsum has no table per operand but one per role of axis and operand:
(BATCH, BATCH_Y, BATCH_A, BATCH_B, ROWS, ROWS_Y, ROWS_A, COLUMNS, COLUMNS_Y, COLUMNS_B, INNER, INNER_A,
 INNER_B) = range(10, 23)
# sum, max and one_hot_max work on GROUPS groups of LENGTH elements; gather and scatter move rows of LENGTH
# elements, of a table with LIMIT rows.
LENGTH, LIMIT, GROUPS = 10, 11, 12
# A strip runs the next LENGTH instructions together, CHUNK elements at a time.
CHUNK = 11
WIDTH = 23

# The operations, and their numbers: the same names in the same order, twice, because the compiler needs each
# number as a name of its own. The order matters in one place only: operations before EINSUM work element by
# element (`elementwise` below; storage.py may run them in strips), those from EINSUM on do not (`whole`).
OPERATIONS = (
    "strip", "lift", "combine", "combine_constant", "multiply", "multiply_constant", "scale", "shift",
    "power", "power_whole", "exp", "log", "tanh", "sigmoid", "sin", "cos", "erf", "gelu",
    "relu", "abs", "step",
    "einsum", "einsum_constant", "sum", "max", "one_hot_max", "gather", "scatter")
(STRIP, LIFT, COMBINE, COMBINE_CONSTANT, MULTIPLY, MULTIPLY_CONSTANT, SCALE, SHIFT,
 POWER, POWER_WHOLE, EXP, LOG, TANH, SIGMOID, SIN, COS, ERF, GELU,
 RELU, ABS, STEP,
 EINSUM, EINSUM_CONSTANT, SUM, MAX, ONE_HOT_MAX, GATHER, SCATTER) = range(len(OPERATIONS))

# What can be wrong: a NaN or infinity, a value outside the gate's domain, an id that is no row of its table,
# or (a bug in this file) an operation without a branch below.
FINE, NOT_FINITE, OUTSIDE, NO_ROW, NO_BRANCH = range(5)

# The bits of CONDITIONS, as plain numbers for the compiler.
NOT_NEGATIVE, NOT_ZERO, NO_TIE = int(Domain.NOT_NEGATIVE), int(Domain.NOT_ZERO), int(Domain.NO_TIE)


@rule
def y_at(form, memory, word, e):
    return at(form, memory, word[Y] + memory.tables[word[Y_TABLE] + e])


@rule
def a_at(form, memory, word, e):
    return at(form, memory, word[A] + memory.tables[word[A_TABLE] + e])


@rule
def b_at(form, memory, word, e):
    return at(form, memory, word[B] + memory.tables[word[B_TABLE] + e])


@rule
def einsum(product, form, memory, word):
    """y[batch, row, column] = sum over inner of a[batch, row, inner] b[batch, column, inner].

    Two columns at a time: what is loaded of a serves both, and the two sums stay in registers.
    """
    tables = memory.tables
    y, y2 = local(form), local(form)
    for i in range(word[BATCH]):
        y_i, a_i, b_i = (word[Y] + tables[word[BATCH_Y] + i], word[A] + tables[word[BATCH_A] + i],
                         word[B] + tables[word[BATCH_B] + i])
        for j in range(word[ROWS]):
            y_ij, a_ij = y_i + tables[word[ROWS_Y] + j], a_i + tables[word[ROWS_A] + j]
            for k in range(0, word[COLUMNS] - 1, 2):
                b_k, b_k2 = b_i + tables[word[COLUMNS_B] + k], b_i + tables[word[COLUMNS_B] + k + 1]
                rules.clear(form, y)
                rules.clear(form, y2)
                for m in range(word[INNER]):
                    a = at(form, memory, a_ij + tables[word[INNER_A] + m])
                    inner = tables[word[INNER_B] + m]
                    product(form, y, a, at(form, memory, b_k + inner))
                    product(form, y2, a, at(form, memory, b_k2 + inner))
                rules.copy(form, at(form, memory, y_ij + tables[word[COLUMNS_Y] + k]), y)
                rules.copy(form, at(form, memory, y_ij + tables[word[COLUMNS_Y] + k + 1]), y2)
            if word[COLUMNS] % 2 == 1:
                k = word[COLUMNS] - 1
                b_k = b_i + tables[word[COLUMNS_B] + k]
                rules.clear(form, y)
                for m in range(word[INNER]):
                    product(form, y, at(form, memory, a_ij + tables[word[INNER_A] + m]),
                            at(form, memory, b_k + tables[word[INNER_B] + m]))
                rules.copy(form, at(form, memory, y_ij + tables[word[COLUMNS_Y] + k]), y)


@rule
def sum_groups(form, memory, word):
    """y_e = sum of LENGTH elements of a."""
    length = word[LENGTH]
    total = local(form)
    for e in range(word[COUNT]):
        rules.clear(form, total)
        for m in range(length):
            rules.accumulate(form, total, a_at(form, memory, word, e * length + m))
        rules.copy(form, y_at(form, memory, word, e), total)


@rule
def winner(memory, word, e):
    """(position of the largest constant part in group e, whether another one equals it)"""
    length = word[LENGTH]
    base, table = word[A], word[A_TABLE] + e * length
    best, tie = 0, False
    for m in range(1, length):
        there, here = (memory.constants[base + memory.tables[table + best]],
                       memory.constants[base + memory.tables[table + m]])
        if here > there:
            best, tie = m, False
        elif here == there:
            tie = True
    return best, tie


@rule
def max_groups(form, memory, word):
    """y_e = the largest of LENGTH elements of a, by the constant part."""
    for e in range(word[COUNT]):
        y, first = y_at(form, memory, word, e), e * word[LENGTH]
        if form.shared:
            rules.copy(form, y, a_at(form, memory, word, first + winner(memory, word, e)[0]))
        else:      # each lane has its own
            y.constant = a_at(form, memory, word, first).constant
            for m in range(1, word[LENGTH]):
                gain = a_at(form, memory, word, first + m).constant - y.constant
                y.constant = y.constant + gain * positive(gain)


@rule
def one_hot_groups(form, memory, word):
    """1 at the first largest of LENGTH elements of a, else 0; a constant."""
    length = word[LENGTH]
    for e in range(word[GROUPS]):
        for m in range(length):
            y = y_at(form, memory, word, e * length + m)
            y.constant = 1.0
            for other in range(length):
                ahead = (a_at(form, memory, word, e * length + other).constant
                         - a_at(form, memory, word, e * length + m).constant)
                y.constant = y.constant * (1.0 - positive(ahead))
                if other < m:      # an equal one before it wins
                    y.constant = y.constant * positive(0.0 - ahead)


@rule
def row_id(memory, word, i):
    return memory.integers[word[B] + memory.tables[word[B_TABLE] + i]]


@rule
def gather(form, memory, word):
    """y = rows of a, chosen by whole numbers."""
    length = word[LENGTH]
    for e in range(word[COUNT]):
        rules.copy(form, y_at(form, memory, word, e),
                   a_at(form, memory, word, row_id(memory, word, e // length) * length + e % length))


@rule
def scatter(form, memory, word):
    """y = 0, then rows of a added where the whole numbers say."""
    length = word[LENGTH]
    for e in range(word[LIMIT] * length):
        rules.clear(form, y_at(form, memory, word, e))
    for e in range(word[COUNT]):
        rules.accumulate(form,
                         y_at(form, memory, word, row_id(memory, word, e // length) * length + e % length),
                         a_at(form, memory, word, e))


# checks -----------------------------------------------------------------------------------------------------

@rule
def outside_domain(form, memory, word, begin, end):
    """The first element of a, or group of elements, that does not meet the conditions; or -1."""
    not_negative, not_zero = word[CONDITIONS] & NOT_NEGATIVE != 0, word[CONDITIONS] & NOT_ZERO != 0
    if not_negative or not_zero:
        each = 1 if form.shared else form.lanes
        for e in range(begin, end):
            first = (word[A] + memory.tables[word[A_TABLE] + e]) * each
            for x in memory.constants[first:first + each]:
                if (not_zero and x == 0.0) or (not_negative and x < 0.0):
                    return e
    elif word[CONDITIONS] & NO_TIE != 0:
        for e in range(word[GROUPS]):
            if winner(memory, word, e)[1]:
                return e
    return -1


@rule
def missing_row(memory, word):
    """The first position whose id is not a row of the table, or -1."""
    if word[OPERATION] == GATHER or word[OPERATION] == SCATTER:
        for i in range(word[COUNT] // word[LENGTH]):
            if not 0 <= row_id(memory, word, i) < word[LIMIT]:
                return i
    return -1


@rule
def finite(numbers, first, count):
    for i in range(first, first + count):
        if not math.isfinite(numbers[i]):
            return False
    return True


@rule
def not_finite(form, memory, word, begin, end, look_closely):
    """The first element of y that is NaN or infinite, or -1. Looking closely, in its coefficients too."""
    each, width = 1 if form.shared else form.lanes, 2 * form.degree * form.lanes
    for e in range(begin, end):
        y = word[Y] + memory.tables[word[Y_TABLE] + e]
        if (not finite(memory.constants, y * each, each)
                or (look_closely and not finite(memory.coefficients, y * width, width))):
            return e
    return -1


# one instruction --------------------------------------------------------------------------------------------
#
# The choice of a rule is a chain of elif, not a table of functions: each rule must be a call by name, so that
# the compiler can write it into the loop, with degree and lanes known.

@rule
def elementwise(form, memory, word, numbers, begin, end):
    """Elements begin..end of an elementwise instruction. Returns FINE or NO_BRANCH."""
    operation = word[OPERATION]
    if operation == LIFT:
        for e in range(begin, end):
            rules.lift(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == COMBINE:
        for e in range(begin, end):
            rules.combine(form, y_at(form, memory, word, e), a_at(form, memory, word, e),
                          b_at(form, memory, word, e), numbers[0], numbers[1])
    elif operation == COMBINE_CONSTANT:
        for e in range(begin, end):
            rules.combine_constant(form, y_at(form, memory, word, e), a_at(form, memory, word, e),
                                   b_at(form, memory, word, e), numbers[0], numbers[1])
    elif operation == MULTIPLY:
        for e in range(begin, end):
            rules.multiply(form, y_at(form, memory, word, e), a_at(form, memory, word, e),
                           b_at(form, memory, word, e))
    elif operation == MULTIPLY_CONSTANT:
        for e in range(begin, end):
            rules.multiply_constant(form, y_at(form, memory, word, e), a_at(form, memory, word, e),
                                    b_at(form, memory, word, e))
    elif operation == SCALE:
        for e in range(begin, end):
            rules.scale(form, y_at(form, memory, word, e), a_at(form, memory, word, e), numbers[0])
    elif operation == SHIFT:
        for e in range(begin, end):
            rules.shift(form, y_at(form, memory, word, e), a_at(form, memory, word, e), numbers[0],
                        numbers[1])
    elif operation == POWER:
        for e in range(begin, end):
            rules.power(form, y_at(form, memory, word, e), a_at(form, memory, word, e), numbers[0])
    elif operation == POWER_WHOLE:
        for e in range(begin, end):
            rules.power_whole(form, y_at(form, memory, word, e), a_at(form, memory, word, e), numbers[0])
    elif operation == EXP:
        for e in range(begin, end):
            rules.exp(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == LOG:
        for e in range(begin, end):
            rules.log(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == TANH:
        for e in range(begin, end):
            rules.tanh(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == SIGMOID:
        for e in range(begin, end):
            rules.sigmoid(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == SIN:
        for e in range(begin, end):
            rules.sin(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == COS:
        for e in range(begin, end):
            rules.cos(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == ERF:
        for e in range(begin, end):
            rules.erf(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == GELU:
        for e in range(begin, end):
            rules.gelu(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == RELU:
        for e in range(begin, end):
            rules.relu(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == ABS:
        for e in range(begin, end):
            rules.abs(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    elif operation == STEP:
        for e in range(begin, end):
            rules.step(form, y_at(form, memory, word, e), a_at(form, memory, word, e))
    else:
        return NO_BRANCH
    return FINE


@rule
def whole(form, memory, word):
    """An instruction that is not elementwise, on all its elements. Returns FINE or NO_BRANCH."""
    operation = word[OPERATION]
    if operation == EINSUM:
        einsum(rules.multiply_add, form, memory, word)
    elif operation == EINSUM_CONSTANT:
        einsum(rules.multiply_add_constant, form, memory, word)
    elif operation == SUM:
        sum_groups(form, memory, word)
    elif operation == MAX:
        max_groups(form, memory, word)
    elif operation == ONE_HOT_MAX:
        one_hot_groups(form, memory, word)
    elif operation == GATHER:
        gather(form, memory, word)
    elif operation == SCATTER:
        scatter(form, memory, word)
    else:
        return NO_BRANCH
    return FINE
