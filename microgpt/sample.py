"""Sampling: let a trained model babble."""
import numpy as np

from circuit import softmax
from deletion import LearnerError
from circuit.checks import real_number, whole_number

from .model import logits


def checked_options(count, temperature, seed):
    """The three settings of sampling."""
    return (whole_number(count, "the number of samples", 0),
            real_number(temperature, "a temperature", above=0.0), whole_number(seed, "a seed", 0))


def sample(parameters, tokenizer, shape, count=10, temperature=0.5, seed=0):
    """`count` new names, letter by letter, from parameters by name.   temperature: below 1 for likelier
    letters."""
    count, temperature, seed = checked_options(count, temperature, seed)
    if not isinstance(parameters, dict):
        raise LearnerError("expected parameters by name, as learner.layout.split(theta) gives them")
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
