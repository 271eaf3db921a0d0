"""What deleting each unit alone changes, by every method; and other scores of units."""
import numpy as np

from deletion import DoesNotApply, Method, Objective, Retraining, Sketched, gradient_model, retrain
from deletion.influence import ByMetagradient, Influence, NewtonStep, metagradient, shapley_values
from deletion.methods.base import Answer

TRUTH = "retrained"
"""The name of the exact answer among the methods."""

GROUPS, FOLDS, HALVES = 10, 10, 16


# what deletion changes --------------------------------------------------------------------------------------

class ByGroups(Method):
    """A gradient model whose self-terms are corrected by gradients without each of `groups` groups."""

    name = "gradients of groups"

    def __init__(self, groups):
        self.groups = groups

    def _answer(self, learner, h, measurement):
        sets = [[learner.units[i] for i in np.flatnonzero(row)] for row in h]
        model = gradient_model(learner, measurement, groups=self.groups, levels=(), calibration=0)
        return Answer(model.predict_many(sets, intervals=False).change)


def every_method(learner, damping):
    """{name: Method} of all that say what a deletion changes; the truth comes first.   damping: of
    Gauss-Newton matrices"""
    return {TRUTH: Retraining(),
            "metagradient": ByMetagradient(),
            "finite step": ByMetagradient(finite_step=True),
            "gradients of groups": ByGroups(GROUPS),
            "sketch": Sketched(-(-learner.unit_count // 2), 3, calibration=0),
            "influence, Hessian": Influence(),
            "influence, Gauss-Newton": Influence("gauss-newton", damping),
            "Newton step": NewtonStep(1, "gauss-newton", damping)}


def leave_one_outs(learner, measurement, methods):
    """({name: the measurement's change without each unit, (units,) + its shape}, {name: why it is refused}).

    methods   {name: Method}
    """
    changes, refused, alone = {}, {}, [[unit] for unit in learner.units]
    for name, method in methods.items():
        try:
            changes[name] = method.answer(learner, alone, measurement, progress=False).change
        except DoesNotApply as reason:
            refused[name] = str(reason)
    return changes, refused


# other scores -----------------------------------------------------------------------------------------------

def own_losses(learner):
    """(examples,): the loss of each training example at the end of the training."""
    return Objective(learner).losses(learner.trained)


def gradient_norms(learner):
    """(examples,): the length of the gradient of each example's loss at the end of the training."""
    return np.linalg.norm(Objective(learner).gradients(learner.trained), axis=1)


def held_out_losses(learner, own, rng):
    """(units,): the loss of each unit in a training without its fold, one of FOLDS at random.

    own   a measurement, the losses of all units (units,)
    """
    fold = rng.permutation(learner.unit_count) % FOLDS
    without = retrain(learner, weights=(fold != np.arange(FOLDS)[:, None]).astype(float), measurement=own,
                      progress=False)
    return without[fold, np.arange(learner.unit_count)]


def at_halves(learner, measurement, rng):
    """(units,): minus the mean derivative of a measurement in each unit's weight, over HALVES trainings on
    random halves of the units: what leaving it out changes where half of them are missing."""
    halves = np.array([rng.permutation(learner.unit_count) < learner.unit_count // 2 for _ in range(HALVES)])
    gradient = metagradient(learner, measurement, weights=halves.astype(float), progress=False).gradient
    return -gradient.mean(axis=0)


def shapley(learner, measurement, orders, seed):
    """(Shapley, (units,) values): what each unit takes from a loss, by random orders.

    An order is cut short once a prefix is within 1% of the way from no unit to all of them.
    """
    none, every = retrain(learner, weights=[[0.0] * learner.unit_count, [1.0] * learner.unit_count],
                          measurement=measurement, progress=False)
    estimate = shapley_values(learner, measurement, permutations=orders, tolerance=0.0,
                              truncation=0.01 * abs(none - every), seed=seed, progress=False)
    return estimate, -estimate.values


def reliability(estimate):
    """The share of the variance of Shapley values that is not the noise of random orders."""
    return float(1.0 - (estimate.standard_errors ** 2).mean() / estimate.values.var())
