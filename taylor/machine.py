"""The machine: it runs programs on a block's memory, without Python and without its global lock.

`repeat` is the one function that Python calls. For each step it loads the step's data and example weights and
executes a program, whose own last instructions feed the state back. A plain evaluation is one step that loads
nothing.
"""
from typing import NamedTuple

import numpy as np
from numba import config

from .compiling import compiled
from .kernels import (ACTIVE, CHUNK, COUNT, EINSUM, FINE, LENGTH, LIMIT, NO_ROW, NOT_FINITE, OPERATION,
                      OUTSIDE, SCATTER, STRIP, WIDTH, Memory, elementwise, missing_row, not_finite,
                      outside_domain, whole)

if config.DISABLE_JIT:
    from .plain import Form, at, rule, ticks, zero
else:
    from .elements import at
    from .lanes import Form, rule, ticks, zero

# Columns of a program: its instructions FIRST..LAST; where its data go and how many they are.
FIRST, LAST, REALS, REAL_COUNT, INTEGERS, INTEGER_COUNT, WEIGHTS, WEIGHT_COUNT = range(8)
# Columns of a step: which program, and where its data start.
PROGRAM, REAL_START, INTEGER_START, WEIGHT_START = range(4)


class Forms(NamedTuple):
    """The three forms that a block needs: its own, that of constants, and that of example weights, which are
    linear in t."""
    block: Form
    constant: Form
    linear: Form

    @classmethod
    def of(cls, degree, lanes, shared=True):
        """Those of a block of this degree."""
        return cls(Form(degree, lanes, shared), Form(0, lanes, shared), Form(min(degree, 1), lanes, shared))


class StepTable(NamedTuple):
    """The steps that are run, and their data.

    programs   (programs, 8) int64: see the columns above
    steps      (steps, 4) int64: see the columns above
    reals      float64: the real data of all steps, end to end
    integers   int64: their whole numbers
    weights    int64: the numbers of the examples whose weights enter
    """
    programs: np.ndarray
    steps: np.ndarray
    reals: np.ndarray
    integers: np.ndarray
    weights: np.ndarray


@rule
def instruction(form, memory, word, numbers, begin, end, look_closely):
    """One instruction with its checks: elements begin..end if it is elementwise, otherwise all."""
    element = missing_row(memory, word)
    if element >= 0:
        return NO_ROW, element
    element = outside_domain(form, memory, word, begin, end)
    if element >= 0:
        return OUTSIDE, element
    if word[OPERATION] >= EINSUM:
        wrong = whole(form, memory, word)
        end = word[LIMIT] * word[LENGTH] if word[OPERATION] == SCATTER else word[COUNT]
    else:
        wrong = elementwise(form, memory, word, numbers, begin, end)
    if wrong:
        return wrong, 0
    element = not_finite(form, memory, word, begin, end, look_closely)
    return (NOT_FINITE if element >= 0 else FINE), max(element, 0)


@rule
def dispatch(forms, memory, word, numbers, begin, end, look_closely):
    """One instruction in the block's form or, where only constants are involved, in degree 0."""
    if word[ACTIVE]:
        return instruction(forms.block, memory, word, numbers, begin, end, look_closely)
    return instruction(forms.constant, memory, word, numbers, begin, end, look_closely)


@rule
def tape_between(forms, memory, tape, first, last, look_closely, clock):
    """Instructions first..last (exclusive). The elementwise instructions of a strip run together, one chunk
    of elements at a time, so that intermediate results stay in the nearest cache."""
    i = first
    while i < last:
        head = tape[i]
        begin_member, end_member, chunk = i, i + 1, head[COUNT] + 1
        if head[OPERATION] == STRIP:
            begin_member, end_member, chunk = i + 1, i + 1 + head[LENGTH], head[CHUNK]
        for begin in range(0, head[COUNT], chunk):
            end = min(begin + chunk, head[COUNT])
            for j in range(begin_member, end_member):
                start = ticks() if len(clock) else 0
                wrong, element = dispatch(forms, memory, tape[j], memory.numbers[j], begin, end, look_closely)
                if len(clock):
                    clock[tape[j, OPERATION]] += ticks() - start
                if wrong:
                    return wrong, j, element
        i = end_member
    return FINE, 0, 0


@rule
def load(forms, memory, weights, schedule, step):
    """Load the data of one step: real numbers, whole numbers, and example weights, each 1 - h_0 - t psi."""
    program = schedule.programs[step[PROGRAM]]
    for i in range(program[REAL_COUNT]):
        x = at(forms.constant, memory, program[REALS] + i)
        x.constant = schedule.reals[step[REAL_START] + i]
    for i in range(program[INTEGER_COUNT]):
        memory.integers[program[INTEGERS] + i] = schedule.integers[step[INTEGER_START] + i]
    for i in range(program[WEIGHT_COUNT]):
        weight = at(forms.linear, weights, schedule.weights[step[WEIGHT_START] + i])
        u = at(forms.block, memory, program[WEIGHTS] + i)
        u.constant = weight.constant
        for r in range(1, forms.block.degree + 1):
            u[r] = zero(forms.block)
        if forms.block.degree > 0:
            u[1] = weight[1]


def described(forms, *others):
    """What is compiled for these types of `repeat`'s arguments, and how long that takes, in words."""
    form = forms[0]
    name = f"the kernels of degree {form.degree}" if form.shared else "the kernels of plain trainings"
    return name, "about half a minute"


@compiled(described, error_model="numpy", _nrt=False)
def repeat(forms, memory, weights, tape, schedule, begin, end, look_closely, clock):
    """Run steps begin..end (exclusive).

    memory        the block's Memory, which holds the state
    weights       a Memory of linear polynomials, one per example weight
    tape          (instructions, WIDTH) int64
    schedule      a StepTable
    look_closely  whether every order of every result is checked, not only its constant part
    clock         (operations,) int64, to which each operation's time is added; or empty

    Returns (what is wrong, step, instruction, element): all zero, or where the first error is.
    """
    for s in range(begin, end):
        load(forms, memory, weights, schedule, schedule.steps[s])
        program = schedule.programs[schedule.steps[s, PROGRAM]]
        wrong, i, element = tape_between(forms, memory, tape, program[FIRST], program[LAST], look_closely,
                                         clock)
        if wrong:
            return wrong, s, i, element
    return FINE, 0, 0, 0


NOTHING = np.zeros(0, np.int64)
NO_MEMORY = Memory(np.zeros(0), np.zeros(0), NOTHING, NOTHING, np.zeros((0, 2)))
"""An empty memory, of the same types as any other: other types would be compiled separately."""


def ready(forms):
    """Compile `repeat` for these forms, or load it from disk, by a call of no steps.

    It is called before a clock starts, and before several threads need the same kernels.
    """
    schedule = StepTable(np.zeros((0, 8), np.int64), np.zeros((0, 4), np.int64), np.zeros(0), NOTHING,
                         NOTHING)
    repeat(forms, NO_MEMORY, NO_MEMORY, np.zeros((0, WIDTH), np.int64), schedule, 0, 0, False, NOTHING)
