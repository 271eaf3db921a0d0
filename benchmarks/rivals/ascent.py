"""python -m benchmarks.ascent: does one step of gradient ascent forget a point? Linear models and two-layer
ReLU networks.

Four questions, each with a table, three with a picture: what the step does to margins; how close to the
retrained model it comes; whether the step of the theory is the best one, with and without multipliers for
neurons at kinks; what it costs in accuracy.
"""

import numpy as np

from deletion import LearnerError
from deletion.unlearning import Linear, Span, TwoLayerReLU, ascend, max_margin, multipliers, success, train_to_margin

from . import harness

FRACTIONS = np.linspace(0.0, 2.0, 41)
RULES = {"multipliers of their own": 0.05, "derivative 1[z > 0]": 0.0}
"""How neurons at kinks are treated, and the `near` that says so."""


def network(inputs, neurons):
    """A two-layer ReLU network with a second layer of both signs."""
    return TwoLayerReLU(inputs, np.resize([1.0, -1.0], neurons) / np.sqrt(neurons))


def gaussian(points, inputs, rng):
    """Points (points, inputs) of normal numbers, nearly orthogonal, and labels by the toss of a coin."""
    return rng.normal(size=(points, inputs)), rng.choice([-1.0, 1.0], points)


def mixture(points, inputs, rng, centre=3.0):
    """Two clouds, around centre * e_1 and its opposite."""
    y = rng.choice([-1.0, 1.0], points)
    x = rng.normal(size=(points, inputs))
    x[:, 0] += centre * y
    return x, y


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def linear(seeds, points=20, inputs=2000):
    """A row per seed: the linear model, its first point deleted, beside the exact maximum-margin solution
    without it."""
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
                     "cosine_before": cosine(trained, exact), "cosine_after": cosine(after, exact)})
    return rows


def converged(problems, points, inputs, neurons, limit=100_000):
    """[(model, x, y, Trained)] of the first seeds whose training converges, and how many did not. x in
    coordinates of its span."""
    found, failed = [], 0
    while len(found) < problems:
        x, y = gaussian(points, inputs, np.random.default_rng(len(found) + failed))
        span = Span(network(inputs, neurons), x)
        try:
            found.append((span.model, span.points, y,
                          train_to_margin(span.model, span.points, y, limit=limit)))
        except LearnerError:
            # a point that no neuron of its sign sees at the start, or a saddle left slowly
            failed += 1
    return found, failed


def sweep(model, x, y, theta, near):
    """What stationarity misses on the points but the first, relative to |theta|, when fractions of its term
    are taken from theta."""
    kkt = multipliers(model, theta, x, y, near)
    return [multipliers(model, kkt.theta - f * kkt.terms[0], x[1:], y[1:], near).relative_eps
            for f in FRACTIONS]


def fractions(problems):
    """{rule: curves (problems, fractions)}: the step of theory, fraction 1, beside shorter and longer
    ones."""
    return {rule: np.array([sweep(model, x, y, trained.theta, near) for model, x, y, trained in problems])
            for rule, near in RULES.items()}


def several(problems, sizes):
    """A row per kind of model, problem and number of deleted points: (eps, delta, tau) with three KKT
    points."""
    rows = []
    for number, (model, x, y, trained) in enumerate(problems):
        straight = Linear(model.inputs)
        for kind, m, theta in (("linear", straight, train_to_margin(straight, x, y, tolerance=2e-3).theta),
                               ("ReLU", model, trained.theta)):
            for size in sizes:
                step = ascend(m, theta, x, y, range(size))
                rest = x[step.kept], y[step.kept]
                for reference in ("itself", "trained on from there", "retrained"):
                    try:
                        target = None if reference == "itself" else train_to_margin(
                            m, *rest, start=step.theta if "on" in reference else None).theta
                    except LearnerError:
                        continue
                    found = success(m, step.theta, *rest, reference=target)
                    rows.append({"model": kind, "problem": number, "deleted": size, "reference": reference,
                                 "tau": found.tau, "eps": found.reference.relative_eps, "delta": found.delta})
    return rows


def accuracies(seeds, sizes, points=40, inputs=1000, tested=10_000):
    """A row per kind of model, seed and number of deleted points: accuracy on unseen points of a Gaussian
    mixture."""
    rows = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        (x, y), unseen = mixture(points, inputs, rng), mixture(tested, inputs, rng)
        for kind, model in (("linear", Linear(inputs)), ("ReLU", network(inputs, 16))):
            trained = train_to_margin(model, x, y, tolerance=0.02).theta
            for size in sizes:
                step = ascend(model, trained, x, y, range(size))
                again = train_to_margin(model, x[step.kept], y[step.kept], tolerance=0.02).theta
                rows.append({"model": kind, "seed": seed, "deleted": size} | {
                    name: float((model.output(theta, unseen[0]) * unseen[1]
                                 > 0.0).mean()) for name, theta in (("as trained", trained),
                                                                    ("after the steps", step.theta),
                                                                    ("retrained", again))})
    return rows


def grouped(rows, *keys):
    """{values of the keys: rows}, in order."""
    found = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def report(facts, curves, reports, accurate, failed):
    """The four tables."""
    column = {key: np.array([row[key] for row in facts])
              for key in ("residual", "deviation", "cosine_before", "cosine_after")}
    print(f"Linear model, 20 Gaussian points in 2,000 dimensions, one deleted, {len(facts)} seeds")
    print(harness.table(["", "least", "median", "most"],
                        [[name, *(f"{f(column[key]):{form}}" for f in (np.min, np.median, np.max))] for name,
                         key, form in (("stationarity misses, of |theta|", "residual", ".1e"),
                                       ("retained margins from 1, the largest", "deviation", ".3f"),
                                       ("cosine to maximum margin without it, before", "cosine_before",
                                        ".5f"), ("after the step", "cosine_after", ".5f"))]))
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
                          f"{max(r['tau'] for r in rows):.1e}"] for key,
                         rows in grouped(reports, "model", "deleted", "reference").items()]))
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
    figure, axes = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
    for colour, (rule, curve) in zip(("C0", "C3"), curves.items()):
        low, middle, high = np.quantile(curve, (0.25, 0.5, 0.75), axis=0)
        axes.plot(FRACTIONS, middle, colour, label=f"neurons at kinks: {rule}")
        axes.fill_between(FRACTIONS, low, high, color=colour, alpha=0.2, linewidth=0.0)
    axes.axvline(1.0, color="k", linewidth=0.8, linestyle="--", label="the step of the theory")
    axes.set(xlabel="step, as a fraction of beta", ylabel="what stationarity misses, of |theta|", ylim=(
        0.0, None), title="The step of the theory is the best one, once kinks are respected\n(median "
             "and quartiles over problems)")
    axes.legend()
    return figure


def draw_margins(plt, facts):
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
    kinds = list(grouped(accurate, "model"))
    figure, panels = plt.subplots(1, len(kinds), figsize=(9.0, 4.2), layout="constrained", sharey=True)
    for axes, (kind,) in zip(panels, kinds):
        groups = grouped([row for row in accurate if row["model"] == kind], "deleted")
        for name, style in (("as trained", "k--"), ("after the steps", "C0o-"), ("retrained", "C1s:")):
            axes.plot([size for size, in groups], [100.0 * np.mean([row[name] for row in rows])
                                                   for rows in groups.values()], style, label=name)
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
        raise LearnerError(f"at least one seed is needed, not {seeds}")
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
