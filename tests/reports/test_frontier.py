"""The frontier of error against cost, run as a user runs it."""
import json

import pytest
from test_benchmarks import script

from benchmarks.frontier_page import front


def run(folder, *more):
    return script("benchmarks.frontier", "--quick", "--way", "no change", "--way", "finite step", "--way",
                  "sum of leave-one-outs", "--out", folder, "--bank", folder / "truth", *more)


def test_a_quick_run_scores_every_way_and_guards_what_it_scored(tmp_path):
    first = run(tmp_path, "--json", tmp_path / "before.json")
    assert first.returncode == 0, first.stderr
    stored = json.loads((tmp_path / "before.json").read_text())
    rows = stored["scores"]["120"]
    assert rows["no change"]["cost"] == 0 and rows["no change"]["error 5%"][0] == 1.0
    assert rows["sum of leave-one-outs"]["cost"] == 120
    assert rows["sum of leave-one-outs"]["error 1%"][0] == 0.0      # one name: it is retrained itself
    assert 0.0 < rows["finite step"]["error 1%"][0] < 1.0 and rows["finite step"]["cost"] > 0
    assert "Which way for which question" in (tmp_path / "ADVICE.md").read_text()
    for ratio in stored["ratios"]:
        for place in ("low", "median", "high"):
            ratio[place] /= 2.0
    (tmp_path / "better.json").write_text(json.dumps(stored))
    again = run(tmp_path, "--against", tmp_path / "better.json")      # from what is kept
    assert again.returncode == 1 and "WORSE" in again.stdout and "..." not in again.stderr


def test_a_way_that_does_not_exist_is_named(tmp_path):
    result = script("benchmarks.frontier", "--quick", "--way", "oracle", "--out", tmp_path)
    assert result.returncode == 2 and "no way 'oracle'" in result.stderr


def test_more_cotangents_tell_more_of_measurements_that_were_not_known(tmp_path):
    result = script("benchmarks.later", "--quick", "--json", tmp_path / "later.json")
    assert result.returncode == 0, result.stderr
    stored = json.loads((tmp_path / "later.json").read_text())
    few, many = ({row[3]: row for row in stored["rows"] if row[0] == count} for count in (20, 40))
    for name in ("gradient", "finite step"):
        assert 0.0 < many[name][4] < few[name][4] < 1.0 and few[name][4] <= few[name][6]
        assert many[name][2] < few[name][2]      # the residuals of the fit


@pytest.mark.parametrize("error, expected", [(0.3, ["cheap", "dear"]), (0.6, ["cheap"])])
def test_only_ways_that_nothing_cheaper_equals_are_advised(error, expected):
    rows = {"dear": {"cost": 9.0, "error": (error,)}, "cheap": {"cost": 2.0, "error": (0.5,)}}
    assert [name for _, name, _ in front(rows, "error")] == expected
