"""A bank of retrainings: the same numbers as without it, whatever happens to its files."""
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from learners import logistic

from circuit import DomainError, log
from deletion import (
    SGD, Bank, Learner, LearnerError, StoreError, cotangents, gradient_model, precompute, retrain)
from deletion.storage.trainings import MAGIC, PREFIX
from deletion.trust.calibration import calibrate

TESTS = Path(__file__).parent.parent

FILL = """
import sys
from learners import logistic
from deletion import Bank, retrain
learner, bank, first = logistic(), Bank(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for i in range(first, first + int(sys.argv[3])):
    retrain(learner, [[i % 30, j] for j in range(30) if j != i % 30], bank=bank, threads=1, progress=False)
"""


def fill(*arguments):
    """A process that fills a bank."""
    environment = os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"}
    return subprocess.Popen([sys.executable, "-c", FILL, *map(str, arguments)], env=environment,
                            stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def learner():
    return logistic()


@pytest.fixture
def trainings(monkeypatch):
    """The number of trainings that are really made, as a list with one entry for each block."""
    from deletion.learner import retrain as module
    made, train_block = [], module.train_block

    def counted(learner, weights, *rest):
        made.append(len(weights))
        return train_block(learner, weights, *rest)

    monkeypatch.setattr(sys.modules[retrain.__module__], "train_block", counted)
    return made


def files(path):
    return sorted(Path(path).glob("*.trainings"))


def sets_of(rng, count, units=30):
    return [rng.choice(units, size, replace=False).tolist() for size in rng.integers(0, 12, count)]


# the same numbers -------------------------------------------------------------------------------------------

def test_a_bank_changes_no_bit_and_trains_nothing_twice(learner, tmp_path, rng, trainings):
    sets = sets_of(rng, 37)
    sets += sets[5:9] + [[], []]
    expected, distinct = retrain(learner, sets), len({frozenset(s) for s in sets})
    trainings.clear()
    bank = Bank(tmp_path / "bank")
    assert np.array_equal(retrain(learner, sets, bank=bank), expected)
    assert sum(trainings) == distinct == len(bank)
    order = rng.permutation(len(sets))
    again = Bank(tmp_path / "bank")
    assert np.array_equal(retrain(learner, [sets[i] for i in order], bank=again), expected[order])
    some = [[0], *sets[:3], [29, 0]]      # some known, some new
    assert np.array_equal(retrain(learner, some, bank=again), retrain(learner, some))
    assert len(again) == len(bank) >= distinct
    kept = again.of(learner)
    rows = np.stack([1.0 - learner.downweight(s) for s in sets[:2]] + [np.full(30, 0.25)])
    assert kept.contains(rows).tolist() == [True, True, False]
    assert bank.bytes == sum(file.stat().st_size for file in files(tmp_path / "bank"))


def test_any_measurement_is_taken_later(learner, tmp_path, rng, trainings):
    sets, bank = sets_of(rng, 20), Bank(tmp_path)
    retrain(learner, sets, bank=bank)
    trainings.clear()
    for f in (lambda w: w[0] * w[1], lambda w: w[:2] * 3.0, lambda w: 1.0 + 0.0 * w[0]):
        assert np.array_equal(retrain(learner, sets, f, bank=bank), retrain(learner, sets, f))
    assert len(trainings) == 3 * 2      # those without the bank


def test_everything_known_of_a_learner_is_true(learner, tmp_path, rng):
    bank = Bank(tmp_path)
    weights = np.concatenate([rng.uniform(0.0, 2.0, (5, 30)), np.ones((1, 30)), np.zeros((1, 30))])
    retrain(learner, weights=weights, bank=bank)
    retrain(logistic(n=20), [[1]], bank=bank)
    known, parameters = bank.known(learner)
    assert len(known) == 7 and len(bank) == 8
    assert np.array_equal(retrain(learner, weights=known), parameters)
    assert np.allclose(known[np.lexsort(known.T)], weights[np.lexsort(weights.T)], rtol=1e-15)
    nothing = bank.known(logistic(d=2))
    assert nothing[0].shape == (0, 30) and nothing[1].shape == (0, 2)


def test_units_that_no_step_uses_make_no_difference(tmp_path, trainings):
    learner = Learner(np.zeros(1), np.arange(4.0), lambda w, x: (w[0] - x) ** 2, SGD(0.1),
                      np.tile([0, 2, 3], (5, 1)))
    bank = Bank(tmp_path)
    retrain(learner, [[0], [0, 1], [1], []], bank=bank)
    assert sum(trainings) == len(bank) == 2
    assert (bank.known(learner)[0][:, 1] == 1.0).all()


@pytest.mark.parametrize("change", [{"n": 31}, {"steps": 41}, {"optimizer": SGD(0.9)},
                                    {"units": [f"u{i}" for i in range(30)]}])
def test_another_learner_finds_nothing(learner, tmp_path, change, trainings):
    bank, other = Bank(tmp_path), logistic(**change)
    retrain(learner, weights=np.full((1, 30), 0.5), bank=bank)
    trainings.clear()
    weights = np.full((1, other.unit_count), 0.5)
    assert np.array_equal(retrain(other, weights=weights, bank=bank), retrain(other, weights=weights))
    assert trainings == [1, 1] and len(bank) == 2


def test_a_calibration_uses_the_bank(learner, tmp_path, rng, trainings):
    downweights = (rng.uniform(size=(6, 30)) < 0.2).astype(float)
    downweights[:, 0] = 1.0
    expected = calibrate(learner, downweights)
    for _ in range(2):
        found = calibrate(learner, downweights, bank=Bank(tmp_path))
        assert np.array_equal(found.values, expected.values)
    assert trainings == [6, 6]


def test_sketches_of_both_kinds_share_a_bank_for_calibration(learner, tmp_path, trainings):
    """A sketch along directions, one of cotangents in a folder, and a gradient model draw the same sets."""
    settings = {"calibration": 6, "seed": 3, "progress": False}
    expected = precompute(learner, 4, 2, **settings).calibration
    bank = tmp_path / "bank"
    found = precompute(learner, 4, 2, bank=bank, **settings).calibration
    assert np.array_equal(found.values, expected.values)
    back = precompute(learner, cotangents(learner), bank=Bank(bank), out=tmp_path / "pulled", **settings)
    assert np.array_equal(back.calibration.values, expected.values)
    gradient_model(learner, lambda w: w.sum(), levels=(), bank=bank, **settings)
    assert trainings == [6, 6] and len(Bank(bank)) == 6 + 1      # and the gradients at one base
    with pytest.raises(LearnerError, match="bank: expected a Bank or the path"):
        precompute(learner, 4, 2, bank=3, **settings)


def test_trainings_that_leave_the_domain_raise_as_without_a_bank(tmp_path, rng):
    def loss(w, x):      # without example 0, w falls below 0
        return 1e-9 * log(w[0]) ** 2 + (w[0] - x) ** 2

    data = np.array([200.0] + [-1.0] * 39)
    learner = Learner(np.ones(1), data, loss, SGD(0.2), np.tile(np.arange(40), (10, 1)))
    good = [[i] for i in range(1, 21)]
    bank = Bank(tmp_path)
    retrain(learner, good[:5] + good[10:], bank=bank)
    sets = good + [[21], [0], [0, 3]]
    with pytest.raises(DomainError) as expected:
        retrain(learner, sets, threads=1)
    with pytest.raises(DomainError) as error:
        retrain(learner, sets, bank=bank, threads=1)
    assert str(error.value) == str(expected.value) and "training 21" in str(error.value)
    sets = [[i] for i in range(22, 38)] + [[0]]      # a block that is finished, and one that fails
    with pytest.raises(DomainError, match="training 16"):
        retrain(learner, sets, bank=bank, threads=1)
    assert len(Bank(tmp_path)) == 15 + 16


# several processes ------------------------------------------------------------------------------------------

def test_several_processes_fill_one_bank(learner, tmp_path, trainings):
    workers = [fill(tmp_path, first, 4) for first in (0, 2)]
    bank = Bank(tmp_path)
    for i in range(6, 9):
        retrain(learner, [[i, j] for j in range(20) if j != i], bank=bank, threads=1)
    assert [worker.wait() for worker in workers] == [0, 0]
    for worker in workers:
        worker.stdout.close()
    trainings.clear()
    sets = [[i, j] for i in range(6) for j in range(30) if i < j]      # from both of them, some from each
    found = retrain(learner, sets, bank=bank)
    assert not trainings
    assert np.array_equal(found, retrain(learner, sets))
    assert not list(tmp_path.glob("*.part"))


def test_a_killed_process_loses_only_what_was_in_progress(learner, tmp_path, caplog):
    worker = fill(tmp_path, 0, 10 ** 6)
    deadline = time.monotonic() + 30.0
    while len(files(tmp_path)) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    bank = Bank(tmp_path)
    weights, parameters = bank.known(learner)
    assert len(weights) >= 3 * 13 and not caplog.records      # blocks of 16 and 13 in turn
    assert np.array_equal(retrain(learner, weights=weights), parameters)


def test_unfinished_files_are_removed_when_they_are_old(tmp_path):
    young, old = tmp_path / "a.trainings.part", tmp_path / "b.trainings.part"
    for file in (young, old):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert len(Bank(tmp_path)) == 0 and young.exists() and not old.exists()


def test_a_bank_goes_to_other_processes(learner, tmp_path):
    bank = Bank(tmp_path)
    retrain(learner, [[1]], bank=bank)
    assert len(pickle.loads(pickle.dumps(bank))) == 1


# files that are not what they seem --------------------------------------------------------------------------

def with_header(content, change):
    """The bytes of a file whose header is changed, its checksum made right again."""
    length = int.from_bytes(content[len(MAGIC):len(MAGIC) + 8], "little")
    header = change(json.loads(content[PREFIX:PREFIX + length]))
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (MAGIC + len(header).to_bytes(8, "little") + sha256(header).digest() + header
            + content[PREFIX + length:])


def with_row(content, change):
    """The bytes of a file of one training whose row is changed, with right checksums."""
    length = int.from_bytes(content[len(MAGIC):len(MAGIC) + 8], "little")
    row = change(content[PREFIX + length:])

    def checksummed(header):
        header["trainings"][0][2] = sha256(row).hexdigest()
        return header

    return with_header(content[:PREFIX + length] + row, checksummed)


def field(name, value):
    return lambda content: with_header(content, lambda header: header | {name: value})


def training(*values):
    """A header whose training is listed otherwise: key, number of weights, checksum."""
    return field("trainings", [list(values)])


NUMBERS = np.array([1, 0], "<i8").tobytes(), np.array([np.nan, -1.0, 1e300], "<f8").tobytes()

DAMAGE = {
    "empty": lambda content: b"",
    "only the first bytes": lambda content: content[:20],
    "truncated": lambda content: content[:-1],
    "half": lambda content: content[:len(content) // 2],
    "longer": lambda content: content + b"\0",
    "foreign": lambda content: b"PK\x03\x04 something else entirely" * 30,
    "a bit in the header": lambda content: content[:80] + bytes([content[80] ^ 1]) + content[81:],
    "a bit in the row": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "an endless header": lambda content: MAGIC + b"\xff" * 7 + b"\x7f" + content[24:],
    "a header of lists": lambda content: with_header(content, lambda header: [header]),
    "no JSON": lambda content: with_header(content, lambda header: b"cos\nsystem\n(S'true'\ntR."),
    "deep": lambda content: with_header(content, lambda header: b"[" * 100_000),
    "not a number": lambda content: with_header(content, lambda header: b'{"units": NaN}'),
    "more units": field("units", 2 ** 40),
    "huge": field("parameters", 2 ** 50),
    "a fraction": field("parameters", 3.0),
    "no trainings": field("trainings", []),
    "an unknown field": field("more", 1),
    "a strange learner": field("learner", {"../../etc": "passwd"}),
    "a negative count": training("0" * 64, -1, "0" * 64),
    "a huge count": training("0" * 64, 2 ** 60, "0" * 64),
    "no checksum": training("0" * 64, 2, None),
    "another key": lambda content: with_header(content, lambda header: header | {
        "trainings": [[key[::-1], *rest] for key, *rest in header["trainings"]]}),
    "NaN": lambda content: with_row(content, lambda row: row[:-8] + NUMBERS[1][:8]),
    "a negative weight": lambda content: with_row(content, lambda row: row[:8] + NUMBERS[1][8:16] + row[16:]),
    "units of no learner": lambda content: with_row(content, lambda row: b"\xff" * 8 + row[8:]),
    "other weights": lambda content: with_row(content, lambda row: NUMBERS[0][:8] + row[8:]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_is_not_what_it_seems_is_named_and_not_used(learner, tmp_path, damage, caplog):
    sets = [[7]]
    expected, opened = retrain(learner, sets, bank=Bank(tmp_path)), Bank(tmp_path)
    file, = files(tmp_path)
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with caplog.at_level(logging.WARNING, "deletion"):
        for bank in (opened, Bank(tmp_path)):      # one that knows its header already, and one that reads it
            assert np.array_equal(retrain(learner, sets, bank=bank), expected)
            assert len(bank.known(learner)[0]) == 1
    warned = [record.getMessage() for record in caplog.records]
    assert all(file.name in line and "made again" in line for line in warned)
    assert warned and len(files(tmp_path)) == 2


def test_links_folders_and_pipes_are_not_opened(learner, tmp_path, caplog):
    bank, secret = Bank(tmp_path / "bank"), tmp_path / "secret"
    expected = retrain(learner, [[3]], bank=bank)
    file, = files(bank.path)
    shutil.move(file, secret)
    file.symlink_to(secret)
    (bank.path / "a.trainings").mkdir()
    os.mkfifo(bank.path / "b.trainings")
    other = Bank(bank.path)
    assert len(other) == 0
    assert np.array_equal(retrain(learner, [[3]], bank=other), expected)
    for name, kind in ((file.name, "a symbolic link"), ("a.trainings", "a folder"),
                       ("b.trainings", "a pipe")):
        assert any(name in line and kind in line for line in caplog.text.splitlines())
    assert len(other) == 1


def test_files_that_vanish_are_made_again(learner, tmp_path):
    bank = Bank(tmp_path)
    expected = retrain(learner, [[3], [4]], bank=bank)
    for file in files(tmp_path):
        file.unlink()
    assert len(bank) == 0
    assert np.array_equal(retrain(learner, [[3], [4]], bank=bank), expected) and len(bank) == 2


def test_a_second_copy_stands_in_for_a_damaged_one(learner, tmp_path, trainings, caplog):
    for name in ("one", "two"):
        retrain(learner, [[3], [4]], bank=Bank(tmp_path / name))
    for file in files(tmp_path / "two"):
        shutil.copy(file, tmp_path / "one")
    bank = Bank(tmp_path / "one")
    assert len(bank) == 2
    first = files(tmp_path / "one")[0]
    first.write_bytes(DAMAGE["a bit in the row"](first.read_bytes()))
    trainings.clear()
    retrain(learner, [[3], [4]], bank=bank)
    assert not trainings and first.name in caplog.text


def test_only_the_rows_that_are_asked_for_are_read(learner, tmp_path, monkeypatch, rng):
    from deletion.storage import trainings as module
    bank, sets = Bank(tmp_path), [[i] for i in range(30)]
    retrain(learner, sets, bank=bank)
    read, unpacked = [], module.unpacked
    monkeypatch.setattr(module, "unpacked", lambda *args: read.append(args) or unpacked(*args))
    retrain(learner, [sets[3], sets[20]], bank=bank)
    assert len(read) == 2


# what a bank is ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("bank", ["folder", 3, {}, Bank, object()])
def test_what_is_no_bank_is_refused(learner, bank):
    with pytest.raises(LearnerError, match="expected a Bank"):
        retrain(learner, [[1]], bank=bank)


def test_places_that_cannot_hold_a_bank_are_refused(learner, tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(StoreError, match="cannot keep retrainings in"):
        Bank(tmp_path / "file")
    with pytest.raises(LearnerError, match="expected its path, got 3"):
        Bank(3)
    with pytest.raises(LearnerError, match="expected a Learner"):
        Bank(tmp_path).known("learner")
    with pytest.raises(LearnerError, match="nothing to retrain"):
        retrain(learner, [], bank=Bank(tmp_path))
    assert repr(Bank(tmp_path / "new")).endswith("new: 0 trainings, 0 bytes>")


def test_a_full_bank_opens_fast(learner, tmp_path):
    """10,000 trainings in files of 16: their headers are read, not their rows."""
    retrain(learner, [[i] for i in range(16)], bank=Bank(tmp_path))
    content = files(tmp_path)[0].read_bytes()
    for i in range(624):
        (tmp_path / f"{i:032x}.trainings").write_bytes(content)
    start = time.process_time()
    assert len(Bank(tmp_path)) == 16
    assert time.process_time() - start < 2.0      # 0.1 s, on a machine that is busy more
