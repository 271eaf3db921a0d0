"""python -m benchmarks.guarantees: do the unlearning rules keep what they promise? Distances against bounds,
noise against a distinguisher.

Random logistic regressions have known constants, and their minimisers are calculated separately. Quadratics
are built to reach the bounds, so that a bound a hundred times too small would be noticed. Models with noise
are distinguished by the best threshold. Descent and rewinding are compared at equal cost. A curve shows what
rewinding by more steps gains.
"""
from functools import partial

import numpy as np
from scipy.stats import beta

from circuit import softplus
from deletion import SGD, Learner, ModelLoss, retrain
from deletion.unlearning import (
    AlphaPrivacy, Constants, Descent, NaturalGradient, Privacy, Rewind, certify, inverted, logistic_bounds,
    noised, trajectory)
from deletion.unlearning.strongly_convex.certified import Logistic
from deletion.unlearning.rewind import published_distance

from . import harness
from .learners import full_batch, half_square
from .truth import random_sets

PENALTY = 0.1
"""The regulariser is PENALTY |theta|^2 / 2 for each example."""

CONFIDENCE = 1.0 - 1e-6
"""Of all statements that a distinguisher makes in one audit, together."""

MIN_REACHED = 0.03
"""The share of its bound that a quadratic built for it must reach, at least."""


# problems ---------------------------------------------------------------------------------------------------

def margin(w, x, y):
    return (x @ w) * y


def margin_cost(margin, x, y):
    return softplus(-margin)


def whole(p):
    """The measurement that is all parameters."""
    return p


