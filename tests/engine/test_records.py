"""Recurrences: states that are stored, forwards and backwards; lanes that are not used; the constant pass."""
from itertools import pairwise

import naive
import numpy as np
import pytest
from checks import assert_close
from learners import network
from twins import constant_series

import circuit as C
from circuit import evaluate, integer, real, record
from deletion import Adam
from microgpt import names
from taylor import LANES, TRAININGS, Records, Recurrence, Step, from_lanes

SIZES = (5, 3)
"""Of the state's tensors, a and b."""


def stepping(a, b, w, x, ids):
    """A step forwards; its circuits have x and ids of two lengths."""
    rows = C.gather(a, ids) * x
    return C.tanh(a * w.mean() + rows.sum()), b * 0.5 + a[:3] * w[0] + C.scatter(rows, ids, 5)[2:]


def returning(c, d, a, b, w, x, ids):
    """A step backwards, which reads a and b from a stored state; it gives five numbers besides its state."""
    rows = C.gather(a * c, ids) * x
    return (c * 0.9 + C.scatter(rows, ids, 5) * 0.1, d * b + c[2:] * w.sum(),
            rows.sum() + d * b, w * a[:2].sum())


STEPS = 7
OUTPUTS = 3 + 2


def circuits(function, *state):
    return [record(function, *map(real, (*state, *SIZES)), real(2), real(n), integer(n)) for n in (2, 4)]


def steps(rng):
    """Two circuits in turn, with two of four weights."""
    return [Step(i % 2, np.array([i % 4, (i + 1) % 4]), (rng.normal(size=n), rng.integers(0, 5, n)))
            for i, n in ((i, 2 + 2 * (i % 2)) for i in range(STEPS))]


def there_and_back(degree, constant=False, rng=None):
    """(steps, a recurrence forwards, one backwards): `constant`: lanes share the states on the way back."""
    listed = steps(rng)
    forward = Recurrence(circuits(stepping), listed, 2, 0 if constant else degree)
    back = Recurrence(circuits(returning, *SIZES), listed, 2, degree, stored=2, constant=constant,
                      writes=True)
    return listed, forward, back


def series_of(row, form, count):
    """(series of a and b along every direction, or their values in every lane), of a record."""
    size = sum(SIZES)
    if not form.shared:
        return np.split(row.reshape(size, form.lanes)[:, :count].T, [SIZES[0]], axis=1)
    if not form.degree:
        return np.split(row, [SIZES[0]])
    stored = from_lanes(row[size:].reshape(size, *form.shape), count)
    whole = np.concatenate([np.broadcast_to(row[:size], (count, 1, size)), stored], axis=1)
    return np.split(whole, [SIZES[0]], axis=2)


START = [np.linspace(-1.0, 1.0, 5), np.array([0.3, -0.2, 0.1])]
COUNT = 3


def weights(degree, rng):
    """(base, lines) of a block of three directions or trainings."""
    if degree is None:
        return rng.uniform(0.2, 1.5, (COUNT, 4)), None
    return np.array([1.0, 0.5, 0.0, 0.8]), rng.normal(size=(COUNT, 4)) + 1j * rng.normal(size=(COUNT, 4))


def slow(made, listed, state, base, line, degree, stored=None):
    """[(outputs of a step), ...] by the slow rules along one direction, or in NumPy (degree None). With
    stored states the last step is taken first."""
    count, listing = len(state), []
    if degree is not None:
        state = [constant_series(x, degree) for x in state]
        series = np.zeros((degree + 1, 4), complex)
        series[:2] = np.array([base, line])[:degree + 1]
    for i in range(STEPS) if stored is None else reversed(range(STEPS)):
        step, own = listed[i], [] if stored is None else stored[i]
        if degree is None:
            outputs = evaluate(made[step.circuit], [*state, *own, base[step.weights], *step.data])
        else:
            data = [constant_series(x, degree) for x in step.data]
            inputs = [*state, *own, series[:, step.weights], *data]
            outputs = naive.circuit(made[step.circuit], inputs, degree)
        state = outputs[:count]
        listing.append(outputs)
    return listing


