"""Sketches of cotangents in folders, on executors and estimated before; joined with forward directions."""
import json
import shutil
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from learners import contents, logistic, tiny

import circuit as C
from deletion import (
    Adam, Cotangents, LearnerError, StoreError, cotangents, load, merge, precompute, retrain, stability)
from deletion.cli.commands import run
from deletion.cli.recipe import make
from deletion.influence import metagradient
from deletion.sketch.estimate import Estimate
from deletion.storage.arrays import checksum
from deletion.storage.manifest import fingerprint
from deletion.storage.store import Folder


def made(n=20):
    """A learner of 90 parameters, of which 81 cotangents are two blocks."""
    return logistic(n=n, d=90, steps=20, optimizer=Adam(0.05, 0.9, 0.99, 1e-3))


def of_weights(w):
    return (w * w).sum()


@pytest.fixture(scope="module")
def learner():
    return made()


@pytest.fixture(scope="module")
def original(learner, tmp_path_factory):
    """Two blocks: 64 cotangents, and 17."""
    path = tmp_path_factory.mktemp("pulled") / "original"
    precompute(learner, of_many(learner), calibration=8, out=path, progress=False)
    return path


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "copy"))


def of_many(learner, count=81, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(learner.layout.size, count))
    return Cotangents(np.linalg.qr(vectors)[0].T)


# folders ----------------------------------------------------------------------------------------------------

def test_a_folder_holds_the_same_sketch_as_memory(learner, original):
    memory = precompute(learner, of_many(learner), calibration=8, progress=False)
    disk = load(original, learner)
    assert len(disk.blocks) == 2 and disk.blocks[1].shape == (2, 17, learner.unit_count)
    assert np.array_equal(memory.finite, disk.finite) and np.array_equal(memory.slopes, disk.slopes)
    assert np.array_equal(memory.theta, disk.theta)
    assert repr(memory) == repr(disk)
    a, b = (x.measure(of_weights, progress=False).predict([3, 7]) for x in (memory, disk))
    assert a.value == b.value and a.interval == b.interval and a.verdict == b.verdict
    with pytest.raises(LearnerError, match="opened without its learner"):
        load(original).measure(of_weights)


def test_every_executor_writes_the_same_files(learner, original, tmp_path):
    for name, pool in (("threads", ThreadPoolExecutor(2)),
                       ("processes", ProcessPoolExecutor(1, get_context("spawn")))):
        with pool:
            precompute(learner, of_many(learner), calibration=8, out=tmp_path / name, executor=pool,
                       progress=False)
        assert contents(tmp_path / name) == contents(original)
    precompute(learner, of_many(learner), calibration=8, out=tmp_path / "one", threads=1, progress=False)
    assert contents(tmp_path / "one") == contents(original)
    with pytest.raises(LearnerError, match="an executor is a concurrent"):
        precompute(learner, of_many(learner), executor=3)


CHILD = """
    import logging, os, sys, time
    sys.path.insert(0, sys.argv[2])

    from test_pulled import made, of_many
    from deletion import precompute
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("deletion").setLevel(logging.DEBUG)
    learner = made()
    precompute(learner, of_many(learner), calibration=8, out=sys.argv[1], threads=1, progress=False)
"""


def test_a_killed_call_continues_to_the_same_bits(learner, original, tmp_path):
    here = Path(__file__).parent
    child = subprocess.Popen([sys.executable, "-u", "-c", textwrap.dedent(CHILD), str(tmp_path), here.parent],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=here)
    for line in child.stdout:
        if line.startswith("writing block-00001"):
            break
    child.kill()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    with pytest.raises(StoreError, match="not finished"):
        load(tmp_path, learner)
    kept = (tmp_path / "block-00000.npy").stat().st_mtime_ns
    precompute(learner, of_many(learner), calibration=8, out=tmp_path, progress=False)
    assert contents(tmp_path) == contents(original)
    assert (tmp_path / "block-00000.npy").stat().st_mtime_ns == kept


def test_what_is_intact_is_kept_and_what_is_damaged_is_made_again(learner, original, folder):
    before = (folder / "block-00000.npy").stat().st_mtime_ns
    content = bytearray((folder / "block-00001.npy").read_bytes())
    content[-3] ^= 1
    (folder / "block-00001.npy").write_bytes(content)
    with pytest.raises(StoreError, match="block-00001.npy is damaged: its checksum"):
        load(folder, learner).measure(of_weights).predict([1])
    precompute(learner, of_many(learner), calibration=8, out=folder, progress=False)
    assert contents(folder) == contents(original)
    assert (folder / "block-00000.npy").stat().st_mtime_ns == before


