"""Functions of JAX as circuits: a function is traced, and its jaxpr is recorded equation by equation.

This is the one file that knows the types of a jaxpr, which come from jax.extend.core. What an equation
becomes is said in rules.py, moves.py and control.py. Values are wires, whole numbers that follow from data
(`Whole`), numbers that are known when a step is taken (`Late`), or arrays, with which JAX itself calculates
while the function is recorded.
"""
from dataclasses import replace
from os.path import dirname

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal
from jax.extend.source_info_util import summarize

from ...errors import CircuitError, InputError
from ...evaluate import evaluate
from ...gates.arithmetic import constant
from ...recording import Recorder
from ...wire import Wire, lifted
from .control import CONTROL
from .rules import FUNCTIONS, apply
from .values import Late, Whole

OLDEST = (0, 8)
"""The oldest version of JAX whose jaxprs are read here."""

SAME = 1e-9
"""Outputs that move by no more, in shares of the largest, do not depend on what was replaced."""

SCALES = (0.0, 0.1, 0.01)
"""How far from the parameters given, where much may cancel, outputs are compared; in 1 + |parameter|."""

INSIDE = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr",
          "remat2": "jaxpr", "checkpoint": "jaxpr", "custom_jvp_call": "call_jaxpr",
          "custom_vjp_call": "call_jaxpr", "custom_vjp_call_jaxpr": "fun_jaxpr"}
"""Calls of another jaxpr, and where it is."""


def check_version(version):
    """Raise InputError for a version of JAX that is too old."""
    if tuple(version[:2]) < OLDEST:
        raise InputError(f"JAX {'.'.join(map(str, version))} is too old: jaxprs are read from "
                         f"{'.'.join(map(str, OLDEST))} on: pip install --upgrade jax")


check_version(jax.__version_info__)


def double_precision():
    """A context in which JAX calculates in float64."""
    return jax.enable_x64(True)


def traced(function, leaves, dtypes=None):
    """The closed jaxpr of a function of several arrays that returns several, for arrays like the leaves."""
    dtypes = [x.dtype for x in leaves] if dtypes is None else dtypes
    like = [jax.ShapeDtypeStruct(x.shape, t) for x, t in zip(leaves, dtypes)]
    try:
        with double_precision():
            return jax.make_jaxpr(function)(*like)
    except TypeError as error:
        raise CircuitError("JAX cannot trace the function in double precision (modules may need "
                           f"param_dtype=float64): {error}") from error


def where(equation):
    """The line of the user's code that an equation comes from."""
    return summarize(equation.source_info)


def opened(called):
    """(jaxpr, constants) of a jaxpr, closed or not."""
    return (called.jaxpr, called.consts) if isinstance(called, ClosedJaxpr) else (called, [])


def called(equation):
    """(jaxpr, constants) of the function that an equation calls."""
    return opened(equation.params[INSIDE[equation.primitive.name]])


def definition(equation):
    """(name, file and line) of the function that an equation calls."""
    name, _, file = (called(equation)[0].debug_info.func_src_info or "").partition(" at ")
    return name, file


def of_jax(equation):
    """Whether the function that an equation calls is JAX's own."""
    return definition(equation)[1].startswith(dirname(jax.__file__))


def equations(jaxpr):
    """Yield all equations of a jaxpr, and of those within it."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            for part in value if isinstance(value, (tuple, list)) else (value,):
                if hasattr(part, "eqns"):
                    yield from equations(opened(part)[0])


def live(jaxpr, needed):
    """For each equation, which of its outputs are needed for those that are needed of the jaxpr."""
    used = {x for x, need in zip(jaxpr.outvars, needed) if need and not isinstance(x, Literal)}
    result = []
    for equation in reversed(jaxpr.eqns):
        result.append([x in used for x in equation.outvars])
        if any(result[-1]):
            used.update(x for x in equation.invars if not isinstance(x, Literal))
    return result[::-1]


class Placed(CircuitError):
    """An error that names the primitive and the line of the user's code."""


class Unplaced(Exception):
    """An error at an equation without a line of its own: that of the call around it is named."""

    def __init__(self, name, error):
        self.name, self.error = name, error

    def placed(self, line):
        """The error with a line, if there is one."""
        return Placed(f"{self.name} at {line}: {self.error}") if line else self


