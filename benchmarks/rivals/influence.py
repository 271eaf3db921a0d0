"""python -m benchmarks.influence: influence functions and their relatives, on the engine of the sketch and
against the same truth.

products      Hessian-vector products by pushes: against differences of gradients and a Hessian by reverse
              over reverse; their cost
closed        least squares: every method against closed forms of leave-one-out
microgpt      damped Gauss-Newton influence beside the sketch and the exact degree 1: LDS and error, random
              sets of 1%, 5% and 20%

and, each a command of its own (`python -m benchmarks.NAME`), with its pictures:

metagradient  what reverse mode through a training costs and predicts, alone and with a sketch, at 5,000 names
path          leave-one-out by influence, Newton steps and the homotopy, slopes of their errors; three hidden
              neurons
gaps          what lies between retraining and an influence computation: five gaps on three learners; closer
              to PBRF than to retraining
flow          gradient flow of least squares: when and how fast to fade an example out
"""
import time

import numpy as np

from circuit import evaluate, gradient, real, record
from deletion import Objective
from deletion.influence import PBRF, ByMetagradient, Flow, Homotopy, Influence, NewtonStep
from microgpt import names

from . import harness
from .accuracy import microgpt_trial, scored
from .learners import breast_cancer, diabetes, digits, stacked
from .truth import random_sets


SMALL = 64
"""Parameters up to which the Hessian is also made by reverse over reverse, which is slow."""


# products ---------------------------------------------------------------------------------------------------

def reverse_over_reverse(objective, theta):
    """The Hessian of R another way: the gradient of every element of the recorded gradient circuit."""
    learner = objective.learner

    def total(theta):
        parameters = learner.layout.split(theta)
        loss = learner.loss(parameters, *stacked(learner.examples)).sum()
        return loss if learner.regularizer is None else loss + learner.penalty(parameters) * float(
            objective.count)

    slope = gradient(record(total, real(objective.size)), wrt=[0])
    along = gradient(record(lambda theta, v: (slope(theta)[1] * v).sum(), real(objective.size),
                            real(objective.size)), wrt=[0])
    return np.stack([evaluate(along, [theta, row])[1] for row in np.eye(objective.size)])


def products(options):
    """How right Hessian-vector products are, and what one costs."""
    rows, rng = [], np.random.default_rng(options.seed)
    steps = 100 if options.quick else 1000
    for name, learner in {"breast cancer": breast_cancer(), "digits": digits(),
                          "microgpt": names(options.names, steps=steps)}.items():
        objective, theta = Objective(learner), learner.trained
        vectors = rng.normal(size=(64, objective.size))
        pushed, step = objective.products(theta, vectors), 1e-5
        differences = np.stack([(objective.gradient(theta + step * v) - objective.gradient(theta - step * v))
                                / (2.0 * step) for v in vectors[:4]])
        off = np.abs(pushed[:4] - differences).max() / np.abs(differences).max()
        exact = "-"
        if objective.size <= SMALL:
            difference = np.abs(objective.matrix(theta) - reverse_over_reverse(objective, theta)).max()
            exact = f"{difference / np.abs(pushed).max():.0e}"
        rounds = [(harness.seconds(lambda: objective.gradient(theta), 1)[0],
                   harness.seconds(lambda: objective.products(theta, vectors), 1)[0] / 64) for _ in range(5)]
        ratio = sorted(product / slope for slope, product in rounds)
        rows.append(
            [name, objective.size, f"{off:.0e}", exact, f"{1e3 * np.median([r[0] for r in rounds]):.2f} ms",
             f"{1e3 * np.median([r[1] for r in rounds]):.3f} ms", f"{ratio[0]:.2f}", f"{ratio[2]:.2f}"])
    print(harness.table(["", "parameters", "off differences", "off reverse over reverse", "gradient (NumPy)",
                         "product, of 64", "products / gradient", "(median)"], rows))
    return rows


# closed forms -----------------------------------------------------------------------------------------------

