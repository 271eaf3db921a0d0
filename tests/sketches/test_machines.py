"""Machines differ in the engine's lanes, in the last bits of every number, and in memory; stored sketches do
not."""
import json
import sys
import tracemalloc
from hashlib import sha256

import numpy as np
import pytest
from learners import logistic, network, of_weights, tiny

from deletion import LearnerError, given, load, merge, precompute, sphere
from deletion.sketch.push import Plan, Pushed, Task
from deletion.storage.arrays import checksum
from deletion.storage.blocks import DIRECTIONS_PER_BLOCK, filled, parts
from deletion.storage.manifest import fingerprint


# lanes of the engine ----------------------------------------------------------------------------------------

def with_lanes(learner, degree, lanes, patch):
    """A learner whose recurrences of this degree and of degree 0 have so many lanes."""
    patch.setattr(sys.modules["taylor.recurrence"], "LANES", lanes)
    for own in (degree, 0):
        assert learner.recurrence(own).form.lanes == lanes
    patch.undo()
    return learner


@pytest.mark.parametrize("lanes", [4, 16])
def test_the_stored_blocks_do_not_depend_on_the_lanes_of_the_engine(lanes, monkeypatch, tmp_path):
    directions = given(np.concatenate([np.eye(6)[3:], sphere(10, 6, 0).psi]))      # late starts, two blocks
    expected = precompute(tiny(), directions, 1, calibration=4)
    learner = with_lanes(tiny(), 1, lanes, monkeypatch)
    for sketch in (precompute(learner, directions, 1, calibration=4),
                   precompute(learner, directions, 1, calibration=4, out=tmp_path / "here")):
        assert len(sketch.blocks) == 2 and np.array_equal(sketch.theta, expected.theta)
        for one, two in zip(sketch.blocks, expected.blocks):
            assert one.shape == (2, 1, 2, DIRECTIONS_PER_BLOCK)
            np.testing.assert_allclose(one, two, rtol=0, atol=1e-13 * np.abs(two).max())
    (tmp_path / "here" / "block-00000.npy").unlink()      # and a machine with 8 lanes goes on
    again = precompute(tiny(), directions, 1, calibration=4, out=tmp_path / "here")
    np.testing.assert_allclose(again.blocks[0], expected.blocks[0], rtol=0, atol=1e-13)
    estimate = precompute(learner, directions, 1, calibration=4, dry_run=True)
    assert estimate.blocks == 2 and estimate.steps == 2 * 12 and estimate.block > 0


@pytest.mark.parametrize("directions, lanes, expected", [
    (8, 4, [(0, 4), (4, 8)]), (5, 4, [(0, 4), (4, 5)]), (3, 4, [(0, 3)]), (8, 8, [(0, 8)]),
    (8, 16, [(0, 8)])])
def test_a_block_of_directions_in_lanes(directions, lanes, expected, rng):
    assert [(j.start, j.stop) for j in parts(directions, lanes)] == expected
    coefficients = rng.normal(size=(2, 3, 2, min(directions, lanes)))
    wide = filled(coefficients, lanes)
    assert wide.shape[-1] == lanes and not wide[..., coefficients.shape[-1]:].any()
    assert np.array_equal(wide[..., :coefficients.shape[-1]], coefficients)


@pytest.mark.parametrize("lanes", [4, 16])
def test_measuring_does_not_depend_on_them_either(lanes, learner, original, monkeypatch):
    sketch = load(original, learner)
    expected = sketch.measure(of_weights).coefficients
    for module in ("taylor.evaluate", "deletion.sketch.measured"):
        monkeypatch.setattr(sys.modules[module], "LANES", lanes)
    found = sketch.measure(of_weights).coefficients
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


# the last bits ----------------------------------------------------------------------------------------------

