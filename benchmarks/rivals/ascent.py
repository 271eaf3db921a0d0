"""python -m benchmarks.ascent: does one step of gradient ascent forget a point? Linear models and two-layer
ReLU networks.

It answers four questions, each with a table and three with a picture. What does the step do to margins? How
close to the retrained model does it come? Is the step of the theory the best one, with and without
multipliers for neurons at kinks? What does it cost in accuracy?
"""
import numpy as np

from deletion import LearnerError
from deletion.unlearning import (
    Linear, Span, TwoLayerReLU, ascend, conditions, max_margin, multipliers, success, train_to_margin)

from . import harness

FRACTIONS = np.linspace(0.0, 2.0, 41)
"""Lengths of the step, in units of that of the theory."""

RULES = {"multipliers of their own": 0.05, "derivative 1[z > 0]": 0.0}
"""How neurons at kinks are treated, and the argument `near` of `multipliers` that has this effect."""


def network(inputs, neurons):
    """A two-layer ReLU network with a second layer of both signs."""
    return TwoLayerReLU(inputs, np.resize([1.0, -1.0], neurons) / np.sqrt(neurons))


def gaussian(points, inputs, rng):
    """Points (points, inputs) of normal numbers, which are nearly orthogonal, and random labels."""
    return rng.normal(size=(points, inputs)), rng.choice([-1.0, 1.0], points)


def mixture(points, inputs, rng, centre=3.0):
    """(points, labels): two clouds, around centre * e_1 and its opposite."""
    y = rng.choice([-1.0, 1.0], points)
    x = rng.normal(size=(points, inputs))
    x[:, 0] += centre * y
    return x, y


def cosine(a, b):
    """Of the angle between two vectors."""
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def linear(seeds, points=20, inputs=2000):
    """[facts of a seed]: the linear model with its first point deleted, compared with the exact
    maximum-margin solution without it."""
    model, rows = Linear(inputs), []
    for seed in range(seeds):
        x, y = gaussian(points, inputs, np.random.default_rng(seed))
        trained = train_to_margin(model, x, y, tolerance=2e-3).theta
        after = ascend(model, trained, x, y, [0]).theta
        exact, own = max_margin(x[1:], y[1:]), success(model, after, x[1:], y[1:]).itself
        margins = {name: (y * model.output(theta, x)).tolist() for name, theta in
                   (("as trained", trained), ("after the step", after), ("retrained without it", exact))}
        rows.append({"seed": seed, "residual": own.relative_eps, "delta": own.delta, "margins": margins,
                     "deviation": float(np.abs(np.array(margins["after the step"][1:]) - 1.0).max()),
                     "cosine_before": cosine(trained, exact), "cosine_after": cosine(after, exact),
                     "coherence": conditions(x).coherence})
    return rows


def converged(problems, points, inputs, neurons, limit=100_000):
    """([(model, x, y, Trained)] of the first seeds whose training converges, how many did not), with x in
    coordinates of its span."""
    trained, failed = [], 0
    while len(trained) < problems:
        x, y = gaussian(points, inputs, np.random.default_rng(len(trained) + failed))
        span = Span(network(inputs, neurons), x)
        try:
            trained.append((span.model, span.points, y,
                            train_to_margin(span.model, span.points, y, limit=limit)))
        except LearnerError:
            # a point at which no neuron of its sign is active at the start, or a saddle that is left slowly
            failed += 1
    return trained, failed


def sweep(model, x, y, theta, near):
    """(fractions,): what stationarity misses on all points but the first, relative to |theta|, when fractions
    of the first point's term are subtracted from theta."""
    kkt = multipliers(model, theta, x, y, near)
    return [multipliers(model, kkt.theta - f * kkt.terms[0], x[1:], y[1:], near).relative_eps
            for f in FRACTIONS]


def fractions(problems):
    """{rule: curves (problems, fractions)}: the step of theory, fraction 1, beside shorter and longer
    ones."""
    return {rule: np.array([sweep(model, x, y, trained.theta, near) for model, x, y, trained in problems])
            for rule, near in RULES.items()}


def several(problems, sizes):
    """[facts of a kind of model, a problem, a number of deleted points and one of three KKT points]: (eps,
    delta, tau)."""
    rows = []
    for number, (model, x, y, trained) in enumerate(problems):
        linear_model = Linear(model.inputs)
        linear_theta = train_to_margin(linear_model, x, y, tolerance=2e-3).theta
        for kind, m, theta in (("linear", linear_model, linear_theta), ("ReLU", model, trained.theta)):
            for size in sizes:
                rows += [{"model": kind, "problem": number, "deleted": size} | row
                         for row in successes(m, ascend(m, theta, x, y, range(size)), x, y)]
    return rows


