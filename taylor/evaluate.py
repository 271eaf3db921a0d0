"""Evaluation of a circuit in truncated polynomials: higher-order forward mode along many directions at
once."""
import numpy as np

from circuit import CircuitError, DomainError, ShapeError
from circuit.evaluate import checked_input, listed_inputs

from .machine import NO_MEMORY, NOTHING, Forms, Schedule, ready, repeat
from .polynomial import Polynomial, from_lanes, to_lanes
from .program import Builder

LANES = 8
"""Directions in a block: one vector register of an AVX-512 machine, and the smallest state to keep in
cache."""

LARGEST_DEGREE = 1000
"""Beyond it the compiler takes minutes, and nothing that is trained has so many orders to tell."""


def evaluate(circuit, inputs, degree=None):
    """The outputs of a circuit as polynomials.

    inputs   one per input of the circuit: a Polynomial (all of one number of directions and one degree), an
             array of real numbers (a constant), or an array of whole numbers
    degree   highest power kept, from 0 on; as given by the polynomials if left out

    Returns a tuple of Polynomials. Raises CircuitError for inputs that do not fit, and DomainError, naming
    gate, element, value and direction, for a NaN or infinity, a value outside a gate's domain, or, at degree
    >= 1, on a kink.
    """
    inputs = listed_inputs(circuit, inputs)
    given = [x for x in inputs if isinstance(x, Polynomial)]
    if len({x.directions for x in given}) > 1 or len({x.degree for x in given}) > 1:
        raise ShapeError(
            f"polynomials of different directions and degrees: {[x.coefficients.shape[:2] for x in given]}")
    directions, own = (given[0].directions, given[0].degree) if given else (1, 0)
    if not directions:
        raise CircuitError("polynomials along no direction at all")
    for x, want in zip(inputs, circuit.inputs):
        if isinstance(x, Polynomial) and not np.isfinite(x.coefficients).all():
            j, r, *element = np.argwhere(~np.isfinite(x.coefficients))[0].tolist()
            raise DomainError(f"input {want.name} holds {x.coefficients[j, r][tuple(element)]} at "
                              f"{tuple(element)}, order {r + 1}, direction {j}")
    degree = checked_degree(own if degree is None else degree)
    evaluator = Evaluator(circuit, {i for i, x in enumerate(inputs) if isinstance(x, Polynomial)}, degree)
    evaluator.set_constants([x.constant if isinstance(x, Polynomial) else x for x in inputs])
    results = []
    for first in range(0, directions, LANES):
        last = min(first + LANES, directions)
        for i, x in enumerate(inputs):
            if isinstance(x, Polynomial):
                kept = np.zeros((last - first, degree) + x.shape, complex)
                kept[:, :x.degree] = x.coefficients[first:last, :degree]
                evaluator.set_coefficients(i, to_lanes(kept, LANES))
        evaluator.run(first)
        results.append([(constant, from_lanes(stored, last - first)) for constant,
                        stored in evaluator.outputs()])
    return tuple(Polynomial(parts[0][0], np.concatenate([c for _, c in parts])) for parts in zip(*results))


def checked_degree(degree):
    if isinstance(degree, bool) or not isinstance(degree, (int, np.integer)) or degree < 0:
        raise CircuitError(f"a degree is a whole number >= 0, not {degree!r}")
    if degree > LARGEST_DEGREE:
        raise CircuitError(f"degree {degree} is too high: {LARGEST_DEGREE} is the highest. Time grows with "
                           "the square of the degree")
    return int(degree)


class Evaluator:
    """A circuit made ready for one degree, with the memory of one block.

    moving   numbers of the inputs that have coefficients; the others are constants
    program  of another Evaluator for the same circuit, to share (one memory per thread)
    """

    def __init__(self, circuit, moving, degree, program=None):
        if "integer" in (circuit.kinds[i] for i in circuit.outputs):
            raise CircuitError("an output of this circuit is whole numbers: nothing was calculated")
        self.circuit, self.degree, self.forms = circuit, degree, Forms.of(degree, LANES)
        ready(self.forms)
        if program is None:
            builder = Builder(self.forms.block)
            builder.add(circuit,
                        ["polynomial" if i in moving else x.kind for i, x in enumerate(circuit.inputs)])
            program = builder.build()
        self.program, self.part = program, program.parts[0]
        self.memory = program.memory()
        self.stored = self.memory.coefficients.reshape(program.active, degree, 2, LANES)
        row = self.part.row.copy()
        row[2:] = 0      # nothing to load: inputs are set by hand
        self.schedule = Schedule(row[None], np.zeros((1, 4), np.int64), np.zeros(0), NOTHING, NOTHING)

    def set_constants(self, inputs):
        """The constant parts of all inputs: arrays of real or whole numbers, checked."""
        for x, want, spots in zip(inputs, self.circuit.inputs, self.part.inputs):
            array = checked_input(x, want)
            if array.ndim != len(want.shape):
                raise ShapeError(f"input {want.name} has shape {want.shape}, not {array.shape}; directions "
                                 "are the only batch here")
            if np.iscomplexobj(array):
                raise CircuitError(f"input {want.name}: the constant part is real; give complex numbers as "
                                   "a Polynomial's coefficients")
            (self.memory.integers if want.kind == "integer" else self.memory.constants)[spots] = array

    def set_coefficients(self, i, stored):
        """The coefficients of moving input i: shape (elements, degree, 2, lanes), or anything of that
        size."""
        spots = self.part.inputs[i]
        if spots.size:
            start = spots.flat[0]
            self.stored[start:start + spots.size] = np.reshape(stored, (spots.size, self.degree, 2, LANES))

    def run(self, first=0):
        """Calculate; on trouble once more, looking closely, to name the gate. `first` numbers the block's
        first direction."""
        def attempt(closely):
            return repeat(self.forms, self.memory, NO_MEMORY, self.program.tape, self.schedule, 0, 1, closely,
                          NOTHING)

        wrong, _, instruction, element = attempt(False)
        if not wrong and not all(np.isfinite(stored).all() for _, stored in self.outputs()):
            wrong, _, instruction, element = attempt(True)
        if wrong:
            raise DomainError(self.program.explain(self.memory, instruction, element, wrong, first))

    def outputs(self):
        """(constant part, coefficients S + (degree, 2, lanes)) of every output."""
        nothing = (self.degree, 2, LANES)
        return [(self.memory.constants[spots],
                 self.stored[spots] if active else np.zeros(spots.shape + nothing)) for spots,
                active in zip(self.part.outputs, self.part.active)]
