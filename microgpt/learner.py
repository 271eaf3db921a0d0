"""microgpt as a learner: each step trains on one name, and each name is an example that can be deleted."""
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike

import numpy as np

from circuit import exp, gelu
from deletion import SGD, Adam, Learner, LearnerError, LinearDecay, ModelLoss, Momentum
from circuit.checks import checked_function, checked_labels, in_order, is_whole, iterable, whole_number

from .data import Tokenizer, initial_parameters, model_shape, read_names, shuffled
from .model import Shape, loss, mean_loss, predictions

OPTIMIZER = Adam(LinearDecay(0.01), beta1=0.85, beta2=0.99, eps=1e-3)
"""The paper's: eps stands inside the root, and the learning rate falls linearly to zero."""


@dataclass(frozen=True)
class DocumentLoss:
    """A measurement: the mean loss of the model on one document, in nats per token."""
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
    """A Learner of names, which `names` makes from a file.

    Parameters
    ----------
    documents : sequence of str
        The training names, one a step.
    tokenizer : Tokenizer
        Its alphabet and context decide the model's size.
    parameters : dict of str to np.ndarray
        The initial parameters, of the shapes that `Shape.parameters` lists.
    steps : int, optional
        Training steps; where there are more than names, the names come round again. Default: one per name.
    units : sequence, optional
        One label per name: names of equal label are deleted together. Default: every name by itself.
    all_units : sequence, optional
        All labels there are, also of units that no name has. Default: those of the names.
    held_out : sequence of str
        Names that are not in the training.
    activation : callable
        The perceptron's function of one number.
    optimizer : SGD, Momentum or Adam
        Or anything with their three methods. Default: the paper's Adam.

    Raises
    ------
    LearnerError
        If documents or parameters do not fit the model.

    Examples
    --------
    >>> import numpy as np
    >>> from microgpt import NameLearner, Shape, Tokenizer
    >>> parameters = {name: np.zeros(size) for name, size in Shape(vocabulary=4).parameters().items()}
    >>> learner = NameLearner(["ann", "ben"], Tokenizer("abn"), parameters)
    Traceback (most recent call last):
        ...
    circuit.errors.DocumentError: 'ben' has 'e', outside the alphabet 'abn'
    >>> len(NameLearner(["ann", "bab"], Tokenizer("abn"), parameters, steps=3).steps)
    3
    """

    def __init__(self, documents: Sequence[str], tokenizer: Tokenizer, parameters: dict[str, np.ndarray], *,
                 steps: int | None = None, units: Sequence[Hashable] | None = None,
                 all_units: Sequence[Hashable] | None = None, held_out: Sequence[str] = (),
                 activation: Callable = gelu, optimizer: SGD | Momentum | Adam = OPTIMIZER):
        if not iterable(documents):
            raise LearnerError(f"documents: expected a sequence of names, got {documents!r:.60}")
        self.documents, self.tokenizer, self.shape = list(documents), tokenizer, model_shape(tokenizer)
        self._check_parameters(parameters)
        self.held_out = list(held_out)
        steps = len(self.documents) if steps is None else steps
        super().__init__(parameters, [tokenizer.encode(name) for name in self.documents],
                         ModelLoss(partial(predictions, shape=self.shape, activation=activation), mean_loss),
                         optimizer, np.arange(steps) % len(self.documents), units=units, all_units=all_units,
                         labels=self.documents)

    def _check_parameters(self, parameters):
        """The tensors are exactly those of the model: an additional one would not be trained."""
        expected = self.shape.parameters()
        given = {name: np.shape(x) for name, x in parameters.items()} if isinstance(parameters, dict) else {}
        for name in {**expected, **given}:
            if given.get(name) != expected.get(name):
                raise LearnerError(f"parameter {name!r} has shape {given.get(name)}, expected "
                                   f"{expected.get(name)}: the model's parameters are those of "
                                   "shape.parameters(), by name")

    def loss_on(self, name: str) -> DocumentLoss:
        """Return a measurement: the mean loss of the model on a name, in nats per token.

        Parameters
        ----------
        name : str
            Letters of the tokenizer's alphabet.

        Returns
        -------
        DocumentLoss
            A function of the parameters.

        Raises
        ------
        DocumentError
            If the name is empty or has other letters.
        """
        return DocumentLoss(self.shape, tuple(self.tokenizer.encode(name).tolist()))

    def probability_of(self, name: str) -> DocumentProbability:
        """Return a measurement: the probability of a whole name, cut to the context.

        Parameters
        ----------
        name : str
            Letters of the tokenizer's alphabet.

        Returns
        -------
        DocumentProbability
            A function of the parameters.

        Raises
        ------
        DocumentError
            If the name is empty or has other letters.
        """
        return DocumentProbability(self.shape, tuple(self.tokenizer.encode(name).tolist()))

    measurements = {"loss": loss_on, "probability": probability_of}
    """What `named_measurement` understands."""

    def kinds(self) -> dict[str, list[set]]:
        """Return the kinds of sets of names that are asked about: names with a letter, and of a length.

        Returns
        -------
        dict
            {"letter": ..., "length": ...}: a set of labels for every unit, as `precompute` takes them.
        """
        letters, lengths = ([set() for _ in range(self.unit_count)] for _ in range(2))
        for name, unit in zip(self.documents, self.unit_of):
            letters[unit].update(name)
            lengths[unit].add(len(name))
        return {"letter": letters, "length": lengths}

    def named_measurement(self, text: str) -> DocumentLoss | DocumentProbability | None:
        """Return the measurement that a text names.

        Parameters
        ----------
        text : str
            'loss:NAME' or 'probability:NAME'.

        Returns
        -------
        DocumentLoss, DocumentProbability or None
            The measurement; None for any other text.

        Raises
        ------
        DocumentError
            If the name is empty or has letters outside the alphabet.
        """
        kind, _, name = text.partition(":")
        return self.measurements[kind](self, name.strip()) if kind in self.measurements else None


