"""The machine: it runs programs on a block's memory, without Python and without its global lock.

`repeat` is the one function that Python calls. For each step it loads what the step needs - data, example
weights, stored states -, executes the step's program, whose own last instructions feed the state back, and
writes out what is to be kept. It is the same for all forms of polynomials, because it calls the kernels by
their addresses. A plain evaluation is one step that loads nothing.
"""
from typing import NamedTuple

import numpy as np
from numba import config

from .compiling import compiled
from .tape import (A, A_ROWS, A_STRIDE, B, B_ROWS, CONDITIONS, COUNT, EINSUM, FINE, FINITE_INPUT, GATHER,
                   GROUPS, LAST, LENGTH, LIMIT, LINES, MEMBER_COUNT, MEMBERS, MOVING_A, MOVING_Y, NO_ROW,
                   NO_TIE, NOT_FINITE, NOT_NEGATIVE, NOT_ZERO, OPERATION, OUTSIDE, ROWS, SCATTER, SCATTERED,
                   STRIP, WIDTH, Y, Y_ROWS, Memory)

if config.DISABLE_JIT:
    from .vectors.plain import Sources, behind, call, copy, pointers, rule, ticks
else:
    from .vectors.elements import behind, call, copy, pointers
    from .vectors.lanes import Sources, rule, ticks

# Columns of a program: its instructions FIRST..BEHIND; where its data go and how many they are. The state,
# the inputs from stored states (STORED) and the outputs written out at each step (WRITTEN) are ranges of
# elements. WEIGHTS_MOVING and STORED_MOVING say whether these elements differ from lane to lane.
(FIRST, BEHIND, REALS, REAL_COUNT, INTEGERS, INTEGER_COUNT, WEIGHTS, WEIGHT_COUNT, WEIGHTS_MOVING, STATE,
 STATE_COUNT, STORED, STORED_COUNT, STORED_MOVING, WRITTEN, WRITTEN_COUNT) = range(16)
PROGRAM_WIDTH = 16
# Columns of a step: which program, and where its data start.
PROGRAM, REAL_START, INTEGER_START, WEIGHT_START = range(4)
STEP_WIDTH = 4
# Columns of a task: steps BEGIN..END, the last one first if BACKWARDS; CLOSELY, whether the result of every
# instruction is checked, not only what could hide an error; TIMED, whether times are measured. Of the form:
# SHARED, whether lanes share the constant parts; LANE_WIDTH, how many numbers of an element differ from lane
# to lane; ORDER_WIDTH, how many of these are of order 1. FIRST_RECORD is the step of the first record, and
# the last three are how many numbers are saved, read and written at each step (0: none).
(BEGIN, END, BACKWARDS, CLOSELY, TIMED, SHARED, LANE_WIDTH, ORDER_WIDTH, FIRST_RECORD, SAVED_WIDTH,
 READ_WIDTH, WRITTEN_WIDTH) = range(12)


class StepTable(NamedTuple):
    """The steps that are run, and their data.

    programs   (programs * PROGRAM_WIDTH,) int64: see the columns above
    steps      (steps * STEP_WIDTH,) int64: see the columns above
    reals      float64: the real data of all steps, end to end
    wholes     int64: their whole numbers
    examples   int64: the numbers of the examples whose weights enter
    """
    programs: np.ndarray
    steps: np.ndarray
    reals: np.ndarray
    wholes: np.ndarray
    examples: np.ndarray


class Weights(NamedTuple):
    """The example weights of a block: linear polynomials, or one number per lane.

    constants   (examples,) float64: the parts that all lanes share; unused where lanes do not share them
    lines       (examples * order width,) float64: what multiplies t, or each lane's own weight
    """
    constants: np.ndarray
    lines: np.ndarray


