"""Influence, Newton steps and the weight path: against closed forms of least squares, minimisers found in
plain NumPy, and retraining."""
import numpy as np
import pytest
from checks import close
from learners import (
    at_minimum, data, half_square_of, least_squares, logistic_hessian, logistic_minimiser, of_weights,
    sigmoid)
from test_objective import gauss_newton, made

from benchmarks.path import POINTS, TRACKED, neurons, tracked
from deletion import SGD, DoesNotApply, Learner, ModelLoss, Objective, retrain
from deletion.influence import Homotopy, Influence, NewtonStep, self_influences
from deletion.influence.influence import CurvatureMethod

N = 40


def itself(w):
    return w


def both(w):      # a vector that is not linear in w
    return w * w + w.sum()


# least squares: leverage ------------------------------------------------------------------------------------

def linear_outputs(w, x, y):
    return x @ w


def squared_cost(output, x, y):
    return (output - y) ** 2 * 0.5


def linear(penalty, units=None):
    """Least squares that starts at its minimum: (learner, x, y, A = X^T X + penalty I, residuals)."""
    x, y = data(N, 3)
    a = x.T @ x + penalty * np.eye(3)
    theta = np.linalg.solve(a, x.T @ y)
    regularizer = half_square_of(penalty, N) if penalty else None
    learner = Learner(theta, list(zip(x, y)), ModelLoss(linear_outputs, squared_cost), SGD(0.1),
                      np.arange(N)[None], regularizer=regularizer, units=units)
    return learner, x, y, a, y - x @ theta


PENALTIES = pytest.mark.parametrize("penalty", [0.0, 7.0], ids=["least squares", "ridge"])
ALONE = [[i] for i in range(N)]


@PENALTIES
@pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
def test_least_squares_is_leverage(penalty, curvature):
    """theta_{-i} - theta = -A^-1 x_i e_i / (1 - P_ii): Newton and homotopy give it, influence lacks 1 / (1 -
    P_ii)."""
    learner, x, _, a, e = linear(penalty)
    leverage = np.einsum("ij,jk,ik->i", x, np.linalg.inv(a), x)
    first = -np.linalg.solve(a, x.T * e).T
    exact = first / (1.0 - leverage)[:, None]
    influence = Influence(curvature).answer(learner, ALONE, itself)
    assert close(influence.parameters - learner.trained, first, 1e-10)
    assert close(influence.change, first, 1e-10)
    assert close(influence.change / (1.0 - leverage)[:, None], exact, 1e-10)
    assert close(NewtonStep(curvature=curvature).answer(learner, ALONE, itself).change, exact, 1e-10)
    assert close(Influence(curvature).self_influence(learner), e ** 2 * leverage, 1e-10)
    computed = self_influences(learner, ALONE, CurvatureMethod(curvature))
    assert close(computed.influence, e ** 2 * leverage, 1e-10)
    assert close(computed.newton, e ** 2 * leverage / (1.0 - leverage), 1e-10)
    # S has rank one: the bound is met
    assert close(computed.largest, leverage, 1e-10) and close(computed.bound, computed.newton, 1e-10)
    if curvature == "hessian":
        assert close(Homotopy(1e-12).answer(learner, ALONE[:8], itself).change, exact[:8], 1e-10)


def test_retraining_a_learner_that_converges_agrees():
    learner = least_squares()
    truth = retrain(learner, ALONE[:12], progress=False) - learner.trained
    assert close(NewtonStep().answer(learner, ALONE[:12], itself).change, truth, 1e-10)
    assert close(Homotopy(1e-12).answer(learner, ALONE[:4], itself).change, truth[:4], 1e-10)


