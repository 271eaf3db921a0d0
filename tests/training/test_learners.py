"""The learners on scikit-learn's data: against closed forms where there are any, and against retraining."""
import pickle
import sys
from functools import cache

import numpy as np
import pytest

from benchmarks import learners
from benchmarks.learners import stacked
from deletion import LearnerError, given, precompute, retrain


@cache
def made(name, **fields):
    """A learner, made once for all tests; they are skipped without scikit-learn."""
    pytest.importorskip("sklearn")
    return getattr(learners, name)(**fields)


def parameters(w):
    return w


def minimiser(learner, weights, penalty=0.0):
    """argmin of sum_i weight_i (x_i w - y_i)^2 / 2n + penalty/2 |w|^2, by solving the normal equations."""
    x, y = stacked(learner.examples)
    return np.linalg.solve((x.T * weights) @ x + len(x) * penalty * np.eye(x.shape[1]), x.T @ (weights * y))


def close(result, expected, tolerance):
    """Largest difference, relative to the largest expected number."""
    return np.abs(result - expected).max() <= tolerance * np.abs(expected).max()


# least squares: everything has a closed form ----------------------------------------------------------------

PENALTIES = pytest.mark.parametrize("penalty", [0.0, 0.1], ids=["least squares", "ridge"])


@PENALTIES
def test_leave_one_out_is_the_leverage_formula(penalty):
    """theta - theta_{-i} = A^{-1} x_i e_i / (1 - P_ii),   A = X^T X + n penalty,   P = X A^{-1} X^T,   e = y
    - X theta."""
    learner = made("diabetes", penalty=penalty)
    x, y = stacked(learner.examples)
    inverse = np.linalg.inv(x.T @ x + len(x) * penalty * np.eye(x.shape[1]))
    theta = inverse @ x.T @ y
    leverage, residual = np.einsum("ij,jk,ik->i", x, inverse, x), y - x @ theta
    assert close(learner.train()[0], theta, 1e-12) and learner.gradient_norm(learner.train()[0]) < 1e-14
    moved = learner.train()[0] - retrain(learner, np.arange(len(x))[:, None])
    assert close(moved, (x @ inverse) * (residual / (1.0 - leverage))[:, None], 1e-10)


@PENALTIES
def test_terms_along_one_example_are_the_powers_of_its_leverage(penalty):
    """With weight 1 - t, theta - theta(t) = A^{-1} x_i e_i t / (1 - t P_ii): order r is -A^{-1} x_i e_i
    P_ii^(r-1)."""
    learner = made("diabetes", penalty=penalty)
    x, y = stacked(learner.examples)
    inverse = np.linalg.inv(x.T @ x + len(x) * penalty * np.eye(x.shape[1]))
    residual = y - x @ inverse @ x.T @ y
    terms = precompute(learner, given(np.eye(len(x))[:16]), 3).measure(parameters).coefficients
    for i in range(16):
        expected = -np.outer((x[i] @ inverse @ x[i]) ** np.arange(3), inverse @ x[i] * residual[i])
        for order in range(3):
            assert close(terms[i, order], expected[order], 1e-9)


@PENALTIES
def test_joint_deletion_is_weighted_least_squares(penalty, rng):
    """Retraining is the minimiser of the rest; the series along the set has order r equal to -(A^{-1}
    B)^(r-1) A^{-1} X_D^T e_D, B = X_D^T X_D, and its remainder is (A^{-1} B)^p times what retraining
    moves."""
    learner, degree = made("diabetes", penalty=penalty), 3
    x, y = stacked(learner.examples)
    a = x.T @ x + len(x) * penalty * np.eye(x.shape[1])
    theta = minimiser(learner, np.ones(len(x)), penalty)
    for size in (3, 17, 68):
        deleted = rng.choice(len(x), size, replace=False)
        h = learner.downweight(deleted)
        exact = minimiser(learner, 1.0 - h, penalty)
        assert close(retrain(learner, [deleted])[0] - theta, exact - theta, 1e-10)
        assert close(retrain(learner, [deleted], weight=0.3)[0], minimiser(learner, 1.0 - 0.7 * h, penalty),
                     1e-10)
        step = np.linalg.solve(a, x[deleted].T @ x[deleted])
        curve = precompute(learner, given(h), degree).measure(parameters).along(0, 1.0)[0].real
        expected = -np.linalg.solve(a, x[deleted].T @ (y - x @ theta)[deleted])
        for order in range(1, degree + 1):
            assert close(curve[order] - curve[order - 1], expected, 1e-9)
            expected = step @ expected
        assert close(exact - curve[-1], np.linalg.matrix_power(step, degree) @ (exact - theta), 1e-6)


