"""python -m benchmarks.later: first order of measurements that were not known before, by cotangents.

A panel of held-out documents says which cotangents are pulled back. Then other held-out documents are
measured, and what the cotangents tell of their losses is compared with the exact gradients in all names'
weights, and with their exact finite steps: the distance of the arrays (names, documents), relative to the
exact one's norm. Cost is in batched trainings, by core seconds, without compiling.
"""
import numpy as np

from deletion import cotangents, precompute
from deletion.influence import metagradient
from microgpt import names

from . import harness
from .frontier import training
from .truth import Several


def distances(told, exact):
    """Relative distances of arrays (names, documents): of all together, the mean of documents, the worst."""
    left, length = (np.linalg.norm(x, axis=0) for x in (told - exact, exact))
    return [float(x) for x in (np.linalg.norm(left) / np.linalg.norm(length), np.mean(left / length),
                               np.max(left / length))]


def parsed():
    parser = harness.parser("later", __doc__, names=None, steps=5000, quick=None, json=None)
    parser.add_argument("--seed", type=int, default=2026, help="of the training, panel and documents")
    parser.add_argument("--panel", type=int, default=2000, help="documents in it (default %(default)s)")
    parser.add_argument("--counts", type=int, nargs="+", default=[200, 400, 800],
                        help="numbers of cotangents (default %(default)s)")
    parser.add_argument("--documents", type=int, default=20, help="measurements (default %(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.panel, options.documents, options.counts = 60, 60, 3, [20, 40]
    return options


def main():
    options = parsed()
    learner = names(options.names, options.steps, options.seed)
    order = np.random.default_rng(options.seed).permutation(learner.held_out)
    losses = [learner.loss_on(str(name)) for name in order[:options.documents + options.panel]]
    panel, measure = losses[options.documents:], Several(tuple(losses[:options.documents]))
    cotangents(learner, panel[:1])      # trains the learner
    chosen, chosen_in = harness.core_seconds(lambda: cotangents(learner, panel, max(options.counts)))
    precompute(learner, chosen, calibration=0, dry_run=True, progress=False)      # compiles
    unit = training(learner)
    sketch, pulled_in = harness.core_seconds(lambda: precompute(learner, chosen, calibration=0))
    unit = 0.5 * (unit + training(learner))
    measured, measured_in = harness.core_seconds(lambda: sketch.measure(measure))
    exact = metagradient(learner, measure, finite_step=True)
    exact, exact_in = harness.core_seconds(lambda: metagradient(learner, measure, finite_step=True))
    print(f"{harness.machine()}; {options.names or 'US Census names'}, seed {options.seed}")
    print(f"{learner.unit_count} names, {learner.layout.size} parameters, {len(panel)} documents in the "
          f"panel, {options.documents} others measured\nin batched trainings: the panel's gradients "
          f"{chosen_in / unit:.0f}, exact gradients of the others {exact_in / unit:.0f}, measuring them "
          f"{measured_in / unit:.1f}")
    rows = []
    for count in options.counts:
        coefficients, vectors = measured.coefficients[:, :count], chosen.vectors[:count]
        residual = distances((coefficients @ vectors).T, measured.gradients.T)[0]
        for name, told, truth in (("gradient", sketch.slopes, exact.gradient),
                                  ("finite step", sketch.finite, exact.finite)):
            apart = distances((coefficients @ told[:count]).T, truth)
            rows.append([count, pulled_in / unit * count / len(chosen), residual, name, *apart])
    header = ["cotangents", "batched trainings", "residual", "of", "distance", "mean", "worst"]
    print(harness.table(header, [[row[0], f"{row[1]:.0f}", f"{row[2]:.3f}", row[3],
                                  *(f"{x:.3f}" for x in row[4:])] for row in rows]))
    harness.write_json(options.json, rows=rows, header=header, panel=chosen_in / unit, exact=exact_in / unit)
    return 0


if __name__ == "__main__":
    harness.run(main)
