"""The estimators as statistics. Every seed is fixed, so nothing here is a matter of luck; the stated rates
say how rarely a correct estimator would fail over seeds."""
import math
from types import SimpleNamespace

import numpy as np
import pytest
from learners import logistic, network, tiny
from scipy.special import comb

from deletion import Directions, LearnerError, given, haar, mixture, pairs, precompute, retrain, sphere
from deletion.directions.decoders import LeastSquares, Mean, MedianOfMeans, group_count
from deletion.directions.kernel import Kernel
from deletion.sketch.stability import frobenius
from deletion.directions.terms import Tables, terms
from deletion.learner.units import Sets

COUNT = 20_000


def by_definition(psi, coefficients, h):
    """The paper's estimate of each term by each direction alone, C(n+r-1, r) Re(s^r c_r) with s = sum_i
    conj(psi_i) h_i: (directions, degree), one number after the other."""
    n, deleted = psi.shape[1], np.flatnonzero(h)
    sums = [sum(row[i].conjugate() * h[i] for i in deleted) for row in psi]
    return np.array([[math.comb(n + r, r + 1) * (s ** (r + 1) * c).real for r, c in enumerate(row)]
                     for s, row in zip(sums, coefficients)])


def flat(measured):
    """Coefficients as decoders take them: (directions, degree, 1)."""
    return measured.coefficients[..., None]


def uniform(rng, count, units):
    """Directions of the sphere by one generator for all: many, quickly."""
    psi = rng.normal(size=(count, units)) + 1j * rng.normal(size=(count, units))
    return psi / np.linalg.norm(psi, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def exact_and_random():
    """(T_1, T_2, T_3 of a deletion set exactly, h, directions and c, real directions' psi and c)."""
    learner = tiny()
    h = learner.downweight([3])

    def measure(w):
        return (w * w).sum()
    exact = precompute(learner, given(h), 3).measure(measure).coefficients[0].real
    dense = precompute(learner, COUNT, 3, seed=11, design="sphere", progress=False)
    rng = np.random.default_rng(12)
    real = rng.normal(size=(COUNT, 6))
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    along_real = precompute(learner, given(real), 3, progress=False)
    c, c_real = (sketch.measure(measure).coefficients for sketch in (dense, along_real))
    return exact, h, dense.directions, c, real, c_real


def deviations(estimates, exact):
    """How many standard errors the mean of each degree lies from the truth."""
    return (estimates.mean(axis=0) - exact) / (estimates.std(axis=0, ddof=1) / math.sqrt(len(estimates)))


def test_the_mean_is_unbiased_at_every_degree(exact_and_random):
    """The decoder's terms lie within 4 standard errors of the truth at three degrees: a correct one fails
    once in 5,000 seeds."""
    exact, h, directions, c, _, _ = exact_and_random
    each = by_definition(directions.psi, c, h)
    result = Mean(directions, c[..., None])(Sets.of(h))
    assert np.abs(exact).min() > 1e-3
    assert (np.abs(result.terms[0, :, 0] - exact) < 4.0 * each.std(axis=0, ddof=1) / math.sqrt(COUNT)).all()
    assert np.abs(result.change[0, 0] - exact.sum()) < 4.0 * each.sum(axis=1).std(ddof=1) / math.sqrt(COUNT)


def test_the_same_test_rejects_wrong_estimators(exact_and_random):
    exact, h, directions, c, real, c_real = exact_and_random
    right, orders = by_definition(directions.psi, c, h), np.arange(1, 4)
    binomials = comb(6 + orders - 1, orders)
    wrong_binomial = right / binomials * (6.0 ** orders / np.cumprod(orders))
    assert (np.abs(deviations(wrong_binomial, exact))[1:] > 4.0).all()
    no_conjugate = by_definition(directions.psi.conj(), c, h)
    assert (np.abs(deviations(no_conjugate, exact)) > 4.0).all()
    real_directions = by_definition(real + 0j, c_real, h)
    assert (np.abs(deviations(real_directions, exact))[1:] > 4.0).all()


@pytest.mark.parametrize("count, groups", [(50, 7), (50, 50), (5, 1), (64, 25)])
def test_decoders_are_what_their_names_say(rng, count, groups):
    """Mean, its standard error, and the median of the means of groups, some of which have a direction more:
    from the definition."""
    directions, h = sphere(count, 6, 0), np.where(np.arange(6) < 4, rng.normal(size=6), 0.0)
    c = rng.normal(size=(count, 3)) + 1j * rng.normal(size=(count, 3))
    each = by_definition(directions.psi, c, h)
    mean = Mean(directions, c[..., None])(Sets.of(h))
    median = MedianOfMeans(directions, c[..., None], groups)(Sets.of(h))
    np.testing.assert_allclose(mean.terms[0, :, 0], each.mean(axis=0), rtol=1e-10)
    assert mean.change.item() == pytest.approx(each.mean(axis=0).sum(), rel=1e-10)
    assert mean.error.item() == pytest.approx(each.sum(axis=1).std(ddof=1) / math.sqrt(count), rel=1e-10)
    means = np.array([group.mean(axis=0) for group in np.array_split(each, groups)])
    np.testing.assert_allclose(median.terms[0, :, 0], np.median(means, axis=0), rtol=1e-10)
    assert median.change.item() == pytest.approx(np.median(means.sum(axis=1)), rel=1e-10)


def test_binomials_beyond_floats(rng):
    """Degree 400 of 1,000 units, whose binomials exceed 1e350, against whole numbers of any size; degree 100
    of a large sum."""
    directions = sphere(3, 1000, 0)
    for degree, h in ((100, np.ones(1000)), (400, np.eye(1000)[7])):
        # f = (sum_i h_i w_i)^r, for which c_r = s^r: real estimates
        s, orders = directions.psi @ h, np.arange(1, degree + 1)
        result = Mean(directions, (s[:, None] ** orders)[..., None])(Sets.of(h), errors=False).terms[0, :, 0]
        logs = [math.log(math.comb(999 + r, r)) for r in orders]
        expected = np.exp(np.array(logs) + 2.0 * orders * np.log(np.abs(s))[:, None]).mean(axis=0)
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-300)


