"""The options of every command, and what --help says about them."""
import argparse
import json
import os

from circuit.errors import LearnerError

from .. import __version__
from ..directions.directions import DESIGNS
from .selection import SETS

DEFAULT_LEARNER = "microgpt:names"
"""The learner of a command line that names none."""


def parser(functions):
    """The parser of all commands.

    functions   {command: function of its options, which returns an exit code}
    """
    top = argparse.ArgumentParser(prog="sketch", description="Make a sketch of a training, and predict what "
                                  "its model would say without some of its examples.")
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    add_completion(top)
    commands = top.add_subparsers(metavar="command", required=True)
    parsers = {name: add_command(commands, name, function) for name, function in functions.items()}
    add_limits(parsers["ask"])
    add_directions(parsers["precompute"])
    parsers["info"].add_argument(
        "--check", action="store_true",
        help="verify every checksum; exit code 1 if anything is damaged or unfinished")
    parsers["measure"].add_argument(
        "--save", metavar="FILE", help="save the coefficients along every direction as .npz")
    for name in ("ask", "predict"):
        parsers[name].add_argument(
            "--weight", type=float, default=0.0,
            help="the weight that the set has, up to 2 in a sketch (default %(default)s: deleted)")
    add_random_sets(parsers["validate"])
    for name in ("ask", "predict", "validate"):
        add_sets(parsers[name], required=name != "validate")
    for name in ("predict", "validate"):
        parsers[name].add_argument("--decoder", help="the decoder, such as 'mean' or 'median of means'")
    for name in ("ask", "measure", "predict", "validate", "report"):
        add_measurements(parsers[name])
    add_page(parsers["report"])
    for name in ("measure", "predict", "validate"):
        parsers[name].add_argument("--plot", metavar="FILE", help="draw a picture (needs matplotlib)")
    for name in ("ask", "precompute", "validate"):
        parsers[name].add_argument("--bank", metavar="FOLDER",
                                   help="keep retrainings there, and use those that are there")
    for name in ("info", "measure", "predict", "validate", "report"):
        parsers[name].add_argument("folder", help="the sketch's folder")
    for name in ("ask", "precompute", "measure", "predict", "validate", "report"):
        add_learner(parsers[name], "the learner" if name in ("ask", "precompute")
                    else "the learner, if it differs from the one that the folder describes")
    parsers["merge"].add_argument("folders", nargs="+", metavar="folder", help="the folder of a sketch")
    parsers["merge"].add_argument("--out", metavar="FOLDER", required=True,
                                  help="the folder of the merged sketch")
    return top


def add_completion(top):
    """The script with which a shell completes command lines."""
    try:
        import shtab
    except ImportError:
        top.add_argument("--print-completion", action=Unavailable, nargs="?", metavar="SHELL",
                         help="print a script that completes command lines (needs the extra 'completion')")
    else:
        shtab.add_argument_to(top, "--print-completion", help="print a script that completes command lines")


class Unavailable(argparse.Action):
    """An option that needs a package that is not installed."""

    def __call__(self, parser, namespace, values, option_string=None):
        parser.error(f"{option_string} needs shtab, which is not installed: pip install '.[completion]'")


def add_command(commands, name, function):
    """Add the parser of a command, whose help is its function's docstring."""
    sub = commands.add_parser(name, help=function.__doc__.split("\n")[0], description=function.__doc__)
    sub.set_defaults(command=function)
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub.add_argument("--quiet", action="store_true", help="print results and errors only")
    return sub


def add_limits(sub):
    """What may be spent on an answer."""
    sub.add_argument("--sketch", metavar="FOLDER",
                     help="the learner's sketch, which answers first and costs nothing")
    sub.add_argument("--trainings", type=float, help="spend at most so many trainings made side by side")
    sub.add_argument("--seconds", type=float, help="take at most so many seconds")
    add_kinds(sub)
    sub.add_argument("--tolerance", type=float,
                     help="stop at this error: the sum of |predicted - retrained| over that of |true change|")
    sub.add_argument("--seed", type=int, default=0, help="the seed of what is drawn (default %(default)s)")
    sub.add_argument("--dry-run", action="store_true", help="only print what it would cost")


