"""python -m microgpt.idea: the whole idea in plain Python. The rest of the project does the same in tensors.

A model is trained on n examples. What would it say if examples 2 and 5 had never been there?

1. Multiply the loss of each example i by a weight 1 - h_i. If all h_i are 0, this is the training as it was.
   If h_i is 1 for the examples in a set D and 0 for the others (h = 1_D), the examples in D are deleted.
2. What we measure on the trained model is then a function f(h). Training is a long calculation of sums,
   products and a few analytic functions, so f has a Taylor series T_0 + T_1(h) + T_2(h) + ..., where T_r is
   the part of degree r in h.
3. Along a direction psi, where h = t psi, this is a series in t with the coefficients c_r = T_r(psi). One
   training with the weights 1 - t psi_i, in which every number is a polynomial in t, calculates them.
4. Do this for many random complex directions, before anyone asks about a set. The pairs (psi, c) are the
   sketch.
5. When a set D is asked for, every pair gives an estimate of T_r(1_D) that is right on average. For psi
   uniform on the unit sphere of C^n (Gunn, How to sketch a learning algorithm, arXiv 2604.07328):

       T_r(h) = C(n + r - 1, r) E[ s^r c_r(psi) ],      s = sum_i conj(psi_i) h_i

   The phases of psi are random: a monomial of s^r times one of c_r is 0 on average unless they are conjugate.
6. The prediction T_0 + T_1 + ... is printed beside the truth, which is a second training, without D.
"""
import cmath
import math
import random

DEGREE = 3      # the highest power of t that is kept


# polynomials in t -------------------------------------------------------------------------------------------

class Series:
    """c[0] + c[1] t + ... + c[DEGREE] t^DEGREE. Each rule gives exactly the coefficients that are kept."""

    def __init__(self, *coefficients):
        self.c = [complex(x) for x in coefficients] + [0j] * (DEGREE + 1 - len(coefficients))

    def __add__(self, other):
        return Series(*(a + b for a, b in zip(self.c, series(other).c)))

    def __mul__(self, other):
        a, b = self.c, series(other).c
        return Series(*(sum(a[k] * b[r - k] for k in range(r + 1)) for r in range(DEGREE + 1)))

    def __pow__(self, exponent):
        x, y = self.c, [self.c[0] ** exponent]
        for r in range(1, DEGREE + 1):      # from x y' = exponent x' y, where ' is the derivative by t
            y.append(sum((k * exponent - (r - k)) * x[k] * y[r - k] for k in range(1, r + 1)) / (r * x[0]))
        return Series(*y)

    def __sub__(self, other):
        return self + series(other) * -1.0

    def __truediv__(self, other):
        return self * series(other) ** -1.0

    def __rsub__(self, other):
        return series(other) - self

    def __rtruediv__(self, other):
        return series(other) / self

    __radd__, __rmul__ = __add__, __mul__


def series(x):
    """A number as the series that does not depend on t."""
    return x if isinstance(x, Series) else Series(x)


def exp(x):
    """Return e^x of a number or a Series, from y' = x' y."""
    if not isinstance(x, Series):
        return cmath.exp(x)
    y = [cmath.exp(x.c[0])]
    for r in range(1, DEGREE + 1):
        y.append(sum(k * x.c[k] * y[r - k] for k in range(1, r + 1)) / r)
    return Series(*y)


def log(x):
    """Return log x, from x y' = x'."""
    if not isinstance(x, Series):
        return cmath.log(x)
    y = [cmath.log(x.c[0])]
    for r in range(1, DEGREE + 1):
        y.append((x.c[r] - sum(k * y[k] * x.c[r - k] for k in range(1, r)) / r) / x.c[0])
    return Series(*y)


def tanh(x):
    """Return tanh x, from y' = slope x' with slope = 1 - y^2."""
    if not isinstance(x, Series):
        return cmath.tanh(x)
    y = [cmath.tanh(x.c[0])]
    slope = [1.0 - y[0] ** 2]
    for r in range(1, DEGREE + 1):
        y.append(sum(k * x.c[k] * slope[r - k] for k in range(1, r + 1)) / r)
        slope.append(-sum(y[k] * y[r - k] for k in range(r + 1)))
    return Series(*y)


# a training, in numbers or in polynomials -------------------------------------------------------------------

