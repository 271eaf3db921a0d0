"""What the tests of bad input share: a call that must be refused, and a small learner."""
import numpy as np
import pytest
from learners import squared_loss

from circuit.errors import InputError
from deletion import SGD, Learner

X, Y = np.random.default_rng(5).normal(size=(2, 4, 2))
EXAMPLES = list(zip(X, Y[:, 0]))


def refused(words, calculate, *arguments, error=InputError, **more):
    """The call raises an error of this class, whose message has these words."""
    with pytest.raises(error, match=words):
        calculate(*arguments, **more)


def learner(w=np.zeros(2), examples=EXAMPLES, loss=squared_loss, optimizer=SGD(0.1), schedule=(0, 1, 2, 3),
            **fields):
    return Learner(w, examples, loss, optimizer, schedule, **fields)
