"""What cannot be recorded: the error says what to write instead, and what it says computes the same."""
import inspect
import math
import pydoc

import numpy as np
import pytest
from learners import data, logistic, network, tiny
from scipy import special

import circuit as C
from circuit import GATES, CircuitError, ShapeError, find_gate, integer, real, record
from circuit.advice import INSTEAD
from deletion import SGD, Learner, LearnerError, LeaveOneOuts, Retraining, Sketched
from deletion.influence import Influence
from deletion.unlearning import Rewind
from microgpt import names


@pytest.mark.parametrize("function, words", [
    (lambda w: np.exp(w), r"^numpy\.exp of a wire cannot be recorded: use circuit\.exp$"),
    (lambda w: np.matmul(w, np.ones(3)), r"numpy\.matmul.*a @ b"),
    (lambda w: np.where(np.arange(3) > 1, w, 0.0), r"numpy\.where.*mask \* a \+ \(1 - mask\) \* b"),
    (lambda w: np.einsum("i,i->", w, w), r"use circuit\.einsum"),
    (lambda w: np.add.reduce(w), r"numpy\.add"),
    (lambda w: np.abs(w), r"numpy\.absolute.*circuit\.abs"),
    (lambda w: np.linalg.norm(w), r"numpy\.linalg\.norm.*sqrt"),
    (lambda w: np.frexp(w), r"numpy\.frexp.*the functions that circuit/__init__\.py lists"),
    (lambda w: np.array(w), r"numpy\.array"),
    (lambda w: np.argmax(w), r"numpy\.argmax.*measure a loss"),
    (lambda w: np.sort(w), r"numpy\.sort.*jumps"),
    (lambda w: w.argmin(), "argmax and argmin.*measure a loss"),
    (lambda w: special.erf(w), r"scipy\.special\.erf.*use circuit\.erf"),
    (lambda w: special.expit(w), r"expit.*circuit\.sigmoid"),
    (lambda w: special.softmax(w), r"numpy\.array, or a function of numpy or scipy"),
    (lambda w: w == 1, r"== of a wire.*\(y == 1\)\.astype\(float\)"),
    (lambda w: 0.5 < w, "> of a wire"),
    (lambda w: np.ones(3) <= w, "[<>]= of a wire"),
    (lambda w: max(w[0], 0.0), "use maximum"),
    (lambda w: w if w[0] else -w, "if, and, or.*mask"),
    (lambda w: w[0] and w, "if, and, or.*mask"),
    (lambda w: float(w[0]), r"float\(\)"),
    (lambda w: math.exp(w[0]), r"circuit\.exp for math\.exp"),
    (lambda w: list(range(w[0])), r"range\(\).*x\.shape\[0\]"),
    (lambda w: abs(w), r"circuit\.abs"),
])
def test_the_function_and_its_replacement_are_named(function, words):
    with pytest.raises(CircuitError, match=words):
        record(function, real(3))


WRITTEN = {name: text.removeprefix("write ") for name, text in INSTEAD.items() if text.startswith("write ")}
ARGUMENTS = {"power": "x, a", "float_power": "x, a", "expand_dims": "x, 1", "amin": "x, axis",
             "min": "x, axis"}
BINARY = ("add", "subtract", "multiply", "divide", "matmul", "dot", "inner", "vdot", "outer", "logaddexp")


@pytest.mark.parametrize("name", WRITTEN)
def test_what_it_says_to_write_computes_the_same(name, rng):
    """Recorded, and compared with NumPy's own function."""
    function = getattr(np, name, None) or getattr(np.linalg, name)
    given = {"x": rng.uniform(0.5, 1.5, 3), "a": rng.normal(size=3), "b": rng.normal(size=3)}
    more = {"eps": 0.0, "axis": -1, "np": np, "circuit": C} | ({"a": 1.7} if "power" in name else {})
    recorded = record(lambda x, a, b: eval(WRITTEN[name], {"x": x, "a": a, "b": b} | more), *[real(3)] * 3)
    arguments = ARGUMENTS.get(name, "a, b" if name in BINARY else "x")
    expected = eval(f"f({arguments})", given | more | {"f": function})
    np.testing.assert_allclose(recorded(*given.values()), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("text", [text for text in INSTEAD.values() if text.startswith("use ")])
def test_what_it_says_to_use_exists(text):
    for name in text.removeprefix("use ").split(" and "):
        assert callable(getattr(C, name.removeprefix("circuit."))), name


def test_kinds_of_numbers():
    with pytest.raises(ShapeError, match=r"gate gather is given real numbers as ids.*y\.astype\(int\)"):
        record(C.cross_entropy, real(2, 3), real(2))
    with pytest.raises(ShapeError, match=r"gate scale is given whole numbers.*x\.astype\(float\)"):
        record(lambda x: x * 2.0, integer(3))


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
