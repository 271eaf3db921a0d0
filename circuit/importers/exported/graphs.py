"""Modules of PyTorch, exported by torch.export and recorded operation by operation."""
import copy
import operator
from os.path import dirname

import numpy as np
import torch
from torch.export import export
from torch.export.graph_signature import InputKind

from ...errors import CircuitError, InputError, ShapeError
from ...ir import Input
from ...recording import Recorder
from ...wire import Wire, lifted
from .moves import MOVES
from .rules import JUMPS, RULES

CLOSE = 1e-8
"""How far, in shares of the largest output, a circuit may be from its module where both are compared."""


class TorchModule:
    """A module of PyTorch as a function of wires or arrays; `circuit.importers.from_torch` makes it.

    Attributes
    ----------
    parameters : dict of np.ndarray
        The parameters as they are in the module, in float64, by name; those that require no gradient are
        constants.
    circuits : dict
        The circuit for each tuple of shapes of the inputs.
    """

    def __init__(self, module, examples):
        if not isinstance(module, torch.nn.Module):
            raise CircuitError(f"from_torch: expected a torch.nn.Module, got {module!r:.60}")
        self.module = copy.deepcopy(module).eval().to(torch.float64)
        self.parameters = {name: x.detach().numpy().copy() for name, x in self.module.named_parameters()
                           if x.requires_grad}
        self.examples = [tensor_of(x) for x in examples]
        self.circuits = {}
        self.check()

    def __getstate__(self):
        """Circuits travel to other processes; the module need not be known there."""
        return {"parameters": self.parameters, "circuits": self.circuits}

    @property
    def circuit(self):
        """The circuit at the shapes of the examples; its inputs are the parameters, then the inputs."""
        return self.at(tuple(tuple(x.shape) for x in self.examples))

    def __call__(self, parameters, *inputs):
        if not isinstance(parameters, dict) or set(parameters) != set(self.parameters):
            raise ShapeError(f"expected a dict of the parameters {list(self.parameters)}, got "
                             f"{parameters!r:.80}")
        inputs = [x if isinstance(x, Wire) else np.asarray(x) for x in inputs]
        circuit = self.at(tuple(tuple(x.shape) for x in inputs))
        return circuit(*[parameters[name] for name in self.parameters], *inputs)

    def at(self, shapes):
        """The circuit at some shapes of the inputs."""
        if shapes not in self.circuits:
            if not hasattr(self, "module"):
                raise CircuitError(f"the module was sent from another process, and is unknown at {shapes}")
            if len(shapes) != len(self.examples):
                raise CircuitError(f"{len(shapes)} inputs for a module with {len(self.examples)} examples")
            self.circuits[shapes] = recorded(self.module, self.parameters, [
                torch.zeros(shape, dtype=x.dtype) for shape, x in zip(shapes, self.examples)])
        return self.circuits[shapes]

    def check(self):
        """Raise CircuitError unless the circuit and the module agree on the examples."""
        with torch.no_grad():
            theirs = outputs_of(self.module(*self.examples))
        ours = self(self.parameters, *[x.numpy() for x in self.examples])
        for a, b in zip(ours if isinstance(ours, tuple) else (ours,), theirs):
            error = np.abs(a - b.numpy()).max(initial=0.0)
            if error > CLOSE * max(np.abs(b.numpy()).max(initial=0.0), 1e-300):
                raise CircuitError(f"the circuit differs from the module by {error:.1e} on the examples")


def tensor_of(x):
    """An example as a tensor of float64 or of whole numbers."""
    x = torch.as_tensor(x)
    if x.dtype == torch.bool or x.is_complex():
        raise CircuitError(f"an example of {x.dtype}: expected real or whole numbers")
    return x.to(torch.float64) if x.is_floating_point() else x.to(torch.int64)


def outputs_of(result):
    """What a module returned, as a list of tensors."""
    return [x for x in (result if isinstance(result, (tuple, list)) else [result]) if x is not None]


def recorded(module, parameters, examples):
    """The circuit (parameters..., inputs...) -> outputs of a module."""
    with torch.no_grad():
        program = export(module, tuple(examples))
    inputs = [Input(name, x.shape, "real") for name, x in parameters.items()]
    inputs += [Input(f"x{i}", tuple(x.shape), "real" if x.is_floating_point() else "integer")
               for i, x in enumerate(examples)]
    recorder = Recorder(inputs)
    by_name, given = dict(zip(parameters, recorder.wires)), iter(recorder.wires[len(parameters):])
    first = {id(x): name for name, x in module.named_parameters()}
    shared = {name: first[id(x)] for name, x in module.named_parameters(remove_duplicate=False)}
    values, kept = {}, {**program.state_dict, **program.constants}
    specs = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            spec = specs[node.name]
            if spec.kind == InputKind.PARAMETER:
                values[node] = by_name.get(shared[spec.target], kept[spec.target])
            else:
                values[node] = next(given) if spec.kind == InputKind.USER_INPUT else kept[spec.target]
        elif node.op == "call_function":
            values[node] = result(node, torch.fx.node.map_arg(node.args, values.__getitem__),
                                  torch.fx.node.map_arg(node.kwargs, values.__getitem__))
        elif node.op == "output":
            outputs = [values[x] for x in node.args[0] if x is not None]
    return recorder.circuit([lifted(plain(x), recorder) for x in outputs]).pruned()


def result(node, arguments, options):
    """What an operation gives; without wires, PyTorch calculates it."""
    wired = any(isinstance(x, Wire) for x in flat([*arguments, *options.values()]))
    if node.target is operator.getitem or not wired:
        return node.target(*arguments, **options)
    name = node.target._schema.name.partition("::")[2]
    if name.endswith("_") and is_alone(node):
        name = name.removesuffix("_")
    rule = MOVES.get(name) or RULES.get(name)
    try:
        if rule is None:
            raise CircuitError(JUMPS.get(name, "this operation of PyTorch has no rule: write what it does "
                                         "with others, or calculate it from the data beforehand"))
        return rule(*map(plain, arguments), **{key: plain(x) for key, x in options.items()})
    except InputError as error:
        raise CircuitError(f"{name} at {line_of(node)}: {error}") from None
    except TypeError as error:
        raise CircuitError(f"{name} at {line_of(node)}: has no rule for these arguments ({error})") from None


def is_alone(node):
    """Whether nothing else reads what an operation works on: then it may as well change it in place."""
    source = node.args[0]
    return (list(source.users) == [node] and source.op == "call_function"
            and source.target is not operator.getitem
            and source.target._schema.name.partition("::")[2] not in MOVES)


def flat(x):
    """What is in lists and tuples, however deep."""
    return [z for y in x for z in flat(y)] if isinstance(x, (list, tuple)) else [x]


def plain(x):
    """A value with arrays in place of tensors."""
    if isinstance(x, torch.Tensor):
        return x.detach().numpy()
    return type(x)(map(plain, x)) if type(x) in (list, tuple) else x


def line_of(node):
    """The last line of the user's own code that led to an operation."""
    trace = (node.meta.get("stack_trace") or "").splitlines()
    lines = [x.strip() for x in trace if x.strip().startswith("File")]
    own = [x for x in lines if dirname(torch.__file__) not in x] or lines or ["an unknown line"]
    return own[-1]
