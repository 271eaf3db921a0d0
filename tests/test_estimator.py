"""The estimators as statistics. Every seed is fixed, so nothing here is a matter of luck; the stated rates say how rarely a
correct estimator would fail over seeds."""
import math

import numpy as np
import pytest
from learners import logistic, tiny
from scipy.special import comb

from deletion import Directions, LearnerError, given, precompute, sphere
from deletion.decoders import group_count, mean, median_of_means, single_estimates

COUNT = 20_000


@pytest.fixture(scope="module")
def exact_and_random():
    """(T_1, T_2, T_3 of a deletion set exactly, h, complex directions' psi and c, real directions' psi and c)."""
    learner = tiny()
    h = learner.downweight([3])

    def measure(w):
        return (w * w).sum()
    exact = precompute(learner, given(h), 3).measure(measure).coefficients[0].real
    dense = precompute(learner, COUNT, 3, seed=11, progress=False)
    rng = np.random.default_rng(12)
    real = rng.normal(size=(COUNT, 6))
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    flat = precompute(learner, given(real), 3, progress=False)
    return exact, h, dense.directions.psi, dense.measure(measure).coefficients, real, flat.measure(measure).coefficients


def deviations(estimates, exact):
    """How many standard errors the mean of each degree lies from the truth."""
    return (estimates.mean(axis=0) - exact) / (estimates.std(axis=0, ddof=1) / math.sqrt(len(estimates)))


def test_the_mean_is_unbiased_at_every_degree(exact_and_random):
    """Within 4 standard errors at three degrees: a correct estimator fails once in 5,000 seeds."""
    exact, h, psi, c, _, _ = exact_and_random
    assert np.abs(exact).min() > 1e-3
    assert np.abs(deviations(single_estimates(psi, c, h), exact)).max() < 4.0


def test_the_same_test_rejects_wrong_estimators(exact_and_random):
    exact, h, psi, c, real, c_real = exact_and_random
    right = single_estimates(psi, c, h)
    orders = np.arange(1, 4)
    binomials = comb(6 + orders - 1, orders)
    wrong_binomial = right / binomials * (6.0 ** orders / np.cumprod(orders))
    assert (np.abs(deviations(wrong_binomial, exact))[1:] > 4.0).all()
    no_conjugate = single_estimates(psi.conj(), c, h)
    assert (np.abs(deviations(no_conjugate, exact)) > 4.0).all()
    real_directions = single_estimates(real + 0j, c_real, h)
    assert (np.abs(deviations(real_directions, exact))[1:] > 4.0).all()


def test_the_formula_without_logarithms(rng):
    """T_r estimates are C(n+r-1, r) Re(s^r c_r), s = sum conj(psi) h; and no overflow at degree 100."""
    psi, c, h = sphere(4, 6, 0).psi, rng.normal(size=(4, 3, 2)) + 1j * rng.normal(size=(4, 3, 2)), rng.normal(size=6)
    s = (psi.conj() * h).sum(axis=1)
    wanted = np.stack([math.comb(6 + r - 1, r) * (s[:, None] ** r * c[:, r - 1]).real for r in (1, 2, 3)], axis=1)
    np.testing.assert_allclose(single_estimates(psi, c, h), wanted, rtol=1e-12)
    psi, orders = sphere(3, 1000, 0).psi, np.arange(1, 101)
    tiny_coefficients = (psi @ np.ones(1000))[:, None] ** orders / 1e30
    assert np.isfinite(single_estimates(psi, tiny_coefficients, np.ones(1000))).all()


def test_directions_are_uniform_on_the_sphere_and_each_has_a_seed_of_its_own():
    many = sphere(2000, 5, 7).psi
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1.0, rtol=1e-12)
    second = many.T @ many.conj() / 2000      # I / 5; entries deviate by about 0.2 / sqrt(2000)
    assert np.abs(second - np.eye(5) / 5).max() < 5 * 0.2 / math.sqrt(2000)
    assert np.abs(many.T @ many / 2000).max() < 5 * 0.3 / math.sqrt(2000)      # and no preferred phase
    assert np.array_equal(sphere(3, 5, 7).psi, many[:3]) and not np.array_equal(sphere(3, 5, 8).psi, many[:3])
    assert len(np.unique(many[:, 0])) == 2000


def test_standard_errors_are_those_of_repetition():
    """200 sketches of 50 directions: the stated standard error is the spread of the predictions, within 20%."""
    learner = logistic(steps=10)
    measured = precompute(learner, 10_000, 2, seed=3, progress=False).measure(lambda w: w.sum())
    h, psi, c = learner.downweight([1, 4]), measured.directions.psi, measured.coefficients
    for estimator in (mean, median_of_means):
        parts = [estimator(Directions(psi[i:i + 50], "sphere"), c[i:i + 50], h) for i in range(0, 10_000, 50)]
        spread, stated = np.std([total for _, total, _ in parts]), np.mean([error for _, _, error in parts])
        assert stated == pytest.approx(spread, rel=0.2)


def test_median_of_means_survives_outliers_and_the_mean_does_not():
    learner = logistic(steps=10)
    measured = precompute(learner, 500, 2, seed=4, progress=False).measure(lambda w: w.sum())
    h = learner.downweight([1, 4])
    clean_mean, clean_median = (f(measured.directions, measured.coefficients, h) for f in (mean, median_of_means))
    spoilt = measured.coefficients.copy()
    spoilt[[3, 99, 210, 333, 480]] *= 1e6
    _, total, _ = median_of_means(measured.directions, spoilt, h, groups=37)
    assert abs(total - clean_median[1]) < 3 * clean_median[2]
    assert abs(mean(measured.directions, spoilt, h)[1] - clean_mean[1]) > 100 * clean_mean[2]


def test_groups_from_a_failure_probability():
    assert group_count(0.05) == 25 and group_count(0.01) == 37 and all(group_count(p) % 2 for p in (0.5, 0.1, 1e-3))
    with pytest.raises(LearnerError, match="failure probability"):
        group_count(0.0)
