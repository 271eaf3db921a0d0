"""Gradients at many bases: against retraining; killed, damaged and resumed; on any executor."""
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
import pytest
from learners import logistic

from circuit import DomainError, log
from deletion import SGD, Adam, Bank, Learner, LearnerError, StoreError, retrain
from deletion.models import bases as module
from deletion.models.bases import gradients_at

TESTS = Path(__file__).parent.parent

FILL = """
import sys
from test_bases import first, made, rows_of
from deletion import Bank
from deletion.models.bases import gradients_at
gradients_at(made(), first, rows_of(640), bank=Bank(sys.argv[1]), threads=1, progress=False)
"""


def made():
    return logistic(n=12, steps=40, optimizer=Adam(0.1, 0.9, 0.99, 1e-3))


def first(w):
    return w[0] * w[1]


def two(w):
    return w[:2] * 3.0


def dying(w):
    """A measurement that kills every worker process."""
    return w[0] if parent_process() is None else os._exit(1)


def falling(w, x):
    return 1e-9 * log(w[0]) ** 2 + (w[0] - x) ** 2


def rows_of(count):
    return (np.random.default_rng(3).uniform(size=(count, 12)) > 0.2).astype(float)


@pytest.fixture(scope="module")
def learner():
    return made()


@pytest.fixture
def blocks(monkeypatch):
    """The number of bases of each block that is calculated in this process."""
    calls, original = [], module.packed_gradients

    def counting(learner, measurement, rows, *rest):
        calls.append(len(rows))
        return original(learner, measurement, rows, *rest)

    monkeypatch.setattr(module, "packed_gradients", counting)
    return calls


def same(a, b):
    return all(map(np.array_equal, a, b))


def test_slopes_and_finite_steps_are_those_of_retraining(learner):
    rows, step = 0.2 + rows_of(3), 1e-5
    at = gradients_at(learner, two, rows, progress=False)
    assert np.allclose(
        at.values, retrain(learner, measurement=two, weights=rows), rtol=1e-12, atol=0)
    for k, row in enumerate(rows):
        above, below = (retrain(learner, measurement=two, weights=row + h * np.eye(12))
                        for h in (step, -step))
        assert np.allclose(at.slopes[k], (above - below) / (2.0 * step), rtol=0, atol=1e-6)


def test_a_finite_step_of_one_step_is_the_exact_change():
    learner = logistic(n=12, steps=1, optimizer=Adam(0.1, 0.9, 0.99, 1e-3))
    rows = rows_of(4)
    at = gradients_at(learner, two, rows, progress=False)
    for k, row in enumerate(rows):
        without = retrain(learner, measurement=two, weights=row * (1.0 - np.eye(12)))
        assert np.allclose(at.finite[k], without - at.values[k], rtol=0, atol=1e-13)


def test_blocks_change_nothing(learner):
    rows = rows_of(40)
    whole = gradients_at(learner, two, rows, progress=False)
    for one in (slice(0, 1), slice(5, 8), slice(11, 40)):
        for a, b in zip(whole, gradients_at(learner, two, rows[one], progress=False)):
            assert np.abs(a[one] - b).max() <= 1e-12 * np.abs(a).max()


