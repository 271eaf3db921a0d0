"""Lines on stderr during long calls: what they say, that quick calls print none, how they are silenced."""
import io
import re
import sys
import time

import numpy as np
import pytest
from learners import at_minimum, tiny

from circuit import progress
from circuit.progress import Progress, say, silence, working
from deletion import Retraining, precompute, retrain, stability
from deletion.influence import five_gaps, metagradient, shapley_values
from deletion.unlearning import Linear, train_to_margin


class Stream(io.StringIO):
    """A stderr that is a terminal, or not."""

    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


def waited(condition):
    """Wait until a condition holds, one minute at most."""
    for _ in range(60_000):
        if condition():
            return True
        time.sleep(0.001)


@pytest.fixture
def printed(monkeypatch):
    """printed(call): what a call prints in a log, if it is made to last until the first line."""
    monkeypatch.setattr(progress, "FIRST", 0.0)
    close = progress.Screen.close

    def patiently(self, last):
        assert waited(lambda: self.printed)
        close(self, last)

    def call(function):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", Stream(False))
            patch.setattr(progress.Screen, "close", patiently)
            function()
            return sys.stderr.getvalue()
    return call


@pytest.fixture
def now(monkeypatch):
    """A clock that stands still: now[0] is the time."""
    clock = [0.0]
    monkeypatch.setattr(progress, "clock", lambda: clock[0])
    return clock


# lines ------------------------------------------------------------------------------------------------------

def test_a_log_gets_lines_with_what_is_done_and_time_left(printed):
    def call():
        with Progress(10, "push") as report:
            report(4)

    lines = printed(call).splitlines()
    assert re.fullmatch(r"push: (0 of 10|4 of 10, about \S+ s left)", lines[0])
    assert re.fullmatch(r"push: done in \S+ s", lines[-1])


def test_a_terminal_gets_one_line_that_is_erased_at_the_end(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(True))
    monkeypatch.setattr(progress, "FIRST", 0.0)
    monkeypatch.setattr(progress, "REDRAWN", 0.001)
    with Progress(10, "push") as report:
        report(4)
        assert waited(lambda: sys.stderr.getvalue().count("push: 4 of 10, about") >= 3)
        say("a line that stays")
    text = sys.stderr.getvalue()
    assert re.search(r"\ra line that stays *\n", text) and text.count("\n") == 1 and "done" not in text
    states = text.split("\r")
    assert states[-1] == "" and states[-2].strip() == "" and len(states[-2]) >= len(states[1])


def test_time_left_is_in_proportion_to_the_work_and_to_nothing_before_it(now):
    with Progress(8000, "push") as report:
        now[0] = 1000.0      # compiling
        report.begin()
        now[0] = 1002.0
        report(100)
        assert str(report) == "push: 100 of 8000, about 3 min left"      # 79 times two seconds
    with Progress(10, "push") as report:      # on other machines, where the first work took 10 s
        now[0] = 2000.0
        report(1, seconds=10.0)
        assert str(report) == "push: 1 of 10, about 90 s left"


def test_lines_describe_the_innermost_work(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Stream(False))
    monkeypatch.setattr(progress, "FIRST", 0.0)
    with working("outer"):
        assert waited(lambda: "outer: " in sys.stderr.getvalue())
        with Progress(3, "inner") as inner:
            assert str(inner) == "outer, inner: 0 of 3"
            with silence():
                say("nothing")
                with working("innermost"):
                    say("nothing")
    assert "nothing" not in sys.stderr.getvalue() and "innermost" not in sys.stderr.getvalue()


def test_quick_calls_print_nothing(capsys):
    for _ in range(100):
        with working("quick"):
            pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("closed", [False, True])
def test_a_stderr_that_cannot_be_written_to_does_no_harm(monkeypatch, closed):
    stream = Stream(False)
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream if closed else None)
    monkeypatch.setattr(progress, "FIRST", 0.0)
    monkeypatch.setattr(Stream, "isatty", lambda self: False)
    with working("unread"):
        say("unread")


def test_work_that_fails_is_not_done(printed):
    def call():
        with pytest.raises(KeyError), working("fails"):
            raise KeyError

    assert "done" not in printed(call)


# calls ------------------------------------------------------------------------------------------------------

def score(p):
    return p["w2"].sum()


def first(w):
    return w[0]


def margin(progress):
    points, signs = np.array([[1.0, 0.2], [-1.0, 0.3]]), np.array([1.0, -1.0])
    return train_to_margin(Linear(2), points, signs, progress=progress)


def gaps(progress):
    return five_gaps(at_minimum(1.0)[0], [[1]], first, damping=0.1, progress=progress)


def shapley(progress):
    return shapley_values(tiny(), first, permutations=5, progress=progress)


@pytest.fixture(scope="module")
def sketch(learner):
    return precompute(learner, 16, 2)


CALLS = {
    "precompute": lambda learner, sketch, shown: precompute(learner, 8, 2, progress=shown),
    "dry run": lambda learner, sketch, shown: precompute(learner, 8, 2, dry_run=True, progress=shown),
    "retrain": lambda learner, sketch, shown: retrain(learner, [[1], [2]], progress=shown),
    "train": lambda learner, sketch, shown: learner.train(progress=shown),
    "measure": lambda learner, sketch, shown: sketch.measure(score, progress=shown),
    "predict": lambda learner, sketch, shown: sketch.measure(score, progress=shown).predict([3]),
    "predict many": lambda learner, sketch, shown: sketch.measure(score, progress=shown).predict_many([[3]]),
    "parameters": lambda learner, sketch, shown: sketch.parameters([3], progress=shown),
    "stability": lambda learner, sketch, shown: stability(sketch, score, 2, probes=2, progress=shown),
    "metagradient": lambda learner, sketch, shown: metagradient(learner, score, progress=shown),
    "retraining": lambda learner, sketch, shown: Retraining().answer(learner, [[1]], score, progress=shown),
    "five gaps": lambda learner, sketch, shown: gaps(shown),
    "Shapley values": lambda learner, sketch, shown: shapley(shown),
    "descend": lambda learner, sketch, shown: margin(shown),
}


@pytest.mark.parametrize("name", CALLS)
def test_long_calls_print_and_progress_false_silences_them(printed, capsys, learner, sketch, name):
    assert name.split()[0] in printed(lambda: CALLS[name](learner, sketch, True)) or name == "dry run"
    CALLS[name](learner, sketch, False)
    assert capsys.readouterr().err == ""
