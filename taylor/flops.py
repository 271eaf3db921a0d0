"""How much arithmetic a circuit is in truncated polynomials: useful floating-point operations per direction.

Each gate declares what its Taylor rule costs (circuit/gates/cost.py says how operations are counted).
"""
from typing import Collection

from circuit import Circuit


def flops(circuit: Circuit, degree: int, moving: Collection[int]) -> int:
    """Count the useful operations of one evaluation, per direction.

    Parameters
    ----------
    circuit : Circuit
        The circuit.
    degree : int
        The highest power of t.
    moving : collection of int
        Numbers of the inputs that are polynomials; the others are constants.

    Returns
    -------
    int
        Floating-point operations.

    Examples
    --------
    >>> from circuit import real, record
    >>> from taylor import flops
    >>> square = record(lambda x: x * x, real(3))
    >>> flops(square, 2, [0])
    60
    """
    shapes, total = circuit.shapes, 0
    moves = [i in moving for i in range(len(circuit.inputs))]
    for entry in circuit.entries:
        gate, inputs = entry.gate, [moves[i] for i in entry.inputs]
        moves.append(any(inputs) and not gate.jumps)
        if moves[-1]:
            elements = gate.work(entry.shape, [shapes[i] for i in entry.inputs], entry.parameters)
            total += elements * gate.cost(degree, *inputs, **entry.parameters)
    return total
