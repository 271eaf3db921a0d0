"""Activations. Those with a kink are made of relu, whose kink verdicts know; exactly there they have no
Taylor series."""
from ..gates.analytic import exp, log, sigmoid
from ..gates.linear import constant_part
from ..gates.piecewise import relu
from ..shapes import Tensor, TensorLike, tensor


def softplus(x: TensorLike) -> Tensor:
    """Calculate log(1 + e^x), without overflow: the loss of logistic regression.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.

    Returns
    -------
    Wire or np.ndarray
        Positive numbers.

    Examples
    --------
    >>> import numpy as np, circuit
    >>> circuit.softplus([0.0, 10.0]).round(4)
    array([ 0.6931, 10.    ])
    """
    top = constant_part(relu(constant_part(x)))
    return top + log(exp(-top) + exp(x - top))


def silu(x: TensorLike) -> Tensor:
    """Calculate x sigmoid(x), also called swish.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.

    Returns
    -------
    Wire or np.ndarray
        Its activations.

    Examples
    --------
    >>> import circuit
    >>> circuit.silu([-1.0, 0.0, 1.0]).round(4)
    array([-0.2689,  0.    ,  0.7311])
    """
    x = tensor(x)
    return x * sigmoid(x)


def leaky_relu(x: TensorLike, slope: float = 0.01) -> Tensor:
    """Calculate x where x > 0, else slope * x. Piecewise analytic: kink at 0.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    slope : float
        The slope below zero.

    Returns
    -------
    Wire or np.ndarray
        Its activations.

    Examples
    --------
    >>> import circuit
    >>> circuit.leaky_relu([-1.0, 2.0], slope=0.1)
    array([-0.1,  2. ])
    """
    x = tensor(x)
    return x * slope + relu(x) * (1.0 - slope)


def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """Calculate x where x > 0, else alpha (e^x - 1). Piecewise analytic: kink at 0.

    Parameters
    ----------
    x : Wire or array_like
        The tensor.
    alpha : float
        The activation of large negative numbers is -alpha.

    Returns
    -------
    Wire or np.ndarray
        Its activations.

    Examples
    --------
    >>> import circuit
    >>> circuit.elu([-1.0, 2.0]).round(4)
    array([-0.6321,  2.    ])
    """
    x = tensor(x)
    positive = relu(x)
    return positive + (exp(x - positive) - 1.0) * alpha      # x - positive is 0 above zero, to the bit
