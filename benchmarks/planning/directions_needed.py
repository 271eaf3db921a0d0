"""python -m benchmarks.directions_needed: how fast the error falls with the number of directions.

For the mean, the median of means and least squares on the sphere, and for least squares on pairs: the error
by sampling against the number m of directions, by the size |h|^2 of the sets, and the slope of its logarithm.
The mean must fall as m^(-1/2), and the median of means where its groups are large. One sketch of many
directions is divided into blocks of m, each a sketch of its own. Errors are against the exact series of the
same degree, in units of the change: what cutting off the series costs is printed once.
"""
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
from scipy.stats import linregress

from deletion import Directions, given, precompute, retrain
from deletion.directions.decoders import LeastSquares, Mean, MedianOfMeans
from microgpt import names

from . import harness
from .learners import bounded_cancer
from .truth import random_sets

DEGREE, GROUPS, SIZES = 3, 25, (1, 4, 16)
"""25 groups are those of a failure probability of 5%."""

BLOCKS = 16
"""Blocks of one number of directions at most."""

DECODERS = {"mean": Mean, "median of means": partial(MedianOfMeans, groups=GROUPS),
            "least squares": LeastSquares}
LIMITS = {"mean": (1, np.inf), "median of means": (GROUPS, np.inf), "least squares": (1, 1024)}
"""Numbers of directions for which they are made: every group needs one; least squares solves a system."""


@dataclass(frozen=True)
class Row:
    """The root mean square of the error by sampling, in units of that of the change.

    learner, decoder, size, directions   what it is the error of;   blocks: how many sketches it averages over
    """
    learner: str
    decoder: str
    size: int
    directions: int
    error: float
    blocks: int


def learners(options):
    """{name: (learner, measurement)}: 24 groups of patients, and names one by one."""
    patients = bounded_cancer(240, steps=100)
    groups = patients.again(units=np.arange(240) % 24)
    text = names(options.names, steps=options.steps)
    return {"breast cancer, 24 groups": (groups, patients.margin_on(0)),
            f"microgpt, {options.steps} names": (text, text.loss_on(text.held_out[0]))}


def slope(directions, errors):
    """(slope, standard error) of log error on log m, by least squares."""
    fit = linregress(np.log(directions), np.log(errors))
    return float(fit.slope), float(fit.stderr)


