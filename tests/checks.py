"""The checks that every gate must pass. Each takes a Subject - the gate, or something deliberately wrong in
its place - and raises AssertionError. Coefficients are compared order by order, relative to the largest of
that order; NaN never passes.
"""
from dataclasses import dataclass
from typing import Callable

import mpmath
import numpy as np

from circuit import evaluate, gradient, real, record
from taylor import evaluate as push


@dataclass
class Subject:
    """value: complex arrays (batch first) -> array;   taylor: Polynomials -> Polynomial;
    slopes: (Polynomials, g) -> cotangents as Polynomials, by the gate's vector-Jacobian product."""
    value: Callable
    taylor: Callable
    slopes: Callable


def subject_of(row, degree):
    """The Subject of a row of the table."""
    inputs = [real(*shape) for shape in row.shapes]
    circuit = record(row.function, *inputs)
    shape = circuit.shapes[circuit.outputs[0]]
    weighted = record(lambda g, *x: (g * row.function(*x)).sum(), real(*shape), *inputs)
    backward = gradient(weighted, wrt=range(1, len(inputs) + 1))
    return Subject(lambda *x: evaluate(circuit, x)[0],
                   lambda x: push(circuit, x, degree)[0],
                   lambda x, g: push(backward, [g, *x], degree)[1:])


def assert_close(actual, expected, tolerance, what):
    """actual and expected: (..., orders, elements...), the order on axis 1. Each order is compared relative
    to its own largest coefficient, so an order that vanishes must vanish exactly."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: expected shape {expected.shape}, got {actual.shape}"
    assert np.isfinite(actual).all(), f"{what}: not finite"
    for order in range(expected.shape[1]):
        largest = np.abs(expected[:, order]).max(initial=0.0)
        error = np.abs(actual[:, order] - expected[:, order]).max(initial=0.0)
        assert error <= tolerance * largest, \
            f"{what}: order {order} is off by {error:.3g}, its largest coefficient being {largest:.3g}"


def contour(subject, inputs, degree, tolerance=1e-11, points=128):
    """Coefficients are the contour integral of the value on the unit circle: independent of every
    recurrence."""
    t = np.exp(2j * np.pi * np.arange(points) / points)
    coefficients = subject.taylor(inputs).all_orders()
    for j in range(len(coefficients)):
        along = [sum(c * t.reshape((-1,) + (1,) * len(x.shape)) ** r for r, c in enumerate(x.all_orders()[j]))
                 for x in inputs]
        values = subject.value(*along)
        values = np.broadcast_to(values, (points,) + coefficients.shape[2:])
        expected = np.fft.fft(values, axis=0)[:degree + 1] / points
        largest = np.abs(expected).reshape(degree + 1, -1).max(axis=1, initial=0.0)
        expected[largest < 1e-15 * np.abs(values).max(initial=0.0)] = 0.0      # rounding of the FFT
        assert_close(coefficients[j:j + 1], expected[None], tolerance, f"contour integral, direction {j}")


def naive(rule, subject, inputs, parameters, tolerance=1e-11):
    """Coefficients are those of the slow twin."""
    coefficients = subject.taylor(inputs).all_orders()
    expected = [rule(*[x.all_orders()[j] for x in inputs], **parameters) for j in range(len(coefficients))]
    assert_close(coefficients, np.stack(expected), tolerance, "naive twin")


def against_mpmath(function, subject, inputs, degree, tolerance=1e-11, elements=3):
    """Coefficients of a one-variable gate are mpmath's Taylor series, at fifty digits."""
    x = inputs[0].all_orders()[0].reshape(degree + 1, -1)
    coefficients = subject.taylor(inputs).all_orders()[0].reshape(degree + 1, -1)
    with mpmath.workdps(50):
        for i in range(min(elements, x.shape[1])):
            series = [mpmath.mpc(c) for c in x[:, i]]
            expected = mpmath.taylor(lambda t: function(horner(series, t)), 0, degree)
            assert_close(coefficients[:, i][None], np.array([complex(c) for c in expected])[None], tolerance,
                         f"mpmath, element {i}")


def horner(series, t):
    total = series[-1]
    for c in series[-2::-1]:
        total = total * t + c
    return total


def chain(subject, inputs, degree, rng, tolerance=1e-11):
    """d/dt <g, f(x(t))> = sum_i <vjp_i(x(t); g), x_i'(t)> as truncated series: value, reverse rule and Taylor
    rule in one identity."""
    y = subject.taylor(inputs).all_orders()
    g = rng.normal(size=y.shape[2:])
    left = derivative(np.tensordot(y, g, axes=g.ndim))
    right = np.zeros_like(left)
    for x, slope in zip(inputs, subject.slopes(inputs, g)):
        moving, cotangent = derivative(x.all_orders()), slope.all_orders()
        for r in range(degree):
            for j in range(r + 1):
                right[:, r] += (cotangent[:, j] * moving[:, r - j]).reshape(len(moving), -1).sum(axis=1)
    assert_close(right, left, tolerance, "chain rule")


def derivative(series):
    """Coefficients of the derivative: (directions, p + 1, ...) -> (directions, p, ...)."""
    orders = np.arange(1, series.shape[1])
    return series[:, 1:] * orders.reshape((-1,) + (1,) * (series.ndim - 2))


def adjoint(subject, inputs, rng, tolerance=1e-11):
    """<g, J v> = <J^T g, v>, with J v the first coefficient along v: for linear gates the whole matrix and
    its transpose."""
    first = subject.taylor(inputs).coefficients[:, 0]
    for _ in range(3):
        g = rng.normal(size=first.shape[1:])
        left = np.tensordot(first, g, axes=g.ndim)
        right = sum(np.tensordot(x.coefficients[:, 0], slope.constant, axes=slope.constant.ndim)
                    for x, slope in zip(inputs, subject.slopes(inputs, g)))
        right = np.broadcast_to(right, left.shape)      # the sum over no inputs is a plain zero
        assert_close(right[:, None], left[:, None], tolerance, "adjoint")


def close(actual, expected, tolerance):
    """Whether the largest difference, relative to the largest expected number, is within the tolerance."""
    return (actual.shape == expected.shape
            and np.abs(actual - expected).max() <= tolerance * np.abs(expected).max())
