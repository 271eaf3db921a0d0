"""Rows of predictions, random sets to try them on, and scores."""
import numpy as np

from .selection import unit_names
from ..learner.learner import LearnerError


def entries(text, value):
    """(name, index) of every number of a measurement: a scalar has one, called as it was asked for."""
    return [(text + (str(list(index)) if index else ""), index) for index in np.ndindex(np.shape(value))]


def predicted(measured, text, name, units, how):
    """A row for every number of a measurement: what is predicted without a set of units."""
    p, called = measured.predict(units, **how), unit_names(measured.learner)
    names, rows = [called[i] for i in measured.learner.unit_indices(units)], []
    for label, index in entries(text, measured.value):
        rows.append({"set": name, "count": len(units), "units": units, "names": names, "measurement": label,
                     "index": index, "trained": measured.value[index], "predicted": p.value[index],
                     "change": p.change[index], "standard_error": p.standard_error[index],
                     "terms": p.terms[(slice(None), *index)], "interval": None if p.interval is None
                     else [bound[index] for bound in p.interval], "level": p.level, "verdict": p.verdict,
                     "reasons": list(p.reasons)})
    return rows


def sampled(learner, count, wanted, seed):
    """{name: units} of random deletion sets, of units that steps use.

    wanted   how many units each, or, below 1, which part of all
    """
    used, rng = np.flatnonzero(learner.used), np.random.default_rng(seed)
    total = len(used)
    each = max(1, round(wanted * total)) if wanted < 1 else int(wanted)
    if not 1 <= each <= total or wanted <= 0:
        raise LearnerError(f"--size {wanted}: a set has 1 to {total} units, or a part of them below 1")
    drawn = {}      # as keys: different sets, in order; where there are too few, fewer
    for _ in range(20 * count):
        if len(drawn) < count:
            drawn[tuple(sorted(rng.choice(used, each, replace=False).tolist()))] = None
    return {f"random {number}": [learner.units[i] for i in chosen] for number, chosen in enumerate(drawn, 1)}


def score(rows):
    """How near the predictions of one measurement came: correlation and error of the change, coverage of the
    intervals."""
    true = np.array([row["retrained"] - row["trained"] for row in rows])
    guess = np.array([row["change"] for row in rows])
    bounds = [row["interval"] or [row["predicted"] + z * row["standard_error"] for z in (-1.96, 1.96)]
              for row in rows]
    known = len(rows) > 1 and true.std() > 0.0 and guess.std() > 0.0
    return {"measurement": rows[0]["measurement"], "sets": len(rows),
            "correlation": float(np.corrcoef(true, guess)[0, 1]) if known else float("nan"),
            "error": float(np.abs(guess - true).sum() / np.abs(true).sum()) if true.any() else float("nan"),
            "covered": float(np.mean([low <= row["retrained"] <= high for (low, high),
                                      row in zip(bounds, rows)])), "level": rows[0]["level"] or 0.95}
