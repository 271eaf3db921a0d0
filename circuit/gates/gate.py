"""What a gate is, and the registry that lists them all.

A gate is one small record: its name, how many wires it reads, the shape it writes, its value on NumPy arrays,
and its vector-Jacobian product *written in gates*, so that a gradient is again a circuit. Calling a gate on
wires records it; calling it on arrays computes its value at once - the same function serves the recording and
the plain calculation.

Values are written for arrays whose *trailing* axes have the recorded shape: any leading axes are a batch and
pass through. They accept complex arrays too, where every branch goes by the real part.
"""
from dataclasses import dataclass
from typing import Callable, Optional

import numpy as np

from ..errors import CircuitError, DomainError, ShapeError

GATES = {}
"""Every gate by name: the closed set of operations a circuit may use."""


@dataclass(frozen=True, eq=False)
class Gate:
    """One operation of the circuit language.

    name      lower-case noun or verb of the field
    arity     number of input wires; None for any number
    shape     shape(*input_shapes, **parameters) -> output shape; raises ShapeError
    value     value(*arrays, **parameters) -> array
    vjp       vjp(g, y, *inputs, **parameters) -> one cotangent (or None) per input, for output y with
              cotangent g
    doc       value, derivative and Taylor recurrence
    kinds     'real': real wires in and out; 'moves': moves elements of any one kind; a tuple: the kind of
              each input
    domain    domain(x, **parameters) -> bool array, True where the gate is analytic at x; None: everywhere
    outside   what to say when the domain is left
    flops     plain float operations per output element (einsum and sum count their own way)
    """
    name: str
    arity: Optional[int]
    shape: Callable
    value: Callable
    vjp: Callable
    doc: str
    kinds: object = "real"
    domain: Optional[Callable] = None
    outside: str = ""
    flops: float = 1.0

    def __post_init__(self):
        if self.name in GATES:
            raise CircuitError(f"two gates named {self.name!r}")
        GATES[self.name] = self
        object.__setattr__(self, "__doc__", self.doc)      # what help() shows

    def __call__(self, *inputs, **parameters):
        recorder = next((x.recorder for x in inputs if hasattr(x, "recorder")), None)
        if recorder is None:
            return at_once(self, [plain_array(x) for x in inputs], parameters)
        return recorder.record(self, inputs, parameters)

    def __reduce__(self):
        return find_gate, (self.name,)

    def __repr__(self):
        return f"<gate {self.name}>"


def find_gate(name):
    """The gate of that name."""
    if name not in GATES:
        raise CircuitError(f"no gate is named {name!r}; the registry has: {', '.join(sorted(GATES))}")
    return GATES[name]


def plain_array(x):
    """x as an array of numbers."""
    try:
        array = np.asarray(x)
    except ValueError:
        raise ShapeError(f"rows of different lengths make no array: {x!r:.60}") from None
    if array.dtype.kind not in "biufc":
        raise CircuitError(f"expected numbers, got {array.dtype}: {x!r:.60}")
    return array


def at_once(gate, arrays, parameters):
    """The gate's value on plain arrays, under the same conditions as in a circuit: shapes that fit, and
    nothing but numbers."""
    wanted = gate.kinds if isinstance(gate.kinds, tuple) else ("real",) * len(arrays)
    kinds = ["integer" if want == "integer" and np.issubdtype(x.dtype, np.integer) else "real" for want,
             x in zip(wanted, arrays)]
    gate_result(gate, [x.shape for x in arrays], kinds, parameters)
    for x in arrays:
        if not np.isfinite(x).all():
            raise DomainError(f"gate {gate.name} is given {first_bad(x)}")
    with np.errstate(all="ignore"):      # whatever goes wrong is told below
        try:
            value = gate.value(*arrays, **parameters)
        except DomainError as error:
            raise DomainError(f"gate {gate.name}: {error}") from None
    if not np.isfinite(value).all():
        raise DomainError(
            f"gate {gate.name} gives {first_bad(value, arrays)}{'; ' + gate.outside if gate.outside else ''}")
    return value


def first_bad(value, inputs=()):
    """The first NaN or infinity, where it is, and the inputs there: 'inf at (1,) for 2000.0'."""
    at = tuple(np.argwhere(~np.isfinite(value))[0].tolist())
    seen = ", ".join(str(x[at]) for x in inputs if np.shape(x) == np.shape(value))
    return f"{np.asarray(value)[at]} at {at}" + (f" for {seen}" if seen else "")


def gate_result(gate, shapes, kinds, parameters):
    """(shape, kind) of what a gate writes, or an error that names the gate."""
    if gate.arity is not None and len(shapes) != gate.arity:
        raise ShapeError(f"gate {gate.name} reads {gate.arity} wires, not {len(shapes)}")
    if gate.kinds == "constant":
        kind = "integer" if np.issubdtype(parameters["value"].dtype, np.integer) else "real"
    elif gate.kinds == "moves":
        kind = kinds[0]
        if len(set(kinds)) != 1:
            raise ShapeError(f"gate {gate.name}: real and integer wires mixed")
    else:
        wanted = ("real",) * len(kinds) if gate.kinds == "real" else gate.kinds
        kind = "real"
        if tuple(kinds) != wanted:
            raise ShapeError(f"gate {gate.name} {misfit(kinds, wanted)}")
    try:
        return gate.shape(*shapes, **parameters), kind
    except ShapeError as error:
        raise ShapeError(f"gate {gate.name}: {error}") from None


def misfit(kinds, wanted):
    """What is wrong with the kinds of wires that a gate is given, and what to do."""
    if ("real", "integer") in zip(kinds, wanted):
        return "is given real numbers as ids: ids and class targets are whole numbers: give y.astype(int)"
    return ("is given whole numbers to calculate with: integer wires can be moved about and used as ids; "
            "give x.astype(float)")


def same_shape(first, *others, **parameters):
    """Shape rule of elementwise gates: all inputs alike."""
    for shape in others:
        if shape != first:
            raise ShapeError(f"shapes {first} and {shape} differ; broadcast one of them first")
    return first


def elementwise(name, value, vjp, doc, arity=1, **fields):
    """A gate that treats every element alike."""
    return Gate(name, arity, same_shape, value, vjp, doc, **fields)


def real_part(x):
    """The number a branch is chosen by: x itself, or its real part."""
    return np.real(x) if np.iscomplexobj(x) else np.asarray(x)
