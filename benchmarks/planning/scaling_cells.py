"""The models of benchmarks.scaling, and what is measured of each: costs, terms, errors, verdicts."""
import random
import tempfile
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from circuit import evaluate
from deletion import Adam, Learner, LinearDecay, ModelLoss, given, precompute, retrain
from deletion.sketch.stability import decay
from deletion.trust.calibration import SETS as CALIBRATION
from deletion.trust.calibration import calibrate, sets_of
from microgpt import Shape, Tokenizer, read_names
from microgpt.data import initial_parameters
from microgpt.learner import DocumentLoss
from microgpt.model import mean_loss, predictions

from . import harness
from .learners import bundled
from .networks import minibatches
from .speed_models import cost, perceptron, scores
from .truth import Several, error, random_sets

SHARES, DEGREE, DEEP = (0.01, 0.05, 0.2), 3, 4
"""Of the units, deleted; the sketch's degree, and that of exact pushes."""

HELD_OUT = 10
"""Held-out names or images, whose losses are measured."""


class Effort(NamedTuple):
    """How many units there are, random sets of each size, and how many of these are pushed exactly."""
    units: int = 100
    sets: int = 24
    pushed: int = 8


# what is trained --------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Microgpt:
    """microgpt as the paper trains it, but for its size, the training's length and the learning rate."""
    width: int = 16
    layers: int = 1
    names: int = 500
    steps: int = 500
    rate: float = 0.01
    seed: int = 1

    def make(self, units):
        """(the learner, the losses on held-out names): names are dealt out to units in turn."""
        documents, generator = read_names(), random.Random(self.seed)
        tokenizer = Tokenizer("".join(sorted(set("".join(documents)))))
        generator.shuffle(documents)
        shape = Shape(len(tokenizer.alphabet) + 1, self.width, 4, self.layers, tokenizer.context)
        learner = Learner(initial_parameters(shape, generator),
                          [tokenizer.encode(name) for name in documents[:self.names]],
                          ModelLoss(partial(predictions, shape=shape), mean_loss),
                          Adam(LinearDecay(self.rate), 0.85, 0.99, 1e-3), np.arange(self.steps) % self.names,
                          units=np.arange(self.names) % units)
        return learner, Several(tuple(DocumentLoss(shape, tuple(tokenizer.encode(name).tolist()))
                                      for name in documents[-HELD_OUT:]))


@dataclass(frozen=True)
class Perceptron:
    """A perceptron on 500 handwritten digits, enlarged to 28x28 pixels: `epochs` passes in minibatches of
    50."""
    widths: tuple
    epochs: int = 4
    seed: int = 1

    def make(self, units):
        """(the learner, the losses on held-out images)."""
        images, labels = bundled("digits")
        order = np.random.default_rng(self.seed).permutation(len(images))
        large = np.kron(images[order].reshape(-1, 8, 8) / 16.0, np.ones((3, 3)))
        x, y = np.pad(large, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784), labels[order].astype(np.int64)
        learner = perceptron(self.widths, seed=self.seed).again(
            examples=list(zip(x[:500], y[:500])), units=np.arange(500) % units,
            schedule=minibatches(500, 50, self.epochs, self.seed))
        return learner, partial(losses, x[-HELD_OUT:], y[-HELD_OUT:])


def losses(x, y, parameters):
    return cost(scores(parameters, x, y), x, y)


# one model --------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class AtSize:
    """Random sets of one size.

    ratio      T_{r+1} / T_r, fitted to the terms' root mean squares over sets and measurements
    series     (DEEP,): the error of exact series of degree 1, 2, ...;   error: of the sketch's predictions
    verdicts   {verdict: sets};   false: trusted sets that are off by more than half of the typical change
    values     trusted predictions;   outside: how many of them lie outside their 95% interval
    """
    ratio: float
    series: list
    error: float
    verdicts: dict
    false: int
    values: int
    outside: int

    @property
    def trusted(self):
        """The share of sets that are trusted."""
        return self.verdicts.get("trust", 0) / sum(self.verdicts.values())


@dataclass(frozen=True)
class Cell:
    """One model.   training, direction: core seconds of a training among many, and of a direction of degree
    3"""
    parameters: int
    steps: int
    loss: float
    training: float
    direction: float
    sizes: dict = field(repr=False)

    @property
    def trainings(self):
        """What a direction costs in trainings."""
        return self.direction / self.training


@lru_cache(maxsize=None)
def cell(setting, effort):
    """The Cell of a Microgpt or a Perceptron."""
    learner, measure = setting.make(effort.units)
    banks = random_banks(learner, effort.sets, setting.seed)
    everything = sum(banks.values(), [])
    retrain(learner, [[]])      # records and compiles
    theta, trained = harness.core_seconds(lambda: retrain(learner, everything))
    truth = evaluate(learner.measurement(measure), [theta])[0]
    with tempfile.TemporaryDirectory() as folder:
        sketch, pushed = harness.core_seconds(lambda: precompute(
            learner, -(-effort.units // 2), DEGREE, setting.seed, calibration=0, out=folder))
        drawn = sets_of(learner, CALIBRATION, setting.seed)
        measured = replace(sketch, calibration=calibrate(learner, drawn)).measure(measure)
    found = {}
    for k, (share, sets) in enumerate(banks.items()):
        change = truth[k * effort.sets:(k + 1) * effort.sets] - measured.value
        terms = exact_terms(learner, measure, sets[:effort.pushed], DEEP)
        found[share] = at_size(terms, change, measured.predict_many(sets))
    return Cell(learner.layout.size, len(learner.steps), float(measured.value.mean()),
                trained / len(everything), pushed / len(sketch.directions), found)


def random_banks(learner, count, seed):
    """{share: `count` random sets of this share of the units}, at least one unit."""
    n = learner.unit_count
    return {share: random_sets(learner.units, [size], count, [seed, size])[size]
            for share, size in ((share, max(1, round(share * n))) for share in SHARES)}


def exact_terms(learner, measure, sets, degree):
    """T_1 .. T_p (sets, p, measurements) along deletion sets, each pushed as a direction of its own."""
    h = learner.deletion_sets(sets).dense(learner.unit_count)
    return precompute(learner, given(h), degree, calibration=0).measure(measure).coefficients.real


def ratio(terms):
    """T_{r+1} / T_r, fitted to the root mean squares of terms (sets, p, measurements)."""
    return decay(np.sqrt((terms ** 2).mean(axis=(0, 2))))


def series_errors(terms, change):
    """[the error of the series cut off after T_1, T_2, ...]: terms (sets, p, measurements), true change
    (sets, measurements)."""
    return [error(partial_sum, change) for partial_sum in np.moveaxis(terms.cumsum(axis=1), 1, 0)]


def at_size(terms, change, many):
    """An AtSize of the exact terms of the first sets, the true change of all, and the predictions of all."""
    off, typical = np.abs(many.change - change).mean(axis=1), np.abs(change).mean()
    trusted = np.array(many.verdict) == "trust"
    low, high = (bound - (many.value - many.change) for bound in many.interval)
    missed = (change < low) | (high < change)
    return AtSize(ratio(terms), series_errors(terms, change[:len(terms)]),
                  error(many.change, change), {v: many.verdict.count(v) for v in dict.fromkeys(many.verdict)},
                  int((trusted & (off > 0.5 * typical)).sum()), int(trusted.sum() * change.shape[1]),
                  int(missed[trusted].sum()))
