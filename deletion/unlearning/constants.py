"""The constants that guarantees depend on: where they come from, and what can be claimed with them.

All of them are on the scale of MEANS, as in the papers: they describe f_i = l_i + r, one example's loss plus
the regulariser, and so the mean over any remaining examples. A bound that is computed with estimated
constants is itself an estimate, and its text says so.

Whether a learner is logistic or quadratic is not read from its loss's source. It counts as logistic if its
losses and their gradients are those of logistic regression at random parameters, and as quadratic if its
gradients are linear there. A formula that agrees at these points is treated as the same one.
"""
from dataclasses import dataclass
from typing import Optional

import numpy as np
from scipy.special import expit

from circuit.errors import DoesNotApply, LearnerError
from circuit.checks import real_number
from circuit.renamed import warn_renamed
from ..curvature.eigenvalues import eigenvalue_range
from ..curvature.objective import objective_of
from ..learner.learner import Learner

MAX_ROUNDING = 1e-9
"""The largest relative difference that is put down to rounding."""


@dataclass(frozen=True, init=False)
class Constants:
    """What is known of every example's f = l + r, on the domain in which training stays.

    Parameters
    ----------
    smoothness : float
        |grad f(a) - grad f(b)| <= smoothness |a - b|, which must also hold for r alone. (M in
        Descent-to-Delete, L in Rewind-to-Delete.)
    gradient : float
        |grad l| <= gradient, for the loss without r, which no deletion rescales. (L in Descent-to-Delete, G
        in Rewind-to-Delete, C in natural gradient.)
    convexity : float
        f(a + b) >= f(a) + grad f(a).b + convexity |b|^2/2. The value 0 means: not strongly convex, or not
        known to be. (m, or mu.)
    hessian_lipschitz : float, optional
        |grad^2 f(a) - grad^2 f(b)| <= hessian_lipschitz |a - b|; None: not known. (M in natural gradient.)
        In version 0.1 it was called `bend`.
    how : str
        "given", or "estimated" and how.

    Raises
    ------
    LearnerError
        If a constant is negative or not finite, or if convexity exceeds smoothness.

    Examples
    --------
    >>> from deletion.unlearning import Constants
    >>> print(Constants(smoothness=0.35, gradient=1.0, convexity=0.1))
    constants given: smoothness 0.35, gradient 1, convexity 0.1
    """
    smoothness: float
    gradient: float
    convexity: float = 0.0
    hessian_lipschitz: Optional[float] = None
    how: str = "given"

    # written out for one version only, because of the former name `bend`
    def __init__(self, smoothness: float, gradient: float, convexity: float = 0.0,
                 hessian_lipschitz: Optional[float] = None, how: str = "given", *,
                 bend: Optional[float] = None):
        if bend is not None:
            warn_renamed("bend of Constants", "hessian_lipschitz")
            hessian_lipschitz = bend
        real_number(smoothness, "smoothness", above=0.0)
        real_number(gradient, "the bound of gradients", low=0.0)
        real_number(convexity, "strong convexity", low=0.0)
        if hessian_lipschitz is not None:
            real_number(hessian_lipschitz, "the Lipschitz constant of the Hessian", low=0.0)
        if convexity > smoothness:
            raise LearnerError(f"strong convexity {convexity:g} exceeds smoothness {smoothness:g}: no "
                               "function has both")
        for name, value in (("smoothness", smoothness), ("gradient", gradient), ("convexity", convexity),
                            ("hessian_lipschitz", hessian_lipschitz), ("how", how)):
            object.__setattr__(self, name, value)

    @property
    def bend(self):
        """The former name of `hessian_lipschitz`."""
        warn_renamed("bend of Constants", "hessian_lipschitz")
        return self.hessian_lipschitz

    def numbers(self) -> dict[str, float]:
        """The constants that are known, for the diagnostics of an Answer.

        Returns
        -------
        dict
            {name: number}.
        """
        names = ("smoothness", "gradient", "convexity", "hessian_lipschitz")
        return {name: float(getattr(self, name)) for name in names if getattr(self, name) is not None}

    def __str__(self):
        lipschitz = ("" if self.hessian_lipschitz is None
                     else f", Hessian's Lipschitz constant {self.hessian_lipschitz:.3g}")
        return (f"constants {self.how}: smoothness {self.smoothness:.3g}, gradient {self.gradient:.3g}, "
                f"convexity {self.convexity:.3g}{lipschitz}")


