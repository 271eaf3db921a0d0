"""python -m benchmarks.conditions: when does a step of gradient ascent remove a point, and what fails
otherwise?

The theorem asks for nearly orthogonal points. Two sweeps leave that: fewer and fewer dimensions, and points
with a common part. For linear models the exact maximum-margin solutions with and without the point are known,
so the sweeps show whether the conditions hold, whether all multipliers have the sign of their labels, how
near the step comes to retraining, and what the derived bound promises. A third table does the same for
two-layer ReLU networks: how many neurons keep the sign of their input at the other points, and what
stationarity misses.
"""
import numpy as np

from circuit import InputError
from deletion.unlearning import (
    Linear, Span, ascend, conditions, max_margin, multipliers, success, train_to_margin)

from . import harness
from .ascent import cosine, network

POINTS = 10

DIMENSIONS = (3, 5, 10, 20, 50, 100, 300, 1000, 3000, 10_000, 30_000)

COSINES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9)
"""Of any two points, in many dimensions."""

WIDE = 30_000
"""Dimensions of the sweep over cosines."""


def data(dimension, common, seed, points=POINTS):
    """(x, y): normal points, scaled to norms near 1, with a common part that gives any two the cosine
    `common`; the labels of a random linear rule, which separates them in any dimension."""
    rng = np.random.default_rng([seed, dimension])
    x = rng.normal(size=(points, dimension)) / np.sqrt(dimension)
    shared = rng.normal(size=dimension) / np.sqrt(dimension)
    x = np.sqrt(1.0 - common) * x + np.sqrt(common) * shared
    y = np.where(x @ rng.normal(size=dimension) > 0.0, 1.0, -1.0)
    return x, y


def linear(x, y):
    """Facts of the removal of the point with the largest multiplier from a linear model, compared with the
    exact retrained one."""
    model, theta, facts = Linear(x.shape[1]), max_margin(x, y), conditions(x, y)
    lambdas = multipliers(model, theta, x, y).lambdas
    step = ascend(model, theta, x, y, [int(lambdas.argmax())])
    rest, labels = x[step.kept], y[step.kept]
    exact, margins = max_margin(rest, labels), labels * (rest @ step.theta)
    return {"coherence": facts.coherence, "nearly orthogonal": facts.coherence < 0.5,
            "consistent": facts.consistent, "supports": float((lambdas > 1e-9 * lambdas.max()).mean()),
            "margin change": float(np.abs(margins - labels * (rest @ theta)).max()),
            "lowest margin": float(margins.min()), "tau before": apart(theta, exact),
            "tau": apart(step.theta, exact) if step.theta.any() else 1.0, "bound": facts.tau()}


def apart(a, b):
    """1 - cosine of the angle between two vectors, 0 where rounding makes it negative."""
    return max(0.0, 1.0 - cosine(a, b))


def relu(x, y, neurons=16, limit=30_000):
    """Facts of the removal of the first point of a two-layer network; None where training does not
    converge."""
    span = Span(network(x.shape[1], neurons), x)
    model, points = span.model, span.points
    try:
        theta = train_to_margin(model, points, y, limit=limit, progress=False).theta
        step = ascend(model, theta, points, y, [0])
        on = train_to_margin(model, points[1:], y[1:], start=step.theta, limit=limit, progress=False).theta
        result = success(model, step.theta, points[1:], y[1:], reference=on)
    except InputError:
        return None
    before, after = model.inner(theta, points[1:]), model.inner(step.theta, points[1:])
    clear = np.abs(before) > 0.05 * np.abs(before).max()      # not at a kink
    return {"coherence": conditions(x).coherence, "signs": float(((before > 0) == (after > 0))[clear].mean()),
            "missed": result.itself.relative_eps, "tau before": apart(theta, on), "tau": result.tau}


def summary(rows):
    """The cells of a line about several seeds of a linear model."""
    column = lambda name: np.array([row[name] for row in rows], float)
    closer = column("tau") < column("tau before")
    return [f"{np.median(column('coherence')):.3g}", f"{column('nearly orthogonal').mean():.0%}",
            f"{column('consistent').mean():.0%}", f"{np.median(column('supports')):.0%}",
            f"{np.median(column('margin change')):.2g}", f"{(column('lowest margin') <= 0).mean():.0%}",
            *(f"{np.median(column(name)):.2g}" for name in ("tau before", "tau", "bound")),
            f"{closer.mean():.0%}"]


HEADER = ["coherence", "conditions hold", "signs consistent", "supports", "margins move", "a point lost",
          "1 - cosine before", "after", "bound", "step helps"]


def sweep(name, values, make, seeds):
    """Print a line for each value of a parameter of the data; {value: [facts of a seed]}."""
    results = {value: [linear(*make(value, seed)) for seed in range(seeds)] for value in values}
    print(harness.table([name, *HEADER], [[value, *summary(rows)] for value, rows in results.items()]))
    return {str(value): rows for value, rows in results.items()}


def networks(dimensions, seeds):
    """Print a line for each dimension; {dimension: [facts of a seed, or None]}."""
    results = {d: [relu(*data(d, 0.0, seed, 8)) for seed in range(seeds)] for d in dimensions}
    lines = []
    for dimension, every in results.items():
        rows = [row for row in every if row]
        cells = [f"{np.median([row[name] for row in rows]):.3g}" if rows else "-"
                 for name in ("coherence", "signs", "missed", "tau before", "tau")]
        lines.append([dimension, f"{len(rows)} of {seeds}", *cells])
    print(harness.table(["dimensions", "converged", "coherence", "signs of inputs kept",
                         "stationarity misses", "1 - cosine before", "after"], lines))
    return {str(d): rows for d, rows in results.items()}


def main():
    parser = harness.parser("conditions", __doc__, quick=None, out="results")
    parser.add_argument("--seeds", type=int, default=20, help="data sets a line (default %(default)s)")
    options = parser.parse_args()
    seeds = 4 if options.quick else options.seeds
    print(f"{harness.machine()}; {POINTS} points, one deleted, linear model, {seeds} seeds (medians)\n")
    content = {"dimensions": sweep("dimensions", DIMENSIONS, lambda d, seed: data(d, 0.0, seed), seeds)}
    print(f"\n{WIDE} dimensions, points with a common part")
    content["cosines"] = sweep("cosine", COSINES, lambda c, seed: data(WIDE, c, seed), seeds)
    print("\ntwo-layer ReLU network of 16 neurons, 8 points, one deleted (medians)")
    content["networks"] = networks((10, 100, 1000) if options.quick else (10, 30, 100, 1000, 10_000),
                                   min(seeds, 10))
    harness.write_json(harness.output_folder(options.out) / "conditions.json", **content)
    return 0


if __name__ == "__main__":
    harness.run(main)
