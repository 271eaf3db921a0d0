"""Kernels: a rule applied to whole tensors, as the words of the tape say (tape.py names their columns).

Each kernel is compiled by itself, for one operation and one form of polynomials, and only if a program needs
it; the machine calls it by its address. Its arguments are the arrays of a block's memory, the word, the
instruction's constant parameters, and the rows begin..end that it works on (all, if it is not elementwise).
"""
from numba import config

from . import rules
from .tape import (A, A_PITCH, A_ROWS, A_STRIDE, B, B_ROWS, B_STRIDE, BATCH, BATCH_A, BATCH_B, BATCH_Y,
                   COLUMN_BLOCK, COLUMNS, COLUMNS_B, COLUMNS_Y, GROUPS, INNER, INNER_A, INNER_B, INNER_BLOCK,
                   LAST, LENGTH, LIMIT, LINES, LINES_A, LINES_Y, MEMBERS, PACKED, ROWS, TIGHT_B, TIGHT_Y, Y,
                   Y_MEMBERS, Y_ROWS)

if config.DISABLE_JIT:
    from .vectors.plain import (a_at, apply, at, b_at, behind, breadth, height, kernel, larger, panel_length,
                                panel_room, positive, product, room, rule, tile_room)
else:
    from .compiling import kernel
    from .vectors.elements import at, behind, panel_room, room, tile_room
    from .vectors.lanes import larger, positive, rule
    from .vectors.operations import a_at, apply, b_at, breadth, height, panel_length, product

PANEL = 128
"""Inner indices that `einsum_values` takes at once: eight columns of them fit into the nearest cache."""

TILE = 4
"""Lines of a product of constants that are calculated together: a number of b is loaded once for all."""


@kernel
def elementwise(form, operation, constants, coefficients, integers, tables, word, numbers, begin, end):
    """Rows begin..end of an elementwise instruction."""
    memory = constants, coefficients
    a_stride, b_stride, rows, length = word[A_STRIDE], word[B_STRIDE], word[ROWS], word[LENGTH]
    for row in range(begin, end):
        y, a, b = (word[Y] + tables[word[Y_ROWS] + row], word[A] + tables[word[A_ROWS] + row],
                   word[B] + tables[word[B_ROWS] + row])
        for i in range(length if row < rows - 1 else word[LAST]):
            apply(form, operation, at(form, memory, y + i), a_at(form, operation, memory, a + i * a_stride),
                  b_at(form, operation, memory, b + i * b_stride), numbers)
    return 0


@kernel
def scattered(form, operation, constants, coefficients, integers, tables, word, numbers, begin, end):
    """The same where the operands lie without order: a and b have a table of all elements."""
    memory, rows, length = (constants, coefficients), word[ROWS], word[LENGTH]
    for row in range(begin, end):
        y, a_table, b_table = (word[Y] + tables[word[Y_ROWS] + row], word[A_ROWS] + row * length,
                               word[B_ROWS] + row * length)
        for i in range(length if row < rows - 1 else word[LAST]):
            apply(form, operation, at(form, memory, y + i),
                  a_at(form, operation, memory, word[A] + tables[a_table + i]),
                  b_at(form, operation, memory, word[B] + tables[b_table + i]), numbers)
    return 0


# products ---------------------------------------------------------------------------------------------------

