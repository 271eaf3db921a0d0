"""microgpt as a learner: trained on names one a step, each name an example that can be deleted."""
from dataclasses import dataclass
from functools import partial

import numpy as np

from circuit import exp, gelu
from deletion import Adam, Learner, LearnerError, LinearDecay, ModelLoss
from circuit.checks import checked_function, checked_labels, in_order, iterable, whole_number

from .data import Tokenizer, initial_parameters, model_shape, read_names, shuffled
from .model import Shape, loss, mean_loss, predictions

OPTIMIZER = Adam(LinearDecay(0.01), beta1=0.85, beta2=0.99, eps=1e-3)
"""The paper's: eps inside the root, the learning rate falling linearly to zero."""


@dataclass(frozen=True)
class DocumentLoss:
    """A measurement: the mean loss of the model on one document, nats per token."""
    shape: Shape
    tokens: tuple

    def __call__(self, parameters):
        return loss(parameters, np.array(self.tokens), self.shape)


@dataclass(frozen=True)
class DocumentProbability:
    """A measurement: the probability that the model writes one document, from BOS to BOS."""
    shape: Shape
    tokens: tuple

    def __call__(self, parameters):
        return exp(loss(parameters, np.array(self.tokens), self.shape) * (1.0 - len(self.tokens)))


class NameLearner(Learner):
    """A Learner of names.   documents: the training names, one a step;   held_out: the others;   tokenizer,
                             shape."""

    def __init__(self, documents, tokenizer, parameters, *, steps=None, units=None, all_units=None,
                 held_out=(), activation=gelu, optimizer=OPTIMIZER):
        if not iterable(documents):
            raise LearnerError(f"documents are a sequence of names, not {documents!r:.60}")
        self.documents, self.tokenizer, self.shape = list(documents), tokenizer, model_shape(tokenizer)
        self._check_parameters(parameters)
        self.held_out = list(held_out)
        steps = len(self.documents) if steps is None else steps
        super().__init__(parameters, [tokenizer.encode(name) for name in self.documents],
                         ModelLoss(partial(predictions, shape=self.shape, activation=activation), mean_loss),
                         optimizer, np.arange(steps) % len(self.documents), units=units, all_units=all_units,
                         labels=self.documents)

    def _check_parameters(self, parameters):
        """The tensors are those of the model: one more would be trained on nothing."""
        wanted = self.shape.parameters()
        found = {name: np.shape(x) for name,
                 x in parameters.items()} if isinstance(parameters, dict) else None
        if found != wanted:
            wrong = [name for name in {**wanted, **(found or {})} if not found
                     or found.get(name) != wanted.get(name)]
            raise LearnerError(f"parameter {wrong[0]!r} has shape {found and found.get(wrong[0])}, not "
                               f"{wanted.get(wrong[0])}: the model's "
                               "parameters are those of shape.parameters(), by name")

    def loss_on(self, name):
        """A measurement: the mean loss of the model on a name, nats per token."""
        return DocumentLoss(self.shape, tuple(self.tokenizer.encode(name).tolist()))

    def probability_of(self, name):
        """A measurement: the probability of a whole name (of its first letters, where it is longer than the
        context)."""
        return DocumentProbability(self.shape, tuple(self.tokenizer.encode(name).tolist()))

    measurements = {"loss": loss_on, "probability": probability_of}

    def named_measurement(self, text):
        """The measurement that 'loss:NAME' or 'probability:NAME' asks for; None for any other text."""
        kind, _, name = text.partition(":")
        return self.measurements[kind](self, name.strip()) if kind in self.measurements else None


def names(path=None, steps=1000, seed=42, units=None, optimizer=OPTIMIZER):
    """microgpt on a list of names, in the paper's setting: a NameLearner.

    path    file of names, one a line; default: the shipped US Census names
    steps   training steps, one name each; where there are fewer names than steps they come round again
    seed    of the shuffling and the initial parameters; 42 is the paper's
    units   what is deleted: None for single names, or a function of the name, such as first_letter
    optimizer   default: the paper's Adam
    """
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise LearnerError(f"a training has at least one step, not {steps!r}")
    seed = whole_number(seed, "a seed", 0)
    if units is not None:
        checked_function(units, "units", 1)
    every = read_names(path)
    tokenizer = Tokenizer("".join(sorted(set("".join(every)))))
    documents, generator = shuffled(every, seed)
    parameters = initial_parameters(model_shape(tokenizer), generator)
    used = documents[:steps]
    labels = {} if units is None else {"units": [units(name) for name in used], "all_units": in_order(
        checked_labels([units(name) for name in every], "units"))}
    return NameLearner(used, tokenizer, parameters, steps=steps, held_out=documents[steps:],
                       optimizer=optimizer, **labels)


def first_letter(name):
    """The unit of a name: its first letter."""
    return name[0]
