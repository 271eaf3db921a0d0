"""What users give: parameters, examples, and the schedule that says which examples each step uses.

Everything is checked and copied, so that a learner does not change when the user's arrays do.
"""
from math import prod
from typing import Sequence, Union

import numpy as np
from numpy.typing import ArrayLike

from circuit.checks import data_array, iterable, real_number
from circuit.errors import LearnerError
from circuit.shapes import lengths


class Layout:
    """How named tensors lie in one flat vector, row by row and one behind the other.

    Parameters
    ----------
    parameters : array_like, or dict, list or tuple of such
        The initial parameters. `split` returns the tensors of a vector in the same form.

    Attributes
    ----------
    shapes : dict
        The shape of each tensor, by name: the keys and places that lead to it, as in 'layers.0.weight'; a
        single array has the name ''.
    single : bool
        Whether the parameters are one array.
    size : int
        The number of parameters.
    initial : np.ndarray, (size,)
        The initial parameters.

    Examples
    --------
    >>> import numpy as np
    >>> layout = Layout({"layers": [{"weight": np.ones((2, 3))}], "bias": np.zeros(2)})
    >>> layout.shapes
    {'layers.0.weight': (2, 3), 'bias': (2,)}
    >>> layout.split(np.arange(8.0))["layers"][0]["weight"].tolist()
    [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    """

    def __init__(self, parameters):
        self.single = not is_nest(parameters)
        self.shapes, pieces = {}, []
        for name, value in named_leaves(parameters):
            if name in self.shapes:
                raise LearnerError(f"two parameters are named {name!r}: a key holds a dot, or is there as a "
                                   "text and as a number")
            value = data_array(value, f"parameter {name!r}" if name else "the parameters")
            self.shapes[name] = value.shape
            pieces.append(value.astype(float).ravel())
        self.size = sum(piece.size for piece in pieces)
        if not self.size:
            raise LearnerError("a learner needs at least one parameter")
        self.initial = np.concatenate(pieces)
        self.names = nest_of(parameters, iter(self.shapes))

    def pieces(self, vector):
        """Yield the tensors of a vector in order; a leading batch axis of an array passes through."""
        at, lead = 0, vector.shape[:-1]
        for shape in self.shapes.values():
            size = prod(shape)
            yield vector[..., at:at + size].reshape(lead + shape)
            at += size

    def split(self, vector):
        """Return the parameters in the form they were given in, of arrays or wires."""
        return self.form(list(self.pieces(vector)))

    def form(self, pieces):
        """Return tensors, in the order of `pieces`, in the form the parameters were given in."""
        return nest_of(self.names, iter(pieces))


def is_nest(x):
    """Whether x is several parameters: a dict, or a list or tuple that holds one or an array. A list of
    numbers, and of lists of numbers, is one array."""
    if isinstance(x, (list, tuple)):
        return any(getattr(i, "shape", ()) != () or isinstance(i, str) or is_nest(i) for i in x)
    return isinstance(x, dict)


def named_leaves(x, name=""):
    """Yield (name, tensor) for the tensors of nested parameters."""
    if not is_nest(x):
        yield name, x
        return
    places = getattr(x, "_fields", range(len(x)))      # those of a named tuple have names
    for key, child in x.items() if isinstance(x, dict) else zip(places, x):
        yield from named_leaves(child, f"{name}.{key}" if name else str(key))


def leaves(parameters):
    """Return the tensors of parameters in the order in which they lie in a flat vector."""
    return [leaf for _, leaf in named_leaves(parameters)]


def nest_of(x, leaves):
    """Return parameters of the form of x, with what the iterator `leaves` yields for its tensors."""
    if not is_nest(x):
        return next(leaves)
    if isinstance(x, dict):
        return {key: nest_of(child, leaves) for key, child in x.items()}
    children = [nest_of(child, leaves) for child in x]
    return type(x)(*children) if hasattr(x, "_fields") else type(x)(children)


# examples and schedules -------------------------------------------------------------------------------------

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
