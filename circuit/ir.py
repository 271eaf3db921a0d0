"""The circuit itself: a frozen list of gates in evaluation order.

Wires are numbered: first the inputs, then one per gate. Each entry names its gate, the wires it reads and its
constant parameters, and writes one wire of known shape. Print a circuit to read it as a table.
"""
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from .evaluate import evaluate
from .errors import CircuitError, ShapeError
from .gates.gate import Gate, gate_result


@dataclass(frozen=True)
class Input:
    """An input of a circuit, as `real` and `integer` declare it.

    Attributes
    ----------
    name : str
        Its name in messages and in the printed circuit.
    shape : tuple of int
        The shape of the array it takes.
    kind : {"real", "integer"}
        What the array holds.

    Examples
    --------
    >>> from circuit import real
    >>> real(3, 4, name="x")
    Input(name='x', shape=(3, 4), kind='real')
    """
    name: str
    shape: tuple
    kind: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One line of a circuit: a gate and what it reads and writes.

    Attributes
    ----------
    gate : Gate
        The gate.
    inputs : tuple of int
        Numbers of the wires it reads.
    parameters : dict
        Its constant parameters.
    shape : tuple of int
        The shape it writes.
    kind : {"real", "integer"}
        What it writes.

    Examples
    --------
    >>> from circuit import exp, real, record
    >>> entry = record(exp, real(3)).entries[0]
    >>> entry.gate, entry.inputs, entry.shape
    (<gate exp>, (0,), (3,))
    """
    gate: Gate
    inputs: tuple
    parameters: dict
    shape: tuple
    kind: str


@dataclass(frozen=True, eq=False)
class Circuit:
    """A function as a list of gates; `record` makes it.

    Called on arrays it is evaluated (see `evaluate`); called on wires it becomes part of the circuit that is
    being recorded. One output is returned as it is, several as a tuple. Printed, it is a table.

    Attributes
    ----------
    inputs : tuple of Input
        The inputs: wires 0, 1, ...
    entries : tuple of Entry
        The gates in the order of evaluation; each writes the next wire.
    outputs : tuple of int
        Numbers of the wires that are returned.

    Examples
    --------
    >>> import numpy as np
    >>> from circuit import real, record
    >>> circuit = record(lambda x: (x * x).sum(), real(3))
    >>> print(circuit)
    wire  shape  gate      reads  parameters
    %0    (3,)   input     real   x0
    %1    (3,)   multiply  %0 %0
    %2    ()     sum       %1     axes=(-1,)
    outputs %2   2 gates   6 flops
    >>> float(circuit(np.ones(3)))
    3.0
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
    def shapes(self) -> list:
        """The shape of every wire."""
        return [x.shape for x in self.inputs] + [e.shape for e in self.entries]

    @property
    def kinds(self) -> list:
        """The kind of every wire."""
        return [x.kind for x in self.inputs] + [e.kind for e in self.entries]

    def check(self) -> "Circuit":
        """Check that gates read wires written before them and write the shapes that their own rules say.

        Returns
        -------
        Circuit
            Itself.

        Raises
        ------
        CircuitError
            Naming the gate and wire; ShapeError for a wrong shape or kind.
        """
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

    def check_inputs(self, given: list) -> None:
        """Check that shapes and kinds fit the inputs.

        Parameters
        ----------
        given : list of tuple
            A pair (shape, kind) per input.

        Raises
        ------
        CircuitError
            If their number differs; ShapeError, naming the input, if a shape or kind does.
        """
        if len(given) != len(self.inputs):
            raise CircuitError(
                f"{len(given)} inputs given; the circuit takes {len(self.inputs)}: {self.signature()}")
        for spec, (shape, kind) in zip(self.inputs, given):
            if shape != spec.shape or kind != spec.kind:
                raise ShapeError(f"input {spec.name}: expected {spec.kind} {spec.shape}, got {kind} {shape}")

    def signature(self) -> str:
        """Describe the inputs in one line.

        Returns
        -------
        str
            Name, kind and shape of each input.
        """
        return ", ".join(f"{x.name}: {x.kind} {x.shape}" for x in self.inputs)

    def pruned(self, outputs: tuple | None = None) -> "Circuit":
        """Drop gates that no output needs.

        Parameters
        ----------
        outputs : tuple of int, optional
            The wires that are returned; by default the same as now.

        Returns
        -------
        Circuit
            A circuit with all inputs of this one and these outputs.
        """
        outputs = self.outputs if outputs is None else outputs
        return Circuit(self.inputs, *pruned(len(self.inputs), self.entries, outputs))

    def gate_counts(self) -> dict:
        """Count the gates.

        Returns
        -------
        dict
            How often each gate is in the circuit, by name, the most frequent first.
        """
        return dict(Counter(e.gate.name for e in self.entries).most_common())

    def entry_flops(self, entry: Entry) -> int:
        """Count the operations of one entry in a plain evaluation.

        Parameters
        ----------
        entry : Entry
            One of the circuit's entries.

        Returns
        -------
        int
            Floating-point operations; a transcendental function counts about 20.
        """
        shapes, gate = self.shapes, entry.gate
        return int(gate.flops * gate.work(entry.shape, [shapes[i] for i in entry.inputs], entry.parameters))

    def flops(self) -> int:
        """Count the operations of one plain evaluation.

        Returns
        -------
        int
            Floating-point operations.
        """
        return sum(self.entry_flops(e) for e in self.entries)

    def fingerprint(self) -> str:
        """Hash what the circuit computes: gates, wires, parameters, and shapes and kinds of inputs.

        Returns
        -------
        str
            64 hexadecimal digits, the same in every process.
        """
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


def pruned(first, entries, outputs):
    """(the entries that outputs need, the outputs' new numbers); the gates write wires from `first` on."""
    needed = set(outputs)
    for number in range(max(needed, default=0), first - 1, -1):
        if number in needed:
            needed.update(entries[number - first].inputs)
    place, kept = {i: i for i in range(first)}, []
    for number in sorted(i for i in needed if i >= first):
        entry, place[number] = entries[number - first], first + len(kept)
        kept.append(Entry(entry.gate, tuple(place[i] for i in entry.inputs), entry.parameters, entry.shape,
                          entry.kind))
    return tuple(kept), tuple(place[i] for i in outputs)


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
