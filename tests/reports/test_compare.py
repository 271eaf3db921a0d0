"""The comparison and influence's own benchmark, run as a user runs them."""
import json
import re

import numpy as np
import pytest
from test_benchmarks import script

from benchmarks.compare import membership


def compared(folder, *more):
    methods = ("sketch", "influence, Hessian", "Newton step", "certified removal", "rewind 1/2")
    return script("benchmarks.compare", "--quick", "--learner", "ridge", "--out", folder,
                  *(x for m in methods for x in ("--method", m)), *more)


def test_the_comparison_scores_refuses_and_goes_on_from_what_is_kept(tmp_path):
    first = compared(tmp_path)
    assert first.returncode == 0, first.stderr
    assert "no number for certified removal: the loss is not that of logistic regression" in first.stdout
    assert "ridge: sketch ..." in first.stdout
    result = json.loads((tmp_path / "compare.json").read_text())
    scores = result["scores"]["ridge"]
    assert "certified removal" not in scores and "certified removal" in result["refusals"]["ridge"]
    # ridge is quadratic: a Newton step is retraining
    for kind in ("single", "1%", "5%", "20%", "class", "influential"):
        assert (scores["Newton step"][f"error {kind}"] < 1e-9 < scores["influence, Hessian"][f"error {kind}"]
                < 0.6)
        assert scores["retraining"][f"error {kind}"] == 0.0      # of the truth from itself
    assert scores["sketch"]["error 1%"] < 0.05 and scores["Newton step"]["distance 5%"] < 1e-9
    numbers = result["diagnostics"]["ridge"]
    assert numbers["Newton step"][0]["residual"] < 1e-9 and numbers["sketch"][0]["degree"] == 3
    assert numbers["sketch"][0]["trust"] > 0
    assert {"compare.csv", "compare.json"} <= {path.name for path in tmp_path.iterdir()}
    again = compared(tmp_path)
    assert again.returncode == 0 and "..." not in re.sub(r"retrain.*", "", again.stdout)
    same = json.loads((tmp_path / "compare.json").read_text())["scores"]["ridge"]
    kept = [name for name in scores if name != "retraining"]
    assert all(same[name][f"error {kind}"] == scores[name][f"error {kind}"] for name in kept
               for kind in ("single", "5%"))


@pytest.mark.parametrize("more, words", [(("--learner", "oracle"), "no learner 'oracle'"),
                                         (("--method", "oracle"), "no method 'oracle'")])
def test_what_is_not_compared_is_named(tmp_path, more, words):
    result = script("benchmarks.compare", "--quick", "--learner", "ridge", "--out", tmp_path, *more)
    assert result.returncode == 2 and words in result.stderr and "Traceback" not in result.stderr


def test_a_method_that_is_not_among_those_drawn_first_is_drawn_alone(tmp_path):
    result = script("benchmarks.compare", "--quick", "--learner", "ridge", "--out", tmp_path, "--method",
                    "homotopy")
    assert result.returncode == 0, result.stderr


def test_membership_advantage():
    """All deleted losses below all unseen ones: 1. The same losses: 0. A half below: 1/2."""
    assert membership(np.array([0.1, 0.2]), np.array([0.3, 0.4])) == 1.0
    assert membership(np.array([0.3, 0.4]), np.array([0.1, 0.2])) == 0.0
    assert membership(np.array([0.1, 0.4]), np.array([0.2, 0.4])) == 0.5


def test_closed_forms_of_least_squares():
    result = script("benchmarks.influence", "closed")
    assert result.returncode == 0, result.stderr
    # one may be 0e+00
    errors = [float(x) for x in re.findall(r"(\d+e[+-]\d+)$", result.stdout, re.MULTILINE)]
    assert len(errors) == 6 and max(errors) < 1e-10
    assert script("benchmarks.influence", "everything").returncode == 2