def changed(folder, name, array):
    """Write an array of a sketch as another machine had, with its checksums."""
    manifest = json.loads((folder / "manifest.json").read_text())
    np.save(folder / f"{name}.npy", array)
    content = (folder / f"{name}.npy").read_bytes()
    manifest["arrays"][name] = {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
    if name in ("directions", "downweight"):
        manifest["facts"]["psi" if name == "directions" else name] = checksum(array)
        manifest["fingerprint"] = fingerprint(manifest["learner"]["fingerprint"], manifest["facts"])
    (folder / "manifest.json").write_text(json.dumps(manifest))


def elsewhere(folder, name, by, rng):
    """Move every number of an array by so much, relatively."""
    array = np.load(folder / f"{name}.npy")
    changed(folder, name, array * (1.0 + by * rng.uniform(0.5, 1.0, size=array.shape)))


def test_a_folder_goes_on_where_another_machine_rounded_differently(learner, folder, original, rng):
    elsewhere(folder, "theta", 1e-13, rng)
    theta = np.load(folder / "theta.npy")
    (folder / "block-00001.npy").unlink()
    sketch = precompute(learner, 20, 2, seed=5, design="sphere", out=folder)
    assert np.array_equal(sketch.theta, theta) and not np.array_equal(sketch.theta, load(original).theta)
    assert np.array_equal(sketch.blocks[1], load(original).blocks[1])


def test_a_folder_of_another_training_is_refused(learner, folder, rng):
    elsewhere(folder, "theta", 1e-6, rng)
    (folder / "block-00001.npy").unlink()
    with pytest.raises(LearnerError, match="block 1, made now, hold different trained parameters: .*e-07"):
        precompute(learner, 20, 2, seed=5, design="sphere", out=folder)
    assert not (folder / "block-00001.npy").exists()


def test_sketches_of_different_machines_merge(learner, original, folder, rng, tmp_path):
    other = precompute(learner, 8, 2, seed=6, design="sphere")
    elsewhere(folder, "theta", 1e-13, rng)
    for pair in ([folder, other], [other, folder]):
        assert len(merge(pair, out=None).blocks) == 4
    elsewhere(folder, "theta", 1e-6, rng)
    with pytest.raises(LearnerError, match="sketch 2 .* and sketch 1 hold different trained parameters"):
        merge([other, folder])


def test_directions_and_downweights_of_different_machines(rng, tmp_path):
    learner, away = tiny(), np.full(6, 1.0 / 3.0)
    directions = sphere(12, 6, 0)
    options = dict(degree=2, downweight=away, out=tmp_path / "here")
    precompute(learner, given(directions.psi), **options)
    for name in ("directions", "downweight"):
        elsewhere(tmp_path / "here", name, 1e-14, rng)
    kept = {name: np.load(tmp_path / "here" / f"{name}.npy") for name in ("directions", "downweight")}
    assert not np.array_equal(kept["downweight"], away)
    (tmp_path / "here" / "block-00001.npy").unlink()
    sketch = precompute(learner, given(directions.psi), **options)
    assert np.array_equal(sketch.directions.psi, kept["directions"]) and len(sketch.blocks) == 2
    assert np.array_equal(sketch.downweight, kept["downweight"])
    other = precompute(learner, sphere(8, 6, 1), 2, downweight=away)
    assert len(merge([sketch, other]).directions) == 20
    with pytest.raises(LearnerError, match="direction 0 of sketch 2 is direction 0 of sketch 1 .*again"):
        merge([sketch, precompute(learner, given(directions.psi), 2, downweight=away)])
    with pytest.raises(LearnerError, match="its downweight expanded around differs"):
        precompute(learner, given(directions.psi), **options | {"downweight": away * (1.0 + 1e-6)})
    with pytest.raises(LearnerError, match="its directions differ"):
        precompute(learner, given(directions.psi * (1.0 + 1e-6)), **options)


# memory -----------------------------------------------------------------------------------------------------

def traced(job):
    """(what a job returns, the bytes it still holds, the most it held)."""
    tracemalloc.start()
    try:
        result = job()
        return result, *tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make, degree", [(network, 2), (logistic, 1), (lambda: network(n=400), 3)])
def test_a_dry_run_states_the_memory_of_a_block(make, degree):
    learner = make()
    n = learner.unit_count
    estimate = precompute(learner, 8, degree, design="sphere", calibration=0, threads=1, dry_run=True)
    task = Task(0, sphere(8, n, 0).psi, degree, np.zeros(n))
    pushed, held, _ = traced(lambda: Pushed(learner, task))
    memory = pushed.blocks[0].memory
    assert estimate.block == sum(x.nbytes for x in (
        memory.constants, memory.coefficients, memory.integers, pushed.blocks[0].weights.constants,
        pushed.blocks[0].weights.lines))
    assert estimate.block <= held <= 1.05 * estimate.block + 20_000      # Python's own objects


@pytest.mark.parametrize("threads", [1, 2])
def test_a_dry_run_states_the_memory_of_the_job(threads):
    """Of two threads, one may start a block while the other ends one: the job then takes less."""
    learner = network(n=3000, steps=300)
    options = dict(degree=3, design="sphere", calibration=0, threads=threads, progress=False)
    estimate = precompute(learner, 32, **options, dry_run=True)
    directions = sphere(32, 3000, 0)
    _, _, most = traced(lambda: precompute(learner, directions, **options))
    assert 0.7 / threads * estimate.job <= most <= 1.3 * estimate.job
    assert estimate.memory >= estimate.job > threads * estimate.block


def test_a_plan_counts_the_steps_of_stored_blocks():
    learner = tiny()
    plan = Plan(learner, sphere(12, 6, 0), 2, np.zeros(6), np.zeros((0, 6)))
    assert len(plan) == 2 and plan.steps(range(2)) == 24 and [len(plan.psi(b)) for b in range(2)] == [8, 4]
