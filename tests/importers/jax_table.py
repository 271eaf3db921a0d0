"""One table of functions of JAX: what from_jax has to get right, each with arguments.

A row is a function and its arguments, the first of which is moved by training. Rows cover the primitives that
have a rule; a test asks that none is left out.
"""
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, nn

RNG = np.random.default_rng(20261125)
X, W, P = (jnp.asarray(RNG.normal(size=shape)) for shape in ((2, 3), (3, 4), (2, 3)))
IMAGE, KERNEL = (jnp.asarray(RNG.normal(size=shape)) for shape in ((2, 5, 6, 4), (3, 2, 4, 6)))
GROUPED = jnp.asarray(RNG.normal(size=(3, 2, 2, 6)))
POSITIVE = jnp.exp(X)
IDS, CLASSES, GRID = jnp.array([1, 0, 1]), jnp.array([2, 1]), jnp.array([[1, 0, 1], [0, 1, 1]])
BYTES = jnp.array([[3, 200, 255]], jnp.uint8)
TRUTH = jnp.array([[True, False, True]])
HWC = ("NHWC", "HWIO", "NHWC")


def loop(x):
    return lax.scan(lambda carry, row: (jnp.tanh(carry * row.sum()), carry * row), 1.0, x)


def steps(x):
    return lax.fori_loop(0, 3, lambda i, c: jnp.sin(c + i), x)


def backwards(x):
    return lax.scan(lambda carry, row: (carry * row, carry), jnp.ones(3), x, reverse=True)


def turns(x):
    return lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, jnp.sin(c[1])), (0, x))[1]


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")


def average(x):
    return lax.reduce_window(x, 0.0, lax.add, (1, 3, 3, 1), (1, 2, 1, 1), "SAME") / 9.0


def causal(x):
    scores = jnp.where(jnp.tril(jnp.ones((3, 3), bool)), x.T @ x, -jnp.inf)
    return nn.softmax(scores) @ x.T


def safe_log(x):
    return jnp.where(x > 0, jnp.log(jnp.where(x > 0, x, 1.0)), x)


@jax.custom_vjp
def honest(x):
    return jnp.sin(x)


honest.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x),))


@jax.custom_jvp
def forward(x):
    return jnp.sin(x) * x


forward.defjvp(lambda x, v: (forward(x[0]), (jnp.cos(x[0]) * x[0] + jnp.sin(x[0])) * v[0]))