class Records(NamedTuple):
    """Stored states and outputs of a run: one row per step.

    Attributes
    ----------
    first : int
        The number of the step to which row 0 belongs.
    saved : np.ndarray, optional
        Filled by the run: the state before each step, (steps, `Recurrence.record`).
    read : np.ndarray, optional
        What the inputs from stored states are at each step: rows that another run has saved.
    written : np.ndarray, optional
        Filled by the run: the outputs of each step behind its state.

    Examples
    --------
    x <- x + 0.1 w x three times, keeping the state before each step; then the same steps, the last one first,
    for the derivatives of x_3 in x_0 and in each w:

    >>> import numpy as np
    >>> from circuit import real, record
    >>> from taylor import Records, Recurrence, Step
    >>> forth = record(lambda x, w: x + 0.1 * w.sum() * x, real(), real(1))
    >>> back = record(lambda a, x, w: (a + 0.1 * w.sum() * a, 0.1 * a * x), real(), real(), real(1))
    >>> steps = [Step(0, np.array([i]), ()) for i in range(3)]
    >>> recurrence = Recurrence([forth], steps, states=1, degree=0)
    >>> states = np.zeros((3, recurrence.record))
    >>> recurrence.block([1.0], np.ones(3)).run(0, 3, records=Records(saved=states))
    >>> backward = Recurrence([back], steps, states=1, degree=0, stored=1, writes=True)
    >>> block, slopes = backward.block([1.0], np.ones(3)), np.zeros((3, 1))
    >>> block.run(0, 3, backwards=True, records=Records(read=states, written=slopes))
    >>> block.constant(0).round(4).tolist(), slopes[:, 0].round(4).tolist()
    ([1.331], [0.121, 0.121, 0.121])
    """
    first: int = 0
    saved: np.ndarray = None
    read: np.ndarray = None
    written: np.ndarray = None


class Arrays(NamedTuple):
    """All arrays of a run, flat: those of Memory, Weights, StepTable and Records, and

    functions   the address of each instruction's kernel
    tape        (instructions * WIDTH,) int64
    clock       (operations,) int64, to which each operation's time is added
    """
    constants: np.ndarray
    coefficients: np.ndarray
    integers: np.ndarray
    tables: np.ndarray
    numbers: np.ndarray
    weight_constants: np.ndarray
    weight_lines: np.ndarray
    programs: np.ndarray
    steps: np.ndarray
    reals: np.ndarray
    wholes: np.ndarray
    examples: np.ndarray
    saved: np.ndarray
    read: np.ndarray
    written: np.ndarray
    functions: np.ndarray
    tape: np.ndarray
    clock: np.ndarray


# checks -----------------------------------------------------------------------------------------------------

@rule
def unfit(numbers, first, count, conditions):
    """Whether one of some consecutive numbers does not meet the conditions."""
    bad = 0
    for i in range(first, first + count):      # without a branch, so that it becomes vector instructions
        x = numbers[i]
        bad |= ((x - x != 0.0) | ((x == 0.0) & (conditions & NOT_ZERO != 0))
                | ((x < 0.0) & (conditions & NOT_NEGATIVE != 0)))
    return bad != 0


@rule
def bad_operand(task, arrays, word, begin, end):
    """The first element of operand a, in rows begin..end, that does not meet the conditions; or -1."""
    lanes = word[MOVING_A] and not task[SHARED]
    numbers, each = (arrays.coefficients, task[LANE_WIDTH]) if lanes else (arrays.constants, 1)
    for row in range(begin, end):
        first, stride = word[A] + arrays.tables[word[A_ROWS] + row], word[A_STRIDE]
        length = word[LENGTH] if row < word[ROWS] - 1 else word[LAST]
        if stride == 1 and not unfit(numbers, first * each, length * each, word[CONDITIONS]):
            continue
        for i in range(length):
            element = first + i * stride
            if stride == SCATTERED:
                element = word[A] + arrays.tables[word[A_ROWS] + row * word[LENGTH] + i]
            if unfit(numbers, element * each, each, word[CONDITIONS]):
                return row * word[LENGTH] + i
    return -1


@rule
def bad_result(task, arrays, word, begin, end):
    """The first element of the result, in rows begin..end or of all, that is not finite; or -1."""
    width = task[LANE_WIDTH] if word[MOVING_Y] else 0
    in_rows = word[OPERATION] < EINSUM
    for row in range(begin, end if in_rows else begin + 1):
        first, length = word[Y], word[COUNT]
        if in_rows:
            first += arrays.tables[word[Y_ROWS] + row]
            length = word[LENGTH] if row < word[ROWS] - 1 else word[LAST]
        for i in range(length):
            if ((task[SHARED] or not width) and unfit(arrays.constants, first + i, 1, FINITE_INPUT)
                    or unfit(arrays.coefficients, (first + i) * width, width, FINITE_INPUT)):
                return row * word[LENGTH] + i if in_rows else i
    return -1