def test_a_folder_of_another_call_is_refused_and_cotangents_of_another_machine_go_on(learner, folder):
    same = of_many(learner)
    nearly = Cotangents(same.vectors * (1.0 + 1e-13))
    assert load(folder, learner).cotangents.vectors.tobytes() != nearly.vectors.tobytes()
    again = precompute(learner, nearly, calibration=8, out=folder, progress=False)
    assert np.array_equal(again.cotangents.vectors, same.vectors)
    for change, words in ((dict(calibration=9), "number of calibration sets differs"),
                          (dict(seed=1), "seed differs")):
        with pytest.raises(LearnerError, match=words):
            precompute(learner, same, **({"calibration": 8} | change), out=folder)
    with pytest.raises(LearnerError, match="its cotangents differ.*Cotangents.numpy.load"):
        precompute(learner, of_many(learner, seed=1), calibration=8, out=folder)
    with pytest.raises(LearnerError, match="number of cotangents differs .81, not 3"):
        precompute(learner, of_many(learner, 3), calibration=8, out=folder)
    with pytest.raises(LearnerError, match="one of cotangents, not of directions"):
        precompute(learner, 4, 2, calibration=8, out=folder)
    with pytest.raises(LearnerError, match="another learner"):
        load(folder, made(21))


def test_a_folder_of_directions_is_not_continued_with_cotangents(tmp_path):
    learner = tiny()
    precompute(learner, 4, 1, calibration=0, out=tmp_path, progress=False)
    with pytest.raises(LearnerError, match="one of directions, not of cotangents"):
        precompute(learner, cotangents(learner), calibration=0, out=tmp_path)


# forged -----------------------------------------------------------------------------------------------------

def with_facts(**changes):
    def forge(folder):
        path = folder / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["facts"].update(changes)
        manifest["fingerprint"] = fingerprint(manifest["learner"]["fingerprint"], manifest["facts"])
        path.write_text(json.dumps(manifest))
    return forge


def with_array(name, array, **changes):
    def forge(folder):
        Folder.open(folder).write(name, array)
        with_facts(**changes)(folder)
    return forge


def as_directions(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("deletion sketch of cotangents", "deletion sketch"))


