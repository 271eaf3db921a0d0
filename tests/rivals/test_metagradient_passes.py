"""Metagradients at many bases, step by step, in little memory and in several threads."""
import sys
import threading
import weakref

import numpy as np
import pytest
from batches import ADAM, close, first_and_all, repeated, three_kinds
from learners import logistic, network, of_weights, tiny
from naive_backward import backwards_naive
from plain_walk import PlainWalk

import circuit as C
from circuit import DomainError, evaluate
from deletion import SGD, Learner, LearnerError
from deletion.gradients import compiled_walk
from deletion.gradients.states import MEMORY
from deletion.influence import metagradient

module = sys.modules["deletion.gradients.metagradient"]      # whose name the function has, too


def many(p):
    """A measurement of 35 elements, more than go into two blocks."""
    p = first_and_all(p)
    return C.concatenate([p * (k + 1.0) for k in range(40)])[:35]


def a_matrix(p):
    return first_and_all(p)[:2].reshape(2, 1) * np.array([[1.0, 2.0, 3.0]])


MEASUREMENTS = {"a scalar": (lambda p: first_and_all(p)[1], ()), "35 elements": (many, (35,)),
                "a matrix": (a_matrix, (2, 3))}
LEARNERS = {"three kinds of circuits": three_kinds, "minibatches": repeated, "one example a step": tiny,
            "network": lambda: network(steps=10)}


# bases, slopes by step --------------------------------------------------------------------------------------

CASES = [(name, of, count) for name in LEARNERS for of in MEASUREMENTS for count in (None, 1, 3, 18)
         if of != "35 elements" or name == "minibatches" or count is None]      # the twin is slow


@pytest.mark.parametrize("name, of, count", CASES)
def test_bases_and_slopes(name, of, count, rng):
    """All forms of blocks: elements side by side at one base, bases side by side for one element."""
    learner, (measure, shape) = LEARNERS[name](), MEASUREMENTS[of]
    weights = rng.uniform(0.2, 1.5, (count or 1, learner.unit_count))
    lead = () if count is None else (count,)
    result = metagradient(learner, measure, weights=weights.reshape(lead + (-1,)), by_step=True,
                          finite_step=True)
    assert result.value.shape == lead + shape and result.weights.shape == lead + (learner.unit_count,)
    assert result.gradient.shape == result.finite.shape == lead + (learner.unit_count,) + shape
    assert result.slopes.shape == lead + learner.schedule.shape + shape
    for k in {0, (count or 1) - 1}:
        naive = backwards_naive(learner, measure, weights[k], finite=of == "a matrix")
        value, gradient, finite, slopes = (
            x[k] if count else x for x in (result.value, result.gradient, result.finite, result.slopes))
        elements = naive.value.size
        assert close(value, naive.value)
        assert close(gradient.reshape(-1, elements).T, naive.gradient)
        assert close(slopes.reshape(naive.slopes.shape[1:] + (elements,)), np.moveaxis(naive.slopes, 0, -1))
        if of == "a matrix":
            assert close(finite.reshape(-1, elements).T, naive.finite)
    sums = np.zeros_like(result.gradient)
    axes = len(lead)
    np.add.at(sums, (slice(None),) * axes + (learner.unit_of[learner.schedule],), result.slopes)
    assert close(sums, result.gradient)
    assert metagradient(learner, measure).slopes is None


def test_bases_side_by_side_where_that_takes_less_time(monkeypatch):
    """One base, or many elements at any number of bases: elements share the states."""
    learner, made = tiny(), []
    inner = module.walk

    def watched(learner, weights, finite=False):
        made.append(weights.shape[:-1])
        return inner(learner, weights, finite)
    monkeypatch.setattr(module, "walk", watched)
    for bases, measure, expected in [(1, many, [()]), (40, many, 40 * [()]), (2, of_first, [(), ()]),
                                     (5, of_first, [(5,)]), (20, of_first, [(8,), (8,), (4,)])]:
        made.clear()
        metagradient(learner, measure, weights=np.ones((bases, 6)), threads=1)
        assert made == expected


