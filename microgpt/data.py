"""Names to train on, as documents of tokens.

The names that come with the project are 5,163 distinct first names from the 1990 US Census lists of
frequently occurring first names (a work of the US government, in the public domain), as packaged on PyPI in
`names` 0.3.0: lower case, one a line, most frequent first. Any other list, one name a line, can take their
place.
"""
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from circuit.errors import DocumentError
from circuit.checks import whole_number

from .model import Shape

SHIPPED = Path(__file__).parent / "census_names.txt"


def read_names(path=None):
    """The names in a file, one a line, blank lines skipped; the shipped list if no path is given."""
    try:
        path = SHIPPED if path is None else Path(path)
        text = path.read_text(encoding="utf-8-sig")      # some editors begin a file with a byte order mark
    except (OSError, ValueError, TypeError) as error:
        raise DocumentError(f"cannot read names from {str(path)!r:.100}: {error}") from None
    if "\0" in text:
        raise DocumentError(
            f"{path} is not a text: it has a NUL in line {text[:text.index(chr(0))].count(chr(10)) + 1}")
    # splitlines would also split at rarer signs
    names = [line.strip() for line in text.split("\n") if line.strip()]
    if not names:
        raise DocumentError(f"{path} holds no names: expected one a line")
    return names


@dataclass(frozen=True)
class Tokenizer:
    """Letters to whole numbers.   alphabet: the letters of tokens 0, 1, ...; the token after them is BOS,
                                   which begins and ends
    every document.   context: how many tokens of a document are predicted at most."""
    alphabet: str
    context: int = 16

    def __post_init__(self):
        if not isinstance(self.alphabet,
                          str) or not self.alphabet or len(set(self.alphabet)) != len(self.alphabet):
            raise DocumentError(
                f"an alphabet is a text in which every letter stands once, not {self.alphabet!r:.60}")
        whole_number(self.context, "the context", 1)

    @property
    def bos(self):
        return len(self.alphabet)

    def encode(self, name):
        """BOS, the letters, BOS; cut so that at most `context` tokens are predicted. Raises DocumentError for
        unknown letters."""
        if not isinstance(name, str):
            raise DocumentError(f"a name is a text, not {name!r:.60}")
        if not name:
            raise DocumentError("an empty name has nothing to predict")
        unknown = sorted(set(name) - set(self.alphabet))
        if unknown:
            raise DocumentError(
                f"{name!r} has {', '.join(map(repr, unknown))}, outside the alphabet {self.alphabet!r}")
        tokens = [self.bos] + [self.alphabet.index(letter) for letter in name] + [self.bos]
        return np.array(tokens[:self.context + 1])

    def decode(self, tokens):
        """The letters of tokens, BOS left out. Raises DocumentError for tokens there are not."""
        unknown = [t for t in tokens if isinstance(t, bool) or not isinstance(t, (int, np.integer))
                   or not 0 <= t <= self.bos]
        if unknown:
            raise DocumentError(f"there is no token {unknown[0]!r}: tokens are 0 to {self.bos}")
        return "".join(self.alphabet[t] for t in tokens if t != self.bos)


def shuffled(names, seed=42):
    """(documents in training order, the generator that shuffled them, which goes on to draw the
    parameters)."""
    generator = random.Random(seed)
    documents = list(names)
    generator.shuffle(documents)
    return documents, generator


def initial_parameters(shape, generator, deviation=0.08):
    """Normal random parameters by name, drawn row by row in the order of `shape.parameters()`."""
    return {name: np.array([generator.gauss(0.0, deviation) for _ in range(int(np.prod(size)))]).reshape(size)
            for name, size in shape.parameters().items()}


def model_shape(tokenizer):
    return Shape(vocabulary=len(tokenizer.alphabet) + 1, context=tokenizer.context)
