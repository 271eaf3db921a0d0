"""microgpt as a circuit: the model of the paper's experiments, in tensors.

This is Karpathy's microgpt with one change that makes every gate analytic: GELU in place of ReLU. It has one
layer, four heads, embedding 16 and context 16; RMSNorm has no gain, and there are no biases. The same
function is recorded for every document length, and run on arrays.
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from circuit import ShapeError, Wire, cross_entropy, einsum, gather, gelu, rms_norm, softmax
from deletion import LearnerError
from circuit.checks import whole_number

Tensor = np.ndarray | Wire
"""What the model calculates with: arrays, or wires while it is recorded."""


@dataclass(frozen=True)
class Shape:
    """The model's size.

    Attributes
    ----------
    vocabulary : int
        The number of tokens; the last of them is BOS.
    embedding : int
        Numbers per token; a multiple of `heads`.
    heads : int
        Attention heads.
    layers : int
        Layers, each of attention and a perceptron.
    context : int
        The most tokens that the model reads.

    Raises
    ------
    LearnerError
        If they are not whole numbers >= 1, or the embedding cannot be shared by the heads.

    Examples
    --------
    >>> from microgpt import Shape
    >>> Shape(vocabulary=5, embedding=8, heads=2).parameters()["wte"]
    (5, 8)
    """
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
                               f"expected a multiple of {self.heads}")

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every parameter by name, in the order in which they are initialised and stored.

        Returns
        -------
        dict of str to tuple of int
            Token and position embeddings, the output matrix, and six matrices per layer.
        """
        n = self.embedding
        shapes = {"wte": (self.vocabulary, n), "wpe": (self.context, n), "lm_head": (self.vocabulary, n)}
        for layer in range(self.layers):
            shapes |= {f"layer{layer}.attn_{name}": (n, n) for name in ("wq", "wk", "wv", "wo")}
            shapes |= {f"layer{layer}.mlp_fc1": (4 * n, n), f"layer{layer}.mlp_fc2": (n, 4 * n)}
        return shapes


def logits(parameters: dict[str, Tensor], tokens: Tensor, shape: Shape,
           activation: Callable[[Tensor], Tensor] = gelu) -> Tensor:
    """Return the scores of every next token.

    Parameters
    ----------
    parameters : dict of str to np.ndarray
        By name, of the shapes that `shape.parameters()` lists.
    tokens : np.ndarray
        (T,) whole numbers, 1 <= T <= context.
    shape : Shape
        The model's size.
    activation : callable
        The perceptron's function of one number, on tensors.

    Returns
    -------
    np.ndarray
        (T, vocabulary): row t scores the token after tokens[:t + 1].

    Raises
    ------
    ShapeError
        If there are no tokens or too many.

    Examples
    --------
    >>> import numpy as np
    >>> from microgpt import Shape, logits
    >>> shape = Shape(vocabulary=5)
    >>> parameters = {name: np.zeros(size) for name, size in shape.parameters().items()}
    >>> logits(parameters, np.array([4, 0, 1]), shape).shape
    (3, 5)
    """
    if len(tokens.shape) != 1 or not 1 <= tokens.shape[0] <= shape.context:
        raise ShapeError(f"expected 1 to {shape.context} tokens in a row, got tokens of shape {tokens.shape}")
    count = tokens.shape[0]
    x = rms_norm(gather(parameters["wte"], tokens) + parameters["wpe"][:count])
    for layer in range(shape.layers):
        weights = {name: parameters[f"layer{layer}.{name}"]
                   for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2")}
        x = x + attention(rms_norm(x), weights, shape)
        x = x + activation(rms_norm(x) @ weights["mlp_fc1"].T) @ weights["mlp_fc2"].T
    return x @ parameters["lm_head"].T


def attention(x, weights, shape):
    """Causal self-attention: each position reads itself and those before it."""
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


def loss(parameters: dict[str, Tensor], tokens: Tensor, shape: Shape,
         activation: Callable[[Tensor], Tensor] = gelu) -> Tensor:
    """Return the mean loss of predicting each token from those before it.

    Parameters
    ----------
    parameters : dict of str to np.ndarray
        By name, of the shapes that `shape.parameters()` lists.
    tokens : np.ndarray
        (T + 1,) whole numbers: a document, as `Tokenizer.encode` gives it.
    shape : Shape
        The model's size.
    activation : callable
        The perceptron's function of one number, on tensors.

    Returns
    -------
    np.ndarray
        A scalar, in nats per token.

    Examples
    --------
    A model whose parameters are all zero knows nothing, and every token costs log 5 nats:

    >>> import numpy as np
    >>> from microgpt import Shape, loss
    >>> shape = Shape(vocabulary=5)
    >>> parameters = {name: np.zeros(size) for name, size in shape.parameters().items()}
    >>> print(f"{loss(parameters, np.array([4, 0, 1, 4]), shape):.4f}, {np.log(5):.4f}")
    1.6094, 1.6094
    """
    return mean_loss(predictions(parameters, tokens, shape, activation), tokens)
