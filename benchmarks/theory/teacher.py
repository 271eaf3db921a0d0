"""python -m benchmarks.teacher: three neurons learn what another network of three neurons says. Does the
distance to the target decide how straight the path of deletion is?

The teacher is a network of three hidden neurons with random parameters. Its outputs at 20 points, with noise,
are what the student learns, a network of the same kind with weight decay. Each point in turn is left out: its
weight eps falls from 1 to 0, and the homotopy follows the student's minimum to the target, the minimum
without the point. Straightness is the angle between the first and the last velocity of this path: 0 where it
does not turn. Printed for each of several teachers: the rank correlation over the points between that angle
and the distance to the target, and that of two other candidates, with bootstrap intervals.

The lecture notes that ask this do not fix every detail of their teacher; this one is ours.
"""
import numpy as np

from circuit.errors import DoesNotApply
from deletion import Objective
from deletion.influence import Homotopy

from . import harness
from .learners import stacked
from .path import HIDDEN, POINTS, fitted, response
from .straightness import angle
from .truth import bootstrap, lds

FIRST, TEACHERS = 100, 6
"""The teachers' seeds are 100, 101, ...; this was written on teacher 0."""

NOISE = 0.1
"""Standard deviation of what is added to the teacher's outputs."""

EPS = np.linspace(1.0, 0.0, 21)

CANDIDATES = {"distance": "distance to the target", "velocity": "|theta-dot(1)|", "residual": "|residual|"}


def taught(seed):
    """The student, a Learner at a minimum: 20 points of the line, labelled by a teacher."""
    rng = np.random.default_rng(seed)
    teacher, start = ({name: 1.5 * rng.normal(size=HIDDEN) for name in "wbv"} for _ in range(2))
    x = np.sort(rng.uniform(-2.0, 2.0, POINTS))
    return fitted(x, response(teacher, x[:, None]) + NOISE * rng.normal(size=POINTS), start)


def paths(student, points=range(POINTS)):
    """{point: its path's numbers}, and {point: why the homotopy refuses it}.

    detour   how much longer the path is than the straight line between its ends, as a share of that
    """
    objective, theta, (x, y) = Objective(student), student.layout.initial, stacked(student.examples)
    residuals = np.abs(y - response(student.layout.split(theta), x))
    homotopy, found, refused = Homotopy(accuracy=1e-6), {}, {}
    for point in points:
        h = np.eye(len(y))[point]
        try:
            path = homotopy.path(objective, theta, h, EPS)
            first, last = (homotopy.velocity(objective, path[k], h, EPS[k]) for k in (0, -1))
        except DoesNotApply as reason:
            refused[point] = str(reason)
            continue
        distance = np.linalg.norm(path[-1] - theta)
        found[point] = {"angle": angle(first, last), "distance": distance,
                        "detour": np.linalg.norm(np.diff(path, axis=0), axis=1).sum() / distance - 1.0,
                        "velocity": np.linalg.norm(first), "residual": residuals[point]}
    return found, refused


def column(found, name):
    """One number of every path, (paths, 1), as `truth` scores them."""
    return np.array([row[name] for row in found.values()])[:, None]


def correlations(found):
    """{candidate: (rank correlation with the angle, low, high)}: 95% intervals over the choice of points."""
    return {name: bootstrap(lds, column(found, name), column(found, "angle")) for name in CANDIDATES}


def draw(pyplot, rows):
    """The angle against the distance to the target, for every point of every teacher."""
    figure, panels = pyplot.subplots(2, -(-len(rows) // 2), figsize=(15, 6), layout="constrained",
                                     sharex=True, sharey=True, squeeze=False)
    for axes, (seed, row) in zip(panels.ravel(), rows.items()):
        axes.plot(column(row["paths"], "distance"), column(row["paths"], "angle"), "o", color="C0")
        axes.set(xscale="log", yscale="log")
        value, low, high = row["correlations"]["distance"]
        axes.set_title(f"teacher {seed}: {value:.2f} ({low:.2f} to {high:.2f})", fontsize=10)
        axes.grid(alpha=0.3)
    figure.supxlabel("distance to the target, |theta(0) - theta(1)|")
    figure.supylabel("angle by which the path turns, degrees")
    figure.suptitle("Farther targets, more crooked paths: a point each, and the rank correlation")
    return figure


def main():
    options = harness.parser("teacher", __doc__, quick=None, out="results").parse_args()
    folder, rows = harness.output_folder(options.out), {}
    for seed in range(FIRST, FIRST + (2 if options.quick else TEACHERS)):
        found, refused = paths(taught(seed))
        rows[seed] = {"paths": found, "refused": refused, "correlations": correlations(found)}
    print("rank correlation, over points, of the angle by which the path turns with ...")
    print(harness.table(["teacher", "points", "median angle", "largest", "median detour",
                         *CANDIDATES.values()],
                        [[seed, len(row["paths"]), f"{np.median(column(row['paths'], 'angle')):.1f}",
                          f"{column(row['paths'], 'angle').max():.1f}",
                          f"{np.median(column(row['paths'], 'detour')):.1e}",
                          *("{:.2f} ({:.2f} to {:.2f})".format(*row["correlations"][name])
                            for name in CANDIDATES)] for seed, row in rows.items()]))
    for name, what in CANDIDATES.items():
        values = np.array([row["correlations"][name] for row in rows.values()])
        mean = bootstrap(lambda x, _: x.mean(), values[:, :1], values[:, :1])
        print("{}: mean over teachers {:.2f} ({:.2f} to {:.2f}); interval above 0 for {} of {}".format(
            what, *mean, int((values[:, 1] > 0.0).sum()), len(values)))
    for seed, row in rows.items():
        if row["refused"]:
            point, reason = next(iter(row["refused"].items()))
            print(f"teacher {seed}: no path without points {', '.join(map(str, row['refused']))}; "
                  f"{point}: {reason:.80} ...")
    harness.write_json(folder / "teacher.json", rows={str(seed): {
        "paths": {str(point): numbers for point, numbers in row["paths"].items()},
        "correlations": row["correlations"]} for seed, row in rows.items()})
    harness.pictures(folder, teacher=lambda pyplot: draw(pyplot, rows))
    return 0


if __name__ == "__main__":
    harness.run(main)
