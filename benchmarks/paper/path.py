"""python -m benchmarks.path: the weight path theta(eps), from the trained model to the one without an
example, and what lies beside it.

neurons         a network of three hidden neurons on 20 points, far from convex: the path of its parameters by
                the homotopy, beside exact minimisation tracked along eps, influence and a Newton step; a
                picture of one neuron (--out). At this minimum neurons 1 and 2 coincide; without point 13 they
                part, and the homotopy ends there
leave-one-out   logistic regression: how far off influence, Newton and the homotopy are, for every example
                alone
slopes          logistic regression: the error against the weight removed, in log-log
"""
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from circuit import tanh
from deletion import SGD, DoesNotApply, Learner, Objective
from deletion.influence import Homotopy, Influence, NewtonStep

from . import harness
from .learners import breast_cancer, full_batch, half_square, stacked

POINTS, HIDDEN, PENALTY = 20, 3, 0.05
EPS = np.linspace(1.0, 0.0, 51)
TRACKED = EPS[::10]

ROUNDED = 1e-8
"""Movements below this share of the parameters' length are too small for errors relative to them."""

NEURON = 1
"""Which neuron is drawn."""


# three neurons ----------------------------------------------------------------------------------------------

def response(p, x):
    """(rows, 1) -> (rows,): sum_j v_j tanh(w_j x + b_j)."""
    return tanh(x * p["w"] + p["b"]) @ p["v"]


def squared(p, x, y):
    return (response(p, x) - y) ** 2 * 0.5


def decay(p):
    """PENALTY/2 times the sum of squares, on the sum scale."""
    return half_square(PENALTY / POINTS, *p.values())


