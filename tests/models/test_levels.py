"""Levels, on functions of h whose gradients are known."""
import numpy as np
import pytest

from deletion.learner.units import Sets
from deletion.models.bases import Gradients, group_bases, level_bases, partition
from deletion.models.gradient_model import fitted
from deletion.models.levels import Bases, fit_level, held_out_error, left_of_interactions, shrinkage_of

UNITS, SHARES = 40, (0.1, 0.3)
USED = np.ones(UNITS, bool)


def gradients(function, rows):
    """Gradients of function(h) at weights, where the finite step is the difference itself."""
    h = 1.0 - rows
    value = np.array([function(x) for x in h])
    finite = np.zeros(h.shape)
    for k, x in enumerate(h):
        for i in np.flatnonzero(x == 0.0):
            with_i = x.copy()
            with_i[i] = 1.0
            finite[k, i] = function(with_i) - value[k]
    return Gradients(value[:, None], finite[..., None], -finite[..., None])


def model(function, groups=0, seed=0, bases=8, shares=SHARES):
    rows = [np.ones((1, UNITS)), *(level_bases(USED, share, bases, seed) for share in shares)]
    of = partition(USED, groups, seed) if groups else None
    rows += [group_bases(of, groups)] * bool(groups)
    at = gradients(function, np.concatenate(rows))
    return fitted(USED, rows, at, at.finite[0], of, list(shares), "own")


def random_h(size, count=200, seed=9):
    rng = np.random.default_rng(seed)
    return np.stack([np.isin(np.arange(UNITS), rng.choice(UNITS, size, replace=False))
                     for _ in range(count)]).astype(float)


def off(estimator, function, h):
    """sum |predicted - true| / sum |true change|"""
    true = np.array([function(x) for x in h]) - function(np.zeros(UNITS))
    return np.abs(estimator(Sets.of(h)).change[:, 0] - true).sum() / np.abs(true).sum()


def test_a_linear_function_is_exact_at_every_size():
    slopes = np.random.default_rng(0).normal(size=UNITS)
    for groups in (0, 5):
        estimator = model(lambda h: 2.0 + h @ slopes, groups)
        for size in (1, 4, 9, 30):
            assert off(estimator, lambda h: 2.0 + h @ slopes, random_h(size)) < 1e-12


def curved(h):
    """Deleting more makes every further deletion count for more."""
    return np.exp(2.0 * h.mean()) * (3.0 + h @ np.linspace(-1.0, 1.0, UNITS))


def test_a_function_of_the_size_alone_is_exact_at_its_levels():
    """All bases of a level agree then, so that nothing is shrunk."""
    def function(h):
        return np.exp(3.0 * h.mean())

    estimator = model(function)
    assert [round(level.share * UNITS) for level in estimator.levels.levels] == [4, 12]
    assert off(model(function, shares=()), function, random_h(12)) > 0.2
    for size in (4, 12):
        assert off(estimator, function, random_h(size)) < 1e-12


def test_what_bends_with_the_size_is_followed_at_the_levels_and_between_them():
    with_levels, without = model(curved), model(curved, shares=())
    for size in (4, 8, 12):
        assert off(with_levels, curved, random_h(size)) < off(without, curved, random_h(size))


def saturating(h):
    """Deleting more makes every further deletion count for less."""
    return -np.expm1(-4.0 * h.mean())


def test_beyond_the_last_level_the_mean_goes_on_as_it_does_between_nothing_and_that_level():
    """The change at the level times the ratio of the sizes, for a function of the size alone. It is nearer to
    the truth than the self-terms, where a parabola through the level would go on to another sign."""
    with_level, without = model(saturating, shares=(0.2,)), model(saturating, shares=())
    for size in (12, 24, 40):
        h = random_h(size, 20)
        assert np.allclose(with_level(Sets.of(h)).change[:, 0], size / 8.0 * saturating(random_h(8, 1)[0]),
                           rtol=1e-12)
        assert off(with_level, saturating, h) < off(without, saturating, h)


@pytest.mark.parametrize("groups", [0, 5])
def test_right_in_the_mean_over_its_own_bases(groups):
    """Of every level whose phi was kept; at least one is."""
    def steeper(h):
        return curved(h) + 30.0 * h.mean() ** 3

    estimator, kept = model(steeper, groups), 0
    for level in estimator.levels.levels:
        h = 1.0 - level_bases(USED, level.share, 8, 0)
        true = np.array([steeper(x) for x in h]) - steeper(np.zeros(UNITS))
        if level.curvature.any():
            kept += 1
            assert estimator(Sets.of(h)).change.mean() == pytest.approx(true.mean(), rel=1e-10)
    assert kept


def test_an_offset_that_levels_share_is_kept_and_one_that_is_noise_is_not():
    """The mean of seven draws of deviation 1 is nearer to the eighth than 0 is if it lies far from 0. An
    offset of 3 is kept by every one of 100 draws, and one of 0 by few: the held-out error without it is
    smaller by 1 - sqrt(7 / 8) = 6% of all on average."""
    rng, h, kept = np.random.default_rng(7), 1.0 - level_bases(USED, 0.1, 8, 0), {0.0: 0, 3.0: 0}
    for offset in kept:
        for _ in range(100):
            rest = offset + rng.normal(size=(8, 1))
            level, _ = fit_level(Bases(h, rest, np.zeros((8, UNITS, 1)), rest, 0.0), USED, 0.1)
            kept[offset] += bool(level.curvature.any())
    assert kept[3.0] == 100 and kept[0.0] < 40


