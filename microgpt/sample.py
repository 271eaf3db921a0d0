"""Sampling: let a trained model babble."""
import numpy as np

from circuit import softmax

from .model import logits


def sample(parameters, tokenizer, shape, count=10, temperature=0.5, seed=0):
    """`count` new names, letter by letter, from parameters by name.   temperature: below 1 for likelier letters."""
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
