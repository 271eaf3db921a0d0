"""python -m benchmarks.flow: an example is to be faded out of gradient descent. When, and how fast?

The model is least squares on 20 random points of the plane, in the limit of small steps. While training runs,
the deletion of the example that moves the optimum most is requested. The script prints how near the best
schedule of each family comes to what training without the example reaches, in how many random problems a step
or a line is better, how switching late compares, and how fast gradient descent approaches its flow. It draws
phase portraits and trajectories.
"""
import numpy as np

from deletion import SGD, Learner, ModelLoss
from deletion.studies.fading import Unlearning
from deletion.studies.flow import Flow
from deletion.studies.schedules import LINES, STEPS, piecewise, polynomials, step

from . import harness
from .learners import half_squared_error, linear_prediction

HORIZON, ASKED = 0.25, 0.06
"""When unlearning has to be done, and when it is requested. The slowest mode of the flow takes about 0.1 to
fall to 1/e."""

TARGETS = {"optimum": "retrained optimum", "trajectory": "leave-one-out trajectory at T",
           "orbit": "leave-one-out orbit, any time"}

STARTS = {"the trained optimum": (0.0, 1.0), "opposite, as far away": (180.0, 1.0),
          "opposite, three times as far": (180.0, 3.0)}
"""Angle in degrees from the direction retrained optimum -> optimum, and distance in units of theirs."""

REQUEST = (230.0, 5.0)
"""Angle and distance, likewise, of the start from which families of schedules are compared."""

PROBLEMS = 24
"""Random problems in which steps and lines compete."""

EVEN = 1e-7
"""The largest difference of distances at which neither is better."""


def around(rng, angle, far):
    """(flow, row): 20 random points, two parameters; the row whose deletion moves the optimum most.

    The flow starts at the retrained optimum plus the vector to the optimum with the row, times `far` and
    turned by `angle` degrees.
    """
    x, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    flow = Flow(x, y)
    moves = np.array([flow.limit() - flow.without(j).limit() for j in range(len(x))])
    row = int(np.linalg.norm(moves, axis=1).argmax())
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return Flow(x, y, flow.without(row).limit() + far * np.array([[c, -s], [s, c]]) @ moves[row]), row


def unit_of(unlearning):
    """|theta* - theta_{-j}*|: the unit of all distances."""
    return float(np.linalg.norm(unlearning.flow.limit() - unlearning.retrained.limit()))


def fade(options):
    """(unlearning, {target: {schedule's name: schedule}}): the best of every family after a late request."""
    unlearning = Unlearning(*around(np.random.default_rng(options.seed), *REQUEST), HORIZON, asked=ASKED)
    families = {"step": STEPS, "line": LINES, "polynomial": polynomials(2 if options.quick else 4),
                "8 pieces": piecewise(8)}
    schedules = {}
    for to in TARGETS:
        schedules[to] = {"at once": step(ASKED), "at T": step(HORIZON)}
        schedules[to] |= {name: unlearning.best(family, to, 1 if options.quick else 4)
                          for name, family in families.items()}
    return unlearning, schedules


def duels(seeds, starts=4):
    """(seeds, 2): distance to the retrained optimum at T of the best step and the best line, in a random
    problem for each seed."""
    rows = []
    for seed in seeds:
        unlearning = Unlearning(*around(np.random.default_rng(seed), *REQUEST), HORIZON, asked=ASKED)
        best = [unlearning.best(family, "optimum", starts) for family in (STEPS, LINES)]
        rows.append([unlearning.distance(schedule, "optimum") / unit_of(unlearning) for schedule in best])
    return np.array(rows)


def won(distances):
    """{"step", "line", "tie"}: in how many problems which of them is nearer by more than EVEN.

    distances   (problems, 2): of the best step and the best line
    """
    of_step, of_line = distances.T
    counts = {"step": of_line - of_step > EVEN, "line": of_step - of_line > EVEN,
              "tie": np.abs(of_step - of_line) <= EVEN}
    return {name: int(count.sum()) for name, count in counts.items()}


