"""Rows of predictions, random sets for validation, and scores."""
import numpy as np

from circuit.errors import LearnerError

from .selection import unit_names

RESAMPLED = 20
"""The number of draws for each set: if they give too few different sets, there are hardly any others."""


def entries(text, value):
    """[(name, index)] of every number of a measurement; a scalar has one, whose name is the text itself."""
    return [(text + (str(list(index)) if index else ""), index) for index in np.ndindex(np.shape(value))]


def prediction_rows(measured, text, name, units, how):
    """A row for every number of a measurement: its prediction without a set of units.

    text, name   what the command line calls the measurement and the set
    how          other arguments of `Measured.predict`
    """
    return rows_of(measured.predict(units, **how), measured.learner, text, name, units)


def rows_of(p, learner, text, name, units):
    """A row for every number of the Prediction p for one set of units; arguments as for prediction_rows."""
    known, rows = unit_names(learner), []
    names = [known[i] for i in learner.unit_indices(units)]
    for label, index in entries(text, p.value):
        rows.append({"set": name, "count": len(units), "units": units, "names": names, "measurement": label,
                     "index": index, "trained": p.terms[(0, *index)], "predicted": p.value[index],
                     "change": p.change[index],
                     "standard_error": None if p.standard_error is None else p.standard_error[index],
                     "terms": p.terms[(slice(None), *index)], "interval": None if p.interval is None
                     else [bound[index] for bound in p.interval], "level": p.level, "verdict": p.verdict,
                     "source": p.source, "reasons": list(p.reasons)})
    return rows


def sampled_sets(learner, count, size, seed):
    """{name: units} of different random deletion sets, of units that steps use.

    size   the number of units in each set or, below 1, their share of all

    There are fewer than `count` if there are not enough different sets.
    """
    used, rng = np.flatnonzero(learner.used), np.random.default_rng(seed)
    total = len(used)
    each = max(1, round(size * total)) if size < 1 else int(size)
    if not 1 <= each <= total or size <= 0:
        raise LearnerError(f"--size {size}: expected 1 to {total} units, or a share of them below 1")
    drawn = {}      # the keys are different sets, in order
    for _ in range(RESAMPLED * count):
        if len(drawn) < count:
            drawn[tuple(sorted(rng.choice(used, each, replace=False).tolist()))] = None
    return {f"random {number}": [learner.units[i] for i in indices]
            for number, indices in enumerate(drawn, 1)}


def score(rows):
    """The accuracy of predictions of one measurement: correlation, error, coverage of the intervals."""
    true = np.array([row["retrained"] - row["trained"] for row in rows])
    predicted = np.array([row["change"] for row in rows])
    bounds = [row["interval"] or [row["predicted"] + z * row["standard_error"] for z in (-1.96, 1.96)]
              for row in rows]
    correlation, error = float("nan"), float("nan")
    if len(rows) > 1 and true.std() > 0.0 and predicted.std() > 0.0:
        correlation = float(np.corrcoef(true, predicted)[0, 1])
    if true.any():
        error = float(np.abs(predicted - true).sum() / np.abs(true).sum())
    covered = [low <= row["retrained"] <= high for (low, high), row in zip(bounds, rows)]
    return {"measurement": rows[0]["measurement"], "sets": len(rows), "correlation": correlation,
            "error": error, "covered": float(np.mean(covered)), "level": rows[0]["level"] or 0.95}
