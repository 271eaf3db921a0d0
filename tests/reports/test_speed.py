"""What benchmarks.speed measures with: ratios and their comparison, the peak, counts of operations."""
import json
import sys
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import against, harness, peak, speed, speed_jobs, speed_models
from benchmarks.against import Ratio
from circuit import InputError
from circuit.reverse import vjp
from deletion import Learner, Momentum
from microgpt import names
from taylor import flops

SHARE = Ratio("pushes", "share of the peak", 0.5, 0.6, 0.65, "more")
COST = Ratio("gradient", "batched trainings", 10.0, 12.0, 15.0, "less")


# ratios beside those of an earlier run ----------------------------------------------------------------------

def test_a_ratio_keeps_the_spread_of_its_repetitions():
    ratio = Ratio.of("x", "trainings", [3.0, 1.0, 2.0, 9.0], "less")
    assert (ratio.low, ratio.median, ratio.high) == (1.0, 2.5, 9.0)
    assert SHARE.cells == ("pushes", "50%", "60%", "65%", "share of the peak")
    assert against.shown(0.0123, SHARE.unit) == "1.2%"
    assert COST.cells == ("gradient", "10", "12", "15", "batched trainings")


def test_change_is_how_many_times_worse():
    assert against.change(SHARE, replace(SHARE, median=0.3)) == pytest.approx(2.0)
    assert against.change(COST, replace(COST, median=24.0)) == pytest.approx(2.0)
    assert against.change(COST, replace(COST, median=6.0)) == pytest.approx(0.5)


@pytest.mark.parametrize("old, low, median, high, worse", [
    (SHARE, 0.28, 0.30, 0.40, True),
    (SHARE, 0.28, 0.30, 0.55, False),       # a repetition was as good as a stored one
    (SHARE, 0.44, 0.45, 0.46, False),       # apart, but by less than the factor
    (SHARE, 0.90, 0.95, 1.00, False),
    (COST, 20.0, 24.0, 30.0, True),
    (COST, 14.0, 24.0, 90.0, False),
    (COST, 16.0, 17.0, 18.0, False),
    (COST, 3.0, 4.0, 5.0, False)])
def test_worse_is_worse_by_a_factor_and_beyond_the_spread(old, low, median, high, worse):
    assert against.is_worse(old, replace(old, low=low, median=median, high=high)) is worse


def test_the_factor_is_a_choice():
    new = replace(COST, low=16.0, median=17.0, high=18.0)
    assert against.is_worse(COST, new, 1.2) and not against.is_worse(COST, new, 1.5)


def test_noise_alone_is_never_worse_and_twice_the_time_mostly_is():
    """Five repetitions disturbed by up to 40%, as other work on a machine does it."""
    rng = np.random.default_rng(0)

    def run(cost):
        return Ratio.of("x", "trainings", cost * (1.0 + 0.4 * rng.random(5) ** 2), "less")
    same = [against.is_worse(run(1.0), run(1.0)) for _ in range(400)]
    twice = [against.is_worse(run(1.0), run(2.0)) for _ in range(400)]
    assert not any(same) and np.mean(twice) > 0.95


def test_the_report_tells_old_new_and_change(capsys):
    slow = replace(COST, low=20.0, median=24.0, high=30.0)
    wide = replace(SHARE, low=0.1, median=0.3, high=0.55)
    other = replace(COST, name="only then")
    assert against.report([SHARE, COST, other], [wide, slow, replace(COST, name="only now")]) == 1
    printed = capsys.readouterr().out
    assert [line.split()[:4] for line in printed.splitlines()[3:5]] == [
        ["pushes", "60%", "30%", "2.00"], ["gradient", "12", "24", "2.00"]]
    assert "within the spread" in printed and "WORSE" in printed
    assert "stored and not measured in this run: only then" in printed
    assert "1 of 2 ratios are worse by more than 1.5 times" in printed


