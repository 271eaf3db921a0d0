"""What cannot be recorded: the error says what to write instead, and what it says computes the same."""
import inspect
import math
import pydoc

import numpy as np
import pytest
from learners import data, logistic, network, tiny
from scipy import special

import circuit as C
from circuit import GATES, CircuitError, DomainError, ShapeError, find_gate, integer, real, record
from circuit.advice import CHOICES, COMPARISONS, INSTEAD
from circuit.numpy_functions.table import TABLE
from deletion import SGD, Learner, LearnerError, LeaveOneOuts, Retraining, Sketched
from deletion.influence import Influence
from deletion.unlearning import Rewind
from microgpt import names


@pytest.mark.parametrize("function, words", [
    (lambda w: np.sinh(w), r"^numpy\.sinh of a wire cannot be recorded: write \(np\.expm1\(x\)"),
    (lambda w: np.linalg.inv(w), r"numpy\.linalg\.inv.*no gate solves"),
    (lambda w: np.isnan(w), r"numpy\.isnan.*ask this of the data"),
    (lambda w: np.frexp(w), r"numpy\.frexp.*circuit/README\.md lists the functions"),
    (lambda w: np.add.reduceat(w, [0, 1]), r"numpy\.add\.reduceat.*write out"),
    (lambda w: np.subtract.reduce(w), r"numpy\.subtract\.reduce.*write out"),
    (lambda w: np.add(w, 1.0, out=np.ones(3)), r"numpy\.add with out=.*write a = a \+ x"),
    (lambda w: np.ones(3).__iadd__(w), r"numpy\.add with out=.*write a = a \+ x"),
    (lambda w: np.sum(w, initial=1.0), r"numpy\.sum.*'initial'; it takes \(x, axis=None, \*, keepdims"),
    (lambda w: np.mean(w, dtype=np.float32), r"numpy\.mean.*'dtype'"),
    (lambda w: np.exp(w, where=np.ones(3, bool)), r"numpy\.exp.*'where'; it takes \(x\)"),
    (lambda w: np.sum(w, 0, None, None, True), r"numpy\.sum.*too many positional"),
    (lambda w: np.linalg.norm(w.reshape(1, 3), 2), r"norm.*ord=2 over 2 axes"),
    (lambda w: np.linalg.norm(w, 0), r"norm.*ord=0 over 1 axes"),
    (lambda w: np.var(w, ddof=3), "ddof=3"),
    (lambda w: np.mean(w[:0]), "mean of nothing"),
    (lambda w: np.pad(w, 1, "mean"), r"numpy\.pad.*mode='mean'"),
    (lambda w: np.diff(w, n=-1), "expected n"),
    (lambda w: np.split(w, 2), r"numpy\.split.*equal division"),
    (lambda w: np.squeeze(w, axis=0), r"numpy\.squeeze"),
    (lambda w: np.swapaxes(w, 0, 3), r"numpy\.swapaxes.*axis"),
    (lambda w: np.einsum("ij->i", w), "operand 'ij' has shape"),
    (lambda w: np.einsum("i,i", w), "1 operands are given for 2"),
    (lambda w: np.einsum("i->ii", w), "each once"),
    (lambda w: np.einsum("i,i->", w, np.ones(2)), "others have axes"),
    (lambda w: np.einsum("...i->i", np.ones((2, 3)) * w), "output lacks"),
    (lambda w: np.einsum("ii", np.ones((2, 3)) * w), "has one length"),
    (lambda w: np.einsum(w, [0]), "expected a text such as"),
    (lambda w: np.tensordot(w, np.ones((3, 3)), 2), "over 2 axes"),
    (lambda w: np.dot(w, np.ones(2)), "3 and 2|2 and 3"),
    (lambda w: w @ np.ones(()), "at least one axis"),
    (lambda w: np.take(w, [3]), "index 3"),
    (lambda w: np.take(w, [0], mode="wrap"), "'mode'"),
    (lambda w: np.array(w), r"numpy\.array.*np\.stack"),
    (lambda w: np.array([w[0], w[1]]), r"numpy\.array.*np\.stack"),
    (lambda w: w.astype(int), "astype.*of a wire of real numbers"),
    (lambda w: np.argmax(w), r"numpy\.argmax.*measure a loss"),
    (lambda w: np.sort(w), r"numpy\.sort.*jumps"),
    (lambda w: w.argmin(), "argmax and argmin.*measure a loss"),
    (lambda w: w.round(2), "sort and round.*measure a loss"),
    (lambda w: w[0].item(), "item, tolist, any and all.*no number"),
    (lambda w: special.softmax(w), r"^scipy\.special\.softmax of a wire .*: use circuit\.softmax$"),
    (lambda w: special.logsumexp(w), r"^scipy\.special\.logsumexp of a wire .*: use circuit\.logsumexp"),
    (lambda w: special.log_softmax(w), r"^scipy\.special\.log_softmax of a wire .*circuit\.log_softmax$"),
    (lambda w: special.ndtr(w), r"scipy\.special\.ndtr.*special\.erf"),
    (lambda w: w == 1, r"== of a wire.*\(y == 1\)\.astype\(float\)"),
    (lambda w: 0.5 < w, "> of a wire"),
    (lambda w: np.ones(3) <= w, "[<>]= of a wire"),
    (lambda w: np.greater(w, 1.0), "> of a wire"),
    (lambda w: max(w[0], 0.0), r"use np\.maximum"),
    (lambda w: w if w[0] else -w, "if, and, or.*mask"),
    (lambda w: w[0] and w, "if, and, or.*mask"),
    (lambda w: float(w[0]), r"float\(\)"),
    (lambda w: math.exp(w[0]), r"np\.exp for math\.exp"),
    (lambda w: list(range(w[0])), r"range\(\).*x\.shape\[0\]"),
])
def test_the_function_and_its_replacement_are_named(function, words):
    with pytest.raises(CircuitError, match=words):
        record(function, real(3))


