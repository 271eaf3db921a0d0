"""Small networks of other kinds: what verdicts are tried on besides microgpt and the learners of learners.py.

convolution     two convolutions and a pooling on 8x8 digits, by minibatches
recurrent       a gated recurrent unit that reads windows of a text, each overlapping its neighbours
wine            a hidden layer on the chemistry of 148 wines, three classes
transformer     the testbed's own model, smaller, on sequences that follow a rule nine times out of ten

Each is a HeldOutLearner; digits and wines come with scikit-learn (the extra `data`), everything else is made
here.
"""
from functools import partial

import numpy as np

from circuit import concatenate, cross_entropy, einsum, gather, gelu, sigmoid, stack, tanh
from deletion import Adam, LinearDecay, Momentum
from microgpt.model import Shape
from microgpt.model import loss as language_loss

from .learners import HeldOutLearner, bundled, half_square, shuffled


def minibatches(count, batch, epochs, seed):
    """A schedule (steps, batch): each example once an epoch, in a new order in each; examples that do not
    fill a batch wait for the next epoch."""
    rng = np.random.default_rng([seed, 1])
    return np.concatenate([rng.permutation(count)[:count // batch * batch].reshape(-1, batch)
                           for _ in range(epochs)])


# a convolutional net on digits ------------------------------------------------------------------------------

def convolution(count=300, epochs=12, batch=30, rate=0.05, seed=0):
    """Convolutions 3x3 to 6 and to 8 channels with GELU, means over 2x2, a linear layer; momentum 0.9, rate
    falling to 0."""
    images, labels = bundled("digits")
    x, y, held_x, held_y = shuffled(images.reshape(-1, 8, 8, 1) / 16.0, labels.astype(np.int64), count, seed)
    rng = np.random.default_rng([seed, 2])
    parameters = {"first": rng.normal(size=(9, 1, 6)) / 3.0,
                  "second": rng.normal(size=(9, 6, 8)) / np.sqrt(54.0),
                  "last": rng.normal(size=(32, 10)) / np.sqrt(32.0), "bias": np.zeros(10)}
    return HeldOutLearner(parameters, list(zip(x, y)), convolution_loss, Momentum(LinearDecay(rate), 0.9),
                          minibatches(count, batch, epochs, seed), held_out=zip(held_x, held_y))


def convolved(x, kernel):
    """Every 3x3 patch of x (rows, height, width, channels) times a kernel (9, channels, out): (rows, height -
    2, width - 2, out)."""
    height, width = x.shape[1] - 2, x.shape[2] - 2
    patches = stack([x[:, i:i + height, j:j + width] for i in range(3) for j in range(3)])
    return einsum("pbijc,pcd->bijd", patches, kernel)


def convolution_loss(p, x, y):
    """Images (rows, 8, 8, 1), classes (rows,) -> losses (rows,), nats."""
    features = gelu(convolved(gelu(convolved(x, p["first"])), p["second"]))      # (rows, 4, 4, 8)
    pooled = features.reshape(x.shape[0], 2, 2, 2, 2, 8).mean(axis=4).mean(axis=2).reshape(x.shape[0], 32)
    return cross_entropy(pooled @ p["last"] + p["bias"], y)


# a recurrent net on a text ----------------------------------------------------------------------------------

TEXT = """four score and seven years ago our fathers brought forth on this continent a new nation
conceived in liberty and dedicated to the proposition that all men are created equal now we are engaged in
a great civil war testing whether that nation or any nation so conceived and so dedicated can long endure
we are met on a great battlefield of that war we have come to dedicate a portion of that field as a final
resting place for those who here gave their lives that that nation might live it is altogether fitting and
proper that we should do this but in a larger sense we can not dedicate we can not consecrate we can not
hallow this ground"""
"""The beginning of Lincoln's address at Gettysburg, 1863."""

LETTERS = "abcdefghijklmnopqrstuvwxyz "


def recurrent(count=100, length=12, hidden=12, epochs=10, batch=10, rate=0.02, seed=0):
    """A gated recurrent unit with embeddings of 8 that predicts each next letter in `count` windows of a
    text, by Adam.

    Windows begin four letters apart, so that neighbours share most of theirs; the windows that follow in the
    text are held out.
    """
    text = [LETTERS.index(letter) for letter in " ".join(TEXT.split())]
    windows = [(np.array(text[at:at + length + 1]),) for at in range(0, len(text) - length, 4)]
    rng = np.random.default_rng([seed, 2])
    parameters = {"letters": rng.normal(size=(27, 8)) * 0.3,
                  "gates": rng.normal(size=(8 + hidden, 2 * hidden)) / np.sqrt(8 + hidden),
                  "candidate": rng.normal(size=(8 + hidden, hidden)) / np.sqrt(8 + hidden),
                  "bias": np.zeros(3 * hidden), "scores": rng.normal(size=(hidden, 27)) / np.sqrt(hidden)}
    return HeldOutLearner(parameters, windows[:count], recurrent_loss, Adam(LinearDecay(rate)),
                          minibatches(count, batch, epochs, seed), held_out=windows[count:])


def recurrent_loss(p, windows):
    """Windows (rows, length + 1) of letters -> the mean loss of predicting each from those before it,
    (rows,), nats."""
    rows, hidden = windows.shape[0], p["candidate"].shape[1]
    state, total = np.zeros((rows, hidden)), 0.0
    for at in range(windows.shape[1] - 1):
        letter = gather(p["letters"], windows[:, at])
        gates = sigmoid(concatenate([letter, state], axis=1) @ p["gates"] + p["bias"][:2 * hidden])
        update, reset = gates[:, :hidden], gates[:, hidden:]
        candidate = tanh(concatenate([letter, state * reset], axis=1) @ p["candidate"]
                         + p["bias"][2 * hidden:])
        state = state + (candidate - state) * update
        total = total + cross_entropy(state @ p["scores"], windows[:, at + 1])
    return total * (1.0 / (windows.shape[1] - 1))


# wines ------------------------------------------------------------------------------------------------------

def wine(count=148, hidden=8, epochs=20, batch=37, rate=0.1, penalty=1e-3, seed=0):
    """One hidden GELU layer on 13 standardised measurements of wines from three growers; momentum 0.9, rate
    falling to 0."""
    features, grower = bundled("wine")
    x, y, held_x, held_y = shuffled(features, grower.astype(np.int64), count, seed)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    rng = np.random.default_rng([seed, 2])
    parameters = {"w1": rng.normal(size=(13, hidden)) / np.sqrt(13.0), "b1": np.zeros(hidden),
                  "w2": rng.normal(size=(hidden, 3)) / np.sqrt(hidden)}
    return HeldOutLearner(parameters, list(zip((x - mean) / deviation, y)), wine_loss,
                          Momentum(LinearDecay(rate), 0.9), minibatches(count, batch, epochs, seed),
                          held_out=zip((held_x - mean) / deviation, held_y),
                          regularizer=partial(wine_decay, penalty))


def wine_loss(p, x, y):
    return cross_entropy(gelu(x @ p["w1"] + p["b1"]) @ p["w2"], y)


def wine_decay(penalty, p):
    return half_square(penalty, p["w1"], p["w2"])


# a transformer on sequences ---------------------------------------------------------------------------------

def transformer(count=80, epochs=4, length=10, rate=0.01, seed=0):
    """One layer of two heads, embedding 8, on sequences over seven tokens in which each is the sum of the two
    before it, modulo 7.

    One token in ten is replaced by any other. One sequence a step, by Adam with eps inside the root, rate
    falling to 0.
    """
    shape = Shape(vocabulary=7, embedding=8, heads=2, layers=1, context=length)
    rng = np.random.default_rng([seed, 2])
    sequences = [(sequence(rng, length + 1),) for _ in range(count + 20)]
    parameters = {name: rng.normal(size=size) * 0.2 for name, size in shape.parameters().items()}
    schedule = np.concatenate([rng.permutation(count) for _ in range(epochs)])
    return HeldOutLearner(parameters, sequences[:count], partial(sequence_loss, shape),
                          Adam(LinearDecay(rate), 0.85, 0.99, 1e-3), schedule, held_out=sequences[count:])


def sequence(rng, length):
    """Tokens (length,) of which each is the sum of the two before it modulo 7, or, one time in ten, any
    token."""
    tokens = rng.integers(0, 7, 2).tolist()
    while len(tokens) < length:
        tokens.append(int(rng.integers(0, 7)) if rng.random() < 0.1 else (tokens[-1] + tokens[-2]) % 7)
    return np.array(tokens)


def sequence_loss(shape, parameters, tokens):
    return language_loss(parameters, tokens, shape)
