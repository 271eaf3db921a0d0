"""python -m benchmarks.parity FILE.npz ...: does this engine reproduce numbers that others calculated?

A file holds one training of microgpt by the paper's public research code: documents, initial parameters,
example weights 1 - constant - t direction, and the resulting coefficients of the parameters and of a test
document's loss (the keys are listed in tests/golden/README.md). The run is repeated here and compared order
by order, relative to the largest coefficient of the same order.

About the highest order p. The research code takes GELU's Taylor polynomial of degree p around the constant
part and, for the backward pass, differentiates that polynomial. A derivative of degree p - 1 lacks its term
gelu^(p+1)(x_0) (x - x_0)^p / p!, and with it a part of every gradient's coefficient of order p: a file's
highest order is not the Taylor coefficient of the training. (Whole trainings evaluated at complex points
confirm this: tests/training/test_training.py.) So each file is run with both: `exact` is this project's
engine as it is, `as filed` the same with GELU replaced by its Taylor polynomial, recorded as a circuit and
differentiated by the same reverse mode. Orders below p agree between the two; a file is reproduced if one of
them agrees at every order.
"""
import math
import time
import zipfile
import zlib

import numpy as np

from circuit import InputError, constant_part, evaluate, exp, gelu, erf
from deletion import given, precompute
from microgpt import NameLearner, Shape, Tokenizer

from . import harness


def load(path):
    """The arrays of a file, checked."""
    expected = {"docs", "alphabet", "init", "downweight_constant", "downweight_direction", "degree", "params",
                "test_doc", "test_loss"}
    try:
        file = np.load(path, allow_pickle=False)
        data = {key: file[key] for key in file.files} if isinstance(file, np.lib.npyio.NpzFile) else {}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    missing = expected - data.keys()
    if missing:
        raise InputError(f"{path} lacks {', '.join(sorted(missing))}")
    check(path, data)
    return data


def check(path, data):
    """Every array has the kind and shape that the others ask for. NaN among the results is for the comparison
    to find."""
    if data["degree"].dtype.kind not in "iu" or data["degree"].ndim or data["degree"] < 0:
        raise InputError(f"{path}: expected degree to be one whole number >= 0, got {data['degree']}")
    letters = Tokenizer(str(data["alphabet"])).alphabet
    documents, orders = data["docs"].shape, int(data["degree"]) + 1
    count = sum(map(math.prod, Shape(vocabulary=len(letters) + 1).parameters().values()))
    if len(documents) != 1:
        raise InputError(f"{path}: expected docs to be a list of names, got shape {documents}")
    kinds = {"alphabet": ("U", ()), "docs": ("U", documents), "test_doc": ("U", ()), "init": ("f", (count,)),
             "downweight_constant": ("f", documents), "downweight_direction": ("fc", documents),
             "params": ("fc", (count, orders)), "test_loss": ("fc", (orders,))}
    for name, (kind, shape) in kinds.items():
        if data[name].dtype.kind not in kind or data[name].shape != shape:
            raise InputError(f"{path}: {name} is {data[name].dtype} of shape {data[name].shape}; "
                             f"expected {KINDS[kind]} of shape {shape}")


KINDS = {"U": "text", "f": "real numbers", "fc": "numbers"}
"""What NumPy's letters of types stand for."""


def polynomial_gelu(degree):
    """GELU as its Taylor polynomial of a degree around the constant part, in gates: what the research code
    calculates with."""
    # gelu'' = (2 - x^2) phi, and (q phi)' = (q' - x q) phi
    slopes = [np.polynomial.Polynomial([2.0, 0.0, -1.0])]
    while len(slopes) < degree - 1:
        slopes.append(slopes[-1].deriv() - np.polynomial.Polynomial([0.0, 1.0]) * slopes[-1])

    def activation(x):
        start = constant_part(x)
        cumulative = erf(start * math.sqrt(0.5)) * 0.5 + 0.5
        density = exp(start * start * -0.5) * (1.0 / math.sqrt(2.0 * math.pi))
        derivatives = [start * cumulative, cumulative + start * density]
        derivatives += [density * horner(slope.coef, start) for slope in slopes]
        total, step = derivatives[degree] * (1.0 / math.factorial(degree)), x - start
        for k in range(degree - 1, -1, -1):
            total = total * step + derivatives[k] * (1.0 / math.factorial(k))
        return total
    return activation