def test_predictions_on_held_out_patients():
    learner = made("diabetes")
    theta = learner.train()[0]
    x, y = learner.held_out[5]
    assert learner.prediction_on(5)(theta) == pytest.approx(x @ theta, rel=1e-14)
    assert learner.loss_on(5)(theta) == pytest.approx(0.5 * (x @ theta - y) ** 2, rel=1e-14)
    x, y = stacked(learner.held_out)
    assert np.mean((x @ theta - y) ** 2) < 0.7 * np.mean(y ** 2)


# logistic regression and the network ------------------------------------------------------------------------

def test_logistic_regression_is_near_convergence():
    learner = made("breast_cancer")
    theta = learner.train()[0]
    x, y = stacked(learner.examples)
    w, b = theta[:30], theta[30]
    pull = y / (1.0 + np.exp(y * (x @ w + b))) / len(x)
    gradient = np.append(0.01 * w - pull @ x, -pull.sum())
    assert np.linalg.norm(gradient) < 1e-8
    away = theta + 0.1
    assert learner.gradient_norm(theta) < 1e-8 < 1e-2 < learner.gradient_norm(away)
    assert learner.accuracy(theta) >= 0.95


def test_digits_are_learnt_and_margins_are_log_odds():
    learner = made("digits")
    theta = learner.train()[0]
    assert learner.accuracy(theta) > 0.95
    p, (x, y) = learner.layout.split(theta), learner.held_out[7]
    logits = learners.digit_logits(p, x[None])[0]
    probability = np.exp(logits[y]) / np.exp(logits).sum()
    assert learner.loss_on(7)(p) == pytest.approx(-np.log(probability), rel=1e-10)
    assert learner.margin_on(7)(p) == pytest.approx(np.log(probability / (1.0 - probability)), rel=1e-10)
    assert (np.bincount(learner.schedule.ravel(), minlength=1000) == 20).all()


@pytest.mark.parametrize("share", [0.01, 0.05])
@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_each_degree_along_a_set_comes_nearer_to_retraining(name, share, rng):
    """sum |predicted - true change| over sum |true change|, over random sets and margins of held-out
    examples. Degree 3 leaves .013 to .017 of the change over 200 sets; over 32, a single patient of great
    influence can double that."""
    learner, count = made(name), 32
    x, y = stacked(learner.held_out)

    def margins(p):
        return learner.margin(p, x, y)
    sets = [rng.choice(learner.unit_count, round(share * learner.unit_count), replace=False)
            for _ in range(count)]
    truth = retrain(learner, sets, margins)
    measured = precompute(learner, given([learner.downweight(s) for s in sets]), 3).measure(margins)
    curves = np.stack([measured.along(j, 1.0)[0].real for j in range(count)], axis=1)
    errors = np.abs(curves - truth).sum(axis=(1, 2)) / np.abs(truth - measured.value).sum()
    assert (np.diff(errors) < 0).all() and errors[3] < 0.05


# what every learner promises --------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["digits", "breast_cancer", "diabetes"])
def test_learners_pass_their_own_check_and_survive_pickling(name):
    learner = made(name)
    measure = learner.check().loss_on(3)
    again, measure_again = pickle.loads(pickle.dumps((learner, measure)))
    assert again.fingerprint() == learner.fingerprint() and len(again.held_out) == len(learner.held_out)
    theta = learner.layout.split(learner.train()[0])
    assert [measure_again(theta), again.loss_on(3)(theta)] == pytest.approx([measure(theta)] * 2, rel=1e-13)


def test_the_seed_decides_who_is_held_out():
    one, two = made("diabetes"), made("diabetes", seed=1)
    assert one.fingerprint() == learners.diabetes().fingerprint() != two.fingerprint()
    assert one.example_count + len(one.held_out) == 442


@pytest.mark.parametrize("name, fields, words",
                         [("digits", dict(count=1797), "1797 training examples of 1797: .*hold out"),
                          ("digits", dict(batch=0), "minibatches of 0"),
                          ("digits", dict(epochs=0), "0 passes"),
                          ("breast_cancer", dict(count=1), "at least 2"),
                          ("diabetes", dict(count=11), "at least 12"),
                          ("diabetes", dict(count=20.0), "20.0 training examples")])
def test_sizes_that_make_no_sense(name, fields, words):
    with pytest.raises(LearnerError, match=words):
        made(name, **fields)


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(LearnerError, match="'digits' comes with scikit-learn, .*install the extra `data`"):
        learners.digits()