def numbers(most, units):
    """Numbers of directions: powers of two from 8, and half of the units."""
    return sorted({2 ** k for k in range(3, int(np.log2(most)) + 1)} | {units // 2})


def errors_of(decoder, directions, coefficients, sets, exact):
    """The errors by sampling (sets,) of a decoder fitted to some directions."""
    return decoder(directions, coefficients[..., None])(sets, errors=False).change[:, 0] - exact


def dense(pool, sets, exact, most):
    """Yield (decoder, m, errors (blocks, sets)) for blocks of the directions of the sphere in a pool."""
    psi, coefficients = pool.directions.psi, pool.coefficients
    for m in numbers(most, psi.shape[1]):
        starts = range(0, len(psi) - m + 1, m)[:BLOCKS]
        for name, decoder in DECODERS.items():
            if not LIMITS[name][0] <= m <= LIMITS[name][1]:
                continue
            few = starts[:2] if name == "least squares" and m > 128 else starts
            parts = [slice(a, a + m) for a in few]
            yield name, m, np.array([errors_of(decoder, Directions(psi[part], "sphere"), coefficients[part],
                                               sets, exact) for part in parts])


def paired(learner, measure, sets, exact, most, seed):
    """Yield ("pairs", m, errors (2, sets)), up to a direction for every unit."""
    for m in numbers(most, learner.unit_count):
        if m > learner.unit_count:
            break
        made = [precompute(learner, m, DEGREE, seed + k, design="pairs", calibration=0).measure(measure)
                for k in range(2)]
        yield "pairs", m, np.array([errors_of(LeastSquares, x.directions, x.coefficients, sets, exact)
                                    for x in made])


def sweep(name, learner, measure, options):
    """Every Row of a learner, and what its series leaves of the change, {size: share}."""
    sizes = [size for size in SIZES if size <= learner.unit_count // 4]
    banks = random_sets(learner.units, sizes, options.sets, [options.seed, 7])
    asked = [s for bank in banks.values() for s in bank]
    sets, size_of = learner.deletion_sets(asked), np.repeat(sizes, options.sets)
    along = precompute(learner, given(sets.dense(learner.unit_count)), DEGREE, calibration=0).measure(measure)
    exact, change = along.coefficients.real.sum(axis=1), retrain(learner, asked, measure) - along.value
    pool = precompute(learner, options.directions, DEGREE, options.seed, design="sphere", calibration=0)

    def share(errors, size):
        """The rms of errors (..., sets) at the sets of a size, in units of that of the change."""
        here = size_of == size
        return float(np.sqrt((errors[..., here] ** 2).mean() / (change[here] ** 2).mean()))

    most = options.directions // 2
    found = chain(dense(pool.measure(measure), sets, exact, most),
                  paired(learner, measure, sets, exact, most, options.seed))
    rows = [Row(name, decoder, size, m, share(errors, size), len(errors))
            for decoder, m, errors in found for size in sizes]
    return rows, {size: share(change - exact, size) for size in sizes}


def slopes(rows, units):
    """Yield (decoder, size, slope, error) of the rows of a learner; least squares below n/2 directions."""
    for decoder, size in sorted({(row.decoder, row.size) for row in rows}):
        below = units // 2 if decoder in ("least squares", "pairs") else np.inf
        chosen = [row for row in rows
                  if (row.decoder, row.size) == (decoder, size) and GROUPS < row.directions < below]
        if len(chosen) > 2:
            yield decoder, size, *slope([row.directions for row in chosen], [row.error for row in chosen])


def report(name, rows, left, units):
    """What is printed of one learner; {"slopes", "constant"}."""
    at = {(row.decoder, row.size, row.directions): row.error for row in rows}
    columns = list(dict.fromkeys((row.decoder, row.size) for row in rows))
    print(f"\n{name}: rms error by sampling / rms change, by decoder and |h|^2; {units} units. The series of "
          f"degree {DEGREE} leaves " + ", ".join(f"{share:.2g} at {size}" for size, share in left.items()))
    print(harness.table(["directions", *(f"{decoder}, {size}" for decoder, size in columns)],
                        [[m, *(f"{at[(*c, m)]:.3g}" if (*c, m) in at else "-" for c in columns)]
                         for m in sorted({row.directions for row in rows})]))
    fitted = list(slopes(rows, units))
    for decoder, size, of, error in fitted:
        where = f", {GROUPS} < m < n/2" if decoder in ("least squares", "pairs") else f", m > {GROUPS}"
        print(f"{decoder}, |h|^2 = {size}: slope {of:.2f} +- {error:.2f}{where}")
    ratios = [at["median of means", row.size, row.directions] / row.error for row in rows
              if row.decoder == "mean" and row.directions >= 4 * GROUPS]
    constant = float(np.exp(np.log(ratios).mean())) if ratios else float("nan")
    print(f"median of means / mean: {constant:.2f}; sqrt(pi/2) = {np.sqrt(np.pi / 2):.2f} for normal groups")
    return {"slopes": fitted, "constant": constant}


def main():
    parser = harness.parser("directions_needed", __doc__, names=None, steps=200, directions=4096, seed=0,
                            quick=None, json=None)
    parser.add_argument("--sets", type=int, default=40, help="random sets of each size (default %(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.directions, options.sets = 40, 256, 10
    print(f"{harness.machine()}; {options.directions} directions of degree {DEGREE} in blocks, "
          f"{options.sets} random sets of each size, {GROUPS} groups")
    results = {}
    for name, (learner, measure) in learners(options).items():
        rows, left = sweep(name, learner, measure, options)
        results[name] = report(name, rows, left, learner.unit_count)
        results[name] |= {"rows": [vars(row) for row in rows], "left": left}
    harness.write_json(options.json, ["scikit-learn"], **{"learners": results})
    return 0


if __name__ == "__main__":
    harness.run(main)
