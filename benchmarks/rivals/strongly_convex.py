"""Rules for strongly convex objectives against their bounds, for benchmarks.guarantees: descent in a ball
that cuts, stochastic descent, removal with alpha alone, and descent beside rewinding at equal cost."""
import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from deletion.unlearning import (
    AlphaPrivacy, AlphaRemoval, Constants, Descent, Privacy, Rewind, StochasticDescent, logistic_bounds)
from deletion.unlearning.rewind import published_distance

from . import harness
from .guarantees import PENALTY, distance, extremal, logistic, minimiser, random_set, whole

MANY = 200
"""Examples of the problems for small batches."""

FAILURE = 0.01
"""The probability with which the bound of stochastic descent may fail in a run."""

EQUAL = (1, 2, 5, 10, 20)
"""Gradients of all examples that descent and rewinding may use."""


# distances against bounds -----------------------------------------------------------------------------------

def projecting(seed):
    """{what: distance to the minimiser within a ball / carried error}, the ball nine tenths as wide as the
    minimiser is away."""
    rng, learner = np.random.default_rng([seed, 4]), logistic(seed)
    radius, chosen = 0.9 * float(np.linalg.norm(learner.trained)), random_set(learner, rng)
    rule = Descent(logistic_bounds(learner), int(rng.integers(1, 6)), radius=radius)
    state = rule.request(learner, rule.begin(learner), chosen)
    aim = within(learner, 1.0 - state.downweight, radius)
    return {"descent in a ball that cuts": distance(state.theta, aim) / state.error}


def within(learner, keep, radius):
    """The minimiser in the ball |theta| <= radius: with a multiplier of |theta|^2/2 that puts it on the
    edge."""
    def beyond(more):
        return float(np.linalg.norm(minimiser(learner, keep, True, more))) - radius
    return minimiser(learner, keep, True, brentq(beyond, 0.0, 10.0, xtol=1e-14) if beyond(0.0) > 0.0 else 0.0)


def drawing(seed):
    """{what: distance to the minimiser / bound} of stochastic descent, and {what: distance after / before} of
    as many plain batches."""
    rng, learner = np.random.default_rng([seed, 5]), logistic(seed, count=MANY)
    rule = StochasticDescent(logistic_bounds(learner), steps=100, batch=20, seed=seed, failure=FAILURE,
                             privacy=Privacy(1.0, 2.0 * FAILURE))
    chosen = random_set(learner, rng)
    answer = rule.answer(learner, [chosen], whole, progress=False)
    aim = minimiser(learner, 1.0 - learner.downweight(chosen), True)
    bound = answer.diagnostics["sensitivity"][0]
    plain = plain_batches(learner, chosen, rule, rng)
    return ({"stochastic descent": distance(answer.parameters[0], aim) / bound},
            distance(plain, aim) / distance(learner.trained, aim))


def plain_batches(learner, chosen, rule, rng):
    """Parameters after as many stochastic steps at the same rates, by batches of gradients as they are."""
    rows = np.delete(np.array([x * y for x, y in learner.examples]), chosen, axis=0)
    theta, bounds = learner.trained, rule.constants
    first = (bounds.smoothness - bounds.convexity) / (2.0 * bounds.convexity)
    for t in range(1, rule.steps + 1):
        batch = rows[rng.integers(len(rows), size=rule.batch)]
        gradient = PENALTY * theta - expit(-batch @ theta) @ batch / rule.batch
        theta = theta - gradient / (bounds.convexity * (t + first))
    return theta


def hiding(seed):
    """{what: distance to retraining / bound} of removal with alpha alone."""
    rng, learner = np.random.default_rng([seed, 6]), logistic(seed)
    chosen = random_set(learner, rng)
    # an alpha that pays for every removal: the bound is what counts
    answer = AlphaRemoval(AlphaPrivacy(1e3), scale=1.0).answer(learner, [chosen], whole, progress=False)
    aim = minimiser(learner, 1.0 - learner.downweight(chosen), False)
    return {"removal, alpha": distance(answer.parameters[0], aim) / answer.diagnostics["sensitivity"][0]}


def reached():
    """{what: distance / bound} on quadratics built for these rules: a curvature as small as the constants
    allow, and a deleted example that pulls with all of the gradient bound."""
    learner, constants = extremal(0.2, 1.0, steps=600), Constants(1.0, 1.0, 0.2)
    cut = Descent(constants, 1, radius=4.9)      # the minimiser is at -5
    state = cut.request(learner, cut.begin(learner), [0])
    drawn = StochasticDescent(constants, 50, 50, failure=FAILURE, privacy=Privacy(1.0, 2.0 * FAILURE))
    answer = drawn.answer(learner, [[0]], whole, progress=False)
    short, again = extremal(0.2, 1.0), Rewind(10, rows="dropped", constants=constants)
    rewound, retrained = (Rewind(k, rows="dropped").answer(short, [[0]], whole, progress=False).parameters[0]
                          for k in (10, 40))
    bound = again.sensitivity(short, short.downweight([0])[None])[0]
    return {"descent in a ball": distance(state.theta, [-4.9, 0.0]) / state.error,
            "stochastic descent": (distance(answer.parameters[0], [-5.0, 0.0])
                                   / answer.diagnostics["sensitivity"][0]),
            "rewind, strongly convex": distance(rewound, retrained) / bound}


