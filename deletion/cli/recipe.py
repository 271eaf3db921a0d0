"""Learners by name: 'module:function' and arguments that JSON can hold, so that a sketch's folder can say how
to make its own.

A folder may come from a stranger, so its recipe is only a request. `requested` grants what is registered
below; anything else runs only if the user names it. `make` is for users: it calls any function.
"""
import importlib
import importlib.util
import inspect
import json
import os
import sys

from ..learner.learner import Learner, LearnerError

FACTORIES = {"microgpt:names": {"steps": 100_000},
             "benchmarks.learners:digits": {"epochs": 200, "hidden": 1_000},
             "benchmarks.learners:breast_cancer": {"steps": 10_000},
             "benchmarks.learners:bounded_cancer": {"steps": 10_000},
             "benchmarks.learners:diabetes": {"steps": 10_000}}
"""The factories that a folder may ask for: this project's own, which calculate and do nothing else. For each,
the largest numbers that the folder may give: with larger ones, recording the learner alone takes minutes or
gigabytes."""

FUNCTIONS = ("microgpt:first_letter",)
"""The functions that a folder may ask for as arguments."""

LARGEST = 2 ** 63
"""The largest of a folder's other numbers."""

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

places = []
"""Folders to search for modules that Python does not find. The command line enters the working directory."""


def resolve(text, beside=None):
    """The function that 'module:function' names. Raises LearnerError.

    beside   a module's name, for texts without a colon
    """
    module, _, name = qualified(text, beside).partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise LearnerError(f"{text!r} names no function: expected module:function, such as microgpt:names")
    try:
        value = import_module(module)
    except ImportError as error:
        raise LearnerError(f"cannot import {module!r} of {text!r}: {error}") from None
    for part in name.split("."):
        if not hasattr(value, part):
            raise LearnerError(f"module {module!r} has no {name!r}")
        value = getattr(value, part)
    return value


def qualified(text, beside):
    """'module:function' of a text that may lack the module."""
    return text if ":" in text else f"{beside or ''}:{text}"


def import_module(module):
    """A module. If Python does not find it, `places` are added to the end of its path."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        unsearched = [place for place in places if place not in sys.path]
        if error.name != module.partition(".")[0] or not unsearched:
            raise
    sys.path.extend(unsearched)
    return importlib.import_module(module)


def make(factory, /, **arguments):
    """The learner that 'module:function' returns for arguments; its `recipe` says how it was made.

    An argument {"function": "module:function"}, or {"function": "name"} of a function beside the factory,
    stands for that function. Raises LearnerError for a function that does not exist, does not take these
    arguments, or returns anything else.
    """
    function, beside = resolve(factory), factory.partition(":")[0]
    given = {name: resolve(x["function"], beside) if is_function(x) else x for name, x in arguments.items()}
    try:
        inspect.signature(function).bind(**given)
    except (TypeError, ValueError) as error:      # ValueError: what is written in C has no signature
        raise LearnerError(f"{factory} does not take these arguments: {error}") from None
    learner = function(**given)
    if not isinstance(learner, Learner):
        raise LearnerError(f"{factory} returns a {type(learner).__name__}, not a Learner")
    try:
        json.dumps(arguments, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LearnerError(f"arguments of {factory} are what JSON can hold: {error}") from None
    learner.recipe = {"factory": factory, "arguments": arguments}
    return learner


def is_function(x):
    """Whether an argument stands for a function."""
    return isinstance(x, dict) and set(x) == {"function"} and isinstance(x["function"], str)


# what a folder may ask for ---------------------------------------------------------------------------------

def requested(recipe, given):
    """The learner that a folder's recipe asks for. given: the user's own arguments, in place of the recipe's.

    A recipe may name registered factories and functions, and give numbers within bounds. Other arguments may
    not come from a folder: a text can be the path of any file. Raises LearnerError, saying what the folder
    asks for and how the user can name it.
    """
    factory = recipe["factory"]
    if factory not in FACTORIES:
        raise LearnerError(f"the folder asks for the learner {described(recipe)}, which is not one of this "
                           f"project's own ({', '.join(FACTORIES)}). If you know and trust it, name it "
                           "yourself: --learner module:function, and its arguments: --argument name=value")
    asked = {name: x for name, x in recipe["arguments"].items() if name not in given}
    module = factory.partition(":")[0]
    for name, x in asked.items():
        largest = FACTORIES[factory].get(name, LARGEST)
        if not harmless(x, largest, module):
            raise LearnerError(f"the folder asks for {name} = {x!r:.200}; it may give numbers, here up to "
                               f"{largest:,}, and the functions {', '.join(FUNCTIONS)}. If you want this, "
                               f"give it yourself: {option(name)}")
    require_own(module.partition(".")[0])
    return make(factory, **asked, **given)


def harmless(x, largest, beside):
    """Whether a folder may give this argument."""
    if is_function(x):
        return qualified(x["function"], beside) in FUNCTIONS
    return x is None or isinstance(x, (bool, int, float)) and abs(x) <= largest


def option(name):
    """How an argument is given on the command line."""
    known = {"path": "--names FILE", "units": "--units module:function", "steps": "--steps N"}
    return known.get(name, f"--argument {name}=value")


def described(recipe):
    """A folder's recipe in words, its texts by `repr`."""
    arguments = {name: x["function"] if is_function(x) else x for name, x in recipe["arguments"].items()}
    return " ".join([f"{recipe['factory']!r:.200}", *(f"{name}={x!r:.200}" for name, x in arguments.items())])


def require_own(package):
    """Raise LearnerError unless Python finds a package beside this one, where the registered one is."""
    spec = importlib.util.find_spec(package)
    place = spec and spec.origin and os.path.dirname(os.path.dirname(os.path.abspath(spec.origin)))
    if not place or os.path.realpath(place) != os.path.realpath(PROJECT):
        raise LearnerError(f"the folder asks for a learner of {package}. Python finds it in "
                           f"{place or 'no folder'}; expected the package of this library, in {PROJECT}")
