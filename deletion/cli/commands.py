"""The commands: sketch ask | precompute | info | measure | predict | validate | report | merge.

Every command is a function of its options (options.py). It prints a table, or JSON, and returns its exit
code.
"""
import logging
import os
import sys
import time
from dataclasses import asdict

import numpy as np

from circuit import InputError, evaluate
from circuit.errors import LearnerError
from circuit.progress import duration, silence

from . import plots
from .options import DEFAULT_LEARNER, factory_arguments, parser
from .recipe import described, make, requested, restrict_imports
from .scoring import entries, prediction_rows, rows_of, sampled_sets, score
from .selection import deletion_set, measurement, own_kinds
from .tables import prediction_table, printable, score_table, show, table
from ..asking.ask import ask
from ..directions.directions import UNITARILY_INVARIANT
from ..gradients.metagradient import metagradient
from ..learner.retrain import retrain
from ..report.page import report
from ..sketch.estimate import size
from ..sketch.merge import merge
from ..sketch.pulled import PulledSketch
from ..sketch.sketch import load, precompute
from ..storage.arrays import other_forms
from ..storage.bank import checked_bank
from ..storage.blocks import roots
from ..storage.store import Folder


def run(arguments=None):
    """Call a command and return its exit code.

    0: success. 1: a check failed. 2: wrong input, which one line explains. 130: interrupted.
    """
    try:
        code = main(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:      # the reader of the output has stopped reading
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (InputError, OSError) as error:
        print(f"sketch: error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sketch: interrupted; blocks finished so far are kept, and the same command continues from "
              "there", file=sys.stderr)
        return 130


def main(arguments):
    """Parse a command line and call its command."""
    options = parser(COMMANDS).parse_args(arguments)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("deletion").setLevel(logging.WARNING if options.quiet else logging.INFO)
    folders = [*getattr(options, "folders", ()), getattr(options, "folder", None),
               getattr(options, "out", None)]
    restrict_imports([folder for folder in folders if folder])
    with silence(options.quiet):
        return options.command(options)


# asking -----------------------------------------------------------------------------------------------------

def ask_command(options):
    """Answer by whatever way is worth its cost: retraining, gradients, or both."""
    learner = make(options.learner or DEFAULT_LEARNER, **factory_arguments(options))
    sets = {text: deletion_set(learner, text) for text in options.delete}
    kinds = own_kinds(learner) if options.kinds else None
    sketch = None if options.sketch is None else load(options.sketch, learner)
    limits = {"trainings": options.trainings, "seconds": options.seconds, "tolerance": options.tolerance}
    rows, told, data = [], [], {}
    for text in options.measure:
        answer = ask(learner, list(sets.values()), measurement(learner, text), weight=options.weight,
                     bank=options.bank, seed=options.seed, threads=options.threads, dry_run=options.dry_run,
                     kinds=kinds, sketch=sketch, progress=not options.quiet, **limits)
        made = answer if options.dry_run else answer.strategy
        told.append(f"{text}: {made}")
        data[text] = asdict(made)
        if not options.dry_run:
            data[text] |= {"trainings": made.trainings, "reached": made.reached}
            for k, (name, units) in enumerate(sets.items()):
                rows += rows_of(answer.row(k), learner, text, name, units)
    content = {"estimates": data} if options.dry_run else {"rows": rows, "strategies": data}
    show(options.json, content, "\n\n".join(([] if options.dry_run else [prediction_table(rows)]) + told))
    return 0


# making a sketch --------------------------------------------------------------------------------------------

def precompute_command(options):
    """Push random directions through a training."""
    learner = make(options.learner or DEFAULT_LEARNER, **factory_arguments(options))
    if options.out is None and not options.dry_run:
        raise LearnerError("--out FOLDER is needed, or --dry-run to see what it would cost")
    start = time.perf_counter()
    made = precompute(learner, options.directions, options.degree, options.seed, design=options.design,
                      out=options.out, threads=options.threads, dtype=options.dtype, dry_run=options.dry_run,
                      kinds=own_kinds(learner) if options.kinds else None, bank=options.bank,
                      progress=not options.quiet)
    if options.dry_run:
        content = vars(made) | {"seconds": made.seconds, "core_seconds": made.core_seconds}
        show(options.json, content, str(made))
        return 0
    facts = summary(made.folder)
    show(options.json, facts, f"{facts['directions']} directions of degree {facts['degree']} over "
         f"{facts['units']:,} units in {options.out}: "
         f"{size(facts['bytes'])}, {duration(time.perf_counter() - start)}")
    return 0


def merge_command(options):
    """Merge several sketches of the same learner into one."""
    facts = summary(merge(options.folders, options.out).folder)
    show(options.json, facts, f"{facts['directions']} directions in {options.out}: {size(facts['bytes'])}")
    return 0


def info_command(options):
    """Describe the sketch in a folder."""
    folder = Folder.open(options.folder)
    facts, manifest = summary(folder), folder.manifest
    names = dict.fromkeys((*other_forms(folder.facts), *folder.arrays))
    troubles = [t for t in (folder.trouble(name, thorough=options.check) for name in names) if t]
    if facts["finished"] < facts["blocks"]:
        missing = facts["blocks"] - facts["finished"]
        troubles.append(f"{missing:,} of {facts['blocks']:,} blocks are not finished")
    well = "\nevery file is as it was written: all well" if options.check and not troubles else ""
    content = facts | {name: manifest[name] for name in ("learner", "versions", "fingerprint")}
    show(options.json, content | {"troubles": troubles}, table(None, description(facts, manifest)) + well)
    for trouble in troubles:
        print(f"sketch: {printable(trouble)}", file=sys.stderr)
    return 1 if troubles and options.check else 0


def description(facts, manifest):
    """The rows (name, value) that describe a sketch."""
    recipe = manifest["learner"].get("recipe")
    versions = ", ".join(f"{name} {number}" for name, number in manifest["versions"].items())
    return [("learner", "unknown (made in Python)" if recipe is None else described(recipe)),
            *((name, value) for name, value in facts.items() if name not in ("bytes", "core_seconds")),
            ("size", size(facts["bytes"])), ("time of one core", duration(facts["core_seconds"])),
            ("made with", versions), ("fingerprint", manifest["fingerprint"][:16])]


def summary(folder):
    """The facts of a folder that are of interest to people."""
    shown = ("cotangents", "directions", "design", "seed", "degree", "units", "parameters", "dtype")
    return {name: folder.facts[name] for name in shown if name in folder.facts} | {
        "blocks": folder.block_count, "finished": len(folder.finished()), "bytes": folder.size(),
        "core_seconds": round(folder.seconds(), 3)}


# asking a sketch --------------------------------------------------------------------------------------------

def open_sketch(options):
    """The sketch in the folder, with its learner, and {text: measurement}."""
    recipe = Folder.open(options.folder).manifest["learner"].get("recipe")
    if options.learner is not None:
        learner = make(options.learner, **factory_arguments(options))
    elif recipe is not None:
        learner = requested(recipe, factory_arguments(options))
    else:
        raise LearnerError(
            f"{options.folder} does not say how to make its learner: give --learner module:function")
    sketch = load(options.folder, learner)
    if isinstance(sketch, PulledSketch) and getattr(options, "decoder", None):
        raise LearnerError(f"--decoder {options.decoder}: {options.folder} holds cotangents, which are not "
                           "decoded; leave it out")
    return sketch, {text: measurement(learner, text) for text in options.measure}


def measure_command(options):
    """Measure the trained model, and the size of each order's effect."""
    sketch, measurements = open_sketch(options)
    if isinstance(sketch, PulledSketch):
        raise LearnerError(f"{options.folder} holds cotangents, and no coefficients along directions to "
                           "show: ask for predictions, with the command predict or validate")
    invariant = sketch.directions.design in UNITARILY_INVARIANT
    factors = roots(sketch.directions.dimension, sketch.degree) if invariant else 1.0
    rows, saved = [], {}
    for text, measure in measurements.items():
        measured = sketch.measure(measure, options.threads)
        saved |= {f"{text} value": measured.value, f"{text} coefficients": measured.coefficients}
        for label, index in entries(text, measured.value):
            coefficients = measured.coefficients[(..., *index)]
            sizes = np.sqrt(np.mean(np.abs(coefficients) ** 2, axis=0)) * factors
            rows.append({"measurement": label, "trained": measured.value[index], "sizes": sizes})
    if options.save:
        np.savez(options.save, directions=sketch.directions.psi, **saved)
    meaning = "norm of T_r" if invariant else "root mean square of c_r"
    header = ["measurement", "as trained", *(f"order {r + 1}" for r in range(sketch.degree))]
    cells = [[row["measurement"], row["trained"], *row["sizes"]] for row in rows]
    show(options.json, {"size": meaning, "rows": rows}, table(header, cells) + f"\n(by order: {meaning})")
    if options.plot:
        plots.orders(rows, meaning, options.plot)
    return 0


def predict_command(options):
    """Predict measurements of the model retrained without sets of examples."""
    sketch, measurements = open_sketch(options)
    sets = {text: deletion_set(sketch.learner, text) for text in options.delete}
    how = {"weight": options.weight} | decoder_option(options)
    rows = []
    for text, measure in measurements.items():
        measured = sketch.measure(measure, options.threads)
        for name, units in sets.items():
            rows += prediction_rows(measured, text, name, units, how)
    show(options.json, {"rows": rows}, prediction_table(rows))
    if options.plot:
        plots.predictions(rows, options.plot)
    return 0


def validate_command(options):
    """Retrain without a sample of sets, and compare with what the sketch predicts."""
    sketch, measurements = open_sketch(options)
    learner = sketch.learner
    sets = {text: deletion_set(learner, text) for text in options.delete or ()}
    count = options.sets or (0 if sets else 20)
    sets |= sampled_sets(learner, count, options.size, options.seed)
    theta = retrain(learner, list(sets.values()), threads=options.threads, bank=checked_bank(options.bank),
                    progress=not options.quiet)
    rows, scores = [], []
    for text, measure in measurements.items():
        measured = sketch.measure(measure, options.threads)
        retrained = evaluate(learner.measurement(measure), [theta])[0]
        compared = []
        for (name, units), true in zip(sets.items(), retrained):
            predicted = prediction_rows(measured, text, name, units, decoder_option(options))
            compared += [row | {"retrained": true[row["index"]]} for row in predicted]
        scores += [score([row for row in compared if row["measurement"] == label])
                   for label, _ in entries(text, measured.value)]
        rows += compared
    show(options.json, {"rows": rows, "scores": scores}, f"{prediction_table(rows)}\n\n{score_table(scores)}")
    if options.plot:
        plots.validation(rows, options.plot)
    return checked(scores, options)


def report_command(options):
    """Write a page that answers in the browser: units are clicked, predictions follow."""
    sketch, measurements = open_sketch(options)
    measured = {text: sketch.measure(measure, options.threads) for text, measure in measurements.items()}
    labels = [label for text, one in measured.items() for label, _ in entries(text, one.value)]
    how = {"names": labels, "level": options.level} | ({"title": options.title} if options.title else {})
    if options.over_time:
        how["over_time"] = [metagradient(sketch.learner, measure, by_step=True, threads=options.threads,
                                         progress=not options.quiet) for measure in measurements.values()]
    path = report(list(measured.values()), options.out, **how)
    facts = {"file": str(path), "bytes": path.stat().st_size, "units": sketch.learner.unit_count,
             "measurements": labels}
    show(options.json, facts, f"{path}: {size(facts['bytes'])}, {facts['units']:,} units, "
                              f"{len(labels)} measurement{'s' * (len(labels) > 1)}")
    return 0


def decoder_option(options):
    """The decoder as an argument of predictions, if the command line names one."""
    return {"decoder": options.decoder} if options.decoder else {}


def checked(scores, options):
    """The exit code of a validation: 1, with a line for each reason, if a score misses what was asked for."""
    reasons = [f"error {s['error']:.3g} of {s['measurement']} is above {options.max_error}" for s in scores
               if options.max_error is not None and not s["error"] <= options.max_error]
    reasons += [f"correlation {s['correlation']:.3g} of {s['measurement']} is below {options.min_correlation}"
                for s in scores if options.min_correlation is not None
                and not s["correlation"] >= options.min_correlation]
    for reason in reasons:
        print(f"sketch: check failed: {reason}", file=sys.stderr)
    return 1 if reasons else 0


COMMANDS = {"ask": ask_command, "precompute": precompute_command, "info": info_command,
            "measure": measure_command, "predict": predict_command, "validate": validate_command,
            "report": report_command, "merge": merge_command}
