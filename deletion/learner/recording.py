"""A learner's functions as circuits, and what is promised of them.

Each function is recorded once and never called again. Whatever it draws at random would stay as it was drawn,
so it is recorded twice, and the two circuits must be the same.

With a schedule of batches, each number of the loss must depend on the data of its own example alone. Deleting
an example sets the weight of its own number to 0. Where the numbers of others depend on it too - a mean over
the batch, batch normalisation, a contrast between examples - it would go on acting through theirs, and the
deletion would answer another question. The gates are asked first. Examples are marked by the bits of their
place in the batch, and any two places differ in a bit: a loss that no mark of another example reaches is
proven separate. Where a mark arrives, numbers decide, because a factor of zero or a cancellation may stop it
on the way (the maximum that a stable softmax subtracts): examples are replaced by others, and the losses of
the rest must not move.
"""
import pickle
from numbers import Real

import numpy as np

from circuit import DomainError, Wire, concatenate, evaluate, gradient, integer, real, record
from circuit.analysis import reached
from circuit.checks import checked_function, kind_of, real_number
from circuit.errors import LearnerError
from taylor import Step

from .data import batch
from .optimizers.signs import refuse_signs
from .replay import advance

LOSS = "the loss"

MAX_MOVEMENT = 1e-9
"""Movements of a loss up to this share of the largest loss of the batch are rounding. A row of a product of
the same shapes rounds alike whatever the other rows hold; another maximum, taken out and put back, moves a
loss by about 1e-16 of that maximum."""

SCALES = (0.3, 0.1, 0.01)
"""How far from the initial parameters, where much cancels, losses are compared; in 1 + |parameter|."""

ADVICE = ("With a schedule of batches each number of the loss belongs to its own example alone: no mean over "
          "the batch, no batch normalisation, no contrast between examples, no other order")


# functions as circuits --------------------------------------------------------------------------------------

def recorded(function, what, *inputs):
    """Return the circuit of a function; raise LearnerError where a second recording differs."""
    first, second = record(function, *inputs), record(function, *inputs)
    if first.fingerprint() != second.fingerprint():
        raise changing(what)
    return first


def changing(what):
    """Return the error for something that is not the same when it is asked again."""
    where = " and give them to the examples as one of their arrays" if what == LOSS else ""
    return LearnerError(f"{what} is not deterministic: two calls gave two different answers (does it draw "
                        "random numbers, or read something that changes?). Draw random numbers once, before "
                        f"the learner is made{where}")


def recorded_steps(learner):
    """Return (circuits, steps) of a learner: a circuit for each shape of step, and a Step for each step."""
    circuits, steps, batches, known = [], [], {}, {}
    for number, chosen in enumerate(learner.schedule):
        key = chosen.tobytes()
        if key not in batches:      # equal batches share their arrays
            batches[key] = batch(learner.examples, chosen)
        data, constants = batches[key], checked_constants(learner, number)
        kind = kind_of(data)
        if kind not in known:
            known[kind] = len(circuits)
            circuits.append(recorded_step(learner, kind, len(constants)))
        steps.append(Step(known[kind], np.atleast_1d(chosen), (*map(np.float64, constants), *data)))
    return circuits, steps


def checked_constants(learner, number):
    """Return the optimizer's numbers at a step; raise LearnerError unless a second call gives the same."""
    optimizer, count = learner.optimizer, len(learner.schedule)
    constants = [real_number(c, f"the optimizer's constants at step {number}")
                 for c in optimizer.constants(number, count)]
    if list(optimizer.constants(number, count)) != constants:
        raise changing(f"the learning rate, or another constant of the optimizer, at step {number}")
    return constants


def recorded_step(learner, kind, constants):
    """Return the circuit of one step of a learner.

    Its inputs are (theta, the optimizer's state..., weights, constants..., data...), its outputs (theta,
    state...). `kind` is (shape, 'real' or 'integer') of each array of the step, `constants` how many numbers
    the optimizer has at a step.
    """
    layout, count = learner.layout, len(learner.states) - 1
    slope = recorded_gradient(learner, kind)
    weights, *data = slope.inputs[len(layout.shapes):]
    update = recorded_update(learner, constants)
    states, numbers = [update.inputs[0], *update.inputs[2:2 + count]], update.inputs[2 + count:]

    def step(theta, *rest):
        state, (weight, *rest) = rest[:count], rest[count:]
        gradients = slope(*layout.pieces(theta), weight, *rest[constants:])[1:]
        return update(theta, concatenate([g.reshape(-1) for g in gradients]), *state, *rest[:constants])

    circuit = record(step, *states, weights, *numbers, *data)
    shapes, expected = [circuit.shapes[i] for i in circuit.outputs], [x.shape for x in learner.states]
    if shapes != expected:
        raise LearnerError(f"the optimizer's update returns shapes {shapes} for theta and its state; "
                           f"expected their shapes before the step, {expected}")
    return circuit


