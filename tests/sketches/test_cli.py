"""The command line as its users meet it: results, JSON, pictures, exit codes, and one clear line for every
mistake."""
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from circuit import evaluate, progress
from deletion import SGD, Learner, LearnerError, __version__, load, precompute, retrain
from deletion.cli import plots, recipe, selection
from deletion.cli.commands import run
from microgpt import first_letter, names

SETTING = ["--steps", "40", "--directions", "24", "--degree", "2", "--design", "sphere"]


def line(w, x, y):
    return (x @ w - y) ** 2


def factory(count=5):
    """A learner of the user's."""
    x = np.arange(3.0 * count).reshape(count, 3) / count
    return Learner(np.zeros(3), list(zip(x, x[:, 0])), line, SGD(0.01), np.arange(10) % count)


def weights(w):
    return w


@pytest.fixture
def sketch(capsys, monkeypatch):
    """sketch(*arguments): (exit code, what it prints, its errors); without progress, however slow the machine
    is."""
    monkeypatch.setattr(progress, "FIRST", 3600.0)

    def call(*arguments):
        try:
            code = run([str(x) for x in arguments])
        except SystemExit as stop:      # argparse
            code = stop.code
        return code, *capsys.readouterr()
    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "sketch"
    assert run(["precompute", *SETTING, "--seed", "5", "--out", str(path), "--quiet"]) == 0
    return path


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "letters"
    assert run(["precompute", *SETTING, "--units", "first_letter", "--out", str(path), "--quiet"]) == 0
    return path


# commands ---------------------------------------------------------------------------------------------------

def test_precompute_and_info(sketch, folder, tmp_path):
    """A sketch by the command line has the bits of one by the library, whose compiled loop pushes it."""
    made = precompute(names(steps=40), 24, 2, seed=5, design="sphere")
    assert all(np.array_equal(a, b) for a, b in zip(load(folder).blocks, made.blocks))
    code, text, _ = sketch("precompute", *SETTING, "--seed", 5, "--out", folder)
    assert code == 0 and "24 directions of degree 2 over 40 units" in text
    code, text, _ = sketch("info", folder)
    assert code == 0 and "'microgpt:names' steps=40" in text and "4192" in text and "sphere" in text
    code, text, _ = sketch("info", folder, "--check", "--json")
    content = json.loads(text)
    assert code == 0 and content["directions"] == 24 and content["finished"] == content["blocks"] == 3
    assert content["troubles"] == []
    assert content["learner"]["recipe"] == {"factory": "microgpt:names", "arguments": {"steps": 40}}


def test_a_dry_run(sketch, tmp_path):
    code, text, _ = sketch("precompute", *SETTING, "--out", tmp_path / "none", "--dry-run")
    assert code == 0 and "time" in text and "disk" in text and "memory" in text
    assert not (tmp_path / "none").exists()
    code, text, _ = sketch("precompute", *SETTING, "--dry-run", "--json")
    assert code == 0 and json.loads(text)["steps"] == 120 and json.loads(text)["seconds"] > 0


def test_the_version(sketch):
    assert sketch("--version") == (0, f"sketch {__version__}\n", "")


def test_completion_of_command_lines(sketch, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)      # as if it were not installed
    code, _, error = sketch("--print-completion", "bash")
    assert code == 2 and "needs shtab" in error and ".[completion]" in error


def test_predictions_are_the_librarys(sketch, letters):
    sets = ["--delete", "m", "--delete", "a,b"]
    measurements = ["--measure", "loss:max", "--measure", "probability:anna"]
    code, text, _ = sketch("predict", letters, *sets, *measurements, "--json")
    rows = json.loads(text)["rows"]
    learner = names(steps=40, units=first_letter)
    assert code == 0
    assert [(r["set"], r["measurement"]) for r in rows] == [
        ("m", "loss:max"), ("a,b", "loss:max"), ("m", "probability:anna"), ("a,b", "probability:anna")]
    measured = load(letters, learner).measure(learner.loss_on("max"))
    for row, units in zip(rows, (["m"], ["a", "b"])):
        p = measured.predict(units)
        result = [row["predicted"], row["standard_error"], *row["terms"]]
        assert row["units"] == units
        assert result == pytest.approx([p.value, p.standard_error, *p.terms], rel=1e-9)
    code, text, _ = sketch("predict", letters, "--delete", "m", "--measure", "loss:max", "--weight", "1")
    assert code == 0 and "as trained" in text and text.splitlines()[1].split()[5] == "0"


