"""The comparison of group effects where a closed form is known, and the best sum over units."""
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import groups
from benchmarks.learners import diabetes
from circuit import InputError
from deletion.learner.units import Units

KOH, SERIES = "influence, summed (Koh)", ("second order (Basu)", "second order, the rest stays")


def test_two_series_of_an_exact_newton_step_are_nearer_to_retraining_than_influence(monkeypatch):
    """Ridge regression has no third derivatives. Only ways with closed forms are asked."""
    pytest.importorskip("sklearn")
    all_ways = groups.ways
    monkeypatch.setattr(groups, "ways", lambda arena: {
        way: all_ways(arena)[way] for way in ("no change", KOH, *SERIES, "Newton step")})
    options = SimpleNamespace(seed=1, sets=8, measured=2, factor=3)
    row = groups.compared("ridge", groups.Arena(partial(diabetes, 40, penalty=0.25)), options)
    scores = {way: {kind: kinds["error"][0] for kind, kinds in found.items()}
              for way, found in row["scores"].items()}
    for kind in ("5%", "20%", "half"):
        assert scores["no change"][kind] == 1.0 and scores["Newton step"][kind] < 1e-6
        for way in SERIES:
            assert 1e-6 < scores[way][kind] < scores[KOH][kind] < 1.0
    assert scores[groups.FITTED]["half"] < scores[groups.HELD]["half"] < 1.5 and not row["refusals"]


def test_a_learner_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setattr("sys.argv", ["groups", "--learner", "oracle"])
    with pytest.raises(InputError, match="no learner 'oracle'; there are ridge"):
        groups.main()


def test_the_best_sum_is_exact_for_sums_and_brackets_what_it_leaves_elsewhere(rng):
    """With noise of variance 1 beside a sum of n units, m sets leave sqrt(1 - n/m) of it where they were
    fitted and sqrt(1 + n/(m - n - 1)) elsewhere."""
    n, m = 20, 160
    units = Units(n, None, None, None)
    learner = SimpleNamespace(deletion_sets=lambda sets: units.sets(sets, 0.0), unit_count=n)
    effects = rng.normal(size=(n, 30))
    h, other = rng.random((2, m, n)) < 0.3
    sets, others = ([np.flatnonzero(row).tolist() for row in rows] for rows in (h, other))
    for at, (found, rows) in enumerate(zip(groups.additive(learner, sets, h @ effects, others), (h, other))):
        assert np.allclose(found, rows @ effects, rtol=0, atol=1e-10), at
    noise, elsewhere = rng.normal(size=(2, m, 30))
    within, without = groups.additive(learner, sets, h @ effects + noise, others)
    left = np.sqrt(np.mean((within - h @ effects - noise) ** 2))
    missed = np.sqrt(np.mean((without - other @ effects - elsewhere) ** 2))
    assert abs(left - np.sqrt(1.0 - n / m)) < 0.05
    assert abs(missed - np.sqrt(1.0 + n / (m - n - 1.0))) < 0.05
