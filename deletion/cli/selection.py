"""What is asked on a command line, as text: deletion sets and measurements."""
import re
from fnmatch import fnmatchcase
from pathlib import Path

from ..learner.learner import LearnerError
from .recipe import resolve

SETS = """A set to delete names units, or examples where each is a unit of its own. Its items are

    x       the unit called x, or all examples called x; if there are none, all with x in their names. A number
            is part of no other: 1 is not in 10
    ann*    all whose names fit a pattern with * ? [...]
    #3      the unit at position 3, counted from 0
    3       the unit called 3; if examples are units and none is called by a number, that at position 3

Several items are joined by commas; @FILE reads them from a file, one a line."""

NUMBER, POSITION = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)"), re.compile(r"#[+-]?\d+")


def deletion_set(learner, text):
    """The units that a text asks to delete, as SETS says: a list of labels, in the learner's order.

    Raises LearnerError where an item fits nothing, or two different units by the same name.
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
    chosen = set().union(*(matching(learner, item) for item in items))
    return [learner.units[i] for i in sorted(chosen)]


def unit_names(learner):
    """What each unit is called: its label; or, where every example is its own unit, the example's."""
    grouping = learner.grouping
    return grouping.names if grouping.examples and grouping.names else [str(unit) for unit in learner.units]


def matching(learner, item):
    """Numbers of the units that an item of a deletion set means."""
    names = unit_names(learner)
    found = [i for i, name in enumerate(names) if name == item]
    if POSITION.fullmatch(item):
        return positioned(learner, names, item, found)
    if len(found) > 1 and len({learner.units[i] for i in found}) > 1 and not learner.grouping.examples:
        choices = " or ".join(f"#{i} for {learner.units[i]!r}" for i in found)
        raise LearnerError(f"{len(found)} units are called {item!r}: write {choices}")
    if found:
        return found
    if NUMBER.fullmatch(item):
        return numbered(learner, names, item)
    if any(letter in item for letter in "*?["):
        found = [i for i, name in enumerate(names) if fnmatchcase(name, item)]
    else:
        begin, end = r"(?<!\d)(?<!\d\.)" * item[0].isdecimal(), r"(?!\.?\d)" * item[-1].isdecimal()
        part = re.compile(begin + re.escape(item) + end)      # a number at an end of it is matched as a whole
        found = [i for i, name in enumerate(names) if part.search(name)]
    if not found:
        raise LearnerError(f"nothing to delete is called, contains or fits {item!r}; {some(names)}")
    return found


def positioned(learner, names, item, called):
    """The unit at the position that '#3' asks for.   called: units with that very name."""
    at = int(item[1:])
    if called and called != [at]:
        there = repr(names[at]) if 0 <= at < len(names) else "nothing"
        raise LearnerError(f"{item!r} is the name of #{called[0]} and the position of {there}: for the name "
                           f"write the pattern '[#]{item[1:]}'")
    if not 0 <= at < len(names):
        last = len(names) - 1
        raise LearnerError(f"nothing to delete is at position {item}; {some(names)}, at #0 to #{last}")
    return [at]


def numbered(learner, names, item):
    """The unit at the position that a bare number asks for, where no unit is called so."""
    at = int(item) if item.isdecimal() else -1
    position = f"; {names[at]!r} is at that position: write #{at}" if 0 <= at < len(names) else ""
    if not learner.grouping.examples or any(map(NUMBER.fullmatch, learner.grouping.names or ())):
        raise LearnerError(f"no unit is called {item!r}{position}; {some(names)}")
    if not position:
        raise LearnerError(f"there is no example {item!r}; {some(names)}")
    return [at]


def some(names):
    return f"there are {len(names)}: {', '.join(names[:5])}{', ...' * (len(names) > 5)}"


def measurement(learner, text):
    """The measurement that a text asks for: one the learner names ('loss:NAME'), or 'module:function' of the
    parameters."""
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
        raise LearnerError(
            f"the measurement {text!r} is a {type(found).__name__}, not a function of the parameters")
    return found
