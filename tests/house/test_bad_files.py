"""Bad names, files of names and golden files: an error, and a message that says what was wrong."""
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from benchmarks import parity
from microgpt import NameLearner, Shape, Tokenizer, logits, loss, names, read_names, sample


SMALL = Shape(vocabulary=4, embedding=4, heads=2, context=16)
TENSORS = {name: np.full(size, 0.1) for name, size in SMALL.parameters().items()}
ONE_TOO_MANY = {name: np.zeros(size) for name, size in Shape(vocabulary=4).parameters().items()}
ONE_TOO_MANY["more"] = np.zeros(2)
ABC = Tokenizer("abc")


@pytest.mark.parametrize("calculate, words", [
    (lambda: read_names(""), "cannot read names"),
    (lambda: read_names(5), "cannot read names"),
    (lambda: read_names(["a"]), "cannot read names"),
    (lambda: read_names("a\0b"), "cannot read names"),
    (lambda: names(units="x"), "units: expected a function"),
    (lambda: names(seed=-1), "seed"),
    (lambda: Tokenizer("aab"), "stands once"),
    (lambda: Tokenizer(""), "stands once"),
    (lambda: Tokenizer("abc", context=-5), "context"),
    (lambda: ABC.encode(["a"]), "a name is a text"),
    (lambda: ABC.encode(5), "a name is a text"),
    (lambda: ABC.decode([-1]), "no token -1"),
    (lambda: ABC.decode([7]), "tokens are 0 to 3"),
    (lambda: ABC.decode([1.0]), "no token 1.0"),
    (lambda: Shape(heads=3), "multiple"),
    (lambda: Shape(heads=0), "heads"),
    (lambda: Shape(layers=1.5), "layers"),
    (lambda: logits(TENSORS, np.zeros(17, int), SMALL), "1 to 16 tokens"),
    (lambda: loss(TENSORS, np.zeros(1, int), SMALL), "1 to 16 tokens"),
    (lambda: logits(TENSORS, np.zeros(3), SMALL), "gate gather"),
    (lambda: sample(TENSORS, ABC, SMALL, temperature=-1), "temperature.*> 0"),
    (lambda: sample(TENSORS, ABC, SMALL, temperature=0), "temperature"),
    (lambda: sample(TENSORS, ABC, SMALL, count=2.5), "number of samples"),
    (lambda: sample(TENSORS, ABC, SMALL, seed=-1), "seed"),
    (lambda: sample(np.zeros(9), ABC, SMALL), "by name"),
    (lambda: NameLearner("abc", ABC, {}), "sequence of names"),
    (lambda: NameLearner(["abc"], ABC, TENSORS), "'wte' has shape"),
    (lambda: NameLearner(["abc"], ABC, np.zeros(3)), "'wte' has shape None"),
    (lambda: NameLearner(["abc"], ABC, ONE_TOO_MANY), "'more' has shape"),
])
def test_microgpt(calculate, words):
    refused(words, calculate)


def test_files_of_names_are_split_at_line_ends_only(tmp_path):
    (tmp_path / "names.txt").write_bytes("\ufeffann\r\nbob\x0bby\n".encode())
    assert read_names(tmp_path / "names.txt") == ["ann", "bob\x0bby"]
    (tmp_path / "nul.txt").write_bytes(b"ann\nb\0b\n")
    refused("NUL in line 2", read_names, tmp_path / "nul.txt")


def test_the_command_line_ends_with_one_line():
    for arguments, words in ((["--seed", "-1"], "a seed"), (["--temperature", "0"], "a temperature"),
                             (["--steps", "0"], "at least one step")):
        result = subprocess.run([sys.executable, "-m", "microgpt", *arguments], capture_output=True,
                                text=True)
        assert result.returncode == 2 and words in result.stderr and result.stderr.count("\n") == 1


def test_parity_of_files_that_are_none(tmp_path, golden):
    good = golden("census_12steps_degree6")
    whole = (Path(__file__).parent.parent / "golden" / "census_12steps_degree6.npz").read_bytes()
    for name, content in (("empty", b""), ("cut", whole[:5000]), ("garbage", b"PK\3\4" + bytes(100)),
                          ("damaged", whole[:3000] + bytes(900) + whole[3900:])):
        (tmp_path / f"{name}.npz").write_bytes(content)
        refused("cannot read", parity.load, tmp_path / f"{name}.npz")
    np.save(tmp_path / "array.npy", np.ones(3))
    refused("lacks", parity.load, tmp_path / "array.npy")
    for change, words in ((dict(degree=6.7), "degree"), (dict(init=np.append(good["init"], 1.0)), "init"),
                          (dict(alphabet="aab"), "stands once"),
                          (dict(downweight_constant=good["downweight_constant"] * 1j), "downweight_constant"),
                          (dict(downweight_direction=np.ones((2, 12))), "downweight_direction"),
                          (dict(docs=np.arange(12)), "docs")):
        np.savez(tmp_path / "other.npz", **good | change)
        refused(words, parity.load, tmp_path / "other.npz")
    assert np.isnan(parity.largest((np.array([1.0, np.nan]), np.array([2.0]))))
