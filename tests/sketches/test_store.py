"""Sketches in folders: resumed after any kill to the same bits, damage named, other learners refused, full
disks survived."""
import json
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from learners import contents, network, of_weights, tiny

from circuit import DomainError, InputError
from deletion import Learner, LearnerError, Momentum, StoreError, given, load, precompute, sphere
from deletion.sketch.push import Plan
from deletion.storage.files import create, writing
from deletion.storage.manifest import fingerprint
from deletion.storage.store import Folder


# what is in a folder ----------------------------------------------------------------------------------------

def test_a_folder_holds_the_same_sketch_as_memory(learner, original):
    memory, disk = precompute(learner, 20, 2, seed=5, design="sphere"), load(original, learner)
    assert len(disk.blocks) == 3 and disk.blocks[1].shape == (learner.layout.size, 2, 2, 8)
    assert disk.dtype == "float64"
    assert all(np.array_equal(a, b) for a, b in zip(memory.blocks, disk.blocks))
    assert np.array_equal(memory.theta, disk.theta)
    assert not disk.blocks[2][..., 4:].any()
    a, b = memory.measure(of_weights).predict([3, 7]), disk.measure(of_weights).predict([3, 7])
    assert a.value == b.value and a.standard_error == b.standard_error
    assert memory.directions.design == disk.directions.design == "sphere"
    assert np.array_equal(memory.directions.psi, disk.directions.psi)


def test_equal_runs_write_equal_files(learner, original, tmp_path):
    precompute(learner, 20, 2, seed=5, design="sphere", out=tmp_path / "again", threads=1)
    assert contents(tmp_path / "again") == contents(original)
    assert not list(original.glob("*.part"))


def test_a_finished_sketch_is_not_made_again(learner, folder):
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    precompute(learner, 20, 2, seed=5, design="sphere", out=folder)
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")}


def test_the_lowest_degree(learner, tmp_path):
    sketch = precompute(learner, 9, 1, design="sphere", out=tmp_path)
    assert [b.shape[1] for b in sketch.blocks] == [1] * 2
    np.testing.assert_allclose(sketch.theta, learner.train()[0], rtol=1e-12)


def test_given_directions_and_a_downweight_are_kept(tmp_path):
    learner = tiny()
    psi, base = np.eye(6)[:3] * (1 + 2j), np.full(6, 0.25)
    precompute(learner, psi, 2, downweight=base, out=tmp_path)
    sketch = load(tmp_path, learner)
    assert np.array_equal(sketch.directions.psi, psi) and np.array_equal(sketch.downweight, base)
    assert sketch.directions.design == "given"
    with pytest.raises(LearnerError, match="its directions differ"):
        precompute(learner, psi * 2, 2, downweight=base, out=tmp_path)
    with pytest.raises(LearnerError, match="downweight expanded around differs"):
        precompute(learner, psi, 2, out=tmp_path)


# interrupted ------------------------------------------------------------------------------------------------

CHILD = """
    import logging, os, sys, time
    sys.path.insert(0, sys.argv[2])
    from learners import network
    from deletion import precompute
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("deletion").setLevel(logging.DEBUG)
    fsync = os.fsync
    def slowly(file):      # so that a kill can hit the writing
        fsync(file)
        time.sleep(0.03)
    os.fsync = slowly
    precompute(network(), 192, 2, seed=5, design="sphere", out=sys.argv[1], progress=False)
    print("finished")
"""


