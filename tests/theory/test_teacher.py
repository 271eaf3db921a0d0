"""The taught student: its paths against minima searched for one by one, and the correlation against planted
ones."""
import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks import path, teacher
from deletion import Objective


def test_paths_end_at_the_targets_and_begin_with_their_velocity():
    student = teacher.taught(0)
    objective, theta = Objective(student), student.layout.initial
    assert np.linalg.norm(objective.gradient(theta)) < 1e-8
    found, refused = teacher.paths(student, (0, 5, 11))
    assert list(found) == [0, 5, 11] and not refused
    for point in found:
        h, row = np.eye(20)[point], found[point]
        minima = path.tracked(objective, theta, h)
        assert row["distance"] == pytest.approx(np.linalg.norm(minima[-1] - theta), rel=1e-5)

        def velocity(eps, step=1e-4):      # by central differences; a weight may exceed 1
            ends = [path.minimiser(objective, theta if eps else minima[-1], 1.0 - (1.0 - e) * h)
                    for e in (eps + step, eps - step)]
            return (ends[0] - ends[1]) / (2.0 * step)
        first, last = velocity(1.0), velocity(0.0)
        assert row["velocity"] == pytest.approx(np.linalg.norm(first), rel=1e-4)
        cosine = first @ last / np.linalg.norm(first) / np.linalg.norm(last)
        assert np.cos(np.radians(row["angle"])) == pytest.approx(cosine, abs=1e-5)
        assert 0.0 <= row["detour"] < 0.1


def test_correlations_are_found_where_planted(rng):
    """The rank correlation of an increasing relation is 1; that of 200 unrelated pairs is small."""
    numbers = rng.uniform(1.0, 2.0, size=(200, 3))
    found = {k: {"angle": d ** 3, "distance": d, "velocity": -d, "residual": r, "detour": 0.0}
             for k, (d, r, _) in enumerate(numbers)}
    result = teacher.correlations(found)
    assert result["distance"][0] == pytest.approx(1.0) and result["velocity"][0] == pytest.approx(-1.0)
    value, low, high = result["residual"]
    assert value == pytest.approx(spearmanr(numbers[:, 0], numbers[:, 1]).statistic, abs=1e-12)
    assert abs(value) < 4.0 / np.sqrt(200.0) and low < value < high
