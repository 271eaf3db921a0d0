"""python -m microgpt.idea: the whole idea in one file of plain Python; the rest of the project is this, fast
and in tensors.

A model is trained on n examples. What would it say had example 2 and example 5 not been there? Give every
example i the weight 1 - h_i: h = 0 is the training as it was, h = 1 on a set D deletes D. Whatever we measure
of the trained model is then a function f(h), and f is built of additions, products and a few analytic
functions. So its Taylor series around h = 0 can be computed without knowing D: along a direction psi, train
once with the weights 1 - t psi_i, every number being a polynomial in t cut off after t^p.

    f(t psi) = c_0 + c_1(psi) t + ... + c_p(psi) t^p,      c_r(psi) = T_r(psi), the part of degree r of f

Do this along a few hundred random complex directions and keep the coefficients: that is the sketch. The
paper's estimator (Gunn, How to sketch a learning algorithm, arXiv 2604.07328) turns them into T_r(1_D) for
any set D, chosen later:

    T_r(h) = C(n + r - 1, r) E[ s(psi)^r c_r(psi) ],      s(psi) = sum_i conj(psi_i) h_i,      psi uniform on
    |psi| = 1 in C^n
"""
import cmath
import math
import random

DEGREE = 3


# a truncated polynomial -------------------------------------------------------------------------------------

class Series:
    """c[0] + c[1] t + ... + c[DEGREE] t^DEGREE. Every operation is exact, term by term, up to the degree that
    is kept."""

    def __init__(self, *coefficients):
        self.c = [complex(x) for x in coefficients] + [0j] * (DEGREE + 1 - len(coefficients))

    def __add__(self, other):
        return Series(*(a + b for a, b in zip(self.c, series(other).c)))

    def __mul__(self, other):
        a, b = self.c, series(other).c
        return Series(*(sum(a[k] * b[r - k] for k in range(r + 1)) for r in range(DEGREE + 1)))

    def __truediv__(self, other):
        a, b, q = self.c, series(other).c, []
        for r in range(DEGREE + 1):      # from q b = a
            q.append((a[r] - sum(b[k] * q[r - k] for k in range(1, r + 1))) / b[0])
        return Series(*q)

    def __pow__(self, power):
        x, y = self.c, [self.c[0] ** power]
        for r in range(1, DEGREE + 1):      # from x y' = power x' y
            y.append(sum((k * power - (r - k)) * x[k] * y[r - k] for k in range(1, r + 1)) / (r * x[0]))
        return Series(*y)

    def __sub__(self, other):
        return self + series(other) * -1.0

    def __rsub__(self, other):
        return series(other) - self

    def __rtruediv__(self, other):
        return series(other) / self

    __radd__, __rmul__ = __add__, __mul__


def series(x):
    """A number as the series that does not depend on t."""
    return x if isinstance(x, Series) else Series(x)


def exp(x):
    if not isinstance(x, Series):
        return cmath.exp(x)
    y = [cmath.exp(x.c[0])]
    for r in range(1, DEGREE + 1):      # from y' = x' y
        y.append(sum(k * x.c[k] * y[r - k] for k in range(1, r + 1)) / r)
    return Series(*y)


def log(x):
    if not isinstance(x, Series):
        return cmath.log(x)
    y = [cmath.log(x.c[0])]
    for r in range(1, DEGREE + 1):      # from x y' = x'
        y.append((x.c[r] - sum(k * y[k] * x.c[r - k] for k in range(1, r)) / r) / x.c[0])
    return Series(*y)


def tanh(x):
    if not isinstance(x, Series):
        return cmath.tanh(x)
    y = [cmath.tanh(x.c[0])]
    slope = [1.0 - y[0] ** 2]
    for r in range(1, DEGREE + 1):      # from y' = slope x', slope = 1 - y^2
        y.append(sum(k * x.c[k] * slope[r - k] for k in range(1, r + 1)) / r)
        slope.append(-sum(y[k] * y[r - k] for k in range(r + 1)))
    return Series(*y)


# a training, in numbers or in series ------------------------------------------------------------------------

