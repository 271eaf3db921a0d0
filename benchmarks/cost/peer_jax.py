"""The peers in JAX: microgpt trained in double precision, jitted once per document length and vmapped.

`Trainings` is plain training, many side by side. `Contour` makes Taylor coefficients out of it: trainings at
complex points on a circle and a discrete Fourier transform. `Jet` is JAX's own Taylor mode,
jax.experimental.jet, of the whole step: gradient and Adam. Each has a batch in one call of XLA, and one such
batch per thread, because XLA runs arrays this small on one core.
"""
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.jet import jet

from deletion import Adam
from microgpt import Shape

jax.config.update("jax_enable_x64", True)

POINTS = 5
"""Trainings per direction of the contour method: orders 0 to 4, the highest of which is left out."""

RADIUS = 0.05
"""Of its circle, for directions of length one: see Contour."""


def gelu(x):
    return x * (0.5 * lax.erf(x * 0.5 ** 0.5) + 0.5)


def tanh_gelu(x):
    """The usual stand-in for GELU: JAX has no erf of complex numbers."""
    return 0.5 * x * (1.0 + jnp.tanh((2.0 / np.pi) ** 0.5 * (x + 0.044715 * x * x * x)))


def rms_norm(x):
    return x * lax.rsqrt((x * x).sum(-1, keepdims=True) * (1.0 / x.shape[-1]) + 1e-5)


def shifted(x):
    """x minus the real part of its maximum, a constant."""
    return x - lax.stop_gradient(jnp.real(x).max(-1, keepdims=True))


def softmax(x):
    e = jnp.exp(shifted(x))
    return e / e.sum(-1, keepdims=True)


@dataclass(frozen=True)
class Step:
    """One step of training on one name: (weight, tokens, rate, correction, *state) -> new state.

    state   parameters, then Adam's two moments, each a matrix per name; real or complex
    """
    shape: Shape
    adam: Adam
    activation: Callable = gelu

    def loss(self, parameters, tokens):
        """Mean loss in nats, as microgpt/model.py calculates it.   tokens: (T + 1,)."""
        wte, wpe, lm_head, wq, wk, wv, wo, fc1, fc2 = parameters
        count, heads, size = len(tokens) - 1, self.shape.heads, self.shape.embedding // self.shape.heads
        x = rms_norm(wte[tokens[:-1]] + wpe[:count])
        z = rms_norm(x)
        q, k, v = ((z @ w.T).reshape(count, heads, size) for w in (wq, wk, wv))
        future = np.where(np.arange(count)[:, None] >= np.arange(count), 0.0, -1e30)
        shares = softmax(jnp.einsum("thd,shd->hts", q, k) * size ** -0.5 + future)
        x = x + jnp.einsum("hts,shd->thd", shares, v).reshape(count, -1) @ wo.T
        x = x + self.activation(rms_norm(x) @ fc1.T) @ fc2.T
        scores = shifted(x @ lm_head.T)
        right = (scores * jax.nn.one_hot(tokens[1:], self.shape.vocabulary, dtype=float)).sum()
        return (jnp.log(jnp.exp(scores).sum(-1)).sum() - right) * (1.0 / count)

    def __call__(self, weight, tokens, rate, correction, *state):
        n, b1, b2 = len(state) // 3, self.adam.beta1, self.adam.beta2
        parameters, first, second = state[:n], state[n:2 * n], state[2 * n:]
        slope = jax.grad(lambda p: weight * self.loss(p, tokens),
                         holomorphic=jnp.iscomplexobj(parameters[0]))(parameters)
        first = [m * b1 + g * (1.0 - b1) for m, g in zip(first, slope)]
        second = [v * b2 + g * g * (1.0 - b2) for v, g in zip(second, slope)]
        moved = [p - rate * m * lax.rsqrt(v * correction + self.adam.eps)
                 for p, m, v in zip(parameters, first, second)]
        return (*moved, *first, *second)


@partial(jax.jit, static_argnums=0, donate_argnums=5)
def train_step(step, weights, tokens, rate, correction, states):
    """A step of a batch of trainings.   weights: (batch,);   states: matrices with a leading axis
    (batch,)."""
    return jax.vmap(lambda weight, state: step(weight, tokens, rate, correction, *state))(weights, states)


@partial(jax.jit, static_argnums=0, donate_argnums=5)
def jet_step(step, weights, tokens, rate, correction, states):
    """A step of a batch of directions.

    weights   (batch,): what multiplies t in the example's weight 1 + weights t
    states    (constant parts, coefficients): matrices; for each, its p coefficients with a leading axis
              (batch,)
    """
    def one(line, constants, series):
        lines = [line] + [jnp.zeros(())] * (len(series[0]) - 1)
        return jet(lambda weight, *state: step(weight, tokens, rate, correction, *state),
                   (jnp.ones(()), *constants), (lines, *series), factorial_scaled=False)
    return jax.vmap(one, in_axes=(0, None, 0), out_axes=(None, 0))(weights, *states)


