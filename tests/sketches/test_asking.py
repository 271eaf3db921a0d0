"""Which units are meant: on the command line, where all is text, and in Python, where labels have types."""
import json

import numpy as np
import pytest
from learners import data, logistic_loss

from circuit import softplus
from deletion import SGD, Learner, LearnerError, precompute, retrain
from deletion.cli.selection import deletion_set
from deletion.cli.commands import run
from microgpt import first_letter, names


def learner(units=None, labels=None, count=12):
    x, y = data(count, 2)
    more = dict(schedule=np.tile(np.arange(count), 2), units=units, labels=labels)
    return Learner(np.zeros(2), list(zip(x, y)), logistic_loss, SGD(0.5), **more)


def users():
    return learner(units=np.arange(100, 112))


def numbered_names():
    return learner(labels=[str(i) for i in range(10, 22)])


def named():
    return learner(labels="ann,bob,anna,eve 2,eve 20,u1,u10,ann,x9y,cid,dora,#3".split(","))


def slopes(w):
    return softplus(w.sum())


# texts ------------------------------------------------------------------------------------------------------

def test_names_patterns_parts_and_files(tmp_path):
    made = names(steps=60)
    called = made.documents
    contains = [i for i, name in enumerate(called) if "el" in name]
    assert "el" not in called and contains and deletion_set(made, "el") == contains
    assert deletion_set(made, called[3]) == [3] == deletion_set(made, "3") == deletion_set(made, "#3")
    assert deletion_set(made, "m*") == [i for i, name in enumerate(called) if name[0] == "m"]
    assert deletion_set(made, f"{called[9]}, {called[2]},9,#9") == [2, 9]
    (tmp_path / "list").write_text(f"{called[5]}\n\n 7 \nel\n")
    assert deletion_set(made, f"@{tmp_path / 'list'}") == sorted({5, 7, *contains})
    assert deletion_set(names(steps=60, units=first_letter), "x,a") == ["a", "x"]


def two_types():
    return learner(units=[1, "1"] * 6)


def tuples():
    return learner(units=[("a", 1), ("b", 2)] * 6)


def reals():
    return learner(units=[1.5, 11.5] * 6)


def backwards():
    """Unit 0 is example 11."""
    return learner(units=list(range(11, -1, -1)), labels=list("abcdefghijkl"))


@pytest.mark.parametrize("make, text, expected", [
    (users, "103", [103]),
    (users, "#3", [103]),
    (users, "#0,111", [100, 111]),
    (users, "10?", list(range(100, 110))),
    (numbered_names, "11", [1]),
    (numbered_names, "#1", [1]),
    (numbered_names, "2*", [10, 11]),
    (named, "1", [1]),
    (named, "#1", [1]),
    (named, "#11", [11]),
    (named, "9", [9]),
    (named, "ann", [0, 7]),
    (named, "an", [0, 2, 7]),
    (named, "eve 2", [3]),
    (named, "eve", [3, 4]),
    (named, "u1", [5]),
    (named, "u", [5, 6]),
    (named, "x9", [8]),
    (named, "[#]3", [11]),
    (learner, "11", [11]),
    (learner, "#11", [11]),
    (two_types, "#1", ["1"]),
    (two_types, "#0", [1]),
    (tuples, "#1", [("b", 2)]),
    (tuples, "*2*", [("b", 2)]),
    (reals, "1.5", [1.5]),
    (backwards, "3", [3]),
])
def test_what_a_text_means(make, text, expected):
    assert deletion_set(make(), text) == expected


@pytest.mark.parametrize("make, text, words", [
    (users, "3", "no unit is called '3'; '103' is at that position: write #3"),
    (users, "12", "no unit is called '12'; there are 12"),
    (users, "-1", "called '-1'"),
    (users, "#12", "nothing to delete is at position #12.*#0 to #11"),
    (users, "#-1", "position #-1"),
    (users, "#x", "fits '#x'"),
    (numbered_names, "1", "no unit is called '1'; '11' is at that position: write #1"),
    (numbered_names, "2,11", "called '2'; '12'"),
    (two_types, "1", "2 units are called '1': write #0 for 1 or #1 for '1'"),
    (lambda: learner(units=["u10", "u11"] * 6), "u1", "nothing to delete is called, contains or fits 'u1'"),
    (lambda: learner(units=["21u", "31u"] * 6), "1u", "contains or fits '1u'"),
    (reals, ".5", "no unit is called '.5'; there are 2: 1.5, 11.5"),
    (reals, "1.", "no unit is called '1.'"),
    (lambda: learner(units=["x1.5", "2.1x"] * 6), "x1", "contains or fits 'x1'"),
    (lambda: learner(units=["x1.5", "2.1x"] * 6), "1x", "contains or fits '1x'"),
    (backwards, "a", "contains or fits 'a'"),
    (named, "12", "there is no example '12'"),
    (named, "#3", r"'#3' is the name of #11 and the position of 'eve 2'.*'\[#\]3'"),
    (named, "eve 2,qqq", "fits 'qqq'; there are 12: ann, bob"),
    (named, "z?z*", r"'z\?z\*'"),
    (named, " ,", "is empty"),
    (named, "@/nothing", "cannot read"),
])
def test_what_a_text_does_not_mean(make, text, words):
    with pytest.raises(LearnerError, match=words):
        deletion_set(make(), text)


# the command line -------------------------------------------------------------------------------------------

