"""Degree 0 predicts no change: it is refused before any work; a sketch of degree 0 made before says so."""
from dataclasses import replace

import numpy as np
import pytest
from learners import network, of_weights, tiny

from deletion import LearnerError, Sketched, given, precompute
from deletion.cli.commands import run
from taylor import Recurrence

REFUSED = "predicts no change: the degree is a whole number >= 1"


@pytest.mark.parametrize("more", [{}, dict(dry_run=True), dict(design="sphere"), dict(calibration=0),
                                  dict(out="new")])
def test_degree_0_is_refused_before_anything_is_compiled(more, tmp_path, monkeypatch):
    monkeypatch.setattr(Recurrence, "__init__", lambda *arguments: pytest.fail("compiling"))
    monkeypatch.chdir(tmp_path)
    for directions in (4, given(np.eye(6)[:2])):
        with pytest.raises(LearnerError, match=REFUSED):
            precompute(tiny(), directions, 0, **more)
    assert not list(tmp_path.iterdir())


def test_other_ways_to_ask(capsys, tmp_path):
    with pytest.raises(LearnerError, match=REFUSED):
        Sketched(4, degree=0).answer(tiny(), [[0]], lambda w: w.sum())
    assert run(["precompute", "--steps", "5", "--degree", "0", "--out", str(tmp_path / "x")]) == 2
    assert REFUSED in capsys.readouterr().err and not (tmp_path / "x").exists()


@pytest.mark.parametrize("decoder", ["auto", "least squares", "mean", "median of means"])
def test_a_sketch_of_degree_0_made_before_predicts_no_change(decoder):
    whole = precompute(network(), 8, 1, design="sphere", calibration=8).measure(of_weights)
    measured = replace(whole, coefficients=whole.coefficients[:, :0])
    for ask, *sets in ("predict_many", [[1], [2, 3]]), ("leave_one_out",), ("curve", 3):
        many = getattr(measured, ask)(*sets, decoder=decoder)
        assert not many.change.any() and (many.value == whole.value).all() and many.terms.shape[1] == 1
    assert measured.predict([2, 3], decoder=decoder).verdict == "do not trust"      # all the change is error
