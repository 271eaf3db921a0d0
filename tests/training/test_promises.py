"""What a learner must keep, for a deletion to mean what it says.

Every example acts through its own loss alone, and nothing is random.
"""
import re

import numpy as np
import pytest
from learners import data, logistic, logistic_loss, squared_loss

import circuit as C
from circuit import softplus
from deletion import SGD, Learner, LearnerError, Objective, precompute, retrain
from deletion.influence import metagradient

X, Y = data(12, 3)
BATCHES = np.arange(12).reshape(3, 4)
LETTERS = np.random.default_rng(1).integers(0, 5, (12, 2))


def learner(loss, w=np.zeros(3), examples=None, schedule=BATCHES, optimizer=SGD(0.1), **fields):
    return Learner(w, list(zip(X, Y)) if examples is None else examples, loss, optimizer, schedule, **fields)


def refused(words, call, *arguments, **more):
    with pytest.raises(LearnerError, match=words):
        call(*arguments, **more)


# each example's loss is its own -----------------------------------------------------------------------------

def centred(w, x, y):
    z = x @ w
    return softplus(-y * (z - z.mean()))


def normalised(w, x, y):
    z = x @ w
    z = z - z.mean()
    return softplus(-y * z * (C.square(z).mean() + 1e-3) ** -0.5)


def contrasted(w, x, y):
    return -C.einsum("ij,ij->i", C.log_softmax(C.einsum("id,jd->ij", x * w, x)), np.eye(len(x)))


def scaled_by_the_largest(w, x, y):
    return squared_loss(w, x, y) * C.exp(C.max(x[:, 0], axis=0))


def weighted_by_a_constant_part(w, x, y):
    return squared_loss(w, x, y) * C.constant_part(C.exp(x @ w).mean())


def of_the_neighbour(w, x, y):
    return C.concatenate([squared_loss(w, x, y)[1:], squared_loss(w, x, y)[:1]])


def only_the_last_by_the_first(w, x, y):
    return C.concatenate([squared_loss(w, x, y)[:3], squared_loss(w, x[3:] + x[:1], y[3:])])


def pointed_at(w, letters):
    """Each example reads the row of the batch that its own letter points at."""
    return C.gather(C.gather(w, letters[:, 0]), letters[:, 1])


COUPLED = [centred, normalised, contrasted, scaled_by_the_largest, weighted_by_a_constant_part,
           of_the_neighbour, only_the_last_by_the_first]


@pytest.mark.parametrize("loss", COUPLED)
@pytest.mark.parametrize("w", [np.zeros(3), np.array([0.5, -1.0, 2.0])], ids=["from zero", "from anywhere"])
def test_a_loss_that_couples_a_batch_is_refused(loss, w):
    """Also where it does not show at the initial parameters: z - mean(z) is 0 at zero."""
    with pytest.raises(LearnerError, match="couples the examples of a batch") as caught:
        learner(loss, w)
    message = r"in place of example (\d+), the loss of example (\d+) moves from (\S+) to (\S+)\. With"
    one, other, before, after = re.search(message, str(caught.value)).groups()
    assert one != other and float(before) != float(after)


def test_names_are_told():
    message = "in place of example 1, 'b', the loss of example 0, 'a' moves"
    refused(message, learner, centred, labels="abcdefghijkl")


def test_coupling_by_whole_numbers_is_refused():
    refused("couples the examples", learner, pointed_at, np.arange(5.0), list(LETTERS % 4))


@pytest.mark.parametrize("size, here, there", [(2, 0, 1), (2, 1, 0), (3, 0, 2), (5, 3, 4), (5, 4, 0),
                                               (8, 7, 3), (12, 0, 11), (12, 8, 4), (12, 5, 6)])
def test_any_two_places_of_a_batch_are_told_apart(size, here, there):
    added = np.zeros((size, size))
    added[here, there] = 1.0

    def loss(w, x, y):
        return squared_loss(w, x, y) + added @ (x @ w)
    message = f"in place of example {there}, the loss of example {here} moves"
    refused(message, learner, loss, schedule=np.arange(size)[None])


def test_where_numbers_cannot_be_compared_the_gates_decide():
    examples = [(X[0], Y[0])] * 12      # no other data to put in the place of an example's
    refused("as its gates show", learner, centred, examples=examples)
    learner(logistic_loss, examples=examples)


def stable(w, x, y):
    """log(1 + e^z) with the largest of the batch taken out and put back: of no consequence but rounding."""
    z = -y * (x @ w)
    top = C.constant_part(C.maximum(C.max(z, axis=0), 0.0))
    return top + C.log(C.exp(-top) + C.exp(z - top))


