"""Bayesian influence against Bayesian linear regression, where everything is known; statistical claims with
their false-alarm rates."""
import numpy as np
import pytest
from checks import close
from learners import data, network, ridge, squared_loss, tiny
from scipy.stats import t as student

from deletion import SGD, DoesNotApply, Learner, LearnerError
from deletion.curvature.objective import Objective
from deletion.influence import BayesianInfluence
from deletion.influence.bayes import covariance, effective, losses_at, stiffest

N, D, GAMMA = 12, 3, 2.0
X, Y = data(N, D, 1)
PRECISION = X.T @ X + (N * 0.1 + GAMMA) * np.eye(D)
"""Of the posterior: unit noise, the ridge of the learner (0.05 |w|^2 on the scale of means), gamma."""


def regression(steps=2000):
    return Learner(np.zeros(D), list(zip(X, Y)), squared_loss, SGD(0.3), np.tile(np.arange(N), (steps, 1)),
                   regularizer=ridge)


def everything(w):
    return w * 1.0


def z_scores(computed, error, expected, chains, false_alarm=1e-3):
    """Standardised differences, and how large the largest of them may be: Student's law over chains,
    Bonferroni over entries."""
    return (computed - expected) / error, student.isf(0.5 * false_alarm / computed.size, chains - 1)


def draws(steps=2000, **settings):
    learner = regression(steps)
    method, objective = BayesianInfluence(gamma=GAMMA, **settings), Objective(learner)
    return learner, objective, method.sample(objective)[0]


@pytest.mark.parametrize("steps", [2000, 5])
def test_bayesian_linear_regression_is_within_monte_carlo_error(steps):
    """False-alarm rate 1 in 1,000, of the seed; parameters need not be an optimum."""
    learner, objective, theta = draws(steps, draws=800, burn_in=200, chains=32, thin=2, seed=4)
    losses = losses_at(objective, theta.reshape(-1, D)).reshape(theta.shape[:2] + (N,))
    computed, error = covariance(losses, theta)
    mean = np.linalg.solve(PRECISION, X.T @ Y + GAMMA * learner.trained)
    # deletion: minus the derivative in the weight
    expected = -(Y - X @ mean)[:, None] * np.linalg.solve(PRECISION, X.T).T
    z, limit = z_scores(computed, error, expected, 32)
    assert np.abs(z).max() < limit
    assert 0.6 < np.sqrt((z ** 2).mean()) < 1.6      # and the errors are no larger than they need be
    assert np.sqrt((error ** 2).mean()) < 0.05 * np.sqrt((expected ** 2).mean())


def test_unadjusted_dynamics_have_the_bias_that_is_stated():
    """The covariance is (H - step/4 H^2)^{-1}, not H^{-1}: the first is accepted at a false-alarm rate of 1
    in 1,000, the second is not."""
    step = 0.8 / np.linalg.eigvalsh(PRECISION)[-1]
    _, _, theta = draws(draws=800, burn_in=200, chains=32, thin=2, step=step, adjusted=False, seed=5)
    computed, error = covariance(theta, theta)
    z, limit = z_scores(computed, error, np.linalg.inv(PRECISION - 0.25 * step * PRECISION @ PRECISION), 32)
    assert np.abs(z).max() < limit
    z, limit = z_scores(computed, error, np.linalg.inv(PRECISION), 32)
    assert np.abs(z).max() > 2.0 * limit


@pytest.mark.parametrize("size", [3, 16, 17, 30])
def test_the_step_goes_by_the_largest_curvature(rng, size):
    """Found for few parameters by a matrix, for many by iteration; 0.2 / L makes no covariance more than 5.3%
    too large."""
    x = rng.normal(size=(40, size))
    learner = Learner(np.zeros(size), list(zip(x, x[:, 0])), squared_loss, SGD(0.1), np.arange(40)[None])
    objective, largest = Objective(learner), np.linalg.eigvalsh(x.T @ x)[-1]
    assert stiffest(objective) == pytest.approx(largest, rel=0.02)
    theta, _, step = BayesianInfluence(3, 2, gamma=GAMMA, chains=4, thin=2, adjusted=False).sample(objective)
    assert theta.shape == (4, 3, size) and step == pytest.approx(0.2 / (largest + GAMMA), rel=0.02)
    assert 1.04 < 1.0 / (1.0 - 0.25 * step * (largest + GAMMA)) < 1.055
    _, _, step = BayesianInfluence(3, 2, gamma=GAMMA, chains=4).sample(objective)
    assert step == pytest.approx(3.0 / (largest + GAMMA) / size ** (1.0 / 3.0), rel=0.02)


def test_an_answer_adds_up_what_is_deleted():
    learner = regression(50)
    method = BayesianInfluence(200, 50, gamma=GAMMA, chains=4, seed=1)
    answer = method.answer(learner, [[], [3], [7], [3, 7]], everything)
    assert (answer.change[0] == 0.0).all() and (answer.parameters[0] == learner.trained).all()
    assert np.abs(answer.change[1] + answer.change[2] - answer.change[3]).max() < 1e-14
    assert np.abs(answer.parameters - learner.trained - answer.change).max() < 1e-14
    # the seed decides
    assert np.abs(method.answer(learner, [[3]], everything).change[0] - answer.change[1]).max() < 1e-14
    assert 1.0 < answer.diagnostics["effective_draws"] <= 800.0
    assert 0.0 < answer.diagnostics["acceptance"] <= 1.0
    assert answer.diagnostics["standard_error"].shape == answer.change.shape
    assert np.abs(method.answer(learner, [[3]], everything, weight=0.5).change
                  - 0.5 * answer.change[1]).max() < 1e-14


