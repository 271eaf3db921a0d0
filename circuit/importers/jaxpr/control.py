"""Loops and conditions: the primitives of JAX that hold jaxprs. Loops are unrolled."""
import jax.numpy as jnp
import numpy as np

from ...errors import CircuitError
from ...functions import stack
from ...wire import Wire
from .rules import number, selected
from .values import Late, Whole

LARGEST_LOOP = 50_000
"""How many equations an unrolled loop may have in all: it is recorded in seconds and compiled in minutes."""


def of_size(jaxpr, turns):
    """Refuse a loop that would become too long a circuit."""
    if len(jaxpr.eqns) * turns > LARGEST_LOOP:
        raise CircuitError(f"a loop of {turns:,} turns of {len(jaxpr.eqns)} equations: unrolled, it may "
                           f"have {LARGEST_LOOP:,} in all. Use fewer turns")


def scanned(reader, equation, values, needed):
    """A scan, turn by turn."""
    p = equation.params
    jaxpr, constants = reader.opened(p["jaxpr"])
    of_size(jaxpr, p["length"])
    fixed, rest = values[:p["num_consts"]], values[p["num_consts"]:]
    carry, columns, rows = rest[:p["num_carry"]], rest[p["num_carry"]:], []
    for i in range(p["length"])[::-1 if p["reverse"] else 1]:
        outputs = reader.run(jaxpr, constants, [*fixed, *carry, *[row(x, i) for x in columns]])
        carry = outputs[:p["num_carry"]]
        rows.append(outputs[p["num_carry"]:])
    rows = rows[::-1] if p["reverse"] else rows
    avals = [x.aval for x in equation.outvars[p["num_carry"]:]]
    return [*carry, *[stacked(column, aval) for column, aval in zip(zip(*rows) if rows else avals, avals)]]


def row(x, i):
    if isinstance(x, Late):
        return Late(x.shape[1:], lambda array: array[i], [x])
    return x.moved(lambda y: y[i]) if isinstance(x, Whole) else x[i]


def stacked(column, aval):
    """The rows that a scan collects, as one tensor."""
    if not aval.shape[0]:
        return np.zeros(aval.shape, aval.dtype)
    if not any(isinstance(x, (Wire, Whole, Late)) for x in column):
        return np.stack(column)
    if any(isinstance(x, Late) for x in column):
        return Late(aval.shape, lambda *rows: jnp.stack(rows), column)
    return stack([x.real() if isinstance(x, Whole) else number(x) for x in column])


def repeated(reader, equation, values, needed):
    """A while loop whose condition follows from no wire."""
    p = equation.params
    asked, asked_constants = reader.opened(p["cond_jaxpr"])
    body, constants = reader.opened(p["body_jaxpr"])
    of_condition, fixed = values[:p["cond_nconsts"]], values[p["cond_nconsts"]:][:p["body_nconsts"]]
    carry, turns = values[p["cond_nconsts"] + p["body_nconsts"]:], 0
    while True:
        go_on, = reader.run(asked, asked_constants, [*of_condition, *carry])
        if isinstance(go_on, (Wire, Whole, Late)):
            raise CircuitError("the number of turns of a while loop depends on parameters or data: use a "
                               "fixed number (fori_loop, scan)")
        if not go_on:
            return carry
        turns += 1
        of_size(body, turns)
        carry = reader.run(body, constants, [*fixed, *carry])


def branched(reader, equation, values, needed):
    """A condition: the branch if it is known now, else all branches, of which one is selected."""
    which, *arguments = values
    branches = [reader.opened(x) for x in equation.params["branches"]]
    if not isinstance(which, (Wire, Whole, Late)):
        return reader.run(*branches[int(np.clip(which, 0, len(branches) - 1))], arguments, needed)
    outcomes = [reader.run(*branch, arguments, needed) for branch in branches]
    return [chosen(reader, equation, which, cases, x.aval) if need else None
            for need, cases, x in zip(needed, zip(*outcomes), equation.outvars)]


def chosen(reader, equation, which, cases, aval):
    """One of several values."""
    if not any(isinstance(x, (Wire, Whole)) for x in (which, *cases)):
        return Late(aval.shape, lambda k, *arrays: jnp.stack(arrays)[k], (which, *cases))
    which, *cases = [reader.number(x) if isinstance(x, Late) else x for x in (which, *cases)]
    return selected(reader, equation, which, *[x if isinstance(x, (Wire, Whole)) else np.asarray(x)
                                               for x in cases])


CONTROL = {"scan": scanned, "while": repeated, "cond": branched}
"""Primitives that hold jaxprs: rule(reader, equation, values, needed) -> values."""