def test_validation_retrains_exactly(sketch, letters):
    arguments = ["validate", letters, "--measure", "loss:max", "--delete", "m", "--sets", 4, "--size", 2]
    code, text, _ = sketch(*arguments, "--json")
    content = json.loads(text)
    learner = names(steps=40, units=first_letter)
    truth = retrain(learner, [row["units"] for row in content["rows"]], learner.loss_on("max"))
    np.testing.assert_allclose([row["retrained"] for row in content["rows"]], truth, rtol=1e-12)
    assert code == 0 and len(truth) == 5 and content["rows"][0]["units"] == ["m"]
    score, = content["scores"]
    guess, trained = np.array([row["predicted"] for row in content["rows"]]), content["rows"][0]["trained"]
    assert score["correlation"] == pytest.approx(np.corrcoef(guess, truth)[0, 1])
    assert score["error"] == pytest.approx(np.abs(guess - truth).sum() / np.abs(truth - trained).sum())
    assert 0 <= score["covered"] <= 1 and score["level"] == 0.95
    code, text, error = sketch(*arguments, "--max-error", "1e-9", "--min-correlation", 0.9999999)
    assert code == 1 and "correlation" in text and error.count("check failed") == 2


def test_asking_needs_no_sketch(sketch, tmp_path):
    asked = ["ask", "--steps", "40", "--delete", "a*", "--delete", "#3", "--measure", "loss:rufus",
             "--measure", "loss:max", "--bank", tmp_path / "bank", "--quiet"]
    code, estimated, _ = sketch(*asked, "--dry-run", "--json")
    first = json.loads(estimated)["estimates"]["loss:rufus"]
    assert code == 0 and first["sets"] == 2 and first["first"] == "retraining every set"
    code, printed, _ = sketch(*asked, "--json")
    content, learner = json.loads(printed), names(steps=40)
    sets = [selection.deletion_set(learner, text) for text in ("a*", "#3")]
    true = retrain(learner, sets, learner.loss_on("rufus"), progress=False)
    rows = [row for row in content["rows"] if row["measurement"] == "loss:rufus"]
    assert code == 0 and np.allclose([row["predicted"] for row in rows], true, rtol=1e-12)
    assert {row["source"] for row in rows} == {"retrained"}
    costs = [content["strategies"][text]["trainings"] for text in ("loss:rufus", "loss:max")]
    assert costs == [2, 0]      # the second measurement finds both trainings in the bank
    code, table, _ = sketch(*asked)
    assert code == 0 and "2 of 2 sets from the bank" in table and "verdict" in table
    code, estimated, _ = sketch(*asked, "--dry-run", "--json", "--kinds", "--trainings", "1")
    assert code == 0 and json.loads(estimated)["estimates"]["loss:rufus"]["calibration"] == 0


def test_measuring_and_saving(sketch, letters, tmp_path):
    code, text, _ = sketch("measure", letters, "--measure", "loss:max", "--save", tmp_path / "c.npz",
                           "--json")
    learner = names(steps=40, units=first_letter)
    measured = load(letters, learner).measure(learner.loss_on("max"))
    assert code == 0 and json.loads(text)["rows"][0]["trained"] == measured.value      # by the same calls
    with np.load(tmp_path / "c.npz") as saved:
        assert np.array_equal(saved["loss:max coefficients"], measured.coefficients)


def test_merging(sketch, folder, tmp_path):
    assert sketch("precompute", *SETTING, "--seed", 6, "--out", tmp_path / "six")[0] == 0
    code, text, _ = sketch("merge", folder, tmp_path / "six", "--out", tmp_path / "both")
    assert code == 0 and "48 directions" in text
    assert sketch("predict", tmp_path / "both", "--delete", "0", "--measure", "loss:max")[0] == 0
    code, _, error = sketch("merge", folder, folder, "--out", tmp_path / "twice")
    assert code == 2 and "different seeds" in error and error.count("\n") == 1


def test_pictures(sketch, letters, tmp_path):
    for name, arguments in (("measure", []), ("predict", ["--delete", "m", "--delete", "k"]),
                            ("validate", ["--sets", 3])):
        assert sketch(name, letters, *arguments, "--measure", "loss:max", "--plot",
                      tmp_path / f"{name}.png")[0] == 0
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    code, _, error = sketch("measure", letters, "--measure", "loss:max", "--plot", tmp_path / "x.docx")
    assert code == 2 and "cannot draw" in error