EXAMPLES = [(-1.6, -1), (-1.1, -1), (-0.4, 1), (-0.2, -1), (0.3, 1), (0.7, -1), (1.2, 1), (1.9, 1)]
"""Eight examples: a number x and its class y, -1 or 1."""

STEPS = 40


def train(weights):
    """The three parameters after training with these example weights, which may be numbers, complex numbers
    or Series.

    The score of x is a tanh(b x + c), the loss log(1 + exp(-y score)); a step uses one example, and its
    gradient is clipped smoothly.
    """
    a, b, c = 0.5, 0.5, 0.0
    for step in range(STEPS):
        (x, y), weight = EXAMPLES[step % len(EXAMPLES)], weights[step % len(EXAMPLES)]
        hidden = tanh(b * x + c)
        slope = weight * (-y / (1.0 + exp(a * hidden * y)))      # of the weighted loss by the score
        inner = slope * a * (1.0 - hidden * hidden)
        gradient = [slope * hidden, inner * x, inner]
        a, b, c = (p - 0.2 * g * (1.0 + g * g) ** -0.5 for p, g in zip((a, b, c), gradient))
    return a, b, c


def measure(parameters):
    """The log-probability that the model gives class 1 at x = 0.5."""
    a, b, c = parameters
    return log(1.0 / (1.0 + exp(a * tanh(b * 0.5 + c) * -1.0)))


# the sketch, and what it predicts ---------------------------------------------------------------------------

def push(psi):
    """[c_0, ..., c_p]: the measurement along a direction."""
    return measure(train([Series(1.0, -x) for x in psi])).c


def contour(psi, points=32, radius=0.3):
    """The same by Cauchy's integral of whole trainings at complex weights: it knows nothing of the rules
    above."""
    around = [cmath.exp(2j * math.pi * k / points) for k in range(points)]
    values = [measure(train([1.0 - radius * u * x for x in psi])) for u in around]
    return [sum(v / u ** r for v, u in zip(values, around)) / points / radius ** r for r in range(DEGREE + 1)]


def direction(generator, n):
    """Uniform on the complex unit sphere."""
    psi = [complex(generator.gauss(0, 1), generator.gauss(0, 1)) for _ in range(n)]
    norm = math.sqrt(sum(abs(x) ** 2 for x in psi))
    return [x / norm for x in psi]


def sketch(directions, seed=0):
    """[(psi, coefficients)]: made before anyone knows what will be deleted."""
    generator = random.Random(seed)
    psis = [direction(generator, len(EXAMPLES)) for _ in range(directions)]
    return [(psi, push(psi)) for psi in psis]


def estimates(sketched, deleted, r):
    """What each direction says of T_r(1_D); their mean is unbiased."""
    n = len(EXAMPLES)
    for psi, c in sketched:
        s = sum(psi[i].conjugate() for i in deleted)
        yield (math.comb(n + r - 1, r) * s ** r * c[r]).real


def main():
    n, generator = len(EXAMPLES), random.Random(7)
    psi = direction(generator, n)
    print("coefficients along a direction, and by a contour integral")
    for r, (by_rules, by_contour) in enumerate(zip(push(psi), contour(psi))):
        print(f"  c_{r}  {by_rules:+.9f}   {by_contour:+.9f}")
    sketched, deleted = sketch(1000), [2, 5]
    as_trained = measure(train([1.0] * n)).real
    retrained = measure(train([0.0 if i in deleted else 1.0 for i in range(n)])).real
    exact = push([1.0 if i in deleted else 0.0 for i in range(n)])      # one push along the set itself
    print(f"\nwithout examples {deleted}: {as_trained:.4f} as trained, {retrained:.4f} retrained\n"
          f"term    along the set    from {len(sketched)} directions")
    total = series_total = as_trained
    for r in range(1, DEGREE + 1):
        each = list(estimates(sketched, deleted, r))
        mean = sum(each) / len(each)
        error = math.sqrt(sum((x - mean) ** 2 for x in each)) / len(each)
        print(f"T_{r}     {exact[r].real:+.4f}         {mean:+.4f} +- {error:.4f}")
        total, series_total = total + mean, series_total + exact[r].real
    print(f"sum     {series_total:+.4f}         {total:+.4f}")


if __name__ == "__main__":
    main()
