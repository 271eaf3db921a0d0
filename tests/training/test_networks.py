"""The networks that verdicts are tried on: their losses, written again in plain NumPy and SciPy."""
import numpy as np
import pytest
from scipy.signal import correlate
from scipy.special import erf, expit, log_softmax

from benchmarks.networks import convolution, recurrent, sequence, transformer, wine


def parameters(learner):
    return learner.layout.split(learner.states[0])


def gelu(x):
    return 0.5 * x * (1.0 + erf(x / np.sqrt(2.0)))


def test_the_convolutional_net_convolves():
    """Channel by channel with SciPy's correlation, image by image."""
    pytest.importorskip("sklearn")
    learner = convolution(count=30, epochs=1)
    p = parameters(learner)

    def layer(image, kernel):
        kernel = kernel.reshape(3, 3, *kernel.shape[1:])
        return gelu(np.stack([sum(correlate(image[..., c], kernel[..., c, d], mode="valid")
                                  for c in range(image.shape[-1])) for d in range(kernel.shape[-1])],
                             axis=-1))

    def loss(image, label):
        features = layer(layer(image, p["first"]), p["second"])
        pooled = [features[i:i + 2, j:j + 2].mean(axis=(0, 1)) for i in (0, 2) for j in (0, 2)]
        return -log_softmax(np.concatenate(pooled) @ p["last"] + p["bias"])[label]
    x, y = (np.stack(column) for column in zip(*learner.held_out[:4]))
    np.testing.assert_allclose(learner.loss(p, x, y), [loss(*pair) for pair in zip(x, y)], rtol=1e-12)


def test_the_recurrent_net_is_a_gated_recurrent_unit():
    learner = recurrent(count=40, epochs=1)
    p, hidden = parameters(learner), 12

    def loss(window):
        state, total = np.zeros(hidden), 0.0
        for letter, following in zip(window, window[1:]):
            x = p["letters"][letter]
            update, reset = np.split(expit(np.concatenate([x, state]) @ p["gates"] + p["bias"][:24]), 2)
            candidate = np.tanh(np.concatenate([x, reset * state]) @ p["candidate"] + p["bias"][24:])
            state = (1.0 - update) * state + update * candidate
            total -= log_softmax(state @ p["scores"])[following]
        return total / (len(window) - 1)
    windows = np.stack([window for window, in learner.held_out[:5]])
    np.testing.assert_allclose(learner.loss(p, windows), [loss(window) for window in windows], rtol=1e-12)
    first, second = (window.tolist() for window, in learner.examples[:2])
    assert first[4:] == second[:-4]      # neighbours share what lies between them


def test_the_wines_have_one_hidden_layer():
    pytest.importorskip("sklearn")
    learner = wine(count=74, epochs=1)
    p = parameters(learner)
    x, y = (np.stack(column) for column in zip(*learner.examples))
    assert np.abs(x.mean(axis=0)).max() < 1e-12 and np.abs(x.std(axis=0) - 1.0).max() < 1e-12
    scores = log_softmax(gelu(x @ p["w1"] + p["b1"]) @ p["w2"], axis=1)
    np.testing.assert_allclose(learner.loss(p, x, y), -scores[np.arange(len(y)), y], rtol=1e-12)


def test_sequences_follow_their_rule_nine_times_of_ten():
    """Of 4,000 tokens 1/10 of 6/7 break the rule: within 4 standard errors (false alarms: 1 in 15,000)."""
    tokens = sequence(np.random.default_rng(5), 4002)
    broken = np.mean((tokens[:-2] + tokens[1:-1]) % 7 != tokens[2:])
    assert abs(broken - 6 / 70) < 4.0 * np.sqrt(6 / 70 * 64 / 70 / 4000) and set(tokens) <= set(range(7))


def test_what_is_measured_is_the_loss_on_a_held_out_example():
    """With one example a step, and with batches."""
    alone, batched = transformer(count=10, epochs=1), recurrent(count=40, epochs=1)
    assert alone.loss_on(3)(parameters(alone)) == alone.loss(parameters(alone), *alone.held_out[3])
    window, = batched.held_out[3]
    assert batched.loss_on(3)(parameters(batched)) == pytest.approx(batched.loss(parameters(batched),
                                                                                 window[None])[0], rel=1e-14)