@pytest.mark.parametrize("level", [0.95, None])
def test_pictures_draw_the_intervals_of_the_table(monkeypatch, level):
    """Bars reach from bound to bound, and the axis names their level; without intervals they are standard
    errors."""
    from matplotlib.figure import Figure
    drawn = []

    def drawing(path):
        drawn.append(Figure().subplots())
        return drawn[-1], lambda: None

    rows = [{"set": name, "measurement": "loss", "trained": 1.0, "change": change, "predicted": 1.0 + change,
             "retrained": 1.5, "level": level, "standard_error": 0.01, "interval": level
             and [1.0 + change - 0.3, 1.0 + change + 0.4]} for name, change in (("a", 0.5), ("b", -0.2))]
    monkeypatch.setattr(plots, "drawing", drawing)
    plots.predictions(rows, "x.png")
    plots.validation(rows, "x.png")
    below, above = (0.3, 0.4) if level else (0.01, 0.01)
    for axes, along, label in zip(drawn, (0, 1), (drawn[0].get_xlabel(), drawn[1].get_ylabel())):
        bars, = axes.containers[0].lines[2]
        ends = [segment[:, along] for segment in bars.get_segments()]
        np.testing.assert_allclose(ends, [[0.5 - below, 0.5 + above], [-0.2 - below, -0.2 + above]],
                                   rtol=1e-12)
        assert ("95% interval" if level else "one standard error") in label


def unkind():
    """A learner that names no kinds of sets."""
    return factory()


def test_a_learner_of_the_users(sketch, tmp_path):
    module = __name__
    code, _, error = sketch("precompute", "--learner", f"{module}:factory", "--argument", "count=6",
                            "--directions", 8, "--degree", 2, "--out", tmp_path / "own")
    assert code == 0, error
    code, _, error = sketch("predict", tmp_path / "own", "--delete", "2,5", "--measure", f"{module}:weights")
    assert code == 2 and f"the folder asks for the learner '{module}:factory' count=6" in error
    assert "name it yourself: --learner" in error
    own, measure = ("--learner", f"{module}:factory", "--argument"), ("--measure", f"{module}:weights")
    code, text, _ = sketch("predict", tmp_path / "own", *own, "count=6", *measure, "--json",
                           "--delete", "2,5")
    rows = json.loads(text)["rows"]
    assert code == 0 and [row["measurement"] for row in rows] == [f"{module}:weights[{i}]" for i in range(3)]
    assert rows[0]["units"] == [2, 5]
    code, _, error = sketch("predict", tmp_path / "own", *own, "count=7", "--delete", "2", *measure)
    assert code == 2 and "another learner: data, schedule and units differ" in error
    precompute(factory(), 8, 2, out=tmp_path / "library")
    code, _, error = sketch("predict", tmp_path / "library", "--delete", "2", "--measure",
                            f"{module}:weights")
    assert code == 2 and "does not say how to make its learner: give --learner" in error
    assert sketch("predict", tmp_path / "library", "--learner", f"{module}:factory", "--delete", "2",
                  "--measure", f"{module}:weights")[0] == 0


# what is asked ----------------------------------------------------------------------------------------------

def test_measurements_by_name():
    learner = names(steps=40)
    theta = learner.train()[0]
    value = {text: learner.measurement(selection.measurement(learner, text))
             for text in ("loss:max", "probability:max")}
    loss, probability = (evaluate(circuit, [theta])[0] for circuit in value.values())
    assert probability == pytest.approx(np.exp(-4 * loss))      # m, a, x, BOS


@pytest.mark.parametrize("text, words", [
    ("loss", "names no function|empty name"),
    ("los:max", "no measurement 'los:max' .*loss:..., probability:..."),
    ("numpy:nothing", "has no 'nothing'"),
    ("numpy:pi", "is a float, not a function"),
    ("loss:m4x", "outside the alphabet"),
])
def test_measurements_that_make_no_sense(text, words):
    with pytest.raises(ValueError, match=words):
        selection.measurement(names(steps=40), text)


def test_recipes():
    learner = recipe.make("microgpt:names", steps=30, units={"function": "first_letter"})
    assert learner.fingerprint() == names(steps=30, units=first_letter).fingerprint()
    assert recipe.make(learner.recipe["factory"],
                       **learner.recipe["arguments"]).fingerprint() == learner.fingerprint()


@pytest.mark.parametrize("function, arguments, words", [
    ("microgpt", {}, "names no function"),
    ("nowhere:x", {}, "cannot import 'nowhere'"),
    ("microgpt:nothing", {}, "has no 'nothing'"),
    ("builtins:dict", {}, "does not take these arguments"),
    ("microgpt:names", {"colour": 3}, "does not take these arguments: .*'colour'"),
    (f"{__name__}:weights", {"w": 3}, "returns a int, not a Learner"),
    (f"{__name__}:factory", {"count": np.int64(5)}, "what JSON can hold"),
])
def test_recipes_that_make_no_sense(function, arguments, words):
    with pytest.raises(LearnerError, match=words):
        recipe.make(function, **arguments)


