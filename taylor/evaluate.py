"""Evaluation of a circuit in truncated polynomials: higher-order forward mode along many directions at
once."""
from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import ArrayLike

from circuit import Circuit, CircuitError, DomainError, ShapeError
from circuit.checks import is_whole
from circuit.evaluate import checked_input, listed_inputs

from .explain import explain
from .form import LANES, Form
from .linking import link
from .lowering.program import Builder, Program
from .machine import NO_NUMBERS, NOTHING, STEP_WIDTH, StepTable, run
from .polynomial import Polynomial, from_lanes, to_lanes

LARGEST_DEGREE = 1000
"""The compiler takes minutes for higher degrees, and no training that can be predicted at all needs so many
orders."""


def evaluate(circuit: Circuit, inputs: Sequence[Polynomial | ArrayLike],
             degree: int | None = None) -> tuple[Polynomial, ...]:
    """Evaluate a circuit in truncated polynomials.

    Parameters
    ----------
    circuit : Circuit
        As `circuit.record` makes it.
    inputs : sequence of Polynomial or array_like
        One per input of the circuit: a Polynomial (all of them with the same directions and degree), an array
        of real numbers (a constant), or an array of whole numbers.
    degree : int, optional
        The highest power kept, from 0 on; that of the polynomials if left out.

    Returns
    -------
    tuple of Polynomial
        The outputs of the circuit.

    Raises
    ------
    CircuitError
        If the inputs do not fit the circuit or each other.
    DomainError
        If a result is NaN or infinite, if a value is outside a gate's domain, or, at degree >= 1, if a value
        is on a kink. The message names gate, element, value and direction.

    Examples
    --------
    The series of exp(t), whose coefficients are 1/r!:

    >>> from circuit import exp, real, record
    >>> from taylor import Polynomial, evaluate
    >>> t = Polynomial(0.0, [[1.0, 0.0, 0.0]])
    >>> evaluate(record(exp, real()), [t])[0].all_orders().real.round(4).tolist()
    [[1.0, 1.0, 0.5, 0.1667]]
    """
    inputs = listed_inputs(circuit, inputs)
    directions, own_degree = _common_form(circuit, inputs)
    degree = checked_degree(own_degree if degree is None else degree)
    evaluator = Evaluator(circuit, {i for i, x in enumerate(inputs) if isinstance(x, Polynomial)}, degree)
    evaluator.set_constants([x.constant if isinstance(x, Polynomial) else x for x in inputs])
    blocks = []
    for first in range(0, directions, LANES):
        last = min(first + LANES, directions)
        for i, x in enumerate(inputs):
            if isinstance(x, Polynomial):
                kept = np.zeros((last - first, degree) + x.shape, complex)
                kept[:, :x.degree] = x.coefficients[first:last, :degree]
                evaluator.set_coefficients(i, to_lanes(kept, LANES))
        evaluator.run(first)
        blocks.append([(constant, from_lanes(stored, last - first))
                       for constant, stored in evaluator.outputs()])
    return tuple(Polynomial(output[0][0], np.concatenate([coefficients for _, coefficients in output]))
                 for output in zip(*blocks))


def _common_form(circuit, inputs):
    """(directions, degree) of the polynomials among the inputs, which must agree and be finite."""
    polynomials = [x for x in inputs if isinstance(x, Polynomial)]
    if not polynomials:
        return 1, 0
    forms = [x.coefficients.shape[:2] for x in polynomials]
    if len(set(forms)) > 1:
        raise ShapeError("expected polynomials of the same (directions, degree), got polynomials of "
                         f"different directions and degrees: {forms}")
    if not polynomials[0].directions:
        raise CircuitError("expected at least one direction, got polynomials along no direction")
    for x, expected in zip(inputs, circuit.inputs):
        if isinstance(x, Polynomial) and not np.isfinite(x.coefficients).all():
            j, r, *element = np.argwhere(~np.isfinite(x.coefficients))[0].tolist()
            raise DomainError(f"input {expected.name} holds {x.coefficients[j, r][tuple(element)]} at "
                              f"{tuple(element)}, order {r + 1}, direction {j}")
    return forms[0]


def checked_degree(degree: int) -> int:
    """Return a degree as an int, or raise.

    Parameters
    ----------
    degree : int
        A whole number from 0 to 1000. True is not 1.

    Returns
    -------
    int
        The same number.

    Raises
    ------
    CircuitError
        If it is anything else.

    Examples
    --------
    >>> from taylor import checked_degree
    >>> checked_degree(3)
    3
    """
    if not is_whole(degree) or degree < 0:
        raise CircuitError(f"degree: expected a whole number >= 0, got {degree!r}")
    if degree > LARGEST_DEGREE:
        raise CircuitError(f"degree {degree} is too high: {LARGEST_DEGREE} is the highest. Time grows with "
                           "the square of the degree")
    return int(degree)


