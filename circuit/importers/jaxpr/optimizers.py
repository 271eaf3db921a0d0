"""Optimizers of optax, recorded: what `from_optax` returns."""
import jax
import numpy as np

from ...errors import DomainError, LearnerError
from ...functions import concatenate
from ...gates.gate import Domain
from ...ir import Input
from ...recording import Recorder
from ...wire import Wire
from .functions import Tree
from .reader import Reader, Unplaced, as_wire, double_precision, traced
from .values import Late, Whole


class OptaxOptimizer:
    """An optimizer of optax as learners take it; `circuit.importers.from_optax` makes it.

    What gradients reach of optax's state lies in one flat vector, the state of the learner. The rest,
    such as the count of steps, is known beforehand, and so is what follows from it alone, such as a learning
    rate: these are the constants of a step.

    Attributes
    ----------
    circuit : Circuit
        (theta, gradient, state, constants...) -> (theta, state), without state where there is none.
    size : int
        The number of parameters.
    """

    def __init__(self, transformation, parameters):
        if not all(callable(getattr(transformation, name, None)) for name in ("init", "update")):
            raise LearnerError("from_optax: expected an optimizer such as optax.adam(1e-3, eps_root=1e-6), "
                               f"got {transformation!r:.60}")
        self.name = f"from_optax of {count_of(parameters)} parameters"
        tree = Tree(parameters)
        order = tree.order
        arrays = [x.astype(float) for x in tree.arrays]
        self.size = int(sum(x.size for x in arrays))
        with double_precision():
            self.start = Tree(transformation.init(tree.filled([jax.numpy.asarray(x) for x in arrays])))
        self.leaves = [np.asarray(x) for x in self.start.numbers]
        self.known = []
        self.record(transformation, tree, arrays, order)
        self.check_roots(arrays)
        if order != sorted(order):
            self.check_order(arrays)

    def __repr__(self):
        return f"<{self.name}>"

    def __getstate__(self):
        """The circuit and the constants calculated so far travel to other processes."""
        return {key: self.__dict__[key] for key in ("name", "size", "initial", "known", "circuit")}

    def record(self, transformation, tree, arrays, order):
        """Record an update: to see what gradients reach, to count the numbers that change with the step, and
        with these as inputs."""
        start, several = self.start, len(arrays)

        def update(*leaves):
            theta, gradient = tree.filled(leaves[:several]), tree.filled(leaves[several:2 * several])
            changes, state = transformation.update(gradient, start.filled(leaves[2 * several:]), theta)
            new = jax.tree_util.tree_map(lambda p, u: p if u is None else p + u, theta, changes,
                                         is_leaf=lambda x: x is None)
            after = Tree(state)
            if after.names != start.names:
                raise LearnerError(f"from_optax: an update changes the form of the state from {start.names} "
                                   f"to {after.names}")
            return [*Tree(new).numbers, *after.numbers]

        closed, self.late = traced(update, [*arrays, *arrays, *self.leaves]), set(range(len(self.leaves)))
        while True:      # what no gradient reaches is known beforehand
            outputs = self.read(closed, arrays, order, None)[1][several:]
            reached = {i for i in self.late if isinstance(outputs[i], (Wire, Whole))}
            if not reached:
                break
            self.late -= reached
        reader = self.read(closed, arrays, order, 0)[0]
        reader, outputs = self.read(closed, arrays, order, len(reader.late))
        known = sorted(self.late)
        given, following = [self.given[i] for i in known], [outputs[several + i] for i in known]

        def advance(values):
            """(the constants of a step, what is known at the next step)"""
            by_id = {id(late): value for late, value in zip(given, values)}
            return [[x.value(by_id) if isinstance(x, Late) else x for x in several]
                    for several in (reader.late, following)]

        self.advance, self.current = jax.jit(advance), [self.leaves[i] for i in known]

    def moving(self):
        """The numbers of the state's leaves that gradients reach."""
        return [i for i in range(len(self.leaves)) if i not in self.late]

    def read(self, closed, arrays, order, count):
        """(reader, values of all outputs) with `count` constants; None: any Late may stand for a wire. The
        circuit and the initial state are kept."""
        real = [self.leaves[i] for i in self.moving()]
        self.initial = (np.concatenate([x.ravel() for x in real]).astype(float),) if real else ()
        inputs = [Input(name, (self.size,), "real") for name in ("theta", "gradient")]
        inputs += [Input("state", x.shape, "real") for x in self.initial]
        recorder = Recorder([*inputs, *[Input(f"constant {i}", (), "real") for i in range(count or 0)]])
        theta, gradient, *rest = recorder.wires
        state, numbers = rest[:len(self.initial)], rest[len(self.initial):]
        reader = Reader(recorder, numbers=None if count is None else numbers)
        pieces = iter(cut_up(state[0], [x.shape for x in real]) if state else ())
        self.given = [Late(x.shape) if i in self.late else next(pieces) for i, x in enumerate(self.leaves)]
        arguments = [*ordered(theta, arrays, order), *ordered(gradient, arrays, order), *self.given]
        try:
            with double_precision():
                outputs = reader.run(closed.jaxpr, closed.consts, arguments)
        except Unplaced as error:
            raise error.placed("an unknown line") from None
        if count is not None:
            wires = [as_wire(reader.number(x) if isinstance(x, Late) else x, recorder).reshape(-1)
                     for x in outputs]
            several = len(arrays)
            kept = [wires[several + i] for i in self.moving()]
            new = concatenate([wires[i] for i in np.argsort(order)])
            self.circuit = recorder.circuit([new, *([concatenate(kept)] if kept else [])]).pruned()
        return reader, outputs

    def state(self, size: int) -> tuple:
        """Return the initial arrays besides the parameters.

        Parameters
        ----------
        size : int
            The number of parameters.

        Returns
        -------
        tuple of np.ndarray
        """
        if size != self.size:
            raise LearnerError(f"the optimizer was imported for {self.size} parameters, and the learner has "
                               f"{size}: give from_optax the parameters that the learner is given")
        return self.initial

    def constants(self, step: int, steps: int) -> tuple:
        """Return the numbers of a step that no example weight can move.

        Parameters
        ----------
        step, steps : int
            The step's number, from 0, and the number of steps.

        Returns
        -------
        tuple of float
        """
        while len(self.known) <= step:
            if not hasattr(self, "advance"):
                raise LearnerError(f"the optimizer was sent from another process with the constants of "
                                   f"{len(self.known)} steps, and is asked for those of step {step}")
            with double_precision():
                numbers, self.current = self.advance(self.current)
            self.known.append(tuple(float(np.ravel(x)[0]) for x in numbers))
        return self.known[step]

    def update(self, theta: Wire, gradient: Wire, state: tuple, constants: tuple) -> tuple:
        """Take one step.

        Parameters
        ----------
        theta, gradient : wire or array, (parameters,)
        state, constants : sequence
            As `state` and `constants` return them, or as the step before left them.

        Returns
        -------
        (theta, state) : (wire or array, tuple)
        """
        new = self.circuit(theta, gradient, *state, *constants)
        return (new[0], new[1:]) if isinstance(new, tuple) else (new, ())

    def check_order(self, arrays):
        """Raise LearnerError if an update depends on how parameters lie in the vector, where a learner may
        have them in the order of the dicts or, as JAX sorts dicts whenever it maps them, of their keys."""
        rng = np.random.default_rng(0)
        theta, gradient = np.concatenate([x.ravel() for x in arrays]), rng.normal(size=self.size)
        other = rng.permutation(self.size)
        one, two = (self.update(theta[at], gradient[at], self.initial, self.constants(0, 1))[0]
                    for at in (np.arange(self.size), other))
        if np.abs(one[other] - two).max() > 1e-9 * np.abs(one).max():
            raise LearnerError(
                "the optimizer treats parameters differently by their place in the tree, whose dicts are not "
                "in the order of their keys, in which JAX puts them: give "
                "jax.tree.map(numpy.asarray, parameters) to the learner and to from_optax")

    def check_roots(self, arrays):
        """Raise LearnerError if a root is taken of zero where a gradient has always been zero: there is no
        Taylor series, and every parameter that the first examples do not use is there."""
        theta = np.concatenate([x.ravel() for x in arrays])
        gradient = np.random.default_rng(0).normal(size=self.size)
        gradient[::2] = 0.0
        wires = [theta, gradient, *self.initial, *self.constants(0, 1)]
        for entry in self.circuit.entries:
            values = [np.asarray(wires[i]) for i in entry.inputs]
            with np.errstate(all="ignore"):
                try:
                    wires.append(entry.gate.value(*values, **entry.parameters))
                except DomainError:
                    wires.append(np.full(entry.shape, np.nan))
            conditions = entry.gate.conditions(True, **entry.parameters)
            if conditions & Domain.POSITIVE == Domain.POSITIVE and np.any(values[0] <= 0.0):
                raise LearnerError(
                    "the optimizer takes a root of zero, of gradients that have always been zero or of "
                    "parameters that are, and has no Taylor series there. Put a small number inside of "
                    "it: eps_root=1e-6 in optax.adam, adamw, nadam, amsgrad or yogi, eps_in_sqrt=True "
                    "in optax.rmsprop")


def count_of(parameters):
    """How many numbers there are in a tree."""
    return int(sum(x.size for x in Tree(parameters).arrays))


def cut_up(vector, shapes):
    """The tensors that lie in a vector one behind the other."""
    at, pieces = 0, []
    for shape in shapes:
        size = int(np.prod(shape))
        pieces.append(vector[at:at + size].reshape(shape))
        at += size
    return pieces


def ordered(vector, arrays, order):
    """The leaves, in JAX's order, of a vector in the learner's order."""
    own = sorted(range(len(arrays)), key=lambda i: order[i])
    pieces = cut_up(vector, [arrays[i].shape for i in own])
    return [pieces[order[i]] for i in range(len(arrays))]
