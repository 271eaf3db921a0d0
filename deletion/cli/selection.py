"""What texts on the command line mean: deletion sets and measurements."""
import re
from fnmatch import fnmatchcase
from pathlib import Path

from circuit.errors import LearnerError

from .recipe import resolve

SETS = """A set to delete consists of units, or of examples if each is its own unit. Its
items are

    x       the unit called x, or all examples called x; if there are none, all
            with x in their names. A number is part of no other number: 1 is
            not in 10
    ann*    all whose names match a pattern with * ? [...]
    #3      the unit at position 3, counted from 0
    3       the unit called 3; if every example is its own unit and none has a
            number as its name, the one at position 3

Commas separate several items; @FILE reads them from a file, one a line."""

NUMBER, POSITION = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)"), re.compile(r"#[+-]?\d+")


def deletion_set(learner, text):
    """The units that a text means, by the rules of SETS: a list of labels, in the learner's order.

    Raises LearnerError if an item matches nothing, or two different units of the same name.
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
    indices = set().union(*(matching(learner, item) for item in items))
    return [learner.units[i] for i in sorted(indices)]


def own_kinds(learner):
    """The kinds of sets that the learner's method kinds() names, {name: labels of the units, or an Order}.

    Raises LearnerError if it has no such method.
    """
    kinds = getattr(learner, "kinds", None)
    if not callable(kinds):
        raise LearnerError(f"--kinds: {type(learner).__name__} has no method kinds(); give it one that "
                           "returns {name: a label for each unit, or an Order}, or omit --kinds")
    return kinds()


def unit_names(learner):
    """The name of each unit: its label, or the example's name if every example is its own unit."""
    grouping = learner.grouping
    return grouping.names if grouping.examples and grouping.names else [str(unit) for unit in learner.units]


def matching(learner, item):
    """The indices of the units that an item of a deletion set means."""
    names = unit_names(learner)
    same = [i for i, name in enumerate(names) if name == item]
    if POSITION.fullmatch(item):
        return at_position(names, item, same)
    if len(same) > 1 and len({learner.units[i] for i in same}) > 1 and not learner.grouping.examples:
        choices = " or ".join(f"#{i} for {learner.units[i]!r}" for i in same)
        raise LearnerError(f"{len(same)} units are called {item!r}: write {choices}")
    if same:
        return same
    if NUMBER.fullmatch(item):
        return at_number(learner, names, item)
    indices = [i for i, name in enumerate(names) if matches(item, name)]
    if not indices:
        raise LearnerError(f"nothing to delete is called, contains or fits {item!r}; {listing(names)}")
    return indices


def matches(item, name):
    """Whether a name matches a pattern or, without wildcards, contains a text.

    A number at an end of the text is part of no other number: 'u1' is in 'u1x', but not in 'u10' or 'u1.5'.
    """
    if any(letter in item for letter in "*?["):
        return fnmatchcase(name, item)
    begin = r"(?<!\d)(?<!\d\.)" if item[0].isdecimal() else ""
    end = r"(?!\.?\d)" if item[-1].isdecimal() else ""
    return re.search(begin + re.escape(item) + end, name) is not None


def at_position(names, item, same):
    """The unit at the position that '#3' means.   same: indices of units that have this text as their name"""
    i = int(item[1:])
    if same and same != [i]:
        there = repr(names[i]) if 0 <= i < len(names) else "nothing"
        raise LearnerError(f"{item!r} is the name of #{same[0]} and the position of {there}: for the name "
                           f"write the pattern '[#]{item[1:]}'")
    if not 0 <= i < len(names):
        last = len(names) - 1
        raise LearnerError(f"nothing to delete is at position {item}; {listing(names)}, at #0 to #{last}")
    return [i]


def at_number(learner, names, item):
    """The unit at the position that a number without # means, if no unit has this name."""
    i = int(item) if item.isdecimal() else -1
    position = f"; {names[i]!r} is at that position: write #{i}" if 0 <= i < len(names) else ""
    if not learner.grouping.examples or any(map(NUMBER.fullmatch, learner.grouping.names or ())):
        raise LearnerError(f"no unit is called {item!r}{position}; {listing(names)}")
    if not position:
        raise LearnerError(f"there is no example {item!r}; {listing(names)}")
    return [i]


def listing(names):
    """The first names, and how many there are."""
    return f"there are {len(names)}: {', '.join(names[:5])}{', ...' * (len(names) > 5)}"


def measurement(learner, text):
    """The measurement that a text means: one of the learner's own ('loss:NAME'), or a 'module:function'.

    The function is one of the parameters.
    """
    named = getattr(learner, "named_measurement", None)
    function = named(text) if named else None
    if function is None:
        try:
            function = resolve(text)
        except LearnerError as error:
            own = getattr(learner, "measurements", ())
            known = f"; the learner's own are {', '.join(f'{kind}:...' for kind in own)}" if own else ""
            raise LearnerError(f"no measurement {text!r} ({error}){known}") from None
    if not callable(function):
        raise LearnerError(
            f"the measurement {text!r} is a {type(function).__name__}, not a function of the parameters")
    return function
