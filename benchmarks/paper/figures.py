"""What the paper's three figures share: their options, the question they ask, where their sketches are kept.

The question: what is the loss on a document that was never trained on, had the names with an 'x' not been
there? The setting is that of Gunn, How to sketch a learning algorithm (arXiv 2604.07328): microgpt, one name
a step, 1,000 steps.
"""
import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from circuit import InputError
from deletion import precompute
from circuit.checks import whole_number
from microgpt import names

from . import harness
from .truth import Bank

QUICK = {"steps": 40, "letter": "an"}
"""What every figure takes for less where nothing is said; what is deleted then occurs in a few dozen names of
any list."""

LIST = ("The paper's list of names is names.txt of Karpathy's makemore repository (32,033 names); it is "
        "not " "ours to ship: save it, "
        "and give it as --names FILE. Killed at any moment, the same command goes on "
        "from what is in its folder.")

SHADES = ("#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b")
"""Of curves of degree 1, 2, ..."""


def parser(name, doc, full=None, quick=None):
    """The options of a figure.   full, quick: what it takes where nothing is said."""
    made = harness.parser(name, doc, names=None, steps=None, directions=None, degree=None, seed=0,
                          quick=False, out="results")
    made.add_argument("--letter", metavar="TEXT", help="names with it are deleted (default x)")
    made.add_argument("--document", metavar="NAME", default="max",
                      help="measured; none that is trained on (default %(default)s)")
    made.epilog = LIST + (f" Otherwise: {said(full)}; with --quick: {said(quick)}." if full else "")
    return made


def said(values):
    return ", ".join(f"--{name} {value}" for name, value in values.items())


@dataclass(frozen=True)
class Figure:
    """One of the three.

    full, quick   options it takes where nothing is said;   least: the smallest that make sense
    found         found(question) -> its results by name
    report        report(question, results) prints them
    columns       columns(results) -> (header, rows) of the CSV
    draw          draw(question, results, pyplot) -> the picture
    """
    name: str
    doc: str
    full: dict
    quick: dict
    least: dict
    found: Callable
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
        results = self.found(question)
        self.report(question, results)
        run.finish(*self.columns(results), lambda pyplot: self.draw(question, results, pyplot), **results)
        return 0

    def settled(self, options):
        """The options, with what it takes where nothing was said."""
        given = {name: value for name, value in vars(options).items() if value is not None}
        values = {"names": None, "steps": 1000,
                  "letter": "x"} | self.full | (QUICK | self.quick if options.quick else {}) | given
        return argparse.Namespace(**values)


class Question:
    """Which names are deleted, what is measured, and the answers that need no sketch.

    learner      microgpt on the names
    deleted      the units whose names have the letter;   downweight: their indicator (units,)
    measure      the loss on the document, nats per token
    bank         of exact retrainings
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
            raise InputError(
                f"{self.document!r} is one of the training names: choose a --document that is none")
        self.folder = harness.output_folder(options.out)
        self.downweight, self.bank = learner.downweight(self.deleted), Bank(learner, self.folder / "truth")
        self.said = f"the {len(self.deleted)} names with {options.letter!r}" if len(
            self.deleted) > 1 else f"the name with {options.letter!r}"
        print(f"{harness.machine()}; {options.names or 'US Census names'}: {learner.layout.size:,} "
              f"parameters, {options.steps:,} steps, "
              f"deleted: {self.said} of {learner.unit_count:,}, measured: loss on {self.document!r}")

    def pushed(self, directions, degree, **options):
        """(measured, seconds): a sketch of some directions, and what its blocks took when they were made, of
        one core each.

        It is kept in a folder that is named by all it depends on: killed, the same command goes on from
        there.
        """
        psi = getattr(directions, "psi", np.array(directions))
        name = harness.digest(self.learner.fingerprint(), psi.astype(complex),
                              repr((degree, sorted(options.items()))))
        sketch = precompute(self.learner, directions, degree, out=self.folder / "sketches" / name, **options)
        return sketch.measure(self.measure), sketch.seconds()

    def retrained(self, downweights):
        """The loss (k,) after exact retraining, each at some of the downweight of the names: weights 1 - u of
        D for u in (k,)."""
        return self.bank.measured(np.outer(downweights, self.downweight), self.measure)
