"""The bank of retrainings: nothing is made twice, nothing is lost, and nothing damaged is used."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from learners import logistic

from circuit import DomainError, sqrt
from deletion import SGD, Bank, Learner, LearnerError, retrain
from deletion.learner import retrain as module
from deletion.storage.trainings import MAGIC

SETS = [[0], [1, 2], [], [0], [2, 1]]

FILL = """
import sys
sys.path.insert(0, {tests!r})
from learners import logistic
from deletion import Bank, retrain
retrain(logistic(steps=5), [[i] for i in range({first}, {first} + 20)], bank=Bank({folder!r}), progress=False)
"""


def measure(w):
    return w[0] * 2.0


@pytest.fixture
def trained(monkeypatch):
    """The number of trainings that were made."""
    counted = []
    original = module.train_block

    def counting(learner, weights, *rest):
        counted.append(len(weights))
        return original(learner, weights, *rest)

    monkeypatch.setattr(module, "train_block", counting)
    return counted


def test_every_training_is_made_once_with_the_same_bits(tmp_path, trained):
    learner, bank = logistic(steps=20), Bank(tmp_path / "bank")
    plain = retrain(learner, SETS, progress=False)
    trained.clear()
    assert np.array_equal(retrain(learner, SETS, bank=bank, progress=False), plain)
    assert sum(trained) == 3 and len(bank) == 3      # [0], {1, 2} and nothing
    again = Bank(tmp_path / "bank")
    assert np.array_equal(retrain(learner, SETS, measure, bank=again, progress=False), plain[:, 0] * 2.0)
    assert sum(trained) == 3
    weights, parameters = again.known(learner)
    assert weights.shape == (3, learner.unit_count) and parameters.shape == (3, learner.layout.size)
    assert np.array_equal(retrain(learner, weights=weights, progress=False), parameters)
    some = np.stack([weights[0], 0.5 + 0.0 * weights[0]])
    assert again.of(learner).contains(some).tolist() == [True, False]
    assert again.bytes == sum(file.stat().st_size for file in (tmp_path / "bank").iterdir())


def test_another_learner_shares_nothing(tmp_path):
    bank = Bank(tmp_path)
    retrain(logistic(steps=20), SETS, bank=bank, progress=False)
    other = logistic(steps=21)
    assert len(bank.known(other)[0]) == 0
    plain = retrain(other, SETS, progress=False)
    assert np.array_equal(retrain(other, SETS, bank=bank, progress=False), plain)
    assert len(bank) == 6


def test_a_unit_that_no_step_uses_makes_no_difference(tmp_path, trained):
    x = np.arange(4.0)
    learner = Learner([0.0], list(x), lambda w, x: (w[0] - x) ** 2, SGD(0.1), [[0, 1, 2]] * 3)
    a, b = retrain(learner, [[0], [0, 3]], bank=Bank(tmp_path), progress=False)
    assert a == b and sum(trained) == 1


def test_several_processes_fill_one_bank(tmp_path):
    programs = [FILL.format(tests=str(Path(__file__).parent.parent), first=first, folder=str(tmp_path))
                for first in (0, 10)]
    running = [subprocess.Popen([sys.executable, "-c", program], env=os.environ) for program in programs]
    assert [process.wait() for process in running] == [0, 0]
    learner, bank = logistic(steps=5), Bank(tmp_path)
    weights, _ = bank.known(learner)
    assert len(bank) == 30 and sorted(np.flatnonzero(1.0 - weights) % learner.unit_count) == list(range(30))


def test_finished_blocks_survive_a_failure(tmp_path):
    x = np.ones(40)
    learner = Learner([1.0], list(x), lambda w, x: sqrt(w[0]) * x, SGD(0.1), [range(40)] * 3)
    bank, weights = Bank(tmp_path), np.ones((32, 40))
    weights[:, 0] += np.arange(32)
    weights[20] = 100.0      # its second step is at a negative number
    with pytest.raises(DomainError, match="of 32 trainings that the bank does not hold"):
        retrain(learner, weights=weights, bank=bank, threads=1, progress=False)
    assert len(bank) == 16      # the first block


def rewritten(file, change):
    """Replace the content of a file by change(content)."""
    file.write_bytes(change(file.read_bytes()))


@pytest.mark.parametrize("change, words", [
    (lambda b: b[:-1], "bytes long"),
    (lambda b: b[:30], "damaged|begins"),
    (lambda b: b"", "begins with"),
    (lambda b: b[:-3] + bytes([b[-3] ^ 1]) + b[-2:], "not what its checksum says"),
    (lambda b: b[:70] + bytes([b[70] ^ 1]) + b[71:], "not what its checksum says"),
    (lambda b: b"PK" + b[2:], "begins with"),
    (lambda b: MAGIC + (1 << 60).to_bytes(8, "little") + b[len(MAGIC) + 8:], "begins with"),
])
def test_a_damaged_file_is_named_and_made_again(tmp_path, caplog, change, words):
    learner = logistic(steps=5)
    plain = retrain(learner, [[0], [1]], bank=Bank(tmp_path), progress=False)
    file, = tmp_path.glob("*.trainings")
    rewritten(file, change)
    bank = Bank(tmp_path)
    assert np.array_equal(retrain(learner, [[0], [1]], bank=bank, progress=False), plain)
    assert file.name in caplog.text and re.search(words, caplog.text)
    assert len(bank) == 2 and len(list(tmp_path.glob("*.trainings"))) == 2


def test_forged_contents_with_good_checksums_are_refused(tmp_path, caplog):
    """Weights that are not those a row is listed under, and parameters that are not finite."""
    from deletion.storage.trainings import write_rows
    learner, bank = logistic(steps=5), Bank(tmp_path)
    kept, row = bank.of(learner), np.ones((1, learner.unit_count))
    plain = retrain(learner, weights=row, progress=False)
    write_rows(tmp_path / ("a" * 32 + ".trainings"), kept.parts, kept.sizes, [kept._packed(row[0])],
               np.full((1, learner.layout.size), np.nan))
    assert np.array_equal(retrain(learner, weights=row, bank=bank, progress=False), plain)
    assert "wrong number" in caplog.text


def test_symbolic_links_and_other_files_are_left_alone(tmp_path, caplog):
    learner, secret = logistic(steps=5), tmp_path / "secret"
    folder = tmp_path / "bank"
    retrain(learner, [[0]], bank=Bank(folder), progress=False)
    (folder / "notes.txt").write_text("mine")
    file, = folder.glob("*.trainings")
    file.rename(secret)
    file.symlink_to(secret)
    assert len(Bank(folder)) == 0 and file.name in caplog.text and (folder / "notes.txt").exists()


@pytest.mark.parametrize("bank, words", [("folder", "expected a Bank"), (3, "expected a Bank")])
def test_what_is_no_bank(bank, words):
    with pytest.raises(LearnerError, match=words):
        retrain(logistic(steps=2), [[0]], bank=bank)


def test_a_path_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LearnerError.__base__, match="cannot keep retrainings"):
        Bank(tmp_path / "file")
    with pytest.raises(LearnerError, match="expected its path"):
        Bank(3)


def test_the_header_is_data_that_says_what_is_kept(tmp_path):
    learner = logistic(steps=5)
    retrain(learner, [[0]], bank=Bank(tmp_path), progress=False)
    content = next(tmp_path.glob("*.trainings")).read_bytes()
    length = int.from_bytes(content[len(MAGIC):len(MAGIC) + 8], "little")
    header = json.loads(content[len(MAGIC) + 40:len(MAGIC) + 40 + length])
    assert header["units"] == learner.unit_count and len(header["trainings"]) == 1