def test_what_is_refused_is_not_in_the_table():
    recorded = {function.__name__ for function in TABLE}
    assert not recorded & (set(INSTEAD) | set(CHOICES) | set(COMPARISONS))


WRITTEN = {name: text.removeprefix("write ").split(" (where")[0] for name, text in INSTEAD.items()
           if text.startswith("write ")}
CALLED = dict.fromkeys(("arctan2", "hypot", "xlogy"), "f(a, b)") | {"average": "f(x, weights=a)"}
ABOVE_1 = ("arccosh",)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_it_says_to_write_computes_the_same(name, rng):
    """Recorded, and compared with NumPy's own function."""
    function = getattr(np, name, None) or getattr(special, name)
    low, high = (1.2, 2.0) if name in ABOVE_1 else (0.3, 0.8)
    given = dict(zip("xab", rng.uniform(low, high, (3, 3))))
    names = {"np": np, "special": special}
    recorded = record(lambda x, a, b: eval(WRITTEN[name], names | {"x": x, "a": a, "b": b}), *[real(3)] * 3)
    expected = eval(CALLED.get(name, "f(x)"), given | {"f": function})
    np.testing.assert_allclose(recorded(*given.values()), expected, rtol=1e-13)


@pytest.mark.parametrize("text", [text for text in INSTEAD.values() if text.startswith("use ")])
def test_what_it_says_to_use_exists(text):
    for name in text.removeprefix("use ").split(" or "):
        assert callable(eval(name, {"circuit": C, "np": np})), name


def test_kinds_of_numbers():
    with pytest.raises(ShapeError, match=r"gate gather is given real numbers as ids.*y\.astype\(int\)"):
        record(C.cross_entropy, real(2, 3), real(2))
    for function in (lambda x: x * 2.0, np.exp, np.sum, np.mean, np.abs, lambda x: np.where(True, x, 1.0)):
        with pytest.raises(ShapeError, match=r"gate \w+ is given whole numbers.*x\.astype\(float\)"):
            record(function, integer(3))


def test_whole_numbers_are_moved_and_choose(rng):
    ids, x = np.array([[0, 1, 1], [1, 0, 0]]), rng.normal(size=(2, 3))
    for function in (np.ravel, np.transpose, lambda i: np.stack([i, i], axis=1), lambda i: np.flip(i, 0),
                     lambda i: np.pad(i, 1), lambda i: np.concatenate([i, [[5, 6, 7]]])):
        moved = record(function, integer(2, 3))
        assert moved.shapes[moved.outputs[0]] == function(ids).shape
        assert np.array_equal(moved(ids), function(ids)) and moved(ids).dtype == np.int64
    for function in (lambda x, i: np.where(i, x, -x), lambda x, i: np.take(x, i, axis=0),
                     lambda x, i: np.take(x, i), lambda x, i: np.take_along_axis(x, i, axis=1),
                     lambda x, i: np.take_along_axis(x, i[:, :1], axis=-1), lambda x, i: x[i],
                     lambda x, i: np.take_along_axis(x, i[:1, :], axis=0)):
        assert np.array_equal(record(function, real(2, 3), integer(2, 3))(x, ids), function(x, ids))
    for function in (lambda i: np.ones(3)[i], lambda i: np.take(np.ones(3), i)):
        with pytest.raises(CircuitError, match=r"write circuit\.embedding\(array, ids\)"):
            record(function, integer(2))
    with pytest.raises(CircuitError, match=r"write circuit\.embedding\(array, ids\)"):
        record(lambda i: np.eye(3)[i], integer())
    with pytest.raises(DomainError, match="row 2 of a table with rows 0..1"):
        record(lambda i: np.where(i, 1.0, 0.0), integer(2))(np.array([0, 2]))