@kernel
def einsum(form, operation, constants, coefficients, integers, tables, word, numbers, begin, end):
    """y[batch, line, column] = sum over inner of a[batch, line, inner] b[batch, column, inner], lane by lane.

    A tile of lines and columns is calculated at once: its sums stay in registers, and what is loaded of a and
    b serves several of them. Columns and inner indices are taken in blocks, so that b stays in a cache, and
    the tile's lines of a are brought next to each other where they lie far apart (the panel).
    """
    memory, rooms = (constants, coefficients), (tile_room(form, operation), panel_room(form, operation))
    columns, inner, broad = word[COLUMNS], word[INNER], breadth(form, operation)
    for i in range(word[BATCH]):
        for first_column in range(0, columns, word[COLUMN_BLOCK]):
            last_column = min(first_column + word[COLUMN_BLOCK], columns)
            whole = last_column - (last_column - first_column) % broad
            for block in range(0, max(inner, 1), word[INNER_BLOCK]):
                end_of_block = min(block + word[INNER_BLOCK], inner)
                step = panel_length(form, operation) if word[PACKED] else word[INNER_BLOCK]
                for j in range(0, word[LINES], height(form, operation)):
                    for first in range(block, max(end_of_block, block + 1), step):
                        last = min(first + step, end_of_block)
                        if word[PACKED]:
                            pack(form, operation, memory, tables, word, (i, j, first, last), rooms[1])
                        for k in range(first_column, whole, broad):
                            product_tile(form, operation, memory, tables, word, (i, j, k, first, last), rooms,
                                         broad)
                        for k in range(whole, last_column):      # columns that are left over, one by one
                            product_tile(form, operation, memory, tables, word, (i, j, k, first, last), rooms,
                                         1)
    return 0


@rule
def a_index(tables, word, i, j, m):
    """The element of operand a in batch i, line j, with inner index m. Lines behind the last one are taken as
    the last one; what is calculated with them is not kept."""
    return (word[A] + tables[word[BATCH_A] + i] + tables[word[LINES_A] + min(j, word[LINES] - 1)]
            + tables[word[INNER_A] + m])


@rule
def pack(form, operation, memory, tables, word, at_panel, panel):
    """Bring a tile's lines of operand a next to each other, for inner indices first..last."""
    i, j, first, last = at_panel
    tall = height(form, operation)
    for m in range(first, last):
        for p in range(tall):
            rules.copy(form, at(form, panel, (m - first) * tall + p),
                       at(form, memory, a_index(tables, word, i, j + p, m)))


@rule
def product_tile(form, operation, memory, tables, word, at_tile, rooms, broad):
    """A tile of lines and of `broad` columns: the products of inner indices first..last are added."""
    i, j, k, first, last = at_tile
    (tile, panel), tall = rooms, height(form, operation)
    for p in range(tall):
        for q in range(broad):
            sums = at(form, tile, p * broad + q)
            if first == 0:
                rules.clear_lanes(form, sums)
            else:
                y = y_of(tables, word, i, min(j + p, word[LINES] - 1), k + q)
                rules.copy_lanes(form, sums, at(form, memory, y))
    b = word[B] + tables[word[BATCH_B] + i]
    for m in range(first, last):
        for p in range(tall):
            a_m = at(form, memory, a_index(tables, word, i, j + p, m))
            if word[PACKED]:
                a_m = at(form, panel, (m - first) * tall + p)
            for q in range(broad):
                product(form, operation, at(form, tile, p * broad + q), a_m,
                        b_at(form, operation, memory,
                             b + tables[word[INNER_B] + m] + tables[word[COLUMNS_B] + k + q]))
    for p in range(tall):
        for q in range(broad):
            if j + p < word[LINES]:
                rules.copy_lanes(form, at(form, memory, y_of(tables, word, i, j + p, k + q)),
                                 at(form, tile, p * broad + q))


@rule
def y_of(tables, word, i, j, k):
    """The element of the result in batch i, line j, column k."""
    return word[Y] + tables[word[BATCH_Y] + i] + tables[word[LINES_Y] + j] + tables[word[COLUMNS_Y] + k]


@kernel
def einsum_values(form, operation, constants, coefficients, integers, tables, word, numbers, begin, end):
    """The same of constant parts alone, for as many columns at a time as a form has lanes.

    The columns' numbers of b are first brought next to each other (the panel).
    """
    columns, inner, panel, tile = word[COLUMNS], word[INNER], room(form, PANEL), room(form, 1)
    for i in range(word[BATCH]):
        a_i, b_i = word[A] + tables[word[BATCH_A] + i], word[B] + tables[word[BATCH_B] + i]
        for k in range(0, columns, form.lanes):
            for first in range(0, max(inner, 1), PANEL):
                count = min(PANEL, inner - first)
                fill_panel(form, constants, tables, word, (b_i, k, first, count), panel)
                for j in range(0, word[LINES], TILE):
                    values_tile(form, constants, tables, word, (i, j, k, first, count, a_i), panel, tile)
    return 0