def test_what_cannot_be_compared_is_refused(tmp_path):
    with pytest.raises(InputError, match="none of the 1 ratios of this run is among the 1 stored ones"):
        against.compared([COST], [SHARE])
    with pytest.raises(InputError, match="in this run and in share of the peak .more. in the stored one"):
        against.compared([replace(SHARE, name="gradient")], [COST])
    file = tmp_path / "run.json"
    for content in ("no json", "[]", "{}", '{"ratios": [{"name": "x"}]}', '{"ratios": 3}',
                    json.dumps({"ratios": [{**asdict(COST), "low": 0.0}]}),
                    json.dumps({"ratios": [{**asdict(COST), "better": "faster"}]})):
        file.write_text(content)
        with pytest.raises(InputError, match="run.json: expected"):
            against.read(file)


def test_stored_ratios_are_read_back(tmp_path):
    harness.write_json(tmp_path / "run.json", ratios=against.stored([SHARE, COST]))
    assert against.read(tmp_path / "run.json") == [SHARE, COST]


def test_the_command_fails_where_a_ratio_is_worse(tmp_path, monkeypatch, capsys):
    class NoPeak:
        def __init__(self, cores):
            self.gflops, self.product, self.multiply_add, self.kernel = 100.0, 100.0, 90.0, "none"

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def describe(self):
            return "peak"

    file = tmp_path / "run.json"
    monkeypatch.setattr(speed, "Peak", NoPeak)
    monkeypatch.setattr(speed, "check", lambda: (0.0, 0.0))
    monkeypatch.setattr(speed, "jobs", lambda options, cores: ([], []))
    runs = iter([COST, COST, replace(COST, low=20.0, median=24.0, high=30.0)])
    monkeypatch.setattr(speed, "measured", lambda *given: ([], [], [next(runs)]))
    ends = []
    for option in ("--json", "--against", "--against"):
        monkeypatch.setattr(sys, "argv", ["speed", "--quick", option, str(file)])
        ends.append(speed.main())
    assert ends == [0, 0, 1] and "WORSE" in capsys.readouterr().out


def test_ratios_of_neighbours_do_not_see_the_pace_change(monkeypatch):
    clock = SimpleNamespace(now=0.0, pace=1.0)

    def work(seconds):
        def call():
            clock.now += seconds * clock.pace
            clock.pace *= 1.01
        return call
    monkeypatch.setattr(harness.time, "perf_counter", lambda: clock.now)
    ratios = harness.beside(work(2.0), {"a": work(1.0), "b": work(6.0)}, 20)
    np.testing.assert_allclose(ratios["a"], 0.5, rtol=1e-3)
    np.testing.assert_allclose(ratios["b"], 3.0, rtol=1e-3)


# the peak ---------------------------------------------------------------------------------------------------

def test_blas_chooses_its_own_kernel(monkeypatch):
    for name in peak.FORCED:
        monkeypatch.setenv(name, "Nehalem")
    process = peak.Product(3)
    assert not set(peak.FORCED) & set(process.environment)
    assert {process.environment[name] for name in peak.VARIABLES} == {"3"}
    with process:
        assert isinstance(process.kernel, str) and "nehalem" not in process.kernel.lower()
        assert process.gflops(64, 2) > 0.0
    assert process.process.returncode == 0


@pytest.mark.skipif(peak.numba.config.DISABLE_JIT, reason="the chains of multiply-adds are machine code")
@pytest.mark.parametrize("width, chains", [(2, 3), (4, 8)])
def test_multiply_adds_are_what_they_are_counted_as(width, chains):
    expected = 0.0
    for i in range(chains):
        value = 0.25 * i
        for _ in range(5):
            value = value * 0.5 + 0.25
        expected += width * value
    assert peak.multiply_adds(width, chains)(5, 0.5, 0.25) == pytest.approx(expected, rel=1e-14)
    assert peak.multiply_add_gflops(width, chains, 1, repeats=1) > 0.0


def test_a_share_is_of_the_larger_neighbour():
    measured = iter([100.0, 50.0, 80.0])
    stand_in = SimpleNamespace(now=lambda: next(measured), of_one_core=lambda: 50.0)
    assert peak.Peak.shares(stand_in, [lambda: 40.0, lambda: 40.0]) == [0.4, 0.5]
    assert peak.Peak.shares(stand_in, [lambda: 40.0], one_core=True) == [0.8]