def class_loss(w, x, y):
    return C.cross_entropy(x @ w, y)


def test_class_labels_that_are_floats():
    x, y = data(6, 3)
    examples = list(zip(x, (y > 0).astype(float)))
    with pytest.raises(CircuitError, match=r"targets are whole numbers: give y\.astype\(int\)"):
        Learner(np.zeros((3, 2)), examples, class_loss, SGD(0.1), np.arange(6)[None])


@pytest.mark.parametrize("examples, words", [
    (lambda x, y: (x, y), r"0 to 1, arrays of 6 rows each\. .* did you mean list\(zip\(X, y\)\)\?"),
    (lambda x, y: [x, y, y], r"did you mean list\(zip\(X, y, z\)\)\?"),
    (lambda x, y: [x[:5], y[:5]], "there are examples 0 to 1$"),
    (lambda x, y: list(x[:3]), "there are examples 0 to 2$"),
    (lambda x, y: list(zip(x, y))[:3], "there are examples 0 to 2$"),
    (lambda x, y: [1.0, 2.0], "there are examples 0 to 1$"),
])
def test_columns_in_place_of_examples(examples, words):
    with pytest.raises(LearnerError, match=words):
        Learner(np.zeros(3), examples(*data(6, 3)), lambda w, x, y: (x @ w - y) ** 2, SGD(0.1), [[5, 0]])


# what things say of themselves ------------------------------------------------------------------------------

@pytest.mark.parametrize("name", GATES)
def test_help_of_a_gate_is_its_own(name):
    text = " ".join(pydoc.plain(pydoc.render_doc(GATES[name])).split())
    assert " ".join(GATES[name].doc.split()) in text and "One operation of the circuit language" not in text
    assert f"{name}(" in text


def test_help_of_a_gate_shows_how_it_is_called():
    assert C.exp.__doc__.startswith("exp(x)\n")
    assert find_gate("power").__doc__.startswith("power(x, exponent)\n")
    assert str(inspect.signature(find_gate("concatenate"))) == "(*inputs, axis)"


def test_learners_say_what_they_are():
    assert repr(logistic()) == "<Learner: 30 examples, 3 parameters, 40 steps of 30 by SGD(rate=1.0)>"
    assert repr(network(units=np.arange(20) % 3, optimizer=SGD(0.1))) == (
        "<Learner: 20 examples in 3 units, 20 parameters, 30 steps of 4 by SGD(rate=0.1)>")
    assert repr(tiny()).startswith("<Learner: 6 examples, 2 parameters, 12 steps by Adam(rate=0.3,")
    assert "4,192 parameters" in repr(names(steps=5))


def test_methods_say_what_they_are():
    assert repr(Retraining()) == "Retraining()" and repr(LeaveOneOuts()) == "LeaveOneOuts()"
    assert repr(Sketched(20)) == "Sketched(directions=20, degree=3, seed=0, options={})"
    assert "curvature='gauss-newton'" in repr(Influence("gauss-newton"))
    assert "damping=0.1" in repr(Influence(damping=0.1)) and "steps=50" in repr(Rewind(50))


def test_parameters_as_trained_have_the_form_they_were_given_in():
    made = network()
    trained = made.parameters()
    assert {name: x.shape for name, x in trained.items()} == {"w1": (3, 4), "b1": (4,), "w2": (4,)}
    assert np.array_equal(np.concatenate([x.ravel() for x in trained.values()]), made.trained)
    np.testing.assert_allclose(made.trained, made.train()[0], rtol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        trained["b1"][0] = 1.0
    assert np.array_equal(tiny().parameters(), tiny().trained)