def closed(options):
    """Least squares, leave-one-out: the largest error of the parameters of each method, relative to the
    largest movement."""
    learner = diabetes()
    x, y = stacked(learner.examples)
    inverse = np.linalg.inv(x.T @ x)
    leverage, residual = np.einsum("ij,jk,ik->i", x, inverse, x), y - x @ learner.trained
    exact = -(inverse @ x.T).T * (residual / (1.0 - leverage))[:, None]      # theta_{-i} - theta
    sets, measure = [[i] for i in range(len(x))], learner.prediction_on(0)

    def moved(method):
        return method.answer(learner, sets, measure).parameters - learner.trained

    limits = np.stack([Flow(np.delete(x, i, 0), np.delete(y, i)).limit() for i in range(len(x))])
    movements = {"influence / (1 - leverage)": moved(Influence()) / (1.0 - leverage)[:, None],
                 "Newton step": moved(NewtonStep()), "homotopy": moved(Homotopy()),
                 "PBRF, no damping": moved(PBRF()), "limit of the gradient flow": limits - learner.trained}
    q = Influence().self_influence(learner)
    rows = [[name, f"{np.abs(a - exact).max() / np.abs(exact).max():.0e}"] for name, a in movements.items()]
    rows.append(["self-influence = residual^2 leverage",
                 f"{np.abs(q - residual ** 2 * leverage).max() / q.max():.0e}"])
    print(harness.table(["least squares, 342 leave-one-outs", "largest error"], rows))
    return rows


# microgpt ---------------------------------------------------------------------------------------------------

def microgpt(options):
    """Damped Gauss-Newton influence on microgpt, beside the sketch and the exact degree 1."""
    if options.quick:
        options.steps, options.directions = 100, 50
        options.sets, options.documents = 10, 3
    trial = microgpt_trial(options)
    learner, n = trial.learner, trial.learner.unit_count
    banks = random_sets(learner.units, [max(1, n // 100), n // 20, n // 5], options.sets, options.seed + 1)
    truth = {size: trial.changes(sets) for size, sets in banks.items()}
    flat = [s for sets in banks.values() for s in sets]
    predicted, took = {}, {}
    for damping in options.damping:
        name = f"Gauss-Newton influence, damping {damping:g}"
        answer = Influence("gauss-newton", damping).answer(learner, flat, trial.measure)
        predicted[name], took[name] = answer.change, answer.seconds
    name, answer = "metagradient (exact degree 1)", ByMetagradient().answer(learner, flat, trial.measure)
    predicted[name], took[name] = answer.change, answer.seconds
    begin = time.perf_counter()
    measured, _ = trial.sketch(options.directions, seed=1)
    predicted["sketch"] = measured.predict_many(flat, intervals=False).change
    took["sketch"] = time.perf_counter() - begin
    edges, rows = np.cumsum([0] + [len(sets) for sets in banks.values()]), []
    for name, change in predicted.items():
        cells = [cell for (size, true), a, b in zip(truth.items(), edges, edges[1:])
                 for cell in scored(change[a:b], true)[0]]
        rows.append([name, *cells, f"{took[name]:.0f} s"])
    print(harness.table(["", *(f"{what} {size}" for size in banks for what in ("LDS", "error")), "took"],
                        rows))
    return rows


PARTS = {"products": products, "closed": closed, "microgpt": microgpt}


def main():
    parser = harness.parser("influence", __doc__, PARTS, names=None, seed=42, steps=1000, directions=500,
                            quick=None, json=None)
    parser.add_argument("--sets", type=int, default=100, help="sets of each size")
    parser.add_argument("--documents", type=int, default=20, help="measurements")
    parser.add_argument("--damping", type=float, nargs="+", default=[1.0, 10.0, 100.0],
                        help="on the sum scale (default %(default)s)")
    parser.add_argument("--bank", default="results/truth",
                        help="folder that keeps exact retrainings (default %(default)s)")
    options = parser.parse_args()
    harness.write_json(options.json, **harness.parts(PARTS, options))
    return 0


if __name__ == "__main__":
    harness.run(main)
