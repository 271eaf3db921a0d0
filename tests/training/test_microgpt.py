"""The model and its data: the scalar twin, the names, sampling, the command."""
import ast
import inspect
import random
import subprocess
import sys

import numpy as np
import pytest
from checks import close

from circuit import gradient, integer, real, record
from deletion import LearnerError
from microgpt import (DocumentError, Shape, Tokenizer, first_letter, logits, loss, names, read_names, sample,
                      scalar)
from microgpt.data import SHIPPED

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def parameters_and_numbers(seed=0, scale=0.4):
    rng = random.Random(seed)
    numbers = [rng.gauss(0.0, scale) for _ in range(4192)]
    at, tensors = 0, {}
    for name, shape in Shape().parameters().items():
        tensors[name] = np.array(numbers[at:at + shape[0] * shape[1]]).reshape(shape)
        at += shape[0] * shape[1]
    return tensors, numbers


@pytest.mark.parametrize("name", ["max", "a", "christopherson", "bartholomewthegreat"])
def test_the_scalar_twin_agrees_on_values_and_gradients(name):
    tensors, numbers = parameters_and_numbers()
    tokens = Tokenizer(ALPHABET).encode(name)
    assert tokens.tolist() == scalar.encode(name, ALPHABET)
    model, values = scalar.build(numbers, 27)
    twin = scalar.document_loss(model, tokens.tolist())
    twin.backward()
    shape = Shape()
    circuit = gradient(record(lambda *x: loss(dict(zip(shape.parameters(), x)), x[-1], shape),
                              *[real(*s) for s in shape.parameters().values()], integer(len(tokens))),
                       wrt=range(9))
    value, *slopes = circuit(*tensors.values(), tokens)
    assert value == pytest.approx(twin.number, rel=1e-12)
    expected = np.array([v.slope for v in values])
    error = np.abs(np.concatenate([s.ravel() for s in slopes]) - expected).max()
    assert error < 1e-10 * np.abs(expected).max()
    # the same function on plain arrays
    assert np.allclose(loss(tensors, tokens, shape), value, rtol=1e-13)


def test_the_scalar_twin_trains_alike_with_weights():
    learner, weights = names(steps=4), [1.0, 0.0, 0.5, 1.0]
    tokens = [scalar.encode(name, ALPHABET) for name in learner.documents]
    losses = []

    def report(step, loss):
        losses.append(loss)
    trained = scalar.train(learner.layout.initial.tolist(), tokens, 27, 4, weights, report=report)
    assert np.abs(learner.train(np.array(weights))[0] - trained).max() < 1e-10 and len(losses) == 4


def test_the_scalar_twin_imports_nothing_but_the_standard_library():
    imported = set()
    for node in ast.walk(ast.parse(inspect.getsource(scalar))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.split(".")[0])
    assert imported <= set(sys.stdlib_module_names)


def test_names_are_shuffled_and_parameters_drawn_as_in_the_paper(golden):
    data, learner = golden("census_1000steps_w0"), names()
    assert learner.documents == data["docs"].tolist() and learner.tokenizer.alphabet == str(data["alphabet"])
    # normal numbers take a logarithm and a cosine
    np.testing.assert_allclose(learner.layout.initial, data["init"], rtol=1e-14)
    assert len(read_names()) == 5163 and len(set(read_names())) == 5163 and SHIPPED.exists()
    assert not set(learner.held_out) & set(learner.documents)


def test_learners_of_names():
    learner = names(steps=30, units=first_letter)
    assert learner.units == list(ALPHABET)
    assert [learner.units[u] for u in learner.unit_of] == [name[0] for name in learner.documents]
    assert names(steps=30).check(steps=2).unit_count == 30
    assert names(seed=1, steps=3).documents != learner.documents[:3]


def test_names_come_round_again_if_there_are_more_steps(tmp_path):
    (tmp_path / "few.txt").write_text("ann\nbob\n\n  cid \n", encoding="utf-8")
    learner = names(tmp_path / "few.txt", steps=7)
    assert sorted(learner.documents) == ["ann", "bob", "cid"] and len(learner.steps) == 7
    assert learner.tokenizer.alphabet == "abcdino" and learner.shape.vocabulary == 8
    assert learner.steps[3].weights.tolist() == [0]
    learner.train()


def test_documents_that_are_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n", encoding="utf-8")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xfa")
    for path, words in (("empty.txt", "holds no names"), ("missing.txt", "cannot read names"),
                        ("bytes.txt", "cannot read names")):
        with pytest.raises(DocumentError, match=words):
            read_names(tmp_path / path)
    learner = names(steps=2)
    with pytest.raises(DocumentError, match="'zoë' has 'ë', outside the alphabet"):
        learner.loss_on("zoë")
    with pytest.raises(DocumentError, match="empty name"):
        learner.loss_on("")
    for steps in (0, -1, 1.5, True):
        with pytest.raises(LearnerError, match="at least one step"):
            names(steps=steps)


def test_causality(rng):
    """A position's scores do not depend on the tokens after it."""
    tensors, _ = parameters_and_numbers()
    shape, tokens = Shape(), rng.integers(0, 27, 9)
    full = logits(tensors, tokens, shape)
    for count in (1, 4, 8):
        assert close(logits(tensors, tokens[:count], shape), full[:count], 1e-12)


def test_sampling():
    learner = names(steps=5)
    parameters = learner.layout.split(learner.train()[0])
    written = sample(parameters, learner.tokenizer, learner.shape, count=4, seed=3)
    assert written == sample(parameters, learner.tokenizer, learner.shape, count=4, seed=3)
    assert len(written) == 4 and all(set(name) <= set(ALPHABET) and len(name) <= 16 for name in written)


@pytest.mark.parametrize("module, options", [
    ("microgpt", ("--names", "--steps", "--samples", "--temperature", "--seed")),
    ("microgpt.scalar", ("--names", "--steps")),
])
def test_the_help_explains_every_option(module, options):
    printed = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True,
                             check=True).stdout
    lines = " ".join(printed.split())
    assert all(f" {option} " in lines for option in options) and lines.count("(default") == len(options)
