"""What influence, Newton steps and the weight path refuse, and what they say then."""
import numpy as np
import pytest
from learners import (
    at_minimum, data, half_square_of, least_squares, logistic_loss, logistic_minimiser, network, relu_loss,
    squared_loss, tiny)
from test_influence import N, itself

from circuit import DomainError, InputError
from deletion import SGD, DoesNotApply, Learner, Objective
from deletion.influence import Homotopy, Influence, NewtonStep, self_influences

METHODS = pytest.mark.parametrize("method", [Influence(), NewtonStep(), NewtonStep(steps=2), Homotopy()],
                                  ids=lambda m: m.name)


@METHODS
def test_nothing_deleted_is_no_change(method):
    learner, *_ = at_minimum(10.0)
    answer = method.answer(learner, [[], [4]], itself)
    assert (answer.change[0] == 0.0).all() and (answer.parameters[0] == learner.trained).all()
    assert answer.change[1].any()


@METHODS
def test_an_unfinished_training_moves_by_deletion_only(method):
    """Just short of the minimum, by less than is refused: nothing deleted is still no change."""
    x, y = data(N, 3)
    theta = logistic_minimiser(x, y, np.ones(N), 10.0) + 1e-4
    learner = Learner(theta, list(zip(x, y)), logistic_loss, SGD(0.0), np.arange(N)[None],
                      regularizer=half_square_of(10.0, N))
    assert (method.answer(learner, [[]], itself).change == 0.0).all()
    with pytest.raises(DoesNotApply, match="no minimum"):
        type(method)(optimum=1e-5).answer(learner, [[]], itself)


@METHODS
def test_a_schedule_that_prefers_some_examples_is_named(method):
    """It converges, but to the minimum of another sum than R."""
    x, y = data(12, 3, 1)
    schedule = np.tile([*range(11), *range(5)], (500, 1))
    learner = Learner(np.zeros(3), list(zip(x, y)), squared_loss, SGD(0.3), schedule)
    with pytest.raises(DoesNotApply, match=r"visit examples equally often \(now 0 to 1000 times"):
        method.answer(learner, [[0]], itself)


@METHODS
def test_unconverged_parameters_are_refused(method):
    with pytest.raises(DoesNotApply, match="no minimum: the gradient of the summed losses is .* long there, "
                       ".* typical example's, where 0.01"):
        method.answer(tiny(), [[0]], itself)
    with pytest.raises(DoesNotApply, match="no minimum"):
        Influence().self_influence(network())


@METHODS
def test_how_far_from_a_minimum_is_allowed(method):
    """|grad R| in lengths of a typical gradient, their root mean square: of least squares, from the
    residuals."""
    x, y = data(N, 3)
    theta = np.linalg.solve(x.T @ x + 7.0 * np.eye(3), x.T @ y) + 1e-3
    learner = Learner(theta, list(zip(x, y)), squared_loss, SGD(0.0), np.arange(N)[None],
                      regularizer=half_square_of(7.0, N))
    each = (x @ theta - y)[:, None] * x
    ratio = np.linalg.norm(each.sum(axis=0) + 7.0 * theta) / np.sqrt((each ** 2).sum() / N)
    assert type(method)(optimum=1.001 * ratio).answer(learner, [[4]], itself).change.any()
    with pytest.raises(DoesNotApply, match="no minimum"):
        type(method)(optimum=0.999 * ratio).answer(learner, [[4]], itself)


@METHODS
def test_deleting_everything_is_refused(method):
    learner, *_ = at_minimum(10.0)
    with pytest.raises(DoesNotApply, match="set 1 deletes every example"):
        method.answer(learner, [[0], list(range(N))], itself)
    with pytest.raises(DoesNotApply, match="set 0 deletes every example"):
        self_influences(learner, [list(range(N))])