# models and counts ------------------------------------------------------------------------------------------

def test_perceptrons_have_the_sizes_of_their_names():
    sizes = {"64-32-10": 2_410, "784-128-10": 101_770}
    for name, size in sizes.items():
        learner = speed_models.perceptron(speed_models.PERCEPTRONS[name], steps=3)
        assert learner.layout.size == size and learner.schedule.shape == (3, 64)
    losses = speed_models.Losses(learner, 5)
    assert learner.measurement(losses).shapes[learner.measurement(losses).outputs[0]] == (5,)


def test_plain_rates_of_many_and_of_one():
    learner = speed_models.perceptron((6, 4, 3), steps=2, batch=5)
    stand_in = SimpleNamespace(shares=lambda calls, one_core=False: [call() for call in calls])
    many, one = speed.plain(learner, "small", stand_in, 1, 2)
    assert (many.name, one.name) == ("small, 16 trainings", "small, one training")
    assert (many.unit, one.unit) == (speed.SHARE, speed.ONE_CORE) and many.low > 0.0 < one.low


def test_a_perceptron_is_measured_in_every_way(capsys, monkeypatch):
    monkeypatch.setitem(speed.PERCEPTRONS, "6-4-3", (6, 4, 3))
    stand_in = SimpleNamespace(shares=lambda calls, one_core=False: [call() for call in calls])
    rows, ratios = speed.perceptrons(["6-4-3"], 2, stand_in, 1, 1)
    assert [ratio.name for ratio in ratios] == ["6-4-3, degree 3", "6-4-3, 16 trainings",
                                                "6-4-3, one training", "6-4-3, backward, 16 measurements"]
    assert rows[0]["parameters"] == 6 * 4 + 4 + 4 * 3 + 3
    assert "perceptron 6-4-3, batches of 64" in capsys.readouterr().out


def linear_learner():
    rng = np.random.default_rng(0)
    examples = list(zip(rng.normal(size=(6, 50)), rng.normal(size=(6, 40))))
    return Learner(rng.normal(size=(50, 40)), examples, lambda w, x, y: ((x @ w - y) ** 2).mean(axis=1),
                   Momentum(0.1), np.arange(6).reshape(2, 3))


def test_plain_operations_of_a_linear_model_by_hand():
    """Forwards x @ w, backwards x.T @ residual: two products of 3 x 50 x 40; everything else is of a smaller
    order but for the optimizer, 4 operations a parameter."""
    learner, product = linear_learner(), 2 * 3 * 50 * 40
    assert speed_models.plain_operations(learner, 0, 1) == pytest.approx(2 * product + 4 * 50 * 40, rel=0.1)
    assert speed_models.plain_operations(learner) == 2 * speed_models.plain_operations(learner, 0, 1)


def test_operations_backwards_are_linear_in_the_measurements():
    learner = speed_models.perceptron((12, 8, 4), steps=2, batch=5)
    one, two, five = (speed_models.backward_operations(learner, count) for count in (1, 2, 5))
    assert five - two == 3 * (two - one) > 0
    assert one > speed_models.plain_operations(learner)
    # linear in the cotangents: a degree is two real equations of the plain numbers' operations
    transposed = vjp(learner.circuits[0], range(3))
    each = speed_models.operations(transposed, range(2))
    assert (two - one) == 2 * each and flops(transposed, 1, range(2)) == pytest.approx(2 * each, rel=0.05)


def test_bases_and_documents():
    learner = names(steps=20)
    weights = speed_models.bases(learner, 3)
    assert weights.shape == (3, 20) and set(np.unique(weights)) <= {0.0, 1.0}
    circuit = learner.measurement(speed_models.documents(learner, 4))
    assert circuit.shapes[circuit.outputs[0]] == (4,)


def test_a_job_in_a_python_of_its_own(capsys):
    row = speed_jobs.gradient(3, 2, 1)
    assert row["seconds"] > 0.0
    assert "metagradient of 2 at 1 base, 3 names and steps" in capsys.readouterr().out