@pytest.mark.parametrize("degree", [0, 1, 3, None])
def test_small_states_are_saved_before_each_step(degree, rng):
    """In one run, in pieces, of which records begin anywhere, and backwards over the schedule."""
    listed, forward, _ = there_and_back(degree, rng=rng)
    base, lines = weights(degree, rng)
    block, again = (forward.block(START, base, lines) for _ in range(2))
    saved = np.full((STEPS, forward.record), np.nan)
    block.run(0, STEPS, records=Records(0, saved=saved))
    singly = []
    for i in range(STEPS):
        singly.append(again.record)
        again.run(i, i + 1)
    assert np.array_equal(saved, singly) and np.array_equal(block.record, again.record)
    again.record = saved[0]
    for first, last in pairwise([0, 1, 4, STEPS]):
        piece = np.full((last - first + 1, forward.record), np.nan)
        again.run(first, last, records=Records(first, saved=piece))
        assert np.array_equal(piece[:-1], saved[first:last]) and np.isnan(piece[-1]).all()
    assert np.array_equal(block.record, again.record)
    for lane in range(COUNT):
        expected = slow(circuits(stepping), listed, START, base if degree is not None else base[lane],
                        lines[lane] if lines is not None else None, degree)
        for row, outputs in zip([*saved[1:], block.record], expected):
            for part, y in zip(series_of(row, forward.form, COUNT), outputs):
                result = part[lane] if degree != 0 else part[None]
                assert_close(result[None] if degree is not None else result[None, None],
                             y[None] if degree is not None else y[None, None], 1e-12, f"lane {lane}")


@pytest.mark.parametrize("degree, constant", [(0, False), (1, False), (3, False), (None, False),
                                              (None, True)])
def test_small_states_are_read_on_the_way_back(degree, constant, rng):
    """And what each step gives is written out; `constant`: all lanes read the states of one training."""
    listed, forward, back = there_and_back(degree, constant, rng)
    base, lines = weights(0 if constant else degree, rng)
    start = forward.block(START, base, None if constant else lines)
    saved = np.empty((STEPS, forward.record))
    start.run(0, STEPS, records=Records(0, saved=saved))
    cotangents = [rng.normal(size=(COUNT, n)) for n in SIZES]
    if degree is not None:
        cotangents = [x[0] for x in cotangents]
    block, again = (back.block(cotangents, base, None if constant else lines, count=COUNT) for _ in range(2))
    width = OUTPUTS * (back.form.width + back.form.shared)
    written = np.full((STEPS, width), np.nan)
    block.run(0, STEPS, backwards=True, records=Records(0, read=saved, written=written))
    pieces = np.full((STEPS, width), np.nan)
    for first, last in reversed(list(pairwise([0, 2, 3, STEPS]))):
        again.run(first, last, backwards=True,
                  records=Records(first, read=saved[first:last], written=pieces[first:last]))
    assert np.array_equal(pieces, written) and np.array_equal(block.record, again.record)
    for lane in range(COUNT):
        states = [[x[lane] if constant is False and (degree is None or degree) else x
                   for x in series_of(row, forward.form, COUNT)] for row in saved]
        if degree == 0:
            states = [[x[None].astype(complex) for x in state] for state in states]
        own = base[lane] if degree is None and not constant else base
        start = [x[lane] if degree is None else x for x in cotangents]
        expected = slow(circuits(returning, *SIZES), listed, start, own,
                        None if lines is None or constant else lines[lane], degree, states)
        for row, outputs in zip(written[::-1], expected):
            assert_close(outputs_of(row, back.form, lane)[None],
                         np.concatenate(outputs[2:], axis=-1).reshape(1, -1, OUTPUTS), 1e-12, f"lane {lane}")
        last = [block.constant(i)[lane] if degree is None else block.constant(i) for i in (0, 1)]
        for x, y in zip(last, expected[-1]):
            assert_close(x[None, None], (y if degree is None else y[0].real)[None, None], 1e-12, "the state")


def outputs_of(row, form, lane):
    """(orders, outputs): what a step wrote, in one lane."""
    if not form.shared:
        return row.reshape(OUTPUTS, form.lanes).T[lane:lane + 1]
    stored = from_lanes(row[OUTPUTS:].reshape(OUTPUTS, form.degree, 2, -1 if form.degree else 1), None)
    return np.concatenate([row[None, :OUTPUTS], stored[lane]]) if form.degree else row[None, :OUTPUTS]


