"""What the paper's three figures share: their options, the question they ask, where their sketches are kept.

The question: what is the loss on a document that was never trained on, had the names with an 'x' not been
there? The setting is that of Gunn, How to sketch a learning algorithm (arXiv 2604.07328): microgpt, one name
a step, 1,000 steps.
"""
import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from circuit import InputError
from circuit.checks import whole_number
from deletion import precompute
from microgpt import names

from . import harness
from .truth import Truth

QUICK = {"steps": 40, "letter": "an"}
"""Defaults of all figures with --quick; the letters that are deleted then occur in a few dozen names of any
list."""

LIST = ("The paper's list of names is names.txt of Karpathy's makemore repository (32,033 names), which is "
        "not ours to ship: save it, and give it as --names FILE. An interrupted command continues from what "
        "is in its folder.")

SHADES = ("#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b")
"""Of curves of degree 1, 2, ..."""


def parser(name, doc, full=None, quick=None):
    """The options of a figure.   full, quick: its defaults, without and with --quick."""
    made = harness.parser(name, doc, names=None, steps=None, directions=None, degree=None, seed=0,
                          quick=False, out="results")
    made.add_argument("--letter", metavar="TEXT", help="names with it are deleted (default x)")
    made.add_argument("--document", metavar="NAME", default="max",
                      help="measured; none that is trained on (default %(default)s)")
    made.epilog = LIST + (f" Defaults: {spelled(full)}; with --quick: {spelled(quick)}." if full else "")
    return made


def spelled(values):
    """Options as one writes them on the command line."""
    return ", ".join(f"--{name} {value}" for name, value in values.items())


@dataclass(frozen=True)
class Figure:
    """One of the three.

    full, quick   defaults of its options, without and with --quick;   least: the smallest that make sense
    compute       compute(question) -> its results by name
    report        report(question, results) prints them
    columns       columns(results) -> (header, rows) of the CSV
    draw          draw(question, results, pyplot) -> the picture
    """
    name: str
    doc: str
    full: dict
    quick: dict
    least: dict
    compute: Callable
    report: Callable
    columns: Callable
    draw: Callable

    def main(self):
        return self.run(parser(self.name, self.doc, self.full, self.quick).parse_args())

    def run(self, options):
        """Make it, and leave its files."""
        options = self.settled(options)
        for name, least in self.least.items():
            whole_number(getattr(options, name), f"--{name}", least)
        run, question = harness.Run(self.name, options), Question(options)
        results = self.compute(question)
        self.report(question, results)
        run.finish(*self.columns(results), {self.name: partial(self.draw, question, results)}, **results)
        return 0

    def settled(self, options):
        """The options, with defaults where none were given."""
        given = {name: value for name, value in vars(options).items() if value is not None}
        defaults = {"names": None, "steps": 1000, "letter": "x"} | self.full
        quick = QUICK | self.quick if options.quick else {}
        return argparse.Namespace(**defaults | quick | given)


class Question:
    """Which names are deleted, what is measured, and the answers that need no sketch.

    learner      microgpt on the names
    deleted      the units whose names have the letter;   downweight: their indicator (units,)
    measure      the loss on the document, nats per token
    description  "the 18 names with 'x'";   bank: of exact retrainings
    """

    def __init__(self, options):
        whole_number(options.seed, "a seed", 0)
        self.options, self.learner = options, names(options.names, steps=options.steps)
        learner, self.document = self.learner, options.document
        if not options.letter:
            raise InputError("--letter is empty: all names would be deleted")
        self.deleted = [unit for unit, name in zip(learner.units, learner.documents)
                        if options.letter in name]
        if not self.deleted:
            raise InputError(f"none of the {len(learner.documents)} training names has {options.letter!r}: "
                             "choose another --letter")
        self.measure = learner.loss_on(self.document)
        if self.document in learner.documents:
            raise InputError(f"{self.document!r} is one of the training names: choose another --document")
        self.folder = harness.output_folder(options.out)
        self.downweight, self.bank = learner.downweight(self.deleted), Truth(learner, self.folder / "truth")
        count = f"the {len(self.deleted)} names" if len(self.deleted) > 1 else "the name"
        self.description = f"{count} with {options.letter!r}"
        print(f"{harness.machine()}; {options.names or 'US Census names'}: {learner.layout.size:,} "
              f"parameters, {options.steps:,} steps, "
              f"deleted: {self.description} of {learner.unit_count:,}, measured: loss on {self.document!r}")

    def pushed(self, directions, degree, **options):
        """(measured, seconds): a sketch of some directions, and what its blocks took when they were made, of
        one core each.

        It is kept in a folder whose name depends on all that it depends on, so that an interrupted command
        continues there.
        """
        psi = getattr(directions, "psi", np.array(directions))
        name = harness.digest(self.learner.fingerprint(), psi.astype(complex),
                              repr((degree, sorted(options.items()))))
        sketch = precompute(self.learner, directions, degree, out=self.folder / "sketches" / name, **options)
        return sketch.measure(self.measure), sketch.seconds()

    def retrained(self, downweights):
        """The loss (k,) after exact retraining with weights 1 - u for the deleted names, u in downweights
        (k,)."""
        return self.bank.measured(np.outer(downweights, self.downweight), self.measure)