STEPS = 40
EXAMPLES = [(-1.6, -1), (-1.1, -1), (-0.4, 1), (-0.2, -1), (0.3, 1), (0.7, -1), (1.2, 1), (1.9, 1)]
"""Eight examples: a number x, and its class y, which is -1 or 1."""


def train(weights):
    """Return the three parameters, trained with these example weights: real or complex numbers, or Series.

    The score of x is a tanh(b x + c), the loss log(1 + exp(-y score)). A step uses one example; its gradient
    g is derived by hand (by reverse mode in the project), and clipped smoothly to g / sqrt(1 + g^2).
    """
    a, b, c = 0.5, 0.5, 0.0
    for step in range(STEPS):
        (x, y), weight = EXAMPLES[step % len(EXAMPLES)], weights[step % len(EXAMPLES)]
        hidden = tanh(b * x + c)
        by_score = weight * (-y / (1.0 + exp(a * hidden * y)))      # derivative of the weighted loss
        by_c = by_score * a * (1.0 - hidden * hidden)
        gradient = [by_score * hidden, by_c * x, by_c]
        a, b, c = (p - 0.2 * g * (1.0 + g * g) ** -0.5 for p, g in zip((a, b, c), gradient))
    return a, b, c


def measure(parameters):
    """Return the log-probability of class 1 at x = 0.5: the measurement f, of the trained model."""
    a, b, c = parameters
    return log(1.0 / (1.0 + exp(a * tanh(b * 0.5 + c) * -1.0)))


# the sketch, and what it predicts ---------------------------------------------------------------------------

def coefficients_along(psi):
    """Return [c_0, ..., c_DEGREE] of f(t psi): one training in polynomials."""
    return measure(train([Series(1.0, -x) for x in psi])).c


def coefficients_by_contour(psi, points=32, radius=0.3):
    """Return the same by Cauchy's integral: trainings at complex weights around t = 0, without rules."""
    circle = [cmath.exp(2j * math.pi * k / points) for k in range(points)]
    values = [measure(train([1.0 - radius * u * x for x in psi])) for u in circle]
    return [sum(v / (radius * u) ** r for v, u in zip(values, circle)) / points for r in range(DEGREE + 1)]


def random_direction(generator, n):
    """Return a point of the complex unit sphere in C^n, uniformly distributed."""
    psi = [complex(generator.gauss(0, 1), generator.gauss(0, 1)) for _ in range(n)]
    norm = math.sqrt(sum(abs(x) ** 2 for x in psi))
    return [x / norm for x in psi]


def sketch(directions, seed=0):
    """Return the sketch, a list of (psi, coefficients). It does not depend on what will be deleted."""
    generator = random.Random(seed)
    psis = [random_direction(generator, len(EXAMPLES)) for _ in range(directions)]
    return [(psi, coefficients_along(psi)) for psi in psis]


def estimate(pairs, deleted, r):
    """Return the estimate of T_r(1_D) for D = deleted, and its standard error."""
    n, each = len(EXAMPLES), []
    for psi, c in pairs:
        s = sum(psi[i].conjugate() for i in deleted)
        each.append((math.comb(n + r - 1, r) * s ** r * c[r]).real)
    mean = sum(each) / len(each)
    return mean, math.sqrt(sum((x - mean) ** 2 for x in each)) / len(each)


def main():
    n, deleted = len(EXAMPLES), [2, 5]
    psi = random_direction(random.Random(7), n)
    print("the series along one direction, by polynomials and by a contour integral")
    for r, (by_rules, by_contour) in enumerate(zip(coefficients_along(psi), coefficients_by_contour(psi))):
        print(f"  c_{r}  {by_rules:+.9f}   {by_contour:+.9f}")
    pairs = sketch(500)
    exact = coefficients_along([float(i in deleted) for i in range(n)])      # with D known in advance
    predicted = exact[0].real
    print(f"\nthe terms of the set {deleted}: from {len(pairs)} directions, and along the set itself")
    for r in range(1, DEGREE + 1):
        term, error = estimate(pairs, deleted, r)
        predicted += term
        print(f"  T_{r}  {term:+.4f} +- {error:.4f}   {exact[r].real:+.4f}")
    retrained = measure(train([float(i not in deleted) for i in range(n)])).real
    print(f"\nlog-probability of class 1 at x = 0.5: as trained {exact[0].real:.4f}\n"
          f"without {deleted}: predicted {predicted:.4f}, retrained {retrained:.4f}")


if __name__ == "__main__":
    main()
