"""Functions of JAX, called on wires: what `from_jax` returns, and trees of parameters as flat dicts."""
from functools import cached_property

import jax
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path, tree_unflatten

from ...errors import CircuitError, ShapeError
from ...evaluate import evaluate
from ...ir import Input
from ...reverse import gradient
from ...recording import record
from ...wire import Wire
from .reader import SCALES, double_precision, equations, of_jax, recorded, traced, where


def is_number(x):
    """Whether a leaf of a tree holds numbers; functions and names are left as they are."""
    if isinstance(x, (int, float, Wire)):
        return True
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        return False
    if getattr(x.dtype, "kind", "O") not in "biuf":
        raise CircuitError(f"an array of {x.dtype} among the arguments: expected real or whole numbers; what "
                           "is the same for all examples, such as a random key, belongs into the function")
    return True


def dotted(path):
    """The keys and places that lead to a leaf."""
    return keystr(path, simple=True, separator=".")


def names_in_order(x, name=""):
    """Yield the names of all leaves, where dicts keep their order, which JAX sorts."""
    if isinstance(x, (dict, list, tuple)):
        places = getattr(x, "_fields", range(len(x)))
        for key, child in x.items() if isinstance(x, dict) else zip(places, x):
            yield from names_in_order(child, f"{name}.{key}" if name else str(key))
        return
    for path, _ in tree_flatten_with_path(x)[0]:
        yield ".".join(part for part in (name, dotted(path)) if part)


class Tree:
    """How numbers lie in a tree of dicts, lists, tuples and modules.

    Attributes
    ----------
    names : list of str
        The path of each leaf that holds numbers, such as 'layers.0.weight', in JAX's order.
    numbers : list
        These leaves.
    order : list of int
        Their places among these leaves in the order of a learner, which leaves dicts as they are.
    """

    def __init__(self, tree):
        paths, self.structure = tree_flatten_with_path(tree)
        self.leaves = [leaf for _, leaf in paths]
        self.places = [i for i, leaf in enumerate(self.leaves) if is_number(leaf)]
        self.names = [dotted(paths[i][0]) for i in self.places]
        self.numbers = [self.leaves[i] for i in self.places]
        if len(set(self.names)) < len(self.names):
            raise CircuitError(f"two leaves have one name: does a key hold a dot? {self.names}"[:300])
        own = [name for name in names_in_order(tree) if name in set(self.names)]
        self.order = [own.index(name) for name in self.names]

    @cached_property
    def arrays(self):
        """The leaves that hold numbers, as arrays of real or whole numbers."""
        arrays = [np.asarray(x) for x in self.numbers]
        return [x.astype(float if x.dtype.kind == "f" else int) for x in arrays]

    @property
    def types(self):
        """With which types JAX sees them: real numbers in double precision."""
        types = [np.asarray(x).dtype for x in self.numbers]
        return [np.dtype(float) if t.kind == "f" else t for t in types]

    def of(self, tree):
        """The leaves of a tree like this one, or of a flat dict with the names of its leaves."""
        if isinstance(tree, dict) and set(self.names) == set(tree):
            return [tree[name] for name in self.names]
        leaves, structure = jax.tree_util.tree_flatten(tree)
        if structure != self.structure:
            raise ShapeError(f"expected a tree {self.structure}, or a dict with the names {self.names}; got "
                             f"{structure}"[:400])
        for i, leaf in enumerate(self.leaves):
            if i not in self.places and leaves[i] is not leaf and leaves[i] != leaf:
                raise CircuitError(f"{leaves[i]!r:.60} in place of {leaf!r:.60}: what is no number stays as "
                                   "it is in the example")
        return [leaves[i] for i in self.places]

    def filled(self, arrays):
        """The tree with other leaves."""
        leaves = list(self.leaves)
        for i, x in zip(self.places, arrays):
            leaves[i] = x
        return tree_unflatten(self.structure, leaves)