def successes(model, step, x, y):
    """[{reference, tau, eps, delta}] of an Ascent, for every KKT point whose training converges."""
    rows, rest = [], (x[step.kept], y[step.kept])
    starts = {"itself": None, "trained on from there": step.theta, "retrained": None}
    for reference, start in starts.items():
        try:
            target = None if reference == "itself" else train_to_margin(model, *rest, start=start).theta
        except LearnerError:
            continue
        result = success(model, step.theta, *rest, reference=target)
        rows.append({"reference": reference, "tau": result.tau, "eps": result.reference.relative_eps,
                     "delta": result.delta})
    return rows


def accuracies(seeds, sizes, points=40, inputs=1000, tested=10_000):
    """[facts of a kind of model, a seed and a number of deleted points]: accuracy on unseen points of a
    Gaussian mixture."""
    rows = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        (x, y), unseen = mixture(points, inputs, rng), mixture(tested, inputs, rng)
        for kind, model in (("linear", Linear(inputs)), ("ReLU", network(inputs, 16))):
            trained = train_to_margin(model, x, y, tolerance=0.02).theta
            for size in sizes:
                step = ascend(model, trained, x, y, range(size))
                again = train_to_margin(model, x[step.kept], y[step.kept], tolerance=0.02).theta
                thetas = {"as trained": trained, "after the steps": step.theta, "retrained": again}
                rows.append({"model": kind, "seed": seed, "deleted": size}
                            | {name: accuracy(model, theta, *unseen) for name, theta in thetas.items()})
    return rows


def accuracy(model, theta, x, y):
    """The share of points whose margin is positive."""
    return float((model.output(theta, x) * y > 0.0).mean())