def recorded_gradient(learner, kind):
    """Return the circuit (tensors of the parameters..., weights, data...) -> (what a step descends, its
    gradient by each tensor...)."""
    return gradient(recorded_objective(learner, kind), wrt=range(len(learner.layout.shapes)))


def recorded_update(learner, constants):
    """Return the circuit (theta, gradient, the optimizer's state..., constants...) -> (theta, state...)."""
    count = len(learner.states) - 1
    theta, *states = [real(*x.shape, name=name)
                      for name, x in zip(["theta"] + ["state"] * count, learner.states)]

    def update(theta, gradient, *rest):
        updated = learner.optimizer.update(theta, gradient, rest[:count], rest[count:])
        if not isinstance(updated, tuple) or len(updated) != 2 or not isinstance(updated[1], (tuple, list)):
            raise LearnerError("the optimizer's update returns (theta, state), state a tuple, not "
                               f"{updated!r:.100}")
        return (updated[0], *updated[1])

    numbers = [real() for _ in range(constants)]
    circuit = recorded(update, "the optimizer's update", theta, theta, *states, *numbers)
    refuse_signs(circuit, count)
    return circuit


def recorded_objective(learner, kind):
    """Return the circuit (tensors of the parameters..., weights, data...) -> what a step descends.

    That is the weighted mean of the step's losses, plus the regularizer.
    """
    layout, inputs = learner.layout, [(real if k == "real" else integer)(*shape) for shape, k in kind]
    weights = real(*(learner.schedule.shape[1:] or (1,)), name="weights")
    checked_function(learner.loss, "the loss, of parameters and the arrays of an example,", 1 + len(kind))

    def objective(*wires):
        pieces, (weight, *data) = list(wires[:len(layout.shapes)]), wires[len(layout.shapes):]
        losses = learner.loss(layout.form(pieces), *data)
        learner.check_loss(losses, weights.shape, data)
        total = (weight * losses).mean()
        return total if learner.regularizer is None else total + learner.penalty(layout.form(pieces))

    shapes = [real(*shape, name=name or "parameters") for name, shape in layout.shapes.items()]
    if learner.regularizer is not None:      # by itself, so that its errors are told from those of the loss
        recorded(lambda *pieces: learner.penalty(layout.form(list(pieces))), "the regularizer", *shapes)
    return recorded(objective, LOSS, *shapes, weights, *inputs)


def recorded_measurement(layout, measure):
    """Return the circuit of a measurement, as a function of the flat parameters of a Layout."""
    checked_function(measure, "a measurement", 1)
    theta = real(layout.size, name="theta")
    circuit = recorded(lambda theta: measure(layout.split(theta)), "the measurement", theta)
    if len(circuit.outputs) != 1:
        raise LearnerError("a measurement returns one scalar or vector; join several with concatenate")
    if circuit.kinds[circuit.outputs[0]] == "integer":
        raise LearnerError("a measurement of whole numbers does not move with the parameters. Measure a "
                           "loss, a log-probability, a logit or a margin")
    if 0 in circuit.shapes[circuit.outputs[0]]:
        raise LearnerError(f"a measurement of shape {circuit.shapes[circuit.outputs[0]]} measures nothing")
    return circuit


# what is promised -------------------------------------------------------------------------------------------

def checked_penalty(penalty):
    """Return what a regularizer returned, if it is one number."""
    if not isinstance(penalty, Real) and (not isinstance(penalty, Wire) or penalty.shape != ()):
        raise LearnerError(f"the regularizer returns one number, such as (w * w).sum(), not {penalty!r:.60}")
    return penalty


def check_loss(learner, losses, shape, data):
    """Raise LearnerError unless losses are those of one example, or of a batch, each of its own data.

    `shape` is that of the batch, `data` holds the wires of its arrays.
    """
    if not isinstance(losses, Wire):
        raise LearnerError(f"the loss does not depend on the parameters: it returns {losses!r:.60}")
    expected = shape if learner.schedule.ndim == 2 else ()
    if losses.shape != expected:
        raise LearnerError(f"the loss has shape {losses.shape}, not {expected}: " + (
            "with a schedule of batches it is one number per example of the batch" if expected else
            "with one example a step it is a scalar (take the mean over tokens, say)"))
    kind = tuple((x.shape[1:], x.kind) for x in data)
    if expected and expected[0] > 1 and kind not in learner.separate:
        refuse_coupled(learner, losses, data)
        learner.separate.add(kind)


def check_promises(learner, steps):
    """Raise LearnerError unless a learner is deterministic, at first analytic, and can be pickled."""
    if [c.fingerprint() for c in learner.again().circuits] != [c.fingerprint() for c in learner.circuits]:
        raise changing("the learner")
    ones = np.ones((1, learner.example_count), complex)
    block = learner.recurrence(1).block(learner.states, np.ones(learner.example_count), ones)
    try:
        advance(learner, block, end=min(steps, len(learner.steps)), look_closely=True)
    except DomainError as error:
        raise LearnerError(str(error)) from None
    pickled(learner)