def test_small_errors_on_the_way_back_name_the_step(rng):
    listed = steps(rng)
    made = circuits(lambda c, a, b, w, x, ids: (c * w.sum(), C.log(a).sum()), 2)
    back = Recurrence(made, listed, 1, None, stored=2, writes=True)
    read, written = np.ones((STEPS, 8 * TRAININGS)), np.empty((STEPS, TRAININGS))
    read[2, 3 * TRAININGS + 1], read[1] = -1.0, -2.0
    block = back.block([np.ones(2)], np.ones((2, 4)), first=10)
    with pytest.raises(C.DomainError, match=r"gate log .*-1.0 at \(3,\), training 11") as error:
        block.run(0, STEPS, backwards=True, records=Records(0, read=read, written=written))
    assert error.value.step == 2


def test_what_is_written_must_be_finite(rng):
    """Though the state stays as it is."""
    circuit = record(lambda a, w, x: (a, C.exp(a * x)), real(2), real(1), real())
    data = [Step(0, np.array([0]), (x,)) for x in (1.0, 1e3, 1.0)]
    for degree in (0, 2, None):
        recurrence = Recurrence([circuit], data, 1, degree, writes=True)
        block = recurrence.block([np.ones(2)], np.ones(1), np.ones((1, 1)))
        written = np.empty((3, 2 * (recurrence.form.width + recurrence.form.shared)))
        with pytest.raises(C.DomainError, match="gate exp .* gives inf at") as error:
            block.run(0, 3, records=Records(0, written=written))
        assert error.value.step == 1


# lanes that are not used ------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [1, 3, TRAININGS])
def test_small_unused_lanes_do_what_the_first_one_does(count, rng):
    """So that they cannot fail by themselves; with states of their own, and with weights that all share."""
    forward = Recurrence(circuits(stepping), steps(rng), 2, None)
    own = [rng.normal(size=(count, n)) for n in SIZES]
    for base in (rng.uniform(0.2, 1.5, (count, 4)), np.array([1.0, 0.5, 0.0, 0.8])):
        block = forward.block(own, base, count=count)
        block.run(0, STEPS)
        for i in (0, 1):
            lanes = block.coefficients(i)
            assert block.constant(i).shape == (count, SIZES[i])
            assert np.array_equal(lanes[:, count:], np.repeat(lanes[:, :1], TRAININGS - count, axis=1))
            assert count == 1 or not np.array_equal(lanes[:, 0], lanes[:, 1])


def test_small_unused_directions_stay_zero(rng):
    block = Recurrence(circuits(stepping), steps(rng), 2, 2).block(START, *weights(2, rng))
    block.run(0, STEPS)
    for i in (0, 1):
        unused = block.coefficients(i)[..., COUNT:]
        assert unused.shape[-1] == LANES - COUNT and not unused.any() and block.coefficients(i).any()


def test_small_lanes_change_nothing_in_each_other(rng):
    """To the bit: a training is the same in whichever lane, and whatever its neighbours are."""
    forward, base = Recurrence(circuits(stepping), steps(rng), 2, None), rng.uniform(0.2, 1.5, (TRAININGS, 4))
    together = forward.block(START, base)
    together.run(0, STEPS)
    for lane in (0, 7, 15):
        alone = forward.block(START, base[lane:lane + 1])
        alone.run(0, STEPS)
        assert all(np.array_equal(alone.constant(i)[0], together.constant(i)[lane]) for i in (0, 1))


# the constant pass ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("make", [
    lambda: names(steps=20), lambda: network(steps=30), lambda: network(optimizer=Adam(0.01), steps=30)],
    ids=["microgpt", "mlp", "mlp, adam"])
def test_the_constant_pass_has_the_bits_of_every_degree(make, rng):
    """A training in plain numbers is the constant part of one in polynomials, step by step."""
    learner = make()
    count, size = len(learner.steps), sum(x.size for x in learner.states)
    base = rng.uniform(0.5, 1.5, learner.example_count)
    lines = rng.normal(size=(3, learner.example_count)) * 1e-3 + 0j
    saved = []
    for degree in (0, 1, 3):
        recurrence = learner.recurrence(degree)
        rows = np.empty((count, recurrence.record))
        block = recurrence.block(learner.states, base, lines)
        block.run(0, count, records=Records(0, saved=rows))
        saved.append(np.concatenate([rows, block.record[None]])[:, :size])
    assert np.array_equal(saved[0], saved[1]) and np.array_equal(saved[0], saved[2])
    theta = learner.train(base)[0]
    np.testing.assert_allclose(saved[0][-1][:theta.size], theta, rtol=0, atol=1e-12 * np.abs(theta).max())
