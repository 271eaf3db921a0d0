"""python -m benchmarks.surface: theta(t, eps), the parameters at training time t when a deletion set has the
weight eps, as a surface.

surface    least squares in closed form and microgpt's training: the ordinary training is the edge eps = 1,
           retraining the edge eps = 0, and the homotopy crosses from one to the other at the last t.
           Velocities theta-dot(T, eps), each one push along the set, are integrated over eps: how near that
           comes to retraining
identity   X = I, y = (1, 1), start 0, the second row deleted: everything in closed form. The path is straight
           and first order predicts nothing, because the limits t to infinity and eps to 0 do not commute
"""
import numpy as np

from circuit import evaluate
from deletion import retrain
from deletion.learner.replay import replay
from deletion.studies.fading import Unlearning
from deletion.studies.flow import Flow
from deletion.studies.schedules import step
from microgpt import names

from . import harness
from .flow import HORIZON, around
from .straightness import derivatives

LETTER, ASKED = "a", "alexis"
"""Names that begin with this letter lose their weight; the loss on this name is what is drawn."""

FLOW_START = (230.0, 5.0)
"""Where the least squares begin, seen from the retrained optimum, as in benchmarks.flow."""

TAUS = np.linspace(0.0, 3.0, 61)


# surfaces ---------------------------------------------------------------------------------------------------

def least_squares(points):
    """(times, eps, surface (eps, times)): the first parameter of a flow of 20 random rows, one of them at
    weight eps."""
    flow, row = around(np.random.default_rng(0), *FLOW_START)
    times, eps, weights = np.linspace(0.0, HORIZON, points), np.linspace(0.0, 1.0, points), np.ones(20)
    surface = np.empty((points, points))
    for k, e in enumerate(eps):
        weights[row] = e
        surface[k] = flow.at(times, weights)[:, 0]
    return times, eps, surface


def followed(learner, weights, measurement, every):
    """(steps, values) of a measurement through a training with weights (examples,)."""
    block, steps, theta = learner.recurrence(0).block(learner.states, weights), [0], [learner.layout.initial]
    for _, last in replay(learner, block, at_once=every):
        steps.append(last)
        theta.append(block.constant(0).copy())
    return np.array(steps), evaluate(learner.measurement(measurement), [np.stack(theta)])[0]


