"""Blocks of directions: late starts, single precision, merging, and whoever does the work - threads,
processes, a cluster."""
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from learners import contents, logistic, network, of_weights, tiny

import microgpt
from circuit import DomainError
from deletion import SGD, Learner, LearnerError, Momentum, StoreError, given, load, merge, precompute, sphere
from deletion.storage.blocks import from_storage, roots, to_storage
from deletion.sketch.push import Plan, Task, push


# single precision -------------------------------------------------------------------------------------------

def test_float32_is_half_as_large_and_nearly_the_same(learner, original, tmp_path):
    exact = load(original, learner)
    single = precompute(learner, 20, 2, seed=5, design="sphere", out=tmp_path, dtype="float32")
    sizes = [(folder / "block-00000.npy").stat().st_size for folder in (tmp_path, original)]
    assert sizes[0] < 0.52 * sizes[1]
    for a, b in zip(exact.blocks, single.blocks):
        assert b.dtype == float
        for r in range(2):
            np.testing.assert_allclose(b[:, r], a[:, r], rtol=0, atol=1e-7 * np.abs(a[:, r]).max())
    a, b = exact.measure(of_weights).predict([3]), single.measure(of_weights).predict([3])
    np.testing.assert_allclose(b.terms, a.terms, rtol=1e-5)
    memory = precompute(learner, 20, 2, seed=5, design="sphere", dtype=np.float32)
    assert memory.dtype == single.dtype == "float32"
    assert all(np.array_equal(a, b) for a, b in zip(memory.blocks, single.blocks))


def test_float32_is_balanced_between_orders_and_refuses_what_it_cannot_hold(rng):
    size = roots(1000, 60)      # up to 1e51, far outside of single precision
    coefficients = rng.normal(size=(50, 60, 2, 8)) / size[:, None, None]
    stored = to_storage(coefficients, "float32", 1000)
    assert stored.dtype == np.float32 and np.isfinite(stored).all()
    np.testing.assert_allclose(from_storage(stored, 1000), coefficients, rtol=1e-7)
    learner = tiny()
    for scale in (1e-20, 1e25):
        with pytest.raises(LearnerError, match="float32 cannot hold order 2 along direction 0: .*float64"):
            precompute(learner, given(sphere(8, 6, 0).psi * scale), 2, dtype="float32")


# merged -----------------------------------------------------------------------------------------------------

def test_merged_sketches_are_one_precomputed_along_all_directions(learner, original, tmp_path):
    other = precompute(learner, 13, 2, seed=6, design="sphere")
    psi = np.concatenate([load(original).directions.psi, other.directions.psi])
    whole = precompute(learner, given(psi), 2)
    memory, disk = merge([load(original, learner), other]), merge([original, other], out=tmp_path / "merged")
    for merged in (memory, disk):
        assert merged.directions.design == "sphere" and np.array_equal(merged.directions.psi, psi)
        assert merged.learner is not None and len(merged.blocks) == 5
        assert all(np.array_equal(a, b) for a, b in zip(whole.blocks, merged.blocks))
    one, two = (merged.measure(of_weights).predict([3]) for merged in (disk, memory))
    assert one.value == two.value
    before = contents(tmp_path / "merged")
    merge([original, other], out=tmp_path / "merged")
    assert contents(tmp_path / "merged") == before
    assert merge([disk, precompute(learner, np.eye(20)[:2], 2)]).directions.design == "mixture"


def test_merging_what_does_not_belong_together(learner, original, tmp_path):
    with pytest.raises(LearnerError, match="of different learners: learning rates differ"):
        faster = network(optimizer=Momentum(0.06))
        merge([original, precompute(faster, 8, 2, seed=6, design="sphere")], out=tmp_path)
    with pytest.raises(LearnerError, match="differ in degree: 1 and 2"):
        merge([original, precompute(learner, 8, 1, seed=6, design="sphere")], out=tmp_path)
    again = "direction 0 of sketch 2 is direction 0 of sketch 1.* again: .*different seeds"
    with pytest.raises(LearnerError, match=again):
        merge([original, precompute(learner, 8, 2, seed=5, design="sphere")], out=tmp_path)
    with pytest.raises(LearnerError, match="different downweights"):
        there = precompute(learner, 8, 2, seed=6, design="sphere", downweight=np.full(20, 0.1))
        merge([original, there], out=tmp_path)
    with pytest.raises(LearnerError, match="two sketches"):
        merge([original], out=tmp_path)
    with pytest.raises(LearnerError, match="give out="):
        merge([original, precompute(learner, 8, 2, seed=6, design="sphere", out=tmp_path).folder.path])


