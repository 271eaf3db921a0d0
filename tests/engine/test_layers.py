"""Functions of networks: values by plain loops and SciPy, series by contour integrals, and their kinks."""
from itertools import product

import numpy as np
import pytest
from checks import adjoint, chain, close, contour, subject_of
from scipy import special
from scipy.signal import correlate
from table import Row

import circuit as C
from circuit import CircuitError, DomainError, ShapeError, gradient, integer, real, record
from circuit.analysis import branch_points
from taylor import Polynomial, evaluate


# the same in loops ------------------------------------------------------------------------------------------

def plain_convolution(x, kernel, stride, padding, groups=1):
    """Of one image (height, width, channels), output by output."""
    x = np.pad(x, [(padding[0],) * 2, (padding[1],) * 2, (0, 0)])
    rows, columns, channels, outputs = kernel.shape
    height, width = ((n - k) // s + 1 for n, k, s in zip(x.shape, kernel.shape, stride))
    y = np.zeros((height, width, outputs))
    for i, j, o in np.ndindex(y.shape):
        first = o // (outputs // groups) * channels
        patch = x[i * stride[0]:i * stride[0] + rows, j * stride[1]:j * stride[1] + columns]
        y[i, j, o] = (patch[..., first:first + channels] * kernel[..., o]).sum()
    return y


def plain_pool(reduce, x, size, stride):
    """Of one image (height, width, channels)."""
    height, width = ((n - k) // s + 1 for n, k, s in zip(x.shape, size, stride))
    return np.array([[reduce(x[i * stride[0]:i * stride[0] + size[0], j * stride[1]:j * stride[1] + size[1]],
                             axis=(0, 1)) for j in range(width)] for i in range(height)])


def plain_attention(q, k, v, allowed):
    """Of queries (n, size), query by query."""
    return np.array([special.softmax(np.where(row, k @ one / np.sqrt(len(one)), -np.inf)) @ v
                     for one, row in zip(q, allowed)])


def plain_group_norm(x, groups):
    """Of one image, group by group."""
    pieces = [(piece - piece.mean()) / np.sqrt(piece.var() + 1e-5) for piece in np.split(x, groups, axis=-1)]
    return np.concatenate(pieces, axis=-1)


def same(function, inputs, expected, tolerance=1e-13):
    """A function equals numbers, recorded, and on plain arrays."""
    recorded = record(function, *[(integer if x.dtype.kind == "i" else real)(*x.shape) for x in inputs])
    assert close(recorded(*inputs), expected, tolerance)
    assert close(np.asarray(function(*inputs)), expected, tolerance)


# values -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("stride, padding, groups", [((1, 1), (0, 0), 1), ((2, 1), (0, 2), 1),
                                                     ((2, 3), (1, 1), 2), ((1, 1), (1, 0), 4)])
