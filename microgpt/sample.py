"""Sampling: a trained model writes new names."""
import numpy as np

from circuit import softmax
from deletion import LearnerError
from circuit.checks import real_number, whole_number

from .data import Tokenizer
from .model import Shape, logits


def checked_options(count, temperature, seed):
    """The three settings of sampling, checked."""
    return (whole_number(count, "the number of samples", 0),
            real_number(temperature, "a temperature", above=0.0), whole_number(seed, "a seed", 0))


def sample(parameters: dict[str, np.ndarray], tokenizer: Tokenizer, shape: Shape, count: int = 10,
           temperature: float = 0.5, seed: int = 0) -> list[str]:
    """Write new names, letter by letter.

    Parameters
    ----------
    parameters : dict of str to np.ndarray
        By name, as `learner.layout.split(theta)` gives them.
    tokenizer : Tokenizer
        That of the training.
    shape : Shape
        The model's size.
    count : int
        How many names.
    temperature : float
        Scores are divided by it: below 1, likely letters become likelier.
    seed : int
        Of the random choices.

    Returns
    -------
    list of str
        Names of at most `shape.context` letters. They may be empty.

    Raises
    ------
    LearnerError
        If a setting cannot be used.

    Examples
    --------
    >>> from microgpt import names, sample
    >>> learner = names(steps=1)
    >>> initial = learner.layout.split(learner.layout.initial)
    >>> [len(name) <= 16 for name in sample(initial, learner.tokenizer, learner.shape, count=2)]
    [True, True]
    """
    count, temperature, seed = checked_options(count, temperature, seed)
    if not isinstance(parameters, dict):
        raise LearnerError("expected parameters by name, as learner.layout.split(theta) gives them, got "
                           f"{parameters!r:.60}")
    generator, names = np.random.default_rng(seed), []
    for _ in range(count):
        tokens = [tokenizer.bos]
        while len(tokens) <= shape.context:
            scores = logits(parameters, np.array(tokens), shape)[-1]
            tokens.append(int(generator.choice(shape.vocabulary, p=softmax(scores / temperature))))
            if tokens[-1] == tokenizer.bos:
                break
        names.append(tokenizer.decode(tokens))
    return names
