"""A folder from a stranger runs nothing, overwrites nothing and prints nothing raw.

Most attacks are in the tables of attacks.py; those that need more than a folder are here, one a line as well.
All of these succeeded against version 0.1 or crashed it, but those in HELD, whose victim it left alone.
"""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from attacks import ARRAYS, ATTACKS, BLOCK, RECIPES, asks, instead, linked, names, saved
from conftest import GOLDEN
from learners import contents, tiny

from deletion import LearnerError, StoreError, load, precompute
from deletion.cli import recipe
from deletion.cli.commands import run
from deletion.directions.directions import Directions
from deletion.storage.store import Folder

SETTING = dict(directions=12, degree=2, seed=0, design="sphere", calibration=8)
LETTERS = GOLDEN / "sketch_0_1" / "letters"


def weights(w):
    return w


def factory(n=6):
    """A learner of the user's."""
    return tiny(n)


def printable(text):
    return all(letter.isprintable() or letter == "\n" for letter in text)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A sketch of two parameters and six units: two blocks of shape (2, 2, 2, 8)."""
    path = tmp_path_factory.mktemp("attacked") / "original"
    precompute(tiny(), **SETTING, out=path)
    return path


# what contradicts itself -----------------------------------------------------------------------------------

@pytest.mark.parametrize("attack", ATTACKS)
def test_a_folder_that_contradicts_itself_is_refused_in_words(folder, attack, capsys):
    do, words = ATTACKS[attack]
    do(folder)
    with pytest.raises(StoreError, match=words) as refusal:
        load(folder, tiny()).measure(weights)
    assert printable(str(refusal.value)) and "\n" not in str(refusal.value)
    assert run(["info", str(folder), "--check"]) in (1, 2)
    assert printable("".join(capsys.readouterr()))


@pytest.mark.parametrize("attack", ARRAYS)
def test_precompute_makes_exchanged_arrays_again(original, folder, attack):
    ARRAYS[attack][0](folder)
    precompute(tiny(), **SETTING, out=folder)
    assert contents(folder) == contents(original)


def test_directions_that_are_not_of_their_design_are_refused(tmp_path):
    """Nothing in the manifest contradicts them: a library without the check has written them."""
    directions = precompute(tiny(), **SETTING).directions
    object.__setattr__(directions, "psi", 2.0 * directions.psi)
    assert isinstance(directions, Directions)
    with pytest.raises(StoreError, match="directions.npy in .* was edited: direction 0 has norm 2"):
        precompute(tiny(), directions, 2, calibration=0, out=tmp_path)


# what changes after the sketch was loaded ------------------------------------------------------------------

def flip(file):
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def flip_unseen(file):
    """Its size and time stay as before."""
    status = file.stat()
    flip(file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGED = "is damaged: its checksum"
AFTERWARDS = {
    "a bit": (flip, CHANGED),
    "a bit, with the old time": (flip_unseen, CHANGED),
    "truncated": (lambda file: os.truncate(file, 300), "is damaged: 300 bytes long"),
    "emptied": (lambda file: os.truncate(file, 0), "is damaged: 0 bytes long"),
    "extended": (lambda file: os.truncate(file, 5000), "is damaged: 5000 bytes long"),
    "removed": (lambda file: file.unlink(), "is missing"),
    "another block": (lambda file: shutil.copy(file.with_name("block-00000.npy"), file), CHANGED),
    "zeros": (lambda file: file.write_bytes(saved(BLOCK)), CHANGED),
    "a link": (lambda file: instead(file.name, linked)(file.parent), "cannot be read: it is a symbolic link"),
}


@pytest.mark.parametrize("change", AFTERWARDS)
def test_a_block_changed_after_load_is_named(folder, change):
    do, words = AFTERWARDS[change]
    sketch = load(folder, tiny())
    before = sketch.measure(weights).predict([1])
    do(folder / "block-00001.npy")
    for question in (lambda: sketch.measure(weights), lambda: sketch.parameters([1])):
        with pytest.raises(StoreError, match=f"block-00001.npy {words}"):
            question()
    precompute(tiny(), **SETTING, out=folder)
    assert np.array_equal(sketch.measure(weights).predict([1]).value, before.value)


READING = """
import os, sys
from deletion import load
block = load(sys.argv[1]).blocks[0]
before = float(block.sum())
os.truncate(sys.argv[1] + "/block-00000.npy", 0)
assert block.sum() == before
"""


def test_a_block_that_was_read_stays_when_its_file_is_truncated(folder):
    """In a process of its own, which a memory map would kill."""
    result = subprocess.run([sys.executable, "-c", READING, str(folder)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# what is written -------------------------------------------------------------------------------------------

def link(name):
    return lambda folder, victim: (folder / name).symlink_to(victim)


def hard_link(name):
    return lambda folder, victim: os.link(victim, folder / name)


def dangling(name):
    return lambda folder, victim: (folder / name).symlink_to(victim.with_name("created"))


def directory(name):
    return lambda folder, victim: (folder / name).mkdir()


def array_by_link(folder, victim):
    (folder / "theta.npy").unlink()
    (folder / "theta.npy").symlink_to(victim)


LOCK = r"its .lock cannot be opened .it is a"
WRITES = {
    "a lock by a link": (link(".lock"), f"{LOCK} symbolic link"),
    "a lock by a link to nothing": (dangling(".lock"), f"{LOCK} symbolic link"),
    "a lock by a hard link": (hard_link(".lock"), "its .lock is a hard link to another file"),
    "a lock, a pipe": (lambda folder, _: os.mkfifo(folder / ".lock"), f"{LOCK} pipe"),
    "a lock, a folder": (directory(".lock"), f"{LOCK} folder"),
    "a folder called x.part": (directory("x.part"), "cannot remove 'x.part'"),
    "a folder, with escapes": (directory("\x1b[31m.part"), r"cannot remove '\\x1b\[31m.part'"),
}
HELD = {
    "a temporary file by a link": link("block-00001.npy.part"),
    "a temporary file by a hard link": hard_link("block-00001.npy.part"),
    "a temporary manifest by a link": link("manifest.json.part"),
    "an array by a link": array_by_link,
}


@pytest.fixture
def victim(tmp_path):
    """A file outside of the folder, which nothing may change."""
    file = tmp_path / "victim"
    file.write_text("dear")
    yield file
    assert file.read_text() == "dear" and not file.with_name("created").exists()


@pytest.mark.parametrize("attack", WRITES)
def test_what_would_be_written_through_is_refused(folder, victim, attack):
    do, words = WRITES[attack]
    (folder / ".lock").unlink()
    do(folder, victim)
    with pytest.raises(StoreError, match=words) as refusal:
        precompute(tiny(), **SETTING, out=folder)
    assert printable(str(refusal.value))


@pytest.mark.parametrize("attack", HELD)
def test_links_are_replaced(original, folder, victim, attack):
    HELD[attack](folder, victim)
    (folder / "block-00001.npy").unlink()
    precompute(tiny(), **SETTING, out=folder)
    assert contents(folder) == contents(original) and not any(file.is_symlink() for file in folder.iterdir())


@pytest.mark.parametrize("attack", [link, hard_link])
def test_temporary_files_that_nothing_tidied_up_are_replaced(folder, victim, tmp_path, attack):
    """In a folder without a sketch, where the manifest is written first, and between two arrays."""
    new = tmp_path / "new"
    new.mkdir()
    attack("manifest.json.part")(new, victim)
    attack("theta.npy.part")(folder, victim)
    precompute(tiny(), **SETTING, out=new)
    Folder.open(folder).write("theta", np.zeros(2))
    assert contents(new).keys() == contents(folder).keys()


# recipes ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("attack", RECIPES)
def test_a_recipe_runs_nothing(folder, tmp_path, attack, capsys, monkeypatch):
    do, words = RECIPES[attack]
    do(folder)
    (tmp_path / "pwned.py").write_text("open('PWNED', 'w')")
    monkeypatch.chdir(tmp_path)
    measure, delete = ["--measure", f"{__name__}:weights"], ["--delete", "0"]
    for command in (["measure", *measure], ["predict", *measure, *delete], ["validate", *measure, *delete]):
        assert run([*command, str(folder)]) == 2
        out, error = capsys.readouterr()
        assert not out and error.count("\n") == 1 and printable(error)
        assert re.search(words, error), error
    assert run(["info", str(folder)]) == 0 and printable("".join(capsys.readouterr()))
    load(folder, tiny()).measure(weights)      # which needs no recipe
    assert not (tmp_path / "PWNED").exists() and "pwned" not in sys.modules


def test_a_factory_that_the_user_names_runs(folder, capsys):
    own = f"{__name__}:factory"
    asks(own, n=6)(folder)
    question = ["predict", str(folder), "--delete", "0", "--measure", f"{__name__}:weights"]
    assert run(question) == 2 and f"'{own}' n=6" in capsys.readouterr().err
    assert run([*question, "--learner", own, "--argument", "n=6"]) == 0


def test_arguments_that_the_user_gives_replace_those_of_the_folder(tmp_path, capsys):
    folder, file = tmp_path / "few", tmp_path / "names.txt"
    learner = recipe.make("microgpt:names", steps=9)
    precompute(learner, 2, 1, calibration=0, design="sphere", out=folder)
    file.write_text("\n".join(learner.documents + learner.held_out))
    question = ["predict", str(folder), "--delete", "0", "--measure", "loss:max"]
    assert run(question) == 0
    names(steps=10 ** 12, path="/dev/zero")(folder)
    cases = ((["--steps", "9"], "asks for path = '/dev/zero'"), (["--names", str(file)], "asks for steps"),
             (["--steps", "9", "--names", str(file)], "another learner: "))      # the file has another order
    for given, words in cases:
        assert run([*question, *given]) == 2 and words in capsys.readouterr().err


@pytest.mark.parametrize("name", recipe.FACTORIES)
def test_every_registered_factory_makes_a_learner(name):
    arguments = {"count": 50, "epochs": 1} if name.endswith("digits") else {"steps": 2}
    learner = recipe.requested({"factory": name, "arguments": arguments}, {})
    assert learner.fingerprint() == recipe.make(name, **arguments).fingerprint()


def test_another_package_of_a_registered_name_is_refused(monkeypatch, tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text(f"open({str(tmp_path / 'PWNED')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    for module in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(LearnerError, match="asks for a learner of benchmarks. Python finds it in"):
        recipe.requested({"factory": "benchmarks.learners:digits", "arguments": {}}, {})
    assert not (tmp_path / "PWNED").exists()


# modules ---------------------------------------------------------------------------------------------------

MODULES = ("microgpt", "benchmarks", "numpy", "tqdm", "matplotlib", "threadpoolctl", "mine")
TRACE = """
from pathlib import Path
Path(__file__).with_name("PWNED").touch()
def weights(p):
    return p["wpe"]