def started(script, *arguments, **more):
    command = [sys.executable, "-u", "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def test_kill_9_at_ten_moments_ends_with_the_same_bits(learner, tmp_path):
    chance, inside = random.Random(7), 0
    for attempt in range(10):
        child = started(CHILD, tmp_path / "killed", Path(__file__).parent.parent)
        # kill while, or some time after, so many blocks are begun to be written
        lines, expected = [], chance.randrange(1, 3)
        for line in child.stdout:
            lines.append(line.strip())
            if sum(line.startswith("writing block") for line in lines) == expected:
                break
        time.sleep(0.0 if attempt % 2 else chance.uniform(0.0, 0.2))
        child.kill()
        lines += [line.strip() for line in child.stdout]
        assert child.wait() == -signal.SIGKILL and "finished" not in lines, lines
        inside += lines[-1].startswith("writing block")
        assert not (tmp_path / "killed" / "manifest.json").exists() or Folder.open(tmp_path / "killed")
    assert inside >= 3
    begun = len(Folder.open(tmp_path / "killed").arrays)
    assert 3 < begun < 27      # 24 blocks and three more
    precompute(learner, 192, 2, seed=5, design="sphere", out=tmp_path / "killed")
    precompute(learner, 192, 2, seed=5, design="sphere", out=tmp_path / "straight")
    assert contents(tmp_path / "killed") == contents(tmp_path / "straight")
    assert not list((tmp_path / "killed").glob("*.part"))


def test_what_fails_in_the_middle_keeps_finished_blocks(learner, tmp_path):
    psi = np.array(sphere(24, 20, 0).psi)
    psi[20] = 1e200      # overflows in the last block
    with pytest.raises(DomainError, match="direction 20"):
        precompute(learner, given(psi), 2, out=tmp_path, threads=1)
    assert {"block-00000", "block-00001"} <= set(Folder.open(tmp_path).arrays)
    with pytest.raises(StoreError, match="not finished: 2 of 3 blocks. Precompute into this folder again"):
        load(tmp_path, learner)


def test_one_process_writes_at_a_time(learner, folder):
    with writing(folder):
        with pytest.raises(StoreError, match="this process is already writing to"):
            precompute(learner, 20, 2, seed=5, design="sphere", out=folder)
    script = """
        import sys
        from deletion.storage.files import writing
        with writing(sys.argv[1]):
            print('held')
            sys.stdin.read()
    """
    other = started(script, folder, stdin=subprocess.PIPE)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match=f"process {other.pid} on .* is writing to"):
        precompute(learner, 20, 2, seed=5, design="sphere", out=folder)
    load(folder, learner)      # reading is free
    other.kill()
    other.wait()
    precompute(learner, 20, 2, seed=5, design="sphere", out=folder)


# damaged ----------------------------------------------------------------------------------------------------

