"""Models that are homogeneous in their parameters, N(x, c theta) = c^k N(x, theta) for c > 0, with the
derivatives of every example.

A ReLU network is not differentiable where a neuron stands at its kink, and training drives neurons there: a
neuron that harms a point is pushed until it just stops seeing it. There the gradient is a set (Clarke's
subdifferential): any share from 0 to 1 of what the neuron would contribute. `pieces` keeps these
contributions apart, so that every pair of neuron and point gets a share of its own.

Every model has: name, inputs (numbers in a point), size (parameters), degree k, start(), output, pull,
steepest, pieces, with_inputs.
"""
from dataclasses import dataclass

import numpy as np

from circuit.errors import LearnerError
from circuit.checks import checked_function, real_array, whole_number

NEAR = 0.05
"""A neuron stands at the kink of a point where |z| is at most this part of the largest |z|."""


@dataclass(frozen=True)
class Pieces:
    """The derivatives of N(x_i, theta): gradients[i] plus a share from 0 to 1 of each kinked[j] with owner[j]
    = i.

    gradients (n, size);   kinked (kinks, size);   owner (kinks,) whole numbers: the point at whose kink a
                           neuron stands
    """
    gradients: np.ndarray
    kinked: np.ndarray
    owner: np.ndarray


class Linear:
    """N(x, theta) = <theta, x>, homogeneous of degree 1.   inputs: numbers in a point"""
    name, degree = "the linear model", 1

    def __init__(self, inputs):
        self.inputs = self.size = whole_number(inputs, "the inputs of a linear model", 1)

    def with_inputs(self, inputs):
        """The same model of points of another length."""
        return Linear(inputs)

    def start(self, seed=0):
        """Where training starts: zero."""
        return np.zeros(self.size)

    def output(self, theta, x):
        """N at every point: (n, inputs) -> (n,)."""
        return x @ theta

    def pull(self, theta, x, weights):
        """The gradient of sum_i weights_i N(x_i, theta)."""
        return weights @ x

    def steepest(self, x):
        """No gradient of N has a larger square at any of the points, wherever theta is."""
        return (x * x).sum(axis=1).max()

    def pieces(self, theta, x, near=NEAR):
        """Its gradients; it has no kinks."""
        return Pieces(x, np.zeros((0, self.size)), np.zeros(0, int))


class TwoLayerReLU:
    """N(x, theta) = sum_j second_j relu(<theta_j, x>), of degree 1 in the first layer theta, (neurons,
    inputs) as one flat vector.

    inputs   numbers in a point
    second   (neurons,) the fixed second layer, of both signs so that both labels can be learned
    """
    name, degree = "the two-layer ReLU network", 1

    def __init__(self, inputs, second):
        self.inputs = whole_number(inputs, "the inputs of a network", 1)
        self.second = real_array(second, "the second layer")
        if self.second.ndim != 1 or not self.second.size or not self.second.all():
            raise LearnerError(f"the second layer is one number, not 0, per neuron, not {second!r:.60}")
        self.neurons, self.size = len(self.second), len(self.second) * self.inputs

    def with_inputs(self, inputs):
        """The same model of points of another length."""
        return TwoLayerReLU(inputs, self.second)

    def start(self, seed=0):
        """Where training starts: small normal numbers, so that the direction is found by training."""
        return 1e-3 * np.random.default_rng(whole_number(seed, "a seed", 0)).normal(size=self.size)

    def inner(self, theta, x):
        """z, (n, neurons): what enters the ReLUs."""
        return x @ theta.reshape(self.neurons, self.inputs).T

    def output(self, theta, x):
        """N at every point: (n, inputs) -> (n,)."""
        return np.maximum(self.inner(theta, x), 0.0) @ self.second

    def pull(self, theta, x, weights):
        """The gradient of sum_i weights_i N(x_i, theta), with derivative 0 at the kink itself: what training
        uses."""
        return (((self.inner(theta, x) > 0.0) * self.second * weights[:, None]).T @ x).ravel()

    def steepest(self, x):
        """No gradient of N has a larger square at any of the points, wherever theta is."""
        return (x * x).sum(axis=1).max() * (self.second @ self.second)

    def pieces(self, theta, x, near=NEAR):
        """Clarke's subdifferential; neurons stand at the kink of a point where |z| <= near * max |z|."""
        z = self.inner(theta, x)
        kink = np.abs(z) <= near * np.abs(z).max()
        owner, neuron = np.nonzero(kink)
        at = np.zeros((len(owner), self.neurons))
        at[np.arange(len(owner)), neuron] = 1.0
        return Pieces(self._contributions((z > 0.0) & ~kink, x), self._contributions(at, x[owner]), owner)

    def _contributions(self, active, x):
        """Row i: second_j active_ij x_i for every neuron j."""
        return ((active * self.second)[:, :, None] * x[:, None, :]).reshape(len(x), self.size)


