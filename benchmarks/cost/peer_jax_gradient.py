"""The peers in JAX that run a whole training in one call of XLA: plain, side by side, and differentiated.

All steps are one `lax.scan` over the documents in the order of the schedule, and the parameters are one flat
vector, so that an optimizer's update is a few operations instead of a few per matrix. Documents differ in
length. Two ways of writing that are tried, since neither is always the faster:

"branches"   `lax.switch` over the lengths: each has code of its own, and nothing is calculated for padding
"padded"     all documents have the length of the longest; losses of what is behind the end have weight 0,
             and since attention looks back only, no other number changes. Embeddings are products with
             one-hot rows, whose transpose is a product too, where that of indexing is a loop

Gradients in the example weights are JAX's own, through all of it: `value_and_grad` for one measurement; for
several, `vjp` and `vmap` over the cotangents, which goes through the training forwards only once. Each step
is a `jax.checkpoint`: kept are the states between steps, and a step's inner numbers are calculated again.
Tried on microgpt and slower: keeping everything, checkpoints of 25 or 40 steps with and without those of
steps, and products of Hessians by hand with jvp of grad.
"""
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .peer_jax import Step, gelu, rms_norm, shifted, softmax

WAYS = "branches", "padded"


def padded_loss(shape, parameters, tokens, shares):
    """The loss of a padded document.   tokens: (T + 1,);   shares: (T,), what each prediction's loss counts,
    0 behind the end."""
    wte, wpe, lm_head, wq, wk, wv, wo, fc1, fc2 = parameters
    count, heads, size = len(tokens) - 1, shape.heads, shape.embedding // shape.heads
    rows = jax.nn.one_hot(tokens, shape.vocabulary, dtype=float)
    x = rms_norm(rows[:-1] @ wte + wpe[:count])
    z = rms_norm(x)
    q, k, v = ((z @ w.T).reshape(count, heads, size) for w in (wq, wk, wv))
    future = np.where(np.arange(count)[:, None] >= np.arange(count), 0.0, -1e30)
    read = softmax(jnp.einsum("thd,shd->hts", q, k) * size ** -0.5 + future)
    x = x + jnp.einsum("hts,shd->thd", read, v).reshape(count, -1) @ wo.T
    x = x + gelu(rms_norm(x) @ fc1.T) @ fc2.T
    scores = shifted(x @ lm_head.T)
    return ((jnp.log(jnp.exp(scores).sum(-1)) - (scores * rows[1:]).sum(-1)) * shares).sum()


class Training:
    """One training as a function of the example weights.

    way   "branches" or "padded"
    """

    def __init__(self, learner, way):
        self.learner, self.way, self.adam = learner, way, learner.optimizer
        self.step = Step(learner.shape, learner.optimizer)
        self.start = tuple(jnp.array(x) for x in learner.states)
        documents = [np.asarray(learner.examples[i][0]) for i in learner.schedule]
        self.lengths = sorted({len(tokens) for tokens in documents})
        tokens = np.zeros((len(documents), self.lengths[-1]), np.int64)
        shares = np.zeros((len(documents), self.lengths[-1] - 1))
        for row, share, document in zip(tokens, shares, documents):
            row[:len(document)], share[:len(document) - 1] = document, 1.0 / (len(document) - 1)
        numbers = np.array([self.adam.constants(i, len(documents)) for i in range(len(documents))])
        kinds = [self.lengths.index(len(document)) for document in documents]
        self.data = tuple(map(jnp.array, (learner.schedule, kinds, tokens, shares, *numbers.T)))

    def matrices(self, theta):
        """Flat parameters as the model's matrices."""
        shapes = self.learner.layout.shapes.values()
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        return [part.reshape(shape) for part, shape in zip(jnp.split(theta, ends[:-1]), shapes)]

    def slope(self, theta, weight, kind, tokens, shares):
        """The gradient of a document's weighted loss in the flat parameters."""
        if self.way == "padded":
            return jax.grad(lambda p: weight * padded_loss(self.learner.shape, self.matrices(p), tokens,
                                                           shares))(theta)

        def branch(length):
            def loss(p, weight, tokens):
                return weight * self.step.loss(self.matrices(p), tokens[:length])
            return jax.grad(loss)
        return lax.switch(kind, [branch(length) for length in self.lengths], theta, weight, tokens)

    def advance(self, weights, state, data):
        """One step of the scan: Adam on the next document."""
        example, kind, tokens, shares, rate, correction = data
        (theta, m, v), adam = state, self.adam
        slope = self.slope(theta, weights[example], kind, tokens, shares)
        m = m * adam.beta1 + slope * (1.0 - adam.beta1)
        v = v * adam.beta2 + slope * slope * (1.0 - adam.beta2)
        return (theta - rate * m * lax.rsqrt(v * correction + adam.eps), m, v), None

    def trained(self, weights, data, kept=False):
        """The trained flat parameters.   kept: whether it will be differentiated, and keeps states only"""
        step = partial(self.advance, weights)
        if kept:
            step = jax.checkpoint(step, prevent_cse=False)      # a scan needs no barriers
        return lax.scan(step, self.start, data)[0][0]

    def losses(self, theta, documents):
        """The losses of documents, a tuple of rows of tokens: (documents,)."""
        return jnp.stack([self.step.loss(self.matrices(theta), tokens) for tokens in documents])