def test_levels_say_how_much_is_left_of_the_interactions():
    """Where half of the interactions is left at a level, half is found, whatever the measurements' scales;
    where the opposite is seen, nothing is left."""
    rng = np.random.default_rng(8)
    expected = rng.normal(size=(8, 500, 2)) * [1.0, 1000.0]
    seen = 0.5 * expected + rng.normal(size=(8, 500, 2)) * [1.0, 1000.0]
    assert left_of_interactions(seen, expected) == pytest.approx(0.5, abs=0.05)      # 4.5 deviations
    assert left_of_interactions(-seen, expected) == 0.0
    assert left_of_interactions(seen, 0.0 * expected) == 0.0
    one = left_of_interactions(seen[..., :1], expected[..., :1])
    solved = np.linalg.lstsq(expected[..., 0].reshape(-1, 1), seen[..., 0].reshape(-1), rcond=None)[0][0]
    assert one == pytest.approx(solved, rel=1e-12)


def test_interactions_that_hold_at_every_size_need_no_level():
    """For a quadratic function with one group for each unit, everything is known from the groups but what the
    ridge takes; levels do not make it worse, and kappa gives back what the ridge took."""
    rng = np.random.default_rng(11)
    m = np.triu(np.sign(rng.normal(size=(UNITS, UNITS))), 1)
    slopes = rng.normal(size=UNITS)

    def function(h):
        return h @ slopes + h @ m @ h

    with_levels, without = model(function, UNITS), model(function, UNITS, shares=())
    for size in (2, 4, 8, 12):
        h = random_h(size)
        assert off(with_levels, function, h) < max(1.01 * off(without, function, h), 0.02)
    for level in with_levels.levels.levels:
        assert level.left == pytest.approx(1.05, abs=0.02)


def test_noise_is_predicted_worse_with_a_level_than_without():
    """What is fitted to seven bases of pure noise has a variance of 1/7 at the eighth: its error is
    sqrt(1 + 1/7) = 1.07 times that of predicting nothing. Over 300 draws of 8 the ratio is known to 2%.
    """
    rng, errors, nothing = np.random.default_rng(3), 0.0, 0.0
    h = 1.0 - level_bases(USED, 0.1, 8, 0)
    for _ in range(300):
        noise = rng.normal(size=(8, 1))
        bases = Bases(h, noise, np.zeros((8, UNITS, 1)), noise, 0.0)
        errors += held_out_error(bases, USED, 0.1, 0.0, curved=True)
        nothing += np.abs(noise).sum()
    assert errors / nothing == pytest.approx(np.sqrt(8.0 / 7.0), rel=0.04)


def test_where_the_last_level_is_not_confirmed_larger_sets_are_predicted_as_without_levels():
    """A function that bends at small sizes and is noise at large ones."""
    noise = {}

    def function(h):
        if h.sum() <= 5:
            return 5.0 * h.mean() + 40.0 * h.mean() ** 2
        key = np.flatnonzero(h).tobytes()
        if key not in noise:
            noise[key] = np.random.default_rng(len(noise)).normal()
        return 5.0 * h.mean() + noise[key]

    estimator, without = model(function), model(function, shares=())
    assert estimator.name == "own, level 0.1"
    large = Sets.of(random_h(20))
    assert np.allclose(estimator(large).change, without(large).change, rtol=1e-12)


def test_groups_bring_the_interactions_of_a_quadratic_function():
    rng = np.random.default_rng(4)
    strength = rng.exponential(size=UNITS)
    m = np.triu(np.outer(strength, strength) * (1.0 + 0.2 * rng.normal(size=(UNITS, UNITS))), 1)
    slopes = rng.normal(size=UNITS)

    def function(h):
        return h @ slopes + h @ m @ h

    h = random_h(10)
    grouped, alone = model(function, 20, shares=()), model(function, shares=())
    assert off(grouped, function, h) < 0.2 * off(alone, function, h)
    terms = grouped(Sets.of(h)).terms
    assert terms.shape == (200, 2, 1)
    assert np.allclose(terms[:, 0, 0], h @ (model(function).additive.finite[:, 0]), atol=1e-12)


def test_fractional_downweights_follow_the_slope_at_zero():
    """h psi becomes h^2 psi - h (1 - h) slope, which is exact for a quadratic in each unit alone."""
    slopes, bends = np.linspace(1.0, 2.0, UNITS), np.linspace(-1.0, 1.0, UNITS)
    finite = (slopes + bends)[None, :, None]
    at = Gradients(np.zeros((1, 1)), finite, -slopes[None, :, None])
    estimator = fitted(USED, [np.ones((1, UNITS))], at, at.finite[0], None, [], "own")
    h = np.random.default_rng(5).uniform(size=(6, UNITS))
    assert np.allclose(estimator(Sets.of(h)).change[:, 0], h @ slopes + h ** 2 @ bends, atol=1e-12)


def test_shrinkage_is_the_share_of_the_signal():
    """Bases that are one signal plus noise of variance v: the best factor of a mean of B is 1 / (1 + v / B).

    With 4,000 units the estimate's standard error is below 0.02.
    """
    rng, bases = np.random.default_rng(6), 6
    signal = rng.normal(size=(4000, 1))
    for variance in (0.0, 1.0, 9.0):
        finite = signal + np.sqrt(variance) * rng.normal(size=(bases, 4000, 1))
        some = Bases(np.zeros((bases, 4000)), np.zeros((bases, 1)), finite, np.zeros((bases, 1)), 0.0)
        best = 1.0 / (1.0 + variance / bases)
        assert shrinkage_of(some, np.ones(4000, bool)) == pytest.approx(best, abs=0.1)
    noise = Bases(some.h, some.change, rng.normal(size=(bases, 4000, 1)), some.rest, 0.0)
    assert shrinkage_of(noise, np.ones(4000, bool)) < 0.3
    assert shrinkage_of(Bases(*(x[:1] for x in some[:-1]), 0.0), np.ones(4000, bool)) == 0.0
