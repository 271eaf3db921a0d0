"""Rewind-to-Delete (Mu & Klabjan 2409.09778; with minibatches 2511.15983): go back to a checkpoint and train
on from there without the deleted examples.

The training with all data is kept up to K steps before its end, and its last K steps are taken on what
remains. K = T, all steps, is retraining, by the same code. There are two questions, told apart by `rows`:

    "zero weight"   a deleted example keeps its place with weight 0, as everywhere in this library; the truth
                    is `retrain`
    "dropped"       it leaves its batch, which becomes the mean over the others (the papers' question); the
                    regulariser stays. A batch that loses all its examples takes its step with the regulariser
                    alone.

For plain SGD the distance to retraining is bounded, whether the loss is convex or not (see `distances`).
Momentum and Adam restore their whole state and replay. That is the natural generalisation, without a bound.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Optional

import numpy as np

from taylor import TRAININGS, Recurrence

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import real_number, whole_number
from ..learner.learner import Learner
from ..learner.replay import advance
from ..methods.base import Answer, Method, change_at, remaining
from .checkpoints import Trajectory, sgd_rates, start_of, trajectory
from .constants import Constants, checked_constants
from .noise import Privacy, checked_privacy

ROWS = {"zero weight": 1.0, "dropped": 2.0}
"""How deleted rows are treated, each with a factor: where a share of a batch is deleted, its mean gradient
moves by at most factor * share * |grad l|."""


class Rewind(Method):
    """Rewind-to-Delete: take the last K steps of the training again, without the deleted examples.

    The answer's parameters carry no noise. Its `diagnostics` hold `steps` and, where constants are given,
    those constants, `sensitivity` (per set) and `sigma` (for the largest).

    Parameters
    ----------
    steps : int
        K, how many steps are taken again. 0 gives the model as it is.
    checkpoints : Trajectory, optional
        From `trajectory` or `inverted`. Default: the one state that is needed is made in `answer`, and its
        time is included in the answer's.
    rows : {"zero weight", "dropped"}
        What becomes of deleted rows, see the module's text.
    constants : Constants, optional
        `smoothness` and `gradient`, and for dropped rows `convexity`. With constants, plain SGD's distance to
        retraining is bounded; with a `convexity` above 0, by a bound that shrinks from step to step.
    privacy : Privacy
        The promise for which the noise is stated.

    Raises
    ------
    LearnerError
        If a setting is out of range.
    DoesNotApply
        In `check`, if the training has fewer steps or no checkpoint there, if the checkpoints are those of
        another learner, or if the constants exclude its rates or its optimiser.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import Rewind
    >>> learner = Learner(np.zeros(1), [(1.0,), (2.0,), (6.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1, 2]] * 60)
    >>> few, again = (Rewind(steps, rows="dropped").answer(learner, [[2]], lambda w: w[0], progress=False)
    ...             for steps in (2, 60))
    >>> few.parameters.round(6), again.parameters.round(6)
    (array([[1.875]]), array([[1.5]]))
    """

    name = "rewind-to-delete"

    def __init__(self, steps: int, checkpoints: Optional[Trajectory] = None, rows: str = "zero weight",
                 constants: Optional[Constants] = None, privacy: Privacy = Privacy(1.0, 1e-5)):
        if not isinstance(rows, str) or rows not in ROWS:
            raise LearnerError(f"deleted rows are {' or '.join(map(repr, ROWS))}; got {rows!r:.60}")
        if checkpoints is not None and not isinstance(checkpoints, Trajectory):
            raise LearnerError("checkpoints: expected a Trajectory, as trajectory(learner, every=10) or "
                               f"inverted(...) gives, got {checkpoints!r:.60}")
        self.steps = whole_number(steps, "steps taken again", 0)
        self.checkpoints, self.rows = checkpoints, rows
        self.constants = None if constants is None else checked_constants(constants)
        self.privacy = checked_privacy(privacy)

    def check(self, learner: Learner) -> None:
        """Require enough steps, a checkpoint of this learner, and rates that the constants allow.

        Parameters
        ----------
        learner : Learner
            The learner to be asked.

        Raises
        ------
        DoesNotApply
            With what is missing.
        """
        super().check(learner)
        start = start_of(learner, self.steps)
        if self.constants is not None:
            checked_rates(sgd_rates(learner), self.constants)
        if self.checkpoints is not None:
            self.checkpoints.before(start)
            if self.checkpoints.fingerprint != learner.fingerprint():
                raise DoesNotApply("the checkpoints are those of another learner")

    def sensitivity(self, learner: Learner, h: np.ndarray) -> np.ndarray:
        """Bound how far each unlearned model may be from retraining without its set, with `rows` as set.

        Parameters
        ----------
        learner : Learner
            Trained by plain SGD.
        h : np.ndarray
            Downweights of the sets, (k, units).

        Returns
        -------
        np.ndarray
            The bounds, (k,); infinite where floats cannot hold them.
        """
        deleted = 1.0 - learner.example_weights(h)
        shares = deleted[:, learner.schedule].reshape(len(h), len(learner.steps), -1).mean(axis=2)
        return distances(sgd_rates(learner), shares, self.steps, self.constants, ROWS[self.rows])

    def _answer(self, learner, h, measurement):
        kept, begin = remaining(learner, h), start_of(learner, self.steps)
        checkpoints = trajectory(learner, at=[begin]) if self.checkpoints is None else self.checkpoints
        theta = replayed(learner, checkpoints.before(begin), kept, begin, self.rows)
        notes, diagnostics = (), {}
        if self.constants is not None:
            notes, diagnostics = self._promise(self.sensitivity(learner, h))
        notes = (f"{self.steps} of {len(learner.steps)} steps again; rows: {self.rows}", *notes)
        return Answer(change_at(learner, measurement, theta), theta, notes,
                      diagnostics={"steps": self.steps, **diagnostics})

    def _promise(self, bounds):
        """(notes, diagnostics) for bounds of the sensitivity (k,)."""
        bound = bounds.max()
        sigma = float(self.privacy.sigma(bound)) if np.isfinite(bound) else np.inf
        text = (f"sensitivity at most {bound:.3g}; noise sigma {sigma:.3g} for {self.privacy}"
                if np.isfinite(bound) else
                "the bound of the sensitivity is beyond floats: over so many steps it promises nothing")
        return ((str(self.constants), text),
                {**self.constants.numbers(), "sensitivity": bounds, "sigma": sigma})


def replayed(learner, state, kept, begin, rows):
    """(k, parameters): the steps from `begin` to the end, from one state, with k choices of remaining
    examples (k, examples)."""
    if begin == len(learner.steps):
        return np.repeat(state[0][None], len(kept), axis=0)
    if rows == "zero weight":
        recurrence, weights, skipped = learner.recurrence(None), kept, 0
    else:      # a weight per place in a batch, which depends on how many examples are left there
        left = kept[:, learner.schedule[begin:]].reshape(len(kept), len(learner.steps) - begin, -1)
        weights = (left / np.maximum(left.mean(axis=2, keepdims=True), 1e-300)).reshape(len(kept), -1)
        places = np.arange(weights.shape[1]).reshape(left.shape[1:])
        steps = [replace(step, weights=place) for step, place in zip(learner.steps[begin:], places)]
        recurrence, skipped = Recurrence(learner.circuits, steps, len(learner.states), None), begin

    def together(first):
        block = recurrence.block(state, weights[first:first + TRAININGS], first=first)
        advance(learner, block, begin - skipped, len(learner.steps) - skipped, skipped=skipped)
        return block.constant(0)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.concatenate(list(pool.map(together, range(0, len(kept), TRAININGS))))


# what is promised -------------------------------------------------------------------------------------------

def checked_rates(rates, constants):
    """Rates that the analysis allows: rate * smoothness <= 1."""
    if rates.max() * checked_constants(constants).smoothness > 1.0 + 1e-12:
        raise DoesNotApply(f"the step is too large: rate {rates.max():g} times smoothness "
                           f"{constants.smoothness:g} exceeds 1")
    return rates


def distances(rates, shares, steps, constants, factor=2.0):
    """(k,): bounds of |rewound - retrained| for plain SGD, infinite where floats cannot hold them.

    `rates` (T,) are the learning rates, and `shares` (k, T) says how much of each step's batch is deleted.
    Two trainings part by at most factor * rate * G * share in a step, and in the last K steps they do not
    part. A step multiplies their distance by at most 1 + rate * L, because gradients are L-Lipschitz. For
    full batches at one rate with dropped rows this is

        (2 w G/(L n)) ((1 + eta L)^(T-K) - 1) (1 + eta L)^K,

    at most the paper's bound, `published_distance`, which has eta L n/(n - w) inside.

    The paper does not use strong convexity. Where f = l + r has convexity m > 0 and rows are dropped, every
    batch that is not empty is the mean of such functions, and its step shrinks the distance by 1 - rate * m:

        (2 w G/(m n)) (1 - (1 - eta m)^(T-K)) (1 - eta m)^K.
    """
    checked_rates(rates, constants)
    grown, bounds = 1.0 + rates * constants.smoothness, np.zeros(len(shares))
    convex = factor == ROWS["dropped"] and constants.convexity > 0.0
    with np.errstate(over="ignore"):
        for number, rate in enumerate(rates):
            again, shrunk = number >= len(rates) - steps, 1.0 - rate * constants.convexity
            # a batch of which all is deleted takes its step with the regulariser alone
            bounds *= np.where(again & (shares[:, number] == 1.0), grown[number], shrunk) if convex \
                else grown[number]
            if not again:
                bounds += factor * rate * constants.gradient * shares[:, number]
    return bounds


def published_distance(deleted, count, rate, total, steps, constants):
    """The paper's sensitivity for full batches and dropped rows, infinite where floats cannot hold it:

        (2 w G/(L n)) h(K),     h(K) = ((1 + eta L n/(n-w))^(T-K) - 1) (1 + eta L)^K.
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