class Trainings:
    """Trainings side by side in plain numbers, `batch` in one call and one batch per thread.

    weights   (batch * threads, examples): the example weights of each training
    """
    advance, dtype = staticmethod(train_step), float

    def __init__(self, learner, weights, threads, activation=gelu):
        self.learner, self.threads, self.batch = learner, threads, len(weights) // threads
        self.step = Step(learner.shape, learner.optimizer, activation)
        weights = np.asarray(weights, self.dtype).reshape(threads, self.batch, -1)
        self.steps = [self.inputs(number, weights) for number in range(len(learner.steps))]

    def inputs(self, number, weights):
        """A step's inputs: for each thread (batch,) weights; tokens; learning rate and Adam's correction."""
        example = self.learner.schedule[number]
        numbers = self.learner.optimizer.constants(number, len(self.learner.schedule))
        return [jnp.array(w[:, example]) for w in weights], (jnp.array(self.learner.examples[example][0]),
                                                             *map(jnp.array, numbers))

    def start(self):
        """The state before the first step."""
        layout = self.learner.layout
        matrices = [x.reshape(shape) for state in self.learner.states
                    for x, shape in zip(layout.pieces(state), layout.shapes.values())]
        return tuple(jnp.array(np.broadcast_to(x, (self.batch,) + x.shape), self.dtype) for x in matrices)

    def push(self, thread, numbers):
        state = self.start()
        for number in numbers:
            weights, data = self.steps[number]
            state = self.advance(self.step, weights[thread], *data, state)
        return jax.block_until_ready(state)

    def run(self, numbers=None):
        """The result of some steps, by default all: what `result` makes of the states, for every thread's
        batch."""
        numbers = range(len(self.steps)) if numbers is None else numbers
        with ThreadPoolExecutor(self.threads) as pool:
            return np.concatenate(list(pool.map(lambda thread: self.result(self.push(thread, numbers)),
                                                range(self.threads))))

    def flat(self, matrices):
        """The parameters among a state's matrices, end to end: (batch, parameters)."""
        return np.concatenate([np.asarray(x).reshape(self.batch, -1)
                               for x in matrices[:len(self.learner.layout.shapes)]], axis=1)

    def result(self, state):
        """(batch, parameters)"""
        return self.flat(state)


class Contour(Trainings):
    """Coefficients of orders 0 to degree from trainings at t = R e^(2 pi i k / 5): c_r = (1/5) sum_k
    theta(t_k) t_k^-r.

    psi   (directions, examples) complex: the example weights are 1 - t psi

    What comes out is c_r + c_{r+5} R^5 + ...; rounding contributes 1e-16 / (R^r |c_r|). R = 0.05 suits
    directions of length one: over 4 to 100 steps both stay below 1e-7 of the largest coefficient of their
    order.
    """
    dtype = complex

    def __init__(self, learner, psi, threads, degree):
        self.degree, self.points = degree, RADIUS * np.exp(2j * np.pi * np.arange(POINTS) / POINTS)
        weights = 1.0 - psi[:, None, :] * self.points[:, None]
        super().__init__(learner, weights.reshape(-1, psi.shape[1]), threads, tanh_gelu)

    def result(self, state):
        """(directions, parameters, degree + 1)"""
        values = self.flat(state).reshape(self.batch // POINTS, POINTS, -1)
        return np.einsum("dkn,kr->dnr", values,
                         self.points[:, None] ** -np.arange(self.degree + 1.0) / POINTS, optimize=True)


class Jet(Trainings):
    """Coefficients by jax.experimental.jet, whose numbers are real: psi (directions, examples) real, example
    weights 1 - t psi."""
    advance = staticmethod(jet_step)

    def __init__(self, learner, psi, threads, degree):
        self.degree = degree
        super().__init__(learner, -psi, threads)

    def start(self):
        states = super().start()
        series = [[jnp.zeros_like(x) for _ in range(self.degree)] for x in states]
        return tuple(x[0] for x in states), series

    def result(self, state):
        """(directions, parameters, degree + 1)"""
        constants, series = state
        orders = [self.flat([terms[r] for terms in series]) for r in range(self.degree)]
        constant = np.concatenate([np.ravel(x) for x in constants[:len(self.learner.layout.shapes)]])
        return np.stack([np.broadcast_to(constant, orders[0].shape), *orders], axis=-1)
