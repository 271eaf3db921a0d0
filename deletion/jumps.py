"""Elements of a measurement that depend on the parameters only through jumps: their series are zero, and say nothing."""
import numpy as np

from circuit.analysis import reached

JUMPS = ("step", "one_hot_max", "constant_part")
"""Gates whose result has no derivative by what they read."""


def only_jump(circuit):
    """Of each element of the circuit's first output: whether its inputs reach it, but only through gates that jump."""
    every = [np.ones(x.shape) for x in circuit.inputs]
    return reached(circuit, every)[0] & ~reached(circuit, every, JUMPS)[0]
