"""Self-terms, on functions whose finite steps lack what is known."""
import numpy as np
import pytest

from deletion.models.bases import Gradients, group_bases, partition
from deletion.models.self_terms import MOST, corrected, correction

UNITS, GROUPS = 30, 6
USED = np.arange(UNITS) != 7


def gradients(groups, bends, lack, power):
    """Gradients of f(h) = sum_i (h_i + bends_i h_i^2 + lack_i h_i^power), of which the finite step sees the
    first two terms.   bends, lack: (units, q)"""
    h = (1.0 - np.concatenate([np.ones((1, UNITS)), group_bases(groups, GROUPS)]))[:, :, None]
    used = USED[:, None]
    values = ((h + bends * h ** 2 + lack * h ** power) * used).sum(axis=1)
    slopes = -(1.0 + 2.0 * bends * h + power * lack * h ** (power - 1)) * used
    return Gradients(values, (1.0 + bends) * (h == 0.0) * used, slopes)


@pytest.fixture
def groups():
    return partition(USED, GROUPS, 0)


def test_what_grows_with_the_fourth_power_is_found(groups, rng):
    bends, lack = rng.normal(size=(2, UNITS, 2)) * [1.0, 1000.0] * USED[:, None]
    at = gradients(groups, bends, lack, 4)
    own = corrected(at.finite[0], at, groups)
    assert np.allclose(own[USED], (1.0 + bends + lack)[USED], rtol=1e-9, atol=1e-9) and not own[7].any()


def test_what_grows_with_the_square_of_it_is_corrected_by_no_more_than_the_limit(groups, rng):
    """Of a lack of the second power the parabola sees nothing, so that the best c is 1/2."""
    bends, lack = rng.normal(size=(2, UNITS, 1)) * USED[:, None]
    at = gradients(groups, bends, lack, 2)
    own = corrected(at.finite[0], at, groups)
    assert np.allclose(own[USED], (1.0 + bends + 2.0 * MOST * lack)[USED], rtol=1e-12)


def test_a_finite_step_that_lacks_nothing_stays(groups, rng):
    bends = rng.normal(size=(UNITS, 1)) * USED[:, None]
    at = gradients(groups, bends, 0.0 * bends, 4)
    assert np.allclose(corrected(at.finite[0], at, groups), at.finite[0], rtol=0, atol=1e-12)


def test_the_correction_is_least_squares_between_its_limits(rng):
    lacking = rng.normal(size=(50, 1))
    missed = 0.15 * lacking + 0.1 * rng.normal(size=(50, 1))
    expected = np.linalg.lstsq(lacking, missed[:, 0], rcond=None)[0][0]
    assert correction(missed, lacking) == pytest.approx(expected, rel=1e-12)
    assert correction(-missed, lacking) == 0.0 and correction(9.0 * missed, lacking) == MOST
    assert correction(missed, 0.0 * lacking) == 0.0 and correction(0.0 * missed, lacking) == 0.0
    both = correction(np.hstack([missed, 1e6 * missed]), np.hstack([lacking, 1e6 * lacking]))
    assert both == pytest.approx(expected, rel=1e-10)      # whatever a measurement's scale