class Reader:
    """Reads a jaxpr and records it.

    Attributes
    ----------
    recorder : Recorder
        What records the gates.
    parameters : set of int
        Numbers of the inputs by which the circuit may be differentiated.
    free : callable or None
        free(equation) -> whether the outputs do not depend on the value of this equation, which may then be
        a constant; None while that is being found out.
    numbers : sequence of Wire or None
        Inputs for numbers that are known when a step is taken.
    late : list of Late
        Those that became inputs, in order.
    """

    def __init__(self, recorder, parameters=(), free=None, numbers=()):
        self.recorder, self.parameters, self.free = recorder, set(parameters), free
        self.numbers, self.late = numbers, []
        self.added = {}      # id of an equation -> numbers of the zeros that were added to its values

    def run(self, jaxpr, constants, arguments, needed=None):
        """The values of a jaxpr's outputs; None for those that are not needed."""
        needed = [True] * len(jaxpr.outvars) if needed is None else needed
        values = dict(zip(jaxpr.constvars, constants)) | dict(zip(jaxpr.invars, arguments))

        def read(x):
            return np.asarray(x.val, x.aval.dtype) if isinstance(x, Literal) else values[x]

        for equation, outputs in zip(jaxpr.eqns, live(jaxpr, needed)):
            if any(outputs):
                results = self.results(equation, [read(x) for x in equation.invars], outputs)
                values.update(zip(equation.outvars, results))
        return [read(x) if need else None for x, need in zip(jaxpr.outvars, needed)]

    def results(self, equation, values, needed):
        """The values of an equation's outputs; an error names the line of the user's code."""
        name = equation.primitive.name
        try:
            if name in INSIDE:
                return self.call(equation, values, needed)
            if name in CONTROL:
                return CONTROL[name](self, equation, values, needed)
            if any(isinstance(x, (Wire, Whole, Late)) for x in values):
                result = apply(self, equation, values)
            else:
                result = equation.primitive.bind(*values, **equation.params)
        except Unplaced as error:
            raise error.placed(where(equation)) from None
        except InputError as error:
            if isinstance(error, Placed):
                raise
            raise Unplaced(name, error).placed(where(equation)) from None
        return result if equation.primitive.multiple_results else [result]

    @staticmethod
    def opened(called):
        """(jaxpr, constants) of a jaxpr that an equation holds."""
        return opened(called)

    def call(self, equation, values, needed):
        """The values of a function that is called: by its definition, whatever its derivative is."""
        own = FUNCTIONS.get(definition(equation)[0])
        if own is not None and of_jax(equation) and any(isinstance(x, Wire) for x in values):
            return [own(*values)]
        return self.run(*called(equation), values, needed)

    def moves(self, wire):
        """Whether a wire follows from the parameters."""
        stack, seen, first = [wire.index], set(), len(self.recorder.inputs)
        while stack:
            i = stack.pop()
            if i in self.parameters:
                return True
            if i >= first and i not in seen:
                seen.add(i)
                stack.extend(self.recorder.entries[i - first].inputs)
        return False

    def is_free(self, equation):
        """Whether the outputs do not depend on an equation's value; so it is while that is found out."""
        return self.free is None or self.free(equation)

    def open(self, equation, value):
        """The value of an equation that may turn out to be free: with zeros added, to be replaced."""
        if self.free is not None:
            return value
        zeros = self.recorder.record(constant, (), {"value": np.zeros(value.shape)})
        self.added.setdefault(id(equation), []).append(zeros.index)
        return value + zeros

    def number(self, late):
        """A wire for a number that is known when a step is taken: an input of the circuit. Without inputs,
        while it is being found out what is known, any wire of its shape."""
        if self.numbers is None:
            return lifted(np.ones(late.shape), self.recorder)
        if int(np.prod(late.shape)) != 1:
            raise CircuitError(f"an array {late.shape} that changes with the step is combined with the "
                               "parameters; single numbers may change, such as a learning rate")
        if not any(x is late for x in self.late):
            self.late.append(late)
        i = next(i for i, x in enumerate(self.late) if x is late)
        wire = self.numbers[i] if i < len(self.numbers) else lifted(1.0, self.recorder)
        return wire.reshape(late.shape)


# recording --------------------------------------------------------------------------------------------------

def recorded(closed, inputs, values, parameters):
    """The circuit of a closed jaxpr.

    `inputs` has an Input for each of its arguments, `values` arguments for which it has a value, to see what
    the outputs depend on, and `parameters` the numbers of the arguments that training moves.
    """
    def read(free):
        recorder = Recorder(inputs)
        reader = Reader(recorder, parameters, free)
        arguments = [Whole.given(x, v.aval.dtype) if x.kind == "integer" else x
                     for x, v in zip(recorder.wires, closed.jaxpr.invars)]
        with double_precision():
            outputs = reader.run(closed.jaxpr, closed.consts, arguments)
        return recorder.circuit([as_wire(x, recorder) for x in outputs]), reader.added

    try:
        circuit, added = read(None)
    except Unplaced as error:
        raise error.placed("an unknown line") from None
    if added:
        known = {key: stays(circuit, values, parameters, numbers) for key, numbers in added.items()}
        together = [i for key, numbers in added.items() if known[key] for i in numbers]
        if not stays(circuit, values, parameters, together):
            known = dict.fromkeys(known, False)
        circuit, _ = read(lambda equation: known[id(equation)])
    return circuit.pruned()


def as_wire(x, recorder):
    """A value as a wire of real numbers."""
    if isinstance(x, Whole):
        return x.real()
    return x if isinstance(x, Wire) else lifted(np.asarray(x, float), recorder)


def stays(circuit, values, parameters, numbers):
    """Whether a circuit's outputs stay as they are when some of its constants, all zero, are replaced."""
    rng, first, compared = np.random.default_rng(0), len(circuit.inputs), 0
    for scale in SCALES:
        here = [x + scale * (1.0 + np.abs(x)) * rng.normal(size=x.shape) if i in parameters else x
                for i, x in enumerate(values)]
        entries = list(circuit.entries)
        for i in numbers:
            entries[i - first] = replace(entries[i - first],
                                         parameters={"value": rng.normal(size=entries[i - first].shape)})
        try:
            before = evaluate(circuit, here)
            after = evaluate(replace(circuit, entries=tuple(entries)), here)
        except CircuitError:      # another point may do
            continue
        compared += scale > 0.0
        largest = max(np.abs(x).max(initial=0.0) for x in before)
        if any(np.abs(x - y).max(initial=0.0) > SAME * largest for x, y in zip(before, after)):
            return False
    return compared > 0
