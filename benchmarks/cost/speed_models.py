"""What speed is measured on: microgpt and perceptrons of four sizes; their vector measurements; and how many
operations a plain training and a pass backwards through it are.

Operations of polynomials are those of `taylor.flops`. In plain numbers they are those that the circuits count
(`Circuit.flops`): two for a multiply-add, and about 20 for exp, tanh or erf, which are a few thousandths of a
perceptron's. A pass backwards with m cotangents is counted as it would best be done: the training forwards
once, what the transposed step calculates without the cotangents once, and m times what depends on them.
Nothing is counted for steps that are taken again because their states were not kept.
"""
import numpy as np

from circuit import cross_entropy, tanh
from circuit.reverse import vjp
from deletion import Learner, ModelLoss, Momentum

from .truth import Several

PERCEPTRONS = {"64-32-10": (64, 32, 10), "784-128-10": (784, 128, 10), "784-512-10": (784, 512, 10),
               "784-512-128-10": (784, 512, 128, 10)}
"""Perceptrons by name: inputs, hidden units, classes."""

BATCH = 64


# learners and measurements ----------------------------------------------------------------------------------

def perceptron(widths, steps=20, batch=BATCH, seed=0):
    """A perceptron of tanh units and softmax cross-entropy on random data, by minibatches and momentum 0.9: a
    Learner.

    widths   numbers of inputs, hidden units of each layer, and classes

    There are 4 batches of data, used in turn.
    """
    rng, count = np.random.default_rng(seed), 4 * batch
    parameters = {}
    for k, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        parameters |= {f"w{k}": rng.normal(size=(inputs, outputs)) / np.sqrt(inputs),
                       f"b{k}": np.zeros(outputs)}
    examples = list(zip(rng.normal(size=(count, widths[0])), rng.integers(0, widths[-1], count)))
    schedule = np.resize(np.arange(count), (steps, batch))
    return Learner(parameters, examples, ModelLoss(scores, cost), Momentum(0.02, 0.9), schedule)


def scores(p, x, y):
    """Rows (batch, inputs) -> scores of the classes (batch, classes)."""
    last = len(p) // 2 - 1
    for k in range(last):
        x = tanh(x @ p[f"w{k}"] + p[f"b{k}"])
    return x @ p[f"w{last}"] + p[f"b{last}"]


def cost(values, x, y):
    return cross_entropy(values, y)


class Losses:
    """A measurement: the losses of a learner's first examples, (count,)."""

    def __init__(self, learner, count):
        self.loss = learner.loss
        self.arrays = [np.stack(column) for column in zip(*learner.examples[:count])]

    def __call__(self, parameters):
        return self.loss(parameters, *self.arrays)


def documents(learner, count):
    """A measurement of microgpt: the losses of so many held-out names, or of names where none is held out,
    (count,)."""
    return Several(tuple(learner.loss_on(name) for name in (learner.held_out or learner.documents)[:count]))


def bases(learner, count, seed=0):
    """Weights (count, units) of as many bases: each keeps 95% of the units, drawn at random."""
    return (np.random.default_rng(seed).random((count, learner.unit_count)) > 0.05).astype(float)


# operations -------------------------------------------------------------------------------------------------

def operations(circuit, moving):
    """Operations of a plain evaluation's gates that depend on some of the inputs, given by their numbers."""
    moves, total = [i in moving for i in range(len(circuit.inputs))], 0
    for entry in circuit.entries:
        moves.append(any(moves[i] for i in entry.inputs) and not entry.gate.jumps)
        total += circuit.entry_flops(entry) * moves[-1]
    return total


def summed(learner, each, begin=0, end=None):
    """The sum over steps begin..end of a number for each of the learner's circuits."""
    return sum(each[step.circuit] for step in learner.steps[begin:end])


def plain_operations(learner, begin=0, end=None):
    """Operations of steps begin..end of one training."""
    moving = range(len(learner.states) + 1)
    return summed(learner, [operations(circuit, moving) for circuit in learner.circuits], begin, end)


def backward_operations(learner, elements, begin=0, end=None):
    """Operations of a pass forwards and backwards at one base, for a measurement of so many elements."""
    states, each = len(learner.states), []
    for circuit in learner.circuits:
        moving = range(states + 1)
        transposed = vjp(circuit, moving)
        cotangents = range(len(transposed.inputs) - len(circuit.inputs))
        linear = operations(transposed, cotangents)
        both = operations(transposed, [*cotangents, *(len(cotangents) + i for i in moving)])
        each.append(operations(circuit, moving) + (both - linear) + elements * linear)
    return summed(learner, each, begin, end)
