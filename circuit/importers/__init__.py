"""Models of JAX and PyTorch as circuits. Nothing else imports this folder, and it needs the extras `jax` or
`torch` only when it is called.

Reading order: tensors (what both importers need, in gates); jaxpr/ (functions of JAX, optimizers of optax);
exported/ (modules of PyTorch).
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from .jaxpr.functions import JaxFunction
    from .jaxpr.optimizers import OptaxOptimizer
    from .exported.graphs import TorchModule

__all__ = ["flat_parameters", "from_jax", "from_optax", "from_torch", "tree_parameters"]


def from_jax(function: Callable, *examples: Any) -> "JaxFunction":
    """Import a function of JAX as one that is recorded by gates: a loss, a measurement, a regularizer.

    The function is traced by JAX, and its jaxpr becomes a circuit in float64. What follows from constants is
    calculated by JAX while it is recorded. Whole numbers of the data may choose elements (`table[ids]`), be
    compared, and be turned into real numbers; negative ones are refused when the circuit is evaluated.

    Data with one more axis in front, as a learner with a schedule of batches gives them, are taken one by one
    (`jax.vmap`): the loss is written for one example.

    Parameters
    ----------
    function : callable
        Takes arrays, or trees of them such as the parameters of Flax and the modules of Equinox, and returns
        an array or a tree of them. The first argument is the parameters; others are data.
    *examples : array_like or tree
        Its arguments, once: for their form, shapes and types, and for values at which it is defined.

    Returns
    -------
    JaxFunction
        A function of wires or arrays. Each argument is a tree like its example, or a flat dict as
        `flat_parameters` makes it. Its `circuit` is that at the shapes of the examples.

    Raises
    ------
    CircuitError
        For a primitive that has no rule, naming the line of your code; for what jumps (argmax, round, sign);
        for a gradient that is stopped where it matters, and a derivative that is not that of its function.

    Notes
    -----
    Branches become masks: where(x > 0, a, b) of parameters has a kink at 0, which verdicts know of. Loops are
    unrolled, and refused where they are too long or where parameters decide their length. Where scores are
    masked by -inf, a circuit has -1e300. Casts to another precision do nothing, neither yours nor those in
    functions of JAX such as `jax.nn.dot_product_attention`, which rounds to single precision.

    Examples
    --------
    >>> import numpy as np, jax.numpy as jnp
    >>> from circuit.importers import from_jax
    >>> loss = from_jax(lambda w, x, y: (jnp.tanh(x @ w) - y) ** 2, np.ones(2), np.ones(2), 0.0)
    >>> print(loss.circuit)
    wire  shape  gate    reads  parameters
    %0    (2,)   input   real   x0
    %1    (2,)   input   real   x1
    %2    ()     input   real   x2
    %3    ()     einsum  %1 %0  spec=a,a->
    %4    ()     tanh    %3
    %5    ()     scale   %2     by=-1
    %6    ()     add     %4 %5
    %7    ()     power   %6     exponent=2
    outputs %7   5 gates   30 flops
    >>> float(loss(np.zeros(2), np.ones(2), 3.0))
    9.0
    """
    return needed("jaxpr.functions", "jax", "from_jax").JaxFunction(function, examples)


def from_optax(transformation: Any, parameters: Any) -> "OptaxOptimizer":
    """Import an optimizer of optax as the optimizer of a learner.

    Its update is recorded as a circuit. Counts and schedules follow from no gradient: they become the
    constants of a step.

    Parameters
    ----------
    transformation : optax.GradientTransformation
        Such as optax.sgd(0.1, momentum=0.9) or optax.adam(1e-3, eps_root=1e-6).
    parameters : array_like or tree
        The parameters that the learner is given, or the tree of which `flat_parameters` made them.

    Returns
    -------
    OptaxOptimizer
        With the three methods that learners call.

    Raises
    ------
    LearnerError
        If a root is taken of zero, as by Adam with eps outside of the root; the message names the argument.
    CircuitError
        For a primitive that has no rule or that jumps, as the sign in Lion.

    Examples
    --------
    >>> import numpy as np, optax
    >>> from circuit.importers import from_optax
    >>> optimizer = from_optax(optax.sgd(0.5, momentum=0.9), np.zeros(1))
    >>> theta, state = optimizer.update(np.array([3.0]), np.array([2.0]), (np.array([10.0]),), ())
    >>> theta, state
    (array([-2.5]), (array([11.]),))
    """
    return needed("jaxpr.optimizers", "jax", "from_optax").OptaxOptimizer(transformation, parameters)


def from_torch(module: Any, *examples: Any) -> "TorchModule":
    """Import a module of PyTorch, as it is when it is evaluated: model(parameters, *inputs) by gates.

    Parameters
    ----------
    module : torch.nn.Module
        The module; it is exported by torch.export in evaluation mode.
    *examples : torch.Tensor or array_like
        Its inputs, once, for their shapes and types.

    Returns
    -------
    TorchModule
        A function of (parameters, *inputs) of wires or arrays, where the parameters are a dict by the names
        that PyTorch gives them. Its `parameters` are those of the module.

    Raises
    ------
    CircuitError
        For an operation that has no rule, naming the line of the module's code.

    Examples
    --------
    >>> import torch
    >>> from circuit.importers import from_torch
    >>> model = from_torch(torch.nn.Linear(2, 1), torch.zeros(2))
    >>> list(model.parameters)
    ['weight', 'bias']
    >>> model({"weight": [[1.0, 2.0]], "bias": [0.5]}, [3.0, 4.0])
    array([11.5])
    """
    return needed("exported.graphs", "torch", "from_torch").TorchModule(module, examples)


def flat_parameters(tree: Any) -> "dict | np.ndarray":
    """Turn a tree of parameters of JAX into the parameters of a learner.

    Dicts, lists and tuples are parameters of a learner as they are; modules, as of Equinox, are not.

    Parameters
    ----------
    tree : array_like or tree
        Dicts, lists, tuples and modules of arrays.

    Returns
    -------
    dict of np.ndarray, or np.ndarray
        The arrays in float64 by their paths; a single array as it is.

    Examples
    --------
    >>> from circuit.importers import flat_parameters
    >>> flat_parameters({"dense": {"bias": [1.0], "kernel": 2.0}})
    {'dense.bias.0': array(1.), 'dense.kernel': array(2.)}
    """
    return needed("jaxpr.functions", "jax", "flat_parameters").flat_parameters(tree)


def tree_parameters(parameters: "dict | np.ndarray", tree: Any) -> Any:
    """Turn the parameters of a learner, such as trained ones, back into a tree.

    Parameters
    ----------
    parameters : dict of array_like, or array_like
        As `flat_parameters` returns them.
    tree : array_like or tree
        A tree of the form that is wanted.

    Returns
    -------
    tree
        The same tree with these numbers.

    Examples
    --------
    >>> from circuit.importers import tree_parameters
    >>> tree_parameters({"a": 3.0, "b.0": 4.0}, {"a": 0.0, "b": [0.0]})["b"][0].item()
    4.0
    """
    return needed("jaxpr.functions", "jax", "tree_parameters").tree_parameters(parameters, tree)


def needed(module, extra, name):
    """A module of this folder, or an error that names the extra it needs."""
    try:
        return import_module(f".{module}", __name__)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("circuit"):
            raise
        raise InputError(f"{name} needs {error.name}: install it with pip install "
                         f"'deletion-sketch[{extra}]'") from None