@METHODS
def test_a_singular_hessian_is_refused(method):
    """Fewer examples than parameters, and no regulariser."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 5))
    theta = np.linalg.pinv(x) @ np.ones(3)
    learner = Learner(theta + 1e-5, list(zip(x, np.ones(3) + [0.3, -0.2, 0.1])), squared_loss, SGD(0.0),
                      np.arange(3)[None])
    with pytest.raises(DoesNotApply, match="not positive definite"):
        type(method)(optimum=10.0).answer(learner, [[0]], itself)


def only_one_sees(feature):
    """Least squares in which example 0 alone has the second feature."""
    x, y = np.array([[1.0, feature], [1.0, 0.0], [2.0, 0.0]]), np.array([1.0, 2.0, 3.0])
    return Learner(np.linalg.lstsq(x, y, rcond=None)[0], list(zip(x, y)), squared_loss, SGD(0.0),
                   np.arange(3)[None])


def test_what_becomes_singular_on_the_way_is_named():
    learner = only_one_sees(3.0)
    assert Influence().answer(learner, [[0]], itself).change.shape == (1, 2)
    with pytest.raises(DoesNotApply, match="without deletion set 0: .*not positive definite"):
        NewtonStep().answer(learner, [[0]], itself)
    with pytest.raises(DoesNotApply, match="without deletion set 0 is not positive definite"):
        self_influences(learner, [[0]])


def test_what_becomes_singular_is_refused_whichever_way_it_is_rounded(rng):
    """The same problem in 100 other coordinates: the eigenvalue 1 of S comes out as 1, a little above or a
    little below."""
    x, y = np.array([[1.0, 3.0], [1.0, 0.0], [2.0, 0.0]]), np.array([1.0, 2.0, 3.0])
    for _ in range(100):
        turned = x @ np.linalg.qr(rng.normal(size=(2, 2)))[0] * 10.0 ** rng.uniform(-2.0, 2.0)
        start = np.linalg.lstsq(turned, y, rcond=None)[0]
        learner = Learner(start, list(zip(turned, y)), squared_loss, SGD(0.0), np.arange(3)[None])
        with pytest.raises(DoesNotApply, match="without deletion set 0 is not positive definite"):
            self_influences(learner, [[0]])
        # its leverage, in any coordinates
        assert self_influences(learner, [[1]]).largest == pytest.approx(0.2, rel=1e-6)


def hill(w, x, y):
    return (w * w * x + w * y).sum(axis=1)


def test_the_homotopy_names_where_the_hessian_turns_indefinite():
    """4 w^2 + (2 w - 3 w^2): without the first example, of weight eps, the second derivative 8 eps - 6
    changes sign at eps = 3/4."""
    examples = [(np.array([4.0]), np.array([0.0])), (np.array([-3.0]), np.array([2.0]))]
    learner = Learner(np.array([-1.0]), examples, hill, SGD(0.0), np.arange(2)[None])
    with pytest.raises(DoesNotApply, match=r"deletion set 0: (at eps = 0\.7[45]\d* of the path: the "
                       r"curvature is not positive" r"|the path cannot be followed below eps = 0\.75)"):
        Homotopy().answer(learner, [[0]], itself)


def test_kinks_have_no_hessian():
    x, y = data(8, 3)
    learner = Learner(np.zeros(3), list(zip(x, np.zeros(8))), relu_loss, SGD(0.1), np.arange(8)[None])
    with pytest.raises(DomainError, match="kink"):
        Influence().answer(learner, [[0]], itself)


def path_at(learner, eps):
    return Homotopy().path(Objective(learner), learner.trained, np.eye(N)[0], eps)


@pytest.mark.parametrize("call, message", [
    (lambda learner: Influence("fisher"), "no curvature 'fisher'"),
    (lambda learner: Influence(solver="qr"), "no solver 'qr'"),
    (lambda learner: Influence(damping=-1.0), "damping"),
    (lambda learner: Influence(optimum=0.0), "optimum"),
    (lambda learner: NewtonStep(steps=0), "Newton steps: expected a whole number >= 1"),
    (lambda learner: NewtonStep(steps=True), "Newton steps: expected a whole number >= 1"),
    (lambda learner: Homotopy(accuracy=0.0), "accuracy"),
    (lambda learner: Homotopy(corrector=-1), "corrector"),
    (lambda learner: Influence().answer(learner, [[N]], itself), "no unit 40"),
    (lambda learner: Influence().answer(learner, [[1, 1]], itself), "more than once"),
    (lambda learner: Influence().answer(learner, [], itself), "no deletion sets"),
    (lambda learner: self_influences(learner, []), "no deletion sets"),
    (lambda learner: Influence().answer(learner, [[0]], itself, weight=2.5), "lies between 0 and 2"),
    (lambda learner: Influence(solver="cg", limit=1).answer(learner, [[0]], itself), "did not converge"),
    (lambda learner: Influence(solver="lissa", scale=1e-3).answer(learner, [[0]], itself), "LiSSA diverges"),
    (lambda learner: Influence("gauss-newton").answer(least_squares(), [[0]], itself), "ModelLoss"),
    (lambda learner: Homotopy().derivative(Objective(learner), learner.trained, np.full(N, np.nan), 0.5),
     "finite"),
    (lambda learner: path_at(learner, [0.0, 1.0]), "eps falls from 1"),
    (lambda learner: path_at(learner, [0.5, -0.1]), "eps falls from 1"),
    (lambda learner: path_at(learner, []), "eps falls from 1"),
    (lambda learner: Influence().answer(learner, [[0]], 3.0), "measurement"),
])
def test_bad_input_is_named(call, message):
    learner, *_ = at_minimum(10.0)
    with pytest.raises(InputError, match=message):
        call(learner)