def of_first(p):
    return p[0]


def test_changes_at_several_equal_bases():
    learner = three_kinds()
    one = metagradient(learner, first_and_all, finite_step=True)
    two = metagradient(learner, first_and_all, weights=np.ones((2, 5)), finite_step=True)
    sets = [["user 1", "user 3"], "user 0", []]
    for options in ({}, {"weight": 0.25}, {"finite_step": True}, {"finite_step": True, "weight": 0.25}):
        expected = one.changes(sets, **options)
        assert close(two.changes(sets, **options), np.stack([expected, expected]), 1e-14)
    with pytest.raises(LearnerError, match="weights of its own"):
        metagradient(learner, first_and_all, weights=[[1.0] * 5, [0.5] * 5]).changes(sets)


def test_measurements_that_do_not_move():
    learner = tiny()
    result = metagradient(learner, lambda p: np.array([1.0, 2.0]), weights=np.ones((17, 6)), by_step=True)
    assert np.array_equal(result.value, [[1.0, 2.0]] * 17) and not result.slopes.any()


# memory -----------------------------------------------------------------------------------------------------

STATE = 48      # bytes of a state of `tiny`: two parameters, two means of two


@pytest.mark.parametrize("steps, room", [(1000, 1000), (1000, 64), (997, 45), (300, 10), (50, 2), (2, 2),
                                         (1, 1)])
def test_no_more_states_are_held_than_allowed(steps, room, monkeypatch):
    """Counted: every state that a step returns is watched until it is gone. What is held does not matter: a
    step that is taken again gives the same bits. The plain walk's states are arrays of their own."""
    learner = tiny(steps=steps)
    monkeypatch.setattr(module, "walk", PlainWalk)
    expected = metagradient(learner, first_and_all, by_step=True, finite_step=True)
    replay, watched, counts = sys.modules["deletion.learner.replay"], [], []

    def counting(circuit, inputs):
        outputs = evaluate(circuit, inputs)
        if any(circuit is c for c in learner.circuits):
            watched[:] = [ref for ref in watched if ref() is not None] + [weakref.ref(outputs[0])]
            counts.append(len(watched))
        return outputs

    monkeypatch.setattr(replay, "evaluate", counting)
    result = metagradient(learner, first_and_all, by_step=True, finite_step=True, memory=room * STATE + 1)
    for name in ("gradient", "slopes", "finite"):
        assert np.array_equal(getattr(result, name), getattr(expected, name))
    # and the one a step is being taken from
    assert result.stored == min(steps, room) and max(counts) <= room + 1
    assert len(counts) < 2 * steps or room < 45


@pytest.mark.parametrize("steps, room", [(300, 300), (300, 290), (1000, 120), (997, 45), (300, 10),
                                         (50, 2)])
def test_memory_that_is_used_again_counts(steps, room, monkeypatch):
    """Arrays of states, those that wait to be used again among them, have no more rows than are allowed."""
    arrays, most = [], []
    rows = compiled_walk.Forward.rows

    def counted(walk, count):
        array = rows(walk, count)
        alive = [ref for ref in arrays if ref() is not None and ref() is not array]
        arrays[:] = [*alive, weakref.ref(array)]
        most.append(sum(len(ref()) for ref in arrays))
        return array

    monkeypatch.setattr(compiled_walk.Forward, "rows", counted)
    learner = tiny(steps=steps)
    expected = metagradient(learner, of_first).gradient
    assert max(most) == steps
    most.clear()
    assert np.array_equal(metagradient(learner, of_first, memory=room * STATE).gradient, expected)
    assert max(most) <= room


def test_memory_is_for_all_that_is_in_progress():
    """Eight bases side by side have eight states; two threads have half of the memory each."""
    learner = tiny(steps=30)
    bases = np.ones((32, 6))
    stored = [metagradient(learner, of_first, weights=bases, memory=20 * 8 * STATE, threads=threads).stored
              for threads in (1, 2)]
    assert stored == [20, 10]
    # where there is not room for two, one works after the other
    assert metagradient(learner, of_first, weights=bases, memory=3 * 8 * STATE, threads=2).stored == 3
    with pytest.raises(LearnerError, match=rf"Give memory={2 * 8 * STATE} or more"):
        metagradient(learner, of_first, weights=bases, memory=8 * STATE, threads=2)
    assert metagradient(learner, of_first).stored == 30 and MEMORY == 2 ** 30


