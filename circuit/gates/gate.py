"""What a gate is, and the registry that lists all gates.

A gate is one record. It holds everything that the library needs to know about an operation: how many wires
it reads, the shape it writes, its value on NumPy arrays, its vector-Jacobian product *written in gates* (so
that a gradient is again a circuit), where it is analytic, how it branches, its Taylor rule and what that rule
costs. All other code reads these facts here. Calling a gate on wires records it; calling it on arrays
computes its value at once.

Values are written for arrays whose *trailing* axes have the recorded shape; any leading axes are a batch and
pass through. Values accept complex arrays too, and then every branch is chosen by the real part.
"""
import inspect
from dataclasses import dataclass
from enum import IntFlag
from math import prod
from typing import Callable, Optional, Union

import numpy as np

from ..errors import CircuitError, DomainError, ShapeError

GATES = {}
"""Every gate by name: the closed set of operations that a circuit may use."""


class Domain(IntFlag):
    """Conditions on the real constant part of a gate's input. The kernels of taylor/ test these bits."""
    EVERYWHERE = 0
    NOT_NEGATIVE = 1
    NOT_ZERO = 2
    POSITIVE = 3
    NO_TIE = 4


KINKS = {None: Domain.EVERYWHERE, "sign": Domain.NOT_ZERO, "winner": Domain.NO_TIE}
"""The kinds of branches, and where a gate with such a branch is analytic."""

BY_VALUE = "value"
"""How marks travel through sums, maxima and gates that move elements: by the gate's own value."""

MOVES, COMPOSED = "moves", "composed"
"""Taylor rules without an operation of the machine: elements are only rearranged, or taylor/lowering/gates.py
says how the gate follows from other operations."""

REQUIRED = {
    "marks": "marks(*marks, ids, **parameters) -> marks, or BY_VALUE",
    "taylor": "the name of the machine's operation, a tuple of such names, MOVES or COMPOSED",
    "cost": "cost(p, *moving, **parameters) -> operations per element; see circuit/gates/cost.py",
}
"""Lines that no gate may lack, and what they contain. Without one, the gate would silently be wrong."""


