"""The parts of the benchmark of timelines that decide something, against small cases by hand."""
import numpy as np

from benchmarks.timeline_fading import fade, families, greedy
from benchmarks.timeline_study import first_use, last_use, of_themselves, stages
from deletion import SGD, Learner, retrain
from deletion.timeline import influence_over_time


def two_numbers(steps=12):
    """Gradient descent on two numbers, of which the first will be deleted."""
    return Learner([0.0], [2.0, 1.0], lambda w, x: (w[0] - x) ** 2 * 0.5, SGD(0.2), [[0, 1]] * steps)


def test_greedy_keeps_what_leads_to_the_target():
    """The same decisions in plain numbers; keeping the higher number helps first, and harms in the end."""
    learner, asked, w, kept = two_numbers(), 1, 0.0, []
    target = retrain(learner, [[0]], progress=False)
    for now in range(12):
        with_it, without = w + 0.1 * ((2.0 - w) + (1.0 - w)), w + 0.1 * (1.0 - w)
        keep = now < asked or abs(with_it - target[0, 0]) < abs(without - target[0, 0])
        w = with_it if keep else without
        kept.append(keep)
    assert 1 < sum(kept) < 12
    assert np.array_equal(greedy(learner, [0], asked, target), [kept])


def test_fading_finds_the_best_schedule_of_two_numbers():
    """A request at the start, and one halfway."""
    rows, _ = fade(two_numbers(), [0], lambda w: w, 0)
    found = {row["schedule"]: row["parameters"] for row in rows}
    assert found["ignored"] == 1.0 and found["dropped at once"] == 0.0      # asked at once: exact
    rows, _ = fade(two_numbers(), [0], lambda w: w, 6)
    assert 0.0 < {row["schedule"]: row["parameters"] for row in rows}["dropped at once"] < 1.0
    best = min(row["parameters"] for row in rows)
    assert all(row["nearest in parameters"] == (abs(row["parameters"] - best) < 1e-6) for row in rows)


def test_families_begin_at_the_request():
    times = np.arange(20)
    for name, schedules in families(8, 20).items():
        for schedule in schedules:
            assert (schedule(times)[:8] == 1.0).all() and schedule(19.999) <= 1.0, name
    assert not families(8, 20)["dropped at once"][0](times[8:]).any()
    assert families(8, 20)["ignored"][0](times).all()


def test_first_and_last_use():
    late = np.array([[5.0, 4.0, 0.4, 0.6, 0.4, 0.0], [1.0, 0.05, 0.0, 0.0, 0.0, 0.0]])[..., None]
    assert last_use(late).tolist() == [4, 1]
    early = np.array([[0.0, 0.2, 0.4, 0.6, 1.0, 5.0], [0.0, 0.5, 0.0, 0.0, 0.0, 1.0]])[..., None]
    assert first_use(-early).tolist() == [2, 0]
    assert of_themselves(np.arange(12).reshape(2, 3, 2))[..., 0].tolist() == [[0, 2, 4], [7, 9, 11]]


def test_what_stages_count():
    """Influence that is the same at every step, for some units more than for others."""
    steady = Learner([0.0], np.arange(1.0, 21.0), lambda w, x: -x * w[0], SGD(0.1), [range(20)] * 20)
    found = stages(influence_over_time(steady, lambda w: w, progress=False), np.arange(20.0)[:, None])
    assert np.allclose(found["share"], 0.1) and np.allclose(found["akin"], 1.0)
    assert np.allclose(found["largest"], 39.0 / 210.0) and np.allclose(found["harms"], 1.0)
    assert np.allclose(found["ranking"], 1.0)
