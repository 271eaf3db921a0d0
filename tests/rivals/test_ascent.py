"""Gradient ascent on homogeneous models, against enumerated cones, finite differences, exact maximum margins
and retraining."""
import itertools
import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import nnls

from deletion import LearnerError
from deletion.unlearning import (
    Linear, Span, TwoLayerReLU, ascend, homogeneity, max_margin, multipliers, success, train_to_margin)
from deletion.studies.kkt import project


def gaussian(points, inputs, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(points, inputs)), rng.choice([-1.0, 1.0], points)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.fixture(scope="module")
def networks():
    """Four networks of 12 neurons on 8 nearly orthogonal points, in coordinates of their span, trained."""
    trained = []
    for seed in range(40, 44):
        x, y = gaussian(8, 4000, seed)
        span = Span(TwoLayerReLU(4000, np.resize([1.0, -1.0], 12) / np.sqrt(12)), x)
        trained.append((span.model, span.points, y,
                        train_to_margin(span.model, span.points, y, start=span.model.start(seed)).theta))
    return trained


# the parts --------------------------------------------------------------------------------------------------

def test_derivatives_are_finite_differences(rng):
    """Of both models, every parameter; away from kinks, where Clarke's subdifferential is one gradient."""
    for model in (Linear(3), TwoLayerReLU(3, [1.0, -0.5, 2.0, -1.0])):
        theta, x, weights = rng.normal(size=model.size), rng.normal(size=(5, 3)), rng.normal(size=5)
        steps = 1e-6 * np.eye(model.size)
        expected = np.stack([(model.output(theta + e, x) - model.output(theta - e, x)) / 2e-6 for e in steps],
                            axis=1)
        pieces = model.pieces(theta, x, 0.0)
        assert len(pieces.owner) == 0
        np.testing.assert_allclose(pieces.gradients, expected, atol=1e-8)
        np.testing.assert_allclose(model.weighted_gradient(theta, x, weights), weights @ expected, atol=1e-8)
        assert (expected ** 2).sum(axis=1).max() <= model.steepest(x) * (1.0 + 1e-6)


def test_clarke_shares_are_one_sided_derivatives(rng):
    """At a kink the gradient with share 0 and 1 is the derivative on either side."""
    model, theta, x = TwoLayerReLU(3, [1.0, -0.5]), rng.normal(size=6), rng.normal(size=(1, 3))
    theta[:3] -= (theta[:3] @ x[0]) / (x[0] @ x[0]) * x[0]
    pieces = model.pieces(theta, x)
    assert pieces.owner.tolist() == [0]
    up = np.append(x[0], np.zeros(3))
    for share, side in ((1.0, 1e-6), (0.0, -1e-6)):
        slope = (model.output(theta + side * up, x) - model.output(theta, x)) / side
        assert slope[0] == pytest.approx((pieces.gradients[0] + share * pieces.kinked[0]) @ up, rel=1e-6,
                                         abs=1e-8)


def test_projection_is_that_on_all_rays_listed(rng):
    """Columns generated as needed find the minimum over all 2^k selections of optional pieces; shares stay
    within their lambdas."""
    for _ in range(20):
        fixed, owner = rng.normal(size=(3, 12)), np.array([0, 0, 0, 1, 1, 2])
        optional, target = rng.normal(size=(6, 12)), rng.normal(size=12) + fixed.sum(axis=0)
        rays = [fixed[i] + sum(selection, np.zeros(12)) for i in range(3)
                for selection in itertools.product(*[(0.0 * v, v) for v in optional[owner == i]])]
        lambdas, shares = project(target, fixed, optional, owner)
        assert np.linalg.norm(target - lambdas @ fixed - shares
                              @ optional) == pytest.approx(nnls(np.array(rays).T, target)[1], rel=1e-9)
        assert (lambdas >= 0.0).all() and (shares >= 0.0).all()
        assert (shares <= lambdas[owner] * (1.0 + 1e-12)).all()


def test_training_arrives_at_the_exact_maximum_margin():
    x, y = gaussian(12, 30, 1)
    exact = max_margin(x, y)
    assert (y * (x @ exact)).min() == pytest.approx(1.0)
    # KKT conditions, by another route
    lambdas = np.linalg.lstsq((y[:, None] * x).T, exact, rcond=None)[0]
    assert lambdas.min() > -1e-9 and (lambdas * (y * (x @ exact) - 1.0)).max() < 1e-9
    np.testing.assert_allclose(lambdas @ (y[:, None] * x), exact, atol=1e-10)
    for loss in ("exponential", "logistic"):
        trained = train_to_margin(Linear(30), x, y, loss, tolerance=1e-3)
        assert trained.angle <= 1e-3 and cosine(trained.theta, exact) > 1.0 - 4e-6
        assert (y * (x @ trained.theta)).min() == pytest.approx(1.0)