def test_one_example_a_step_is_sampled_too():
    answer = BayesianInfluence(20, 10, chains=4).answer(tiny(), [0, [1, 2]], lambda w: w[0])
    assert answer.change.shape == (2,) and np.isfinite(answer.change).all() and answer.change.all()


@pytest.mark.parametrize("learner", [network(), tiny()], ids=["batches", "one example a step"])
def test_chains_side_by_side_are_each_one_alone(learner, rng):
    objective = Objective(learner)
    theta, weights = rng.normal(size=(3, objective.size)), rng.uniform(size=objective.count)
    values, slopes = objective.value_and_gradient(theta, weights)
    for row, value, slope in zip(theta, values, slopes):
        assert value == pytest.approx(objective.value(row, weights), rel=1e-13)
        assert np.abs(slope - objective.gradients(row).T @ weights).max() < 1e-12 * np.abs(slope).max()
    assert close(losses_at(objective, theta), np.array([objective.losses(row) for row in theta]), 1e-13)
    for bad in (theta[:, 1:], theta[None], np.nan * theta):
        with pytest.raises(LearnerError, match="parameters"):
            objective.value_and_gradient(bad)


def test_effective_draws_of_a_known_chain():
    """An autoregression of coefficient 0.8: one effective draw in 1.8 / 0.2 = 9, to 7% over 400 chains; 4
    times that is allowed."""
    rng = np.random.default_rng(0)
    x, chain = rng.normal(size=400), []
    for _ in range(900):
        x = 0.8 * x + 0.6 * rng.normal(size=400)
        chain.append(x)
    assert effective(np.array(chain).T[:, :, None]) == pytest.approx(400 * 900 / 9.0, rel=0.28)


def test_few_chains_are_enough_for_errors_that_are_right_on_average():
    """Four chains of 50 independent draws, each of them kept 25 times, 4,000 times over. Stated variances
    average the variance of what was found, and the reciprocal of effective draws 1 / 200: both within 4
    standard errors (one false alarm in 8,000 seeds), which are 8%."""
    rng = np.random.default_rng(6)
    computed, squares, reciprocals = [], [], []
    for _ in range(4000):
        a = rng.normal(size=(4, 50, 1))
        b = 0.5 * a + rng.normal(size=(4, 50, 1))
        value, error = covariance(a, b)
        computed.append(value.item())
        squares.append(error.item() ** 2)
        reciprocals.append(200.0 / effective(np.repeat(a, 25, axis=1)))
    deviation = np.square(np.array(computed) - np.mean(computed))
    for sample, expected in ((np.array(squares) - deviation, 0.0), (np.array(reciprocals), 1.0)):
        assert abs(sample.mean() - expected) < 4.0 * sample.std() / np.sqrt(4000)
    # less 1 / draws
    assert np.mean(computed) == pytest.approx(0.5, abs=4.0 * np.std(computed) / np.sqrt(4000) + 0.5 / 200)
    assert 4.0 * np.std(reciprocals) / np.sqrt(4000) < 0.08


def test_a_step_too_large_is_named():
    learner = regression(50)
    for settings in ({"step": 10.0, "adjusted": False}, {"step": 10.0}):
        with pytest.raises(DoesNotApply, match="step 10 .*smaller step"):
            BayesianInfluence(100, 50, chains=4, **settings).answer(learner, [[1]], everything)


@pytest.mark.parametrize("size", [16, 17])
def test_without_curvature_the_posterior_is_the_prior(size):
    """Linear losses, gamma = 1: covariances are those of a unit Gaussian, l_i's with theta being its own
    gradient."""
    x = np.random.default_rng(0).normal(size=(4, size))
    learner = Learner(np.zeros(size), list(x), lambda w, x: x @ w, SGD(0.1), np.arange(4).reshape(1, 4))
    change = BayesianInfluence(2000, 200).answer(learner, [[1]], everything).change[0]
    assert np.abs(change - x[1]).max() < 0.15


def test_bad_settings():
    for bad, what in (({"draws": 1}, "draws"), ({"burn_in": -1}, "burn_in"), ({"step": 0.0}, "step"),
                      ({"step": float("nan")}, "step"), ({"gamma": 0.0}, "gamma"), ({"gamma": "1"}, "gamma"),
                      ({"chains": 3}, "chains"), ({"chains": True}, "chains"), ({"thin": 0}, "thin"),
                      ({"seed": -1}, "seed")):
        with pytest.raises(LearnerError, match=what):
            BayesianInfluence(**bad)
    with pytest.raises(LearnerError, match="no unit 99"):
        BayesianInfluence().answer(regression(5), [99], everything)