# what a proof by a random linear term leaves out ------------------------------------------------------------

def determinants(seeds, deleted=3, points=100):
    """(largest |log determinant|, largest |gradient left over|) of certified removals with a linear term.

    The parameters theta before a removal determine both b and the parameters after it. So the density of what
    is published, over that of retraining at the same parameters, is a ratio of densities of b times the
    determinant of (Hessian of all at theta) (Hessian of the others after it)^{-1} (derivative of the step in
    theta)^{-1}.
    """
    logs, left = [], []
    for seed in seeds:
        learner = logistic(seed)
        rows, keep = np.array([x * y for x, y in learner.examples]), np.arange(24) >= deleted
        for theta in 3.0 * np.random.default_rng([seed, 7]).normal(size=(points, 3)):
            after = newton(rows, keep, theta)
            moves = np.stack([(newton(rows, keep, theta + e) - newton(rows, keep, theta - e)) / 2e-5
                              for e in 1e-5 * np.eye(3)], axis=1)
            matrices = hessian(rows, theta), moves, hessian(rows[keep], after)
            whole_log, *others = (np.linalg.slogdet(matrix)[1] for matrix in matrices)
            logs.append(abs(whole_log - sum(others)))
            left.append(distance(slope(rows[keep], after), slope(rows, theta)))
    return max(logs), max(left)


def slope(rows, theta):
    """Of the rows' summed logistic loss and 24 regularisers."""
    return 24 * PENALTY * theta - expit(-rows @ theta) @ rows


def hessian(rows, theta):
    """Of the same."""
    q = rows @ theta
    return (rows.T * (expit(q) * expit(-q))) @ rows + 24 * PENALTY * np.eye(rows.shape[1])


def newton(rows, keep, theta):
    """The parameters after a removal."""
    deleted = -expit(-rows[~keep] @ theta) @ rows[~keep]
    return theta + np.linalg.solve(hessian(rows[keep], theta), deleted)


# descent beside rewinding -----------------------------------------------------------------------------------

def at_equal_cost(seed, deleted=3, steps=150, rate=2.0):
    """{gradients of all examples: (distance, bound) of descent, the same of rewinding, and the paper's bound
    of it}, after deleting rows of a training that has converged."""
    learner, rows = logistic(seed, steps=steps, rate=rate), {}
    constants, chosen = logistic_bounds(learner), list(range(deleted))
    aim = minimiser(learner, 1.0 - learner.downweight(chosen), True)
    retrained = Rewind(steps, rows="dropped").answer(learner, [chosen], whole, progress=False).parameters[0]
    for cost in EQUAL:
        descent = Descent(constants, cost)
        state = descent.request(learner, descent.begin(learner), chosen)
        rewind = Rewind(cost, rows="dropped", constants=constants)
        answer = rewind.answer(learner, [chosen], whole, progress=False)
        rows[cost] = (distance(state.theta, aim), state.error, distance(answer.parameters[0], retrained),
                      answer.diagnostics["sensitivity"][0],
                      published_distance(deleted, 24, rate, steps, cost, constants))
    return rows


def pays_from(constants, steps=100, batch=20, failure=1e-6):
    """The number of examples from which a stage of stochastic descent costs less than the steps of descent
    that shrink the bound as much."""
    rule = StochasticDescent(constants, steps, batch, failure=failure)
    gamma = (constants.smoothness - constants.convexity) / (constants.smoothness + constants.convexity)
    return 2.0 * steps * batch / (np.log(rule.shrink) / np.log(gamma) - 1.0)


def measured(seed):
    """({what: distance / bound} of one run of every rule, distance after / before of plain batches)."""
    ratios, plain = drawing(seed)
    return {**projecting(seed), **ratios, **hiding(seed)}, plain


def report(seeds, plain):
    """Print what the rules for strongly convex objectives have in common; return it for a file."""
    several = [at_equal_cost(seed) for seed in seeds]
    costs = {cost: np.median([rows[cost] for rows in several], axis=0) for cost in EQUAL}
    print("\n" + harness.table(
        ["gradients of all examples", "descent", "its bound", "rewind", "its bound", "the paper's bound"],
        [[cost, *(f"{x:.2g}" for x in row)] for cost, row in costs.items()]))
    print(f"(3 of 24 deleted, a converged training of 150 steps; medians of {len(several)} seeds)")
    print(f"\nas many plain batches: distance to the minimiser after / before {np.median(plain):.1f} in the "
          f"median, nearer in {np.mean(np.array(plain) < 1.0):.0%} of the runs")
    pays = {condition: pays_from(Constants(0.1 * condition, 1.0, 0.1), steps)
            for condition, steps in ((3.5, 100), (10.0, 1000), (35.0, 20_000))}
    print("a stage of stochastic descent is cheaper than descent from so many examples on: "
          + ", ".join(f"{n:,.0f} (M/m = {condition:g})" for condition, n in pays.items()))
    volume, left = determinants(seeds)
    print(f"a linear term instead of noise on the parameters: |log determinant| up to {volume:.2g}; with a "
          f"scale of 100 the gradient left over, {left:.2g}, would promise alpha = {left / 100.0:.2g}")
    return {"equal_cost": {str(cost): row.tolist() for cost, row in costs.items()}, "plain": plain,
            "pays_from": {str(k): v for k, v in pays.items()}, "determinant": volume, "left_over": left}