def checked_constants(constants):
    """The constants that a rule was given, if they are Constants."""
    if not isinstance(constants, Constants):
        raise LearnerError("constants: expected Constants(smoothness, gradient, convexity), got "
                           f"{constants!r:.60}")
    return constants


def logistic_bounds(learner: Learner) -> Constants:
    """Bound the constants of logistic regression with a quadratic regulariser, for all parameters.

    With the rows z of the learner and the eigenvalues lambda of its regulariser, at most |z|^2/4 + max lambda
    (smoothness), |z| (gradient), min lambda (convexity) and |z|^3/(6 sqrt 3) (Hessian's Lipschitz constant).

    Parameters
    ----------
    learner : Learner
        Logistic regression: its losses are ln(1 + e^(-y x.theta)).

    Returns
    -------
    Constants
        Bounds, of the longest row.

    Raises
    ------
    DoesNotApply
        If the losses or the regulariser are others.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import logistic_bounds
    >>> learner = Learner(np.zeros(2), [(np.array([0.6, 0.8]),), (np.array([0.0, -1.0]),)],
    ...                   lambda w, z: np.logaddexp(0, -(z @ w)), SGD(0.5), [[0, 1]],
    ...                   regularizer=lambda w: 0.1 * (w * w).sum() / 2)
    >>> print(logistic_bounds(learner))      # doctest: +NORMALIZE_WHITESPACE
    constants given: bounds of logistic regression: smoothness 0.35, gradient 1, convexity 0.1,
    Hessian's Lipschitz constant 0.0962
    """
    longest = np.linalg.norm(logistic_rows(learner), axis=1).max()
    low, high = spectrum(penalty_matrix(learner))
    return Constants(longest ** 2 / 4.0 + high, longest, low, longest ** 3 / (6.0 * np.sqrt(3.0)),
                     "given: bounds of logistic regression")


def quadratic_bounds(learner: Learner, radius: float) -> Constants:
    """Bound the constants of quadratic losses and regulariser, for parameters of a bounded norm.

    The Hessian of a quadratic is constant, so its Lipschitz constant is 0.

    Parameters
    ----------
    learner : Learner
        Its losses are quadratic in the parameters.
    radius : float
        Parameters of norm at most this are covered.

    Returns
    -------
    Constants
        Bounds over all examples.

    Raises
    ------
    DoesNotApply
        If the losses or the regulariser are not quadratic.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import quadratic_bounds
    >>> learner = Learner(np.zeros(1), [(1.0,), (2.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1]])
    >>> bounds = quadratic_bounds(learner, radius=3.0)
    >>> float(bounds.smoothness), float(bounds.gradient), bounds.hessian_lipschitz
    (1.0, 5.0, 0.0)
    """
    radius = real_number(radius, "the radius of the domain", above=0.0)
    gradients, hessians = quadratic_parts(learner)
    penalty = penalty_matrix(learner)
    steepest = np.linalg.norm(gradients, axis=1) + radius * np.linalg.norm(hessians, 2, axis=(1, 2))
    curvatures = np.linalg.eigvalsh(hessians + penalty)
    return Constants(max(np.abs(curvatures).max(), spectrum(penalty)[1]), steepest.max(),
                     max(curvatures.min(), 0.0), 0.0,
                     f"given: bounds of quadratic losses for parameters of norm at most {radius:g}")


