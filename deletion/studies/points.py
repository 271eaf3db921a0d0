"""What is checked before a study of margins - that a model is homogeneous, its points and labels, that it
separates them -, and the span of the points.
"""
from typing import Callable, Optional

import numpy as np

from circuit.errors import LearnerError
from circuit.checks import checked_function, real_array, whole_number
from .homogeneous import Linear, TwoLayerReLU

MIN_DEGREE = 1e-6
"""A model of a lower degree does not grow with its parameters."""


class Span:
    """The span of the points, where training and KKT points stay.

    It has fewer coordinates than a long point. Its attribute `model` is the same model for points in these
    coordinates, and `points` are x in coordinates, with the same outputs and inner products.

    Parameters
    ----------
    model : Linear or TwoLayerReLU
        Or another model with their methods.
    x : np.ndarray
        Points, (n, inputs).

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.unlearning import Linear, Span
    >>> span = Span(Linear(1000), np.eye(1000)[:3])
    >>> span.points.shape, span.whole(span.inside(np.arange(1000.0))).round(6)[:5].tolist()
    ((3, 3), [0.0, 1.0, 2.0, 0.0, 0.0])
    """

    def __init__(self, model: Linear | TwoLayerReLU, x: np.ndarray):
        self.basis, coordinates = np.linalg.qr(x.T)
        self.wide, self.points, self.model = model, coordinates.T, model.with_inputs(len(coordinates))

    def inside(self, theta: np.ndarray) -> np.ndarray:
        """Return the coordinates of parameters, without what is orthogonal to all points.

        Parameters
        ----------
        theta : np.ndarray
            (size,).

        Returns
        -------
        np.ndarray
            (model.size,).
        """
        return (theta.reshape(-1, self.wide.inputs) @ self.basis).ravel()

    def whole(self, inside: np.ndarray) -> np.ndarray:
        """Return the parameters that have given coordinates.

        Parameters
        ----------
        inside : np.ndarray
            (..., model.size).

        Returns
        -------
        np.ndarray
            (..., size).
        """
        lead = inside.shape[:-1]
        return (inside.reshape(lead + (-1, self.model.inputs))
                @ self.basis.T).reshape(lead + (self.wide.size,))


def homogeneity(function: Callable, size: int, name: Optional[str] = None, seed: int = 0) -> float:
    """Find the degree k > 0 with function(c theta) = c^k function(theta), at random theta and c.

    Parameters
    ----------
    function : Callable
        Takes flat parameters (size,) and returns a number or an array: a model's outputs.
    size : int
        The number of parameters.
    name : str, optional
        Of the model, for messages. Default: the function's.
    seed : int
        Of the random parameters.

    Returns
    -------
    float
        The degree.

    Raises
    ------
    LearnerError
        If there is no such degree.

    Examples
    --------
    >>> from deletion.unlearning import homogeneity
    >>> round(homogeneity(lambda theta: theta[0] * theta[1], 2), 6)
    2.0
    """
    checked_function(function, "a model", 1)
    name = name or getattr(function, "__name__", "the model")
    rng = np.random.default_rng(whole_number(seed, "a seed", 0))
    degree = None      # that of the first parameters, which all others must have too
    for theta in rng.normal(size=(5, whole_number(size, "the number of parameters", 1))):
        values = {c: np.atleast_1d(real_array(function(c * theta), f"what {name} returns"))
                  for c in (1.0, 0.5, 2.0, 3.7)}
        largest = np.abs(values[1.0]).argmax()
        before, after = values[1.0].flat[largest], values[2.0].flat[largest]
        if before * after <= 0.0:
            raise LearnerError(f"{name} is not homogeneous in its parameters: it returns {before:.3g}, and "
                               f"{after:.3g} when they are doubled")
        degree = np.log2(after / before) if degree is None else degree
        for c, value in values.items():
            expected = c ** degree * values[1.0]
            if not np.allclose(value, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max()):
                raise LearnerError(f"{name} is not homogeneous in its parameters: with all of them times "
                                   f"{c:g} it returns {value.flat[largest]:.4g}; degree {degree:.3g} "
                                   f"requires {expected.flat[largest]:.4g} (biases, normalisation and smooth "
                                   "activations are not homogeneous)")
    if degree < MIN_DEGREE:
        raise LearnerError(
            f"{name} is homogeneous of degree {degree:.2g}: its margins do not grow with its parameters")
    return float(degree)


def checked_points(model, x, y):
    """Points (n, inputs) and labels +-1 (n,) as floats."""
    if isinstance(model, type) or not hasattr(model, "inputs"):
        raise LearnerError("model: expected Linear(inputs), TwoLayerReLU(inputs, second) or one with the "
                           f"same methods, got {model!r:.60}")
    x, y = real_array(x, "points"), real_array(y, "labels")
    if x.ndim != 2 or x.shape[1] != model.inputs or not len(x):
        raise LearnerError(f"points: expected shape (n, {model.inputs}) for {model.name}, n at least 1, got "
                           f"{x.shape}")
    if y.shape != (len(x),):
        raise LearnerError(f"labels: expected one for each of {len(x)} points, got shape {y.shape}")
    if (np.abs(y) != 1.0).any():
        bad = int((np.abs(y) != 1.0).argmax())
        raise LearnerError(f"labels are 1 or -1: got {y[bad]:g} (point {bad})")
    return x, y


def checked_theta(model, theta):
    """The parameters of a model, (size,), as floats and not all zero."""
    theta = real_array(theta, "parameters")
    if theta.shape != (model.size,):
        raise LearnerError(f"parameters of {model.name}: expected shape ({model.size},), got {theta.shape}")
    if not theta.any():
        raise LearnerError("parameters that are all zero have no direction")
    return theta


def separated(model, theta, x, y):
    """The margins y_i N(x_i, theta), all positive; LearnerError names the smallest otherwise."""
    margins = y * model.output(theta, x)
    if margins.min() <= 0.0:
        raise LearnerError(f"{(margins <= 0.0).sum()} of {len(x)} points are misclassified: the margin of "
                           f"point {margins.argmin()} is {margins.min():.3g}. A direction of largest margin "
                           f"exists only for data that {model.name} separates")
    return margins