@PENALTIES
@pytest.mark.parametrize("solver", ["cholesky", "cg", "lissa"])
def test_groups_and_units_of_least_squares(penalty, solver):
    """Deleting several: Newton is the minimiser of the rest, influence is A^-1 times the sum of gradients;
    what is measured follows."""
    unit = np.arange(N) % 8
    learner, x, y, a, e = linear(penalty, units=[f"user {u}" for u in unit])
    h = np.array([unit == 3, (unit == 1) | (unit == 6)], float)
    sets, options = [["user 3"], ["user 1", "user 6"]], {"solver": solver, "tolerance": 1e-12, "limit": 2000}
    exact = np.array([np.linalg.solve((x.T * (1.0 - w)) @ x + penalty * np.eye(3), x.T @ ((1.0 - w) * y))
                      for w in h])
    assert close(NewtonStep(**options).answer(learner, sets, itself).parameters - learner.trained,
                 exact - learner.trained, 1e-10)
    first = -np.linalg.solve(a, x.T @ (h * e).T).T
    answer = Influence(**options).answer(learner, sets, both)
    assert close(answer.parameters - learner.trained, first, 1e-10)
    assert close(answer.change, 2.0 * learner.trained * first + first.sum(axis=1, keepdims=True), 1e-10)
    expected = (learner.trained + first) ** 2 - learner.trained ** 2 + first.sum(axis=1, keepdims=True)
    assert close(Influence(linear=False, **options).answer(learner, sets, both).change, expected, 1e-10)
    g = -np.array([x[unit == u].T @ e[unit == u] for u in range(8)])
    assert close(Influence(**options).self_influence(learner),
                 np.einsum("ij,ij->i", g, np.linalg.solve(a, g.T).T), 1e-10)
    half = NewtonStep(**options).answer(learner, sets, itself, weight=0.5).parameters
    assert close(half[0], np.linalg.solve((x.T * (1.0 - 0.5 * h[0])) @ x + penalty * np.eye(3),
                                          x.T @ ((1.0 - 0.5 * h[0]) * y)), 1e-10)


def product_loss(p, z):
    return (z - p["a"] * p["b"]) ** 2 * 0.5


def test_a_product_of_two_parameters():
    """(z - ab)^2 / 2: the Hessian has rank one, and damping moves ab by -(z_i - mean) |v|^2 / (n |v|^2 +
    damping), v = (b, a)."""
    z = np.array([1.0, 2.5, 0.5, 3.0, 1.5])
    a, b = z.mean() / 0.8, 0.8
    learner = Learner({"a": np.array(a), "b": np.array(b)}, list(z), product_loss, SGD(0.01),
                      np.arange(5)[None])
    with pytest.raises(DoesNotApply, match="not positive definite.*damping"):
        Influence().answer(learner, [[0]], lambda p: p["a"] * p["b"])
    square = a * a + b * b
    for damping in (1e-3, 2.0):
        computed = Influence(damping=damping).answer(learner, [[i] for i in range(5)],
                                                     lambda p: p["a"] * p["b"]).change
        assert close(computed, -(z - z.mean()) * square / (5.0 * square + damping), 1e-10)


# logistic regression ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("penalty", [10.0, 30.0])
def test_newton_and_homotopy_are_leave_one_out(penalty):
    """Newton within 1% for 95% of the examples, homotopy within 1e-6 for every one; relative to how far
    deletion moves the parameters."""
    learner, x, y = at_minimum(penalty)
    exact = np.array([logistic_minimiser(x, y, w, penalty) for w in 1.0 - np.eye(N)]) - learner.trained

    def errors(method):
        return np.linalg.norm(method.answer(learner, ALONE, itself).change - exact,
                              axis=1) / np.linalg.norm(exact, axis=1)

    assert np.mean(errors(NewtonStep()) < 0.01) >= 0.95
    assert errors(Homotopy()).max() < 1e-6
    assert np.median(errors(Influence())) > 2.0 * np.median(errors(NewtonStep()))


def test_many_parameters_take_conjugate_gradients(monkeypatch):
    learner, *_ = at_minimum(10.0)
    direct = NewtonStep().answer(learner, ALONE, itself)
    monkeypatch.setattr("deletion.influence.newton.MAX_DENSE", 2)
    computed = NewtonStep(tolerance=1e-13).answer(learner, ALONE, itself)
    assert computed.diagnostics["iterations"] > 0 == direct.diagnostics["iterations"]
    assert close(computed.change, direct.change, 1e-11)