def test_the_median_of_means_is_biased_where_estimates_are_skewed(rng):
    """f = h_0, of which 1 is deleted: T_1 = 1, and a direction's estimate is n |psi_0|^2, whose distribution
    function is 1 - (1 - x / n)^(n - 1).

    The mean lies within 4 standard errors of 1. The median of groups of one direction lies within 4 of that
    distribution's median, n (1 - 2^(-1 / (n - 1))), and more than 50 below 1. With groups of 500 the bias is
    gone to within 4. One false alarm in 5,000 seeds.
    """
    m, n = 40_000, 20
    directions, h = Directions(uniform(rng, m, n), "sphere"), Sets.of(np.eye(n)[0])
    c = directions.psi[:, :1, None]
    mean, alone = Mean(directions, c)(h), MedianOfMeans(directions, c, m - 1)(h).change.item()
    assert abs(mean.change.item() - 1.0) < 4.0 * mean.error.item() < 0.02
    median = n * (1.0 - 2.0 ** (-1.0 / (n - 1)))
    error = 0.5 / math.sqrt(m) / ((n - 1) / n * (1.0 - median / n) ** (n - 2))      # 1 / (2 density sqrt(m))
    assert abs(alone - median) < 4.0 * error and 1.0 - median > 50.0 * error
    large = MedianOfMeans(directions, c, 79)(h)
    assert abs(large.change.item() - 1.0) < 4.0 * large.error.item() < 0.04


def test_directions_are_uniform_on_the_sphere_and_each_has_a_seed_of_its_own():
    many = sphere(2000, 5, 7).psi
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1.0, rtol=1e-12)
    second = many.T @ many.conj() / 2000      # I / 5; entries deviate by about 0.2 / sqrt(2000)
    assert np.abs(second - np.eye(5) / 5).max() < 5 * 0.2 / math.sqrt(2000)
    assert np.abs(many.T @ many / 2000).max() < 5 * 0.3 / math.sqrt(2000)      # and no preferred phase
    np.testing.assert_allclose(sphere(3, 5, 7).psi, many[:3], rtol=1e-14)      # whatever their number
    assert np.abs(sphere(3, 5, 8).psi - many[:3]).max() > 0.1
    assert len(np.unique(many[:, 0])) == 2000


@pytest.mark.parametrize("decoder, options, sketches, size", [
    (Mean, {}, 4000, 50), (MedianOfMeans, {"groups": 101}, 2000, 1010)])
