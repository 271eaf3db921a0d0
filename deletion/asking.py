"""What is asked on a command line, as text: deletion sets and measurements."""
from fnmatch import fnmatchcase
from pathlib import Path

from .learner import LearnerError
from .recipe import resolve


def deletion_set(learner, text):
    """The units that a text asks to delete: a list of labels, in the learner's order.

    'x'          the unit or example called x; if there is none, all whose name contains x, or number x
    'ann*'       all whose name fits a pattern with * ? [...]
    'ann,bob'    several of these
    '@FILE'      those on the lines of a file: names, patterns or numbers

    Raises LearnerError where nothing fits.
    """
    if text.startswith("@"):
        try:
            items = Path(text[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise LearnerError(f"cannot read a deletion set from {text[1:]}: {error}") from None
    else:
        items = text.split(",")
    items = [item.strip() for item in items if item.strip()]
    if not items:
        raise LearnerError(f"the deletion set {text!r} is empty")
    names = unit_names(learner)
    chosen = set().union(*(matching(names, item) for item in items))
    return [learner.units[i] for i in sorted(chosen)]


def unit_names(learner):
    """What each unit is called: its label; or, where every example is its own unit, the example's."""
    own = learner.units == list(range(learner.example_count))
    return learner.labels if own and learner.labels else [str(unit) for unit in learner.units]


def matching(names, item):
    """Numbers of the names that an item of a deletion set means."""
    if any(letter in item for letter in "*?["):
        found = [i for i, name in enumerate(names) if fnmatchcase(name, item)]
    else:
        found = [i for i, name in enumerate(names) if name == item]
        if not found and item.isdecimal():
            found = [int(item)] if int(item) < len(names) else []
        elif not found:
            found = [i for i, name in enumerate(names) if item in name]
    if not found:
        some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise LearnerError(f"nothing to delete is called, contains or is number {item!r}; there are {len(names)}: {some}")
    return found


def measurement(learner, text):
    """The measurement that a text asks for: one the learner names ('loss:NAME'), or 'module:function' of the parameters."""
    named = getattr(learner, "named_measurement", None)
    found = named(text) if named else None
    if found is None:
        try:
            found = resolve(text)
        except LearnerError as error:
            own = getattr(learner, "measurements", ())
            known = f"; of its own the learner has {', '.join(f'{kind}:...' for kind in own)}" if own else ""
            raise LearnerError(f"no measurement {text!r} ({error}){known}") from None
    if not callable(found):
        raise LearnerError(f"the measurement {text!r} is a {type(found).__name__}, not a function of the parameters")
    return found