@rule
def fill_panel(form, constants, tables, word, at_panel, panel):
    """Some inner indices of as many columns as there are lanes; zeros where there are no more columns."""
    b_i, k, first, count = at_panel
    width = min(form.lanes, word[COLUMNS] - k)
    for m in range(count):
        b_m = b_i + tables[word[INNER_B] + first + m]
        if word[TIGHT_B] and width == form.lanes:
            copy_vector(form, panel, m, constants, b_m + tables[word[COLUMNS_B] + k])
        else:
            at(form, panel, m).constant = 0.0
            for c in range(width):
                panel[1][m * form.lanes + c] = constants[b_m + tables[word[COLUMNS_B] + k + c]]


@rule
def copy_vector(form, memory, element, numbers, first):
    """As many consecutive numbers as there are lanes, as an element of a memory."""
    at(form, memory, element).constant = at(form, (numbers, behind(numbers, first)), 0).constant


@rule
def values_tile(form, constants, tables, word, at_tile, panel, tile):
    """A tile of TILE lines and as many columns as there are lanes: the products with a panel are added."""
    i, j, k, first, count, a_i = at_tile
    last_line, width = word[LINES] - 1, min(form.lanes, word[COLUMNS] - k)
    lines = word[LINES_A]
    a0, a1 = a_i + tables[lines + j], a_i + tables[lines + min(j + 1, last_line)]
    a2, a3 = a_i + tables[lines + min(j + 2, last_line)], a_i + tables[lines + min(j + 3, last_line)]
    t0, t1, t2, t3 = (sums_so_far(form, constants, tables, word, (i, j, k, first, width), tile),
                      sums_so_far(form, constants, tables, word, (i, j + 1, k, first, width), tile),
                      sums_so_far(form, constants, tables, word, (i, j + 2, k, first, width), tile),
                      sums_so_far(form, constants, tables, word, (i, j + 3, k, first, width), tile))
    for m in range(count):
        b, inner = at(form, panel, m).constant, tables[word[INNER_A] + first + m]
        t0 = rules.fused(constants[a0 + inner], b, t0)
        t1 = rules.fused(constants[a1 + inner], b, t1)
        t2 = rules.fused(constants[a2 + inner], b, t2)
        t3 = rules.fused(constants[a3 + inner], b, t3)
    keep_sums(form, constants, tables, word, (i, j, k, width), t0, tile)
    keep_sums(form, constants, tables, word, (i, j + 1, k, width), t1, tile)
    keep_sums(form, constants, tables, word, (i, j + 2, k, width), t2, tile)
    keep_sums(form, constants, tables, word, (i, j + 3, k, width), t3, tile)


@rule
def sums_so_far(form, constants, tables, word, at_row, tile):
    """The sums of earlier panels in a line of a tile, or zeros."""
    i, j, k, first, width = at_row
    sums = at(form, tile, 0)
    sums.constant = 0.0
    if first > 0 and j < word[LINES]:
        for c in range(width):
            tile[1][c] = constants[y_of(tables, word, i, j, k + c)]
    return sums.constant


@rule
def keep_sums(form, constants, tables, word, at_row, sums, tile):
    """Write a line of a tile, if it is one of the result."""
    i, j, k, width = at_row
    if j < word[LINES] and word[TIGHT_Y] and width == form.lanes:
        at(form, (constants, behind(constants, y_of(tables, word, i, j, k))), 0).constant = sums
    elif j < word[LINES]:
        at(form, tile, 0).constant = sums
        for c in range(width):
            constants[y_of(tables, word, i, j, k + c)] = tile[1][c]


# groups and rows --------------------------------------------------------------------------------------------