class Evaluator:
    """A circuit prepared for one degree, with the memory of one block of directions.

    Several threads share a program and have an Evaluator each.

    Parameters
    ----------
    circuit : Circuit
        As `circuit.record` makes it.
    moving : set of int
        The numbers of the inputs that have coefficients; the others are constants.
    degree : int
        The highest power of t kept.
    program : Program, optional
        That of another Evaluator of the same circuit, to be shared.

    Raises
    ------
    CircuitError
        If an output of the circuit consists of whole numbers.

    Examples
    --------
    (2 + t)^2 = 4 + 4 t + t^2, along one direction:

    >>> import numpy as np
    >>> from circuit import real, record
    >>> from taylor import LANES, Evaluator, from_lanes, to_lanes
    >>> evaluator = Evaluator(record(lambda x: x * x, real()), moving={0}, degree=3)
    >>> evaluator.set_constants([2.0])
    >>> evaluator.set_coefficients(0, to_lanes(np.array([[1.0, 0.0, 0.0]]), LANES))
    >>> evaluator.run()
    >>> constant, stored = evaluator.outputs()[0]
    >>> float(constant), from_lanes(stored, 1).real.tolist()
    (4.0, [[4.0, 1.0, 0.0]])
    """

    def __init__(self, circuit: Circuit, moving: Set[int], degree: int,
                 program: Program | None = None):
        if "integer" in (circuit.kinds[i] for i in circuit.outputs):
            raise CircuitError("an output of this circuit is whole numbers, which have no series: return "
                               "real numbers")
        self.circuit = circuit
        self.degree = degree
        self.form = Form(degree, LANES)
        if program is None:
            builder = Builder(self.form)
            builder.add(circuit, ["polynomial" if i in moving else x.kind
                                  for i, x in enumerate(circuit.inputs)])
            program = builder.build()
        self.program, self.part = program, program.parts[0]
        self.functions, self.memory = link(program), program.memory()
        self.stored = program.lanes(self.memory)
        row = self.part.row.copy()
        row[2:] = 0      # the step loads no data: set_constants and set_coefficients write the inputs
        self.steps = StepTable(row, np.zeros(STEP_WIDTH, np.int64), NO_NUMBERS, NOTHING, NOTHING)

    def set_constants(self, inputs: Sequence[ArrayLike]) -> None:
        """Set the constant parts of all inputs.

        Parameters
        ----------
        inputs : sequence of array_like
            One array of real or whole numbers per input, of the input's shape.

        Raises
        ------
        CircuitError
            If one of them does not fit its input.
        """
        for x, expected, spots in zip(inputs, self.circuit.inputs, self.part.inputs):
            array = checked_input(x, expected)
            if array.ndim != len(expected.shape):
                raise ShapeError(f"input {expected.name}: expected shape {expected.shape}, got "
                                 f"{array.shape}; directions are the only batch here")
            if np.iscomplexobj(array):
                raise CircuitError(f"input {expected.name}: expected a real constant part, got complex "
                                   "numbers; give them as a Polynomial's coefficients")
            place = self.memory.integers if expected.kind == "integer" else self.memory.constants
            place[spots] = array

    def set_coefficients(self, i: int, stored: np.ndarray) -> None:
        """Set the coefficients of an input that has some.

        Parameters
        ----------
        i : int
            The number of the input.
        stored : np.ndarray
            float64, (elements, degree, 2, lanes), or flat, as `to_lanes` gives it.
        """
        spots = self.part.inputs[i]
        if spots.size:
            start = spots.flat[0]
            self.stored[start:start + spots.size] = np.reshape(stored, (spots.size, self.degree, 2, LANES))

    def run(self, first: int = 0) -> None:
        """Evaluate the circuit. After an error it runs once more, with closer checks, to name the gate.

        Parameters
        ----------
        first : int
            The number of the block's first direction, for messages.

        Raises
        ------
        DomainError
            If a result is NaN or infinite, or a value is outside a gate's domain.
        """
        def attempt(closely):
            return run(self.program, self.functions, self.memory, self.steps, (0, 1), closely=closely)

        wrong, _, instruction, element = attempt(False)
        if wrong or not all(np.isfinite(x).all() for output in self.outputs() for x in output):
            wrong, _, instruction, element = attempt(True)
        if wrong:
            raise DomainError(explain(self.program, self.memory, instruction, element, wrong, first))

    def outputs(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the results of `run`.

        Returns
        -------
        list of (np.ndarray, np.ndarray)
            For every output, of shape S: the constant part, S, and the stored coefficients, S + (degree, 2,
            lanes), which `from_lanes` makes complex.
        """
        part, form = self.part, (self.degree, 2, LANES)
        return [(self.memory.constants[spots], self.stored[spots] if active else np.zeros(spots.shape + form))
                for spots, active in zip(part.outputs, part.active)]
