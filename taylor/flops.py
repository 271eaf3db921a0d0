"""How much arithmetic a circuit is in truncated polynomials: useful floating-point operations per direction.

The constant parts are shared by all directions and not counted. A product of two polynomials costs, at order
r, two products of a real and a complex number and r - 1 complex ones: 4 p^2 + 2 p operations in all, and 2 p
more to add it to a sum.
"""
from math import prod

from circuit.ir import multiply_adds

CONSTANT = {"constant", "constant_part", "step", "one_hot_max"}
"""Gates whose result no direction moves."""


def product(p):
    return 4 * p * p + 2 * p


def chain(p):
    """y_r = (1/r) sum_j j x_j s_{r-j}, for r = 1..p."""
    return 5 * p * p - p


def whole_power(p, exponent):
    """Repeated squaring."""
    return max(int(exponent).bit_length() + bin(int(exponent)).count("1") - 2, 0) * product(p)


FUNCTIONS = {"exp": lambda p: chain(p), "log": lambda p: chain(p) + 4 * p, "tanh": lambda p: chain(p)
             + product(p), "sigmoid": lambda p: chain(p) + product(p), "sin": lambda p: 2 * chain(p),
             "cos": lambda p: 2 * chain(p), "erf": lambda p: product(p) + 2 * chain(p),
             "gelu": lambda p: 2 * product(p) + 2 * chain(p), "add": lambda p: 2 * p,
             "scale": lambda p: 2 * p, "relu": lambda p: 2 * p, "abs": lambda p: 2 * p}
"""Operations per element of gates with one input, or two that both move."""


def flops(circuit, degree, moving):
    """Useful operations of one evaluation, per direction.   moving: numbers of the inputs that are
    polynomials."""
    shapes, p, total = circuit.shapes, degree, 0
    active = [i in moving for i in range(len(circuit.inputs))]
    for entry in circuit.entries:
        name, live = entry.gate.name, [active[i] for i in entry.inputs]
        active.append(any(live) and name not in CONSTANT)
        if not active[-1]:
            continue
        count = prod(entry.shape)
        if name == "einsum":
            total += multiply_adds(entry, shapes) * (product(p) + 2 * p if all(live) else 4 * p)
        elif name == "multiply":
            total += count * (product(p) if all(live) else 2 * p)
        elif name == "power":
            a = entry.parameters["exponent"]
            total += count * (whole_power(p, a) if float(a).is_integer() and a >= 0 else chain(p) + 4 * p)
        elif name in ("sum", "scatter"):
            total += prod(shapes[entry.inputs[0]]) * 2 * p
        elif name in FUNCTIONS and (name != "add" or all(live)):
            total += count * FUNCTIONS[name](p)
    return total