@kernel
def sum_groups(form, operation, constants, coefficients, integers, tables, word, numbers, begin, end):
    """y_j = the sum of group j of a."""
    memory, sums = (constants, coefficients), room(form, 1)
    total = at(form, sums, 0)
    for j in range(word[GROUPS]):
        first = word[A] + tables[word[A_ROWS] + j]
        rules.clear(form, total)
        for i in range(word[LENGTH]):
            rules.accumulate(form, total, at(form, memory, first + tables[word[MEMBERS] + i]))
        rules.copy(form, at(form, memory, word[Y] + j), total)
    return 0


@rule
def winner(constants, tables, word, j):
    """The first member of group j with the largest constant part."""
    first, members, best = word[A] + tables[word[A_ROWS] + j], word[MEMBERS], 0
    for i in range(1, word[LENGTH]):
        if constants[first + tables[members + i]] > constants[first + tables[members + best]]:
            best = i
    return best


@kernel
def max_groups(form, operation, constants, coefficients, integers, tables, word, numbers, begin, end):
    """y_j = the largest element of group j of a, by the constant part."""
    memory = constants, coefficients
    for j in range(word[GROUPS]):
        y, first = at(form, memory, word[Y] + j), word[A] + tables[word[A_ROWS] + j]
        if form.shared:
            best = winner(constants, tables, word, j)
            rules.copy(form, y, at(form, memory, first + tables[word[MEMBERS] + best]))
        else:      # each lane has its own
            y.constant = at(form, memory, first + tables[word[MEMBERS]]).constant
            for i in range(1, word[LENGTH]):
                y.constant = larger(y.constant, at(form, memory, first + tables[word[MEMBERS] + i]).constant)
    return 0


@kernel
def one_hot_groups(form, operation, constants, coefficients, integers, tables, word, numbers, begin, end):
    """1 at the first largest element of each group of a, else 0; a constant."""
    memory = constants, coefficients
    for j in range(word[GROUPS]):
        first, result = word[A] + tables[word[A_ROWS] + j], word[Y] + tables[word[Y_ROWS] + j]
        for i in range(word[LENGTH]):
            here = at(form, memory, first + tables[word[MEMBERS] + i]).constant
            y = at(form, memory, result + tables[word[Y_MEMBERS] + i])
            y.constant = 1.0
            for other in range(word[LENGTH]):
                ahead = at(form, memory, first + tables[word[MEMBERS] + other]).constant - here
                y.constant = y.constant * (1.0 - positive(ahead))
                if other < i:      # an equal one before it wins
                    y.constant = y.constant * positive(0.0 - ahead)
    return 0


@kernel
def gather(form, operation, constants, coefficients, integers, tables, word, numbers, begin, end):
    """y = rows of a, chosen by whole numbers."""
    memory, length = (constants, coefficients), word[LENGTH]
    for j in range(word[LINES]):
        row = word[A] + integers[word[B] + tables[word[B_ROWS] + j]] * word[A_PITCH]
        for i in range(length):
            rules.copy(form, at(form, memory, word[Y] + j * length + i),
                       at(form, memory, row + i * word[A_STRIDE]))
    return 0


@kernel
def scatter(form, operation, constants, coefficients, integers, tables, word, numbers, begin, end):
    """y = 0, then rows of a added where the whole numbers say."""
    memory, length = (constants, coefficients), word[LENGTH]
    for e in range(word[LIMIT] * length):
        rules.clear(form, at(form, memory, word[Y] + e))
    for j in range(word[LINES]):
        row = word[Y] + integers[word[B] + tables[word[B_ROWS] + j]] * length
        for i in range(length):
            rules.accumulate(form, at(form, memory, row + i),
                             at(form, memory, word[A] + j * word[A_PITCH] + i * word[A_STRIDE]))
    return 0


KERNELS = {"einsum": einsum, "einsum_constant": einsum, "einsum_values": einsum_values, "sum": sum_groups,
           "max": max_groups, "one_hot_max": one_hot_groups, "gather": gather, "scatter": scatter}
"""The kernels of operations that are not elementwise."""