def test_more_points_than_dimensions():
    """Most points support nothing; the scale of the data does not matter."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(60, 3))
    x = x[np.abs(x[:, 0]) > 0.3]
    y = np.sign(x[:, 0])
    exact = max_margin(x, y)
    np.testing.assert_allclose(max_margin(1e-9 * x, y), 1e9 * exact, rtol=1e-9)
    kkt = multipliers(Linear(3), exact, x, y)
    assert kkt.eps < 1e-10 * np.linalg.norm(exact) and kkt.delta < 1e-9
    assert 2 <= (kkt.lambdas > 1e-6).sum() <= 4
    assert cosine(train_to_margin(Linear(3), x, y).theta, exact) > 0.999


def test_a_kkt_point_by_hand():
    """Points 2 e_1 and e_2, labels 1 and -1: theta = (1/2, -1), lambda = (1/4, 1); a third, (8, 0), supports
    nothing."""
    x, y = np.array([[2.0, 0.0], [0.0, 1.0], [8.0, 0.0]]), np.array([1.0, -1.0, 1.0])
    kkt = multipliers(Linear(2), [5.0, -10.0], x[:2], y[:2])
    np.testing.assert_allclose(kkt.lambdas, [0.25, 1.0])
    assert kkt.eps < 1e-13 and kkt.delta < 1e-13
    # margins 2 and 1; lambda (1/2, 1), so slackness 1/2
    off = multipliers(Linear(2), [1.0, -1.0], x[:2], y[:2])
    # TIE squared, for slackness is as large as the rest
    assert off.delta == pytest.approx(0.5) and off.eps < 2e-12
    step = ascend(Linear(2), [0.5, -1.0], x[:2], y[:2], [1])
    np.testing.assert_allclose(step.theta, [0.5, 0.0], atol=1e-15)
    assert step.betas == pytest.approx([np.e])
    assert ascend(Linear(2), [0.5, -1.0], x[:2], y[:2], [1],
                  loss="logistic").betas == pytest.approx([1.0 + np.e])


@pytest.mark.parametrize("loss, value", [("exponential", lambda q: np.exp(-q)),
                                         ("logistic", lambda q: np.log1p(np.exp(-q)))])
def test_the_step_is_an_ascent_of_the_loss(loss, value):
    """theta + beta grad l_r with the gradient by finite differences, of parameters whose smallest margin is
    1."""
    x, y = gaussian(6, 40, 2)
    theta = max_margin(x, y)
    step = ascend(Linear(40), theta, x, y, [1, 4], fraction=0.7, loss=loss)
    expected = theta.copy()
    for r, beta in zip((1, 4), step.betas):
        differences = [value(y[r] * x[r] @ (theta + e)) - value(y[r] * x[r] @ (theta - e))
                       for e in 1e-6 * np.eye(40)]
        expected += 0.7 * beta * np.array(differences) / 2e-6
    np.testing.assert_allclose(step.theta, expected, atol=1e-8)
    np.testing.assert_allclose(ascend(Linear(40), 7.0 * theta, x, y, [1, 4], 0.7, loss).theta, 7.0 * expected,
                               atol=1e-7)
    # nothing deleted, nothing changed
    assert np.array_equal(ascend(Linear(40), theta, x, y, []).theta, theta)
    assert np.array_equal(ascend(Linear(40), theta, x, y, [2], 0.0).theta, theta)


# what the paper promises ------------------------------------------------------------------------------------

def test_linear_models_forget():
    """n = 20, d = 2,000, 20 seeds: residual at rounding, margins kept, cosine to the exact solution without
    the point."""
    facts = []
    for seed in range(20):
        x, y = gaussian(20, 2000, seed)
        trained = train_to_margin(Linear(2000), x, y, tolerance=2e-3).theta
        step, exact = ascend(Linear(2000), trained, x, y, [0]), max_margin(x[1:], y[1:])
        report = success(Linear(2000), step.theta, x[1:], y[1:], exact)
        assert report.itself.relative_eps < 1e-12 and report.eps < 1e-13 and report.delta < 1e-13
        assert 1.0 - report.tau == pytest.approx(cosine(step.theta, exact), abs=1e-13)
        facts.append((cosine(trained, exact), 1.0 - report.tau, np.abs(y * (x @ step.theta) - 1.0)[1:].max(),
                      (y * (x @ step.theta))[0]))
    before, after, deviation, deleted = np.array(facts).T
    assert after.min() >= 0.9994 and np.median(after) >= 0.9997 and before.max() < 0.985
    assert deviation.max() < 0.1 and 0.03 < np.median(deviation) < 0.06
    # as of an unseen point: normal of deviation |theta| = 0.1, so five of these
    assert np.abs(deleted).max() < 0.5


def test_networks_forget_best_at_the_step_of_the_theory(networks):
    """Stationarity on the remaining points is missed least at fraction 1 +- .05; with 1[z > 0] at kinks it is
    missed by far more."""
    fractions = np.round(np.arange(0.7, 1.3001, 0.05), 2)
    for model, x, y, theta in networks:
        curves = {}
        for near in (0.05, 0.0):
            kkt = multipliers(model, theta, x, y, near)
            curves[near] = [multipliers(model, kkt.theta - f * kkt.terms[0], x[1:], y[1:], near).relative_eps
                            for f in fractions]
        assert abs(fractions[np.argmin(curves[0.05])] - 1.0) < 0.0501
        assert min(curves[0.05]) < 0.03 and min(curves[0.0]) > 2.0 * min(curves[0.05])
        np.testing.assert_allclose(ascend(model, theta, x, y, [0]).theta,
                                   multipliers(model, theta, x, y).theta
                                   - multipliers(model, theta, x, y).terms[0], atol=1e-12)


def test_several_points_and_reports(networks):
    """Steps add; what remains is a KKT point of the rest about as closely as before, and nearer than before
    to where training on leads."""
    for model, x, y, theta in networks:
        step = ascend(model, theta, x, y, [0, 3])
        alone = [ascend(model, theta, x, y, [i]).theta for i in (0, 3)]
        np.testing.assert_allclose(step.theta, alone[0] + alone[1] - theta, atol=1e-12)
        assert step.kept.tolist() == [1, 2, 4, 5, 6, 7]
        rest = x[step.kept], y[step.kept]
        own = success(model, step.theta, *rest)
        assert own.tau == 0.0 and own.reference.relative_eps < 0.05 and own.eps == own.itself.eps
        on = train_to_margin(model, *rest, start=step.theta).theta
        near = success(model, step.theta, *rest, on)
        assert near.tau == pytest.approx(1.0 - cosine(step.theta, on), abs=1e-12)
        assert near.reference.relative_eps <= 0.0101
        assert near.tau < 0.5 * (1.0 - cosine(theta, on))


def test_accuracy_on_a_mixture_is_kept():
    """Gaussian clouds at +-3 e_1 in 400 dimensions, 5,000 unseen points: within 1% of before and of
    retrained."""
    rng = np.random.default_rng(3)

    def mixture(points):
        y = rng.choice([-1.0, 1.0], points)
        return rng.normal(size=(points, 400)) + 3.0 * y[:, None] * np.eye(400)[0], y
    (x, y), (unseen, labels) = mixture(30), mixture(5000)
    for model in (Linear(400), TwoLayerReLU(400, np.resize([1.0, -1.0], 10) / np.sqrt(10))):
        trained = train_to_margin(model, x, y, tolerance=0.02).theta
        step = ascend(model, trained, x, y, 0)
        again = train_to_margin(model, x[1:], y[1:], tolerance=0.02).theta
        before, after, retrained = ((model.output(theta, unseen) * labels > 0.0).mean()
                                    for theta in (trained, step.theta, again))
        assert before > 0.85 and abs(after - before) <= 0.01 and abs(after - retrained) <= 0.01


# what is refused --------------------------------------------------------------------------------------------

def test_homogeneity():
    x, y = gaussian(4, 3, 0)
    network = TwoLayerReLU(3, [1.0, -1.0, 0.5])
    assert homogeneity(lambda theta: network.output(theta, x), network.size) == pytest.approx(1.0)
    assert homogeneity(lambda theta: (x @ theta[:3]) * theta[3], 4) == pytest.approx(2.0)

    def biased(theta):
        return x @ theta + 1.0

    def hidden_bias(theta):
        return np.maximum(x @ theta[:3] + 1.0, 0.0) * theta[3] ** 2
    for function, words in ((biased, "biased is not homogeneous"), (
        hidden_bias, "hidden_bias is not homogeneous"), (lambda theta: x @ np.tanh(theta), "not homogeneous"),
                            (lambda theta: theta / np.abs(theta).sum(), "degree"),
                            (lambda theta: np.ones(2), "degree 0"), (lambda theta: theta * np.nan, "finite")):
        with pytest.raises(LearnerError, match=words):
            homogeneity(function, 4 if function is hidden_bias else 3)


def test_bad_input_is_named_and_refused():
    x, y = gaussian(6, 20, 5)
    model, theta = Linear(20), max_margin(x, y)
    clashing = np.vstack([x, x[:1]]), np.append(y, -y[0])

    def refused(words, function, *arguments, **named):
        with pytest.raises(LearnerError, match=words):
            function(*arguments, **named)
    refused("no linear model", max_margin, *clashing)
    refused("misclassified", train_to_margin, model, *clashing, limit=3000)
    refused("misclassified: the margin of point 6", multipliers, model, theta, *clashing)
    refused("has not converged", train_to_margin, model, x, y, tolerance=1e-9, limit=600)
    beside = np.linalg.svd(x)[2][-1]      # orthogonal to all points
    refused("miss a KKT point of these data by 0.1 of", ascend, model,
            theta + 0.1 * np.linalg.norm(theta) * beside, x, y, [0])
    refused("labels are 1 or -1: got 0", multipliers, model, theta, x, (y + 1.0) / 2.0)
    refused("labels: expected one for each", multipliers, model, theta, x, y[1:])
    refused("finite", multipliers, model, theta, x * np.nan, y)
    refused("points: expected shape", multipliers, model, theta, x[0], y)
    refused("different lengths", max_margin, [[1.0, 2.0], [1.0]], [1, -1])
    refused("model: expected", multipliers, Linear, theta, x, y)
    refused("points: expected shape", multipliers, model, theta, x[:, 1:], y)
    refused("all zero", multipliers, model, 0.0 * theta, x, y)
    refused("point 2 is all zero", train_to_margin, model, x * (np.arange(6) != 2)[:, None], y)
    refused("parameters of the linear model", ascend, model, theta[1:], x, y, [0])
    refused("all 6 points are to be deleted", ascend, model, theta, x, y, range(6))
    refused("point 1 is to be deleted more than once", ascend, model, theta, x, y, [1, 1])
    for bad in ([6], [-1], [True], [1.5], ["0"], "0"):
        refused("whole numbers from 0 to 5", ascend, model, theta, x, y, bad)
    refused("a fraction", ascend, model, theta, x, y, [0], fraction=-1.0)
    refused("loss: expected", ascend, model, theta, x, y, [0], loss="hinge")
    refused("tolerance", train_to_margin, model, x, y, tolerance=0.0)
    refused("the limit", train_to_margin, model, x, y, limit=True)
    refused("how near", multipliers, model, theta, x, y, near=1.0)
    refused("second layer", TwoLayerReLU, 3, [1.0, 0.0])
    refused("inputs", Linear, 0)


class Former(Linear):
    """A model as it was written for version 0.1, with `pull` in place of `weighted_gradient`."""

    weighted_gradient = property()

    def with_inputs(self, inputs):
        return Former(inputs)

    def pull(self, theta, x, weights):
        return weights @ x


def test_the_former_name_of_the_weighted_gradient_warns():
    x, y = gaussian(4, 3, 0)
    for model in (Linear(3), TwoLayerReLU(3, [1.0, -1.0])):
        theta = np.arange(1.0, model.size + 1.0)
        with pytest.warns(DeprecationWarning, match="weighted_gradient"):
            former = model.pull(theta, x, y)
        assert np.array_equal(former, model.weighted_gradient(theta, x, y))
    with pytest.warns(DeprecationWarning, match="weighted_gradient"):
        former = train_to_margin(Former(3), x, y).theta
    assert np.array_equal(former, train_to_margin(Linear(3), x, y).theta)


def test_a_point_that_supports_nothing_is_said():
    x, y = np.array([[1.0, 0.0], [8.0, 0.0]]), np.ones(2)
    step = ascend(Linear(2), [1.0, 0.0], x, y, [1])
    assert step.notes == ("point 1 has multiplier 0 (margin 8): it supports nothing, and its step is zero",)
    np.testing.assert_allclose(step.theta, [1.0, 0.0], atol=1e-9)
    assert step.betas == pytest.approx([0.0], abs=1e-6) and step.before.delta < 1e-8


def test_the_benchmark_says_what_is_wrong(tmp_path):
    result = subprocess.run([sys.executable, "-m", "benchmarks.ascent", "--seeds", "0", "--out", tmp_path],
                            capture_output=True, text=True)
    assert result.returncode == 2 and "expected at least one seed" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("off", [0.0, 1e-16, -1e-16, 1e-14])
def test_a_margin_beyond_exp_gives_a_step_of_zero(off):
    """Whichever way its multiplier is rounded: nothing is taken away, and nothing is divided by e^-800."""
    x, y = np.array([[1.0, 0.0], [800.0, 1.0]]), np.ones(2)
    theta = max_margin(x, y) + [0.0, off]
    for loss in ("exponential", "logistic"):
        step = ascend(Linear(2), theta, x, y, [1], loss=loss)
        assert step.betas == [0.0] and np.array_equal(step.theta, theta) and len(step.notes) == 1