@dataclass(frozen=True, eq=False)
class Gate:
    """One operation of the circuit language: called on wires it is recorded, on arrays it is calculated.

    Attributes
    ----------
    name : str
        A lower-case noun or verb of the field.
    arity : int or None
        The number of input wires; None for any number.
    shape : callable
        shape(*input_shapes, **parameters) -> output shape; raises ShapeError.
    value : callable
        value(*arrays, **parameters) -> array.
    vjp : callable
        vjp(g, y, *inputs, **parameters) -> one cotangent (or None) per input, for output y with cotangent g.
    doc : str
        Value, derivative and Taylor recurrence in words; `help(gate)` shows it.
    marks : callable or "value"
        How marks travel (see circuit/analysis.py): marks(*marks, ids, **parameters) -> marks of the output.
        `ids` is the value of the last input, if that is whole numbers which no input decides, else None.
        "value": a mark arrives where the gate's value of the marks, taken as numbers, is positive.
    taylor : str or tuple of str
        The machine's operation (taylor/tape.py), or several of which taylor/lowering/gates.py chooses one;
        "moves" if the gate only rearranges elements; "composed" if other gates' operations serve.
    cost : callable
        cost(p, *moving, **parameters) -> useful operations of the Taylor rule per element and direction at
        degree p; `moving` says of each input whether it has coefficients.
    kinds : str or tuple of str
        "real": real wires in and out; "moves": moves elements of any one kind; "constant": as the constant
        is; a tuple: the kind of each input.
    domain : Domain or callable
        Where the gate has a value; or domain(**parameters) -> Domain.
    analytic : Domain, callable or None
        Where it has a Taylor series besides; None: wherever it has a value and its branch does not change.
    outside : str
        What to say where the domain is left.
    branch : {None, "sign", "winner"}
        What chooses its branch: nothing, the sign of the input, or its largest element along `axis`.
    jumps : bool
        Whether the result has no derivative: it is constant on each branch, or a constant on purpose.
    flops : float
        Plain operations per element.
    count : callable or None
        count(*input_shapes, **parameters) -> the number of elements that `flops` and `cost` are meant for;
        None: those of the output.

    Raises
    ------
    CircuitError
        For a name that is taken, or a declaration that lacks a line or contradicts itself.

    Examples
    --------
    >>> import circuit
    >>> circuit.relu
    <gate relu>
    >>> circuit.relu.branch, circuit.relu.taylor
    ('sign', 'relu')
    >>> float(circuit.exp(0.0))
    1.0
    """
    name: str
    arity: Optional[int]
    shape: Callable
    value: Callable
    vjp: Callable
    doc: str
    marks: Union[Callable, str, None] = None
    taylor: Union[str, tuple, None] = None
    cost: Optional[Callable] = None
    kinds: Union[str, tuple] = "real"
    domain: Union[Domain, Callable] = Domain.EVERYWHERE
    analytic: Union[Domain, Callable, None] = None
    outside: str = ""
    branch: Optional[str] = None
    jumps: bool = False
    flops: float = 1.0
    count: Optional[Callable] = None

    def __post_init__(self):
        if self.name in GATES:
            raise CircuitError(f"two gates named {self.name!r}")
        check_declaration(self)
        GATES[self.name] = self
        # what help() shows: the gate's own signature and text
        arguments = list(inspect.signature(self.vjp).parameters.values())[2:]
        object.__setattr__(self, "__signature__", inspect.Signature(arguments))
        object.__setattr__(self, "__name__", self.name)
        text = f"{self.name}{self.__signature__}\n\n{inspect.cleandoc(self.doc)}"
        object.__setattr__(self, "__doc__", text)

    def __call__(self, *inputs, **parameters):
        recorder = next((x.recorder for x in inputs if hasattr(x, "recorder")), None)
        if recorder is None:
            return at_once(self, [plain_array(x) for x in inputs], parameters)
        return recorder.record(self, inputs, parameters)

    def __reduce__(self):
        return find_gate, (self.name,)

    def __repr__(self):
        return f"<gate {self.name}>"

    @property
    def operations(self):
        """The machine's operations that only this gate needs, as a tuple of names."""
        if self.taylor in (MOVES, COMPOSED):
            return ()
        return (self.taylor,) if isinstance(self.taylor, str) else self.taylor

    @property
    def frozen(self):
        """Whether the result counts as a constant: no derivative, and no branch that could be crossed."""
        return self.jumps and self.branch is None

    def conditions(self, moving: bool, **parameters: object) -> Domain:
        """The domain that the input must lie in.

        Parameters
        ----------
        moving : bool
            Whether the input has coefficients: then the gate must be analytic there.
        **parameters : object
            The gate's constant parameters.

        Returns
        -------
        Domain
            The conditions, as bits.
        """
        declared = self.domain if self.analytic is None or not moving else self.analytic
        domain = declared(**parameters) if callable(declared) else declared
        return domain | KINKS[self.branch] if moving else domain

    def work(self, shape: tuple, inputs: list, parameters: dict) -> int:
        """How many elements `flops` and `cost` are meant for.

        Parameters
        ----------
        shape : tuple
            The output's shape.
        inputs : list of tuple
            The inputs' shapes.
        parameters : dict
            The gate's constant parameters.

        Returns
        -------
        int
            The number of elements.
        """
        return prod(shape) if self.count is None else self.count(*inputs, **parameters)


def check_declaration(gate):
    """Raise CircuitError, naming the line, if a gate's declaration lacks one or contradicts itself."""
    for line, content in REQUIRED.items():
        if getattr(gate, line) is None:
            raise CircuitError(f"gate {gate.name}: the line `{line}=` is missing: {content}")
    if gate.branch not in KINKS:
        raise CircuitError(f"gate {gate.name}: expected `branch=` None, 'sign' or 'winner', "
                           f"got {gate.branch!r}")
    if gate.branch is None and gate.domain == Domain.EVERYWHERE and gate.analytic is None:
        return
    if gate.arity != 1:
        raise CircuitError(f"gate {gate.name}: a domain or a branch is that of a gate with one input, and it "
                           f"has {gate.arity}")
    if not gate.outside:
        raise CircuitError(f"gate {gate.name}: the line `outside=` is missing: what to say to somebody who "
                           "leaves its domain, or meets its kink")