# mistakes ---------------------------------------------------------------------------------------------------

PREDICT = ["predict", "FOLDER", "--delete", "3", "--measure", "loss:max"]
AGAIN = ["precompute", "--steps", "40", "--directions", "24", "--degree", "2", "--design", "sphere"]


@pytest.mark.parametrize("arguments, words", [
    (["predict", "FOLDER", "--delete", "qqq", "--measure", "loss:max"], "nothing to delete"),
    (["predict", "FOLDER", "--delete", "3", "--measure", "loss:m4x"], "outside the alphabet"),
    ([*PREDICT, "--decoder", "mode"], "no decoder 'mode'"),
    ([*PREDICT, "--weight", "3"], "lies between 0 and 2"),
    ([*PREDICT, "--steps", "41"], "another learner: data, schedule"),
    (["predict", "nowhere", "--delete", "3", "--measure", "loss:max"], "there is no sketch at nowhere"),
    (["validate", "FOLDER", "--measure", "loss:max", "--size", "41"], "--size 41"),
    (["precompute", "--steps", "40"], "--out FOLDER is needed"),
    (["precompute", "--learner", f"{__name__}:unkind", "--kinds", "--dry-run"], "no method kinds()"),
    (["precompute", "--names", "nowhere", "--out", "x"], "cannot read names"),
    (["precompute", "--steps", "40", "--degree", "-1", "--out", "x"], "degree: expected a whole number"),
    ([*AGAIN, "--out", "FOLDER", "--seed", "6"], "its seed differs"),
    (["precompute", "--steps", "40", "--argument", "colour", "--out", "x"], "name=value"),
    (["precompute", "--steps", "40", "--out", "/proc/x"], "cannot write to /proc/x"),
])
def test_a_mistake_gets_one_line_and_code_2(sketch, folder, arguments, words):
    code, text, error = sketch(*(folder if x == "FOLDER" else x for x in arguments))
    told = error.splitlines()[-1]      # before it, that kernels are compiled
    assert code == 2 and not text and words in told and told.startswith("sketch: error: ")
    assert error.count("\n") == 1


def test_wrong_limits_get_one_line_and_code_2(sketch):
    code, _, error = sketch("ask", "--steps", 5, "--delete", "#1", "--measure", "loss:max", "--trainings", 0)
    assert code == 2 and error.startswith("sketch: error: trainings is a limit above 0: expected one number")
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["guess"], ["predict"], ["precompute", "--directions", "0"],
                                       ["precompute", "--steps", "many"]])
def test_wrong_usage_gets_code_2(sketch, arguments):
    code, _, error = sketch(*arguments)
    assert code == 2 and error.startswith("usage: sketch")


def test_a_damaged_folder_fails_its_check(sketch, folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    content = bytearray((copy / "block-00002.npy").read_bytes())
    content[-5] ^= 1
    (copy / "block-00002.npy").write_bytes(content)
    assert sketch("info", copy)[0] == 0
    code, _, error = sketch("info", copy, "--check")
    assert code == 1 and "block-00002.npy is damaged" in error
    code, _, error = sketch("measure", copy, "--measure", "loss:max")
    assert code == 2 and "block-00002.npy is damaged" in error
    code, _, error = sketch("precompute", *SETTING, "--seed", 5, "--out", copy)
    assert code == 0 and sketch("info", copy, "--check")[0] == 0


def test_python_m_interrupted(tmp_path):
    command = [sys.executable, "-m", "deletion", "precompute", "--steps", "5000", "--directions", "512",
               "--degree", "2", "--out", str(tmp_path / "s")]
    # tests in the background ignore it
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    while not (tmp_path / "s" / "directions.npy").exists() and child.poll() is None:
        time.sleep(0.01)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    try:
        _, error = child.communicate(timeout=60)
    finally:
        child.kill()
    assert "interrupted; blocks finished so far are kept" in error and "Traceback" not in error
    # CPython ends by the signal itself, 130 to a shell, if it arrived within exec or eval of a text
    assert child.returncode in (130, -signal.SIGINT)


def test_a_reader_that_stops_early_is_no_error(folder):
    shell = f"{sys.executable} -m deletion info {folder} | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert result.stdout.strip() == "0" and not result.stderr
