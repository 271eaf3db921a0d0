"""Self-terms: what each unit contributes to the change by itself.

The finite step psi_i is what deleting unit i changes in the steps that use it, with the rest of training
linearized. It has the training's slope at weight 1, and what it lacks at weight w grows as a higher power of
1 - w. Gradients without each group, which are there for the interactions, show the true slope of unit i at
weight 0, g_i. The finite step's own slope there is -slope_i - 2 psi_i, by the parabola through its slope at 1
and its value at 0. A lack of the power p is then -u_i / p, where u_i = g_i + slope_i + 2 psi_i, and

    self-term_i = psi_i - c u_i

c is fitted to the measurement itself without each group, the sum of the self-terms of the group. The
interactions inside a group, which nothing shows, move it towards 1/2, so that it is at most MOST.
"""
import numpy as np

MOST = 0.25
"""The largest c, that of a lack of the fourth power. What the slopes at weight 0 show of other units makes
the best c smaller than 1 / p, while the interactions inside groups make the fitted one larger."""


def corrected(finite, everything, groups):
    """Return self-terms (units, q) from finite steps and the Gradients at all bases.

    Parameters
    ----------
    finite : np.ndarray, (units, q)
        psi at the ordinary training.
    everything : Gradients
        Those of the ordinary training first, those without each group last.
    groups : np.ndarray of int, (units,)
        The group of each unit; -1 for units that no step uses.

    Returns
    -------
    np.ndarray, (units, q)
    """
    used, count = np.flatnonzero(groups >= 0), groups.max() + 1
    slopes = everything.slopes[len(everything.slopes) - count:]
    lack = np.zeros_like(finite)
    lack[used] = slopes[groups[used], used] + everything.slopes[0, used] + 2.0 * finite[used]
    member = (groups == np.arange(count)[:, None]).astype(float)
    change = everything.values[len(everything.values) - count:] - everything.values[0]
    return finite - correction(change - member @ finite, -(member @ lack)) * lack


def correction(missed, lacking):
    """Return c from 0 to MOST: what groups' self-terms missed (groups, q), by least squares on `lacking`.

    Every measurement counts alike.
    """
    square = (missed ** 2).mean(axis=0)
    weight = 1.0 / np.where(square > 0.0, square, 1.0)
    norm = (lacking ** 2 * weight).sum()
    return min(max((missed * lacking * weight).sum() / norm, 0.0), MOST) if norm > 0.0 else 0.0