def find_gate(name: str) -> Gate:
    """The gate with a given name.

    Parameters
    ----------
    name : str
        A name in the registry, such as "exp".

    Returns
    -------
    Gate
        The gate.

    Raises
    ------
    CircuitError
        If no gate has this name; the message lists those there are.

    Examples
    --------
    >>> from circuit import find_gate
    >>> find_gate("tanh")
    <gate tanh>
    """
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
    """The gate's value on plain arrays, under the same conditions as in a circuit: the shapes must fit, and
    every number must be finite."""
    expected = gate.kinds if isinstance(gate.kinds, tuple) else ("real",) * len(arrays)
    kinds = ["integer" if kind == "integer" and np.issubdtype(x.dtype, np.integer) else "real"
             for kind, x in zip(expected, arrays)]
    gate_result(gate, [x.shape for x in arrays], kinds, parameters)
    for x in arrays:
        if not np.isfinite(x).all():
            raise DomainError(f"gate {gate.name} is given {first_bad(x)}")
    with np.errstate(all="ignore"):      # NaN and infinity are reported below, with their place
        try:
            value = gate.value(*arrays, **parameters)
        except DomainError as error:
            raise DomainError(f"gate {gate.name}: {error}") from None
    if not np.isfinite(value).all():
        advice = f"; {gate.outside}" if gate.outside else ""
        raise DomainError(f"gate {gate.name} gives {first_bad(value, arrays)}{advice}")
    return value


def first_bad(value, inputs=()):
    """The first NaN or infinity, where it is, and the inputs there: 'inf at (1,) for 2000.0'."""
    at = tuple(np.argwhere(~np.isfinite(value))[0].tolist())
    seen = ", ".join(str(x[at]) for x in inputs if np.shape(x) == np.shape(value))
    return f"{np.asarray(value)[at]} at {at}" + (f" for {seen}" if seen else "")


def gate_result(gate, shapes, kinds, parameters):
    """(shape, kind) of what a gate writes, or an error that names the gate."""
    if gate.arity is not None and len(shapes) != gate.arity:
        raise ShapeError(f"gate {gate.name} reads {gate.arity} wires, got {len(shapes)}")
    if gate.kinds == "constant":
        kind = "integer" if np.issubdtype(parameters["value"].dtype, np.integer) else "real"
    elif gate.kinds == "moves":
        kind = kinds[0]
        if len(set(kinds)) != 1:
            raise ShapeError(f"gate {gate.name}: real and integer wires are mixed")
    else:
        expected = ("real",) * len(kinds) if gate.kinds == "real" else gate.kinds
        kind = "real"
        if tuple(kinds) != expected:
            raise ShapeError(f"gate {gate.name} {misfit(kinds, expected)}")
    try:
        return gate.shape(*shapes, **parameters), kind
    except ShapeError as error:
        raise ShapeError(f"gate {gate.name}: {error}") from None


def misfit(kinds, expected):
    """What is wrong with the kinds of wires that a gate is given, and what to do."""
    if ("real", "integer") in zip(kinds, expected):
        return "is given real numbers as ids: ids and class targets are whole numbers: give y.astype(int)"
    return ("is given whole numbers to calculate with: integer wires can be moved about and used as ids; "
            "give x.astype(float)")


def same_shape(first, *others, **parameters):
    """The shape rule of elementwise gates: all inputs have the same shape."""
    for shape in others:
        if shape != first:
            raise ShapeError(f"shapes {first} and {shape} differ; broadcast one of them first")
    return first


def any_of(*marks, ids=None, **parameters):
    """How marks travel through an elementwise gate: an element is marked if an input is, at its place."""
    return np.logical_or.reduce(marks)


def elementwise(name, value, vjp, doc, arity=1, **fields):
    """A gate that treats all elements alike; fields: the further lines of its declaration."""
    return Gate(name, arity, same_shape, value, vjp, doc, any_of, **fields)


def real_part(x):
    """The number that chooses a branch: x itself, or its real part."""
    return np.real(x) if np.iscomplexobj(x) else np.asarray(x)