def estimated(learner: Learner) -> Constants:
    """Estimate constants at the trained parameters; nothing bounds them elsewhere.

    They come from the spectrum of the mean Hessian and from the steepest example.

    Parameters
    ----------
    learner : Learner
        It is trained if it has not been.

    Returns
    -------
    Constants
        `how` begins with "estimated"; `hessian_lipschitz` is not estimated.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import SGD, Learner
    >>> from deletion.unlearning import estimated
    >>> learner = Learner(np.zeros(1), [(1.0,), (3.0,)], lambda w, y: (w - y) ** 2 / 2, SGD(0.5),
    ...                   [[0, 1]] * 60)
    >>> constants = estimated(learner)
    >>> [round(float(x), 6) for x in (constants.smoothness, constants.gradient, constants.convexity)]
    [1.0, 1.0, 1.0]
    """
    objective, theta = objective_of(learner), learner.trained
    low, high = eigenvalue_range(lambda v: objective.products(theta, v) / objective.count, objective.size)
    return Constants(max(abs(low), abs(high)),
                     np.linalg.norm(objective.gradients(theta), axis=1).max(), max(low, 0.0),
                     how="estimated at the trained parameters, by the spectrum of the mean Hessian "
                     "and the steepest example")


def spectrum(matrix):
    """The (smallest, largest) eigenvalue of a symmetric matrix; 0 where the smallest is rounding."""
    values = np.linalg.eigvalsh(matrix)
    return (0.0 if abs(values[0]) < 1e-13 * abs(values[-1]) else values[0]), values[-1]


# what is read off a learner ---------------------------------------------------------------------------------

def probes(size):
    """(2, size): random parameters of norm 3, always the same."""
    points = np.random.default_rng(7).normal(size=(2, size))
    return 3.0 * points / np.linalg.norm(points, axis=1, keepdims=True)


def close(actual, expected):
    """Whether two arrays agree but for rounding."""
    scale = 1.0 + np.abs(expected).max(initial=0.0)
    return np.abs(actual - expected).max(initial=0.0) <= MAX_ROUNDING * scale


def logistic_rows(learner):
    """(examples, parameters): rows z_i with l_i(theta) = ln(1 + e^(-z_i . theta)), label included.

    Raises DoesNotApply if the losses are others.
    """
    objective = objective_of(learner)
    # the derivative of ln(1 + e^-q) at 0 is -1/2
    rows = -2.0 * objective.gradients(np.zeros(objective.size))
    for theta in probes(objective.size):
        margins = rows @ theta
        if not (close(objective.losses(theta), np.logaddexp(0.0, -margins))
                and close(objective.gradients(theta), -expit(-margins)[:, None] * rows)):
            raise DoesNotApply(
                "the loss is not that of logistic regression, ln(1 + e^(-y x.theta)) of each example")
    return rows


def quadratic_parts(learner):
    """(gradients at 0, (examples, parameters); Hessians, (examples, parameters, parameters)).

    Raises DoesNotApply if the losses are not quadratic.
    """
    objective = objective_of(learner)
    zero = objective.gradients(np.zeros(objective.size))
    hessians = np.stack([objective.gradients(e) - zero for e in np.eye(objective.size)], axis=-1)
    for theta in probes(objective.size):
        if not close(objective.gradients(theta), zero + hessians @ theta):
            raise DoesNotApply("the losses are not quadratic in the parameters")
    return zero, hessians


def penalty_matrix(learner):
    """(parameters, parameters): A of the regulariser r(theta) = theta . A theta / 2, on the scale of means,
    as the learner adds it.

    Raises DoesNotApply if the regulariser has another form.
    """
    objective = objective_of(learner)
    slope = lambda theta: objective.gradient(theta, np.zeros(objective.count)) / objective.count
    if learner.regularizer is None:
        return np.zeros((objective.size, objective.size))
    matrix = np.stack([slope(e) for e in np.eye(objective.size)])
    if not all(close(slope(theta), matrix @ theta) for theta in probes(objective.size)):
        raise DoesNotApply(
            "the regulariser is not quadratic: theta . A theta / 2, such as half of the squares")
    return 0.5 * (matrix + matrix.T)
