"""What Taylor rules cost: the floating-point operations that they make per element and direction at degree p.

The constant parts are shared by all directions and are not counted. A complex number times a real one takes
2 operations, a product of two complex numbers 6, and a sum of two 2; what is known to be zero costs nothing.
A test counts the operations of every rule (tests/engine/test_costs.py).

A gate declares `cost(p, *moving, **parameters)`, where `moving` says of each input whether it has
coefficients (at least one has, or nothing is calculated). `free` and `linear` are such functions themselves;
the others are the parts of which the cost of a function is made.
"""


def free(p, *moving, **parameters):
    """Nothing: elements are moved, or the result has no coefficients."""
    return 0


def linear(p, *moving, **parameters):
    """One product with a real number, or one sum, per order."""
    return 2 * p


def product(p):
    """y_r = sum_j a_j b_{r-j}: at order r two products with a real number and r - 1 complex ones."""
    return 4 * p * p + 2 * p


def chain(p):
    """y_r = (1/r) sum_j j x_j s_{r-j}, for r = 1..p."""
    return 5 * p * p - p


def whole_power(p, exponent):
    """x^n for a whole n >= 0, by repeated squaring; the first product is with the constant 1."""
    n = int(exponent)
    return (n.bit_length() + bin(n).count("1") - 2) * product(p) + linear(p) if n else 0