def test_standard_errors_are_those_of_repetition(rng, decoder, options, sketches, size):
    """Of a linear measurement with T_1 = 0: the mean square of the stated errors is the variance of so many
    sketches' predictions, within 4 standard errors of it (9% and 13%). One false alarm in 16,000 seeds."""
    h, changes, squares = np.array([1.0, 1.0, 0.0, 0.0]), [], []
    for _ in range(sketches):
        psi = uniform(rng, size, 4)
        c = (psi @ [1.0, -1.0, 0.5, 0.0])[:, None, None]
        result = decoder(Directions(psi, "sphere"), c, **options)(Sets.of(h))
        changes.append(result.change.item())
        squares.append(result.error.item() ** 2)
    deviation = np.square(changes - np.mean(changes))
    error = deviation.std() / math.sqrt(sketches)
    assert abs(np.mean(squares) - deviation.mean()) < 4.0 * error < 0.14 * deviation.mean()
    assert abs(np.mean(changes)) < 4.0 * np.std(changes) / math.sqrt(sketches)


def test_norms_of_terms_and_their_standard_errors(rng):
    """Of a linear and a quadratic form, from 2,000 sketches of 100 directions: squared norms average the
    squared Frobenius norms within 4 standard errors, and the norms' spread is the stated error within 4 of
    its own, 6.3% (one false alarm in 4,000 seeds)."""
    linear, square, norms, errors = rng.normal(size=6), rng.normal(size=(6, 6)), [], []
    square = square + square.T
    for _ in range(2000):
        psi = uniform(rng, 100, 6)
        c = np.stack([psi @ linear, np.einsum("ja,ab,jb->j", psi, square, psi)], axis=1)
        sketch = SimpleNamespace(directions=Directions(psi, "sphere"), degree=2)
        norm, error = frobenius(sketch, SimpleNamespace(coefficients=c))
        norms.append(norm)
        errors.append(error)
    exact, spread = np.array([np.linalg.norm(linear), np.linalg.norm(square)]), np.std(norms, axis=0)
    assert (np.abs(deviations(np.square(norms), exact ** 2)) < 4.0).all()
    assert (np.abs(np.mean(errors, axis=0) / spread - 1.0) < 4.0 / math.sqrt(2 * 2000)).all()


def test_median_of_means_survives_outliers_and_the_mean_does_not():
    """5 of 500 spoilt with 37 groups, 25 of 500 with 57; where more than half of the groups are hit, it
    breaks down too."""
    learner = logistic(steps=10)
    measured = precompute(learner, 500, 2, seed=4, design="sphere", progress=False).measure(lambda w: w.sum())
    h, c, rng = Sets.of(learner.downweight([1, 4])), flat(measured), np.random.default_rng(5)

    def off(decoder, count, **options):
        """Deviation from the clean estimate, in its standard errors, with `count` directions spoilt."""
        clean, spoilt = decoder(measured.directions, c, **options)(h), c.copy()
        spoilt[rng.permutation(500)[:count]] *= 1e6
        return abs(decoder(measured.directions, spoilt, **options)(h).change
                   - clean.change).item() / clean.error.item()

    assert off(MedianOfMeans, 5, groups=37) < 3.0 and off(MedianOfMeans, 25, groups=57) < 3.0
    assert off(Mean, 5) > 100.0 and off(MedianOfMeans, 250, groups=57) > 100.0


# least squares ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("directions",
                         [sphere(30, 6, 1), haar(30, 6, 1), mixture(sphere(28, 6, 1), given(np.eye(6)))],
                         ids=["sphere", "haar", "mixture"])
def test_least_squares_is_exact_where_the_directions_determine_the_term(directions):
    """T_3 of 6 units has 56 numbers, 30 complex directions give 60."""
    learner = tiny()
    h = learner.downweight([1, 3, 4])

    def measure(w):
        return (w * w).sum()
    exact = precompute(learner, given(h), 3).measure(measure).coefficients[0].real
    measured = precompute(learner, directions, 3, progress=False).measure(measure)
    p = measured.predict([1, 3, 4], decoder="least squares")
    np.testing.assert_allclose(p.terms[1:], exact, rtol=1e-8)
    assert p.standard_error < 1e-5 * abs(p.change)


