"""The paper's figures and the page of costs: --quick runs as a user makes them, and what they calculate
against other routes."""
import argparse
import json
import math
import statistics
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import __main__ as together
from benchmarks import costs, figure1, figure2, figure3, figures, harness
from circuit import InputError, evaluate
from deletion import precompute, sphere
from deletion.sketch.stability import frobenius
from microgpt import names

MAINS = {name: figure.main for name, figure in together.FIGURES.items()} | {"costs": costs.main,
                                                                            "all": together.main}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of all three figures, made quickly as a user makes them."""
    folder = tmp_path_factory.mktemp("figures")
    done = subprocess.run([sys.executable, "-m", "benchmarks", "all", "--quick", "--out", folder],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"{folder}/{name}" in done.stdout for name in ("figure1", "figure2", "figure3"))
    return folder


@pytest.fixture
def again(folder, monkeypatch):
    """again(*names): make some of them again."""
    def run(*names):
        monkeypatch.setattr(sys, "argv", ["benchmarks", *names, "--quick", "--out", str(folder)])
        return together.main()
    return run


def results(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


# whole runs -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["figure1", "figure2", "figure3"])
def test_a_figure_leaves_pictures_a_table_and_one_line(folder, name):
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / f"{name}.svg").read_text()
    text = (folder / f"{name}.json").read_text()
    result = json.loads(text)
    assert text.count("\n") == 1
    assert {"machine", "versions", "seconds", "core_seconds", "peak_memory", "settings"} <= set(result)
    assert result["settings"]["steps"] == 40 and result["settings"]["seed"] == 0 and result["name"] == name
    table = np.genfromtxt(folder / f"{name}.csv", delimiter=",", skip_header=1)
    assert len(table) == (6 if name == "figure1" else 11) and np.isfinite(table[:, :2]).all()


def test_the_same_command_pushes_nothing_twice(folder, again):
    """Blocks and retrainings are there already, and tables and pictures come out with the same bytes: the
    same calls on one machine."""
    kept = [path for part in ("sketches", "truth") for path in (folder / part).rglob("*.npy")]
    shown = [folder / f"{name}.{kind}" for name in ("figure1", "figure2", "figure3")
             for kind in ("csv", "png", "svg")]
    times, before = [path.stat().st_mtime_ns for path in kept], [path.read_bytes() for path in shown]
    assert len(kept) > 10 and again("figure3", "figure1", "figure2") == 0
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert [path.read_bytes() for path in shown] == before
    assert sorted(kept) == sorted(path for part in ("sketches", "truth")
                                  for path in (folder / part).rglob("*.npy"))


def test_what_was_killed_goes_on(folder, again):
    """Without one block and the truth, a figure comes to the same numbers, and other blocks are left
    alone."""
    # of 24 directions: Figure 3's
    sketch = next(path.parent for path in (folder / "sketches").rglob("block-00002.npy"))
    (sketch / "block-00001.npy").unlink()
    for path in (folder / "truth").glob("*.npy"):
        path.unlink()
    others, before = [sketch / f"block-0000{b}.npy" for b in (0, 2)], (folder / "figure3.csv").read_bytes()
    times = [path.stat().st_mtime_ns for path in others]
    assert again("figure3") == 0 and (sketch / "block-00001.npy").exists()
    assert (folder / "figure3.csv").read_bytes() == before
    assert [path.stat().st_mtime_ns for path in others] == times


@pytest.mark.parametrize("which, arguments, words", [
    ("figure1", ["--degree", "1"], "--degree: expected a whole number >= 2"),
    ("figure1", ["--directions", "0"], "--directions: expected a whole number >= 1"),
    ("figure1", ["--steps", "many"], "invalid int"),
    ("figure1", ["--colour", "red"], "unrecognized"),
    ("figure2", ["--letter", "#"], "none of the 40 training names"),
    ("figure2", ["--letter", ""], "--letter is empty"),
    ("figure2", ["--degree", "0"], ">= 1"),
    ("figure2", ["--steps", "0"], "at least one step"),
    ("figure3", ["--directions", "1"], ">= 2"),
    ("figure3", ["--seed", "-1"], ">= 0"),
    ("figure3", ["--document", "zoë"], "outside the alphabet"),
    ("figure3", ["--names", "/nowhere.txt"], "cannot read names"),
    ("all", ["figure4"], "no figure 'figure4'"),
    ("all", [], "required"),
    ("costs", ["--minutes", "0"], "more than 0"),
    ("costs", ["--minutes", "nan"], "more than 0"),
    ("costs", ["--names", "/nowhere.txt"], "cannot read names")])
def test_mistakes_are_one_line(which, arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--quick", "--out", str(tmp_path), *arguments])
    with pytest.raises(SystemExit) as stop:
        harness.run(MAINS[which])
    message = capsys.readouterr().err
    assert stop.value.code == 2 and words in message
    assert message.startswith("error: ") and message.count("\n") == 1


def test_a_document_that_was_trained_on_is_refused(tmp_path, monkeypatch, capsys):
    trained = names(steps=40).documents[0]
    monkeypatch.setattr(sys, "argv", ["x", "--quick", "--out", str(tmp_path), "--document", trained])
    with pytest.raises(SystemExit) as stop:
        harness.run(figure2.FIGURE.main)
    assert stop.value.code == 2 and "one of the training names" in capsys.readouterr().err


def test_options_given_win_over_quick():
    options = figures.parser("figure2", "doc", figure2.FULL,
                             figure2.QUICK).parse_args(["--quick", "--steps", "17", "--letter", "q"])
    quick, full = figure2.FIGURE.settled(options), figure2.FIGURE.settled(argparse.Namespace(quick=False))
    assert (quick.steps, quick.letter, quick.degree, quick.names) == (17, "q", 3, None)
    assert (full.steps, full.letter, full.degree) == (1000, "x", 6)


# figure 1 ---------------------------------------------------------------------------------------------------

def test_norms_are_those_of_exact_binomials():
    rng = np.random.default_rng(1)
    coefficients = np.exp(-1.6 * np.arange(1, 101)) * (rng.normal(size=(3, 100))
                                                       + 1j * rng.normal(size=(3, 100)))
    logs = figure1.log_norms(coefficients, 1000)
    for j, r in ((0, 1), (1, 37), (2, 100)):
        assert logs[j, r - 1] == pytest.approx(0.5 * math.log2(math.comb(999 + r, r))
                                               + math.log2(abs(coefficients[j, r - 1])), abs=1e-9)


def test_norms_agree_with_stability():
    learner = names(steps=20)
    sketch = precompute(learner, 16, 3, design="sphere", calibration=0, progress=False)
    measured = sketch.measure(learner.loss_on("max"))
    line = figure1.root_mean_square(figure1.log_norms(measured.coefficients, learner.unit_count))
    assert 2.0 ** line == pytest.approx(frobenius(sketch, measured)[0], rel=1e-10)


def test_the_fit_finds_a_planted_decay():
    """|T_r| = 3 * 0.83^r; alone exactly, and within its error when 200 directions scatter as complex normal
    numbers.

    Four standard errors: a false alarm in 16,000 seeds, and the seed is fixed.
    """
    rng, orders = np.random.default_rng(2), np.arange(1, 61)
    line = np.log2(3.0) + orders * np.log2(0.83)
    slope, error = figure1.decay(np.tile(line, (5, 1)), 30, 60)
    assert slope == pytest.approx(np.log2(0.83), rel=1e-9) and error < 1e-9
    scattered = line + np.log2(np.abs(rng.normal(size=(200, 60)) + 1j * rng.normal(size=(200, 60)))
                               / np.sqrt(2.0))
    slope, error = figure1.decay(scattered, 30, 60)
    assert abs(slope - np.log2(0.83)) < 4.0 * error < 0.02
    assert np.isnan(figure1.decay(line[None], 30, 60)[1])


def test_the_fit_ends_where_one_direction_rules():
    """Three directions, one of which grows by a bit an order: 4^r against 2 is more than half from order 1
    on, 4^(r-5) from order 6."""
    logs = np.zeros((3, 12))
    assert figure1.last_reliable(logs) == 12
    logs[1] = np.arange(1, 13) - 5.0
    assert figure1.last_reliable(logs) == 5
    logs[1] = np.arange(1, 13)
    assert figure1.last_reliable(logs) == 2 == figure1.last_reliable(logs[1:2])


def test_terms_that_vanish_are_refused():
    """At high degrees the coefficients of random directions fall below the smallest number."""
    learner = names(steps=10)
    measured = SimpleNamespace(coefficients=np.array([[1.0, 1e-300, 0.0]] * 8, complex))
    question = SimpleNamespace(learner=learner, options=SimpleNamespace(directions=4, degree=3, seed=0),
                               description="D", deleted=[0, 1],
                               pushed=lambda *arguments, **options: (measured, 0.0))
    with pytest.raises(InputError, match="choose a lower --degree"):
        figure1.compute(question)


def test_root_mean_squares_stay_in_range():
    assert figure1.root_mean_square(np.array([[-2000.0, 3000.0], [-2001.0, 2000.0]])) == pytest.approx(
        [-2000 + 0.5 * np.log2(0.625), 2999.5])


# figures 2 and 3 --------------------------------------------------------------------------------------------

def test_the_series_end_at_the_measured_value_and_have_the_terms_of_a_contour(folder):
    """Terms by figure 2 against a contour integral of whole trainings at complex weights, which knows no
    Taylor rules."""
    result = results(folder, "figure2")
    curves, terms, learner = np.array(result["curves"]), np.array(result["terms"]), names(steps=40)
    assert curves[-1] == pytest.approx(result["trained"] + np.concatenate([[0.0], np.cumsum(terms)]),
                                       rel=1e-12)
    assert curves[0] == pytest.approx(result["retrained"][0], rel=1e-12)
    assert result["errors"] == pytest.approx(curves[-1] - result["retrained"][-1], abs=1e-12)
    h = np.array([1.0 if "an" in name else 0.0 for name in learner.documents])
    theta = learner.train(1.0 - 0.5 * np.exp(2j * np.pi * np.arange(32) / 32)[:, None] * h)[0]
    contour = np.fft.fft(evaluate(learner.measurement(learner.loss_on("max")),
                                  [theta])[0])[1:4].real / 32 / 0.5 ** np.arange(1, 4)
    assert terms == pytest.approx(contour, rel=1e-8)


def test_the_paper_s_band_is_the_spread_of_its_estimates():
    """By the definition, one direction and degree after the other; the terms also by the library's
    decoder."""
    learner = names(steps=20)
    measured = precompute(learner, 16, 3, design="sphere", calibration=0,
                          progress=False).measure(learner.loss_on("max"))
    h, psi, (m, n) = learner.downweight([3, 7, 11]), measured.directions.psi, measured.directions.psi.shape
    terms, errors = figure3.mean_terms(psi, measured.coefficients, h)
    assert terms == pytest.approx(measured.predict([3, 7, 11], decoder="mean").terms[1:], rel=1e-10)
    for r in (1, 2, 3):
        each = [math.comb(n + r - 1, r) * (sum(psi[j, i].conjugate() for i in (3, 7, 11)) ** r
                                           * measured.coefficients[j, r - 1]).real for j in range(m)]
        assert errors[r - 1] == pytest.approx(statistics.stdev(each) / math.sqrt(m), rel=1e-10)
    band = figure3.cumulated(errors)
    assert band.shape == (11, 3) and (band[0] == 0.0).all() and band[-1] == pytest.approx(np.cumsum(errors))
    assert band[5, 2] == pytest.approx(errors[0] / 2 + errors[1] / 4 + errors[2] / 8)


def test_figure_3_shows_what_the_library_predicts(folder):
    result, learner = results(folder, "figure3"), names(steps=40)
    some = [unit for unit, name in zip(learner.units, learner.documents) if "an" in name]
    paper = precompute(learner, sphere(24, 40, 0), 3, calibration=0,
                       progress=False).measure(learner.loss_on("max")).predict(some, decoder="mean")
    ours = precompute(learner, 24, 3, 0, progress=False).measure(learner.loss_on("max")).predict(some)
    assert result["paper"]["curves"][-1][-1] == pytest.approx(paper.value, rel=1e-12)
    assert result["ours"]["curves"][-1][-1] == pytest.approx(ours.value, rel=1e-12)
    assert result["ours"]["decoder"] == ours.decoder
    half = (ours.interval[1] - ours.interval[0]) / 2
    assert result["ours"]["band"][-1] == [None, None, pytest.approx(half)]
    # nothing is deleted
    assert result["ours"]["band"][0][-1] == 0.0 and result["ours"]["curves"][0][-1] == result["trained"]


# costs ------------------------------------------------------------------------------------------------------

def test_costs_are_even_where_they_are_said_to_be():
    row = {"precompute": 60.0, "measure": 1.0, "directions": 50, "one": 0.7, "predict_one": 0.002,
           "batched": 0.05, "predict_batched": 1e-5}
    result = costs.evens(row)
    for way in ("one", "batched"):
        q = result[f"even_{way}"]
        assert 60.0 + 1.0 + q * row[f"predict_{way}"] == pytest.approx(q * row[way])
    assert result["ratio"] == 60.0 / 0.05 / 50
    assert costs.evens(row | {"batched": 1e-6})["even_batched"] == math.inf


def test_costs_beyond_the_budget_are_extrapolated_and_marked(capsys):
    result = costs.rows(argparse.Namespace(names=None, minutes=1e-9), (8, 16, 32), 8, 10)
    assert [(row["n"], row["directions"]) for row in result] == [(8, 4), (8, 8), (16, 8), (32, 16), (32, 8)]
    assert not result[0]["guessed"] and not result[1]["guessed"] and "precompute" in result[2]["guessed"]
    assert "one" in result[2]["guessed"]
    assert result[2]["precompute"] == pytest.approx(4 * result[0]["precompute"])
    assert result[2]["one"] == pytest.approx(2 * result[0]["one"])
    costs.report(result, 10)
    lines = capsys.readouterr().out.splitlines()
    assert "~" not in lines[2] + lines[3] and all(line.count("~") == 9 for line in lines[4:7])


def test_what_a_sketch_keeps_is_extrapolated_as_it_is_stored():
    learner = names(steps=60)
    row = {"n": 60, "directions": 16, **costs.sketching(learner, 16, 5)}
    assert (costs.larger(row, 60, 16, learner.layout.size)["disk"]
            == pytest.approx(row["disk"] - 96 * 8 * (learner.layout.size + 61), rel=0.03))


def test_costs_leave_their_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--quick", "--out", str(tmp_path)])
    assert costs.main() == 0 and "retrainings in batches" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {f"costs.{kind}"
                                                          for kind in ("png", "svg", "csv", "json")}
    assert [row["n"] for row in results(tmp_path, "costs")["costs"]] == [10, 10, 20, 20, 40, 40]