def logistic(seed, count=24, size=3, steps=150, rate=2.0, batch=None, longest=1.0):
    """Regularised logistic regression on random rows of norm at most `longest`, by full or by smaller
    batches, from 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, size))
    x *= longest / np.linalg.norm(x, axis=1).max()
    y = np.where(x @ rng.normal(size=size) + 0.3 * longest * rng.normal(size=count) > 0, 1.0, -1.0)
    schedule = full_batch(count, steps) if batch is None else np.stack([rng.permutation(count)[:batch]
                                                                        for _ in range(steps)])
    return Learner(np.zeros(size), list(zip(x, y)), ModelLoss(margin, margin_cost), SGD(rate), schedule,
                   regularizer=partial(half_square, PENALTY))


def minimiser(learner, keep, dropped, more=0.0):
    """argmin of the remaining losses' sum + scale (PENALTY + more) |theta|^2/2 by Newton's method; scale:
    what remains (dropped), or all."""
    rows = np.array([x * y for x, y in learner.examples])[keep > 0]
    theta, scale = np.zeros(rows.shape[1]), (PENALTY + more) * (len(rows) if dropped
                                                                else learner.example_count)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(rows @ theta))
        theta = theta - np.linalg.solve((rows.T * (p * (1.0 - p))) @ rows + scale * np.eye(len(theta)),
                                        scale * theta - p @ rows)
    return theta


def extremal(low, high, count=50, deleted=1, rate=0.1, steps=40):
    """Losses a_i p_0, a = 1 but for the first `deleted` rows, whose a = -1; regulariser (low p_0^2 + high
    p_1^2)/2; gradient bound 1."""
    signs = np.where(np.arange(count) < deleted, -1.0, 1.0)
    return Learner(np.zeros(2), list(signs), tilt, SGD(rate), full_batch(count, steps),
                   regularizer=partial(bowl, low, high))


def tilt(p, a):
    """A loss whose gradient is a in the first parameter, everywhere."""
    return a * p[0]


def bowl(low, high, p):
    """A quadratic regulariser with a curvature for each parameter."""
    return (p[0] * p[0] * low + p[1] * p[1] * high) * 0.5


def random_set(learner, rng, most=5):
    """Labels of 1 to `most` units."""
    return rng.choice(learner.unit_count, rng.integers(1, most + 1), replace=False).tolist()


def distance(a, b):
    """Between two vectors of parameters."""
    return float(np.linalg.norm(a - b))


def ratio_of(measured, bound):
    """measured / bound, where 0 / 0 is 0: a set may occur in no batch before the checkpoint."""
    return measured / bound if measured or bound else 0.0


# distances against bounds -----------------------------------------------------------------------------------

def rewinding(seed):
    """{what: distance to retraining / bound} of rewinding K steps in a short training by full or by smaller
    batches."""
    rng, ratios = np.random.default_rng([seed, 1]), {}
    learner = logistic(seed, steps=20, rate=0.3, batch=None if seed % 2 else 6)
    constants, steps = logistic_bounds(learner), int(rng.integers(0, 20))
    chosen = random_set(learner, rng)
    for rows in ("dropped", "zero weight"):
        rule = Rewind(steps, rows=rows, constants=constants)
        rewound = rule.answer(learner, [chosen], whole).parameters[0]
        retrained = Rewind(20, rows=rows).answer(learner, [chosen], whole).parameters[0]
        bound = rule.sensitivity(learner, learner.downweight(chosen)[None])[0]
        ratios[f"rewind, {rows}"] = ratio_of(distance(rewound, retrained), bound)
        if rows == "dropped" and seed % 2:
            ratios["rewind, the paper's bound"] = distance(rewound, retrained) / published_distance(
                len(chosen), 24, 0.3, 20, steps, constants)
    return ratios


def descending(seed, requests=3):
    """{what: ratio}: distance to the minimiser / carried error, and distance to retraining / sensitivity,
    both the worst of several requests."""
    rng, learner = np.random.default_rng([seed, 2]), logistic(seed)
    rule = Descent(logistic_bounds(learner), int(rng.integers(1, 6)), radius=1.0 / PENALTY)
    state, errors, sensitivities = rule.train(learner), [], []
    for chosen in rng.permutation(24)[:2 * requests].reshape(requests, 2).tolist():
        state = rule.request(learner, state, chosen)
        errors.append(distance(state.theta, minimiser(learner, 1.0 - state.downweight, True)) / state.error)
        sensitivities.append(distance(state.theta, rule.train(learner, state.downweight).theta)
                             / rule.sensitivity(learner, state))
    return {"descent, contract": max(errors), "descent, sensitivity": max(sensitivities)}


def stepping(seed):
    """{what: distance / bound} of the natural gradient, and gradient left over / its bound of certified
    removals."""
    rng, learner = np.random.default_rng([seed, 3]), logistic(seed)
    constants, chosen = logistic_bounds(learner), random_set(learner, rng)
    rule = NaturalGradient(constants=constants, features=1.0)
    theta = rule.answer(learner, [chosen], whole).parameters[0]
    # without the paper's second term
    bound = (constants.hessian_lipschitz * (len(chosen) * constants.gradient / 24) ** 2
             / constants.convexity ** 3)
    # an eps that pays for every removal: the account is what counts
    ratios, model = [], certify(learner, Privacy(1e3, 1e-5), 1.0, seed)
    for unit in chosen:
        model = model.remove([unit])
        ratios.append(model.residual() / model.spent)
    optimum = minimiser(learner, 1.0 - learner.downweight(chosen), False)
    return {"natural gradient, first term": distance(theta, optimum) / bound,
            "certified removal": max(ratios)}


def far_apart():
    """(rewound, retrained, bound of their distance): 10 of 40 steps again, where the curvature is -1, which
    drives trainings apart."""
    learner, rule = extremal(-1.0, 1.0), Rewind(10, rows="dropped", constants=Constants(1.0, 1.0))
    rewound, retrained = (Rewind(k, rows="dropped").answer(learner, [[0]], whole).parameters[0]
                          for k in (10, 40))
    return rewound, retrained, rule.sensitivity(learner, learner.downweight([0])[None])[0]


def reached():
    """{what: distance / bound} on quadratics whose curvature is as large, or as negative, as the constants
    allow."""
    rewound, retrained, bound = far_apart()
    gap = distance(rewound, retrained)
    ratios = {"rewind": gap / bound,
              "rewind, the paper's bound": gap / published_distance(1, 50, 0.1, 40, 10, Constants(1.0, 1.0))}
    learner = extremal(0.2, 1.0, steps=600)
    descent = Descent(Constants(1.0, 1.0, 0.2), 3)
    state = descent.request(learner, descent.begin(learner), [0])
    # the minimiser of p_0 + 0.1 p_0^2
    ratios["descent"] = distance(state.theta, [-5.0, 0.0]) / state.error
    return ratios


def unscaled(seed):
    """Gradient left over / the bound that holds for rows of norm at most 1, with rows fifty times as long,
    for which it can fail."""
    learner = logistic(seed, longest=50.0)
    rows = np.array([x * y for x, y in learner.examples])
    problem = Logistic(rows, 24 * PENALTY * np.eye(3), np.zeros(3))
    kept = (np.arange(24) > 2).astype(float)
    theta = problem.minimum(np.ones(24))
    step, bound = problem.removal(theta, kept, 1.0 - kept)
    return float(np.linalg.norm(problem.gradient(theta + step, kept))) / bound


# noise against a distinguisher ------------------------------------------------------------------------------

def excess(unlearned, retrained, sigma, privacy, draws=200_000, seed=0, thresholds=41):
    """The most by which P(S) > e^eps Q(S) + delta is proved at CONFIDENCE, over half-spaces S across the line
    between two models. A negative number means that nothing is proved against the promise.

    Half-spaces are the likelihood-ratio tests between two Gaussians, and so the best ones. Both orders of P
    and Q are tried, with Clopper-Pearson limits and Bonferroni's correction over all. Of an AlphaPrivacy,
    sigma is the noise's scale, alpha is eps, and delta is 0.
    """
    noisy = [draw_noise(privacy, np.repeat(theta[None], draws, axis=0), sigma, 2 * seed + i)
             for i, theta in enumerate((unlearned, retrained))]
    eps, delta = promised(privacy)
    gap = distance(unlearned, retrained)
    along = [np.sort((x - retrained) @ ((unlearned - retrained) / gap)) for x in noisy]
    cuts = gap / 2.0 + np.linspace(-1.0, 1.0, thresholds) * (gap + 5.0 * sigma)
    above = [draws - np.searchsorted(x, cuts) for x in along]
    error, excesses = (1.0 - CONFIDENCE) / (4 * thresholds), []
    for p, q in ((above[0], above[1]), (draws - above[1], draws - above[0])):
        low = np.where(p > 0, beta.ppf(error, p, draws - p + 1), 0.0)
        high = np.where(q < draws, beta.ppf(1.0 - error, q + 1, draws - q), 1.0)
        excesses.append((low - np.exp(eps) * high - delta).max())
    return float(max(excesses))


def draw_noise(privacy, theta, sigma, seed):
    """theta with the noise of a promise."""
    if isinstance(privacy, AlphaPrivacy):
        return privacy.noised(theta, sigma * privacy.alpha, seed)
    return noised(theta, sigma, seed)


def promised(privacy):
    """(eps, delta)."""
    return (privacy.alpha, 0.0) if isinstance(privacy, AlphaPrivacy) else (privacy.eps, privacy.delta)


def audits(draws):
    """[{promise, mechanism, sigma, excess with that sigma and with a tenth of it}], for models that are as
    far apart as the bound allows."""
    (*pair, bound), rows = far_apart(), []
    small, large, alpha = Privacy(0.5, 0.01), Privacy(3.0, 0.01), AlphaPrivacy(0.5)
    for privacy, kind in ((small, "sigma"), (small, "analytic_sigma"), (small, "concentrated_sigma"),
                          (large, "sigma"), (large, "concentrated_sigma"), (alpha, "scale")):
        sigma, (eps, delta) = getattr(privacy, kind)(bound), promised(privacy)
        rows.append({"eps": eps, "delta": delta, "mechanism": kind, "sigma": float(sigma),
                     "excess": excess(*pair, sigma, privacy, draws),
                     "excess_at_a_tenth": excess(*pair, 0.1 * sigma, privacy, draws)})
    return rows


# rewinding, by how far --------------------------------------------------------------------------------------

def curve(learner, deleted, parts=10):
    """[(share of the training taken again, |rewound - retrained| / |trained - retrained|)], the mean over
    sets; deleted rows have weight zero."""
    total = len(learner.steps)
    steps = sorted({round(total * part / parts) for part in range(parts + 1)})
    kept = trajectory(learner, at=[total - k for k in steps])
    truth = retrain(learner, deleted, progress=False)
    moved, points = np.linalg.norm(truth - learner.trained, axis=1), []
    for k in steps:
        theta = Rewind(k, kept).answer(learner, deleted, partial(first_of, learner)).parameters
        points.append((k / total, float((np.linalg.norm(theta - truth, axis=1) / moved).mean())))
    return points


def first_of(learner, p):
    """A measurement that costs nothing: a parameter."""
    return (p if learner.layout.single else next(iter(p.values()))).reshape(-1)[0]


def curves(quick):
    """{learner: its curve, for 8 random sets of 5% of the examples}."""
    learners = {"logistic regression, full batches": logistic(0, steps=100, rate=0.3),
                "logistic regression, batches of 6": logistic(0, steps=100, rate=0.3, batch=6)}
    if not quick:
        from .learners import digits
        from microgpt import names
        learners |= {"digits, network with momentum": digits(), "microgpt, Adam": names(steps=1000)}
    lines = {}
    for name, learner in learners.items():
        size = learner.unit_count // 20
        lines[name] = curve(learner, random_sets(range(learner.unit_count), [size], 8, 5)[size])
    return lines


def undone_error():
    """The largest difference between states recovered by undoing 10 or 20 steps of 40 and the checkpoints,
    relative to the length of the whole way."""
    learner = logistic(0, steps=40, rate=0.5)
    kept, smoothness = trajectory(learner, every=10), logistic_bounds(learner).smoothness
    return max(distance(inverted(learner, k, smoothness).before(40 - k)[0], kept.before(40 - k)[0])
               / np.linalg.norm(learner.trained) for k in (10, 20))


def draw(pyplot, ratios, lines):
    """Left: measured / bound of every run. Right: the curves of rewinding."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    for row, (name, values) in enumerate(ratios.items()):
        left.plot(np.where(np.array(values) > 0.0, values, np.nan), row + np.linspace(-0.3, 0.3, len(values)),
                  ".", markersize=3, alpha=0.6)
    left.axvline(1.0, color="k", linewidth=1.0)
    left.set(xscale="log", xlabel="measured / bound (1: the bound)", yticks=range(len(ratios)),
             yticklabels=list(ratios), title="a dot per seeded run")
    for name, points in lines.items():
        right.plot(*zip(*points), "o-", markersize=3, label=name)
    right.set(xlabel="share of the training taken again, K/T",
              ylabel="distance to retraining (1: nothing done)", ylim=(0, None), title="rewinding")
    right.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
    return figure


