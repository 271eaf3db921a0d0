"""Rewind-to-Delete (Mu & Klabjan 2409.09778; by minibatches 2511.15983): back to a checkpoint, and again
without the deleted examples.

K steps before the end the training with all data is left, and its last K steps are taken on what remains. K =
T, all steps, is retraining, by the same code. Two questions, told apart by `rows`:

    "zero weight"   a deleted example keeps its place with weight 0, as everywhere in this library: `retrain`
                    is the truth
    "dropped"       it leaves its batch, which becomes the mean over the others (the papers' question); the
                    regulariser stays. A batch that loses all its examples takes its step with the regulariser
                    alone.

For plain SGD the distance to retraining is bounded, convex or not (see `distances`). Momentum and Adam go
back to their whole state and replay: the natural generalisation, without a bound.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from circuit import evaluate
from taylor import TRAININGS, Recurrence

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import iterable, real_number, whole_number
from ..methods.base import Answer, Method, change_at, remaining
from ..learner.optimizers import SGD, rate_at
from ..learner.replay import advance
from .constants import checked_constants
from .noise import Privacy, checked_privacy

ROWS = {"zero weight": 1.0, "dropped": 2.0}
"""How far deletion moves the mean of a batch of which a share is deleted: so many times share * |grad l|."""


@dataclass(frozen=True)
class Trajectory:
    """States of a learner's ordinary training.   fingerprint: the learner's;   states: {step: arrays, flat},
    before that step."""
    fingerprint: str
    states: dict

    def before(self, step):
        if step not in self.states:
            raise DoesNotApply(f"no checkpoint before step {step}; there are some before steps "
                               f"{', '.join(map(str, sorted(self.states)))}")
        return self.states[step]


def trajectory(learner, every=None, at=()):
    """Train as usual and keep the state every so many steps, and before the steps in `at`; before step 0 it
    is always kept."""
    steps = len(learner.steps)
    if not iterable(at):
        raise LearnerError(
            f"at: a sequence of steps before which to keep the state, such as [{at!r:.60}], not {at!r:.60}")
    wanted = {0} | {whole_number(step, "a step to keep", 0) for step in at}
    wanted |= set() if every is None else set(range(0, steps,
                                                    whole_number(every, "steps between checkpoints", 1)))
    if max(wanted) > steps:
        raise LearnerError(f"no checkpoint before step {max(wanted)} of a training of {steps} steps")
    block = learner.recurrence(None).block(learner.states, np.ones((1, learner.example_count)))
    states, here = {}, 0
    for step in sorted(wanted):
        run(learner, block, here, step)
        states[step], here = tuple(block.constant(i)[0] for i in range(len(learner.states))), step
    return Trajectory(learner.fingerprint(), states)


def inverted(learner, steps, smoothness, tolerance=1e-14):
    """The last K steps of plain SGD undone, without a checkpoint: a Trajectory with the state before them.

    A step theta' = theta - eta grad F(theta) is the proximal point of -F: theta = argmin |x - theta'|^2/2 -
    eta F(x), unique while eta < 1/smoothness, and found by x <- x + theta' - step(x), which contracts by eta
    * smoothness. Every step undone multiplies rounding by up to 1/(1 - eta * smoothness). Raises DoesNotApply
      for larger rates, other optimisers, and where
    it does not contract (the smoothness given was too small).
    """
    begin, rates = start_of(learner, steps), sgd_rates(learner)
    tolerance = real_number(tolerance, "the tolerance of inverted steps", above=0.0, below=1.0)
    worst = rates[begin:].max(initial=0.0) * real_number(smoothness, "smoothness", above=0.0)
    if worst >= 1.0:
        raise DoesNotApply(f"steps can be inverted while rate * smoothness < 1, not {worst:.3g}")
    theta = learner.trained
    for number in range(len(rates) - 1, begin - 1, -1):
        theta = undone(learner, number, theta, rates[number] * smoothness, tolerance)
    return Trajectory(learner.fingerprint(), {begin: (theta,)})


def undone(learner, number, after, contraction, tolerance):
    """The parameters from which step `number` leads to `after`."""
    step, x = learner.steps[number], after
    for _ in range(20 + int(np.log(tolerance) / np.log(max(contraction, 0.01)))):
        moved = after - evaluate(learner.circuits[step.circuit],
                                 [x, np.ones(len(step.weights)), *step.data])[0]
        x = x + moved
        if np.linalg.norm(moved) <= tolerance * (1.0 + np.linalg.norm(x)):
            return x
    raise DoesNotApply(f"{learner.where(number)} cannot be inverted: |step(x) - after| stays at "
                       f"{np.linalg.norm(moved):.2g}. " "Is the smoothness larger than stated?")


class Rewind(Method):
    """Rewind-to-Delete.

    steps        K, how many steps are taken again; 0: the model as it is
    checkpoints  the learner's `trajectory`, or `inverted` steps; None: the one state that is needed is made
                 here, in the answer's time
    rows         "zero weight" or "dropped": see above
    constants    Constants (only smoothness and gradient count): then plain SGD's distance to retraining is
                 bounded in the notes
    privacy      Privacy(eps, delta), for the noise named there

    Parameters are without noise.
    """

    name = "rewind-to-delete"

    def __init__(self, steps, checkpoints=None, rows="zero weight", constants=None,
                 privacy=Privacy(1.0, 1e-5)):
        if not isinstance(rows, str) or rows not in ROWS:
            raise LearnerError(f"deleted rows are {' or '.join(map(repr, ROWS))}, not {rows!r:.60}")
        if checkpoints is not None and not isinstance(checkpoints, Trajectory):
            raise LearnerError("checkpoints are a Trajectory, as trajectory(learner, every=10) or "
                               f"inverted(...) gives, not {checkpoints!r:.60}")
        self.steps, self.checkpoints, self.rows = whole_number(steps, "steps taken again",
                                                               0), checkpoints, rows
        self.constants, self.privacy = (None if constants is None else checked_constants(constants),
                                        checked_privacy(privacy))

    def refuses(self, learner):
        try:
            start = start_of(learner, self.steps)
            if self.constants is not None:
                checked_rates(sgd_rates(learner), self.constants)
            if self.checkpoints is not None:
                self.checkpoints.before(start)
        except DoesNotApply as error:
            return str(error)
        if self.checkpoints is not None and self.checkpoints.fingerprint != learner.fingerprint():
            return "the checkpoints are those of another learner"
        return None

    def sensitivity(self, learner, h):
        """(k,): how far each unlearned model may be from retraining without its set, with `rows` as set.   h:
        (k, units)."""
        gone = 1.0 - learner.example_weights(h)
        shares = gone[:, learner.schedule].reshape(len(h), len(learner.steps), -1).mean(axis=2)
        return distances(sgd_rates(learner), shares, self.steps, self.constants, ROWS[self.rows])

    def _answer(self, learner, h, measurement):
        keep, begin = remaining(learner, h), start_of(learner, self.steps)
        checkpoints = trajectory(learner, at=[begin]) if self.checkpoints is None else self.checkpoints
        theta = replayed(learner, checkpoints.before(begin), keep, begin, self.rows)
        notes = (f"{self.steps} of {len(learner.steps)} steps again; rows: {self.rows}",)
        if self.constants is not None:
            bound = self.sensitivity(learner, h).max()
            promise = (f"sensitivity at most {bound:.3g}; noise sigma {self.privacy.sigma(bound):.3g} "
                       "for " f"{self.privacy}" if np.isfinite(bound)
                       else "the bound of the sensitivity is beyond floats: over so many steps "
                       "it promises nothing")
            notes += (str(self.constants), promise)
        return Answer(change_at(learner, measurement, theta), theta, notes)


def replayed(learner, state, keep, begin, rows):
    """(k, parameters): the steps from `begin` to the end, from one state, with k choices of remaining
    examples (k, examples)."""
    if begin == len(learner.steps):
        return np.repeat(state[0][None], len(keep), axis=0)
    if rows == "zero weight":
        recurrence, weights, skipped = learner.recurrence(None), keep, 0
    else:      # a weight per place in a batch: it depends on how many are left there
        left = keep[:, learner.schedule[begin:]].reshape(len(keep), len(learner.steps) - begin, -1)
        weights = (left / np.maximum(left.mean(axis=2, keepdims=True), 1e-300)).reshape(len(keep), -1)
        places = np.arange(weights.shape[1]).reshape(left.shape[1:])
        steps = [replace(step, weights=place) for step, place in zip(learner.steps[begin:], places)]
        recurrence, skipped = Recurrence(learner.circuits, steps, len(learner.states), None), begin

    def together(first):
        block = recurrence.block(state, weights[first:first + TRAININGS], first=first)
        run(learner, block, begin - skipped, len(learner.steps) - skipped, skipped)
        return block.constant(0)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(together, range(0, len(keep), TRAININGS))))


def run(learner, block, begin, end, skipped=0):
    """A block's steps, errors telling which.   skipped: the learner's steps that the block does not have."""
    advance(learner, block, begin, end, skipped=skipped)


# what is promised -------------------------------------------------------------------------------------------

def start_of(learner, steps):
    """The step before which K steps are left."""
    if whole_number(steps, "steps taken again", 0) > len(learner.steps):
        raise DoesNotApply(f"{steps} steps cannot be taken again: the training has {len(learner.steps)}")
    return len(learner.steps) - steps


def sgd_rates(learner):
    """(T,): the learning rates of plain SGD."""
    if not isinstance(learner.optimizer, SGD):
        raise DoesNotApply("the bound and the inversion of steps are those of plain SGD, not of "
                           f"{type(learner.optimizer).__name__}")
    return np.array([rate_at(learner.optimizer.rate, s, len(learner.steps))
                     for s in range(len(learner.steps))])


def checked_rates(rates, constants):
    """Rates that the analysis allows: rate * smoothness <= 1."""
    if rates.max() * checked_constants(constants).smoothness > 1.0 + 1e-12:
        raise DoesNotApply(f"the step is too large: rate {rates.max():g} times smoothness "
                           f"{constants.smoothness:g} exceeds 1")
    return rates


def distances(rates, shares, steps, constants, factor=2.0):
    """(k,): bounds of |rewound - retrained| for plain SGD.   rates (T,);   shares (k, T): of each step's
    batch, how much is deleted.

    Two trainings part by at most factor * rate * G * share in a step, L-Lipschitz gradients multiply that by
    1 + rate * L, and the last K steps only do the latter. For full batches at one rate with dropped rows this
    is

        (2 w G/(L n)) ((1 + eta L)^(T-K) - 1) (1 + eta L)^K,

    at most the paper's bound, `published_distance`, which has eta L n/(n - w) inside. Infinite where floats
    cannot hold it.
    """
    checked_rates(rates, constants)
    found = np.zeros(len(shares))
    with np.errstate(over="ignore"):
        for number, rate in enumerate(rates):
            found *= 1.0 + rate * constants.smoothness
            if number < len(rates) - steps:
                found += factor * rate * constants.gradient * shares[:, number]
    return found


def published_distance(deleted, count, rate, total, steps, constants):
    """The paper's sensitivity for full batches, dropped rows: (2 w G/(L n)) h(K), h(K) = ((1 + eta L
    n/(n-w))^(T-K) - 1) (1 + eta L)^K.

    Infinite where floats cannot hold it.
    """
    if not 0 <= whole_number(deleted, "the number deleted",
                             0) < whole_number(count, "the number of examples", 1):
        raise DoesNotApply(f"{deleted} of {count} examples deleted: there is no model of no data")
    if whole_number(steps, "steps taken again", 0) > whole_number(total, "steps in all", 1):
        raise DoesNotApply(f"{steps} steps cannot be taken again: the training has {total}")
    checked_rates(np.array([real_number(rate, "a learning rate", low=0.0)]), constants)
    pace = np.float64(rate * constants.smoothness)
    with np.errstate(over="ignore"):
        grown = (1.0 + pace * count / (count - deleted)) ** (total - steps) - 1.0
        return float(2.0 * deleted * constants.gradient / (constants.smoothness * count) * grown
                     * (1.0 + pace) ** steps) if grown else 0.0
