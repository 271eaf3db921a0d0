"""The sweeps over model size, length and rate: the models, and what is measured of each, against closed
forms."""
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import scaling
from benchmarks.scaling_cells import Effort, Microgpt, Perceptron, at_size, cell, exact_terms, random_banks
from deletion import SGD, Learner
from microgpt import names


@dataclass(frozen=True)
class Geometric:
    """One step from 0 to the mean weight, 1 - s without a share s of the units; 1 over that is the sum of all
    s^r."""
    seed: int = 0

    def make(self, units):
        learner = Learner([0.0], np.ones(units), lambda w, x: -w[0] * x, SGD(1.0), np.arange(units)[None])
        return learner, lambda w: 1.0 / w


def test_the_base_is_the_papers_model():
    learner, measure = Microgpt(names=20, steps=20, seed=42).make(20)
    paper = names(steps=20, seed=42)
    assert np.array_equal(learner.trained, paper.trained)
    assert len(measure.measurements) == 10 and learner.units == list(range(20))


@pytest.mark.parametrize("width, layers", [(8, 1), (32, 2), (64, 3)])
def test_sizes_are_those_of_the_formula(width, layers):
    """Embeddings of 27 tokens and 16 places, the output's matrix, and 12 width^2 a layer."""
    learner, _ = Microgpt(width, layers, names=2, steps=2).make(2)
    assert learner.layout.size == 12 * width ** 2 * layers + (2 * 27 + 16) * width


def test_perceptrons_take_enlarged_digits():
    pytest.importorskip("sklearn")
    learner, measure = Perceptron((784, 4, 10), epochs=1).make(100)
    image = learner.examples[0][0].reshape(28, 28)
    assert np.array_equal(image[2:-2:3, 2:-2:3].repeat(3, 0).repeat(3, 1), image[2:-2, 2:-2])
    assert learner.unit_count == 100 and len(learner.steps) == 10
    assert measure(learner.layout.split(learner.trained)).shape == (10,)


def test_terms_of_a_geometric_series():
    """T_r = s^r; cut off after degree p, the series is off by s^p of the change."""
    learner, measure = Geometric().make(20)
    assert exact_terms(learner, measure, [[3], [1, 2, 5, 7]], 4)[:, :, 0] == pytest.approx(
        np.array([0.05, 0.2])[:, None] ** np.arange(1, 5), rel=1e-9)
    found = cell(Geometric(), Effort(20, 6, 3))
    assert (found.parameters, found.steps, found.loss) == (1, 1, pytest.approx(1.0))
    for share, s in found.sizes.items():
        rate = max(share, 0.05)
        assert s.ratio == pytest.approx(rate, rel=1e-6)
        assert s.series == pytest.approx([rate ** p for p in range(1, 5)], rel=1e-6)
        assert sum(s.verdicts.values()) == 6 and s.false == 0


def test_random_sets_have_their_share_of_units():
    learner, _ = Geometric().make(100)
    banks = random_banks(learner, 4, seed=0)
    assert {share: {len(set(units)) for units in sets} for share, sets in banks.items()} == {
        0.01: {1}, 0.05: {5}, 0.2: {20}}


def test_false_trust_and_missed_intervals_are_counted():
    """Four sets, two measurements; the typical change is 1. The first and the third are off by 2, of which
    one is trusted."""
    change = np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])
    predicted = change + np.array([2.0, 0.1, -2.0, 0.2])[:, None]
    value = 5.0 + predicted
    many = SimpleNamespace(change=predicted, value=value, interval=(value - 0.15, value + 0.15),
                           verdict=["trust", "trust", "raise degree", "trust"])
    s = at_size(change[:2, None, :] * [[1.0], [0.5]], change, many)
    assert (s.false, s.values, s.outside) == (1, 6, 4)
    assert s.verdicts == {"trust": 3, "raise degree": 1} and s.trusted == 0.75
    assert s.error == pytest.approx((2.0 + 0.1 + 2.0 + 0.2) / 4)
    assert s.ratio == pytest.approx(0.5) and s.series == pytest.approx([0.0, 0.5])


def test_the_command_prints_and_draws(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["scaling", "rate", "--quick", "--out", str(tmp_path)])
    monkeypatch.setattr(scaling, "effort", lambda options: Effort(10, 4, 2))
    monkeypatch.setattr(scaling, "base", lambda options: Microgpt(names=10, steps=10))
    assert scaling.main() == 0
    shown = capsys.readouterr().out
    for what in ("0.0025", "in trainings", "series off by", "of 2 models", "sets are trusted"):
        assert what in shown
    assert len((tmp_path / "scaling.csv").read_text().splitlines()) == 1 + 2 * 3
    x = np.array([1.0, 2.0, 4.0])
    assert scaling.slope(np.log(x), 3.0 * x ** 1.5) == pytest.approx(1.5)
