"""Whether each number of a batch's loss is that of its own example alone.

Deleting an example sets the weight of its own number to 0. Where the numbers of others depend on it too - a
mean over the batch, batch normalisation, a contrast between examples - it would go on acting through theirs:
a deletion would answer another question.

The gates tell first. Examples are marked by the bits of their place in the batch, and any two places differ
in a bit: a loss that no mark of another example reaches is proven separate. Where a mark arrives, numbers
decide, as a factor of zero or a cancellation may stop it on the way (the maximum that a stable softmax
subtracts): examples are replaced by others, and the losses of the rest must not move.
"""
import numpy as np

from circuit import DomainError, evaluate, integer, real, record
from circuit.analysis import reached

from circuit.errors import LearnerError
from circuit.checks import kind_of

MOVED = 1e-9
"""Of the largest loss of the batch: movements below are rounding. A row of a product of the same shapes
rounds alike whatever the other rows hold; another maximum, taken out and put back, moves a loss by about
1e-16 of that maximum."""

SCALES = (0.3, 0.1, 0.01)
"""How far from the initial parameters, where much cancels, losses are compared; in 1 + |parameter|."""

ADVICE = ("With a schedule of batches each number of the loss is of its own example alone: no mean over the "
          "batch, no batch normalisation, no contrast between examples, no other order")


def refuse_coupled(learner, losses, data):
    """Raise LearnerError, naming two examples, if the loss of one depends on the data of the other.

    losses   wire (rows,): the losses of a batch;   data   the wires of the batch's arrays, (rows, ...) each
    """
    recorder, rows = losses.recorder, losses.shape[0]
    circuit, inputs = recorder.circuit([losses]).pruned(), {wire.index for wire in data}
    suspects = [group for group in groups(rows) if crosses(circuit, inputs, group)]
    if suspects:
        Comparison(learner, [(wire.shape, wire.kind) for wire in data]).refuse_moved(suspects)


def groups(rows):
    """Boolean masks (rows,) that tell places apart: of any two, some mask holds the one and not the other."""
    place = np.arange(rows)
    for bit in range((rows - 1).bit_length()):
        yield (place >> bit) % 2 == 1
        yield (place >> bit) % 2 == 0


def crosses(circuit, data, group):
    """Whether marks on a group of rows reach the loss of any other row.   data: the inputs that have rows."""
    marks = [np.broadcast_to(group.reshape((-1,) + (1,) * (len(x.shape) - 1)), x.shape) if i in data else None
             for i, x in enumerate(circuit.inputs)]
    return (reached(circuit, marks)[0] & ~group).any()


class Comparison:
    """Losses of a batch of the learner's examples, before and after some of them are replaced.

    kind   (shape, 'real' or 'integer') of each of the batch's arrays
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
        """The first of some examples whose data are not those of example i; i itself where there is none."""
        examples = self.learner.examples
        return next((j for j in members if not all(map(np.array_equal, examples[i], examples[j]))), i)

    def around(self, theta):
        """(parameters, losses there), where those of the examples and of their replacements are defined."""
        rng, none = np.random.default_rng(0), np.zeros(len(self.before), bool)
        for scale in SCALES:
            here = theta + scale * (1.0 + np.abs(theta)) * rng.normal(size=theta.shape)
            try:
                self.losses(here, ~none)
                yield here, self.losses(here, none)
            except DomainError:      # another point may do
                continue

    def losses(self, theta, replaced):
        """(rows,): with other data in the places replaced (rows,)."""
        columns = zip(*(self.learner.examples[i] for i in np.where(replaced, self.after, self.before)))
        return evaluate(self.circuit, [theta, *map(np.stack, columns)])[0]

    def refuse_moved(self, suspects):
        """Raise LearnerError if replacing a group moves another example's loss, or if that cannot be seen."""
        if not self.points or np.array_equal(self.before, self.after):
            raise LearnerError("the loss lets the examples of a batch act on each other's numbers, as its "
                               f"gates show, and no other data are there to compare. {ADVICE}")
        for group in suspects:
            for theta, losses in self.points:
                if len(self.moved(theta, losses, group)):
                    self.refuse(theta, losses, group)

    def moved(self, theta, losses, replaced):
        """The places, other than those replaced, whose losses move."""
        new = self.losses(theta, replaced)
        return np.flatnonzero((np.abs(new - losses) > MOVED * np.abs(losses).max()) & ~replaced)

    def refuse(self, theta, losses, group):
        """Raise LearnerError, naming one example that moves the loss of another."""
        singles = (np.arange(len(group)) == k for k in np.flatnonzero(group))
        alone = next((one for one in singles if len(self.moved(theta, losses, one))), group)
        at, new, named = self.moved(theta, losses, alone)[0], self.losses(theta, alone), self.learner.named
        replaced = " and ".join(named(i) for i in self.before[alone][:3])
        moves = f"{named(self.before[at])} moves from {losses[at]:.6g} to {new[at]:.6g}"
        raise LearnerError("the loss couples the examples of a batch: with other data in place of "
                           f"{replaced}, the loss of {moves}. {ADVICE}")