@rule
def tie(arrays, word):
    """The first group of elements whose largest constant part occurs twice, or -1."""
    for j in range(word[GROUPS]):
        first, best, twice = word[A] + arrays.tables[word[A_ROWS] + j], -np.inf, False
        for i in range(word[LENGTH]):
            x = arrays.constants[first + arrays.tables[word[MEMBERS] + i]]
            twice = x == best or (twice and x <= best)
            best = max(x, best)
        if twice:
            return j
    return -1


@rule
def missing_row(arrays, word):
    """The first position whose id is not a row of the table, or -1."""
    for j in range(word[LINES]):
        if not 0 <= arrays.integers[word[B] + arrays.tables[word[B_ROWS] + j]] < word[LIMIT]:
            return j
    return -1


@rule
def bad_member(task, arrays, word):
    """The first group of elements of which one is not finite, or -1."""
    lanes = word[MOVING_A] and not task[SHARED]
    numbers, each = (arrays.coefficients, task[LANE_WIDTH]) if lanes else (arrays.constants, 1)
    for j in range(word[GROUPS]):
        first = word[A] + arrays.tables[word[A_ROWS] + j]
        for i in range(word[LENGTH]):
            if unfit(numbers, (first + arrays.tables[word[MEMBERS] + i]) * each, each, FINITE_INPUT):
                return j
    return -1


@rule
def checked(task, arrays, word, begin, end):
    """(what is wrong with an instruction's operands, the element)"""
    if word[OPERATION] == GATHER or word[OPERATION] == SCATTER:
        element, wrong = missing_row(arrays, word), NO_ROW
    elif word[CONDITIONS] == 0:
        return FINE, 0
    elif word[OPERATION] >= EINSUM:      # max and one_hot_max
        element, wrong = bad_member(task, arrays, word), OUTSIDE
        if element < 0 and word[CONDITIONS] & NO_TIE:
            element = tie(arrays, word)
    else:
        element, wrong = bad_operand(task, arrays, word, begin, end), OUTSIDE
    return (wrong, element) if element >= 0 else (FINE, 0)


# running ----------------------------------------------------------------------------------------------------

@rule
def instruction(task, arrays, j, begin, end):
    """Rows begin..end of instruction j. Returns (what is wrong, element)."""
    word = behind(arrays.tape, j * WIDTH)
    wrong, element = checked(task, arrays, word, begin, end)
    if wrong:
        return wrong, element
    call(arrays.functions[j], arrays.constants, arrays.coefficients, arrays.integers, arrays.tables, word,
         behind(arrays.numbers, 2 * j), begin, end)
    if task[CLOSELY]:
        element = bad_result(task, arrays, word, begin, end)
        if element >= 0:
            return NOT_FINITE, element
    return FINE, 0


@rule
def run_tape(task, arrays, first, last):
    """Instructions first..last (exclusive). Those of a strip run together, row by row, so that intermediate
    results stay in the nearest cache. Returns (what is wrong, instruction, element)."""
    i = first
    while i < last:
        head = behind(arrays.tape, i * WIDTH)
        begin_member, end_member, height = i, i + 1, head[ROWS]
        if head[OPERATION] == STRIP:
            begin_member, end_member, height = i + 1, i + 1 + head[MEMBER_COUNT], 1
        for row in range(0, head[ROWS], height):
            for j in range(begin_member, end_member):
                start = ticks() if task[TIMED] else 0
                wrong, element = instruction(task, arrays, j, row, row + height)
                if wrong:
                    return wrong, j, element
                if task[TIMED]:
                    arrays.clock[arrays.tape[j * WIDTH + OPERATION]] += ticks() - start
        i = end_member
    return FINE, 0, 0