class Scan:
    """Trainings side by side, `batch` vmapped in one call and one call per thread.

    weights   (batch * threads, examples): the example weights of each training
    """

    def __init__(self, learner, weights, threads, way):
        self.training, self.threads = Training(learner, way), threads
        weights = np.asarray(weights, float).reshape(threads, -1, learner.example_count)
        self.weights = [jnp.array(part) for part in (weights if weights.shape[1] > 1 else weights[:, 0])]
        function = self.training.trained
        self.call = jax.jit(function if self.weights[0].ndim == 1 else jax.vmap(function, in_axes=(0, None)))

    def push(self, weights, data):
        result = jax.block_until_ready(self.call(weights, data))
        return np.asarray(result).reshape(-1, result.shape[-1])

    def run(self, numbers=None):
        """The trained parameters (trainings, parameters) after some steps, by default all."""
        data = self.training.data
        if numbers is not None:
            data = tuple(x[np.asarray(numbers)] for x in data)
        with ThreadPoolExecutor(self.threads) as pool:
            return np.concatenate(list(pool.map(lambda part: self.push(part, data), self.weights)))


class Gradient:
    """The gradient of held-out documents' losses in the example weights, all of which are 1.

    documents   rows of tokens;   threads: Python threads, each of which pulls some of the documents back
    """

    def __init__(self, learner, documents, threads, way):
        self.training, self.threads = Training(learner, way), threads
        self.weights = jnp.ones(learner.example_count)
        self.parts = [tuple(documents[i::threads]) for i in range(threads)]

    @cached_property
    def calls(self):
        return [jax.jit(partial(self.one if len(part) == 1 else self.several, part)) for part in self.parts]

    def one(self, documents, weights, data):
        """value_and_grad of one document's loss, with a leading axis."""
        def loss(weights):
            return self.training.losses(self.training.trained(weights, data, kept=True), documents)[0]
        value, slope = jax.value_and_grad(loss)(weights)
        return value[None], slope[None]

    def several(self, documents, weights, data):
        """The losses, and the rows of their Jacobian."""
        def losses(weights):
            return self.training.losses(self.training.trained(weights, data, kept=True), documents)
        values, pull = jax.vjp(losses, weights)
        return values, jax.vmap(pull)(jnp.eye(len(documents)))[0]

    def run(self):
        """(examples, documents)"""
        with ThreadPoolExecutor(self.threads) as pool:
            results = list(pool.map(lambda call: jax.block_until_ready(
                call(self.weights, self.training.data))[1], self.calls))
        slopes = np.empty((sum(map(len, self.parts)), len(self.weights)))
        for i, part in enumerate(results):
            slopes[i::self.threads] = part
        return slopes.T
