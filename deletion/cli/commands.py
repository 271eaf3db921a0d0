"""The command line: sketch precompute | info | measure | predict | validate | merge."""
import argparse
import json
import logging
import os
import sys
import time
from pathlib import Path

import numpy as np

from circuit import InputError, evaluate
from circuit.progress import silence

from . import plots
from .scoring import entries, predicted, sampled, score
from ..storage.arrays import other_forms
from .selection import SETS, deletion_set, measurement
from ..storage.blocks import roots
from ..directions.directions import DESIGNS, UNITARILY_INVARIANT
from ..sketch.estimate import duration, size
from ..learner.learner import LearnerError
from ..sketch.merge import merge
from .tables import printable, prediction_table, show, table
from .recipe import PROJECT, described, make, places, requested
from ..learner.retrain import retrain
from ..sketch.sketch import load, precompute
from ..storage.store import Folder

DEFAULT = "microgpt:names"
"""The learner of a command line that names none."""


def run(arguments=None):
    """Call a command and return its exit code: 0 well, 1 a check failed, 2 wrong input (one line says why),
    130 interrupted."""
    try:
        code = main(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:      # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (InputError, OSError) as error:
        print(f"sketch: error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sketch: interrupted; blocks finished so far are kept, and the same command goes on from there",
              file=sys.stderr)
        return 130


def main(arguments=None):
    options = parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("deletion").setLevel(logging.WARNING if options.quiet else logging.INFO)
    named = *getattr(options, "folders", ()), getattr(options, "folder", None), getattr(options, "out", None)
    restrict_imports([path for path in named if path])
    with silence(options.quiet):
        return options.command(options)


def restrict_imports(folders):
    """Search the working directory only for modules that the user names, if they are found nowhere else.

    A folder from a stranger may hold a microgpt.py, or a tqdm.py where tqdm is not installed. If the working
    directory is a sketch's folder, or lies inside one, it is not searched at all. See recipe.places.
    """
    here = os.path.realpath(os.getcwd())
    if here != os.path.realpath(PROJECT):      # where this program itself is found
        sys.path[:] = [place for place in sys.path if os.path.realpath(place) != here]      # '' as well
    around, folders = [here, *Path(here).parents], [folder for folder in folders if os.path.isdir(folder)]
    inside = any(os.path.samefile(folder, place) for folder in folders for place in around)
    places[:] = [] if inside else [here]


def parser():
    top = argparse.ArgumentParser(prog="sketch", description="Sketch a training, and predict what its model "
                                  "would say without some of its examples.")
    commands = top.add_subparsers(metavar="command", required=True)

    def command(name, function):
        sub = commands.add_parser(name, help=function.__doc__.split("\n")[0], description=function.__doc__)
        sub.set_defaults(command=function)
        sub.add_argument("--json", action="store_true", help="print JSON")
        sub.add_argument("--quiet", action="store_true", help="say nothing but results and errors")
        return sub

    make_one = command("precompute", precompute_command)
    make_one.add_argument("--directions", type=positive, default=64, help="how many (default %(default)s)")
    make_one.add_argument("--degree", type=int, default=3, help="highest order kept (default %(default)s)")
    make_one.add_argument("--seed", type=int, default=0, help="of the directions (default %(default)s)")
    make_one.add_argument("--design", default="auto", choices=DESIGNS,
                          help="how directions are drawn (default %(default)s)")
    make_one.add_argument("--dtype", default="float64",
                          help="of stored coefficients: float64 or float32 (default %(default)s)")
    make_one.add_argument("--out", metavar="FOLDER",
                          help="the sketch's folder; what is finished there is not done again")
    make_one.add_argument("--dry-run", action="store_true",
                          help="only tell what time, disk and memory it would take")

    look = command("info", info_command)
    look.add_argument("--check", action="store_true",
                      help="verify every checksum; exit code 1 if anything is damaged or unfinished")
    measure, predict, validate = (command("measure", measure_command), command("predict", predict_command),
                                  command("validate", validate_command))
    measure.add_argument("--save", metavar="FILE", help="the coefficients of every direction, as .npz")
    predict.add_argument("--weight", type=float, default=0.0,
                         help="what is left of the set's weight (default %(default)s: deleted)")
    validate.add_argument("--sets", type=positive,
                          help="random sets to retrain without (default 20, or none where --delete is given)")
    validate.add_argument("--size", type=float, default=0.01,
                          help="units in each of them, or below 1 the part of all (default %(default)s)")
    validate.add_argument("--seed", type=int, default=0, help="of the random sets (default %(default)s)")
    validate.add_argument("--max-error", type=float, help="exit with code 1 if the error is larger")
    validate.add_argument("--min-correlation", type=float,
                          help="exit with code 1 if the correlation is smaller")
    for sub in (predict, validate):
        sub.epilog, sub.formatter_class = SETS, argparse.RawDescriptionHelpFormatter
        sub.add_argument("--delete", metavar="SET", action="append", required=sub is predict,
                         help="what to delete, such as anna, 'ann*' or '#3': see below; again for more sets")
        sub.add_argument("--decoder", help="such as 'mean' or 'median of means'")
    for sub in (measure, predict, validate):
        sub.add_argument("--measure", metavar="WHAT", action="append", required=True,
                         help="such as 'loss:max', 'probability:max', or module:function of the parameters; again for more")
        sub.add_argument("--plot", metavar="FILE", help="draw a picture (needs matplotlib)")
    for sub in (look, measure, predict, validate):
        sub.add_argument("folder", help="the sketch's folder")
    for sub in (make_one, measure, predict, validate):
        sub.add_argument("--threads", type=positive, help="default: the machine's cores")
        add_learner(sub.add_argument_group("the learner" if sub is make_one
                                           else "the learner, where it is not to be made as the folder says"))
    join = command("merge", merge_command)
    join.add_argument("folders", nargs="+", metavar="folder")
    join.add_argument("--out", metavar="FOLDER", required=True)
    return top


def positive(text):
    """A whole number of at least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def add_learner(group):
    group.add_argument("--learner", metavar="MODULE:FUNCTION",
                       help=f"function that returns a Learner (default {DEFAULT})")
    group.add_argument("--names", metavar="FILE",
                       help="names to train on, one a line (default: the shipped US Census names)")
    group.add_argument("--steps", type=positive, help="of the training")
    group.add_argument("--units", metavar="FUNCTION",
                       help="of a name: what gets deleted, such as first_letter")
    group.add_argument("--argument", metavar="NAME=VALUE", action="append",
                       help="any other argument of the function; the value as JSON, or text")


# the commands -----------------------------------------------------------------------------------------------

def precompute_command(options):
    """Push random directions through a training."""
    learner = make(options.learner or DEFAULT, **given_arguments(options))
    if options.out is None and not options.dry_run:
        raise LearnerError("--out FOLDER is needed, or --dry-run to ask what it would cost")
    start = time.perf_counter()
    made = precompute(learner, options.directions, options.degree, options.seed, design=options.design,
                      out=options.out, threads=options.threads, dtype=options.dtype, dry_run=options.dry_run,
                      progress=not options.quiet)
    if options.dry_run:
        show(options.json, vars(made) | {"seconds": made.seconds, "core_seconds": made.core_seconds},
             str(made))
        return 0
    facts = summary(made.folder)
    show(options.json, facts, f"{facts['directions']} directions of degree {facts['degree']} over "
         f"{facts['units']:,} units in {options.out}: "
         f"{size(facts['bytes'])}, {duration(time.perf_counter() - start)}")
    return 0


def info_command(options):
    """Say what a sketch's folder holds."""
    folder = Folder.open(options.folder)
    facts = summary(folder)
    names = dict.fromkeys((*other_forms(folder.facts), *folder.arrays))
    troubles = [t for t in (folder.trouble(name, thorough=options.check) for name in names) if t]
    if facts["finished"] < facts["blocks"]:
        missing = facts["blocks"] - facts["finished"]
        troubles.append(f"{missing:,} of {facts['blocks']:,} blocks are not finished")
    recipe = folder.manifest["learner"].get("recipe")
    rows = [("learner", "unknown (made in Python)" if recipe is None else described(recipe)),
            *((name, value) for name, value in facts.items() if name not in ("bytes", "core_seconds")),
            ("size", size(facts["bytes"])), ("time of one core", duration(facts["core_seconds"])),
            ("made with",
             ", ".join(f"{name} {number}" for name, number in folder.manifest["versions"].items())),
            ("fingerprint", folder.manifest["fingerprint"][:16])]
    show(options.json,
         facts | {"learner": folder.manifest["learner"], "versions": folder.manifest["versions"],
                  "fingerprint": folder.manifest["fingerprint"], "troubles": troubles},
         table(None, rows) + "\nevery file is as it was written: all well" * (options.check and not troubles))
    for trouble in troubles:
        print(f"sketch: {printable(trouble)}", file=sys.stderr)
    return 1 if troubles and options.check else 0


def measure_command(options):
    """Measure the trained model, and how strongly each order moves it."""
    sketch, asked = opened(options)
    rows, saved = [], {}
    for text, measure in asked.items():
        measured = sketch.measure(measure, options.threads)
        saved |= {f"{text} value": measured.value, f"{text} coefficients": measured.coefficients}
        invariant = sketch.directions.design in UNITARILY_INVARIANT
        balanced = roots(sketch.directions.dimension, sketch.degree) if invariant else 1.0
        for label, index in entries(text, measured.value):
            sizes = np.sqrt(np.mean(np.abs(measured.coefficients[(..., *index)]) ** 2, axis=0)) * balanced
            rows.append({"measurement": label, "trained": measured.value[index], "sizes": sizes})
    if options.save:
        np.savez(options.save, directions=sketch.directions.psi, **saved)
    meaning = "norm of T_r" if sketch.directions.design in UNITARILY_INVARIANT else "root mean square of c_r"
    show(options.json, {"size": meaning, "rows": rows},
         table(["measurement", "as trained", *(f"order {r + 1}" for r in range(sketch.degree))],
               [[r["measurement"], r["trained"], *r["sizes"]] for r in rows]) + f"\n(by order: {meaning})")
    if options.plot:
        plots.orders(rows, meaning, options.plot)
    return 0


def predict_command(options):
    """Predict measurements of the model retrained without sets of examples."""
    sketch, asked = opened(options)
    sets = {text: deletion_set(sketch.learner, text) for text in options.delete}
    how = {"weight": options.weight} | ({"decoder": options.decoder} if options.decoder else {})
    rows = []
    for text, measure in asked.items():
        measured = sketch.measure(measure, options.threads)
        for name, units in sets.items():
            rows += predicted(measured, text, name, units, how)
    show(options.json, {"rows": rows}, prediction_table(rows))
    if options.plot:
        plots.predictions(rows, options.plot)
    return 0


def validate_command(options):
    """Retrain without a sample of sets, and compare with what the sketch predicts."""
    sketch, asked = opened(options)
    learner = sketch.learner
    sets = {text: deletion_set(learner, text) for text in options.delete or ()}
    sets |= sampled(learner, options.sets if options.sets is not None else 0 if sets else 20, options.size,
                    options.seed)
    how = {"decoder": options.decoder} if options.decoder else {}
    theta = retrain(learner, list(sets.values()), threads=options.threads, progress=not options.quiet)
    rows, scores = [], []
    for text, measure in asked.items():
        measured, truth = sketch.measure(measure,
                                         options.threads), evaluate(learner.measurement(measure), [theta])[0]
        here = [row | {"retrained": true[row["index"]]} for (name, units), true in zip(sets.items(), truth)
                for row in predicted(measured, text, name, units, how)]
        scores += [score([row for row in here if row["measurement"] == label]) for label,
                   _ in entries(text, measured.value)]
        rows += here
    show(options.json, {"rows": rows, "scores": scores}, prediction_table(rows)
         + "\n\n" + table(["measurement", "correlation", "error", "covered", "of"],
                          [[s["measurement"], s["correlation"], s["error"], f"{s['covered']:.0%}",
                            f"{s['level']:.0%} intervals"] for s in scores])
         + "\n(error: sum of |predicted - retrained| over sum of |true change|; of no change it is 1)")
    if options.plot:
        plots.validation(rows, options.plot)
    return failed(scores, options)


def merge_command(options):
    """Make one sketch of several of the same learner."""
    facts = summary(merge(options.folders, options.out).folder)
    show(options.json, facts, f"{facts['directions']} directions in {options.out}: {size(facts['bytes'])}")
    return 0


# what they share --------------------------------------------------------------------------------------------

def given_arguments(options):
    """The arguments of the learner's factory that stand on the command line."""
    given = {"path": options.names and os.path.abspath(options.names), "steps": options.steps,
             "units": options.units and {"function": options.units}}
    given = {name: value for name, value in given.items() if value is not None}
    for text in options.argument or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise LearnerError(f"--argument {text}: expected name=value")
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    return given


def opened(options):
    """(the sketch in the folder, with its learner; {text: measurement})."""
    recipe = Folder.open(options.folder).manifest["learner"].get("recipe")
    if options.learner is None and recipe is None:
        raise LearnerError(
            f"{options.folder} does not say how to make its learner: give --learner module:function")
    if options.learner is None:
        learner = requested(recipe, given_arguments(options))
    else:
        learner = make(options.learner, **given_arguments(options))
    return load(options.folder, learner), {text: measurement(learner, text) for text in options.measure}


def summary(folder):
    """A folder's facts for people."""
    kept = ("directions", "design", "seed", "degree", "units", "parameters", "dtype")
    return {name: folder.facts[name] for name in kept} | {
        "blocks": folder.block_count, "finished": len(folder.finished()), "bytes": folder.size(),
        "core_seconds": round(folder.seconds(), 3)}


def failed(scores, options):
    """The exit code of a validation: 1, and a line for each reason, if a score misses what the user asks
    for."""
    reasons = [f"error {s['error']:.3g} of {s['measurement']} is above {options.max_error}" for s in scores
               if options.max_error is not None and not s["error"] <= options.max_error]
    reasons += [f"correlation {s['correlation']:.3g} of {s['measurement']} is below {options.min_correlation}"
                for s in scores if options.min_correlation is not None
                and not s["correlation"] >= options.min_correlation]
    for reason in reasons:
        print(f"sketch: check failed: {reason}", file=sys.stderr)
    return 1 if reasons else 0
