"""The first-order part of a learner's losses in output space, as the losses of another learner.

The Bregman divergence of example i's criterion between outputs y and y' is l_i(y) - l_i(y') - grad l_i(y') .
(y - y'). The last term, as a function of the parameters, is a loss of its own: grad l_i(f(theta_s, x_i)) .
f(theta, x_i).
"""
from dataclasses import dataclass
from typing import Callable

import numpy as np

from circuit import evaluate, gradient, real, record

from ..learner.learner import Learner
from ..learner.optimizers import SGD
from .circuits import stacked
from .objective import Objective, objective_of
from .shared import once


@dataclass(frozen=True)
class LinearizedLoss:
    """The loss grad_out l_i(f(theta_s, x_i)) . f(theta, x_i). The first factor is the last array of an
    example."""
    outputs: Callable
    batched: bool

    def __call__(self, parameters, *arrays):
        *data, slope = arrays
        product = self.outputs(parameters, *data) * slope
        return product.reshape(len(slope), -1).sum(axis=1) if self.batched else product.sum()


def linearized_objective(learner, theta):
    """The Objective of `linearized_learner`; at the parameters as trained it is made once."""
    if not np.array_equal(theta, learner.trained):
        return Objective(linearized_learner(learner, theta))
    return once(learner._kept, "linearized objective",
                lambda: Objective(linearized_learner(learner, learner.trained)))


def linearized_learner(learner, theta):
    """A learner with the LinearizedLoss of every example at parameters theta (parameters,). Its losses and
    gradients are used; it is not trained, and has one step only."""
    objective, slopes = objective_of(learner), [None] * learner.example_count
    for members in objective.kinds.values():
        examples = [learner.examples[i] for i in members]
        if objective.batched:
            gradients = output_gradients(learner, theta, stacked(examples), len(members))
        else:
            gradients = [output_gradients(learner, theta, example) for example in examples]
        for i, slope in zip(members, gradients):
            slopes[i] = slope
    examples = [(*example, slope) for example, slope in zip(learner.examples, slopes)]
    form = learner.layout.split(learner.layout.initial)
    return Learner(form, examples, LinearizedLoss(learner.loss.outputs, objective.batched), SGD(0.0),
                   learner.schedule[:1])


def output_gradients(learner, theta, data, rows=None):
    """The gradient of the criterion in the outputs of an example (or of a batch of so many rows), at
    parameters theta."""
    outputs = np.asarray(learner.loss.checked_outputs(learner.layout.split(theta), data, rows))
    cost = record(lambda outputs: learner.loss.criterion(outputs, *data).sum(),
                  real(*outputs.shape, name="outputs"))
    return evaluate(gradient(cost, wrt=[0]), [outputs])[1]