def test_pairs_give_every_unit_its_own_first_order_exactly_and_its_curve_nearly():
    learner = tiny()
    measured = precompute(learner, 3, 3, design="pairs", progress=False).measure(lambda w: (w * w).sum())
    exact = precompute(learner, given(np.eye(6)), 3,
                       progress=False).measure(lambda w: (w * w).sum()).coefficients.real
    result = measured.leave_one_out(decoder="least squares").terms
    np.testing.assert_allclose(result[:, 1], exact[:, 0], rtol=1e-8)
    indicators = precompute(learner, 6, 3, design="pairs", progress=False).measure(lambda w: (w * w).sum())
    np.testing.assert_allclose(indicators.leave_one_out().terms[:, 1:], exact, rtol=1e-8)


def test_pairs_put_every_unit_into_one_direction_far_from_its_companions():
    psi = pairs(5, np.arange(10)[::-1], 3, 0).psi
    assert ((psi != 0).sum(axis=0) == 1).all() and ((psi != 0).sum(axis=1) == 2).all()
    assert all(abs(np.subtract(*np.nonzero(row)[0])) == 5 for row in psi)
    crowded, roomy = pairs(4, np.arange(10), 3, 0).psi, pairs(9, np.arange(6), 3, 0).psi
    assert ((crowded != 0).sum(axis=0) == 1).all()
    assert np.array_equal((roomy != 0).sum(axis=1), [1] * 6 + [6] * 3)


def test_haar_directions_are_orthonormal_in_blocks_and_their_mean_is_exact_at_degree_1():
    directions = haar(12, 6, 3)
    np.testing.assert_allclose(directions.psi[:6] @ directions.psi[:6].conj().T, np.eye(6), atol=1e-12)
    learner = tiny()
    measured = precompute(learner, directions, 1, progress=False).measure(lambda w: w.sum())
    exact = precompute(learner, given(learner.downweight([2, 5])),
                       1).measure(lambda w: w.sum()).coefficients[0].real
    np.testing.assert_allclose(measured.predict([2, 5], decoder="mean").terms[1:], exact, rtol=1e-10)


def test_the_kernel_is_the_prior_it_says(rng):
    """Gram matrix of the real observations, from the definition with explicit features: one per monomial, and
    one per unit's power."""
    psi, order, w = sphere(4, 3, 2).psi, 2, 7.0

    def features(x):
        return np.concatenate([np.outer(x, x).ravel(), math.sqrt(w) * x ** 2])
    rows = np.array([features(x) for x in psi])
    real = np.concatenate([rows.real, rows.imag])      # T = <features, real Gaussian>: Re T and Im T
    expected = real @ real.T
    values, vectors = Kernel(psi).eigen(order, w)
    np.testing.assert_allclose((vectors * values) @ vectors.T, expected, atol=1e-12)
    h = rng.normal(size=(2, 3))
    np.testing.assert_allclose(Kernel(psi).between(Sets.of(h), order, w),
                               np.array([features(x) for x in h]) @ real.T, atol=1e-12)
    k = np.array([features(x) for x in h])
    left = (k * k).sum(axis=1) - np.einsum("ia,ab,ib->i", k @ real.T, np.linalg.pinv(expected, rcond=1e-13),
                                           k @ real.T)
    np.testing.assert_allclose(Kernel(psi).variance(Sets.of(h), order, w), left, atol=1e-10)


def test_least_squares_states_its_error_honestly_under_its_own_prior(rng):
    """Quadratic and cubic forms drawn from the prior: squared errors over stated variances average 1 +- 0.2
    (400 draws; a correct one fails once in a thousand seeds)."""
    n, m, draws, w = 8, 6, 400, 10.0
    directions = mixture(sphere(3, n, 5), pairs(3, np.arange(n), 2, 0))
    h = np.array([1.0, 1, 0, 0, 1, 0, 0, 0])
    c, truth = np.zeros((m, 2, draws), complex), np.zeros(draws)
    linear, square, own = rng.normal(size=(draws, n)), rng.normal(size=(draws, n, n)), math.sqrt(
        w) * rng.normal(size=(draws, n))
    for x, put in [(directions.psi[j], c[j]) for j in range(m)] + [(h, None)]:
        first, second = linear @ x, np.einsum("dab,a,b->d", square, x, x) + own @ x ** 2
        if put is None:
            truth = first + second
        else:
            put[0], put[1] = first, second
    result = LeastSquares(directions, c)(Sets.of(h))
    assert np.mean((result.change[0]
                    - truth) ** 2) / np.mean(result.error[0] ** 2) == pytest.approx(1.0, abs=0.2)


