"""What users give: examples, and the schedule that says which examples each step uses.

Everything is checked and copied, so that a learner does not change when the user's arrays do.
"""
from typing import Sequence, Union

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import data_array, iterable, real_number
from circuit.errors import LearnerError
from circuit.shapes import lengths


def checked_examples(examples, labels):
    """Return every example as a tuple of arrays, copied."""
    if not iterable(examples):
        raise LearnerError("the examples: expected a sequence of arrays or of tuples of arrays, got "
                           f"{examples!r:.60}")
    examples = [e if isinstance(e, tuple) else (e,) for e in examples]
    if labels is not None and len(labels) != len(examples):
        raise LearnerError(f"expected one label for each example, got {len(labels)} labels for "
                           f"{len(examples)} examples")
    hint = " (a list: an example of several arrays is a tuple, such as (x, y))"
    return [tuple(data_array(x, name_of(i, labels) + hint * isinstance(x, list)) for x in example)
            for i, example in enumerate(examples)]


def name_of(i, labels):
    """Name an example: 'example 12, 'anna''."""
    return f"example {i}" + (f", {labels[i]!r}" if labels else "")


def checked_schedule(schedule, examples):
    """Return a schedule as an array (steps,) or (steps, batch) of numbers of examples."""
    expected = "the schedule: expected whole numbers (steps,) or (steps, batch)"
    try:
        schedule = np.array(schedule)
    except ValueError:
        raise LearnerError(f"{expected}, got rows of different lengths") from None
    schedule.flags.writeable = False
    if not examples or schedule.size == 0:
        raise LearnerError("a learner needs at least one example and one step")
    if schedule.ndim not in (1, 2) or not np.issubdtype(schedule.dtype, np.integer):
        raise LearnerError(f"{expected}, got shape {schedule.shape}, {schedule.dtype}")
    if schedule.min() < 0 or schedule.max() >= len(examples):
        missing = schedule[(schedule < 0) | (schedule >= len(examples))][0]
        raise LearnerError(f"the schedule names example {missing}; there are examples 0 to "
                           f"{len(examples) - 1}{advice_on_columns(examples, missing)}")
    return schedule


def advice_on_columns(examples, missing):
    """Say what to do where the examples look like columns, arrays with a row for the missing example."""
    lengths = {len(e[0]) if len(e) == 1 and e[0].ndim else 0 for e in examples}
    if len(lengths) > 1 or min(lengths) <= max(missing, 1):
        return ""
    names = ", ".join("Xyz"[:len(examples)]) if 1 < len(examples) <= 3 else "..."
    return f", arrays of {min(lengths)} rows each. Examples are rows: did you mean list(zip({names}))?"


def batch(examples, chosen):
    """Return the arrays of one step: those of the example chosen, or those of a batch, stacked."""
    if chosen.ndim == 0:
        return examples[int(chosen)]
    columns = list(zip(*(examples[i] for i in chosen)))
    counts = {len(examples[i]) for i in chosen}
    if len(counts) > 1 or any(len({x.shape for x in column}) > 1 for column in columns):
        raise LearnerError(f"examples {chosen.tolist()} have different shapes and cannot be one batch")
    return tuple(np.stack(column) for column in columns)


def dropout(examples: Sequence, schedule: ArrayLike, rate: float, *shapes: Union[int, Sequence[int]],
            seed: int = 0) -> tuple:
    """Draw masks for dropout: every visit of an example becomes an example with masks of its own.

    A loss that draws random numbers is refused, so the masks are data. They are 0 with probability `rate` and
    1 / (1 - rate) elsewhere; the loss takes them behind the arrays of an example and multiplies by them.
    Measurements multiply by nothing.

    Parameters
    ----------
    examples : sequence
        The examples, each an array or a tuple of arrays.
    schedule : array_like of int, (steps,) or (steps, batch)
        Which examples each step uses.
    rate : float
        The share that is dropped, from 0 to below 1.
    *shapes : int or sequence of int
        The shape of each mask, for one example.
    seed : int
        What the masks are drawn from.

    Returns
    -------
    (examples, schedule, units) : (list of tuple, np.ndarray, list of int)
        For Learner(parameters, examples, loss, optimizer, schedule, units=units): the units are the numbers
        of the examples that were given, so that deleting one deletes all its visits.

    Raises
    ------
    LearnerError
        For examples, a schedule or a rate that make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import dropout
    >>> examples, schedule, units = dropout([1.0, 2.0], [0, 1, 0], 0.5, 4)
    >>> units, schedule.tolist(), len(examples), examples[2][0].item(), examples[2][1].shape
    ([0, 1, 0], [0, 1, 2], 3, 1.0, (4,))
    """
    examples = checked_examples(examples, None)
    schedule, rng = checked_schedule(schedule, examples), np.random.default_rng(seed)
    rate, shapes = real_number(rate, "the share that is dropped", low=0.0, below=1.0), [*map(lengths, shapes)]
    units = schedule.ravel().tolist()
    visits = [(*examples[i], *((rng.random(shape) >= rate) / (1.0 - rate) for shape in shapes))
              for i in units]
    return visits, np.arange(len(units)).reshape(schedule.shape), units