def test_correctors_square_the_error():
    """Thirty of forty deleted, integrated roughly: every Newton step at the end squares what is left of the
    error."""
    learner, x, y = at_minimum(0.1)
    exact = logistic_minimiser(x, y, (np.arange(N) >= 30).astype(float), 0.1) - learner.trained
    computed = [Homotopy(0.5, corrector=c).answer(learner, [range(30)], itself).change[0] for c in (0, 1, 2)]
    errors = [np.linalg.norm(f - exact) / np.linalg.norm(exact) for f in computed]
    assert 1e-4 < errors[0] < 1e-2 and errors[1] < 2.0 * errors[0] ** 2 and errors[2] < 2.0 * errors[1] ** 2
    assert np.linalg.norm(Homotopy().answer(learner, [range(30)], itself).change[0]
                          - exact) < 1e-8 * np.linalg.norm(exact)


def test_gauss_newton_of_a_linear_model_is_the_hessian():
    learner, x, y = at_minimum(10.0)
    for method in (Influence, NewtonStep):
        computed = [method(curvature=c, damping=3.0).answer(learner, ALONE, itself).change
                    for c in ("hessian", "gauss-newton")]
        assert close(computed[1], computed[0], 1e-10)
    g = -(y * sigmoid(-y * (x @ learner.trained)))[:, None] * x
    damped = logistic_hessian(learner.trained, x, y, np.ones(N), 13.0)
    assert close(Influence(damping=3.0).answer(learner, ALONE, itself).change, np.linalg.solve(damped, g.T).T,
                 1e-10)


def test_gauss_newton_holds_around_any_parameters(rng):
    """Far from a minimum, by any solver: (J^T H J + damping)^-1 g_W, from explicit Jacobians."""
    learner = made("one a step")
    with pytest.raises(DoesNotApply, match="no minimum"):
        Influence().answer(learner, [[2]], of_weights)
    theta, objective = learner.trained, Objective(learner)
    matrix = gauss_newton(learner, theta, np.ones(6)) + 0.5 * np.eye(len(theta))
    expected = np.linalg.solve(matrix, objective.gradients(theta)[2] + objective.gradients(theta)[4])
    for solver in ("cholesky", "cg", "lissa"):
        method = Influence("gauss-newton", 0.5, solver=solver, tolerance=1e-12, limit=5000)
        computed = method.answer(learner, [[2, 4], []], of_weights)
        assert close(computed.parameters[0] - theta, expected, 1e-10)
        assert (computed.parameters[1] == theta).all()
        assert computed.change[1] == 0.0
        assert close(computed.change[:1], np.atleast_1d(expected[:12].sum() + expected[16:].mean()), 1e-10)
    rest = gauss_newton(learner, theta, np.array([1.0, 1.0, 0.0, 1.0, 0.0, 1.0])) + 0.5 * np.eye(len(theta))
    expected = np.linalg.solve(rest, objective.gradients(theta)[2] + objective.gradients(theta)[4])
    assert close(NewtonStep(1, "gauss-newton", 0.5).answer(learner, [[2, 4]], of_weights).parameters[0]
                 - theta, expected, 1e-10)


def test_slopes_of_the_error():
    """Error against weight removed, in log-log: influence 2, one Newton step 2 with a smaller constant, two
    steps 4."""
    learner, x, y = at_minimum(10.0)
    deleted, removed = np.arange(12), np.array([0.05, 0.1, 0.2])
    errors = {}
    for name, method in [("influence", Influence()), ("one", NewtonStep()), ("two", NewtonStep(steps=2))]:
        computed = [method.answer(learner, [deleted], itself, weight=1.0 - r).parameters[0] for r in removed]
        exact = [logistic_minimiser(x, y, np.where(np.arange(N) < 12, 1.0 - r, 1.0), 10.0) for r in removed]
        errors[name] = np.linalg.norm(np.subtract(computed, exact), axis=1)
    slopes = {name: np.polyfit(np.log(removed), np.log(e), 1)[0] for name, e in errors.items()}
    assert abs(slopes["influence"] - 2.0) < 0.1 and abs(slopes["one"] - 2.0) < 0.1
    assert abs(slopes["two"] - 4.0) < 0.2
    assert (errors["one"] < 0.5 * errors["influence"]).all()