def test_a_sketch_without_its_learner_cannot_be_measured(original):
    with pytest.raises(LearnerError, match="opened without its learner"):
        load(original).measure(of_weights)


# late starts ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("learner", [microgpt.names(steps=30), logistic(), tiny()],
                         ids=["microgpt", "full batches", "epochs"])
def test_a_late_start_changes_no_bit(learner, rng):
    """The same compiled steps: a direction's coefficients are 0 until its first example, and constant parts
    do not look at them."""
    n = learner.unit_count
    psi = rng.normal(size=(24, n)) + 1j * rng.normal(size=(24, n))
    psi[:8, :n // 2], psi[8:16, :n - 2], psi[16:] = 0.0, 0.0, 0.0
    plan = Plan(learner, given(psi), 2, np.full(n, 0.125), np.zeros((0, n)))
    assert plan.begins == ([0, 0, 40] if learner.schedule.ndim == 2 else [n // 2, n - 2, len(learner.steps)])
    sketch = precompute(learner, given(psi), 2, downweight=plan.downweight)
    for b in range(3):
        theta, coefficients = push(learner, Task(b, psi[8 * b:8 * b + 8], 2, plan.downweight))
        assert np.array_equal(theta, sketch.theta) and np.array_equal(coefficients, sketch.blocks[b])


# who does the work ------------------------------------------------------------------------------------------

def test_threads_and_processes_of_the_user(learner, original, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        precompute(learner, 20, 2, seed=5, design="sphere", out=tmp_path / "threads", executor=pool)
        assert pool.submit(int).result() == 0      # it is the user's, and still open
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        precompute(learner, 20, 2, seed=5, design="sphere", out=tmp_path / "processes", executor=pool)
        with pytest.raises(DomainError, match="step .* direction 0"):
            precompute(learner, np.full((1, 20), 1e200), 2, executor=pool)
        with pytest.raises(LearnerError, match="cannot be pickled, so it cannot be sent"):
            unnamed = Learner(np.ones(1), [np.ones(1)], lambda w, x: (w * x).sum(), SGD(0.1), [0])
            precompute(unnamed, 4, 1, executor=pool)
    assert contents(tmp_path / "threads") == contents(tmp_path / "processes") == contents(original)


def kill_after_first_block(folder, pid, finished):
    """Kill a process as soon as a folder holds a block; append how many there were to `finished`."""
    while not (blocks := list(Path(folder).glob("block-*.npy"))):
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    finished.append(len(blocks))


def test_a_killed_process_of_a_pool_loses_nothing_that_is_finished(tmp_path):
    learner, finished = microgpt.names(steps=250), []
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(abs, range(10)))      # starts both
        facts = (tmp_path / "killed", next(iter(pool._processes)), finished)
        killer = threading.Thread(target=kill_after_first_block, args=facts)
        killer.start()
        with pytest.raises(StoreError, match="a worker process died .*same call with a new executor goes on"):
            precompute(learner, 64, 2, seed=5, design="sphere", out=tmp_path / "killed", executor=pool)
        killer.join()
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("block-*.npy")}
    assert 1 <= len(kept) < 8
    precompute(learner, 64, 2, seed=5, design="sphere", out=tmp_path / "killed")
    precompute(learner, 64, 2, seed=5, design="sphere", out=tmp_path / "straight")
    assert contents(tmp_path / "killed") == contents(tmp_path / "straight")
    assert all((tmp_path / "killed" / name).stat().st_mtime_ns == t for name, t in kept.items())


def test_a_cluster_loses_a_worker_in_the_middle_and_nothing_else(tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra `distributed` is not installed")
    learner, finished = microgpt.names(steps=250), []
    machine = dict(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with distributed.LocalCluster(**machine) as cluster, distributed.Client(cluster) as client:
        workers = list(client.run(os.getpid).values())
        assert len(set(workers) - {os.getpid()}) == 2
        facts = (tmp_path / "cluster", workers[0], finished)
        killer = threading.Thread(target=kill_after_first_block, args=facts)
        killer.start()
        precompute(learner, 64, 2, seed=5, design="sphere", out=tmp_path / "cluster",
                   executor=client.get_executor())
        killer.join()
        # it was in the middle, and one is new
        assert finished[0] < 7 and set(client.run(os.getpid).values()) != set(workers)
    precompute(learner, 64, 2, seed=5, design="sphere", out=tmp_path / "straight")
    assert contents(tmp_path / "cluster") == contents(tmp_path / "straight")


# beforehand -------------------------------------------------------------------------------------------------

def test_a_dry_run_tells_what_it_will_take_and_makes_nothing(learner, original, folder, tmp_path):
    estimate = precompute(learner, 20, 2, seed=5, design="sphere", out=tmp_path / "none", dry_run=True)
    assert not (tmp_path / "none").exists()
    taken = sum(path.stat().st_size for path in original.iterdir())
    assert abs(estimate.disk - taken) < 0.1 * taken + 1000
    assert (estimate.blocks, estimate.finished, estimate.steps) == (3, 0, 90)
    assert estimate.free > estimate.disk
    assert 0 < estimate.seconds <= estimate.core_seconds and estimate.memory > 1e7
    for word in ("time", "disk", "memory", "3 blocks"):
        assert word in str(estimate)
    (folder / "block-00001.npy").unlink()
    again = precompute(learner, 20, 2, seed=5, design="sphere", out=folder, dry_run=True)
    assert (again.finished, again.steps) == (2, 30) and not (folder / "block-00001.npy").exists()
    assert precompute(learner, 20, 2, design="sphere", dry_run=True).free is None


def test_a_dry_run_adds_up_what_its_steps_take(learner, monkeypatch):
    """By a clock on which a step of a block takes 2 ms, and one of 16 trainings 0.25 ms: no other work on the
    machine counts."""
    module, clock = sys.modules["deletion.sketch.estimate"], [0.0]

    def advance(learner, block, begin, end):
        clock[0] += (end - begin) * (2e-3 if block.recurrence.form.shared else 0.25e-3)

    monkeypatch.setattr(module, "advance", advance)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    estimate = precompute(learner, 20, 2, seed=5, design="sphere", threads=1, dry_run=True)
    assert estimate.seconds_per_step == pytest.approx(2e-3) and estimate.steps == 3 * 30
    assert estimate.retraining == pytest.approx(6 * 30 * 0.25e-3)      # 96 calibration sets, 16 at a time
    assert estimate.seconds == estimate.core_seconds == pytest.approx(90 * 2e-3 + 180 * 0.25e-3)
    without = precompute(learner, 20, 2, seed=5, design="sphere", threads=1, calibration=0, dry_run=True)
    assert without.retraining == 0.0 and without.core_seconds == pytest.approx(90 * 2e-3)


@pytest.mark.parametrize("directions, calibration", [(20, 0), (20, 96), (8, 400)])
def test_a_dry_run_knows_the_size_of_every_array(directions, calibration, tmp_path):
    """The estimate less the arrays' bytes is what file headers and the manifest take, whatever the sets: 500
    to 6,000."""
    learner, options = network(n=50), dict(design="sphere", out=tmp_path, calibration=calibration)
    estimate = precompute(learner, directions, 2, **options, dry_run=True)
    precompute(learner, directions, 2, **options, progress=False)
    arrays = sum(np.load(path).nbytes for path in tmp_path.glob("*.npy"))
    assert 500 < estimate.disk - arrays < 6000
    taken = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert abs(estimate.disk - taken) < 3000