class Span:
    """The span of the points: training and KKT points live there, in fewer coordinates than a long point has.

    model    the same model of points (n, <= n numbers);   points: x in coordinates, with the same outputs and
             inner products
    """

    def __init__(self, model, x):
        self.basis, coordinates = np.linalg.qr(x.T)
        self.wide, self.points, self.model = model, coordinates.T, model.with_inputs(len(coordinates))

    def inside(self, theta):
        """The coordinates of parameters (size,), without what is orthogonal to all points."""
        return (theta.reshape(-1, self.wide.inputs) @ self.basis).ravel()

    def whole(self, inside):
        """Coordinates as parameters again: (..., self.model.size) -> (..., self.wide.size)."""
        lead = inside.shape[:-1]
        return (inside.reshape(lead + (-1, self.model.inputs))
                @ self.basis.T).reshape(lead + (self.wide.size,))


def homogeneity(function, size, name=None, seed=0):
    """The degree k > 0 with function(c theta) = c^k function(theta), tried at random theta and c.
    LearnerError if there is none.

    function   of flat parameters (size,), returning a number or an array: a model's outputs
    name       of the model, for the message; default: the function's
    """
    checked_function(function, "a model", 1)
    name = name or getattr(function, "__name__", "the model")
    rng = np.random.default_rng(whole_number(seed, "a seed", 0))
    found = []
    for theta in rng.normal(size=(5, whole_number(size, "the number of parameters", 1))):
        values = {c: np.atleast_1d(real_array(function(c * theta), f"what {name} returns"))
                  for c in (1.0, 0.5, 2.0, 3.7)}
        largest = np.abs(values[1.0]).argmax()
        before, after = values[1.0].flat[largest], values[2.0].flat[largest]
        if before * after <= 0.0:
            raise LearnerError(f"{name} is not homogeneous in its parameters: it says {before:.3g}, and "
                               f"{after:.3g} when they are doubled")
        found.append(np.log2(after / before))
        for c, value in values.items():
            wanted = c ** found[0] * values[1.0]
            if not np.allclose(value, wanted, rtol=1e-8, atol=1e-8 * np.abs(wanted).max()):
                raise LearnerError(f"{name} is not homogeneous in its parameters: with all of them "
                                   "times " f"{c:g} it says " f"{value.flat[largest]:.4g}, " "where "
                                   "degree " f"{found[0]:.3g} wants {wanted.flat[largest]:.4g} (biases, "
                                   "normalisation and smooth activations are not homogeneous)")
    if found[0] < 1e-6:
        raise LearnerError(
            f"{name} is homogeneous of degree {found[0]:.2g}: its margins do not grow with its parameters")
    return float(found[0])


def checked_points(model, x, y):
    """Points (n, inputs) and labels +-1 (n,) as floats."""
    if isinstance(model, type) or not hasattr(model, "inputs"):
        raise LearnerError("a model is Linear(inputs), TwoLayerReLU(inputs, second) or one with the same "
                           f"methods, not {model!r:.60}")
    x, y = real_array(x, "points"), real_array(y, "labels")
    if x.ndim != 2 or x.shape[1] != model.inputs or not len(x):
        raise LearnerError(f"points are (n, {model.inputs}) for {model.name}, n at least 1, not {x.shape}")
    if y.shape != (len(x),):
        raise LearnerError(f"labels are one for each of {len(x)} points, not {y.shape}")
    if (np.abs(y) != 1.0).any():
        bad = int((np.abs(y) != 1.0).argmax())
        raise LearnerError(f"labels are 1 or -1, not {y[bad]:g} (point {bad})")
    return x, y


def checked_theta(model, theta):
    """The parameters of a model, (size,), as floats and not all zero."""
    theta = real_array(theta, "parameters")
    if theta.shape != (model.size,):
        raise LearnerError(f"parameters of {model.name} are ({model.size},), not {theta.shape}")
    if not theta.any():
        raise LearnerError("parameters that are all zero have no direction")
    return theta


def separated(model, theta, x, y):
    """The margins y_i N(x_i, theta), all of them positive; LearnerError names the smallest if it is not."""
    margins = y * model.output(theta, x)
    if margins.min() <= 0.0:
        raise LearnerError(f"{(margins <= 0.0).sum()} of {len(x)} points are not on their side: the margin of point {margins.argmin()} is "
                           f"{margins.min():.3g}. Only of data that {model.name} separates is there a direction of largest margin")
    return margins
