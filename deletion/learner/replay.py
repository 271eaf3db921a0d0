"""The one walk over the steps of a training, for everything that repeats it.

A training is s_{t+1} = step_t(s_t, w): s holds the parameters and the optimizer's state, w the weights of the
examples. Whoever repeats it - in plain or in compiled numbers, whole or in parts, forwards or backwards -
does so by `replay`, which names the step and its examples in the error of any gate that leaves its domain.
"""
from functools import partial

import numpy as np

from circuit import DomainError, evaluate

AT_ONCE = 100
"""Steps that compiled code takes at once: so often it reports progress, can be stopped, and is checked."""


def replay(learner, training, begin=0, end=None, at_once=1, *, look_closely=False, backwards=False,
           skipped=0):
    """Take the steps begin..end of a training, some at once, and yield (first, last) after each group.

    Parameters
    ----------
    learner : Learner
        The learner whose steps they are.
    training : object
        What takes the steps: it has run(first, last). A block of a taylor.Recurrence, a PlainTraining, or a
        walk backwards. It raises a DomainError with the attribute `step`.
    begin, end : int
        The first step, and the one behind the last; by default all steps.
    at_once : int
        How many steps `run` is asked for at once.
    look_closely : bool
        Whether a block looks at the value of every gate; a PlainTraining always does.
    backwards : bool
        Whether the last group comes first; the order within a group is up to the training.
    skipped : int
        How many of the learner's first steps the training does not have; begin and end count without them.

    Yields
    ------
    (first, last) : (int, int)
        The steps that were taken, last excluded.

    Raises
    ------
    DomainError
        Where a gate leaves its domain; it names the step, its examples and the gate.
    """
    end = len(learner.steps) - skipped if end is None else end
    take, firsts = training.run, range(begin, end, at_once)
    if look_closely:
        take = partial(training.run, look_closely=True)
    for first in reversed(firsts) if backwards else firsts:
        last = min(first + at_once, end)
        try:
            take(first, last)
        except DomainError as error:
            raise DomainError(f"{learner.where(error.step + skipped)}: {error}") from None
        yield first, last


def advance(learner, training, begin=0, end=None, **options):
    """Take the steps begin..end of a training; parameters and errors are those of `replay`."""
    for _ in replay(learner, training, begin, end, **{"at_once": AT_ONCE, **options}):
        pass


class PlainTraining:
    """A training in the numbers of NumPy: with real or complex weights, and with many trainings side by side.

    Parameters
    ----------
    learner : Learner
        The learner to train.
    weights : np.ndarray, (examples,) or (trainings, examples)
        The weight of each example; complex weights make the whole state complex.
    state : list of np.ndarray, optional
        The state before the first step that will be taken; by default the learner's initial state.
    circuits : list of Circuit, optional
        What to evaluate in place of the learner's circuits: the same with more outputs behind the state.

    Attributes
    ----------
    state : list of np.ndarray
        The flat parameters and the optimizer's arrays after the last step taken.
    outputs : list of np.ndarray
        Everything the last step's circuit returned.
    """

    def __init__(self, learner, weights, state=None, circuits=None):
        self.learner, self.weights = learner, weights
        self.circuits = learner.circuits if circuits is None else circuits
        self.state = list(learner.states if state is None else state)
        if np.iscomplexobj(weights):
            self.state = [x.astype(complex) for x in self.state]
        self.outputs = self.state

    def inputs(self, number, state):
        """Return the inputs of a step's circuit: state, weights of the step's examples, constants, data."""
        step = self.learner.steps[number]
        return [*state, self.weights[..., step.weights], *step.data]

    def run(self, first, last, look_closely=True):
        """Take the steps first..last; evaluation looks at the value of every gate in any case."""
        for number in range(first, last):
            circuit = self.circuits[self.learner.steps[number].circuit]
            try:
                self.outputs = evaluate(circuit, self.inputs(number, self.state))
            except DomainError as error:
                error.step = number
                raise
            self.state = self.outputs[:len(self.state)]


def train_block(learner, weights, first=0, report=lambda steps: None, whole=False):
    """Train with at most a block of example weights (trainings, examples), in compiled code.

    Returns the trained parameters (trainings, parameters), or all arrays of the state if `whole`. `first` is
    the number of the first training, for messages; `report` is called with the number of steps taken since it
    was last called.
    """
    block = learner.recurrence(None).block(learner.states, weights, first=first)
    return after_all_steps(learner, block, report) if whole else after_all_steps(learner, block, report)[0]


def train_alone(learner, weights, report=lambda steps: None):
    """Train once, with example weights (examples,), in compiled code; return the arrays of the state.

    These are the numbers that are the constant parts of polynomials, to the bit.
    """
    return after_all_steps(learner, learner.recurrence(0).block(learner.states, weights), report)


def after_all_steps(learner, block, report):
    """Take a block through the whole training; return the constant parts of its state."""
    for begin, end in replay(learner, block, at_once=AT_ONCE):
        report(end - begin)
    return [block.constant(i) for i in range(len(learner.states))]