def horner(coefficients, x):
    total = x * 0.0 + float(coefficients[-1])
    for c in coefficients[-2::-1]:
        total = total * x + float(c)
    return total


def learner_of(data, activation=gelu):
    """The training of a file, as a learner."""
    tokenizer = Tokenizer(str(data["alphabet"]))
    at, parameters = 0, {}
    for name, size in Shape(vocabulary=len(tokenizer.alphabet) + 1).parameters().items():
        parameters[name] = data["init"][at:at + math.prod(size)].reshape(size)
        at += math.prod(size)
    return NameLearner(data["docs"].tolist(), tokenizer, parameters, activation=activation)


def repeat(data, activation):
    """The run of a file with this engine: coefficients of the parameters (n, p + 1) and of the test loss (p +
    1,)."""
    degree, learner = int(data["degree"]), learner_of(data, activation)
    measure = learner.loss_on(str(data["test_doc"]))
    if degree == 0:
        theta = learner.train(1.0 - data["downweight_constant"])[0]
        return theta[:, None], evaluate(learner.measurement(measure), [theta])[0][None]
    sketch = precompute(learner, given(data["downweight_direction"]), degree,
                        downweight=data["downweight_constant"], calibration=0)
    stored = sketch.blocks[0]
    coefficients = np.concatenate([sketch.theta[:, None], stored[..., 0, 0] + 1j * stored[..., 1, 0]], axis=1)
    measured = sketch.measure(measure)
    return coefficients, np.concatenate([measured.value[None], measured.coefficients[0]])


def errors(coefficients, filed):
    """The largest error of each order (last axis), relative to the largest coefficient of that order."""
    orders = filed.shape[-1]
    largest = np.abs(filed).reshape(-1, orders).max(axis=0)
    error = np.abs(coefficients - filed).reshape(-1, orders).max(axis=0)
    return error / np.where(largest > 0, largest, 1.0)


def largest(parts):
    """The largest error of all; NaN if one is NaN."""
    return np.concatenate(parts).max()


def compare(path):
    """Errors by kind of run: {'exact': (parameters, test loss), 'as filed': ...}, each by order."""
    data = load(path)
    degree, results = int(data["degree"]), {}
    runs = {"exact": gelu} if degree == 0 else {"exact": gelu, "as filed": polynomial_gelu(degree)}
    for name, activation in runs.items():
        parameters, loss = repeat(data, activation)
        results[name] = errors(parameters, data["params"]), errors(loss, data["test_loss"])
    return degree, len(data["docs"]), results


def main():
    parser = harness.parser("parity", __doc__)
    parser.add_argument("files", nargs="+", metavar="FILE.npz")
    parser.add_argument("--tolerance", type=float, default=1e-11,
                        help="largest relative error allowed (default %(default)g)")
    options = parser.parse_args()
    print("largest error of each order's coefficients, relative to the largest of that order; "
          f"{harness.machine()}")
    missed = []
    for path in options.files:
        start = time.perf_counter()
        degree, steps, results = compare(path)
        print(f"\n{path}: {steps} steps, degree {degree}, {time.perf_counter() - start:.1f} s")
        rows = [(name, what, *(f"{e:.1e}" for e in part)) for name, parts in results.items()
                for what, part in zip(("parameters", "test loss"), parts)]
        print(harness.table(["GELU", "of", *(f"order {r}" for r in range(degree + 1))], rows))
        best = min(results, key=lambda name: largest(results[name]))
        worst = largest(results[best])
        passed = bool(worst <= options.tolerance)      # a NaN does not pass
        print(f"largest error {worst:.1e} ({best}): {'within' if passed else 'ABOVE'} {options.tolerance:g}")
        if not passed:
            missed.append(path)
    if missed:
        print(f"\nnot reproduced: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    harness.run(main)