def flip(path):
    """One bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4] ^= 16
    path.write_bytes(content)


def edit(**changes):
    def change(path):
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps(manifest | changes))
    return change


def with_lanes(lanes):
    """A folder of a version with other blocks."""
    def change(path):
        manifest = json.loads(path.read_text())
        manifest["facts"]["lanes"] = lanes
        manifest["fingerprint"] = fingerprint(manifest["learner"]["fingerprint"], manifest["facts"])
        path.write_text(json.dumps(manifest))
    return change


def without_checksum(path):
    manifest = json.loads(path.read_text())
    del manifest["arrays"]["block-00001"]["sha256"]
    path.write_text(json.dumps(manifest))


def cut(size):
    return lambda path: os.truncate(path, size)


def removed(path):
    path.unlink()


def another_program(path):
    path.write_text("{}")


DAMAGES = {
    "a flipped bit": ("block-00001.npy", flip, "block-00001.npy is damaged: its checksum"),
    "a truncated block": ("block-00001.npy", cut(1000), "block-00001.npy is damaged: 1000 bytes long"),
    "an empty block": ("block-00002.npy", cut(0), "block-00002.npy is damaged: 0 bytes"),
    "a missing block": ("block-00000.npy", removed, "block-00000.npy is missing"),
    "damaged parameters": ("theta.npy", flip, "theta.npy is damaged"),
    "damaged directions": ("directions.npy", flip, "directions.npy is damaged"),
    "a manifest that is no JSON": ("manifest.json", cut(300), "manifest.json cannot be read"),
    "no manifest": ("manifest.json", removed, "holds no sketch"),
    "another program's manifest": ("manifest.json", another_program, "not the manifest of a sketch"),
    "a later format": ("manifest.json", edit(format=2), "format 2; this version reads format 1"),
    "an edited manifest": ("manifest.json", edit(facts={"degree": 3}), "damaged or was edited"),
    "a manifest with blocks of another size": ("manifest.json", with_lanes(16), "blocks of 16 directions"),
    "a manifest without arrays": ("manifest.json", edit(arrays=None), "'arrays' is None"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named(learner, folder, damage):
    file, do, words = DAMAGES[damage]
    do(folder / file)
    with pytest.raises(StoreError, match=words):
        load(folder, learner).measure(of_weights)


@pytest.mark.parametrize("damage", DAMAGES)
def test_precompute_makes_damaged_arrays_again_and_touches_nothing_else(learner, original, folder, caplog,
                                                                        damage):
    file, do, words = DAMAGES[damage]
    do(folder / file)
    if file == "manifest.json":
        with pytest.raises(InputError, match=words if "size" not in damage
                           else "partition into blocks differs"):
            precompute(learner, 20, 2, seed=5, design="sphere", out=folder)
    else:
        with caplog.at_level(logging.WARNING, "deletion"):
            precompute(learner, 20, 2, seed=5, design="sphere", out=folder)
        assert words in caplog.text and "making it again" in caplog.text
    assert contents(folder) == contents(original)


def test_an_entry_without_checksum_is_damage_too(learner, original, folder):
    without_checksum(folder / "manifest.json")
    with pytest.raises(StoreError, match="block-00001.npy has a damaged entry"):
        load(folder, learner)
    precompute(learner, 20, 2, seed=5, design="sphere", out=folder)
    assert contents(folder) == contents(original)


def test_what_is_no_sketch(learner, tmp_path):
    with pytest.raises(StoreError, match="no such folder"):
        load(tmp_path / "nothing", learner)
    (tmp_path / "letter.txt").write_text("dear")
    for call in (lambda path: load(path, learner),
                 lambda path: precompute(learner, 8, 2, design="sphere", out=path)):
        with pytest.raises(StoreError, match="holds no sketch"):
            call(tmp_path)
        with pytest.raises(StoreError, match="not a folder|cannot write|not an empty folder"):
            call(tmp_path / "letter.txt")
    assert (tmp_path / "letter.txt").read_text() == "dear"


# how often the learner is looked at -------------------------------------------------------------------------

def test_a_folder_takes_one_plan_and_one_fingerprint(learner, tmp_path, monkeypatch):
    """Hashing all data of a large training, and finding where each block begins, take long."""
    calls = []

    def counting(name, function):
        def call(*arguments):
            calls.append(name)
            return function(*arguments)
        return call

    monkeypatch.setattr(Learner, "fingerprint_parts", counting("fingerprint", Learner.fingerprint_parts))
    monkeypatch.setattr("deletion.sketch.sketch.Plan", counting("plan", Plan))
    once = ["fingerprint", "plan"]
    for options in ({"dry_run": True}, {}, {}):      # of a folder not yet begun, made, and complete
        precompute(learner, 8, 2, seed=5, calibration=0, out=tmp_path / "new", **options)
        assert sorted(calls) == once
        calls.clear()
    load(tmp_path / "new", learner)
    assert calls == ["fingerprint"]
    calls.clear()
    precompute(learner, 8, 2, seed=5, calibration=0)
    assert calls == ["plan"]


# of another learner -----------------------------------------------------------------------------------------

def test_another_learner_is_told_by_the_part_that_differs(learner, folder):
    examples = [tuple(np.array(x) for x in e) for e in network().examples]
    examples[3][0][0] += 1e-9
    start = learner.layout.split(learner.layout.initial * 1.5)

    def rebuilt(parameters=None, examples=learner.examples, optimizer=Momentum(0.05),
                schedule=learner.schedule, **more):
        return Learner(parameters or learner.layout.split(learner.layout.initial), examples, learner.loss,
                       optimizer, schedule, **more)

    assert load(folder, rebuilt())
    others = {
        "circuits differ": rebuilt(optimizer=Momentum(0.05, 0.8)),
        "data differ": rebuilt(examples=examples),
        "initial state differ": rebuilt(start),
        "schedule differ": rebuilt(schedule=learner.schedule[::-1]),
        "learning rates differ": rebuilt(optimizer=Momentum(0.06)),
        "units differ": rebuilt(units=[0, 1] * 10),
        "initial state and learning rates differ": rebuilt(start, optimizer=Momentum(0.06)),
    }
    for words, other in others.items():
        with pytest.raises(LearnerError, match=words):
            load(folder, other)
        with pytest.raises(LearnerError, match=words):
            precompute(other, 20, 2, seed=5, out=folder)


@pytest.mark.parametrize("change, words", [
    (dict(degree=3), r"degree differs \(2, not 3\)"),
    (dict(seed=6), r"seed differs \(5, not 6\)"),
    (dict(directions=21), r"number of directions differs \(20, not 21\)"),
    (dict(dtype="float32"), "number format differs"),
    (dict(downweight=np.full(20, 0.1)), "downweight expanded around differs"),
    (dict(directions=given(np.ones((20, 20)))), "design of the directions differs"),
])
def test_another_sketch_of_the_same_learner_is_refused(learner, original, folder, change, words):
    arguments = dict(directions=20, degree=2, seed=5, design="sphere", out=folder)
    for dry_run in (False, True):
        with pytest.raises(LearnerError, match=words):
            precompute(learner, **(arguments | change), dry_run=dry_run)
    assert contents(folder) == contents(original)


def test_directions_in_the_folder_count_whatever_numpy_draws(learner, original, folder, caplog, monkeypatch):
    (folder / "block-00001.npy").unlink()
    monkeypatch.setattr("deletion.directions.directions.sphere",
                        lambda count, units, seed: sphere(count, units, seed + 1))
    with caplog.at_level(logging.WARNING, "deletion"):
        precompute(learner, 20, 2, seed=5, design="sphere", out=folder)
    assert "NumPy draws other directions" in caplog.text and contents(folder) == contents(original)


@pytest.mark.parametrize("arguments, words", [
    (dict(seed=-1), "seed: expected a whole number"),
    (dict(seed=None), "seed: expected a whole number"),
    (dict(design="cube"), "no design 'cube'"),
    (dict(dtype="float16"), "expected float64 or float32, got float16"),
    (dict(executor=3), "an executor is a concurrent"),
])
def test_seeds_and_designs_and_formats_that_make_no_sense(learner, arguments, words):
    with pytest.raises(LearnerError, match=words):
        precompute(learner, 4, 1, **arguments)


# full and read-only disks -----------------------------------------------------------------------------------

def test_a_full_disk_keeps_what_is_finished(learner, original, tmp_path, monkeypatch):
    def create_on_a_full_disk(file):
        return open("/dev/full", "wb") if file.name == "block-00001.npy.part" else create(file)

    with monkeypatch.context() as patch:
        patch.setattr("deletion.storage.files.create", create_on_a_full_disk)
        with pytest.raises(StoreError, match="cannot write .*block-00001.npy: No space left on device. "
                           "Everything finished is kept"):
            precompute(learner, 20, 2, seed=5, design="sphere", out=tmp_path / "full", threads=1)
    assert "block-00000" in Folder.open(tmp_path / "full").arrays
    precompute(learner, 20, 2, seed=5, design="sphere", out=tmp_path / "full")
    assert contents(tmp_path / "full") == contents(original)


def test_a_limit_on_the_size_of_files(learner, tmp_path):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    # a block is larger, everything else is smaller
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limit[1]))
    try:
        with pytest.raises(StoreError, match="cannot write .*block-00000.npy: File too large"):
            precompute(learner, 8, 2, seed=5, design="sphere", out=tmp_path / "limited")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list((tmp_path / "limited").glob("block-*"))
    assert {"directions", "theta"} <= set(Folder.open(tmp_path / "limited").arrays)
    for name in ("limited", "free"):
        precompute(learner, 8, 2, seed=5, design="sphere", out=tmp_path / name)
    assert contents(tmp_path / "limited") == contents(tmp_path / "free")


def test_a_folder_that_cannot_be_made(learner):
    with pytest.raises(StoreError, match="cannot write to /proc/sketch"):
        precompute(learner, 20, 2, seed=5, design="sphere", out="/proc/sketch")
