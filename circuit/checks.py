"""What users give, checked once and in one way: every function returns what it was given, ready for use, or
raises LearnerError. Only `is_whole`, `iterable` and `hashable` answer yes or no."""
import inspect
import os

import numpy as np

from .errors import LearnerError
from .gates.gate import first_bad


def array_of(x, what, kinds, expected, finite=True):
    """x as a new array, of finite numbers unless the caller looks at that.   kinds: NumPy's letters of types;
    expected: in words."""
    try:
        array = np.array(x)
    except ValueError:
        raise LearnerError(f"{what}: expected {expected}, got rows of different lengths") from None
    if array.dtype.kind not in kinds:
        raise LearnerError(f"{what}: expected {expected}, got {array.dtype}: {x!r:.60}")
    if finite and not np.isfinite(array).all():
        raise LearnerError(f"{what}: expected finite numbers, got {first_bad(array)}")
    return array


def real_array(x, what):
    """x as floats: neither complex numbers, which would lose their imaginary part, nor text."""
    return array_of(x, what, "biuf", "real numbers").astype(float)


def data_array(x, what):
    """x as real or whole numbers, a copy that nobody can change: fingerprints and circuits rely on it."""
    array = array_of(x, what, "iuf", "real or whole numbers")
    array.flags.writeable = False
    return array


def real_number(x, what, low=-np.inf, high=np.inf, below=np.inf, above=-np.inf):
    """x as a float with low <= x <= high and above < x < below. True is not 1."""
    number = array_of(x, what, "iuf", "real numbers")
    if number.ndim or not (low <= number <= high and above < number < below):
        limits = [f">= {low:g}"] * (low > -np.inf) + [f"> {above:g}"] * (above > -np.inf)
        limits += [f"<= {high:g}"] * (high < np.inf) + [f"< {below:g}"] * (below < np.inf)
        raise LearnerError(
            f"{what}: expected one number{' ' * bool(limits)}{' and '.join(limits)}, got {x!r:.60}")
    return float(number)


def is_whole(x):
    """Whether x is a whole number. True and False are not, nor is 1.0."""
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


def whole_number(x, what, low):
    """x as an int >= low. Nothing is rounded, and True is not 1."""
    if not is_whole(x) or x < low:
        raise LearnerError(f"{what}: expected a whole number >= {low}, got {x!r:.60}")
    return int(x)


def checked_threads(threads):
    """How many threads to use; None stands for the machine's cores."""
    return os.cpu_count() if threads is None else whole_number(threads, "the number of threads", 1)


def checked_function(function, what, arguments):
    """A function that can be called with that many arguments."""
    if not callable(function):
        raise LearnerError(f"{what}: expected a function, got {function!r:.60}")
    try:
        inspect.signature(function).bind(*[None] * arguments)
    except TypeError as error:
        raise LearnerError(
            f"{what} cannot be called with {arguments} argument{'s' * (arguments != 1)}: {error}") from None
    except ValueError:      # what is written in C has no signature
        pass
    return function


def one_of(x, what, known):
    """x, a text that is among those known."""
    if not isinstance(x, str) or x not in known:
        raise LearnerError(f"no {what} {x!r:.60}; there are {', '.join(map(repr, known))}")
    return x


def checked_learner(learner):
    """A Learner."""
    if not hasattr(learner, "unit_of") or isinstance(learner, type):
        raise LearnerError("expected a Learner, as Learner(parameters, examples, loss, optimizer, schedule) "
                           f"makes it, got {learner!r:.60}")
    return learner


def kind_of(arrays):
    """Shape and kind of every array of a step or an example: one circuit is recorded for each."""
    return tuple((x.shape, "integer" if np.issubdtype(x.dtype, np.integer) else "real") for x in arrays)


def iterable(x):
    """Whether x is several things; a text is one."""
    return np.iterable(x) and not isinstance(x, (str, bytes))


def hashable(x):
    """Whether x can be looked up: a list cannot, nor a tuple that holds one."""
    try:
        hash(x)
    except TypeError:
        return False
    return True


def checked_labels(labels, what):
    """Labels of units as a list."""
    if not iterable(labels):
        raise LearnerError(f"{what}: expected a sequence of labels, got {labels!r:.60}")
    labels = [x.item() if isinstance(x, np.generic) else x for x in labels]
    for i, label in enumerate(labels):
        if label is None or not hashable(label) or label != label:
            raise LearnerError(
                f"{what}: a label is a text, a number or a tuple of them; label {i} is {label!r:.60}")
    return labels


def in_order(labels):
    """The different labels, sorted; in order of occurrence where they cannot be compared."""
    try:
        return sorted(set(labels))
    except TypeError:
        return list(dict.fromkeys(labels))