def neurons(seed=0):
    """A Learner that starts at a minimum, where training leaves it: 20 noisy points of sin 2x."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-2.0, 2.0, POINTS))
    y = np.sin(2.0 * x) + 0.2 * rng.normal(size=POINTS)
    return fitted(x, y, {name: rng.normal(size=HIDDEN) for name in "wbv"})


def fitted(x, y, start):
    """The Learner of points (rows,) that starts at the minimum to which a start (a dict) leads."""
    def learner(parameters):
        return Learner(parameters, list(zip(x[:, None], y)), squared, SGD(1e-2), full_batch(len(x), 1),
                       regularizer=decay)

    first = learner(start)
    return learner(first.layout.split(minimiser(Objective(first), first.layout.initial)))


def minimiser(objective, theta, weights=None):
    """The minimum that scipy's trust region reaches from theta: exact second derivatives, |gradient| below
    1e-10."""
    return minimize(objective.value, theta, args=(weights,), jac=objective.gradient, hess=objective.matrix,
                    method="trust-exact", options={"gtol": 1e-10}).x


def tracked(objective, theta, h):
    """(times, parameters): minima at the eps of TRACKED, each searched for from the one before."""
    minima = []
    for eps in TRACKED:
        theta = minimiser(objective, theta, 1.0 - (1.0 - eps) * h)
        minima.append(theta)
    return np.array(minima)


def followed(objective, theta, h):
    """(eps, theta (times, parameters)): the homotopy at the values EPS, as far as it goes."""
    for count in range(len(EPS), 0, -1):
        try:
            return EPS[:count], Homotopy().path(objective, theta, h, EPS[:count])
        except DoesNotApply:      # a singular Hessian lies on this stretch
            continue


def alone(method, learner, point):
    """(parameters without a point, None), or (None, why not)."""
    try:
        return method.answer(learner, [[point]], first_neuron).parameters[0], None
    except DoesNotApply as error:
        return None, str(error)


def first_neuron(p):
    return p["w"][0]


def three_neurons():
    """(learner, a row per point: the tracked minima, how far they move, errors relative to that, what was
    refused)."""
    learner, rows = neurons(), []
    for point, h in enumerate(np.eye(POINTS)):
        exact = tracked(Objective(learner), learner.trained, h)
        row = {"point": point, "tracked": exact, "moved": float(np.linalg.norm(exact[-1] - learner.trained)),
               "refused": {}}
        for method in (Influence(), NewtonStep(), Homotopy()):
            theta, reason = alone(method, learner, point)
            error = float("nan") if reason else float(np.linalg.norm(theta - exact[-1]))
            row[method.name] = error / row["moved"]
            row["refused"] |= {method.name: reason} if reason else {}
        rows.append(row)
    return learner, rows


def draw(pyplot, learner, rows):
    """The fit, and one neuron's parameters over eps for the points that move it most and those whose path
    ends."""
    objective, theta, (x, y) = Objective(learner), learner.trained, stacked(learner.examples)
    ordered = sorted(rows, key=lambda row: ("homotopy" not in row["refused"], -row["moved"]))[:5]
    figure, (data, *panels) = pyplot.subplots(1, 4, figsize=(15, 4.2), layout="constrained")
    line = np.linspace(-2.1, 2.1, 200)
    data.plot(line, response(learner.layout.split(theta), line[:, None]), "k", linewidth=1.0,
              label="as trained")
    data.plot(x[:, 0], y, "o", color="0.7")
    for number, row in enumerate(ordered):
        point, colour = row["point"], f"C{number}"
        data.plot(x[point, 0], y[point], "o", color=colour, label=f"without point {point}")
        data.plot(line, response(learner.layout.split(row["tracked"][-1]), line[:, None]), color=colour,
                  linewidth=0.8)
        eps, path = followed(objective, theta, np.eye(POINTS)[point])
        # influence is the straight line with the path's slope at eps = 1
        slope = path[0] - alone(Influence(), learner, point)[0]
        # in the order of `neurons`
        for panel, name, start in zip(panels, "wbv", range(NEURON, 3 * HIDDEN, HIDDEN)):
            panel.plot(eps, path[:, start], color=colour)
            panel.plot(TRACKED, row["tracked"][:, start], "o", color=colour, markersize=4)
            panel.plot([1.0, 0.0], [theta[start], theta[start] - slope[start]], "--", color=colour,
                       linewidth=0.8)
            if "homotopy" in row["refused"]:
                panel.plot(eps[-1], path[-1, start], "x", color=colour, markersize=10)
            panel.set_title(f"{name} of neuron {NEURON}")
            panel.set(xlabel="weight eps of the point", ylabel=f"{name}, its value at the minimum")
    panels[0].plot([], [], "k", label="homotopy (x: refused beyond)")
    panels[0].plot([], [], "ko", markersize=4, label="exact minimum, tracked")
    panels[0].plot([], [], "k--", linewidth=0.8, label="influence")
    for axes in (data, panels[0]):
        axes.legend(fontsize=8)
    data.set(xlabel="x", ylabel="y")
    data.set_title(f"{HIDDEN} neurons, {POINTS} points")
    return figure


# logistic regression ----------------------------------------------------------------------------------------

STEPS = {"influence": Influence(), "Newton step": NewtonStep(), "Newton step x 2": NewtonStep(steps=2)}


def logistic(penalty):
    """breast_cancer, trained to its minimum: penalty/2 |w|^2 on the sum scale."""
    return breast_cancer(penalty=penalty / 469, steps=1500)


def exact(learner, penalty, weights):
    """Its minimum under example weights by Newton's method in NumPy, which shares no code with what is
    tested."""
    x, y = stacked(learner.examples)
    x, decay = np.column_stack([x, np.ones(len(x))]), np.append(np.full(x.shape[1], penalty), 0.0)
    theta = learner.trained
    for _ in range(50):
        p = expit(-y * (x @ theta))
        step = np.linalg.solve((x.T * (weights * p * (1.0 - p))) @ x + np.diag(decay),
                               decay * theta - x.T @ (weights * y * p))
        theta = theta - step
        if np.abs(step).max() < 1e-14 * np.abs(theta).max():
            break
    return theta


def intercept(p):
    return p["b"]


def leave_one_out(penalty, count):
    """{method: errors of the parameters relative to how far deletion moves them}, and absolute ones of
    examples that hardly move them."""
    learner = logistic(penalty)
    weights = 1.0 - np.eye(learner.example_count)[:count]
    truth = np.array([exact(learner, penalty, w) for w in weights])
    theta = exact(learner, penalty, np.ones(learner.example_count))
    moved = np.linalg.norm(truth - theta, axis=1)
    measurable = moved > ROUNDED * np.linalg.norm(theta)
    relative, absolute = {}, {}
    for name, method in {**STEPS, "homotopy": Homotopy()}.items():
        errors = np.linalg.norm(method.answer(learner, [[i] for i in range(count)], intercept).parameters
                                - truth, axis=1)
        relative[name], absolute[name] = (errors / moved)[measurable], errors[~measurable]
    return relative, absolute


def slopes(penalty, sets, removed):
    """{method: (sets, removed) errors of the parameters} for random sets of a twentieth, whose weight falls
    by `removed`."""
    learner = logistic(penalty)
    deleted = [np.random.default_rng(s).choice(learner.example_count, learner.example_count // 20,
                                               replace=False) for s in range(sets)]
    errors = {name: np.empty((sets, len(removed))) for name in STEPS}
    for j, share in enumerate(removed):
        truth = np.array([exact(learner, penalty, 1.0 - share * np.isin(np.arange(learner.example_count), d))
                          for d in deleted])
        for name, method in STEPS.items():
            answer = method.answer(learner, deleted, intercept, weight=1.0 - share)
            errors[name][:, j] = np.linalg.norm(answer.parameters - truth, axis=1)
    return errors


# what is printed --------------------------------------------------------------------------------------------

def print_neurons(options):
    """Three hidden neurons, far from convex: every point left out, and a picture."""
    learner, rows = three_neurons()
    methods = ("influence", "Newton step", "homotopy")
    print(f"{HIDDEN} neurons, {POINTS} points: errors of the parameters without a point, relative to how "
          "far the tracked minimum moves")
    print(harness.table(["point", "moves by", *methods], [[row["point"], f"{row['moved']:.3f}", *(
        "refused" if name in row["refused"] else f"{row[name]:.1e}" for name in methods)] for row in rows]))
    for row in rows:
        for name, reason in row["refused"].items():
            print(f"point {row['point']}: {name}: {reason}")
    harness.pictures(harness.output_folder(options.out), path=lambda pyplot: draw(pyplot, learner, rows))


def print_leave_one_out(options):
    """Logistic regression, every example left out alone: how far off each method is."""
    count = 30 if options.quick else 469
    for penalty in (10.0, 30.0):
        print(f"\nbreast cancer, penalty {penalty:g} on the sum scale, {count} examples left out one at a "
              "time: errors of the parameters")
        relative, absolute = leave_one_out(penalty, count)
        print(harness.table(["", "median", "95%", "maximum", "within 1%"],
                            [[name, *(f"{np.quantile(e, q):.1e}" for q in (0.5, 0.95, 1.0)),
                              f"{np.mean(e < 0.01):.1%}"] for name, e in relative.items()]))
        if len(absolute["homotopy"]):
            print(f"({len(absolute['homotopy'])} of them, not counted above, move the parameters by less "
                  f"than {ROUNDED:g} of their length, where rounding decides; absolute errors there: at most "
                  f"{max(e.max() for e in absolute.values()):.0e})")


def print_slopes(options):
    """Logistic regression: the error against the weight removed, in log-log."""
    removed = np.array([0.05, 0.1, 0.2])
    print("\nbreast cancer, penalty 10: error of the parameters when a random twentieth loses part of its "
          "weight, and its slope (medians)")
    rows = [[name, *(f"{x:.2e}" for x in np.median(e, axis=0)),
             f"{np.median([np.polyfit(np.log(removed), np.log(row), 1)[0] for row in e]):.2f}"]
            for name, e in slopes(10.0, 3 if options.quick else 20, removed).items()]
    print(harness.table(["weight removed", *removed, "slope"], rows))


PARTS = {"neurons": print_neurons, "leave-one-out": print_leave_one_out, "slopes": print_slopes}


def main():
    harness.parts(PARTS, harness.parser("path", __doc__, PARTS, quick=None, out="results").parse_args())
    return 0


if __name__ == "__main__":
    harness.run(main)
