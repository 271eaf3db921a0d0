"""Recipes of learners, as sketches' folders contain them: 'module:function' and arguments that JSON can hold.

A folder may come from an untrusted source, so that its recipe is only a request. `requested` permits what is
registered below; anything else runs only if the user names it. `make` is for users: it calls any function.
"""
import importlib
import importlib.util
import inspect
import json
import os
import sys
from pathlib import Path

from circuit.errors import LearnerError

from ..learner.learner import Learner

FACTORIES = {"microgpt:names": {"steps": 100_000},
             "benchmarks.learners:digits": {"epochs": 200, "hidden": 1_000},
             "benchmarks.learners:breast_cancer": {"steps": 10_000},
             "benchmarks.learners:bounded_cancer": {"steps": 10_000},
             "benchmarks.learners:diabetes": {"steps": 10_000}}
"""The factories that a folder may ask for, which are this project's own and only calculate, and the largest
numbers that the folder may give to each: with larger ones, just recording the learner takes minutes or
gigabytes."""

FUNCTIONS = ("microgpt:first_letter",)
"""The functions that a folder may ask for as arguments."""

LARGEST = 2 ** 63
"""The largest of the other numbers that a folder may give."""

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder of this project's packages."""

places = []
"""Folders in which modules are searched that Python does not find: see `restrict_imports`."""


def restrict_imports(folders):
    """Search the working directory only for modules that the user names and Python does not find.

    folders   those that the command line names

    A folder from an untrusted source may contain a microgpt.py, or a tqdm.py where tqdm is not installed. If
    the working directory is a sketch's folder, or lies inside one, it is not searched at all.
    """
    here = os.path.realpath(os.getcwd())
    if here != os.path.realpath(PROJECT):      # where this program itself is found
        sys.path[:] = [place for place in sys.path if os.path.realpath(place) != here]      # '' as well
    around, folders = [here, *Path(here).parents], [folder for folder in folders if os.path.isdir(folder)]
    inside = any(os.path.samefile(folder, place) for folder in folders for place in around)
    places[:] = [] if inside else [here]


def resolve(text, beside=None):
    """The function that 'module:function' names. Raises LearnerError.

    beside   the module of texts that name a function only
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
    """'module:function', from a text that may lack the module."""
    return text if ":" in text else f"{beside or ''}:{text}"


def import_module(module):
    """Import a module. If Python does not find it, `places` are added to the end of Python's path."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        unsearched = [place for place in places if place not in sys.path]
        if error.name != module.partition(".")[0] or not unsearched:
            raise
    sys.path.extend(unsearched)
    return importlib.import_module(module)


def make(factory, /, **arguments):
    """Call 'module:function' with arguments and return the learner; its `recipe` says how it was made.

    An argument {"function": "module:function"} stands for that function, {"function": "name"} for one in the
    factory's module. Raises LearnerError if the factory does not exist, does not take these arguments, or
    returns anything else.
    """
    function, beside = resolve(factory), factory.partition(":")[0]
    given = {name: resolve(x["function"], beside) if is_function(x) else x for name, x in arguments.items()}
    try:
        inspect.signature(function).bind(**given)
    except (TypeError, ValueError) as error:      # ValueError: a function written in C has no signature
        raise LearnerError(f"{factory} does not take these arguments: {error}") from None
    learner = function(**given)
    if not isinstance(learner, Learner):
        raise LearnerError(f"{factory} returns a {type(learner).__name__}, not a Learner")
    try:
        json.dumps(arguments, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LearnerError(f"arguments of {factory}: expected what JSON can hold: {error}") from None
    learner.recipe = {"factory": factory, "arguments": arguments}
    return learner


def is_function(x):
    """Whether an argument stands for a function."""
    return isinstance(x, dict) and set(x) == {"function"} and isinstance(x["function"], str)


# what a folder may ask for ---------------------------------------------------------------------------------

def requested(recipe, given):
    """Make the learner that a folder's recipe asks for.

    given   the user's own arguments, which replace those of the recipe

    A recipe may name registered factories and functions, and give numbers within bounds. Other arguments
    may not come from a folder: a text can be the path of any file. Raises LearnerError, which says what the
    folder asks for and how the user can permit it.
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
    """The option of the command line that gives an argument."""
    known = {"path": "--names FILE", "units": "--units module:function", "steps": "--steps N"}
    return known.get(name, f"--argument {name}=value")


def described(recipe):
    """A recipe in words, with its texts as `repr` prints them."""
    arguments = {name: x["function"] if is_function(x) else x for name, x in recipe["arguments"].items()}
    return " ".join([f"{recipe['factory']!r:.200}", *(f"{name}={x!r:.200}" for name, x in arguments.items())])


def require_own(package):
    """Raise LearnerError unless Python finds a package beside this one, where the registered package is."""
    spec = importlib.util.find_spec(package)
    place = spec and spec.origin and os.path.dirname(os.path.dirname(os.path.abspath(spec.origin)))
    if not place or os.path.realpath(place) != os.path.realpath(PROJECT):
        raise LearnerError(f"the folder asks for a learner of {package}. Python finds it in "
                           f"{place or 'no folder'}; expected the package of this library, in {PROJECT}")
