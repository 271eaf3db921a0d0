"""A learner's functions as circuits.

Each is recorded once and never called again, so whatever it draws at random would stay as it was drawn: it is
recorded twice, and the two circuits must be the same.
"""
from numbers import Real

from circuit import Wire, concatenate, gradient, integer, real, record

from circuit.errors import LearnerError
from circuit.checks import checked_function
from .coupling import refuse_coupled

LOSS = "the loss"


def recorded(function, what, *inputs):
    """The circuit of a function. Raises LearnerError where a second recording differs from the first."""
    first, second = record(function, *inputs), record(function, *inputs)
    if first.fingerprint() != second.fingerprint():
        raise changing(what)
    return first


def changing(what):
    """The error for something that is not the same when it is asked again."""
    where = " and give them to the examples as one of their arrays" if what == LOSS else ""
    return LearnerError(f"{what} is not deterministic: asked twice it gave two different answers (does it "
                        "draw random numbers, or read something that changes?). Draw random numbers once, "
                        f"before the learner is made{where}")


def recorded_step(learner, kind, constants):
    """The circuit of one step: (theta, optimiser's state..., weights, constants..., data...) -> (theta,
    state...).

    kind        (shape, 'real' or 'integer') of each array of the step
    constants   how many numbers the optimiser has at a step
    """
    layout, count = learner.layout, len(learner.states) - 1
    slope = gradient(recorded_objective(learner, kind), wrt=range(len(layout.shapes)))
    weights, *data = slope.inputs[len(layout.shapes):]
    states = [real(*x.shape, name=name) for name, x in zip(["theta"] + ["state"] * count, learner.states)]
    numbers = [real() for _ in range(constants)]

    def update(theta, pulled, *rest):
        found = learner.optimizer.update(theta, pulled, rest[:count], rest[count:])
        if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[1], (tuple, list)):
            raise LearnerError("the optimizer's update returns (theta, state), state a tuple, not "
                               f"{found!r:.100}")
        return (found[0], *found[1])

    updated = recorded(update, "the optimizer's update", states[0], states[0], *states[1:], *numbers)

    def step(theta, *rest):
        state, (weight, *rest) = rest[:count], rest[count:]
        gradients = slope(*layout.pieces(theta), weight, *rest[constants:])[1:]
        return updated(theta, concatenate([g.reshape(-1) for g in gradients]), *state, *rest[:constants])

    circuit = record(step, *states, weights, *numbers, *data)
    found, wanted = [circuit.shapes[i] for i in circuit.outputs], [x.shape for x in learner.states]
    if found != wanted:
        raise LearnerError(f"the optimizer's update returns shapes {found} for theta and its state, which "
                           f"have shapes {wanted}")
    return circuit


def recorded_objective(learner, kind):
    """The circuit (tensors of the parameters..., weights, data...) -> weighted mean of a step's losses, plus
    the regulariser."""
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
    if learner.regularizer is not None:      # alone, so that it is told from the loss
        recorded(lambda *pieces: learner.penalty(layout.form(list(pieces))), "the regularizer", *shapes)
    return recorded(objective, LOSS, *shapes, weights, *inputs)


def checked_penalty(penalty):
    """What a regulariser returns: one number."""
    if not isinstance(penalty, Real) and (not isinstance(penalty, Wire) or penalty.shape != ()):
        raise LearnerError(f"the regularizer returns one number, such as (w * w).sum(), not {penalty!r:.60}")
    return penalty


def check_loss(learner, losses, shape, data):
    """Raise LearnerError unless losses are those of a batch of `shape`, or of one example, each a function of
    its own data."""
    if not isinstance(losses, Wire):
        raise LearnerError(f"the loss does not depend on the parameters: it returns {losses!r:.60}")
    wanted = shape if learner.schedule.ndim == 2 else ()
    if losses.shape != wanted:
        raise LearnerError(f"the loss has shape {losses.shape}, not {wanted}: " + (
            "with a schedule of batches it is one number per example of the batch" if wanted else
            "with one example a step it is a scalar (take the mean over tokens, say)"))
    kind = tuple((x.shape[1:], x.kind) for x in data)
    if wanted and wanted[0] > 1 and kind not in learner.separate:
        refuse_coupled(learner, losses, data)
        learner.separate.add(kind)
