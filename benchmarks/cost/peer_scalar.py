"""The peer in pure Python: a training in truncated polynomials, one object per number, as microgpt/scalar.py
is for plain numbers.

A `Value` holds a list of p + 1 coefficients - the constant part a float, the others complex - and the
polynomials it came from. The model is that of microgpt/scalar.py, run on these objects; what differs is the
arithmetic. Standard library only.
"""
import gc
import math

from microgpt import scalar

# series: lists of p + 1 coefficients, never changed in place ------------------------------------------------


def product(a, b):
    result = []
    for r in range(len(a)):
        total = a[0] * b[r]
        for j in range(1, r + 1):
            total += a[j] * b[r - j]
        result.append(total)
    return result


def added(a, b):
    return [x + y for x, y in zip(a, b)]


def scaled(a, number):
    return [x * number for x in a]


def integral(start, slope, x):
    """y with y_0 = start and y' = slope x'."""
    return [start] + [sum([j * x[j] * slope[r - j] for j in range(1, r + 1)]) / r for r in range(1, len(x))]


def exponential(x):
    y = [math.exp(x[0])]
    for r in range(1, len(x)):
        y.append(sum([j * x[j] * y[r - j] for j in range(1, r + 1)]) / r)
    return y


def power(x, exponent):
    """x^a by x y' = a y x'."""
    y = [x[0] ** exponent]
    for r in range(1, len(x)):
        y.append(sum([(exponent * j - (r - j)) * x[j] * y[r - j] for j in range(1, r + 1)]) / (r * x[0]))
    return y


class Value:
    """A polynomial with its derivative, and the polynomials it came from: pairs of (operand, local
    derivative).

    series    p + 1 coefficients;   slope: the same, or None where nothing has arrived
    parents   the local derivative is a series, or a number where it does not move
    """
    __slots__ = ("series", "slope", "parents")

    def __init__(self, series, parents=()):
        self.series, self.slope, self.parents = series, None, parents

    @property
    def number(self):
        return self.series[0]

    def __add__(self, other):
        if isinstance(other, Value):
            return Value(added(self.series, other.series), ((self, 1.0), (other, 1.0)))
        return Value([self.series[0] + other, *self.series[1:]], ((self, 1.0),))

    def __mul__(self, other):
        if isinstance(other, Value):
            return Value(product(self.series, other.series), ((self, other.series), (other, self.series)))
        return Value(scaled(self.series, other), ((self, other),))

    def __pow__(self, exponent):
        return Value(power(self.series, exponent),
                     ((self, scaled(power(self.series, exponent - 1), exponent)),))

    def exp(self):
        y = exponential(self.series)
        return Value(y, ((self, y),))

    def log(self):
        slope = power(self.series, -1)
        return Value(integral(math.log(self.series[0]), slope, self.series), ((self, slope),))

    def gelu(self):
        x = self.series
        density = scaled(exponential(scaled(product(x, x), -0.5)), 1.0 / math.sqrt(2.0 * math.pi))
        cumulative = integral(0.5 * (1.0 + math.erf(x[0] / math.sqrt(2.0))), density, x)
        return Value(product(x, cumulative), ((self, added(cumulative, product(x, density))),))

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -other

    def __truediv__(self, other):
        return self * other ** -1

    __radd__, __rmul__ = __add__, __mul__

    def backward(self, weight):
        """Give every ancestor the derivative of weight times this polynomial by it.   weight: a series."""
        self.slope = weight
        for value in reversed(scalar.ancestors(self)):
            slope = value.slope
            for parent, local in value.parents:
                more = (product(local, slope) if isinstance(local, list) else slope if local == 1.0
                        else scaled(slope, local))
                parent.slope = more if parent.slope is None else added(parent.slope, more)


def document_loss(model, tokens):
    """Mean loss of predicting every token from those before it, in nats."""
    keys, values, losses = [], [], []
    for position, (token, target) in enumerate(zip(tokens, tokens[1:])):
        scores = scalar.next_token_scores(model, token, position, keys, values)
        losses.append(-scalar.softmax(scores)[target].log())
    return sum(losses[1:], losses[0]) * (1.0 / len(losses))


class Training:
    """Adam on names along one direction, from the first step on.

    learner     a NameLearner;   psi: (examples,) complex, the weight of example i is 1 - t psi_i
    parameters  Values, one per number, in the order of the learner's
    """

    def __init__(self, learner, psi, degree):
        self.learner, self.psi, self.degree = learner, psi, degree
        source = iter(learner.layout.initial.tolist())
        self.model = {name.removeprefix("layer0."): [[Value(self.constant(next(source)))
                                                      for _ in range(columns)] for _ in range(rows)]
                      for name, (rows, columns) in learner.layout.shapes.items()}
        self.parameters = [value for matrix in self.model.values() for row in matrix for value in row]
        self.first = [self.constant(0.0)] * len(self.parameters)
        self.second = [self.constant(0.0)] * len(self.parameters)

    def constant(self, number):
        return [number] + [0.0] * self.degree

    def step(self, number):
        example = int(self.learner.schedule[number])
        weight = self.constant(1.0)
        weight[1:2] = [-complex(self.psi[example])] * min(self.degree, 1)
        document_loss(self.model, self.learner.examples[example][0].tolist()).backward(weight)
        adam = self.learner.optimizer
        numbers = adam.constants(number, len(self.learner.schedule))
        for i, p in enumerate(self.parameters):
            self.update(i, p, p.slope or self.constant(0.0), adam, *numbers)

    def update(self, i, p, slope, adam, rate, correction):
        self.first[i] = added(scaled(self.first[i], adam.beta1), scaled(slope, 1.0 - adam.beta1))
        self.second[i] = added(scaled(self.second[i], adam.beta2),
                               scaled(product(slope, slope), 1.0 - adam.beta2))
        root = scaled(self.second[i], correction)
        root[0] += adam.eps
        p.series = added(p.series, scaled(product(self.first[i], power(root, -0.5)), -rate))
        p.slope = None


def train(learner, psi, degree, steps):
    """The parameters' coefficients after the first steps: lists of p + 1 numbers.

    Python's cycle collector is off meanwhile: these objects form no cycles, and looking for them takes half
    of the time.
    """
    training, collecting = Training(learner, psi, degree), gc.isenabled()
    gc.disable()
    try:
        for number in range(steps):
            training.step(number)
    finally:
        if collecting:
            gc.enable()
    return [p.series for p in training.parameters]
