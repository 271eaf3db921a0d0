"""Second-order group influence: against the Taylor terms of minimisers along the path of weights that it
expands, found without derivatives, and the order of its error."""
import numpy as np
import pytest
from checks import close
from learners import at_minimum, logistic_minimiser
from test_influence import N, both, itself, linear

from deletion import DoesNotApply
from deletion.influence import Influence, NewtonStep
from deletion.influence.newton import GroupInfluence

SETS = [[3], [1, 2, 5, 30], list(range(25))]
PATHS = pytest.mark.parametrize("normalized", [False, True], ids=["the rest stays", "the rest rises"])


def gone(deleted, part=1.0):
    return np.where(np.isin(np.arange(N), deleted), part, 0.0)


def path(x, y, penalty, h, normalized, t):
    """The minimiser of weighted ridge regression at time t: weights 1 - t h, or those divided by their mean
    at the end, on a straight line, and the ridge with them."""
    rise = t * h.mean() / (1.0 - h.mean()) if normalized else 0.0
    w = 1.0 + rise - t * h * (1.0 / (1.0 - h.mean()) if normalized else 1.0)
    return np.linalg.solve((x.T * w) @ x + (1.0 + rise) * penalty * np.eye(3), x.T @ (w * y))


@PATHS
@pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
@pytest.mark.parametrize("part", [1.0, 0.4])
def test_it_sums_two_taylor_terms_of_minimisers_of_quadratic_losses(normalized, curvature, part):
    """The terms come from minimisers at complex times on a circle, divided by its radius."""
    learner, x, y, *_ = linear(7.0)
    answer = GroupInfluence(curvature, normalized=normalized).answer(learner, SETS, both, weight=1.0 - part)
    for k, deleted in enumerate(SETS):
        times = 0.2 * np.exp(2j * np.pi * np.arange(64) / 64)
        values = np.array([path(x, y, 7.0, gone(deleted, part), normalized, t) for t in times])
        terms = (np.fft.fft(values, axis=0) / 64).real[:3] / 0.2 ** np.arange(3)[:, None]
        movement = terms[1] + terms[2]
        assert close(answer.parameters[k] - learner.trained, movement, 1e-9)
        assert close(answer.change[k], 2.0 * learner.trained * movement + movement.sum(), 1e-9)
        assert answer.diagnostics["residual"][k] < 1e-10
        end = path(x, y, 7.0, gone(deleted, part), normalized, 1.0)
        rest = np.linalg.solve((x.T * (1.0 - gone(deleted, part))) @ x + 7.0 * np.eye(3),
                               x.T @ ((1.0 - gone(deleted, part)) * y))
        assert close(end, rest, 1e-10)      # either path ends at the minimiser of what is left


def test_a_mean_is_exact_along_the_papers_path():
    """Equal curvatures of all examples: the set's is its share of the whole, and the second term vanishes."""
    learner, x, y, *_ = linear(0.0)
    x[:] = 1.0
    again = learner.again(parameters=np.array([y.mean()]), examples=list(zip(x[:, :1], y)))
    for deleted, answer in zip(SETS, GroupInfluence().answer(again, SETS, itself).change):
        assert np.isclose(answer[0], y[gone(deleted) == 0.0].mean() - y.mean(), rtol=1e-10)


@PATHS
def test_the_error_falls_with_the_third_power_of_the_weight_where_losses_are_quadratic(normalized):
    """With the second power in logistic regression, whose third derivatives are left out; there it is as near
    a Newton step as the third power."""
    learner, x, y, *_ = linear(7.0)
    removed, method = np.array([0.05, 0.1, 0.2]), GroupInfluence(normalized=normalized)
    errors = {"quadratic": [], "logistic": [], "to Newton": []}
    other, u, v = at_minimum(10.0)
    for r in removed:
        h = gone(range(12), r)
        exact = np.linalg.solve((x.T * (1.0 - h)) @ x + 7.0 * np.eye(3), x.T @ ((1.0 - h) * y))
        theta = method.answer(learner, [range(12)], itself, weight=1.0 - r).parameters[0]
        errors["quadratic"].append(np.linalg.norm(theta - exact))
        theta = method.answer(other, [range(12)], itself, weight=1.0 - r).parameters[0]
        newton = NewtonStep().answer(other, [range(12)], itself, weight=1.0 - r).parameters[0]
        errors["logistic"].append(np.linalg.norm(theta - logistic_minimiser(u, v, 1.0 - h, 10.0)))
        errors["to Newton"].append(np.linalg.norm(theta - newton))
    slopes = {name: np.polyfit(np.log(removed), np.log(e), 1)[0] for name, e in errors.items()}
    assert abs(slopes["quadratic"] - 3.0) < 0.2 and abs(slopes["to Newton"] - 3.0) < 0.2
    assert abs(slopes["logistic"] - 2.0) < 0.2


def test_solvers_agree_and_influence_is_its_first_term():
    learner, *_ = at_minimum(10.0)
    answers = [GroupInfluence(normalized=False, solver=solver, tolerance=1e-12, limit=2000).answer(
        learner, SETS, itself) for solver in ("cholesky", "cg", "lissa")]
    for answer in answers[1:]:
        assert close(answer.change, answers[0].change, 1e-9) and answer.diagnostics["iterations"] > 0
    small = GroupInfluence(normalized=False).answer(learner, SETS, itself, weight=1.0 - 1e-6).change
    assert close(small, Influence().answer(learner, SETS, itself, weight=1.0 - 1e-6).change, 1e-5)
    bent = GroupInfluence(linear=False).answer(learner, SETS, both)
    assert close(bent.change, bent.parameters ** 2 + bent.parameters.sum(axis=1, keepdims=True)
                 - learner.trained ** 2 - learner.trained.sum(), 1e-12)


def test_it_refuses_what_influence_refuses():
    learner, *_ = linear(7.0)
    with pytest.raises(DoesNotApply, match="no minimum"):
        GroupInfluence().answer(learner.again(parameters=np.ones(3)), [[1]], itself)
    with pytest.raises(DoesNotApply, match="deletes every example"):
        GroupInfluence().answer(learner, [range(N)], itself)
    assert repr(GroupInfluence(damping=2.0)).startswith("GroupInfluence(curvature='hessian', solver=")
