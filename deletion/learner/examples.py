"""Examples, and the schedule that says which of them each step uses: what users give, checked and copied."""
import numpy as np

from circuit.errors import LearnerError
from circuit.checks import data_array, iterable


def checked_examples(examples, labels):
    """Every example as a tuple of arrays, copied: what a learner learns from does not change any more."""
    if not iterable(examples):
        raise LearnerError(f"examples are a sequence of arrays or tuples of arrays, not {examples!r:.60}")
    examples = [e if isinstance(e, tuple) else (e,) for e in examples]
    if labels is not None and len(labels) != len(examples):
        raise LearnerError(f"{len(labels)} labels for {len(examples)} examples")
    hint = " (a list: an example of several arrays is a tuple, such as (x, y))"
    return [tuple(data_array(x, named(i, labels) + hint * isinstance(x, list)) for x in e)
            for i, e in enumerate(examples)]


def named(i, labels):
    """'example 12, 'anna''"""
    return f"example {i}" + (f", {labels[i]!r}" if labels else "")


def checked_schedule(schedule, examples):
    """A schedule as an array (steps,) or (steps, batch) of numbers of examples."""
    wanted = "a schedule is (steps,) or (steps, batch) whole numbers"
    try:
        schedule = np.array(schedule)
    except ValueError:
        raise LearnerError(f"{wanted}, not rows of different lengths") from None
    schedule.flags.writeable = False
    if not examples or schedule.size == 0:
        raise LearnerError("a learner needs at least one example and one step")
    if schedule.ndim not in (1, 2) or not np.issubdtype(schedule.dtype, np.integer):
        raise LearnerError(f"{wanted}, not {schedule.shape} {schedule.dtype}")
    if schedule.min() < 0 or schedule.max() >= len(examples):
        bad = schedule[(schedule < 0) | (schedule >= len(examples))][0]
        known = f"there are examples 0 to {len(examples) - 1}"
        raise LearnerError(f"the schedule names example {bad}; {known}{columns(examples, bad)}")
    return schedule


def columns(examples, bad):
    """What to do where examples look like columns: arrays with a row for the missing example. Else ''."""
    lengths = {len(e[0]) if len(e) == 1 and e[0].ndim else 0 for e in examples}
    if len(lengths) > 1 or min(lengths) <= max(bad, 1):
        return ""
    names = ", ".join("Xyz"[:len(examples)]) if 1 < len(examples) <= 3 else "..."
    return f", arrays of {min(lengths)} rows each. Examples are rows: did you mean list(zip({names}))?"


def batch(examples, chosen):
    """The arrays of one step: those of the example chosen, or of a batch, stacked."""
    if chosen.ndim == 0:
        return examples[int(chosen)]
    found = list(zip(*(examples[i] for i in chosen)))
    counts = {len(examples[i]) for i in chosen}
    if len(counts) > 1 or any(len({x.shape for x in column}) > 1 for column in found):
        raise LearnerError(f"examples {chosen.tolist()} have different shapes and cannot be one batch")
    return tuple(np.stack(column) for column in found)
