"""Interactions from groups: the closed form against a dense solution of the problem that it states."""
import numpy as np
import pytest

from deletion.learner.units import Sets
from deletion.models.bases import group_bases, level_bases, partition
from deletion.models.interactions import RIDGE, Interactions, scales

UNITS, GROUPS = 11, 3
USED = np.arange(UNITS) != 4


@pytest.fixture
def groups():
    return partition(USED, GROUPS, 0)


def dense(groups, y, s):
    """M of one measurement by least squares over all pairs i < j."""
    pairs = [(i, j) for i in range(UNITS) for j in range(i) if groups[i] >= 0 and groups[j] >= 0]
    rows, right = [], []
    for k, (i, j) in enumerate(pairs):
        rows.append(np.eye(len(pairs))[k] / np.sqrt(s[i] * s[j]))
        right.append(0.0)
    for group in range(GROUPS):
        for i in np.flatnonzero((groups >= 0) & (groups != group)):
            row = np.array([float((i == a and groups[b] == group) or (i == b and groups[a] == group))
                            for a, b in pairs])
            scale = 1.0 / np.sqrt(RIDGE * s[i] * s[groups == group].sum())
            rows.append(row * scale)
            right.append(y[i, group] * scale)
    solution = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    m = np.zeros((UNITS, UNITS))
    for (i, j), x in zip(pairs, solution):
        m[i, j] = m[j, i] = x
    return m


def test_the_closed_form_is_the_minimum(groups, rng):
    y = rng.normal(size=(UNITS, GROUPS, 2))
    interactions = Interactions(groups, y)
    for q in range(2):
        expected = dense(groups, y[..., q], interactions.scale)
        assert np.abs(interactions.matrix(q) - expected).max() < 1e-10 * np.abs(expected).max()


def test_changes_and_partners_are_those_of_the_matrix(groups, rng):
    interactions = Interactions(groups, rng.normal(size=(UNITS, GROUPS, 2)))
    h = (rng.uniform(size=(7, UNITS)) < 0.5) * USED * rng.uniform(size=(7, UNITS))
    for q in range(2):
        m = interactions.matrix(q)
        assert np.allclose(interactions.change(Sets.of(h))[:, q], np.einsum("bi,ij,bj->b", h, m, h) / 2,
                           rtol=0, atol=1e-12)
        assert np.allclose(interactions.partners(Sets.of(h))[..., q], h @ m, rtol=0, atol=1e-12)


def test_a_set_alone_changes_nothing_and_nothing_is_known_inside_a_group(groups, rng):
    interactions = Interactions(groups, rng.normal(size=(UNITS, GROUPS, 1)))
    assert not interactions.change(Sets.of(np.eye(UNITS) * USED)).any()
    inside = np.stack([groups == k for k in range(GROUPS)]).astype(float)
    assert not interactions.change(Sets.of(inside)).any()


def test_scaling_a_measurement_scales_its_interactions(groups, rng):
    y = rng.normal(size=(UNITS, GROUPS, 1))
    one, two = Interactions(groups, y).matrix(0), Interactions(groups, 3.0 * y).matrix(0)
    assert np.allclose(two, 3.0 * one, rtol=1e-12)


def test_every_measurement_counts_alike_for_the_scales_of_units(groups, rng):
    y = rng.normal(size=(UNITS, GROUPS, 2))
    larger = Interactions(groups, y * [1.0, 1e6])
    assert np.allclose(larger.matrix(0), Interactions(groups, y).matrix(0), rtol=1e-10)
    assert np.allclose(larger.matrix(1), 1e6 * Interactions(groups, y).matrix(1), rtol=1e-10)


def test_units_that_no_step_uses_and_units_without_interactions(groups):
    y = np.zeros((UNITS, GROUPS, 1))
    assert not Interactions(groups, y).matrix(0).any()
    assert scales(y).tolist() == [1.0] * UNITS
    y[0, (groups[0] + 1) % GROUPS] = 1.0
    m = Interactions(groups, y).matrix(0)
    assert np.isfinite(m).all() and not m[4].any() and not m[:, 4].any()


def test_with_a_group_for_each_unit_a_matrix_of_equal_scales_is_found_but_for_the_ridge():
    """Every pair is then observed twice, so that M is shrunk by 2 / (2 + RIDGE)."""
    rng = np.random.default_rng(1)
    m = np.sign(rng.normal(size=(8, 8)))
    m = np.triu(m, 1) + np.triu(m, 1).T
    interactions = Interactions(np.arange(8), m[:, :, None])
    assert np.allclose(interactions.scale, 1.0)
    assert np.allclose(interactions.matrix(0), m * 2.0 / (2.0 + RIDGE), atol=1e-12)


def test_groups_are_equal_and_levels_have_their_size():
    groups = partition(USED, GROUPS, 5)
    assert sorted(np.bincount(groups[USED])) == [3, 3, 4] and groups[4] == -1
    assert (group_bases(groups, GROUPS).sum(axis=0) == np.where(USED, GROUPS - 1, GROUPS)).all()
    rows = level_bases(USED, 0.3, 50, 6)
    assert (rows.sum(axis=1) == UNITS - 3).all() and (rows[:, 4] == 1.0).all()
    assert np.array_equal(rows[:2], level_bases(USED, 0.3, 2, 6))      # more bases keep those there are
    assert len({row.tobytes() for row in rows}) > 30