def main():
    parser = harness.parser("guarantees", __doc__, quick=None, out="results")
    parser.add_argument("--runs", type=int, default=200,
                        help="seeded runs of each rule (default %(default)s)")
    options = parser.parse_args()
    from . import strongly_convex      # which uses the problems above
    runs, ratios, plain = 20 if options.quick else options.runs, {}, []
    for seed in range(runs):
        more, ratio = strongly_convex.measured(seed)
        plain.append(ratio)
        for name, ratio in {**rewinding(seed), **descending(seed), **stepping(seed), **more}.items():
            ratios.setdefault(name, []).append(ratio)
    print(f"{harness.machine()}; {runs} seeded runs\n")
    print(harness.table(["measured / bound", "runs", "median", "largest", "above 1"],
                        [[name, len(x), f"{np.median(x):.2g}", f"{max(x):.3g}", sum(r > 1.0 for r in x)]
                         for name, x in ratios.items()]))
    most, long = reached() | strongly_convex.reached(), max(unscaled(seed) for seed in range(20))
    print("\nquadratics built to reach the bound: "
          + ", ".join(f"{name} {ratio:.1%}" for name, ratio in most.items()))
    print(f"certified removal's bound with rows 50 times too long: gradient left over up to {long:.2g} "
          "times the bound\n")
    noise = audits(20_000 if options.quick else 1_000_000)
    print(harness.table(["eps", "delta", "mechanism", "sigma", "proved above the promise", "with sigma/10"],
                        [[r["eps"], r["delta"], r["mechanism"],
                          *[f"{max(r[x], 0.0):.3g}" for x in ("sigma", "excess", "excess_at_a_tenth")]]
                         for r in noise]))
    convex = strongly_convex.report(range(3 if options.quick else 20), plain)
    lines, undone = curves(options.quick), undone_error()
    print("\n" + harness.table(["distance to retraining, K/T =",
                                *[f"{k:.1f}" for k, _ in next(iter(lines.values()))]],
                               [[name, *[f"{error:.3f}" for _, error in points]]
                                for name, points in lines.items()]))
    print(f"\nsteps undone instead of a checkpoint: off by {undone:.1e} of the way gone")
    hidden = all(r["excess"] <= 0.0 < r["excess_at_a_tenth"] for r in noise)
    kept = hidden and max(max(x) for x in ratios.values()) <= 1.0 and min(most.values()) > MIN_REACHED
    folder = harness.output_folder(options.out)
    harness.write_json(folder / "guarantees.json", runs=runs, ratios=ratios, reached=most, unscaled=long,
                       noise=noise, rewinding=lines, undone=undone, strongly_convex=convex)
    harness.pictures(folder, guarantees=lambda pyplot: draw(pyplot, ratios, lines))
    print("every promise kept" if kept else "A PROMISE IS BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    harness.run(main)
