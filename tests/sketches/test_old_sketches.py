"""Sketches that version 0.1 wrote still open, and say what a sketch of the same learner made today says."""
import json
import shutil

import numpy as np
import pytest
from conftest import GOLDEN
from learners import tiny

from deletion import load, precompute, retrain
from deletion.cli.commands import run
from microgpt import first_letter, names

OLD = GOLDEN / "sketch_0_1"
TINY, LETTERS = OLD / "tiny", OLD / "letters"


def letters():
    return names(steps=30, units=first_letter)


def weights(w):
    return w


CASES = {
    "float64, degree 3": (TINY, tiny, lambda learner: weights, [[0], [2, 5], [1, 3, 4]]),
    "float32, degree 1": (LETTERS, letters, lambda learner: learner.loss_on("max"), [["m"], ["a", "b"]])}


@pytest.mark.parametrize("case", CASES)
def test_an_old_sketch_predicts_what_a_new_one_does(case):
    path, make, measurement, sets = CASES[case]
    learner = make()
    old = load(path, learner)
    new = precompute(learner, old.directions, old.degree, dtype=old.dtype, calibration=0)
    a, b = (sketch.measure(measurement(learner)) for sketch in (old, new))
    for decoder in ("least squares", "mean"):
        one, two = (x.predict_many(sets, decoder=decoder) for x in (a, b))
        np.testing.assert_allclose(one.value, two.value, rtol=1e-9)      # machines round differently, by less
        np.testing.assert_allclose(one.terms, two.terms, rtol=1e-9, atol=1e-9 * np.abs(two.value).max())
    assert a.predict(sets[0]).verdict and a.predict(sets[0]).interval is not None


@pytest.mark.parametrize("case", CASES)
def test_its_calibration_is_exact_retraining(case):
    path, make, _, _ = CASES[case]
    learner = make()
    calibration = load(path, learner).calibration
    truth = retrain(learner, weights=1.0 - calibration.downweights)
    np.testing.assert_allclose(calibration.values, truth, rtol=1e-9, atol=1e-9 * np.abs(truth).max())


def test_it_is_gone_on_with(tmp_path):
    folder = shutil.copytree(TINY, tmp_path / "tiny")
    (folder / "block-00001.npy").unlink()
    sketch = precompute(tiny(), 12, 3, seed=0, design="sphere", out=folder)
    assert len(sketch.blocks) == 2
    np.testing.assert_allclose(sketch.blocks[1], np.load(TINY / "block-00001.npy"), rtol=1e-9, atol=1e-12)


def test_the_command_line_knows_its_recipe(capsys):
    assert run(["info", str(LETTERS), "--check"]) == run(["info", str(TINY), "--check"]) == 0
    text = capsys.readouterr().out
    assert "'microgpt:names' steps=30 units='first_letter'" in text and "unknown (made in Python)" in text
    question = ["--delete", "m", "--measure", "loss:max", "--decoder", "mean", "--json"]
    assert run(["predict", str(LETTERS), *question]) == 0
    row, = json.loads(capsys.readouterr().out)["rows"]
    learner = letters()
    expected = load(LETTERS, learner).measure(learner.loss_on("max")).predict("m", decoder="mean")
    assert row["units"] == ["m"] and row["predicted"] == pytest.approx(float(expected.value), rel=1e-12)