def pickled(learner):
    """Return a learner as bytes; raise LearnerError if it holds functions that cannot be pickled."""
    try:
        return pickle.dumps(learner)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise LearnerError("the learner cannot be pickled, so it cannot be sent to other processes "
                           f"({error}); write loss, regularizer and learning rate as functions at the top of "
                           "a module, not as lambdas or inside other functions") from None


# whether each loss depends on its own example alone ---------------------------------------------------------

def refuse_coupled(learner, losses, data):
    """Raise LearnerError, naming two examples, if the loss of one depends on the data of the other.

    `losses` is the wire (rows,) of a batch's losses, `data` holds the wires (rows, ...) of its arrays.
    """
    recorder, rows = losses.recorder, losses.shape[0]
    circuit, inputs = recorder.circuit([losses]).pruned(), {wire.index for wire in data}
    suspects = [group for group in groups(rows) if crosses(circuit, inputs, group)]
    if suspects:
        Comparison(learner, [(wire.shape, wire.kind) for wire in data]).refuse_moved(suspects)


def groups(rows):
    """Yield boolean masks (rows,) that tell places apart: of any two, some mask holds only the first."""
    place = np.arange(rows)
    for bit in range((rows - 1).bit_length()):
        yield (place >> bit) % 2 == 1
        yield (place >> bit) % 2 == 0


def crosses(circuit, data, group):
    """Whether marks on a group of rows of the inputs in `data` reach the loss of any other row."""
    marks = [np.broadcast_to(group.reshape((-1,) + (1,) * (len(x.shape) - 1)), x.shape) if i in data else None
             for i, x in enumerate(circuit.inputs)]
    return (reached(circuit, marks)[0] & ~group).any()


class Comparison:
    """Losses of a batch of the learner's examples, before and after some of them are replaced.

    `kind` is (shape, 'real' or 'integer') of each of the batch's arrays.
    """

    def __init__(self, learner, kind):
        self.learner, rows = learner, kind[0][0][0]
        alike = tuple((shape[1:], k) for shape, k in kind)
        members = [i for i, example in enumerate(learner.examples) if kind_of(example) == alike]
        self.before = np.resize(members, rows)
        self.after = np.array([self.other(i, np.roll(members, -k - 1)) for k, i in enumerate(self.before)])
        inputs = [(real if k == "real" else integer)(*shape) for shape, k in kind]
        split, theta = learner.layout.split, real(learner.layout.size)
        self.circuit = record(lambda theta, *data: learner.loss(split(theta), *data), theta, *inputs)
        self.points = list(self.around(learner.layout.initial))

    def other(self, i, members):
        """Return the first of some examples whose data differ from those of example i; i if there is none."""
        examples = self.learner.examples
        return next((j for j in members if not all(map(np.array_equal, examples[i], examples[j]))), i)

    def around(self, theta):
        """Yield (parameters, losses) at points where the losses before and after replacement are defined."""
        rng, none = np.random.default_rng(0), np.zeros(len(self.before), bool)
        for scale in SCALES:
            here = theta + scale * (1.0 + np.abs(theta)) * rng.normal(size=theta.shape)
            try:
                self.losses(here, ~none)
                yield here, self.losses(here, none)
            except DomainError:      # another point may do
                continue

    def losses(self, theta, replaced):
        """Return the losses (rows,) with other data in the places `replaced` (rows,)."""
        columns = zip(*(self.learner.examples[i] for i in np.where(replaced, self.after, self.before)))
        return evaluate(self.circuit, [theta, *map(np.stack, columns)])[0]

    def refuse_moved(self, suspects):
        """Raise LearnerError if replacing a group moves another example's loss, or none can be compared."""
        if not self.points or np.array_equal(self.before, self.after):
            raise LearnerError("the loss lets the examples of a batch act on each other's numbers, as its "
                               f"gates show, and there are no other data to compare with. {ADVICE}")
        for group in suspects:
            for theta, losses in self.points:
                if len(self.moved(theta, losses, group)):
                    self.refuse(theta, losses, group)

    def moved(self, theta, losses, replaced):
        """Return the places, other than those replaced, whose losses move."""
        new = self.losses(theta, replaced)
        return np.flatnonzero((np.abs(new - losses) > MAX_MOVEMENT * np.abs(losses).max()) & ~replaced)

    def refuse(self, theta, losses, group):
        """Raise LearnerError, naming one example that moves the loss of another."""
        singles = (np.arange(len(group)) == k for k in np.flatnonzero(group))
        alone = next((one for one in singles if len(self.moved(theta, losses, one))), group)
        at, new, named = self.moved(theta, losses, alone)[0], self.losses(theta, alone), self.learner.named
        replaced = " and ".join(named(i) for i in self.before[alone][:3])
        moves = f"{named(self.before[at])} moves from {losses[at]:.6g} to {new[at]:.6g}"
        raise LearnerError("the loss couples the examples of a batch: with other data in place of "
                           f"{replaced}, the loss of {moves}. {ADVICE}")