def test_convolutions_over_images(stride, padding, groups, rng):
    images, kernel = rng.normal(size=(2, 6, 7, 4)), rng.normal(size=(3, 2, 4 // groups, 8))
    expected = [plain_convolution(x, kernel, stride, padding, groups) for x in images]
    same(lambda x, k: C.conv2d(x, k, stride, padding, groups), (images, kernel), np.stack(expected))
    same(lambda x, k: C.conv2d(x, k, stride, padding, groups), (images[1], kernel), expected[1])


@pytest.mark.parametrize("stride, padding, groups", [(1, 0, 1), (2, 3, 1), (3, 1, 2)])
def test_convolutions_along_sequences(stride, padding, groups, rng):
    x, kernel = rng.normal(size=(2, 3, 9, 4)), rng.normal(size=(4, 4 // groups, 6))
    expected = [[plain_convolution(one[:, None], kernel[:, None], (stride, 1), (padding, 0), groups)[:, 0]
                 for one in several] for several in x]
    same(lambda x, k: C.conv1d(x, k, stride, padding, groups), (x, kernel), np.array(expected))


def test_a_convolution_is_scipys_correlation(rng):
    x, kernel = rng.normal(size=(6, 6, 1)), rng.normal(size=(3, 4, 1, 1))
    same(C.conv2d, (x, kernel), correlate(x[..., 0], kernel[..., 0, 0], mode="valid")[..., None])


@pytest.mark.parametrize("size, stride", [((2, 2), None), ((2, 3), (1, 2)), ((3, 1), 2)])
def test_pooling(size, stride, rng):
    images, moved = rng.normal(size=(2, 7, 6, 3)), size if stride is None else np.broadcast_to(stride, 2)
    for function, reduce in ((C.average_pool, np.mean), (C.max_pool, np.max)):
        expected = np.stack([plain_pool(reduce, x, size, moved) for x in images])
        same(lambda x: function(x, size, stride), (images,), expected)
        alone = np.stack([plain_pool(reduce, x[:, :1], (3, 1), (2, 1))[:, 0] for x in images])
        same(lambda x: function(x[:, :, 0], 3, 2), (images,), alone)


def test_norms(rng):
    x = rng.normal(size=(2, 4, 5, 6)) * 3.0 + 1.0
    centred = x - x.mean(axis=-1, keepdims=True)
    same(C.layer_norm, (x,), centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5))
    images = (-3, -2, -1)
    same(lambda x: C.group_norm(x, 3, axis=images), (x,), np.stack([plain_group_norm(one, 3) for one in x]))
    same(lambda x: C.layer_norm(x, axis=images), (x,), np.stack([plain_group_norm(one, 1) for one in x]))
    halves = np.concatenate([C.layer_norm(half) for half in np.split(x, 2, axis=-1)], axis=-1)
    same(lambda x: C.group_norm(x, 2), (x,), halves)


def test_embedding_reads_ids_of_any_shape(rng):
    table, ids = rng.normal(size=(5, 2, 3)), np.array([[4, 0, 0], [1, 2, 4]])
    same(C.embedding, (table, ids), table[ids])
    same(lambda ids: C.embedding(table, ids), (ids,), table[ids])
    same(C.embedding, (table, ids[1, 1]), table[2])


def test_attention(rng):
    q, k, v = (rng.normal(size=(2, 3, n, size)) for n, size in ((4, 8), (6, 8), (6, 5)))
    allowed = rng.random((2, 3, 4, 6)) < 0.5
    allowed[..., 2] = True

    def plain(allowed):
        return np.array([[plain_attention(q[i, j], k[i, j], v[i, j], allowed[i, j]) for j in range(3)]
                         for i in range(2)])
    same(C.attention, (q, k, v), plain(np.ones(allowed.shape, bool)))
    same(lambda q, k, v: C.attention(q, k, v, mask=allowed), (q, k, v), plain(allowed))
    same(lambda q, k, v, mask: C.attention(q, k, v, mask=mask), (q, k, v, allowed.astype(float)),
         plain(allowed))
    lower = np.tri(6, dtype=bool)
    same(lambda k, v: C.attention(k, k, v, causal=True), (k, v),
         np.array([[plain_attention(k[i, j], k[i, j], v[i, j], lower) for j in range(3)] for i in range(2)]))
    same(lambda k, v: C.attention(k, k, v, causal=True), (k[0, 0], v[0, 0]),
         plain_attention(k[0, 0], k[0, 0], v[0, 0], lower))


ACTIVATIONS = {
    "silu": (C.silu, lambda x: x * special.expit(x)),
    "leaky_relu": (lambda x: C.leaky_relu(x, 0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    "elu": (lambda x: C.elu(x, 0.7), lambda x: np.where(x > 0, x, 0.7 * np.expm1(np.minimum(x, 0.0)))),
    "logsumexp": (C.logsumexp, lambda x: special.logsumexp(x, axis=-1)),
    "logsumexp by columns": (lambda x: C.logsumexp(x, 0), lambda x: special.logsumexp(x, axis=0))}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, rng):
    function, plain = ACTIVATIONS[name]
    for size in (1.0, 30.0, 2000.0):
        x = rng.normal(size=(3, 4)) * size
        same(function, (x,), plain(x))


# series and kinks -------------------------------------------------------------------------------------------

class Function(Row):
    """A function of tensors in place of a gate; away from kinks, as gates with such a branch are sampled."""

    def function(self, *x):
        return self.parameters["of"](*x)


SERIES = [
    Function("add", {"of": lambda x, k: C.conv2d(x, k, 2, 1, 2)}, ((4, 3, 2), (3, 2, 1, 4))),
    Function("add", {"of": lambda x, k: C.conv1d(x, k)}, ((2, 4, 2), (3, 2, 2))),
    Function("add", {"of": lambda x: C.average_pool(x, (2, 2), 1)}, ((3, 3, 2),)),
    Function("max", {"of": lambda x: C.max_pool(x, 2)}, ((4, 2),), span=0.15),
    Function("add", {"of": lambda x: C.layer_norm(x, 0.5)}, ((2, 4),), span=0.1),
    Function("add", {"of": lambda x: C.group_norm(x, 2, 0.5, (-2, -1))}, ((3, 4),), span=0.1),
    Function("add", {"of": lambda x: C.attention(x, x, x, causal=True)}, ((3, 2),)),
    Function("add", {"of": C.silu}),
    Function("add", {"of": C.logsumexp}),
    Function("relu", {"of": C.leaky_relu}, span=0.15),
    Function("relu", {"of": C.elu}, span=0.15)]


@pytest.mark.parametrize("row", SERIES, ids=range(len(SERIES)))
def test_series_are_contour_integrals(row, rng):
    inputs = row.sample(rng, 5)
    contour(subject_of(row, 5), inputs, 5)
    chain(subject_of(row, 5), inputs, 5, rng)
    adjoint(subject_of(row, 5), inputs, rng)


@pytest.mark.parametrize("function, x, gate", [(C.leaky_relu, 0.0, "relu"), (C.elu, 0.0, "relu"),
                                               (lambda x: C.max_pool(x, 2), 1.0, "max")])
def test_kinks_are_known_and_raise(function, x, gate):
    """There is one branch point, so that verdicts count a crossing once."""
    circuit = record(function, real(4, 1))
    assert len(branch_points(circuit, [0])) == 1
    with pytest.raises(DomainError, match=f"gate {gate} .*kink"):
        evaluate(circuit, [Polynomial(np.full((4, 1), x), np.ones((1, 2, 4, 1), complex))])
    evaluate(circuit, [np.full((4, 1), x)])


@pytest.mark.parametrize("function", [C.silu, C.softplus, C.logsumexp, C.layer_norm,
                                      lambda x: C.attention(x, x, x, causal=True)])
def test_smooth_functions_have_no_branch(function):
    assert not branch_points(record(function, real(3, 2)), [0])


def test_the_gradient_of_a_maximum_goes_to_the_winner(rng):
    x = rng.normal(size=(6, 6, 2))
    slope = gradient(record(lambda x: C.max_pool(x, (3, 3)).sum(), real(6, 6, 2)))(x)[1]
    winners = np.zeros(x.shape)
    for i, j, c in product((0, 3), (0, 3), (0, 1)):
        patch = x[i:i + 3, j:j + 3, c]
        winners[i:i + 3, j:j + 3, c] = patch == patch.max()
    assert np.array_equal(slope, winners)


# refusals ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("function, words", [
    (lambda x: C.conv2d(x, np.ones((2, 2, 3, 4))), "4 channels in 1 groups do not fit a kernel"),
    (lambda x: C.conv2d(x, np.ones((2, 2, 2, 3)), groups=2), "do not fit"),
    (lambda x: C.conv2d(x, np.ones((2, 4, 4))), r"\(..., height, width, channels\)"),
    (lambda x: C.conv1d(x[0, 0, 0], np.ones((2, 4, 4))), r"\(..., length, channels\)"),
    (lambda x: C.conv2d(x, np.ones((9, 2, 4, 3))), "a window of 9 does not fit into an axis of length 6"),
    (lambda x: C.conv2d(x, np.ones((2, 2, 4, 3)), stride=0), "moved by"),
    (lambda x: C.conv2d(x, np.ones((2, 2, 4, 3)), padding=(1, 1, 1)), "the padding: .*2 axes"),
    (lambda x: C.conv2d(x, np.ones((2, 2, 4, 3)), padding=0.5), "whole number"),
    (lambda x: C.conv2d(x, np.ones((2, 2, 4, 3)), groups=0), "0 groups"),
    (lambda x: C.max_pool(x, (7, 1)), "does not fit"),
    (lambda x: C.average_pool(x, 0), "make no sense"),
    (lambda x: C.group_norm(x, 3), "4 channels do not make 3 groups"),
    (lambda x: C.group_norm(x, 2, axis=(0, 1)), "leaves it out"),
    (lambda x: C.layer_norm(x, axis=4), "axis 4"),
    (lambda x: C.attention(x, x[:1], x), "with the same axes before"),
    (lambda x: C.attention(x, x[:, :, :2], x, causal=True), "as many queries as keys"),
    (lambda x: C.attention(x, x, x, mask=np.full((5, 5), -np.inf)), "1 where a query may look"),
    (lambda x: C.embedding(x, [0.5]), "real numbers as ids"),
    (lambda x: C.leaky_relu(x, np.nan), "finite"),
])
def test_what_makes_no_sense_is_named(function, words):
    with pytest.raises((CircuitError, ShapeError), match=words):
        record(function, real(2, 6, 5, 4))