TABLE = {
    # elements
    "arithmetic": (lambda x: (x + 2.0 * x - 1.0 / (x * x + 2.0)) / (3.0 - x * x * 0.1), X),
    "powers": (lambda x: x ** 3 + x ** -2 + POSITIVE ** x + 2.0 ** x + (x * x + 1.0) ** 2.5, X),
    "power of two": (lambda x: jnp.exp(x) ** jnp.sin(x) + jnp.exp2(x), X),
    "whole exponents": (lambda x: x ** jnp.array([0, 1, 3]) + jnp.vander(x[0], 3)[:2], X),
    "varied exponents": (lambda x: jnp.exp(x) ** jnp.array([1.0, 2.0, 0.5]), X),
    "roots": (lambda x: jnp.sqrt(x) + lax.rsqrt(x) + jnp.cbrt(x) + jnp.square(x), POSITIVE),
    "exponentials": (lambda x: jnp.exp(x) + jnp.expm1(x) + jnp.log1p(x * x), X),
    "logarithms": (lambda x: jnp.log(x) + jnp.log2(x) + jnp.log10(x), POSITIVE),
    "trigonometry": (lambda x: jnp.sin(x) + jnp.cos(x) * jnp.tan(x / 3), X),
    "inverse trigonometry": (lambda x: jnp.arctan(x) + jnp.arcsin(x / 9) * jnp.arccos(x / 7), X),
    "hyperbolic": (lambda x: jnp.sinh(x) + jnp.cosh(x) + jnp.tanh(x) + jnp.arcsinh(x), X),
    "inverse hyperbolic": (lambda x: jnp.arctanh(x / 9.0) + jnp.arccosh(jnp.exp(x) + 1.1), X),
    "error functions": (lambda x: lax.erf(x) + lax.erfc(x) * x, X),
    "sigmoid": (nn.sigmoid, X), "softplus": (nn.softplus, X),
    "softplus at 0": (lambda x: nn.softplus(x - X), X),
    "log_sigmoid": (nn.log_sigmoid, X),
    "silu": (nn.silu, X), "gelu": (nn.gelu, X),
    "exact gelu": (lambda x: nn.gelu(x, approximate=False), X), "mish": (nn.mish, X),
    "relu": (nn.relu, X), "relu6": (lambda x: nn.relu6(4 * x), X), "leaky_relu": (nn.leaky_relu, X),
    "elu": (nn.elu, X), "celu": (nn.celu, X), "selu": (nn.selu, X), "glu": (lambda x: nn.glu(x, 0), X),
    "hard_tanh": (nn.hard_tanh, X), "soft_sign": (nn.soft_sign, X), "squareplus": (nn.squareplus, X),
    "clip": (lambda x: jnp.clip(x, -0.3, 0.4), X), "abs": (lambda x: jnp.abs(x) * x, X),
    "maximum": (lambda x: jnp.maximum(x, x[::-1] * 0.5) + jnp.minimum(0.1, x), X),
    "logaddexp": (lambda x: jnp.logaddexp(x, 2.0 * x[::-1]), X),
    "where": (safe_log, X), "comparisons": (lambda x: x * ((x >= 0.1) & ~(x < 0.5) | (x <= -1.0)), X),
    "equal": (lambda x: x * (x == x) + x * jnp.isnan(x) + x * jnp.isfinite(x) * (x != 0.3), X),
    "exclusive or": (lambda x: x * ((x > 0) ^ (x > 0.5)), X),
    "all and any": (lambda x: x * jnp.all(x > -9, axis=1, keepdims=True) + x * jnp.any(x > 1), X),
    # sums and products
    "sums": (lambda x: x.sum(0) * x.mean() + x.sum(axis=(0, 1)), X),
    "products": (lambda x: jnp.prod(x, axis=1) + jnp.prod(x), X),
    "maxima": (lambda x: x.max(axis=(0, 1)) + x.min(axis=0).sum() + x.max(1).sum(), X),
    "moments": (lambda x: jnp.var(x, axis=0) + jnp.std(x) + jnp.linalg.norm(x), X),
    "softmax": (nn.softmax, X), "log_softmax": (nn.log_softmax, X),
    "softmax of ties": (lambda x: nn.softmax(jnp.concatenate([x, x], 1)), X),
    "logsumexp": (lambda x: nn.logsumexp(x, axis=1) + nn.logsumexp(x), X),
    "standardize": (nn.standardize, X), "cumsum": (lambda x: jnp.cumsum(x, 1) + x.cumsum(0)[::-1], X),
    "cumprod": (lambda x: jnp.cumprod(x, 1) + lax.cumprod(x, 0, reverse=True), X),
    "reverse cumsum": (lambda x: lax.cumsum(x, 1, reverse=True), X),
    "matmul": (lambda x: jnp.tanh(x @ W) @ W.T, X), "data times": (lambda w, x: x @ w @ w.T, W, X),
    "einsum": (lambda x: jnp.einsum("ij,jk,il->kl", x, W, x), X),
    "batched": (lambda x: jnp.einsum("bij,bkj->bik", x.reshape(2, 3, 1), x.reshape(2, 3, 1) ** 2), X),
    "convolution": (lambda k, x: lax.conv_general_dilated(x, k, (2, 1), "SAME", dimension_numbers=HWC),
                    KERNEL, IMAGE),
    "dilated convolution": (lambda x: lax.conv_general_dilated(
        x, KERNEL, (1, 1), "VALID", rhs_dilation=(2, 1), dimension_numbers=HWC), IMAGE),
    "grouped convolution": (lambda k, x: lax.conv_general_dilated(
        x, k, (1, 2), "SAME", feature_group_count=2, dimension_numbers=HWC), GROUPED, IMAGE),
    "transposed convolution": (lambda k, x: lax.conv_transpose(x, k, (2, 2), "SAME"), KERNEL, IMAGE),
    "max pool": (pool, IMAGE), "average pool": (average, IMAGE),
    # moves
    "reshape": (lambda x: x.reshape(3, 2).T.ravel()[None, :, None].squeeze(), X),
    "broadcast": (lambda x: jnp.broadcast_to(x[:, None, :1], (2, 4, 3)) * x[:, None], X),
    "slices": (lambda x: x[::-1, ::2] * x[:, 1:].sum() + x[1, -1], X),
    "join": (lambda x: jnp.concatenate([x, jnp.ones((2, 1)), x * x], 1), X),
    "stack": (lambda x: jnp.stack(jnp.split(x, 3, 1)) * jnp.tile(x, (3, 1, 1))[:, :, :1], X),
    "unstack": (lambda x: jnp.unstack(x)[0] * jnp.unstack(x, axis=1)[2][1], X),
    "split": (lambda x: jnp.sin(jnp.split(x, [1], axis=1)[1]), X),
    "roll": (lambda x: jnp.roll(x, 1, axis=1) * jnp.flip(x), X),
    "pad": (lambda x: jnp.pad(x, ((1, 0), (0, 2)), constant_values=2.0) ** 2, X),
    "pad inside": (lambda x: lax.pad(x, 0.0, ((1, -1, 0), (-1, 2, 1))) ** 2, X),
    "triangle": (lambda x: jnp.tril(x @ W), X), "diagonal": (lambda x: jnp.diag(x[0]) @ x.T, X),
    "trace": (lambda x: jnp.trace(x @ x.T), X),
    "fancy": (lambda x: x[jnp.array([0, 1, 1]), jnp.array([2, 0, 1])] * x[:, jnp.array([0, 0, 2])].sum(), X),
    "set": (lambda x: x.at[0, 1].set(3.0).at[:, 2].set(jnp.sin(x[:, 0])), X),
    "add at": (lambda x: x.at[jnp.array([0, 0, 1])].add(2.0 * x[0]), X),
    "subtract at": (lambda x: x.at[:, jnp.array([0, 2])].subtract(x[:, :2] ** 2), X),
    "dynamic": (lambda x: lax.dynamic_update_slice(x, lax.dynamic_slice(x, (0, 1), (2, 2)) ** 2, (0, 0)), X),
    "sorted data": (lambda x: x * jnp.sort(jnp.array([3.0, 1.0, 2.0])), X),
    # whole numbers of the data
    "rows": (lambda x, i: jnp.tanh(x[i]), X, IDS), "rows by grid": (lambda x, i: x[i] ** 2, X, GRID),
    "columns": (lambda x, i: x[:, i] ** 2, X, CLASSES), "take": (lambda x, i: jnp.take(x, i, 0) ** 2, X, IDS),
    "take along": (lambda x, i: jnp.take_along_axis(x ** 2, i[:, None], 1), X, CLASSES),
    "element by element": (lambda x, i: x[jnp.arange(2), i] ** 2, X, CLASSES),
    "one row": (lambda x, i: x[i] ** 2, X, jnp.array(1)),
    "one element": (lambda x, i: x[1, i] ** 2, X, jnp.array(2)),
    "clipped": (lambda x, i: jnp.take(x ** 2, i, axis=1, mode="clip"), X, IDS),
    "shifted": (lambda x, i: x[jnp.maximum(i - 1, 0)] ** 2, X, IDS),
    "constants by ids": (lambda x, i: x ** 2 * jnp.array([1.0, 2.0, 3.0])[i][:, None], X, CLASSES),
    "one_hot": (lambda x, i: (x @ W) ** 2 * nn.one_hot(i, 4), X, CLASSES),
    "masked": (lambda x, i: jnp.where((i > 1)[:, None] | (i < 1)[:, None], x ** 2, 0.0), X, CLASSES),
    "length": (lambda x, n: (x ** 2 * (jnp.arange(3) < n)).sum() / n, X, jnp.array(2)),
    "modulo": (lambda x, i: x ** 2 * (i % 2)[:, None], X, CLASSES),
    "two wholes": (lambda x, i, j: x ** 2 * (i == j)[:, None], X, CLASSES, jnp.array([2, 3])),
    "bytes": (lambda w, x: (x.astype(float) / 255.0) @ w ** 2, W, BYTES),
    "bytes shifted": (lambda w, x: w[0, :3] ** 2 * ((x + jnp.uint8(1)) > 2), W, BYTES),
    "truth": (lambda x, m: jnp.where(~m, x ** 2, -x), X, TRUTH),
    "added rows": (lambda x, i: jnp.zeros((4, 3)).at[i].add(x ** 2), X, CLASSES),
    "segments": (lambda x, i: jax.ops.segment_sum(x ** 2, i, 4), X, CLASSES),
    "slice at": (lambda x, i: lax.dynamic_slice(x ** 2, (0, i), (2, 2)), X, jnp.array(1)),
    "update at": (lambda x, i: lax.dynamic_update_slice(x, x[:1] ** 2, (i, 0)), X, jnp.array(1)),
    "cross entropy": (lambda x, i: -nn.log_softmax(x)[jnp.arange(2), i], X, CLASSES),
    "mapped cross entropy": (lambda x, i: jax.vmap(lambda r, k: -nn.log_softmax(r)[k])(x, i), X, CLASSES),
    # functions of functions
    "scan": (loop, X), "reverse scan": (backwards, X), "fori_loop": (steps, X), "while_loop": (turns, X),
    "scan of ids": (lambda x, i: lax.scan(lambda c, k: (c + x[k] ** 2, c.sum()), jnp.zeros(3), i), X, IDS),
    "known branch": (lambda x: lax.cond(X.sum() > -99, jnp.sin, jnp.cos, x), X),
    "branch": (lambda x: lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x), X),
    "branch of data": (lambda x, i: lax.switch(i, [jnp.sin, jnp.cos, jnp.tanh], x), X, jnp.array(1)),
    "jit": (jax.jit(lambda x: jnp.sin(x) * 2), X),
    "checkpoint": (jax.checkpoint(lambda x: jnp.sin(x) ** 2), X),
    "own vjp": (honest, X), "own jvp": (forward, X),
    "gradient": (jax.grad(lambda x: nn.log_softmax(jnp.tanh(x) @ W)[0, 1]), X),
    "gradient of rows": (lambda x, i: jax.grad(lambda x: jnp.sin(x[i]).sum())(x), X, IDS),
    "hessian": (jax.hessian(lambda x: jnp.sum(jnp.sin(x @ W) ** 2)), X),
    "jacobian": (jax.jacfwd(lambda x: jnp.sin(x @ W)), X), "attention": (causal, X),
    "masked scores": (lambda x: nn.softmax(x + jnp.array([0.0, -jnp.inf, 0.0])), X),
    "stopped data": (lambda x, y: x ** 2 * lax.stop_gradient(y), X, P),
    "dropped": (lambda x: x ** 2 * jax.random.bernoulli(jax.random.PRNGKey(0), 0.5, x.shape), X),
    "tree": (lambda p, y: {"a": p["u"][0] @ W + p["v"], "b": [y * p["v"].sum()]}, {"u": (X,), "v": W[0]}, P),
}