class JaxFunction:
    """A function of JAX that takes wires or arrays; `circuit.importers.from_jax` makes it.

    Attributes
    ----------
    circuits : dict
        The circuit for each tuple of shapes that it was called with.
    """

    def __init__(self, function, examples):
        if not callable(function):
            raise CircuitError(f"from_jax: expected a function of JAX arrays, got {function!r:.60}")
        if not examples:
            raise CircuitError("from_jax: expected examples of the arguments, at least of the parameters")
        self.function, self.trees = function, [Tree(x) for x in examples]
        self.names, self.circuits = [tree.names for tree in self.trees], {}
        self.at(self.own_shapes())

    @property
    def circuit(self):
        """The circuit at the shapes of the examples; its inputs are the leaves of all arguments, in order."""
        return next(iter(self.circuits.values()))

    def own_shapes(self):
        """The shapes of the examples' leaves."""
        return tuple(x.shape for tree in self.trees for x in tree.arrays)

    def __getstate__(self):
        """Circuits travel to other processes; functions need not be known there."""
        return {"names": self.names, "circuits": self.circuits}

    def __call__(self, *arguments):
        if len(arguments) != len(self.names):
            raise CircuitError(f"{len(arguments)} arguments for a function that was imported with "
                               f"{len(self.names)} examples")
        leaves = [x if isinstance(x, Wire) else as_numbers(x)
                  for i, argument in enumerate(arguments) for x in self.leaves_of(i, argument)]
        return self.at(tuple(x.shape for x in leaves))(*leaves)

    def leaves_of(self, i, argument):
        """The leaves of an argument; sent from another process, of a flat dict or a single array."""
        if hasattr(self, "trees"):
            return self.trees[i].of(argument)
        names = self.names[i]
        if isinstance(argument, dict) and set(argument) == set(names):
            return [argument[name] for name in names]
        if names != [""]:
            raise CircuitError(f"the function was sent from another process, and takes a dict with the names "
                               f"{names}")
        return [argument]

    def at(self, shapes):
        """The circuit at some shapes of the leaves."""
        if shapes not in self.circuits:
            if not hasattr(self, "function"):
                raise CircuitError(f"the function was sent from another process, and is unknown at {shapes}")
            self.circuits[shapes] = self.recorded(shapes)
        return self.circuits[shapes]

    def recorded(self, shapes):
        """The circuit at some shapes; data with one more axis in front are taken one by one."""
        function, values = self.shaped(shapes)
        closed = traced(function, values, [t for tree in self.trees for t in tree.types])
        inputs = [Input(name, x.shape, "real" if x.dtype.kind == "f" else "integer")
                  for name, x in zip(self.input_names(), values)]
        parameters = {i for i in range(len(self.trees[0].arrays)) if inputs[i].kind == "real"}
        circuit = recorded(closed, inputs, values, parameters)
        self.check_derivatives(closed, function, values, circuit, sorted(parameters))
        return circuit

    def input_names(self):
        """A name for each leaf of all arguments."""
        return [name or f"x{k}" for k, tree in enumerate(self.trees) for name in tree.names]

    def shaped(self, shapes):
        """(function of leaves, values of these shapes made of the examples)."""
        arrays = [x for tree in self.trees for x in tree.arrays]
        values = [np.resize(x, shape) if x.size else np.zeros(shape, x.dtype)
                  for x, shape in zip(arrays, shapes)]
        function, first = self.of_leaves, len(self.trees[0].arrays)
        own = [x.shape for x in arrays]
        if list(shapes) != own and shapes[:first] == tuple(own[:first]) and len(own) > first:
            lead = {shape[:1] for shape in shapes[first:]}
            if len(lead) == 1 and [shape[1:] for shape in shapes[first:]] == own[first:]:
                function = jax.vmap(function, [None] * first + [0] * (len(own) - first))
        return function, values

    def of_leaves(self, *leaves):
        """The function, of the leaves of all arguments; what it returns, as a list of arrays."""
        leaves, arguments = list(leaves), []
        for tree in self.trees:
            arguments.append(tree.filled(leaves[:len(tree.places)]))
            leaves = leaves[len(tree.places):]
        return jax.tree_util.tree_leaves(self.function(*arguments))

    def check_derivatives(self, closed, function, values, circuit, parameters):
        """Refuse a function with a derivative that a user defined and that is not that of its definition."""
        own = [e for e in equations(closed.jaxpr) if e.primitive.name.startswith("custom_") and not of_jax(e)]
        if not own or not parameters:
            return
        rng, outputs = np.random.default_rng(1), [circuit.shapes[i] for i in circuit.outputs]
        factors = [rng.normal(size=shape) for shape in outputs]

        def total(*moving):
            leaves = list(values)
            for i, x in zip(parameters, moving):
                leaves[i] = x
            return sum((f * y).sum() for f, y in zip(factors, function(*leaves)))

        ours = record(lambda *x: sum((f * y).sum() for f, y in zip(factors, tupled(circuit(*x)))),
                      *circuit.inputs)
        here = [x + SCALES[1] * (1.0 + np.abs(x)) * rng.normal(size=x.shape) if i in parameters else x
                for i, x in enumerate(values)]
        with double_precision():
            theirs = jax.grad(total, range(len(parameters)))(*[here[i] for i in parameters])
        for a, b in zip(theirs, evaluate(gradient(ours, parameters), here)[1:]):
            if np.abs(a - b).max(initial=0.0) > 1e-6 * max(np.abs(b).max(initial=0.0), 1e-300):
                raise CircuitError(f"the derivative defined for the function at {where(own[0])} is not that "
                                   "of its values: training would follow no function. Remove custom_vjp or "
                                   "custom_jvp")


def as_numbers(x):
    """x as an array, truth values as 0 and 1."""
    array = np.asarray(x)
    return array.astype(int) if array.dtype == bool else array


def tupled(x):
    """One output or several, as a tuple."""
    return x if isinstance(x, tuple) else (x,)


def flat_parameters(tree):
    """The leaves of a tree by name, as float64; a single array as it is."""
    tree = Tree(tree)
    real = [x.astype(float) for x in tree.arrays]
    own = np.argsort(tree.order)
    return real[0] if tree.names == [""] else {tree.names[i]: real[i] for i in own}


def tree_parameters(parameters, tree):
    """The tree, with its leaves taken from a flat dict."""
    tree = Tree(tree)
    leaves = [parameters] if tree.names == [""] else tree.of(parameters)
    with double_precision():
        return tree.filled([jax.numpy.asarray(x) for x in leaves])
