"""Whole circuits by the engine and by its slow twins: in polynomials by naive.py, in plain lanes by NumPy,
one lane after the other."""
import naive
import numpy as np
from checks import assert_close

from circuit import evaluate as in_numpy
from circuit import integer, real, record
from taylor import Polynomial, Records, Recurrence, Step, evaluate


def random_polynomial(rng, shape, degree, directions, size=0.3):
    """A Polynomial whose constant parts are between 0.5 and 1.5."""
    coefficients = rng.normal(size=(2, directions, degree) + shape)
    return Polynomial(rng.uniform(0.5, 1.5, shape), size * (coefficients[0] + 1j * coefficients[1]))


def assert_naive(circuit, inputs, degree, tolerance=1e-11):
    """evaluate() agrees with the slow rules on every output."""
    outputs = evaluate(circuit, inputs, degree)
    for j in range(outputs[0].directions):
        series = [np.concatenate([x.constant[None], x.coefficients[j]]) if isinstance(x, Polynomial)
                  else constant_series(x, degree) for x in inputs]
        for output, expected in zip(outputs, naive.circuit(circuit, series, degree)):
            assert_close(output.all_orders()[j:j + 1], expected[None], tolerance, "whole circuit")


def constant_series(x, degree):
    """A constant as the slow rules take it: whole numbers as they are, real ones as a series."""
    if np.issubdtype(np.asarray(x).dtype, np.integer):
        return x
    x = np.asarray(x, float)
    return naive.frozen(np.stack([x] + [np.zeros(x.shape)] * degree).astype(complex))


# plain lanes ------------------------------------------------------------------------------------------------

def inputs_of(arrays):
    """Inputs of a circuit with the shapes and kinds of arrays."""
    return [(integer if np.asarray(x).dtype.kind == "i" else real)(*np.shape(x)) for x in arrays]


def several(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def plain_recurrence(function, moving, fixed):
    """(the circuit, a Recurrence of one step) of a function whose first operands have lanes. They are its
    state, which stays as it is, and the results are written out."""
    count = len(moving)

    def step(*wires):
        return (*wires[:count], *several(function(*wires[:count], *wires[count + 1:])))

    step = record(step, *inputs_of([x[0] for x in moving]), real(1), *inputs_of(fixed))
    return step, Recurrence([step], [Step(0, np.array([0]), tuple(fixed))], count, None, writes=True)


def in_plain_lanes(function, moving, fixed=()):
    """The results of a function, each (lanes,) + shape.

    moving   arrays (lanes,) + shape, one for each of the first operands;   fixed   the other operands
    """
    step, recurrence = plain_recurrence(function, moving, fixed)
    shapes = [step.shapes[i] for i in step.outputs[len(moving):]]
    sizes = [int(np.prod(shape)) for shape in shapes]
    lanes, width = len(moving[0]), recurrence.form.lanes
    written = np.full((1, sum(sizes) * width), np.nan)
    block = recurrence.block([x.reshape(lanes, -1) for x in moving], np.ones((lanes, 1)))
    block.run(0, 1, records=Records(0, written=written))
    written = written.reshape(-1, width)
    for lane in range(lanes, width):      # unused lanes do what the first one does
        assert np.array_equal(written[:, lane], written[:, 0])
    parts = np.split(written[:, :lanes].T, np.cumsum(sizes)[:-1], axis=1)
    return [part.reshape((lanes,) + shape) for part, shape in zip(parts, shapes)]


def assert_lane_by_lane(function, moving, fixed=(), tolerance=1e-13):
    """The results in plain lanes are those of NumPy in every lane."""
    circuit = record(function, *inputs_of([x[0] for x in moving]), *inputs_of(fixed))
    results = in_plain_lanes(function, moving, fixed)
    for lane in range(len(moving[0])):
        outputs = in_numpy(circuit, [*(x[lane] for x in moving), *fixed])
        for result, y in zip(results, outputs):
            expected = np.broadcast_to(y, result[lane].shape)
            assert_close(result[lane][None, None], expected[None, None], tolerance, f"lane {lane}")


def assert_twins(function, shapes, form, rng, fixed=(), still=(), tolerance=1e-11):
    """A function agrees with its slow twin.

    shapes   of its first operands, which move;   fixed: the others
    form     a degree, or None for plain lanes
    still    numbers of operands among the first that are constants after all
    """
    if form is None:
        moving = [rng.uniform(0.5, 1.5, (3, *shape)) for shape in shapes]
        order = [i for i in range(len(shapes)) if i not in still]

        def permuted(*wires):      # those that move come first
            wires, own = list(wires), [None] * len(shapes)
            for i in [*order, *still]:
                own[i] = wires.pop(0)
            return function(*own, *wires)
        assert_lane_by_lane(permuted, [moving[i] for i in order], [*(moving[i][0] for i in still), *fixed])
        return
    size = 0.3 if form < 9 else 0.1      # the twin of a high degree adds up large numbers
    inputs = [random_polynomial(rng, shape, form, 2, size) for shape in shapes]
    inputs = [x.constant if i in still else x for i, x in enumerate(inputs)]
    circuit = record(function, *[real(*shape) for shape in shapes], *inputs_of(fixed))
    assert_naive(circuit, [*inputs, *fixed], form, tolerance)