def grouped(rows, *keys):
    """{values of the keys: rows}, in order."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def report(facts, curves, reports, accurate, failed):
    """Print the four tables."""
    print(f"Linear model, 20 Gaussian points in 2,000 dimensions, one deleted, {len(facts)} seeds")
    rows = []
    for name, key, form in (("stationarity misses, of |theta|", "residual", ".1e"),
                            ("retained margins from 1, the largest", "deviation", ".3f"),
                            ("cosine to maximum margin without it, before", "cosine_before", ".5f"),
                            ("after the step", "cosine_after", ".5f"),
                            ("coherence (conditions: below 1/2)", "coherence", ".2f")):
        column = [row[key] for row in facts]
        rows.append([name, *(f"{f(column):{form}}" for f in (np.min, np.median, np.max))])
    print(harness.table(["", "least", "median", "most"], rows))
    print(f"\nTwo-layer ReLU network, one point deleted, {len(curves['derivative 1[z > 0]'])} problems "
          f"whose training converged ({failed} did not)")
    rows = []
    for rule, curve in curves.items():
        best = FRACTIONS[curve.argmin(axis=1)]
        rows.append([rule, f"{(np.abs(best - 1.0) < 0.0501).mean():.0%}", f"{best.min():.3f}",
                     f"{np.median(best):.3f}", f"{best.max():.3f}",
                     *(f"{np.median(curve[:, i]):.4f}" for i in (0, 20, 40))])
    print(harness.table(["neurons at kinks", "best within .05 of 1", "least", "median", "most", "misses at 0",
                         "at 1", "at 2"], rows))
    print("\n(eps, delta, tau) by medians; eps relative to |theta|")
    print(harness.table(["model", "deleted", "KKT point", "of", "eps", "delta", "tau", "largest tau"],
                        [[*key, len(rows),
                          *(f"{np.median([r[k] for r in rows]):.1e}" for k in ("eps", "delta", "tau")),
                          f"{max(r['tau'] for r in rows):.1e}"]
                         for key, rows in grouped(reports, "model", "deleted", "reference").items()]))
    print("\nAccuracy on a Gaussian mixture, 40 points in 1,000 dimensions, means over seeds; differences: "
          "the largest of a seed")
    rows = []
    for key, group in grouped(accurate, "model", "deleted").items():
        a, b, c = (np.array([row[name] for row in group])
                   for name in ("as trained", "after the steps", "retrained"))
        rows.append([*key, *(f"{x.mean():.2%}" for x in (a, b, c)), f"{np.abs(b - a).max():.2%}",
                     f"{np.abs(b - c).max():.2%}"])
    print(harness.table(["model", "deleted", "as trained", "after the steps", "retrained", "from trained",
                         "from retrained"], rows))


def draw_fractions(plt, curves):
    """What stationarity misses, by the length of the step."""
    figure, axes = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
    for colour, (rule, curve) in zip(("C0", "C3"), curves.items()):
        low, middle, high = np.quantile(curve, (0.25, 0.5, 0.75), axis=0)
        axes.plot(FRACTIONS, middle, colour, label=f"neurons at kinks: {rule}")
        axes.fill_between(FRACTIONS, low, high, color=colour, alpha=0.2, linewidth=0.0)
    axes.axvline(1.0, color="k", linewidth=0.8, linestyle="--", label="the step of the theory")
    axes.set(xlabel="step, as a fraction of beta", ylabel="what stationarity misses, of |theta|",
             ylim=(0.0, None), title="The step of the theory is the best one, once kinks are respected\n"
                                     "(median and quartiles over problems)")
    axes.legend()
    return figure


def draw_margins(plt, facts):
    """The margins of deleted and retained points, before and after the step and retrained."""
    figure, axes = plt.subplots(figsize=(7.5, 4.0), layout="constrained")
    names = list(facts[0]["margins"])
    for height, name in enumerate(reversed(names)):
        margins = np.array([row["margins"][name] for row in facts])
        shift = 0.12 * np.random.default_rng(0).uniform(-1.0, 1.0, margins.shape)
        axes.plot(margins[:, 1:].ravel(), (height + shift[:, 1:]).ravel(), ".", color="C0", markersize=4,
                  label="retained" if not height else None)
        axes.plot(margins[:, 0], height + 0.25 + shift[:, 0], "o", color="C3", markersize=5,
                  label="deleted" if not height else None)
    axes.set_yticks(range(len(names)), names[::-1])
    axes.set(xlabel="margin  y N(x, theta)",
             title="The deleted point becomes an unseen one, the others stay near 1")
    axes.legend()
    return figure


def draw_accuracy(plt, accurate):
    """Accuracy by the number of deleted points."""
    kinds = list(grouped(accurate, "model"))
    figure, panels = plt.subplots(1, len(kinds), figsize=(9.0, 4.2), layout="constrained", sharey=True)
    for axes, (kind,) in zip(panels, kinds):
        groups = grouped([row for row in accurate if row["model"] == kind], "deleted")
        for name, style in (("as trained", "k--"), ("after the steps", "C0o-"), ("retrained", "C1s:")):
            means = [100.0 * np.mean([row[name] for row in rows]) for rows in groups.values()]
            axes.plot([size for size, in groups], means, style, label=name)
        axes.set(xlabel="deleted points, of 40", title=kind)
        axes.set_xticks([size for size, in groups])
    panels[0].set_ylabel("accuracy on unseen points, %")
    panels[0].set_ylim(85.0, 100.0)
    figure.suptitle("Accuracy after forgetting by ascent is that of retraining")
    panels[-1].legend()
    return figure


def main():
    parser = harness.parser("ascent", __doc__, quick=None, out="results")
    parser.add_argument("--seeds", type=int, default=36, help="problems of every kind (default: %(default)s)")
    options = parser.parse_args()
    seeds = 4 if options.quick else options.seeds
    if seeds < 1:
        raise LearnerError(f"expected at least one seed, got {seeds}")
    folder = harness.output_folder(options.out)
    facts = linear(seeds)
    problems, failed = converged(seeds, points=10, inputs=4000, neurons=16)
    curves, reports = fractions(problems), several(problems[:6], (1, 2, 4))
    accurate = accuracies(min(seeds, 6), (1, 2, 4))
    report(facts, curves, reports, accurate, failed)
    harness.write_json(folder / "ascent.json", linear=facts, fractions=FRACTIONS.tolist(),
                       curves={k: v.tolist() for k, v in curves.items()}, unconverged=failed, reports=reports,
                       accuracy=accurate)
    harness.pictures(folder, ascent_fraction=lambda plt: draw_fractions(plt, curves),
                     ascent_margins=lambda plt: draw_margins(plt, facts),
                     ascent_accuracy=lambda plt: draw_accuracy(plt, accurate))
    return 0


if __name__ == "__main__":
    harness.run(main)
