"""Small matrices get one BLAS thread; without threadpoolctl, a sentence says what to do if they are slow."""
import sys
from threading import Event, Thread
from types import SimpleNamespace

import numpy as np
import pytest
from learners import at_minimum, network, relu_loss
from threadpoolctl import threadpool_info, threadpool_limits

from circuit import blas
from circuit.blas import linear_algebra, one_blas_thread
from deletion import SGD, Learner, precompute
from deletion.curvature import objective
from deletion.directions import kernel
from deletion.learner import replay
from deletion.curvature.objective import Objective
from deletion.curvature import solvers
from deletion.influence import Influence, metagradient, newton, self_influences


def threads():
    """How many threads each BLAS library takes now."""
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def two():
    """Two threads, whatever the environment says."""
    with threadpool_limits(2, user_api="blas"):
        assert threads() and set(threads()) == {2}
        yield
        assert set(threads()) == {2}


def test_one_thread_inside_and_as_many_as_before_outside():
    with one_blas_thread():
        with one_blas_thread(100):
            assert set(threads()) == {1}
        assert set(threads()) == {1}
    assert set(threads()) == {2}
    with pytest.raises(KeyError), one_blas_thread():
        raise KeyError
    assert one_blas_thread()(threads)() == [1] * len(threads())      # as a decorator


def test_large_matrices_keep_all_threads():
    with one_blas_thread(blas.SMALL), linear_algebra("", 5000):
        assert set(threads()) == {2}


def test_the_second_of_two_that_overlap_restores_nothing():
    """The number belongs to the process: who finds one BLAS thread must not restore that in the end."""
    inside, leave = Event(), Event()

    def other():
        with one_blas_thread():
            inside.set()
            leave.wait(60)

    with one_blas_thread():
        thread = Thread(target=other)
        thread.start()
        assert inside.wait(60) and set(threads()) == {1}
    leave.set()
    thread.join()
    assert set(threads()) == {2}
    with one_blas_thread():
        assert set(threads()) == {1}


def dense():
    return precompute(network(), 12, 2, design="sphere")


def influence():
    return Influence().answer(at_minimum(1.0)[0], [[1]], lambda w: w[0])


def first(p):
    return p["w2"][0]


def kinked():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(10, 3)), np.array([0.5, -0.3, 0.2])
    return Learner(w, list(zip(x, x @ w)), relu_loss, SGD(0.01), np.arange(20) % 10)


backwards = sys.modules["deletion.gradients.metagradient"]      # whose name the function has, too

CALLS = {
    "eigenvectors of a kernel": (kernel, "eigh", lambda: dense().measure(first).predict([3])),
    "kinks": (replay, "evaluate", lambda: precompute(kinked(), 8, 1)),
    "training in NumPy": (replay, "evaluate", lambda: network().train(np.ones(20, complex))),
    "metagradient": (backwards, "evaluate", lambda: metagradient(network(), first)),
    "gradients": (objective, "evaluate", lambda: Objective(network()).gradients(network().trained)),
    "Cholesky": (solvers, "cho_factor", influence),
    "self-influence": (newton, "eigh", lambda: self_influences(at_minimum(1.0)[0], [[1]])),
}


@pytest.mark.parametrize("name", CALLS)
def test_where_matrices_are_small_there_is_one_thread(monkeypatch, name):
    module, function, call = CALLS[name]
    seen, inner = [], getattr(module, function)

    def watched(*arguments, **options):
        seen.append(set(threads()))
        return inner(*arguments, **options)

    monkeypatch.setattr(module, function, watched)
    call()
    assert seen and all(numbers == {1} for numbers in seen)


# without threadpoolctl --------------------------------------------------------------------------------------

@pytest.fixture
def took(monkeypatch):
    """took(seconds, rows): an operation that takes so long, without threadpoolctl and its like."""
    now = [0.0]
    monkeypatch.setattr(blas, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    for name in blas.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for remembered in (blas.controller, blas.advise):
        remembered.cache_clear()

    def operation(seconds, rows):
        with linear_algebra("decompose", rows):
            assert set(threads()) == {2}
            now[0] += seconds

    yield operation
    for remembered in (blas.controller, blas.advise):
        remembered.cache_clear()


def test_without_threadpoolctl_one_sentence_says_what_to_set(took, capsys):
    took(1.0, 600), took(9.0, 5000)      # the second takes long for good reason
    assert capsys.readouterr().err == ""
    took(9.0, 600), took(9.0, 600)
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "OPENBLAS_NUM_THREADS=1" in error and "`fast`" in error


def test_there_is_no_advice_where_it_was_followed(took, capsys, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    took(9.0, 600)
    assert capsys.readouterr().err == ""