def test_a_killed_call_goes_on_with_the_same_bits(learner, tmp_path, blocks):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS,
                                                                        TESTS / "models")))}
    worker = subprocess.Popen([sys.executable, "-c", FILL, str(tmp_path)], env=environment)
    deadline = time.monotonic() + 60.0
    while len(list(tmp_path.glob("*.trainings"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    worker.kill()
    worker.wait()
    finished, rows = len(list(tmp_path.glob("*.trainings"))), rows_of(640)
    resumed = gradients_at(learner, first, rows, bank=Bank(tmp_path), threads=1, progress=False)
    repeated = len(rows) - len({row.tobytes() for row in rows})
    assert finished >= 2 and sum(blocks) + 16 * finished in range(640 - repeated, 641)
    calculated = len(blocks)
    again = gradients_at(learner, first, rows, bank=Bank(tmp_path), progress=False)
    assert len(blocks) == calculated and same(again, resumed)
    assert same(resumed, gradients_at(learner, first, rows, bank=Bank(tmp_path / "other"), progress=False))


def test_damaged_gradients_are_named_and_made_again(learner, tmp_path, blocks, caplog):
    rows = np.unique(rows_of(40), axis=0)
    whole = gradients_at(learner, two, rows, bank=Bank(tmp_path), progress=False)
    file = sorted(tmp_path.glob("*.trainings"))[1]
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    blocks.clear()
    assert same(whole, gradients_at(learner, two, rows, bank=Bank(tmp_path), progress=False))
    assert len(blocks) == 1 and file.name in caplog.text


def test_measurements_and_learners_do_not_share_gradients(learner, tmp_path, blocks):
    rows, bank = rows_of(3), Bank(tmp_path)
    other = logistic(n=12, steps=41, optimizer=Adam(0.1, 0.9, 0.99, 1e-3))
    for one, f in ((learner, two), (learner, first), (other, two)):
        assert same(gradients_at(one, f, rows, bank=bank, progress=False),
                    gradients_at(one, f, rows, progress=False))
    assert blocks == [3] * 6
    assert len(bank.known(learner)[0]) == 0      # no training is kept with them


def test_processes_of_the_user_and_one_that_dies(learner, tmp_path):
    rows = rows_of(40)
    here = gradients_at(learner, two, rows, progress=False)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        there = gradients_at(learner, two, rows, executor=pool, bank=Bank(tmp_path), progress=False)
        for a, b in zip(here, there):
            assert np.abs(a - b).max() <= 1e-12 * np.abs(a).max()
        with pytest.raises(LearnerError, match="measurement cannot be pickled"):
            gradients_at(learner, lambda w: w[0], rows, executor=pool, progress=False)
        with pytest.raises(StoreError, match="a worker process died"):
            gradients_at(learner, dying, rows, executor=pool, progress=False)


@pytest.mark.parametrize("threads", [None, 2])
def test_an_error_is_raised_after_all_that_succeeded_is_kept(tmp_path, threads):
    data = np.array([200.0] + [-1.0] * 39)      # without example 0, the parameter falls below 0
    learner = Learner(np.ones(1), data, falling, SGD(0.2), np.tile(np.arange(40), (10, 1)))
    rows = np.ones((33, 40))
    rows[np.arange(33), np.arange(33) + 1] = 0.0
    rows[20, 0] = 0.0
    pool = threads and ThreadPoolExecutor(threads)
    gradients_at(learner, lambda w: w[0], rows[:1], threads=1, progress=False)      # compiles
    with pytest.raises(DomainError, match="log"):
        gradients_at(learner, lambda w: w[0], rows, executor=pool, bank=Bank(tmp_path), threads=1,
                     progress=False)
    assert len(Bank(tmp_path)) >= 16
    rows[20, 0] = 1.0
    good = gradients_at(learner, lambda w: w[0], rows, bank=Bank(tmp_path), threads=1, progress=False)
    assert np.allclose(good.values[:, 0], retrain(learner, measurement=lambda w: w[0], weights=rows))
    if pool:
        pool.shutdown()


@pytest.mark.parametrize("weights, options, words", [
    (np.ones((0, 12)), {}, "at least one row"), (np.ones(12), {}, "at least one row"),
    (np.ones((2, 13)), {}, "each of 12 units"), (-np.ones((2, 12)), {}, "numbers >= 0"),
    (np.full((1, 12), np.nan), {}, "finite"), ("abc", {}, "real numbers"),
    (np.ones((1, 12)), {"bank": "folder"}, "expected a Bank"),
    (np.ones((1, 12)), {"executor": 2}, "an executor is"), (np.ones((1, 12)), {"threads": 0}, "threads"),
    (np.ones((1, 12)), {"memory": 10}, "memory")])
def test_arguments_that_make_no_sense(learner, weights, options, words):
    with pytest.raises(LearnerError, match=words):
        gradients_at(learner, two, weights, progress=False, **options)