@rule
def load(task, arrays, program, step):
    """Load the data of one step: real numbers, whole numbers, and example weights, each 1 - h_0 - t psi."""
    copy(arrays.constants, program[REALS], arrays.reals, step[REAL_START], program[REAL_COUNT])
    copy(arrays.integers, program[INTEGERS], arrays.wholes, step[INTEGER_START], program[INTEGER_COUNT])
    width, order = task[LANE_WIDTH], task[ORDER_WIDTH]
    for i in range(program[WEIGHT_COUNT]):
        example, element = arrays.examples[step[WEIGHT_START] + i], program[WEIGHTS] + i
        arrays.constants[element] = arrays.weight_constants[example]
        if program[WEIGHTS_MOVING]:
            # higher orders stay zero: nothing else writes an input
            copy(arrays.coefficients, element * width, arrays.weight_lines, example * order, order)


@rule
def save(task, arrays, first, count, records, start):
    """Copy elements first..first + count to records: the constant parts, where lanes share them, then the
    lanes."""
    shared, width = count if task[SHARED] else 0, task[LANE_WIDTH]
    copy(records, start, arrays.constants, first, shared)
    copy(records, start + shared, arrays.coefficients, first * width, count * width)


@rule
def read(task, arrays, program, start):
    """Copy what `save` made to the inputs that come from stored states."""
    first, count, moving = program[STORED], program[STORED_COUNT], program[STORED_MOVING]
    shared = count if task[SHARED] or not moving else 0
    width = task[LANE_WIDTH] if moving else 0
    copy(arrays.constants, first, arrays.read, start, shared)
    copy(arrays.coefficients, first * width, arrays.read, start + shared, count * width)


@compiled(None, error_model="numpy", _nrt=False)
def repeat(sources, task, arrays):
    """Run the steps that a task names.

    sources  Sources
    task     (12,) int64: see the columns above
    arrays   Arrays

    Returns (what is wrong, step, instruction, element): all zero, or where the first error is.
    """
    task, arrays = pointers(task), pointers(arrays)
    for k in range(task[BEGIN], task[END]):
        s = task[BEGIN] + task[END] - 1 - k if task[BACKWARDS] else k
        step = behind(arrays.steps, s * STEP_WIDTH)
        program, row = behind(arrays.programs, step[PROGRAM] * PROGRAM_WIDTH), s - task[FIRST_RECORD]
        if task[SAVED_WIDTH]:
            save(task, arrays, program[STATE], program[STATE_COUNT], arrays.saved, row * task[SAVED_WIDTH])
        if task[READ_WIDTH]:
            read(task, arrays, program, row * task[READ_WIDTH])
        load(task, arrays, program, step)
        wrong, i, element = run_tape(task, arrays, program[FIRST], program[BEHIND])
        if wrong:
            return wrong, s, i, element
        if task[WRITTEN_WIDTH]:
            save(task, arrays, program[WRITTEN], program[WRITTEN_COUNT], arrays.written,
                 row * task[WRITTEN_WIDTH])
    return FINE, 0, 0, 0


NOTHING, NO_NUMBERS = np.zeros(0, np.int64), np.zeros(0)
NO_WEIGHTS, NO_RECORDS = Weights(NO_NUMBERS, NO_NUMBERS), Records()


def run(program, functions, memory, schedule, steps, *, weights=NO_WEIGHTS, records=NO_RECORDS,
        backwards=False, closely=False, clock=NOTHING):
    """Run steps (begin, end) of a schedule on a block's memory; returns what `repeat` does."""
    widths = [0 if x is None else x.shape[1] for x in records[1:]]
    task = [*steps, backwards, closely, len(clock) > 0, *program.form.layout, records.first, *widths]
    numbers = [NO_NUMBERS if x is None else x.reshape(-1) for x in records[1:]]
    memory = Memory(*memory)._replace(numbers=memory.numbers.reshape(-1))
    arrays = Arrays(*memory, *weights, *schedule, *numbers, functions, program.tape.reshape(-1), clock)
    return repeat(Sources(), np.array(task, np.int64), arrays)


WHOLE = {"integers", "tables", "programs", "steps", "wholes", "examples", "functions", "tape", "clock"}
"""Names of arrays of whole numbers."""


def ready():
    """Compile `repeat`, or load it from disk, by a call of no steps."""
    arrays = {name: NOTHING if name in WHOLE else NO_NUMBERS for name in Arrays._fields}
    repeat(Sources(), np.zeros(WRITTEN_WIDTH + 1, np.int64), Arrays(**arrays))