def add_kinds(sub):
    """Which sets calibrate, besides random ones."""
    sub.add_argument("--kinds", action="store_true",
                     help="also calibrate by the learner's own kinds of sets (of names: with a letter, of a "
                          "length), which then have intervals and verdicts of their own")


def add_directions(sub):
    """What is pushed, and where it is stored."""
    sub.add_argument("--directions", type=positive, default=64,
                     help="the number of directions (default %(default)s)")
    sub.add_argument("--degree", type=int, default=3, help="the highest order kept (default %(default)s)")
    sub.add_argument("--seed", type=int, default=0, help="the seed of the directions (default %(default)s)")
    sub.add_argument("--design", default="auto", choices=DESIGNS,
                     help="how directions are drawn (default %(default)s)")
    add_kinds(sub)
    sub.add_argument("--dtype", default="float64",
                     help="the format of stored coefficients: float64 or float32 (default %(default)s)")
    sub.add_argument("--out", metavar="FOLDER",
                     help="the sketch's folder; what is finished there is not computed again")
    sub.add_argument("--dry-run", action="store_true",
                     help="only print the time, disk space and memory that it would take")


def add_random_sets(sub):
    """The random sets of a validation, and the checks that it must pass."""
    sub.add_argument("--sets", type=positive,
                     help="the number of random sets to retrain without (default 20, or none with --delete)")
    sub.add_argument("--size", type=float, default=0.01,
                     help="the size of each: a number of units, or, below 1, a share of all units "
                          "(default %(default)s)")
    sub.add_argument("--seed", type=int, default=0, help="the seed of the random sets (default %(default)s)")
    sub.add_argument("--max-error", type=float, help="exit with code 1 if the error is larger")
    sub.add_argument("--min-correlation", type=float, help="exit with code 1 if the correlation is smaller")


def add_sets(sub, required):
    """Which sets are deleted."""
    sub.epilog, sub.formatter_class = SETS, argparse.RawDescriptionHelpFormatter
    sub.add_argument("--delete", metavar="SET", action="append", required=required,
                     help="a set to delete, such as anna, 'ann*' or '#3': see below. Repeat it for more sets")


def add_measurements(sub):
    """What is measured."""
    sub.add_argument("--measure", metavar="WHAT", action="append", required=True,
                     help="a measurement, such as 'loss:max', 'probability:max', or module:function of the "
                          "parameters. Repeat it for more measurements")


def add_page(sub):
    """What a page shows."""
    sub.add_argument("--out", metavar="FILE", required=True, help="the page, such as report.html")
    sub.add_argument("--title", help="the page's heading")
    sub.add_argument("--level", type=float, default=0.95,
                     help="the probability that intervals are made for (default %(default)s)")
    sub.add_argument("--over-time", action="store_true",
                     help="also show at which steps of the training a set has its influence, by a "
                          "metagradient of each measurement")


def add_learner(sub, title):
    """How the learner is made."""
    sub.add_argument("--threads", type=positive, help="the number of threads (default: the number of cores)")
    group = sub.add_argument_group(title)
    group.add_argument("--learner", metavar="MODULE:FUNCTION",
                       help=f"a function that returns a Learner (default {DEFAULT_LEARNER})")
    group.add_argument("--names", metavar="FILE",
                       help="the names to train on, one a line (default: the included US Census names)")
    group.add_argument("--steps", type=positive, help="the number of training steps")
    group.add_argument("--units", metavar="FUNCTION",
                       help="a function of a name that says which unit it belongs to, such as first_letter; "
                            "units are what is deleted")
    group.add_argument("--argument", metavar="NAME=VALUE", action="append",
                       help="any other argument of the learner's function; the value is JSON or text")


def positive(text):
    """A whole number of at least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def factory_arguments(options):
    """The arguments for the learner's function that the command line contains."""
    arguments = {"path": options.names and os.path.abspath(options.names), "steps": options.steps,
                 "units": options.units and {"function": options.units}}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    for text in options.argument or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise LearnerError(f"--argument {text}: expected name=value")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
    return arguments
