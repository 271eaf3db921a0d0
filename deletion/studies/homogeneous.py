"""Models that are homogeneous in their parameters, N(x, c theta) = c^k N(x, theta) for c > 0, with the
derivatives of every example.

A ReLU network is not differentiable where a neuron is at its kink, and training drives neurons there: a
neuron that harms a point is moved until its output on that point just becomes zero. There the gradient is a
set (Clarke's subdifferential): any share from 0 to 1 of what the neuron would contribute. `pieces` keeps
these contributions apart, so that every pair of neuron and point gets a share of its own.

Every model has: name, inputs (numbers in a point), size (parameters), degree k, start(), output,
weighted_gradient, steepest, pieces, with_inputs.
"""
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from circuit.errors import LearnerError
from circuit.checks import real_array, whole_number
from circuit.renamed import warn_renamed

NEAR = 0.05
"""A neuron counts as being at the kink of a point where |z| is at most this part of the largest |z|."""


@dataclass(frozen=True)
class Pieces:
    """The derivatives of N(x_i, theta): gradients[i] plus a share from 0 to 1 of each kinked[j] with owner[j]
    = i.

    Attributes
    ----------
    gradients : np.ndarray
        (n, size).
    kinked : np.ndarray
        (kinks, size).
    owner : np.ndarray
        (kinks,), whole numbers: the point at whose kink a neuron is.
    """
    gradients: np.ndarray
    kinked: np.ndarray
    owner: np.ndarray