def test_checkpoints_are_deprecated():
    learner = tiny(steps=50)
    for checkpoints, stored in ((7, 7), (1, 2), (1000, 50)):
        with pytest.warns(DeprecationWarning, match="memory="):
            assert metagradient(learner, of_first, checkpoints=checkpoints).stored == stored
    for wrong in (0, True, 2.5):
        with pytest.warns(DeprecationWarning), pytest.raises(LearnerError, match="whole number >= 1"):
            metagradient(learner, of_first, checkpoints=wrong)
    with pytest.raises(LearnerError, match="not both"):
        metagradient(learner, of_first, checkpoints=3, memory=1000)


# threads ----------------------------------------------------------------------------------------------------

def test_threads_change_no_bit():
    for learner, measure, bases in ((repeated(), many, 1), (tiny(), of_first, 40), (repeated(), many, 3)):
        weights = np.linspace(0.5, 1.0, bases * learner.unit_count).reshape(bases, -1)
        one, three = (metagradient(learner, measure, weights=weights, by_step=True, finite_step=True,
                                   threads=threads, memory=10 ** 6) for threads in (1, 3))
        for name in ("value", "gradient", "finite", "slopes"):
            assert np.array_equal(getattr(one, name), getattr(three, name))


def steep_loss(w, x):
    return (w[0] - x) ** 1.5


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_one_block_stops_the_others(threads):
    """In one of the bases the parameter passes below an example, where the loss is no number."""
    learner = Learner(np.array([1.0]), np.array([0.1, 0.2]), steep_loss, SGD(0.03),
                      np.tile([0, 1], 200), labels=["anna", "bob"])
    weights = np.full((40, 2), 0.01)
    assert np.isfinite(metagradient(learner, of_first, weights=weights, threads=threads).gradient).all()
    weights[20] = 90.0
    before = threading.active_count()
    with pytest.raises(DomainError, match=r"step \d+ \(example \d, '(anna|bob)'\): gate power"):
        metagradient(learner, of_first, weights=weights, threads=threads)
    assert threading.active_count() == before


def test_errors_on_the_way_back_name_the_step():
    """The slope at 0 is a number, its derivative is none."""
    learner = Learner(np.ones(1), [1.0, 0.5, 2.0], lambda w, x: (w[0] - x + 1.0) ** 1.5, SGD(0.0),
                      np.array([0, 1, 2]))
    with pytest.raises(DomainError, match=r"step 2 \(example 2\): on the way back, gate power"):
        metagradient(learner, lambda w: C.concatenate([w] * 20), weights=np.ones((3, 3)), threads=2)


@pytest.mark.parametrize("bases, measure, memory", [(1, many, None), (20, of_first, 16 * STATE * 3)])
def test_progress_counts_every_step(bases, measure, memory, monkeypatch):
    seen = []

    class Watched(module.Progress):
        def __exit__(self, *error):
            seen.append((self.done, self.total))
            return super().__exit__(*error)
    monkeypatch.setattr(module, "Progress", Watched)
    metagradient(tiny(), measure, weights=np.ones((bases, 6)), memory=memory)
    (done, total), = seen
    assert done == total > 24


def test_logistic_at_many_bases_is_the_one_at_each():
    learner = logistic(n=8, steps=10, optimizer=ADAM)
    bases = np.linspace(0.5, 1.5, 5)[:, None] * np.ones(8)
    together = metagradient(learner, of_first, weights=bases, finite_step=True)
    for k, base in enumerate(bases):
        alone = metagradient(learner, of_first, weights=base, finite_step=True)
        assert close(together.gradient[k], alone.gradient) and close(together.finite[k], alone.finite)
    assert metagradient(network(steps=3), of_weights, weights=np.ones((2, 20))).gradient.shape == (2, 20)