def names(path: str | PathLike | None = None, steps: int = 1000, seed: int = 42,
          units: Callable[[str], Hashable] | None = None,
          optimizer: SGD | Momentum | Adam = OPTIMIZER) -> NameLearner:
    """Return microgpt on a list of names, in the paper's setting.

    Parameters
    ----------
    path : path-like, optional
        A file of names, one a line. Default: the US Census names of the project.
    steps : int
        Training steps, one name each. If there are fewer names than steps, they come round again.
    seed : int
        Of the shuffling and the initial parameters; 42 is the paper's.
    units : callable, optional
        What is deleted: a function from a name to the label of its unit, such as `first_letter`. Default:
        single names.
    optimizer : SGD, Momentum or Adam
        Or anything with their three methods. Default: the paper's Adam.

    Returns
    -------
    NameLearner
        Names that are not in the training are its `held_out`.

    Raises
    ------
    DocumentError
        If the names cannot be read.
    LearnerError
        If a setting cannot be used.

    Examples
    --------
    >>> from microgpt import first_letter, names
    >>> learner = names(steps=3, units=first_letter)
    >>> len(learner.documents), learner.unit_count, len(learner.held_out)
    (3, 26, 5160)
    """
    if not is_whole(steps) or steps < 1:
        raise LearnerError("steps: expected a whole number >= 1 (a training has at least one step), got "
                           f"{steps!r}")
    seed = whole_number(seed, "a seed", 0)
    if units is not None:
        checked_function(units, "units", 1)
    all_names = read_names(path)
    tokenizer = Tokenizer("".join(sorted(set("".join(all_names)))))
    documents, generator = shuffled(all_names, seed)
    parameters = initial_parameters(model_shape(tokenizer), generator)
    used = documents[:steps]
    labels = {}
    if units is not None:
        labels["units"] = [units(name) for name in used]
        labels["all_units"] = in_order(checked_labels([units(name) for name in all_names], "units"))
    return NameLearner(used, tokenizer, parameters, steps=steps, held_out=documents[steps:],
                       optimizer=optimizer, **labels)


def first_letter(name: str) -> str:
    """Return the unit of a name: its first letter.

    Parameters
    ----------
    name : str
        Not empty.

    Returns
    -------
    str
        One letter.

    Examples
    --------
    >>> from microgpt import first_letter
    >>> first_letter("rufus")
    'r'
    """
    return name[0]
