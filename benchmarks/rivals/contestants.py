"""Who takes part in the comparison, and where: learners with measurements and deletion sets, and every method
with its settings there."""
from dataclasses import dataclass, replace
from functools import partial
from typing import Callable, Optional

import numpy as np

from deletion import LeaveOneOuts, Method, NoChange, Sketched, SketchedModel
from deletion.curvature.shared import once
from deletion.influence import PBRF, BayesianInfluence, ByMetagradient, Homotopy, Influence, NewtonStep
from deletion.unlearning import (CertifiedRemoval, Descent, GradientAscent, MinMax, NaturalGradient, Rewind,
                                 estimated)
from microgpt import names

from .learners import bounded_cancer, breast_cancer, diabetes, digits

RANDOM = {"1%": 100, "5%": 20, "20%": 5}
"""Kinds of random sets: the learner's number of units is divided by this."""


@dataclass(frozen=True)
class Arena:
    """A learner to compare methods on.

    make        make() -> learner;   asked(learner, count, seed) -> that many scalar measurements
    group       (what it is, group(learner) -> labels): a class to delete
    damping     of methods with the Gauss-Newton matrix, on the sum scale;   convex: whether training comes
                near a unique minimum
    directions  of the sketch
    """
    make: Callable
    asked: Callable
    group: tuple
    damping: float
    convex: bool
    directions: int


@dataclass(frozen=True)
class Entry:
    """A method in the comparison.

    family   'reference', 'sketch', 'first order', 'second order' or 'unlearning': the colour of its marker
    aim      the name of the method whose answers it approximates by its own account; None for retraining
    few      whether it is too expensive for all sets: it then answers the first FEW of each kind
    """
    method: Method
    family: str
    aim: Optional[str] = None
    few: bool = False


CONVEX_ONLY = {"descent-to-delete"}
"""Methods that need constants, which are estimated only where training is convex."""

FEW = 2
"""Sets of each kind for methods that take minutes for one."""


def held_out_losses(learner, count, seed):
    chosen = np.random.default_rng(seed).choice(len(learner.held_out), count, replace=False)
    return [learner.loss_on(learner.held_out[i] if hasattr(learner, "documents") else int(i)) for i in chosen]


def labelled(value):
    """The training examples of one class."""
    return lambda learner: [i for i, (_, y) in enumerate(learner.examples) if y == value]


def highest_tenth(learner):
    targets = np.array([y for _, y in learner.examples])
    return np.flatnonzero(targets >= np.quantile(targets, 0.9)).tolist()


def with_x(learner):
    return [i for i, name in enumerate(learner.documents) if "x" in name]


HIGHEST, MALIGNANT = ("the highest tenth", highest_tenth), ("malignant", labelled(-1.0))
THREES, LETTER = ("all threes", labelled(3)), ("with an x", with_x)

ARENAS = {
    "least squares": Arena(diabetes, held_out_losses, HIGHEST, 0.0, True, 342),
    "ridge": Arena(lambda: diabetes(penalty=10.0 / 342.0), held_out_losses, HIGHEST, 0.0, True, 342),
    "logistic regression": Arena(breast_cancer, held_out_losses, MALIGNANT, 0.0, True, 469),
    "bounded logistic": Arena(bounded_cancer, held_out_losses, MALIGNANT, 0.0, True, 469),
    "digits": Arena(digits, held_out_losses, THREES, 10.0, False, 500),
    "microgpt": Arena(names, held_out_losses, LETTER, 10.0, False, 500),
}


class OneSketch:
    """A sketched method that makes its sketch of a learner once for all methods with the same settings; every
    answer states the whole cost."""

    def _sketch(self, learner):
        settings = self.directions, self.degree, self.seed, repr(sorted(self.options.items()))
        return once(learner._kept, ("sketch", *settings), partial(super()._sketch, learner))


class Sketch(OneSketch, Sketched):
    pass


class SketchModel(OneSketch, SketchedModel):
    pass


def widened(learner):
    """Constants estimated at the trained parameters, with room for what deletion does to them."""
    constants = estimated(learner)
    return replace(constants, smoothness=1.5 * constants.smoothness, convexity=constants.convexity / 1.5,
                   how=f"{constants.how}; widened by half")


def entries(arena, learner):
    """{name: Entry} of every method, with its settings for an arena."""
    steps, optimum = len(learner.steps), "8 Newton steps"
    bayesian = (BayesianInfluence() if arena.convex
                else BayesianInfluence(50, 50, gamma=arena.damping, chains=4, thin=2))
    made = {
        "no change": Entry(NoChange(), "reference"),
        "sum of leave-one-outs": Entry(LeaveOneOuts(), "reference"),
        "sketch": Entry(Sketch(arena.directions), "sketch"),
        "sketched model": Entry(SketchModel(arena.directions), "sketch"),
        "metagradient": Entry(ByMetagradient(), "first order"),
        "influence, Hessian": Entry(Influence(), "first order", optimum),
        "influence, Gauss-Newton": Entry(Influence("gauss-newton", arena.damping), "first order", "PBRF"),
        "Bayesian influence": Entry(bayesian, "first order", optimum),
        "Newton step": Entry(NewtonStep(), "second order", optimum),
        "8 Newton steps": Entry(NewtonStep(8), "second order"),
        "homotopy": Entry(Homotopy(), "second order", optimum),
        "PBRF": Entry(PBRF(arena.damping), "second order", None, not arena.convex),
        "natural gradient": Entry(NaturalGradient(arena.damping), "unlearning", optimum, not arena.convex),
        "min/max natural gradient": Entry(MinMax(damping=arena.damping), "unlearning", None,
                                          not arena.convex),
        "certified removal": Entry(CertifiedRemoval(), "unlearning", optimum),
        "gradient ascent": Entry(GradientAscent(), "unlearning"),
    }
    if arena.convex:
        made["descent-to-delete"] = Entry(Descent(widened(learner), max(1, steps // 10)), "unlearning",
                                          optimum)
    for share in (10, 2):
        made[f"rewind 1/{share}"] = Entry(Rewind(steps // share), "unlearning")
    return made
