"""Names to train on, as documents of tokens.

The names that come with the project are 5,163 distinct first names from the 1990 US Census lists of
frequently occurring first names (a work of the US government, in the public domain), as packaged on PyPI in
`names` 0.3.0: lower case, one a line, most frequent first. Any other list, one name a line, can take their
place.
"""
import random
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from circuit.errors import DocumentError
from circuit.checks import is_whole, whole_number

from .model import Shape

SHIPPED = Path(__file__).parent / "census_names.txt"


def read_names(path: str | PathLike | None = None) -> list[str]:
    """Read a file of names.

    Parameters
    ----------
    path : path-like, optional
        A text file in UTF-8, one name a line; blank lines are skipped. Default: the names of the project.

    Returns
    -------
    list of str
        The names, in the order of the file.

    Raises
    ------
    DocumentError
        If the file cannot be read, is not a text, or holds no names.

    Examples
    --------
    >>> from microgpt import read_names
    >>> len(read_names()), read_names()[:3]
    (5163, ['james', 'john', 'robert'])
    """
    try:
        path = SHIPPED if path is None else Path(path)
        text = path.read_text(encoding="utf-8-sig")      # some editors begin a file with a byte order mark
    except (OSError, ValueError, TypeError) as error:
        raise DocumentError(f"cannot read names from {str(path)!r:.100}: {error}") from None
    if "\0" in text:
        line = text[:text.index("\0")].count("\n") + 1
        raise DocumentError(f"{path}: expected a text, got a NUL in line {line}")
    # splitlines would also split at rarer characters
    names = [line.strip() for line in text.split("\n") if line.strip()]
    if not names:
        raise DocumentError(f"{path} holds no names: expected one a line")
    return names


@dataclass(frozen=True)
class Tokenizer:
    """Turns letters into whole numbers, the tokens.

    Attributes
    ----------
    alphabet : str
        The letters of tokens 0, 1, ... The token after them is BOS, which begins and ends every document.
    context : int
        How many tokens of a document are predicted at most.

    Raises
    ------
    DocumentError
        If the alphabet is not a text of different letters.

    Examples
    --------
    >>> from microgpt import Tokenizer
    >>> tokenizer = Tokenizer("abn")
    >>> tokenizer.encode("anna").tolist(), tokenizer.decode([3, 0, 2, 3])
    ([3, 0, 2, 2, 0, 3], 'an')
    """
    alphabet: str
    context: int = 16

    def __post_init__(self):
        letters = self.alphabet
        if not isinstance(letters, str) or not letters or len(set(letters)) != len(letters):
            raise DocumentError("alphabet: expected a text in which every letter stands once, got "
                                f"{letters!r:.60}")
        whole_number(self.context, "the context", 1)

    @property
    def bos(self) -> int:
        """The token that begins and ends every document."""
        return len(self.alphabet)

    def encode(self, name: str) -> np.ndarray:
        """Turn a name into tokens.

        Parameters
        ----------
        name : str
            Letters of the alphabet, at least one.

        Returns
        -------
        np.ndarray
            BOS, the letters, BOS; cut so that at most `context` tokens are predicted.

        Raises
        ------
        DocumentError
            If the name is empty or has other letters.
        """
        if not isinstance(name, str):
            raise DocumentError(f"a name is a text, got {name!r:.60}")
        if not name:
            raise DocumentError("an empty name has nothing to predict")
        unknown = sorted(set(name) - set(self.alphabet))
        if unknown:
            raise DocumentError(
                f"{name!r} has {', '.join(map(repr, unknown))}, outside the alphabet {self.alphabet!r}")
        tokens = [self.bos] + [self.alphabet.index(letter) for letter in name] + [self.bos]
        return np.array(tokens[:self.context + 1])

    def decode(self, tokens: Iterable[int]) -> str:
        """Turn tokens into letters.

        Parameters
        ----------
        tokens : iterable of int
            From 0 to `bos`.

        Returns
        -------
        str
            Their letters, without BOS.

        Raises
        ------
        DocumentError
            If there is no such token.
        """
        unknown = [t for t in tokens if not is_whole(t) or not 0 <= t <= self.bos]
        if unknown:
            raise DocumentError(f"there is no token {unknown[0]!r}: tokens are 0 to {self.bos}")
        return "".join(self.alphabet[t] for t in tokens if t != self.bos)


def shuffled(names, seed=42):
    """(documents in training order, the generator that shuffled them, which then draws the parameters)."""
    generator = random.Random(seed)
    documents = list(names)
    generator.shuffle(documents)
    return documents, generator


def initial_parameters(shape, generator, deviation=0.08):
    """Normal random parameters by name, drawn row by row in the order of `shape.parameters()`."""
    return {name: np.array([generator.gauss(0.0, deviation) for _ in range(int(np.prod(size)))]).reshape(size)
            for name, size in shape.parameters().items()}


def model_shape(tokenizer):
    """The model's size for the tokens of a tokenizer."""
    return Shape(vocabulary=len(tokenizer.alphabet) + 1, context=tokenizer.context)