"""
SCRIPT = """
import sys
from deletion.cli.commands import run
sys.exit(run())
"""
LAUNCHERS = ("python -m", "a script")


@pytest.fixture
def letters(tmp_path):
    """A sketch of microgpt in a folder of downloads."""
    return Path(shutil.copytree(LETTERS, tmp_path / "downloads" / "letters"))


def armed(folder):
    """A folder with modules that leave a trace where they are imported."""
    for name in MODULES:
        (folder / f"{name}.py").write_text(TRACE)
    return folder


def called(launcher, where, *arguments):
    """The command line in a process of its own, with a working directory."""
    script = where.parent / "bin" / "sketch"      # in a folder of its own, which Python searches first
    script.parent.mkdir(exist_ok=True)
    script.write_text(SCRIPT)
    start = ["-m", "deletion"] if launcher == "python -m" else [str(script)]
    return subprocess.run([sys.executable, *start, *arguments], cwd=where, capture_output=True, text=True)


PLACES = {
    "in the sketch": lambda letters: (letters, "."),
    "in the sketch, by its path": lambda letters: (letters, str(letters)),
    "inside of the sketch": lambda letters: ((letters / "inside").mkdir() or letters / "inside", ".."),
    "beside the sketch": lambda letters: (letters.parent, "letters"),
}
QUESTION = ["--delete", "m", "--measure", "loss:max"]
REPEATED = ["--learner", "microgpt:names", "--steps", "30", "--units", "first_letter"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_no_module_of_the_working_directory_takes_the_place_of_another(letters, launcher, place):
    where, name = PLACES[place](letters)
    armed(where)
    result = called(launcher, where, "predict", name, *QUESTION, *REPEATED * (launcher == "a script"))
    assert result.returncode == 0 and "loss:max" in result.stdout, result.stderr
    assert not (where / "PWNED").exists()


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_module_that_the_user_names_is_found_beside_the_sketch_and_not_in_it(letters, launcher):
    question = "--delete", "m", "--measure", "mine:weights", "--json"
    beside = armed(letters.parent)
    result = called(launcher, beside, "predict", "letters", *question)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["rows"][0]["measurement"] == "mine:weights[0, 0]"
    assert (beside / "PWNED").exists()
    result = called(launcher, armed(letters), "predict", ".", *question)
    assert result.returncode == 2 and "cannot import 'mine'" in result.stderr
    assert not (letters / "PWNED").exists()


# what is printed -------------------------------------------------------------------------------------------

def test_labels_from_any_file_are_printed_escaped(tmp_path, capsys):
    odd, file, out = ["\x1b[31m", "\x9b2J", "\x07", "\u202e"], str(tmp_path / "names"), str(tmp_path / "odd")
    labels = [sign + name for sign in odd for name in ("ann", "bob", "cat")]
    Path(file).write_text("\n".join(labels), encoding="utf-8")
    given, ann = ["--names", file, "--steps", "12"], odd[0] + "ann"
    commands = [
        (["precompute", *given, "--directions", "4", "--degree", "1", "--out", out], 0, "4 directions"),
        (["info", out], 0, "path="),
        (["predict", out, *given, "--delete", "*ann", "--measure", "loss:ann"], 0, "loss:ann"),
        (["predict", out, *given, "--delete", ann, "--measure", f"loss:{ann}"], 0, repr(ann)[1:-1]),
        (["predict", out, *given, "--delete", "zzz", "--measure", "loss:ann"], 2, "nothing to delete"),
        (["predict", out, *given, "--delete", "ann", "--measure", "loss:5"], 2, "outside the alphabet"),
        (["validate", out, *given, "--sets", "3", "--size", "2", "--measure", "loss:ann"], 0, "loss:ann")]
    printed = {}
    for command, code, words in commands:
        assert run(command) == code
        printed[command[0], code] = text = "".join(capsys.readouterr())
        assert printable(text) and words in text
    assert any(repr(sign)[1:-1] in printed["validate", 0] for sign in odd)      # the names of the sets


def test_names_of_files_in_a_folder_are_printed_escaped(tmp_path):
    (tmp_path / "\x1b[31m").touch()
    with pytest.raises(StoreError, match=r"there is '\\x1b\[31m', but no manifest.json"):
        precompute(tiny(), **SETTING, out=tmp_path)


HOLDING = """
import fcntl, sys
file = open(sys.argv[1], "w")
file.write("1 on \\x1b[31m")
file.flush()
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_that_holds_something_else_is_not_printed(folder):
    holder = subprocess.Popen([sys.executable, "-c", HOLDING, str(folder / ".lock")], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match="process unknown is writing to"):
            precompute(tiny(), **SETTING, out=folder)
    finally:
        holder.communicate("")
