"""microgpt, one number at a time: the whole algorithm in plain Python, with the standard library alone.

The tensor circuits are tested against this file, which shares no code with them. A `Value` remembers how it
was calculated; `backward` walks that history once, in reverse, by the chain rule. Run

    python -m microgpt.scalar --steps 20

to train on the shipped names, slowly, and see the loss fall.
"""
import argparse
import math
import random
from pathlib import Path


class Value:
    """A number with its derivative, and the numbers it came from: pairs of (operand, local derivative)."""
    __slots__ = ("number", "slope", "parents")

    def __init__(self, number, parents=()):
        self.number, self.slope, self.parents = number, 0.0, parents

    def __add__(self, other):
        other = lift(other)
        return Value(self.number + other.number, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        other = lift(other)
        return Value(self.number * other.number, ((self, other.number), (other, self.number)))

    def __pow__(self, exponent):
        return Value(self.number ** exponent, ((self, exponent * self.number ** (exponent - 1)),))

    def exp(self):
        y = math.exp(self.number)
        return Value(y, ((self, y),))

    def log(self):
        return Value(math.log(self.number), ((self, 1.0 / self.number),))

    def gelu(self):
        x = self.number
        cumulative = 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))
        density = math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
        return Value(x * cumulative, ((self, cumulative + x * density),))

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -lift(other)

    def __truediv__(self, other):
        return self * lift(other) ** -1

    __radd__, __rmul__ = __add__, __mul__

    def backward(self):
        """Add the derivative of this number by each ancestor to the ancestor's slope."""
        self.slope += 1.0
        for value in reversed(ancestors(self)):
            for parent, local in value.parents:
                parent.slope += local * value.slope


def ancestors(value):
    """A value and all values from which it was calculated: parents before children, without recursion."""
    order, seen, stack = [], set(), [(value, False)]
    while stack:
        value, done = stack.pop()
        if done:
            order.append(value)
        elif id(value) not in seen:
            seen.add(id(value))
            stack.append((value, True))
            stack.extend((parent, False) for parent, _ in value.parents)
    return order


def lift(x):
    """A number as a Value."""
    return x if isinstance(x, Value) else Value(float(x))


# the model: lists of Values ---------------------------------------------------------------------------------

EMBEDDING, HEADS, CONTEXT = 16, 4, 16
HEAD = EMBEDDING // HEADS


def dot(a, b):
    total = a[0] * b[0]
    for x, y in zip(a[1:], b[1:]):
        total = total + x * y
    return total


def apply(matrix, x):
    return [dot(row, x) for row in matrix]


def softmax(x):
    top = max(value.number for value in x)
    powers = [(value - top).exp() for value in x]
    total = sum(powers)
    return [power / total for power in powers]


def normalised(x):
    factor = (dot(x, x) * (1.0 / len(x)) + 1e-5) ** -0.5
    return [value * factor for value in x]


def next_token_scores(model, token, position, keys, values):
    """Scores of every next token. The keys and values of all tokens so far grow by those of this token."""
    x = normalised([a + b for a, b in zip(model["wte"][token], model["wpe"][position])])
    z = normalised(x)
    query = apply(model["attn_wq"], z)
    keys.append(apply(model["attn_wk"], z))
    values.append(apply(model["attn_wv"], z))
    read = []
    for first in range(0, EMBEDDING, HEAD):
        part = slice(first, first + HEAD)
        shares = softmax([dot(query[part], key[part]) * HEAD ** -0.5 for key in keys])
        read += [dot(shares, column) for column in zip(*(value[part] for value in values))]
    x = [a + b for a, b in zip(x, apply(model["attn_wo"], read))]
    hidden = [value.gelu() for value in apply(model["mlp_fc1"], normalised(x))]
    x = [a + b for a, b in zip(x, apply(model["mlp_fc2"], hidden))]
    return apply(model["lm_head"], x)


def document_loss(model, tokens):
    """Mean loss of predicting every token from those before it, in nats."""
    keys, values, total = [], [], Value(0.0)
    for position, (token, target) in enumerate(zip(tokens, tokens[1:])):
        shares = softmax(next_token_scores(model, token, position, keys, values))
        total = total - shares[target].log()
    return total * (1.0 / (len(tokens) - 1))


def shapes(vocabulary):
    n = EMBEDDING
    return {"wte": (vocabulary, n), "wpe": (CONTEXT, n), "lm_head": (vocabulary, n), "attn_wq": (n, n),
            "attn_wk": (n, n), "attn_wv": (n, n), "attn_wo": (n, n), "mlp_fc1": (4 * n, n),
            "mlp_fc2": (n, 4 * n)}


def build(numbers, vocabulary):
    """The model with parameters from a list of numbers: (matrices of Values by name, all of them in
    order)."""
    source = iter(numbers)
    model = {name: [[Value(next(source)) for _ in range(columns)] for _ in range(rows)]
             for name, (rows, columns) in shapes(vocabulary).items()}
    return model, [value for matrix in model.values() for row in matrix for value in row]


# training ---------------------------------------------------------------------------------------------------

def encode(name, alphabet):
    """BOS, letters, BOS, cut to the context."""
    bos = len(alphabet)
    return ([bos] + [alphabet.index(letter) for letter in name] + [bos])[:CONTEXT + 1]


def train(numbers, documents, vocabulary, steps, weights=None, report=lambda step, loss: None):
    """Train by Adam, eps inside the root, on one document a step, times its weight; return the numbers."""
    model, parameters = build(numbers, vocabulary)
    rate, beta1, beta2, eps = 0.01, 0.85, 0.99, 1e-3
    first, second = [0.0] * len(parameters), [0.0] * len(parameters)
    for step in range(steps):
        loss = document_loss(model, documents[step % len(documents)])
        weight = 1.0 if weights is None else weights[step % len(documents)]
        (loss * weight).backward()
        for i, p in enumerate(parameters):
            first[i] = beta1 * first[i] + (1.0 - beta1) * p.slope
            second[i] = beta2 * second[i] + (1.0 - beta2) * p.slope ** 2
            mean, square = first[i] / (1.0 - beta1 ** (step + 1)), second[i] / (1.0 - beta2 ** (step + 1))
            p.number -= rate * (1.0 - step / steps) * mean / math.sqrt(square + eps)
            p.slope = 0.0
        report(step, loss.number)
    return [p.number for p in parameters]


def main():
    parser = argparse.ArgumentParser(prog="python -m microgpt.scalar",
                                     description="Train microgpt in plain Python, one number at a time.")
    parser.add_argument("--names", metavar="FILE", default=Path(__file__).parent / "census_names.txt",
                        help="a text file, one name a line (default: the project's US Census names)")
    parser.add_argument("--steps", type=int, default=20,
                        help="training steps, one name each (default %(default)s)")
    options = parser.parse_args()
    names = [line.strip() for line in open(options.names, encoding="utf-8") if line.strip()]
    alphabet = "".join(sorted(set("".join(names))))
    random.seed(42)
    random.shuffle(names)
    count = sum(rows * columns for rows, columns in shapes(len(alphabet) + 1).values())
    numbers = [random.gauss(0.0, 0.08) for _ in range(count)]

    def report(step, loss):
        print(f"step {step + 1:4d}   {names[step % len(names)]:12s} loss {loss:.4f}", flush=True)
    documents = [encode(name, alphabet) for name in names]
    train(numbers, documents, len(alphabet) + 1, options.steps, report=report)


if __name__ == "__main__":
    main()
