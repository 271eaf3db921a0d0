"""What is expected of answers: sums over sets, against direct counting."""
import numpy as np
import pytest
from scipy.stats import norm

from deletion.asking.checking import ratio_and_spread
from deletion.asking.expected import Expected, folded_mean

ERRORS, CHANGES = np.array([1.0, 4.0, 0.0, 2.0]), np.array([10.0, 10.0, 5.0, 5.0])


def expected(counts=(1, 1, 1, 1)):
    return Expected(ERRORS, CHANGES, ERRORS, np.array(counts))


def test_pooled_is_the_sum_of_errors_over_the_sum_of_changes():
    assert expected().pooled == 7.0 / 30.0
    assert expected((2, 1, 3, 1)).pooled == 8.0 / 50.0
    assert Expected(np.zeros(2), np.zeros(2), np.zeros(2), np.ones(2, int)).pooled == 0.0


def test_sets_are_retrained_in_falling_order_of_what_that_brings():
    assert expected().order.tolist() == [1, 3, 0, 2]
    assert [round(expected().after(k) * 30.0) for k in range(5)] == [7, 3, 1, 0, 0]
    assert expected((9, 1, 1, 1)).order[0] == 0      # asked about nine times


@pytest.mark.parametrize("tolerance, needed", [(0.24, 0), (0.23, 1), (0.1, 1), (0.099, 2), (0.01, 3)])
def test_as_many_as_the_tolerance_needs(tolerance, needed):
    """The fewest k after which the pooled error is at most the tolerance."""
    assert expected().needed(tolerance) == needed
    counted = next(k for k in range(5) if expected().after(k) <= tolerance)
    assert counted == needed


def test_the_mean_of_an_absolute_normal_number():
    """Against an integral."""
    x = np.linspace(-12.0, 14.0, 200_001)
    for mean, deviation in ((0.0, 1.0), (0.7, 2.0), (3.0, 0.1)):
        z = mean + deviation * x
        by_integral = (np.abs(z) * norm.pdf(x)).sum() * (x[1] - x[0])
        assert folded_mean(np.array(mean), np.array(deviation)) == pytest.approx(by_integral, rel=1e-6)
    assert folded_mean(np.array([-3.0]), np.array([0.0])) == [3.0]


def test_the_spread_of_a_ratio_of_sums():
    """Over many draws of 40 sets the standard error is that of the ratio itself, within 15%.

    The sample standard deviation of 2,000 ratios is known to 1.6%; the mean of the stated errors to less. The
    rest is the estimate's own bias at 40 sets, of a few percent.
    """
    rng = np.random.default_rng(0)
    changes = rng.exponential(size=(2000, 40))
    errors = 0.3 * changes * rng.uniform(0.0, 2.0, size=changes.shape)
    ratios, stated = np.array([ratio_and_spread(e, c) for e, c in zip(errors, changes)]).T
    assert stated.mean() == pytest.approx(ratios.std(), rel=0.15)
    assert ratios.mean() == pytest.approx(0.3, abs=0.01)
