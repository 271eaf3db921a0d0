"""How to fade a unit out of a learner that is not linear: schedules of its weight after a request to delete
it, and how near to training without it each of them ends."""
from itertools import product

import numpy as np

from circuit import evaluate
from deletion import retrain
from deletion.learner.replay import PlainTraining
from deletion.studies.schedules import PiecewiseConstant, linear, step
from deletion.timeline import influence_over_time, visits

from . import harness
from .truth import error, lds

MOMENTS, PIECES, LEVELS = 5, 3, (0.0, 0.5, 1.0)
"""How many times a step or a line may end at; of how many pieces, and of which weights, others are made."""

TIED = 1e-6
"""Schedules whose distances differ by less than this share end equally near."""


def families(asked, steps):
    """{family: weight schedules} that are 1 until the request, each a function of the step."""
    ends = np.linspace(asked, steps, MOMENTS + 1)
    edges = tuple(np.linspace(asked, steps, PIECES + 1))
    pieces = [PiecewiseConstant(edges, values) for values in product(LEVELS, repeat=PIECES)]
    return {"ignored": [step(float(steps))], "dropped at once": [step(float(asked))],
            "line to the end": [linear(asked, steps)],
            "best step": [step(end) for end in ends], "best line": [linear(asked, end) for end in ends[1:]],
            f"best of {len(pieces)} with {PIECES} pieces": pieces}


def greedy(learner, units, asked, targets):
    """(units, steps): weights 0 or 1 of each unit, that at every step after the request which leaves the
    parameters nearer to the unit's target (units, parameters)."""
    with_all = np.ones((len(units), learner.example_count))
    without = np.where(learner.unit_of == np.asarray(units)[:, None], 0.0, 1.0)
    eps, training = np.ones((len(units), len(learner.steps))), PlainTraining(learner, with_all)
    for now in range(len(learner.steps)):
        before = training.state
        training.run(now, now + 1)
        if now < asked:
            continue
        kept, training.state, training.weights = training.state, before, without
        training.run(now, now + 1)
        away = [np.linalg.norm(state[0] - targets, axis=1) for state in (kept, training.state)]
        keep = away[0] < away[1]
        training.state = [np.where(keep[:, None], a, b) for a, b in zip(kept, training.state)]
        training.weights, eps[:, now] = with_all, keep
    return eps


def fade(learner, units, measure, asked):
    """(rows, predictions): where each family's best schedule ends, relative to a request that is ignored; and
    how well the changes by all schedules are predicted, as (error, LDS)."""
    visited, steps = visits(learner), np.arange(len(learner.steps))
    targets = retrain(learner, [[learner.units[i]] for i in units])
    known = families(asked, len(steps))
    eps = np.stack([schedule(steps) for family in known.values() for schedule in family])
    chosen = greedy(learner, units, asked, targets)
    rows = np.concatenate([visited.weights(learner.units[i], np.vstack([eps, own[None]]))
                           for i, own in zip(units, chosen)])
    ends = retrain(visited.learner, weights=rows).reshape(len(units), len(eps) + 1, -1)
    values, = evaluate(learner.measurement(measure), [ends.reshape(-1, ends.shape[-1])])
    values = values.reshape(len(units), len(eps) + 1, -1)
    true, = evaluate(learner.measurement(measure), [targets])
    away = {"parameters": np.linalg.norm(ends - targets[:, None], axis=2),
            "measurements": np.abs(values - true[:, None]).mean(axis=2)}
    over_time = influence_over_time(visited, measure)
    predicted = (1.0 - rows) @ over_time.effects
    changes = values.reshape(len(rows), -1) - over_time.value
    return scores(known, away), (error(predicted, changes), lds(predicted, changes))


def scores(known, away):
    """For each family and "greedy", in parameters and in measurements: the mean distance of the best schedule
    of every unit, as a share of that where the request is ignored, and for how many units no family has a
    nearer one.   away: {"parameters": (units, schedules), ...}"""
    starts = np.cumsum([0, *map(len, known.values())])
    places = {name: np.arange(a, b) for name, a, b in zip(known, starts, starts[1:])}
    places["greedy"] = np.array([starts[-1]])
    rows = [{"schedule": name} for name in places]
    for what, distance in away.items():
        best = np.array([distance[:, at].min(axis=1) for at in places.values()])
        ties = best <= best.min(axis=0) * (1.0 + TIED)
        for row, mine, tied in zip(rows, best, ties):
            row[what] = float(mine.mean() / distance[:, 0].mean())
            row[f"nearest in {what}"] = int(tied.sum())
    return rows


def report(name, rows, predictions, units):
    """Print where schedules end."""
    print(f"\n{name}: {units} units, deletion requested halfway; distance to training without the unit, in "
          "units of that where the request is ignored")
    header, cells = ["schedule"], [[row["schedule"]] for row in rows]
    for what in ("parameters", "measurements"):
        header += [f"in {what}", "nearest for"]
        for cell, row in zip(cells, rows):
            cell += [f"{row[what]:.3f}", f"{row[f'nearest in {what}']} of {units}"]
    print(harness.table(header, cells))
    print("changes of the measurements by all these schedules, predicted by finite steps of visits: error "
          f"{predictions[0]:.3f}, LDS {predictions[1]:.3f}")
