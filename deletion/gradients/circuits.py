"""The circuits of the way back: a step's transposed derivatives, and its exact finite steps.

A finite step is what deleting a unit changes in one step alone, with the rest of training linearized:

    psi_i += a_{t+1} . (step_t(s_t, w with w_i = 0) - step_t(s_t, w)),      a_{t+1} = df / ds_{t+1}

The gradient that the optimizer is given is linear in the weights: without a unit it is G' = G - part, where
the part is the gradient of the weighted losses of the unit's own examples in this batch. So neither the batch
nor its gradient is evaluated again: a *removal* evaluates the losses of these examples and one update; the
product with the cotangents follows. All removals of a batch cost about one more gradient of the batch,
whatever its size. With one example a step, G' is the gradient of the regularizer, and the contribution is one
more output of the circuit of the way back. Where the update is affine in the gradient (SGD, momentum), psi is
minus weight times slope, and there is nothing to calculate.
"""
from typing import NamedTuple

import numpy as np

from circuit import Circuit, CircuitError, DomainError, concatenate, evaluate, gradient, integer, real, record
from circuit.analysis import reached
from circuit.checks import kind_of
from circuit.errors import LearnerError
from circuit.reverse import vjp
from taylor import Step

from ..learner.data import batch
from ..learner.learner import Learner
from ..learner.recording import (
    LOSS, MAX_MOVEMENT, SCALES, changing, recorded_gradient, recorded_step, recorded_update)


def backward_circuit(learner: Learner, number: int, finite: bool = False) -> Circuit:
    """Return the circuit that goes back through a step of one kind.

    Parameters
    ----------
    learner : Learner
        The learner.
    number : int
        Which of the learner's circuits the step applies.
    finite : bool
        Whether it has the outputs from which finite steps are taken.

    Returns
    -------
    Circuit
        Its inputs are (cotangents of the state behind the step..., state before it..., weights (b,),
        constants..., data...), its outputs (cotangents of the state before it..., slopes in the weights
        (b,)). If `finite`, these follow: with b = 1, the finite step (1,); with a larger batch the gradient G
        that the optimizer is given, (parameters,), and the state behind the step..., for the removals.
        It is made once and kept.

    Raises
    ------
    LearnerError
        If the loss, recorded again for a finite step, is not the one that was recorded before.
    """
    key = "backward", number, finite
    if key not in learner._kept:
        make = with_finite_step if finite else transposed
        learner._kept[key] = make(learner, number)
    return learner._kept[key]


def transposed(learner, number):
    """Return the circuit of a step's vector-Jacobian product in the state and the weights."""
    return vjp(learner.circuits[number], range(len(learner.states) + 1))


def with_finite_step(learner, number):
    """Return the vector-Jacobian product of a step with the outputs for finite steps behind it."""
    circuit, moving = learner.circuits[number], len(learner.states)
    constants, kind = parts_of(learner, number)
    if recorded_step(learner, kind, constants).fingerprint() != circuit.fingerprint():
        raise changing(LOSS)
    slope, update = recorded_gradient(learner, kind), recorded_update(learner, constants)
    cotangents = [real(*x.shape) for x in learner.states]
    alone = circuit.inputs[moving].shape == (1,)

    def product(*wires):
        a, (theta, *state), (weights, *rest) = (wires[:moving], wires[moving:2 * moving], wires[2 * moving:])
        numbers, pieces = rest[:constants], list(learner.layout.pieces(theta))
        descended = flat(slope(*pieces, weights, *rest[constants:])[1:])
        after = several(update(theta, descended, *state, *numbers))
        weighted = sum((c * y).sum() for c, y in zip(a, after))
        if not alone:
            return (weighted, descended, *after)
        without = several(update(theta, penalty_gradient(learner, pieces), *state, *numbers))
        return weighted, sum((c * (x - y)).sum() for c, x, y in zip(a, without, after)).reshape(1)

    weighted = record(product, *cotangents, *circuit.inputs)
    both = gradient(weighted, wrt=range(moving, 2 * moving + 1))
    own = len(weighted.outputs)
    return both.pruned(both.outputs[own:] + both.outputs[1:own])