def test_newtons_self_influence_is_never_below_and_meets_it():
    """a^T (I - S)^-1 a >= a^T a, from explicit inverses; their ratio falls to 1 as 1 / the regulariser."""
    sets, ratios = [[0], [1, 2, 3], list(range(15))], []
    for penalty in (1.0, 100.0, 1000.0):
        learner, x, y = at_minimum(penalty)
        computed, theta = self_influences(learner, sets), learner.trained
        for k, deleted in enumerate(sets):
            h = np.isin(np.arange(N), deleted).astype(float)
            g = -x.T @ (h * y * sigmoid(-y * (x @ theta)))
            whole, rest = (logistic_hessian(theta, x, y, w, penalty) for w in (np.ones(N), 1.0 - h))
            assert close(computed.influence[k], g @ np.linalg.solve(whole, g), 1e-10)
            assert close(computed.newton[k], g @ np.linalg.solve(rest, g), 1e-10)
            largest = np.linalg.eigvals(np.linalg.solve(whole, whole - rest)).real.max()
            assert close(computed.largest[k], largest, 1e-10)
        assert (computed.influence <= computed.newton).all()
        assert (computed.newton <= computed.bound * (1.0 + 1e-12)).all()
        ratios.append(computed.newton / computed.influence - 1.0)
    assert (ratios[0] > 0.01).all() and (ratios[-1] < 0.01).all()
    assert np.allclose(ratios[-2], 10.0 * ratios[-1], rtol=0.15)


# the path ---------------------------------------------------------------------------------------------------

def test_the_path_and_its_derivatives():
    """theta(eps) against minimisers in NumPy; derivatives at 1, 0.4 and 0 against their central
    differences."""
    learner, x, y = at_minimum(5.0)
    objective, h, step = Objective(learner), np.isin(np.arange(N), [3, 8, 21]).astype(float), 1e-4

    def minimum(eps):
        return logistic_minimiser(x, y, 1.0 - (1.0 - eps) * h, 5.0)

    def values(eps):      # (R_{-W} + eps l_W, l_W) at its minimum
        losses = np.log1p(np.exp(-y * (x @ minimum(eps))))
        return np.array([(1.0 - (1.0 - eps) * h) @ losses + 2.5 * (minimum(eps) ** 2).sum(), h @ losses])

    eps = [1.0, 0.7, 0.4, 0.0]
    assert close(Homotopy(1e-10).path(objective, learner.trained, h, eps),
                 np.array([minimum(e) for e in eps]), 1e-9)
    for e in (1.0, 0.4, 0.0):
        computed = Homotopy().derivative(objective, minimum(e), h, e)
        assert close(computed.parameters, (minimum(e + step) - minimum(e - step)) / (2.0 * step), 1e-6)
        expected = (values(e + step) - values(e - step)) / (2.0 * step)
        assert close(np.array([computed.objective, computed.deleted]), expected, 1e-6)
        losses = np.log1p(np.exp(-y * (x @ minimum(e))))
        assert close(np.array(computed.objective), h @ losses, 1e-12) and computed.deleted < 0.0
    first = Homotopy().derivative(objective, learner.trained, h, 1.0).parameters
    assert close(-first, Influence().answer(learner, [[3, 8, 21]], itself).change[0], 1e-12)


def test_where_twin_neurons_part_the_homotopy_ends():
    """Two of three neurons coincide. Without point 5 they go on together; without point 13 they part: the
    Hessian turns indefinite on the way."""
    learner = neurons()
    objective, theta = Objective(learner), learner.trained
    assert np.abs(theta[1::3] - theta[2::3]).max() < 1e-6
    exact = tracked(objective, theta, np.eye(POINTS)[5])
    computed = Homotopy().path(objective, theta, np.eye(POINTS)[5], TRACKED)
    assert np.linalg.norm(computed - exact, axis=1).max() < 1e-6 * np.linalg.norm(exact[-1] - theta)
    with pytest.raises(DoesNotApply,
                       match=r"at eps = 0(\.0\d*)? of the path: the curvature is not positive definite"):
        Homotopy().path(objective, theta, np.eye(POINTS)[13])
    eps = np.array([1.0, 0.2, 0.05])
    weights = 1.0 - np.outer(1.0 - eps, np.eye(POINTS)[13])
    lowest = [np.linalg.eigvalsh(objective.matrix(t, w))[0] for t,
              w in zip(Homotopy().path(objective, theta, np.eye(POINTS)[13], eps), weights)]
    assert lowest[0] > lowest[1] > lowest[2] > 0.0 and lowest[2] < 0.1 * lowest[0]