def factory():
    return users()


OWN = ("--learner", f"{__name__}:factory")
"""A folder may not choose a learner of the user's own: it is named again."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("asking") / "users"
    made = [*OWN, "--directions", "6", "--degree", "2"]
    assert run(["precompute", *made, "--out", str(path), "--quiet"]) == 0
    return path


def printed(capsys, command, folder, *arguments):
    code = run([command, str(folder), *(() if command == "info" else OWN), *map(str, arguments)])
    text, error = capsys.readouterr()
    return code, text, error


def test_the_table_shows_what_was_deleted(capsys, folder):
    asked = ["predict", folder, "--measure", f"{__name__}:slopes", "--delete"]
    sets = ["#3", "--delete", "103", "--delete", "11*", "--delete", "10*", "--delete", "100, 102"]
    code, text, _ = printed(capsys, *asked, *sets)
    first = [line.split("  ")[0] for line in text.splitlines()[1:6]]
    assert code == 0
    assert first == ["#3 = 103", "103", "11* = 110, 111", "10* = 100, 101, 102, ... (10)", "100, 102"]
    _, text, _ = printed(capsys, *asked, "#3", "--json")
    row, = json.loads(text)["rows"]
    assert row["set"] == "#3" and row["units"] == [103] and row["names"] == ["103"]
    code, text, error = printed(capsys, *asked, "3")
    assert code == 2 and not text and "write #3" in error


def test_random_sets_are_numbered_and_named(capsys, folder):
    arguments = ["--measure", f"{__name__}:slopes", "--sets", 3, "--size", 4, "--quiet"]
    _, text, _ = printed(capsys, "validate", folder, *arguments)
    for number, row in enumerate(text.splitlines()[1:4], 1):
        assert row.startswith(f"random {number} = 1") and ", ... (4) " in row


def test_reasons_say_which_rows_they_belong_to(capsys, folder):
    sets = [x for text in ("100", "10*", "101", "*") for x in ("--delete", text)]
    arguments = ["predict", folder, "--measure", f"{__name__}:slopes", *sets]
    _, content, _ = printed(capsys, *arguments, "--json")
    _, text, _ = printed(capsys, *arguments)
    rows = json.loads(content)["rows"]
    lines = text.splitlines()
    notes = dict(line.split(" ", 1) for line in lines[5:])
    assert len(set(notes.values())) == len(notes) > 1
    for row, line in zip(rows, lines[1:5]):
        verdict, number = line.rsplit(" ", 1)
        assert verdict.endswith(row["verdict"]) and notes[number] == "; ".join(row["reasons"])
    assert list(notes) == [f"[{k}]" for k in range(1, len(notes) + 1)]


@pytest.mark.parametrize("command", ["predict", "validate"])
def test_the_rules_stand_in_the_help(capsys, command):
    with pytest.raises(SystemExit):
        run([command, "--help"])
    text = capsys.readouterr().out
    assert "the unit at position 3, counted from 0" in text
    assert "A number is part of no other number: 1 is\n            not in 10" in text


def test_a_check_that_finds_nothing_says_so(capsys, folder):
    assert "all well" in printed(capsys, "info", folder, "--check")[1]
    assert "all well" not in printed(capsys, "info", folder)[1]
    code, text, _ = printed(capsys, "info", folder, "--check", "--json")
    assert code == 0 and json.loads(text)["troubles"] == []


# Python -----------------------------------------------------------------------------------------------------

def test_examples_by_their_names():
    made = named()
    measured = precompute(made, 8, 2, calibration=0).measure(slopes)
    assert measured.predict("bob").value == measured.predict(1).value == measured.predict(["bob"]).value
    by_name, by_number = [["bob", 5], ["#3"]], [[1, 5], [11]]
    assert np.array_equal(measured.predict_many(by_name).value, measured.predict_many(by_number).value)
    assert np.array_equal(retrain(made, ["cid", ["u1", "u10"]], slopes), retrain(made, [[9], [5, 6]], slopes))
    assert made.again().unit_indices("bob").tolist() == [1]


@pytest.mark.parametrize("deletion_set, words", [
    ("ann", "2 examples are called 'ann': give their numbers, 0, 7"),
    (["bob", "ann"], "2 examples are called 'ann'"),
    ("annn", "no unit 'annn'.*no example has that name"),
    (["bob", 1], "unit 1 stands in a deletion set more than once"),
    (12, "units are 0 to 11"),
])
def test_names_of_examples_that_make_no_sense(deletion_set, words):
    measured = precompute(named(), 8, 2, calibration=0).measure(slopes)
    with pytest.raises(LearnerError, match=words):
        measured.predict(deletion_set)


def test_names_of_examples_do_not_stand_for_units_of_several():
    made = learner(units=["a", "b"] * 6, labels=[f"x{i}" for i in range(12)])
    with pytest.raises(LearnerError, match="no unit 'x1' to delete; the learner's units are 'a', 'b'$"):
        made.unit_indices("x1")
    with pytest.raises(LearnerError, match="no unit 'a'"):
        backwards().unit_indices("a")


def test_numbers_and_texts_are_told_apart():
    made = numbered_names()
    assert made.unit_indices(11).tolist() == [11] and made.unit_indices("11").tolist() == [1]
    assert two_types().unit_indices(1).tolist() == [0] and two_types().unit_indices("1").tolist() == [1]