# sums and intervals -----------------------------------------------------------------------------------------

def test_compiled_sums_are_those_of_numpy(rng):
    """Groups, powers, several values and the units' own part, against the formula written out."""
    psi, alpha = sphere(10, 7, 1).psi, rng.normal(size=(10, 3, 2)) + 1j * rng.normal(size=(10, 3, 2))
    beta, h = rng.normal(size=(7, 3, 2)), np.where(rng.random((150, 7)) < 0.4, rng.normal(size=(150, 7)), 0.0)
    result, squares = terms(Sets.of(h), Tables.of(psi, alpha, beta, groups=[0, 4, 10]), spread=True,
                            threads=2)
    s = h @ psi.conj().T
    # (sets, directions, orders, values)
    each = np.stack([(s ** r)[..., None] * alpha[:, r - 1] for r in (1, 2, 3)], axis=2).real
    own = np.stack([h ** r @ beta[:, r - 1] for r in (1, 2, 3)], axis=1)
    np.testing.assert_allclose(result[:, 0], each[:, :4].sum(axis=1) + own, atol=1e-12)
    np.testing.assert_allclose(result[:, 1], each[:, 4:].sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(squares, (each.sum(axis=2) ** 2).sum(axis=1), atol=1e-12)


def test_many_predictions_are_single_ones():
    learner = logistic()
    measured = precompute(learner, 40, 3, design="sphere", progress=False).measure(lambda w: w * 2.0)
    sets = [[1], [2, 7], [], [3, 4, 5]]
    for decoder in ("mean", "median of means", "least squares"):
        many = measured.predict_many(sets, decoder=decoder)
        for k, one in enumerate(sets):
            single = measured.predict(one, decoder=decoder)
            for name in ("value", "change", "terms", "standard_error", "sampling", "truncation"):
                field = getattr(many, name)      # of its small elements, rounding decides the last digits
                np.testing.assert_allclose(field[k], getattr(single, name), rtol=0.0,
                                           atol=1e-10 * np.abs(field).max())
            assert many.verdict[k] == single.verdict
    assert measured.predict_many(np.array([[1, 2], [3, 4]])).value.shape == (2, 3)


def test_intervals_hold_the_retrained_truth():
    """300 random sets of three sizes: 95% intervals hold 90% to 99.5% of them; a sketch refuses sets far
    larger than it was calibrated on."""
    learner = logistic(steps=20)
    measured = precompute(learner, 15, 2, design="pairs", progress=False).measure(lambda w: w * 1.0)
    rng = np.random.default_rng(8)
    sets = [rng.choice(learner.unit_count, size, replace=False) for size in (1, 3, 6) for _ in range(100)]
    truth, many = retrain(learner, sets, lambda w: w * 1.0, progress=False), measured.predict_many(sets)
    held = (many.interval[0] <= truth) & (truth <= many.interval[1])
    assert 0.90 <= held.mean() <= 0.995
    large = measured.predict(range(learner.unit_count - 1))
    assert large.verdict == "do not trust" and "largest calibration set" in large.reasons[0]


def test_groups_from_a_failure_probability():
    assert group_count(0.05) == 25 and group_count(0.01) == 37
    assert all(group_count(p) % 2 for p in (0.5, 0.1, 1e-3))
    with pytest.raises(LearnerError, match="failure probability"):
        group_count(0.0)


def test_what_is_printed_of_sketches_is_one_line():
    learner = network()
    sketch = precompute(learner, 8, 2, progress=False)
    measured = sketch.measure(lambda p: p["w2"])
    for thing, words in ((sketch, "8 directions"), (measured, "of degree 2"),
                         (measured.predict([3]), "95% interval"),
                         (measured.predict_many([[3], [4, 5]]), " x ")):
        assert words in repr(thing) and len(repr(thing)) < 600


def test_a_seed_is_a_whole_number():
    for draw in (sphere, haar):
        for seed in (-1, 0.5, True):
            with pytest.raises(LearnerError, match="a seed: expected a whole number >= 0"):
                draw(3, 5, seed)