def switching(options):
    """(taus, {start: distances (taus,) to the retrained optimum at T}) of steps at tau."""
    taus, curves = np.linspace(0.0, HORIZON, 26 if options.quick else 101), {}
    for name, (angle, far) in STARTS.items():
        unlearning = Unlearning(*around(np.random.default_rng(options.seed), angle, far), HORIZON)
        curves[name] = np.array([unlearning.distance(step(t), "optimum") for t in taus]) / unit_of(unlearning)
    return taus, curves


def descending(flow, time, steps):
    """The Learner that follows a flow for some time, by full batches."""
    n = len(flow.x)
    return Learner(flow.start, list(zip(flow.x, flow.y)), ModelLoss(linear_prediction, half_squared_error),
                   SGD(n * time / steps), np.tile(np.arange(n), (steps, 1)))


def descent(flow, options):
    """(steps, errors): |gradient descent - flow| at T."""
    counts = np.array([50, 100, 200, 400] if options.quick else [50, 100, 200, 400, 800, 1600])
    return counts, np.array([np.linalg.norm(descending(flow, HORIZON, steps).train()[0] - flow.at(HORIZON))
                             for steps in counts])


# pictures ---------------------------------------------------------------------------------------------------

def portraits(pyplot, unlearning):
    """The stream lines of both flows, with their optima."""
    figure, panels = pyplot.subplots(1, 2, figsize=(11, 5.2), layout="constrained", sharex=True, sharey=True)
    old, new = unlearning.flow.limit(), unlearning.retrained.limit()
    wide = 1.8 * unit_of(unlearning)
    grid = [np.linspace(c - wide, c + wide, 41) for c in (old + new) / 2.0]
    theta = np.stack(np.meshgrid(*grid), axis=-1)
    for axes, flow, title in zip(panels, (unlearning.flow, unlearning.retrained),
                                 ("with the example", "without it")):
        velocity = (flow.y - theta @ flow.x.T) @ flow.x      # -H theta + X^T y
        axes.streamplot(*grid, *np.moveaxis(velocity, -1, 0), color="0.6", density=1.1, linewidth=0.8)
        axes.plot(*old, "C3o", markersize=9, label="optimum with the example")
        axes.plot(*new, "C0*", markersize=14, label="optimum without it")
        axes.set(title=title, xlabel="parameter 1", aspect="equal")
    panels[0].set_ylabel("parameter 2")
    panels[1].legend(loc="upper right")
    figure.suptitle("Deleting one of twenty examples moves the optimum and turns the flow")
    return figure


def trajectories(pyplot, unlearning, best):
    """Above, where the schedules lead, near their target; below, the schedules."""
    figure, panels = pyplot.subplots(2, 3, figsize=(14, 8.4), layout="constrained", height_ratios=[2, 1])
    past, future = np.linspace(0.0, ASKED, 100), np.linspace(ASKED, HORIZON, 400)
    times, never = np.linspace(0.0, 1.2 * HORIZON, 1000), unlearning.retrained
    orbit = never.at(np.linspace(0.0, 8.0 * HORIZON, 2000))
    for (top, bottom), (to, schedules) in zip(panels.T, best.items()):
        shown = {name: s for name, s in schedules.items() if name != "at T"}
        top.plot(*orbit.T, "k--", linewidth=1.0, label="never seen the example")
        top.plot(*unlearning.follow(step(ASKED), past).T, color="0.5", linewidth=3,
                 label="before the request")
        for number, (name, schedule) in enumerate(shown.items()):
            # those that coincide show as stripes
            path, wide = unlearning.follow(schedule, future), 4.2 - 0.8 * number
            top.plot(*path.T, f"C{number}", linewidth=wide, label=name)
            top.plot(*path[-1], f"C{number}o", markersize=3.0 + 2.0 * wide)
            bottom.plot(times, schedule(times), f"C{number}", linewidth=wide, label=name)
        goal = unlearning.target(unlearning.end(schedules["8 pieces"]), to)
        top.plot(*goal, "k*", markersize=13, label="target (orbit: of 8 pieces)", zorder=3)
        seen = np.vstack([unlearning.end(step(ASKED)), unlearning.follow(step(ASKED), ASKED), goal,
                          never.limit(), never.at(HORIZON)])
        low, high, room = seen.min(axis=0), seen.max(axis=0), 0.15 * np.ptp(seen, axis=0)
        top.set(title=TARGETS[to], xlabel="parameter 1", ylabel="parameter 2",
                **dict(zip(("xlim", "ylim"), zip(low - room, high + room))))
        bottom.axvline(ASKED, color="0.5", linestyle=":")
        bottom.set(xlabel="time (learning rate x steps)", ylabel="weight of the example")
    panels[0, 1].legend(loc="upper left")
    figure.suptitle(
        "The example's best weight after a late request depends on what is to be reached (dots: theta at T)")
    return figure