class Linear:
    """The linear model N(x, theta) = <theta, x>, homogeneous of degree 1.

    Parameters
    ----------
    inputs : int
        The numbers in a point.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.unlearning import Linear
    >>> Linear(2).output(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]))
    array([11.])
    """
    name, degree = "the linear model", 1

    def __init__(self, inputs: int):
        self.inputs = self.size = whole_number(inputs, "the inputs of a linear model", 1)

    def with_inputs(self, inputs: int) -> "Linear":
        """Return the same model for points of another length.

        Parameters
        ----------
        inputs : int
            The numbers in a point.

        Returns
        -------
        Linear
            The model.
        """
        return Linear(inputs)

    def start(self, seed: int = 0) -> np.ndarray:
        """Return where training starts, which is zero.

        Parameters
        ----------
        seed : int
            Not used.

        Returns
        -------
        np.ndarray
            (size,).
        """
        return np.zeros(self.size)

    def output(self, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Calculate N at every point.

        Parameters
        ----------
        theta : np.ndarray
            (size,).
        x : np.ndarray
            Points, (n, inputs).

        Returns
        -------
        np.ndarray
            (n,).
        """
        return x @ theta

    def weighted_gradient(self, theta: np.ndarray, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Calculate the gradient of sum_i weights_i N(x_i, theta).

        Parameters
        ----------
        theta : np.ndarray
            (size,).
        x : np.ndarray
            Points, (n, inputs).
        weights : np.ndarray
            (n,).

        Returns
        -------
        np.ndarray
            (size,).
        """
        return weights @ x

    def steepest(self, x: np.ndarray) -> float:
        """Bound the squared gradient of N at all points, wherever theta is.

        Parameters
        ----------
        x : np.ndarray
            Points, (n, inputs).

        Returns
        -------
        float
            The bound.
        """
        return (x * x).sum(axis=1).max()

    def pieces(self, theta: np.ndarray, x: np.ndarray, near: float = NEAR) -> Pieces:
        """Return the gradients; there are no kinks.

        Parameters
        ----------
        theta : np.ndarray
            (size,).
        x : np.ndarray
            Points, (n, inputs).
        near : float
            Not used.

        Returns
        -------
        Pieces
            The gradients.
        """
        return Pieces(x, np.zeros((0, self.size)), np.zeros(0, int))

    def pull(self, theta: np.ndarray, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Call `weighted_gradient`, of which this is the former name.

        Parameters
        ----------
        theta, x, weights : np.ndarray
            As for `weighted_gradient`.

        Returns
        -------
        np.ndarray
            (size,).
        """
        warn_renamed("pull", "weighted_gradient")
        return self.weighted_gradient(theta, x, weights)


class TwoLayerReLU:
    """The network N(x, theta) = sum_j second_j relu(<theta_j, x>), of degree 1 in its first layer theta.

    Parameters
    ----------
    inputs : int
        The numbers in a point.
    second : array_like
        The fixed second layer, (neurons,). Both signs are needed so that both labels can be learned.

    Raises
    ------
    LearnerError
        If a number of the second layer is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion.unlearning import TwoLayerReLU
    >>> network = TwoLayerReLU(2, [1.0, -1.0])
    >>> network.output(np.array([1.0, 0.0, 0.0, 1.0]), np.array([[3.0, 4.0], [3.0, -4.0]]))
    array([-1.,  3.])
    """
    name, degree = "the two-layer ReLU network", 1

    def __init__(self, inputs: int, second: ArrayLike):
        self.inputs = whole_number(inputs, "the inputs of a network", 1)
        self.second = real_array(second, "the second layer")
        if self.second.ndim != 1 or not self.second.size or not self.second.all():
            raise LearnerError(f"the second layer: expected one number per neuron, none of them 0, got "
                               f"{second!r:.60}")
        self.neurons, self.size = len(self.second), len(self.second) * self.inputs

    def with_inputs(self, inputs: int) -> "TwoLayerReLU":
        """Return the same model for points of another length.

        Parameters
        ----------
        inputs : int
            The numbers in a point.

        Returns
        -------
        TwoLayerReLU
            The model.
        """
        return TwoLayerReLU(inputs, self.second)

    def start(self, seed: int = 0) -> np.ndarray:
        """Return where training starts: small normal numbers, so that training finds the direction.

        Parameters
        ----------
        seed : int
            At least 0.

        Returns
        -------
        np.ndarray
            (size,): the neurons' weights (neurons, inputs), flat.
        """
        return 1e-3 * np.random.default_rng(whole_number(seed, "a seed", 0)).normal(size=self.size)

    def inner(self, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Calculate z, what enters the ReLUs.

        Parameters
        ----------
        theta : np.ndarray
            (size,).
        x : np.ndarray
            Points, (n, inputs).

        Returns
        -------
        np.ndarray
            (n, neurons).
        """
        return x @ theta.reshape(self.neurons, self.inputs).T

    def output(self, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Calculate N at every point.

        Parameters
        ----------
        theta : np.ndarray
            (size,).
        x : np.ndarray
            Points, (n, inputs).

        Returns
        -------
        np.ndarray
            (n,).
        """
        return np.maximum(self.inner(theta, x), 0.0) @ self.second

    def weighted_gradient(self, theta: np.ndarray, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Calculate the gradient of sum_i weights_i N(x_i, theta), with derivative 0 at the kink itself.

        Parameters
        ----------
        theta : np.ndarray
            (size,).
        x : np.ndarray
            Points, (n, inputs).
        weights : np.ndarray
            (n,).

        Returns
        -------
        np.ndarray
            (size,).
        """
        return (((self.inner(theta, x) > 0.0) * self.second * weights[:, None]).T @ x).ravel()

    def steepest(self, x: np.ndarray) -> float:
        """Bound the squared gradient of N at all points, wherever theta is.

        Parameters
        ----------
        x : np.ndarray
            Points, (n, inputs).

        Returns
        -------
        float
            The bound.
        """
        return (x * x).sum(axis=1).max() * (self.second @ self.second)

    def pieces(self, theta: np.ndarray, x: np.ndarray, near: float = NEAR) -> Pieces:
        """Calculate Clarke's subdifferential.

        Parameters
        ----------
        theta : np.ndarray
            (size,).
        x : np.ndarray
            Points, (n, inputs).
        near : float
            Neurons with |z| <= near * max |z| count as being at the kink of a point.

        Returns
        -------
        Pieces
            The gradients, and the contributions of neurons at kinks.
        """
        z = self.inner(theta, x)
        kink = np.abs(z) <= near * np.abs(z).max()
        owner, neuron = np.nonzero(kink)
        at = np.zeros((len(owner), self.neurons))
        at[np.arange(len(owner)), neuron] = 1.0
        return Pieces(self._contributions((z > 0.0) & ~kink, x), self._contributions(at, x[owner]), owner)

    def _contributions(self, active, x):
        """Row i: second_j active_ij x_i for every neuron j."""
        return ((active * self.second)[:, :, None] * x[:, None, :]).reshape(len(x), self.size)

    pull = Linear.pull