def parts_of(learner, number):
    """Return (how many constants the optimizer has at a step, kinds of the arrays of its batch)."""
    step = next(s for s in learner.steps if s.circuit == number)
    constants = constants_of(learner, step)
    return constants, kind_of(step.data[constants:])


def constants_of(learner, step):
    """Return how many of a step's data are constants of the optimizer; the arrays of its batch follow."""
    return len(step.data) - len(learner.examples[step.weights[0]])


def penalty_gradient(learner, pieces):
    """Return the regularizer's gradient in the flat parameters, for wires of their tensors."""
    if learner.regularizer is None:
        return np.zeros(learner.layout.size)
    circuit = record(lambda *wires: learner.penalty(learner.layout.form(list(wires))),
                     *[real(*shape) for shape in learner.layout.shapes.values()])
    return flat(gradient(circuit, wrt=range(len(pieces)))(*pieces)[1:])


def flat(tensors):
    """Return tensors as one vector."""
    return concatenate([x.reshape(-1) for x in tensors])


def several(outputs):
    """Return what a circuit returned as a tuple: one with a single output returns it bare."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def update_is_affine(learner: Learner) -> bool:
    """Return whether the optimizer's update is affine in the gradient, as those of SGD and momentum are.

    Parameters
    ----------
    learner : Learner
        The learner.

    Returns
    -------
    bool
        Then psi is minus weight times slope. True only if the update's circuit shows it: its derivative does
        not depend on the gradient, and it has no gate that jumps.
    """
    update = recorded_update(learner, parts_of(learner, 0)[0])
    if any(entry.gate.jumps for entry in update.entries):
        return False
    derivative, moving = vjp(update, [1]), len(learner.states)
    marks = [None] * len(derivative.inputs)
    marks[moving + 1] = np.ones(learner.layout.size)
    return not reached(derivative, marks)[0].any()


# removals: what a batch loses with a unit -------------------------------------------------------------------

class Removal(NamedTuple):
    """One unit taken out of one batch.

    Attributes
    ----------
    place : int
        The unit's first place in the batch.
    step : taylor.Step
        Which of the removals' circuits is evaluated, the numbers of the examples whose weights enter, and the
        data: constants..., share, arrays...
    """
    place: int
    step: Step


class Removals:
    """The removals of every step of a learner whose batches have several examples.

    Parameters
    ----------
    learner : Learner
        The learner.

    Attributes
    ----------
    circuits : list of Circuit
        One for each kind of batch and number of examples that a unit has in it. Inputs: (state before the
        step..., gradient G, weights (m,), constants..., share (m,), arrays...); outputs: the state behind the
        step without the unit.

    Notes
    -----
    `share` is 1/b for the unit's examples and 0 for others. The m rows are the unit's examples alone, unless
    the loss cannot be recorded for fewer rows than the batch has, or then gives other numbers (it may divide
    by the number of rows): then they are the whole batch.
    """

    def __init__(self, learner: Learner):
        self.learner, self.circuits = learner, []
        self._numbers, self._rows, self._shares, self._batches = {}, {}, {}, {}
        for step in learner.steps:
            if self._key(step) not in self._batches:      # equal batches are looked at once
                self._batches[self._key(step)] = list(self._units(step))

    def of(self, number: int) -> list[Removal]:
        """Return the removals of a step, one for each unit in its batch.

        Parameters
        ----------
        number : int
            The number of the step.

        Returns
        -------
        list of Removal
        """
        step = self.learner.steps[number]
        constants = step.data[:constants_of(self.learner, step)]
        return [Removal(place, Step(circuit, weights, constants + data))
                for place, circuit, weights, data in self._batches[self._key(step)]]

    @staticmethod
    def _key(step):
        return step.circuit, step.weights.tobytes()

    def _units(self, step):
        """Yield (its first place, circuit, weights, data behind the constants) for each unit of a batch."""
        units, count = self.learner.unit_of[step.weights], len(step.weights)
        for place in np.sort(np.unique(units, return_index=True)[1]):
            mine = units == units[place]
            number, alone = self._circuit(step, mine.sum())
            rows = np.flatnonzero(mine) if alone else np.arange(count)
            share = self._shares.setdefault(mine[rows].tobytes(), mine[rows] / count)      # equal: one array
            yield int(place), number, step.weights[rows], (share, *self._arrays(step, rows))

    def _arrays(self, step, rows):
        """Return the arrays of some rows of a batch; equal choices of examples share theirs."""
        chosen = step.weights[rows]
        if chosen.tobytes() not in self._rows:
            self._rows[chosen.tobytes()] = batch(self.learner.examples, chosen)
        return self._rows[chosen.tobytes()]

    def _circuit(self, step, rows):
        """Return (the number of a circuit, whether its rows are the unit's examples alone)."""
        key, count = (step.circuit, int(rows)), len(step.weights)
        if key not in self._numbers:
            alone = rows == count or stands_alone(self.learner, step, int(rows))
            whole = (step.circuit, count)
            if not alone and whole not in self._numbers:
                self._numbers[whole] = self._add(step, count), True
            self._numbers[key] = (self._add(step, int(rows)), True) if alone else (
                self._numbers[whole][0], False)
        return self._numbers[key]

    def _add(self, step, rows):
        self.circuits.append(removal_circuit(self.learner, step.circuit, rows))
        return len(self.circuits) - 1


def removals(learner: Learner) -> Removals:
    """Return the Removals of a learner; they are made once and kept."""
    if "removals" not in learner._kept:
        learner._kept["removals"] = Removals(learner)
    return learner._kept["removals"]


def removal_circuit(learner, number, rows):
    """Return the circuit of the removals of a kind of batch, for so many rows; see Removals.circuits."""
    layout, moving = learner.layout, len(learner.states)
    constants, kind = parts_of(learner, number)
    states, theta = [real(*x.shape) for x in learner.states], real(layout.size)
    weights, share, data = real(rows, name="weights"), real(rows, name="share"), inputs_of(kind, rows)

    def total(*wires):
        pieces, (w, s, *arrays) = list(wires[:len(layout.shapes)]), wires[len(layout.shapes):]
        return (w * s * learner.loss(layout.form(pieces), *arrays)).sum()

    shapes = [real(*shape) for shape in layout.shapes.values()]
    slope = gradient(record(total, *shapes, weights, share, *data), wrt=range(len(shapes)))
    update = recorded_update(learner, constants)

    def removal(*wires):
        (before, *state), (descended, w, *rest) = wires[:moving], wires[moving:]
        part = flat(slope(*layout.pieces(before), w, *rest[constants:])[1:])
        return several(update(before, descended - part, *state, *rest[:constants]))

    return record(removal, *states, theta, weights, *[real() for _ in range(constants)], share, *data)


def inputs_of(kind, rows):
    """Return inputs for the arrays of a batch of some kind, with another number of rows."""
    return [(real if k == "real" else integer)(rows, *shape[1:]) for shape, k in kind]


def stands_alone(learner, step, rows):
    """Return whether the loss gives examples the same numbers in a batch of fewer rows."""
    constants, kind = parts_of(learner, step.circuit)
    layout, count, data = learner.layout, len(step.weights), step.data[constants:]

    def losses(parameters, *arrays):
        return learner.loss(layout.split(parameters), *arrays)

    theta = real(layout.size)
    try:
        few = record(losses, theta, *inputs_of(kind, rows))
    except (ArithmeticError, CircuitError, IndexError, LearnerError, TypeError, ValueError):
        return False      # the loss is written for batches of one length
    many = record(losses, theta, *inputs_of(kind, count))
    if few.shapes[few.outputs[0]] != (rows,):
        return False
    rng = np.random.default_rng(0)
    for scale in SCALES:
        here = layout.initial + scale * (1.0 + np.abs(layout.initial)) * rng.normal(size=layout.size)
        try:
            whole, = evaluate(many, [here, *data])
            parts = [evaluate(few, [here, *(x[at:at + rows] for x in data)])[0]
                     for at in range(0, count - rows + 1, rows)]
        except DomainError:      # another point may do
            continue
        parts = np.concatenate(parts)
        return np.abs(parts - whole[:len(parts)]).max() <= MAX_MOVEMENT * np.abs(whole).max()
    return False
