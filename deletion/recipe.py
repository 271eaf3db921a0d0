"""Learners by name: 'module:function' and arguments that JSON can hold, so that a sketch's folder can say how to make its own."""
import importlib
import inspect
import json

from .learner import Learner, LearnerError


def resolve(text, beside=None):
    """The function that 'module:function' names. beside: a module's name, for texts without a colon. Raises LearnerError."""
    module, colon, name = text.partition(":")
    if not colon:
        module, name = beside or "", text
    if not module or not name:
        raise LearnerError(f"{text!r} names no function: module:function is wanted, such as microgpt:names")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise LearnerError(f"cannot import {module!r} of {text!r}: {error}") from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise LearnerError(f"module {module!r} has no {name!r}")
        found = getattr(found, part)
    return found


def make(factory, **arguments):
    """The learner that 'module:function' returns for arguments; it remembers how it was made, as its `recipe`.

    An argument {"function": "module:function"}, or {"function": "name"} of a function beside the factory, stands for that function.
    Raises LearnerError for a function that does not exist, does not take these arguments, or returns anything else.
    """
    function, beside = resolve(factory), factory.partition(":")[0]
    given = {name: resolve(x["function"], beside) if isinstance(x, dict) and set(x) == {"function"} else x for name, x in arguments.items()}
    try:
        inspect.signature(function).bind(**given)
    except (TypeError, ValueError) as error:      # ValueError: what is written in C has no signature
        raise LearnerError(f"{factory} does not take these arguments: {error}") from None
    learner = function(**given)
    if not isinstance(learner, Learner):
        raise LearnerError(f"{factory} returns a {type(learner).__name__}, not a Learner")
    try:
        json.dumps(arguments)
    except (TypeError, ValueError) as error:
        raise LearnerError(f"arguments of {factory} are what JSON can hold: {error}") from None
    learner.recipe = {"factory": factory, "arguments": arguments}
    return learner
