"""The scripts, run as a user runs them."""
import importlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import compare_pictures, harness, speed
from benchmarks.trust import built_to_fail
from benchmarks.truth import advantage, bootstrap, error, lds
from circuit import evaluate
from deletion import precompute, stability
from microgpt import NameLearner, Shape, Tokenizer, names
from microgpt.data import initial_parameters

BENCHMARKS = Path(harness.__file__).parent
COMMANDS = sorted(path.stem for path in BENCHMARKS.glob("*/*.py")
                  if path.parent.name != "examples" and "\nif __name__" in path.read_text(encoding="utf-8"))
GOLDEN = Path(__file__).parent.parent / "golden"


def script(*arguments, **environment):
    return subprocess.run([sys.executable, "-m", *map(str, arguments)], capture_output=True, text=True,
                          env=os.environ | environment)


# every command --------------------------------------------------------------------------------------------

def test_there_are_commands_and_the_guide_lists_them():
    guide = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    listed = [name for name in COMMANDS if f"`python -m benchmarks.{name}" in guide]
    assert len(COMMANDS) >= 19 and set(COMMANDS) - set(listed) == {"figure1", "figure2", "figure3"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_shows_its_options(name, monkeypatch, capsys):
    module = importlib.import_module(f"benchmarks.{name}")
    main = module.FIGURE.main if hasattr(module, "FIGURE") else module.main
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as stop:
        main()
    shown = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0 and f"usage: python -m benchmarks.{name} " in shown
    assert module.__doc__.startswith(f"python -m benchmarks.{name}")


def test_a_command_starts_from_the_folder_of_its_subject():
    result = script("benchmarks.guarantees", "--help")
    assert result.returncode == 0 and "--quick" in result.stdout, result.stderr


# parity ---------------------------------------------------------------------------------------------------

def test_parity_reports_and_fails_above_its_tolerance(tmp_path):
    file = GOLDEN / "census_12steps_degree6.npz"
    good = script("benchmarks.parity", file)
    assert good.returncode == 0 and "within 1e-11" in good.stdout and "order 6" in good.stdout
    with np.load(file) as data:
        changed = dict(data)
    changed["params"] = changed["params"].copy()
    changed["params"][100, 3] *= 1.0 + 1e-6
    np.savez(tmp_path / "changed.npz", **changed)
    bad = script("benchmarks.parity", file, tmp_path / "changed.npz")
    assert bad.returncode == 1 and "ABOVE" in bad.stdout
    assert "not reproduced: " + str(tmp_path / "changed.npz") in bad.stdout
    # what was changed is less
    assert script("benchmarks.parity", tmp_path / "changed.npz", "--tolerance", "1e-3").returncode == 0
    changed["params"][:] = np.nan
    np.savez(tmp_path / "nan.npz", **changed)
    assert script("benchmarks.parity", tmp_path / "nan.npz").returncode == 1


def test_parity_with_an_expansion_point_and_another_alphabet(tmp_path):
    """Any file of the format: here one made by this engine from a contour of trainings, around nonzero
    downweights."""
    tokenizer = Tokenizer("abcdino")
    learner = NameLearner(["ann", "bob", "cid"] * 2, tokenizer,
                          initial_parameters(Shape(vocabulary=8), random.Random(0)))
    rng = np.random.default_rng(0)
    base, psi = rng.uniform(0.0, 0.5, 6), 0.1 * (rng.normal(size=6) + 1j * rng.normal(size=6))
    t = np.exp(2j * np.pi * np.arange(32) / 32)
    theta = learner.train(1.0 - base - t[:, None] * psi)[0]
    losses = evaluate(learner.measurement(learner.loss_on("dina")), [theta])[0]
    np.savez(tmp_path / "own.npz", docs=learner.documents, alphabet="abcdino", init=learner.layout.initial,
             downweight_constant=base, downweight_direction=psi, degree=3,
             params=np.fft.fft(theta, axis=0)[:4].T / 32, test_doc="dina",
             test_loss=np.fft.fft(losses)[:4] / 32, seconds=0.0)
    result = script("benchmarks.parity", tmp_path / "own.npz")
    assert result.returncode == 0 and "(exact)" in result.stdout, result.stdout


def test_parity_with_what_is_no_golden_file(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", docs=["ann"])
    for name, words in (("text.npz", "cannot read"), ("other.npz", "lacks alphabet"),
                        ("missing.npz", "cannot read")):
        result = script("benchmarks.parity", tmp_path / name)
        assert result.returncode == 2 and words in result.stderr and "Traceback" not in result.stderr


# the demonstration ----------------------------------------------------------------------------------------

def test_the_demo_prints_a_table_and_saves_a_picture(tmp_path):
    result = script("benchmarks.demo", "--steps", 60, "--directions", 16, "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "retrained" in result.stdout and "median of means" in result.stdout
    assert str(tmp_path / "demo.png") in result.stdout
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    rows = [line.split() for line in result.stdout.splitlines() if line.strip().startswith(("0.", "1."))]
    assert len(rows) == 5 and all(float(rows[-1][i]) == pytest.approx(float(rows[-1][1])) for i in (2, 3, 5))


@pytest.mark.parametrize("arguments, words",
                         [(("--name", "zoë"), "outside the alphabet"),
                          (("--directions", "0"), "at least one direction"),
                          (("--degree", "-1"), "whole number >= 0"),
                          (("--steps", "0"), "at least one step"),
                          (("--names", "/nowhere.txt"), "cannot read names")])
def test_the_demo_says_what_is_wrong(arguments, words, tmp_path):
    result = script("benchmarks.demo", "--steps", 10, "--out", tmp_path, *arguments)
    assert result.returncode == 2 and words in result.stderr and "Traceback" not in result.stderr


# other scripts --------------------------------------------------------------------------------------------

def test_microgpt_makes_up_names():
    result = script("microgpt", "--steps", 20, "--samples", 3)
    assert result.returncode == 0 and "names that were not in the training" in result.stdout
    assert len(result.stdout.splitlines()) == 4


def test_the_scalar_twin_runs():
    result = script("microgpt.scalar", "--steps", 1)
    assert result.returncode == 0 and "step    1   isis" in result.stdout


def test_the_core_imports_no_optional_extra():
    extras = "matplotlib", "threadpoolctl", "jax", "dask", "sklearn"
    code = ("import sys, circuit, taylor, deletion, microgpt, benchmarks; "
            f"print([m for m in {extras} if m in sys.modules])")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_speed_counts_what_it_times(tmp_path, capsys):
    learner = names(steps=12)
    assert max(speed.check()) < 1e-9
    peak = SimpleNamespace(shares=lambda calls: [call() / 50.0 for call in calls])
    rows, ratios = speed.pushes(learner, {1: 4, 3: 4}, peak, 2, 2)
    speed.show_pushes(rows)
    assert "direction-steps/s" in capsys.readouterr().out
    harness.write_json(tmp_path / "speed.json", peak_gflops=50.0, rows=rows)
    content = json.loads((tmp_path / "speed.json").read_text())
    assert set(content) >= {"machine", "versions", "peak_gflops", "rows"}
    for row in content["rows"]:
        assert {"name", "degree", "seconds_per_direction_step", "gflops", "fraction_of_peak"} <= set(row)
        assert row["gflops"] > 0
    assert [ratio.name for ratio in ratios] == ["microgpt, degree 1", "microgpt, degree 3"]
    whole, first, rest = (speed.useful(learner, 3, *steps) for steps in ((0, 12), (0, 5), (5, 12)))
    assert whole == first + rest > 12 * 1e6
    assert sum(share for _, share in speed.operation_shares(learner, 3, 8)) == pytest.approx(1.0)


def test_accuracy_scores_against_retraining(tmp_path):
    result = script("benchmarks.accuracy", "designs", "chosen", "--quick", "--bank", tmp_path / "bank",
                    "--json", tmp_path / "found.json")
    assert result.returncode == 0, result.stderr
    for what in ("sum of exact leave-one-outs", "sphere, median of means", "pairs, least squares",
                 "exact degree 1", "most influential", "resampled banks"):
        assert what in result.stdout
    assert list((tmp_path / "bank").glob("*.trainings"))
    assert script("benchmarks.accuracy", "everything").returncode == 2


def test_scores():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(60, 3))
    assert lds(true * 2.0, true) == pytest.approx(1.0) and lds(-true, true) == pytest.approx(-1.0)
    assert error(np.zeros_like(true), true) == 1.0
    near, far = true + 0.1 * rng.normal(size=true.shape), true + 0.5 * rng.normal(size=true.shape)
    score, low, high = bootstrap(error, near, true)
    assert low < score < high and advantage(near, far, true) > 0.99 > 0.01 > advantage(far, near, true)


def test_what_is_built_to_fail_is_not_trusted():
    for learner, measure, size in built_to_fail().values():
        sketch = precompute(learner, max(32, learner.unit_count // 2), 3, progress=False)
        assert stability(sketch, measure, size, progress=False).verdict == "do not trust"


def test_gaps_of_a_converged_learner(tmp_path):
    pytest.importorskip("sklearn")
    from benchmarks.gaps import decompose, draw
    from benchmarks.learners import diabetes
    row = decompose("diabetes", diabetes(), SimpleNamespace(sets=2, measurements=2, tolerance=0.01))
    # theta_s is the optimum
    assert row["in parameters"]["warm start"] < 1e-10 and row["in parameters"]["non-convergence"] < 1e-8
    assert 1e-4 < row["in measurements"]["linearisation"] < 0.2      # leverage, not rounding
    assert row["influence against"]["PBRF"]["error"][0] < 0.2
    harness.pictures(tmp_path, gaps=lambda pyplot: draw(pyplot, [row, row]))
    assert harness.pyplot() is None or (tmp_path / "gaps.png").stat().st_size > 10_000


def test_names_at_dots_cover_neither_dots_nor_each_other():
    """Thirty dots near each other: all names find a place, within the frame."""
    points = np.random.default_rng(0).uniform(100.0, 700.0, (30, 2))
    sizes, frame = [(60.0, 10.0)] * 30, compare_pictures.Box(0.0, 0.0, 800.0, 800.0)
    note = compare_pictures.Box(300.0, 300.0, 500.0, 320.0)
    corners = compare_pictures.places(points, sizes, frame, [note])
    boxes = [compare_pictures.Box(x, y, x + 60.0, y + 10.0) for x, y in corners]
    assert all(box.inside(frame) and not box.meets(note) for box in boxes)
    assert not any(a.meets(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert not any(box.left < x < box.right and box.bottom < y < box.top for box in boxes for x, y in points)