def language_model(steps, points):
    """(learner, h (units,) of the names with LETTER, steps, eps, surface (eps, steps) of the loss on
    ASKED)."""
    learner = names(steps=steps)
    h = np.array([float(name.startswith(LETTER)) for name in learner.documents])
    eps, every, curves = np.linspace(0.0, 1.0, points), max(1, steps // (points - 1)), []
    for e in eps:
        times, curve = followed(learner, 1.0 - (1.0 - e) * h, learner.loss_on(ASKED), every)
        curves.append(curve)
    return learner, h, times, eps, np.array(curves)


def crossings(learner, h, counts):
    """Relative errors of theta(T, 0) = theta(T, 1) - integral of theta-dot over eps, by Gauss-Legendre rules
    of so many pushes each; the truth is retraining."""
    start, truth = derivatives(learner, h, 1.0)[0], retrain(learner, weights=[1.0 - h], progress=False)[0]
    errors = []
    for count in counts:
        nodes, shares = np.polynomial.legendre.leggauss(count)
        moved = sum(share / 2.0 * derivatives(learner, h, (node + 1.0) / 2.0)[1]
                    for node, share in zip(nodes, shares))
        errors.append(np.linalg.norm(start - moved - truth) / np.linalg.norm(truth - start))
    return errors


def draw_surface(pyplot, left, right):
    """Both surfaces, with the edges and the homotopy."""
    figure = pyplot.figure(figsize=(13, 5.6), layout="constrained")
    titles = (("least squares, 20 rows: parameter 1", "time", left),
              (f"microgpt without names in {LETTER}-: loss on {ASKED}", "steps", right))
    for place, (title, unit, (times, eps, surface)) in enumerate(titles, 1):
        axes = figure.add_subplot(1, 2, place, projection="3d")
        axes.plot_surface(*np.meshgrid(times, eps), surface, cmap="viridis", alpha=0.6, linewidth=0)
        edge = np.ones_like(times)
        axes.plot(times, edge, surface[-1], "k", linewidth=2.5, label="training, eps = 1")
        axes.plot(times, 0.0 * edge, surface[0], "C3", linewidth=2.5, label="retraining, eps = 0")
        axes.plot(np.full_like(eps, times[-1]), eps, surface[:, -1], "C1", linewidth=2.5,
                  label="homotopy at the end")
        axes.set(title=title, xlabel=unit, ylabel="weight eps")
        axes.view_init(28.0, -50.0)
    axes.legend(loc="upper right", fontsize=9)
    return figure


# the identity matrix ----------------------------------------------------------------------------------------

IDENTITY = Flow(np.eye(2), [1.0, 1.0])


def identity(times, eps):
    """theta (times, 2) of the flow with X = I, y = (1, 1), start 0, at weight eps of the second row: (1 -
    e^-t, 1 - e^(-eps t))."""
    return IDENTITY.at(times, [1.0, eps])


def kept_until(taus, horizon):
    """Half the squared distance at the horizon from the retrained optimum (1, 0), the row kept until tau."""
    unlearning = Unlearning(IDENTITY, 1, horizon)
    return np.array([0.5 * unlearning.distance(step(tau), "optimum") ** 2 for tau in taus])


def draw_identity(pyplot):
    """The second parameter as a surface; paths in the plane; what keeping the row costs."""
    figure = pyplot.figure(figsize=(15, 4.8), layout="constrained")
    surface = figure.add_subplot(1, 3, 1, projection="3d")
    times, eps = np.linspace(0.0, 20.0, 81), np.linspace(0.0, 1.0, 61)
    surface.plot_surface(*np.meshgrid(times, eps), np.array([identity(times, e)[:, 1] for e in eps]),
                         cmap="viridis", linewidth=0)
    surface.set(xlabel="time", ylabel="weight eps", title="parameter 2: 1 - exp(-eps t)",
                xticks=[0, 5, 10, 15, 20])
    surface.view_init(28.0, -50.0)
    plane, cost = figure.add_subplot(1, 3, 2), figure.add_subplot(1, 3, 3)
    for number, e in enumerate((1.0, 0.5, 0.2, 0.05, 0.0)):
        plane.plot(*identity(np.geomspace(1e-3, 1e4, 800), e).T, f"C{number}", label=f"eps = {e:g}")
        plane.plot(*identity([3.0], e).T, f"C{number}o")
    plane.plot(1.0, 1.0, "k*", markersize=13, label="the limit of every eps > 0")
    plane.set(xlabel="parameter 1", ylabel="parameter 2", aspect="equal", title="paths from 0 (dots: t = 3)")
    plane.legend(fontsize=8)
    cost.plot(TAUS, kept_until(TAUS, TAUS[-1]), "C0", label="half squared distance to (1, 0) at T = 3")
    cost.plot(TAUS, np.exp(-TAUS) * -np.expm1(-TAUS), "C1--", label="its slope, exp(-tau) (1 - exp(-tau))")
    cost.set(xlabel="tau: the row counts until then", title="best dropped at once")
    cost.legend(fontsize=8)
    cost.grid(alpha=0.3)
    return figure


# what is printed --------------------------------------------------------------------------------------------

def print_surface(options):
    """Training time and weight; from the ordinary training to the retrained one by pushes."""
    steps, points, counts = (40, 5, (1, 2)) if options.quick else (300, 21, (1, 2, 4, 8))
    learner, h, *right = language_model(steps, points)
    errors = crossings(learner, h, counts)
    print(f"microgpt, {steps} steps, {int(h.sum())} names in {LETTER}-; loss on {ASKED} "
          f"{right[-1][-1, -1]:.4f}, retrained {right[-1][0, -1]:.4f}")
    print("theta(T, 1) - integral of theta-dot(T, eps), error relative to the movement:")
    print(harness.table(["pushes", *counts], [["error", *(f"{e:.1e}" for e in errors)]]))
    harness.pictures(harness.output_folder(options.out),
                     surface=lambda pyplot: draw_surface(pyplot, least_squares(41), right))
    return dict(zip(map(str, counts), errors))


def print_identity(options):
    """X = I, y = (1, 1): limits that do not commute."""
    times, weights = [1.0, 10.0, 100.0, 1000.0], (1.0, 0.1, 0.01, 0.001, 0.0)
    print("parameter 2 by weight and time; the minimum is 1 for every eps > 0, and 0 stays 0 for eps = 0")
    print(harness.table(["eps", *(f"t = {t:g}" for t in times)],
                        [[e, *(f"{x:.4f}" for x in identity(times, e)[:, 1])] for e in weights]))
    t = 5.0
    change = identity([t], 1.0)[0, 1] - identity([t], 0.0)[0, 1]
    print(f"at t = {t:g} deletion moves it by {-change:.4f}; first order (t e^-t) says "
          f"{-t * np.exp(-t):.4f}, theta-dot(0) (t) {-t:.4f}; influence at the minimum 0")
    harness.pictures(harness.output_folder(options.out), identity=draw_identity)
    return {"change": -change}


PARTS = {"surface": print_surface, "identity": print_identity}


def main():
    options = harness.parser("surface", __doc__, PARTS, quick=None, out="results").parse_args()
    results = harness.parts(PARTS, options)
    harness.write_json(harness.output_folder(options.out) / "surface.json", **results)
    return 0


if __name__ == "__main__":
    harness.run(main)