def late(pyplot, taus, curves):
    """The distance to the retrained optimum at T, by the time of switching."""
    figure, axes = pyplot.subplots(figsize=(7.5, 4.8), layout="constrained")
    for number, (name, curve) in enumerate(curves.items()):
        axes.semilogy(taus, curve, f"C{number}", label=name)
        axes.plot(taus[curve.argmin()], curve.min(), f"C{number}o")
    axes.set(xlabel="tau: the example counts until then",
             ylabel="distance to the retrained optimum at T\n(1: between the optima with and without)",
             title="When it is best to stop learning an example depends on where one is")
    axes.grid(alpha=0.3)
    axes.legend(title="start (dot: the best tau)")
    return figure


def main():
    options = harness.parser("flow", __doc__, seed=0, quick=None, out="results").parse_args()
    folder = harness.output_folder(options.out)
    unlearning, best = fade(options)
    unit = unit_of(unlearning)
    near = {name: {to: unlearning.distance(best[to][name], to) / unit for to in TARGETS}
            for name in best["optimum"]}
    print(f"asked at {ASKED}, done at {HORIZON}: distance of theta(T) from its target / |optimum with - "
          "without the example|")
    print(harness.table(["best weight schedule", *TARGETS.values()],
                        [[name, *(f"{row[to]:.2g}" for to in TARGETS)] for name, row in near.items()]))
    goal = unlearning.retrained.limit()
    print("(training that never saw the example is "
          f"{np.linalg.norm(unlearning.retrained.at(HORIZON) - goal) / unit:.2g} from its optimum then)")
    count = 4 if options.quick else PROBLEMS
    score = won(duels(range(options.seed, options.seed + count), 1 if options.quick else 4))
    print(f"\n{count} such problems, distance to the retrained optimum: the best step is nearer in "
          f"{score['step']}, the best line in {score['line']}; {score['tie']} are even: best left at once")
    taus, curves = switching(options)
    print("\nkept until tau, asked at 0: distance to the retrained optimum at T, same unit")
    print(harness.table(["start", "tau = 0", "best", "at tau", f"tau = T = {HORIZON}"],
                        [[name, f"{c[0]:.3f}", f"{c.min():.3f}", f"{taus[c.argmin()]:.3f}", f"{c[-1]:.3f}"]
                         for name, c in curves.items()]))
    counts, errors = descent(unlearning.flow, options)
    slope = float(-np.polyfit(np.log(counts), np.log(errors), 1)[0])
    print("\ngradient descent - flow at T: "
          + ", ".join(f"{e:.2g} ({k} steps)" for k, e in zip(counts, errors))
          + f"; order in the step {slope:.3f}")
    harness.write_json(folder / "flow.json", horizon=HORIZON, asked=ASKED, unit=unit, distances=near,
                       order=slope, step_against_line=score,
                       schedules={to: {name: repr(s) for name, s in schedules.items()}
                                  for to, schedules in best.items()},
                       switching={"tau": taus.tolist()}
                       | {name: curve.tolist() for name, curve in curves.items()})
    harness.pictures(folder, flow_portraits=lambda pyplot: portraits(pyplot, unlearning),
                     flow_trajectories=lambda pyplot: trajectories(pyplot, unlearning, best),
                     flow_switching=lambda pyplot: late(pyplot, taus, curves))
    return 0


if __name__ == "__main__":
    harness.run(main)