def one_by_one(w, x, y):
    return C.stack([logistic_loss(w, x[i], y[i]) for i in range(len(x))])


def one_long_sequence(w, x, y):
    """Examples as rows of one long sequence; a mask keeps each to itself."""
    z = C.reshape(x * w, (-1, 1))
    seen = np.kron(np.eye(len(x)), np.ones((3, 3)))
    read = C.softmax(C.einsum("ik,jk->ij", z, z) + np.where(seen > 0, 0.0, -1e30)) @ z
    return C.square(C.reshape(read, (len(x), 3)).sum(axis=1) - y)


def embedded(w, letters):
    rows = C.reshape(C.gather(w, C.reshape(letters, -1)), (len(letters), 2, 1))
    return C.square(C.sum(rows, axis=(1, 2)))


def attention(w, x, y):
    q = C.einsum("bi,j->bij", x, w)
    return C.square(C.einsum("bij,bj->bi", C.softmax(C.einsum("bik,bjk->bij", q, q)), x * w).sum(axis=1) - y)


SCHEDULES = {"batches": BATCHES, "examples twice": [[3, 3, 5], [1, 1, 1]],
             "one example": np.arange(12)[:, None], "all at once": np.arange(12)[None]}


@pytest.mark.parametrize("loss", [logistic_loss, squared_loss, stable, one_by_one, one_long_sequence,
                                  attention])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_losses_of_one_example_each_pass(loss, schedule):
    assert learner(loss, np.array([0.5, -1.0, 2.0]), schedule=schedule).unit_count == 12


def test_whole_numbers_pass():
    made = learner(embedded, np.arange(5.0)[:, None], list(LETTERS))
    assert precompute(made, 12, 2, calibration=0).measure(lambda w: C.square(w).sum()).predict(3).value > 0


def test_batches_of_one_are_looked_at_where_they_become_many():
    """With one example a batch nothing is coupled; the objective, of all examples at once, would be."""
    made = learner(scaled_by_the_largest, np.array([0.5, -1.0, 2.0]), schedule=np.arange(12)[:, None])
    refused("couples the examples", Objective(made).gradient, np.ones(3))
    separate = Objective(learner(logistic_loss, schedule=np.arange(12)[:, None]))
    assert separate.value_and_gradient(np.zeros(3))[0] == pytest.approx(12 * np.log(2.0))


# nothing is random ------------------------------------------------------------------------------------------

class Drifting(SGD):
    """SGD with noise."""

    def update(self, theta, gradient, state, constants):
        theta, state = super().update(theta, gradient, state, constants)
        return theta + np.random.normal(size=theta.shape), state


def noisy(w, x, y):
    return squared_loss(w, x, y) * np.random.uniform(0.5, 1.5)


@pytest.mark.parametrize("fields, words", [
    (dict(loss=noisy), "the loss is not deterministic.*examples as one of their arrays"),
    (dict(regularizer=lambda w: (w * w).sum() * np.random.uniform()), "the regularizer is not deterministic"),
    (dict(optimizer=Drifting(0.1)), "the optimizer's update is not deterministic"),
    (dict(optimizer=SGD(lambda step, steps: np.random.uniform())), "the learning rate, .* at step 0 is not"),
])
def test_randomness_is_refused_when_a_learner_is_made(fields, words):
    refused(words, learner, **{"loss": squared_loss, **fields})


def test_randomness_in_examples_of_one_shape_is_found_among_many():
    """Only examples of five numbers draw: every shape of example is recorded twice."""
    examples = [np.ones(n) for n in (3, 3, 4, 5, 3)]

    def loss(w, x):
        return w.sum() * x.sum() * (np.random.uniform() if len(x) == 5 else 1.0)
    refused("the loss is not deterministic", Learner, np.ones(2), examples, loss, SGD(0.1), np.arange(5))
    Learner(np.ones(2), examples, loss, SGD(0.1), [0, 1, 2, 4])


def test_numbers_of_a_seed_are_the_same_every_time():
    made = learner(lambda w, x, y: squared_loss(w, x * np.random.default_rng(0).uniform(size=3), y))
    assert len(made.steps) == 3


@pytest.mark.parametrize("ask", [lambda made, f: precompute(made, 4, 1, calibration=0).measure(f),
                                 lambda made, f: retrain(made, [[0]], f), metagradient])
def test_a_random_measurement_is_refused(ask):
    message = "the measurement is not deterministic"
    refused(message, ask, logistic(steps=2), lambda w: w.sum() + np.random.normal())


def test_what_changes_after_the_learner_was_made_is_found_by_check():
    scale = [1.0]
    made = learner(lambda w, x, y: squared_loss(w, x, y) * scale[0])
    scale[0] = 2.0
    refused("the learner is not deterministic", made.check)
