"""python -m benchmarks.fading: is it best to choose an example's weight at every moment by what helps at that
moment?

The greedy schedule gives a deleted example, at each moment from the request to the horizon, the weight from 0
to 1 whose displacement goes most toward the target. It is compared with the best single step, in random
problems of the linear flow (20 points of the plane, as in benchmarks.flow, from one start and from random
ones). "Most toward" has two meanings: the longest way along the direction of the target, or the smallest
angle with it. The script also counts again in how many problems a step or a straight line is the better
schedule.
"""
import numpy as np

from circuit import InputError
from deletion.studies.fading import Unlearning
from deletion.studies.schedules import LINES, STEPS, PiecewiseConstant, piecewise

from . import harness
from .flow import ASKED, EVEN, HORIZON, REQUEST, around, unit_of

KINDS = {"one": "the start of benchmarks.flow", "random": "random starts"}
"""Where the flow begins: at REQUEST, or at a random angle and distance of 0.5 to 5."""

TARGETS = {"optimum": ("best step", "best line", "best 8 pieces"), "trajectory": ("best step",)}
"""Of the targets of `Unlearning`, those that stand still, with the families that are searched."""

PIECES = 256
"""Moments at which the greedy schedule chooses."""

FAMILIES = {"best step": STEPS, "best line": LINES, "best 8 pieces": piecewise(8)}


def longest(velocity, change, aim):
    """The weight in [0, 1] with which velocity + weight * change goes farthest along aim."""
    return float(change @ aim > 0.0)


def straightest(velocity, change, aim):
    """The weight in [0, 1] with which velocity + weight * change has the smallest angle with aim.

    The cosine as a function of the weight has one stationary point where it is not constant: that and the
    ends are compared.
    """
    a, b = velocity @ aim, change @ aim
    p, q, r = velocity @ velocity, velocity @ change, change @ change
    weights = [0.0, 1.0]
    if b * q != a * r:
        weights.append(min(max((a * q - b * p) / (b * q - a * r), 0.0), 1.0))
    return max(weights, key=lambda w: (a + w * b) / np.sqrt(max(p + 2.0 * w * q + w * w * r, 1e-300)))


RULES = {"greedy, longest way": longest, "greedy, smallest angle": straightest}


def greedy(unlearning, to, rule, pieces=PIECES):
    """The schedule that chooses its weight by a rule at each of many moments, and the schedule's target."""
    aim, flow, kept = unlearning.target(unlearning.flow.start, to), unlearning.flow, unlearning.retrained
    rows = unlearning.rows
    edges = np.linspace(unlearning.asked, unlearning.horizon, pieces + 1)
    theta, weights = flow.at(unlearning.asked), np.ones(len(flow.x))
    values = []
    for length in np.diff(edges):
        velocity = kept.x.T @ (kept.y - kept.x @ theta)
        change = flow.x[rows].T @ (flow.y[rows] - flow.x[rows] @ theta)
        weights[rows] = rule(velocity, change, aim - theta)
        values.append(weights[rows[0]])
        theta = flow.at(length, weights, theta)
    return PiecewiseConstant(edges, values)


def problem(seed, kind):
    """The random problem of a seed."""
    rng = np.random.default_rng(seed)
    start = REQUEST if kind == "one" else (rng.uniform(0.0, 360.0), rng.uniform(0.5, 5.0))
    return Unlearning(*around(rng, *start), HORIZON, asked=ASKED)


def distances(seeds, kind, to, families, starts=4):
    """{schedule: (seeds,)}: distances to a target at T, over |optimum with - without the example|."""
    results = {}
    for seed in seeds:
        unlearning = problem(seed, kind)
        schedules = {name: greedy(unlearning, to, rule) for name, rule in RULES.items()}
        schedules |= {name: unlearning.best(family, to, starts) for name, family in families.items()}
        for name, schedule in schedules.items():
            results.setdefault(name, []).append(unlearning.distance(schedule, to) / unit_of(unlearning))
    return {name: np.array(values) for name, values in results.items()}


def duels(distances, name, even=EVEN):
    """(nearer, even, farther): in how many problems a schedule ends nearer to the target than the best
    step."""
    better = distances["best step"] - distances[name]
    return tuple(int(x.sum()) for x in (better > even, np.abs(better) <= even, better < -even))


def compare(kind, options):
    """Print the tables of a kind of start; {target: {schedule: distances}}."""
    count, results = 4 if options.quick else options.problems, {}
    for to, families in TARGETS.items():
        found = distances(range(count), kind, to, {name: FAMILIES[name] for name in families})
        print(f"\n{count} problems with {KINDS[kind]}; target: {to}")
        print(harness.table(
            ["weight schedule", "median distance", "nearer than the best step", "even", "farther"],
            [[name, f"{np.median(x):.3g}", *duels(found, name)] for name, x in found.items()]))
        if "best line" in found:
            print("best line (nearer, even, farther), by what counts as even: "
                  + "; ".join(f"{x:g} {duels(found, 'best line', x)}" for x in (EVEN, 1e-4, 1e-3)))
        results[to] = {name: x.tolist() for name, x in found.items()}
    return results


def main():
    parser = harness.parser("fading", __doc__, KINDS, quick=None, out="results")
    parser.add_argument("--problems", type=int, default=24,
                        help="random problems of a kind (default %(default)s)")
    options = parser.parse_args()
    unknown = [kind for kind in options.parts if kind not in KINDS]
    if unknown:
        raise InputError(f"no kind of start {unknown[0]!r}; there are {', '.join(KINDS)}")
    print(f"{harness.machine()}; asked at {ASKED}, done at {HORIZON}, {PIECES} moments of choice")
    content = {kind: compare(kind, options) for kind in options.parts or KINDS}
    harness.write_json(harness.output_folder(options.out) / "fading.json", distances=content)
    return 0


if __name__ == "__main__":
    harness.run(main)
