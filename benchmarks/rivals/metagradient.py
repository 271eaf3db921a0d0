"""python -m benchmarks.metagradient: what reverse mode through the training costs, and predicts, beside the
sketch.

First that it is what two other ways find. Cost is counted in plain trainings (NumPy, one at a time), measured
in turn. Then, with many more names than twice the directions: degree 1 from the metagradient, the sketch
alone, and the two combined, against exact retraining (weight 0, schedule unchanged).
"""
import time

import numpy as np

from deletion import given, precompute
from deletion.influence import metagradient
from microgpt import names

from . import harness
from .accuracy import microgpt_trial, scored
from .truth import Several, advantage, random_sets


def cost(options):
    """Seconds of a plain training, and of metagradients in plain trainings, over `cost_steps` steps."""
    learner = names(options.names, steps=options.cost_steps, seed=options.seed)
    documents = [learner.loss_on(str(name)) for name in learner.held_out[:options.documents]]
    calls = {"plain training": learner.train,
             "metagradient of 1": lambda: metagradient(learner, documents[0]),
             f"metagradient of {len(documents)}": lambda: metagradient(learner, Several(tuple(documents)))}
    # in turn: the machine's pace changes
    rounds = [[harness.seconds(call, 1)[0] for call in calls.values()] for _ in range(3)]
    ratios = np.median([[took / each[0] for took in each] for each in rounds], axis=0)
    rows = [[name, f"{took:.2f} s", f"{ratio:.1f}"]
            for name, took, ratio in zip(calls, np.median(rounds, axis=0), ratios)]
    print(f"\n{options.cost_steps} steps, {len(learner.states)} arrays a state, "
          f"at most {metagradient(learner, documents[0]).stored} states held at once")
    print(harness.table(["", "time", "plain trainings"], rows))
    return rows


def agreement(options):
    """Three ways to the same first order: the metagradient, every unit pushed alone, and least squares from
    half as many directions."""
    learner = names(options.names, steps=options.agreement_steps, seed=options.seed)
    n = learner.unit_count
    measure = Several(tuple(learner.loss_on(str(name)) for name in learner.held_out[:options.documents]))
    exact = -metagradient(learner, measure).gradient
    pushed = precompute(learner, given(np.eye(n)), 1, calibration=0).measure(measure).coefficients[:, 0].real
    decoded = precompute(learner, -(-n // 2), 1, seed=1, design="sphere", calibration=0).measure(measure)
    decoded = decoded.leave_one_out(decoder="least squares", intervals=False).terms[:, 1]
    ways = {"each unit pushed alone": pushed, f"least squares from {-(-n // 2)} directions": decoded}
    rows = [[name, f"{np.abs(terms - exact).max() / np.abs(exact).max():.0e}"]
            for name, terms in ways.items()]
    title = f"{n} names, {options.documents} documents: largest difference from the metagradient"
    print(harness.table([title, "of the largest entry"], rows))
    return rows


def accuracy(options):
    """LDS and error at 1%, 5% and 20%: by the metagradient, a sketch, and both."""
    trial = microgpt_trial(options)
    n = trial.learner.unit_count
    banks = random_sets(trial.learner.units, [max(1, n // 100), n // 20, n // 5], options.sets,
                        options.seed + 1)
    truth = {size: trial.changes(sets) for size, sets in banks.items()}
    begin = time.perf_counter()
    gradient = metagradient(trial.learner, trial.measure)
    took = {"metagradient": time.perf_counter() - begin}
    predicted = {"metagradient": {size: gradient.changes(sets) for size, sets in banks.items()}}
    verdicts = {}
    for design in options.designs:
        alone, seconds = trial.sketch(options.directions, seed=1, design=design)
        for name, measured in ((design, alone),
                               (f"{design} and metagradient", alone.with_gradient(gradient))):
            many = {size: measured.predict_many(sets, decoder="least squares")
                    for size, sets in banks.items()}
            took[name], predicted[name] = seconds, {size: p.change for size, p in many.items()}
            verdicts[name] = {size: [f"{trial.held(p, truth[size]).mean():.2f}",
                                     max(set(p.verdict), key=p.verdict.count)] for size, p in many.items()}
    rows = []
    for name, by_size in predicted.items():
        cells = [cell for size in banks for cell in (*scored(by_size[size], truth[size])[0],
                                                     *verdicts.get(name, {}).get(size, ["-", "-"]))]
        rows.append([name, *cells, f"{took[name]:.0f} s" if name in took else ""])
    print(f"\n{n} names, {options.directions} directions, {options.documents} documents, {options.sets} "
          "sets of each size")
    print(harness.table(["", *(f"{what} {size}" for size in banks
                               for what in ("LDS", "error", "in 95%", "verdict")), "took"], rows))
    for design in options.designs:
        joined, alone = predicted[f"{design} and metagradient"], predicted["metagradient"]
        shares = [f"{advantage(joined[size], alone[size], truth[size]):.0%} at {size}" for size in banks]
        print(f"{design} and metagradient is nearer than the metagradient alone in {', '.join(shares)} of "
              "resampled banks")
    return {name: {size: scored(by_size[size], truth[size])[1] for size in banks}
            for name, by_size in predicted.items()}


PARTS = {"agreement": agreement, "cost": cost, "accuracy": accuracy}


def main():
    parser = harness.parser("metagradient", __doc__, PARTS, names=None, seed=42, steps=5000, directions=500,
                            quick=None, json=None)
    parser.add_argument("--cost-steps", type=int, default=1000,
                        help="of the training whose cost is measured (default: %(default)s)")
    parser.add_argument("--agreement-steps", type=int, default=200,
                        help="of the training on which three ways are compared (default: %(default)s)")
    parser.add_argument("--designs", nargs="+", default=["pairs", "sphere"],
                        help="of the directions (default: %(default)s)")
    parser.add_argument("--sets", type=int, default=50, help="sets of each size")
    parser.add_argument("--documents", type=int, default=20, help="measurements")
    parser.add_argument("--bank", default="results/truth",
                        help="folder that keeps exact retrainings (default %(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.cost_steps, options.agreement_steps = 150, 60, 40
        options.directions, options.sets, options.documents = 40, 10, 3
    print(f"{harness.machine()}; {options.names or 'US Census names'}, seed {options.seed}, {options.steps} "
          "steps")
    harness.write_json(options.json, **harness.parts(PARTS, options))
    return 0


if __name__ == "__main__":
    harness.run(main)
