"""microgpt as a circuit: the model of the paper's experiments, in tensors.

Karpathy's microgpt with one change that makes every gate analytic: GELU in place of ReLU. One layer, four
heads, embedding 16, context 16; RMSNorm without gain; no biases. The same function is recorded for every
document length, and run on arrays.
"""
from dataclasses import dataclass

import numpy as np

from circuit import ShapeError, cross_entropy, einsum, gather, gelu, rms_norm, softmax
from deletion import LearnerError
from circuit.checks import whole_number


@dataclass(frozen=True)
class Shape:
    """The model's size.   vocabulary: number of tokens, the last of which is BOS."""
    vocabulary: int = 27
    embedding: int = 16
    heads: int = 4
    layers: int = 1
    context: int = 16

    def __post_init__(self):
        for name in ("vocabulary", "embedding", "heads", "layers", "context"):
            whole_number(getattr(self, name), f"the model's {name}", 1)
        if self.embedding % self.heads:
            raise LearnerError(f"an embedding of {self.embedding} cannot be shared by {self.heads} heads: "
                               "it is a multiple of them")

    def parameters(self):
        """Name and shape of every parameter, in the order in which they are initialised and stored."""
        n = self.embedding
        shapes = {"wte": (self.vocabulary, n), "wpe": (self.context, n), "lm_head": (self.vocabulary, n)}
        for layer in range(self.layers):
            shapes |= {f"layer{layer}.attn_{name}": (n, n) for name in ("wq", "wk", "wv", "wo")}
            shapes |= {f"layer{layer}.mlp_fc1": (4 * n, n), f"layer{layer}.mlp_fc2": (n, 4 * n)}
        return shapes


def logits(parameters, tokens, shape, activation=gelu):
    """Next-token scores: tokens (T,) whole numbers -> (T, vocabulary)."""
    if len(tokens.shape) != 1 or not 1 <= tokens.shape[0] <= shape.context:
        raise ShapeError(
            f"the model reads 1 to {shape.context} tokens in a row, not tokens of shape {tokens.shape}")
    count = tokens.shape[0]
    x = rms_norm(gather(parameters["wte"], tokens) + parameters["wpe"][:count])
    for layer in range(shape.layers):
        weights = {name: parameters[f"layer{layer}.{name}"]
                   for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2")}
        x = x + attention(rms_norm(x), weights, shape)
        x = x + activation(rms_norm(x) @ weights["mlp_fc1"].T) @ weights["mlp_fc2"].T
    return x @ parameters["lm_head"].T


def attention(x, weights, shape):
    """Causal self-attention: each position reads itself and what came before."""
    count, size = x.shape[0], shape.embedding // shape.heads
    q, k, v = ((x @ weights[name].T).reshape(count, shape.heads, size)
               for name in ("attn_wq", "attn_wk", "attn_wv"))
    scores = einsum("thd,shd->hts", q, k) * size ** -0.5
    future = np.where(np.arange(count)[:, None] >= np.arange(count), 0.0, -1e30)
    read = einsum("hts,shd->thd", softmax(scores + future), v)
    return read.reshape(count, shape.embedding) @ weights["attn_wo"].T


def predictions(parameters, tokens, shape, activation=gelu):
    """The scores of tokens[1:], each predicted from those before it: tokens (T + 1,) whole numbers -> (T,
    vocabulary)."""
    return logits(parameters, tokens[:-1], shape, activation)


def mean_loss(scores, tokens):
    """The mean cross-entropy of scores (T, vocabulary) with tokens[1:], in nats."""
    return cross_entropy(scores, tokens[1:]).mean()


def loss(parameters, tokens, shape, activation=gelu):
    """Mean loss of predicting tokens[1:], each from those before it, in nats.   tokens: (T + 1,) whole
    numbers."""
    return mean_loss(predictions(parameters, tokens, shape, activation), tokens)
