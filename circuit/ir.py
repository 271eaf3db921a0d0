"""The circuit itself: a frozen list of gates in evaluation order.

Wires are numbered: first the inputs, then one per gate. Each entry names its gate, the wires it reads and its
constant parameters, and writes one wire of known shape. Print a circuit to read it as a table.
"""
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from math import prod

import numpy as np

from .evaluate import evaluate
from .errors import CircuitError, ShapeError
from .gates.gate import Gate, gate_result


@dataclass(frozen=True)
class Input:
    """An input wire: its name, shape and kind ('real' or 'integer')."""
    name: str
    shape: tuple
    kind: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One line of a circuit: a gate, the wires it reads, its constant parameters, and the shape and kind it
    writes."""
    gate: Gate
    inputs: tuple
    parameters: dict
    shape: tuple
    kind: str


@dataclass(frozen=True, eq=False)
class Circuit:
    """A function as gates.   inputs: tuple of Input;   entries: tuple of Entry;   outputs: wire numbers.

    Calling it on arrays evaluates it (see evaluate); calling it on wires records it into the circuit being
    recorded. One output is returned as it is, several as a tuple.
    """
    inputs: tuple
    entries: tuple
    outputs: tuple

    def __post_init__(self):
        self.check()

    def __call__(self, *inputs):
        recorder = next((x.recorder for x in inputs if hasattr(x, "recorder")), None)
        if recorder is None:
            outputs = evaluate(self, inputs)
        else:
            wires = recorder.inline(self, inputs)
            outputs = tuple(wires[i] for i in self.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    @property
    def shapes(self):
        """The shape of every wire."""
        return [x.shape for x in self.inputs] + [e.shape for e in self.entries]

    @property
    def kinds(self):
        """The kind of every wire."""
        return [x.kind for x in self.inputs] + [e.kind for e in self.entries]

    def check(self):
        """Every gate reads wires written before it, and every shape is what the gate's own rule says. Returns
        self."""
        shapes, kinds, first = self.shapes, self.kinds, len(self.inputs)
        for number, entry in enumerate(self.entries, first):
            if any(not 0 <= i < number for i in entry.inputs):
                raise CircuitError(f"gate {entry.gate.name} at wire %{number} reads {entry.inputs}: not all "
                                   "written before it")
            result = gate_result(entry.gate, [shapes[i] for i in entry.inputs],
                                 [kinds[i] for i in entry.inputs], entry.parameters)
            if result != (entry.shape, entry.kind):
                raise ShapeError(f"gate {entry.gate.name} at wire %{number} writes {result}, but "
                                 f"{(entry.shape, entry.kind)} is noted")
        if any(not 0 <= i < len(shapes) for i in self.outputs):
            raise CircuitError(f"outputs {self.outputs} of a circuit with {len(shapes)} wires")
        return self

    def check_inputs(self, given):
        """The (shape, kind) pairs given fit the inputs."""
        if len(given) != len(self.inputs):
            raise CircuitError(
                f"{len(given)} inputs given; the circuit takes {len(self.inputs)}: {self.signature()}")
        for want, (shape, kind) in zip(self.inputs, given):
            if shape != want.shape or kind != want.kind:
                raise ShapeError(f"input {want.name}: {kind} {shape} given, {want.kind} {want.shape} wanted")

    def signature(self):
        return ", ".join(f"{x.name}: {x.kind} {x.shape}" for x in self.inputs)

    def pruned(self):
        """The same circuit without gates that no output needs. Inputs all stay."""
        first = len(self.inputs)
        needed = set(self.outputs)
        for number in range(first + len(self.entries) - 1, first - 1, -1):
            if number in needed:
                needed.update(self.entries[number - first].inputs)
        place, entries = {i: i for i in range(first)}, []
        for number, entry in enumerate(self.entries, first):
            if number in needed:
                place[number] = first + len(entries)
                entries.append(Entry(entry.gate, tuple(place[i] for i in entry.inputs), entry.parameters,
                                     entry.shape, entry.kind))
        return Circuit(self.inputs, tuple(entries), tuple(place[i] for i in self.outputs))

    def gate_counts(self):
        """How often each gate stands in the circuit, most frequent first."""
        return dict(Counter(e.gate.name for e in self.entries).most_common())

    def entry_flops(self, entry):
        """Floating-point operations of one entry in a plain evaluation (a transcendental function counts
        about 20)."""
        shapes = self.shapes
        if entry.gate.name == "einsum":
            return 2 * multiply_adds(entry, shapes)
        if entry.gate.name == "sum":
            return prod(shapes[entry.inputs[0]])
        return int(entry.gate.flops * prod(entry.shape))

    def flops(self):
        """Floating-point operations of one plain evaluation."""
        return sum(self.entry_flops(e) for e in self.entries)

    def fingerprint(self):
        """A hash of what the circuit computes: gates, wires, parameters and inputs."""
        digest = sha256(repr([(x.shape, x.kind) for x in self.inputs] + [self.outputs]).encode())
        for e in self.entries:
            digest.update(repr((e.gate.name, e.inputs, e.shape)).encode())
            for name, value in sorted(e.parameters.items()):
                digest.update(name.encode()
                              + (value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()))
        return digest.hexdigest()

    def __str__(self):
        return table(self)

    def __repr__(self):
        return f"<circuit ({self.signature()}) of {len(self.entries)} gates, {self.flops():,} flops>"


def multiply_adds(entry, shapes):
    """How many products an einsum entry adds up."""
    a, b = (shapes[i] for i in entry.inputs)
    letters = entry.parameters["spec"].split("->")[0].split(",")
    sizes = dict(zip(letters[0], a)) | dict(zip(letters[1], b))
    return prod(sizes.values())


def table(circuit):
    """The circuit as a readable table: one line per wire."""
    def shown(value):
        if isinstance(value, np.ndarray):
            return np.array2string(value, threshold=6, edgeitems=2, precision=4).replace("\n", "")
        return f"{value:.6g}" if isinstance(value, float) else str(value)

    rows = [("wire", "shape", "gate", "reads", "parameters")]
    rows += [(f"%{i}", str(x.shape), "input", x.kind, x.name) for i, x in enumerate(circuit.inputs)]
    for i, e in enumerate(circuit.entries, len(circuit.inputs)):
        rows.append((f"%{i}", str(e.shape), e.gate.name, " ".join(f"%{j}" for j in e.inputs),
                     " ".join(f"{name}={shown(value)}" for name, value in e.parameters.items())))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    lines = ["  ".join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[4]]).rstrip()
             for row in rows]
    outputs = " ".join(f"%{i}" for i in circuit.outputs)
    return "\n".join(lines
                     + [f"outputs {outputs}   {len(circuit.entries)} gates   {circuit.flops():,} flops"])