TWICE = 2.0 * np.eye(2)
DOUBLED = with_array("cotangents", TWICE, vectors=checksum(TWICE))
FORGED = {
    "directions": (as_directions, "its facts lack"),
    "no cotangents": (with_facts(cotangents=0), "expected a whole number >= 1"),
    "more cotangents": (with_facts(cotangents=3), "begins with"),
    "many more": (with_facts(cotangents=10 ** 9), "not finished: 1 of 15625000 blocks"),
    "other cotangents' checksum": (with_facts(vectors="0" * 64), "is not the array"),
    "a degree": (with_facts(degree=2), "its facts hold 'degree'"),
    "other lanes": (with_facts(lanes=8), "has blocks of 8 cotangents"),
    "units": (with_facts(units=5), "it is of 5 units"),
    "not orthonormal": (DOUBLED, "edited: cotangents are orthonormal vectors"),
    "NaN": (with_array("block-00000", np.full((2, 2, 6), np.nan)), "holds nan"),
    "a shorter block": (with_array("block-00000", np.zeros((2, 1, 6))), "begins with"),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_folder_that_contradicts_itself_is_refused_in_words(tmp_path, forgery):
    forge, words = FORGED[forgery]
    learner = tiny()
    precompute(learner, cotangents(learner), calibration=0, out=tmp_path, progress=False)
    forge(tmp_path)
    with pytest.raises(StoreError, match=words):
        load(tmp_path, learner).measure(lambda w: w).predict([0])


# what makes no sense ----------------------------------------------------------------------------------------

def test_what_sketches_of_cotangents_do_not_do(learner, original):
    sketch = load(original, learner)
    with pytest.raises(LearnerError, match="not merged"):
        merge([sketch, original])
    with pytest.raises(LearnerError, match="a series along directions"):
        stability(sketch, of_weights)
    for given in ({"downweight": np.zeros(learner.unit_count)}, {"degree": 5}, {"design": "pairs"},
                  {"dtype": "float32"}):
        with pytest.raises(LearnerError, match=f"{min(given)}= is for sketches of directions"):
            precompute(learner, of_many(learner), **given)
    with pytest.raises(LearnerError, match="orthonormal"):
        Cotangents([[1.0, 0.0], [1.0, 1.0]])
    with pytest.raises(LearnerError, match="at least one row"):
        Cotangents(np.zeros((0, 3)))


# estimates --------------------------------------------------------------------------------------------------

def test_an_estimate_makes_nothing_and_tells_the_size(learner, original, tmp_path):
    estimate = precompute(learner, of_many(learner), calibration=8, out=tmp_path / "new", dry_run=True,
                          progress=False)
    assert isinstance(estimate, Estimate) and not (tmp_path / "new").exists()
    size = sum(path.stat().st_size for path in original.iterdir())
    assert size <= estimate.disk <= 1.3 * size + 4000
    assert (estimate.blocks, estimate.finished) == (2, 0)
    assert estimate.steps == 6 * len(learner.steps)      # 81 cotangents are 6 times 16
    assert estimate.seconds > 0.0 and estimate.memory > estimate.job > 0 and "64 cotangents" in str(estimate)
    done = precompute(learner, of_many(learner), calibration=8, out=original, dry_run=True, progress=False)
    assert (done.finished, done.steps, done.seconds) == (2, 0, 0.0)


# joined with forward directions -----------------------------------------------------------------------------

def lines(w):
    return C.concatenate([w[:2] * 3.0, (w * w).sum().reshape(1)])


@pytest.fixture(scope="module")
def small():
    return logistic(n=60, d=12, steps=20, optimizer=Adam(0.1, 0.9, 0.99, 1e-3))


def forward(learner, directions, **fields):
    return precompute(learner, directions, 3, progress=False, **fields).measure(lines, progress=False)


def backward(learner, panel=None, **fields):
    sketch = precompute(learner, cotangents(learner, panel), progress=False, **fields)
    return sketch.measure(lines, progress=False)


def test_directions_and_cotangents_together_are_better_than_either(small):
    """20 directions leave a third of 60 units' first order open; 8 cotangents say nothing of the square's
    gradient in 4 of 12 parameters. Directions give self-terms, and what they show of the residual."""
    rng = np.random.default_rng(1)
    sets = [rng.choice(60, size, replace=False).tolist() for size in (1, 2, 5) for _ in range(60)]
    true = retrain(small, sets, lines, progress=False)
    ahead, back = forward(small, 20), backward(small, lambda w: w[:8])
    predictions = [x.predict_many(sets) for x in (ahead, back, ahead.with_gradient(back))]
    errors = [np.abs(p.value - true).sum() for p in predictions]
    assert errors[2] < 0.8 * min(errors[:2])
    joined = predictions[2]
    assert ((joined.interval[0] <= true) & (true <= joined.interval[1])).mean() >= 0.88
    assert joined.verdict.count("trust") > max(p.verdict.count("trust") for p in predictions[:2])


def test_what_the_residual_hides_is_named_and_what_interactions_hide_is_not(small):
    """The calibration sets' own parameters tell how far a residual moves a measurement."""
    ahead, short, whole = forward(small, 30), backward(small, lambda w: w[:8]), backward(small)
    assert "8 cotangents leave up to 0.66 of a gradient" in short.calibrated.lacking
    assert whole.calibrated.lacking is None and whole.residual.max() < 1e-13
    p = short.predict([3])
    assert p.verdict == "do not trust" or "8 cotangents" in p.reasons[0]
    # half as many directions as units determine first order, whatever gradient they are joined with
    sets = [[i] for i in range(60)]
    a, b = (x.predict_many(sets).change for x in (ahead, ahead.with_gradient(short)))
    assert np.allclose(a, b, atol=1e-8 * np.abs(a).max())


def test_all_parameters_join_as_an_exact_gradient_does(small):
    ahead = forward(small, 12, calibration=0)
    exact = ahead.with_gradient(metagradient(small, lines, progress=False))
    joined = ahead.with_gradient(backward(small, calibration=0))
    sets = [[1], [2, 3], list(range(10))]
    assert np.allclose(joined.predict_many(sets).change, exact.predict_many(sets).change, atol=1e-9)


def test_gradients_of_other_measurements_are_not_joined(small):
    ahead = forward(small, 20, calibration=0)
    sketch = precompute(small, cotangents(small), calibration=0, progress=False)
    with pytest.raises(LearnerError, match="another measurement"):
        ahead.with_gradient(sketch.measure(lambda w: -lines(w)))
    with pytest.raises(LearnerError, match="another learner"):
        other = made()
        ahead.with_gradient(precompute(other, cotangents(other, lambda w: w[:1]), calibration=0,
                                       progress=False).measure(lines))


# the command line -------------------------------------------------------------------------------------------

def test_the_command_line_describes_and_predicts_and_says_what_it_does_not(tmp_path, capsys):
    learner = make("microgpt:names", steps=12)
    panel = cotangents(learner, lambda p: learner.loss_on("anna")(p).reshape(1))
    sketch = precompute(learner, panel, calibration=8, out=tmp_path, progress=False)
    asked = [str(tmp_path), "--measure", "loss:anna"]
    assert run(["info", str(tmp_path), "--check"]) == 0
    out = capsys.readouterr().out
    assert "cotangents" in out and "all well" in out
    assert run(["predict", *asked, "--delete", "#3", "--json"]) == 0
    row, = json.loads(capsys.readouterr().out)["rows"]
    assert row["predicted"] == sketch.measure(learner.loss_on("anna")).predict([3]).value
    assert run(["validate", *asked, "--sets", "3", "--size", "1"]) == 0
    capsys.readouterr()
    for arguments, words in (
            (["measure", *asked], "holds cotangents, and no coefficients"),
            (["predict", *asked, "--delete", "#3", "--decoder", "mean"], "not decoded"),
            (["merge", str(tmp_path), str(tmp_path), "--out", str(tmp_path / "merged")], "not merged")):
        assert run(arguments) == 2
        assert words in capsys.readouterr().err
