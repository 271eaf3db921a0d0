"""Parameters in dicts, lists and tuples: the same learner as with a flat dict, in the form users like."""
import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
from checks import close

from circuit import tanh
from deletion import SGD, Learner, LearnerError, precompute, retrain
from deletion.influence import metagradient
from deletion.influence.gaps import begun_at


class Layer(NamedTuple):
    weight: Any
    bias: Any


RNG = np.random.default_rng(0)
ARRAYS = RNG.normal(size=(2, 3)), RNG.normal(size=3), RNG.normal(size=(3, 1)), RNG.normal(size=()), np.ones(2)
X, Y = RNG.normal(size=(6, 2)), RNG.normal(size=6)


def nested(a, b, c, d, e):
    return {"layers": [Layer(a, b), {"weight": c, "bias": d}], "scale": (e,)}


def nested_loss(p, x, y):
    (weight, bias), last = p["layers"]
    out = tanh((x * p["scale"][0]) @ weight + bias) @ last["weight"] + last["bias"]
    return ((out - y) ** 2).sum()


def flat_loss(p, x, y):
    return nested_loss(nested(*(p[letter] for letter in "abcde")), x, y)


def square(p):
    return p["layers"][1]["bias"] ** 2 + (p["layers"][0].weight ** 2).sum()


def learners():
    fields = list(zip(X, Y)), SGD(0.1), np.arange(12) % 6
    return (Learner(nested(*ARRAYS), fields[0], nested_loss, *fields[1:]),
            Learner(dict(zip("abcde", ARRAYS)), fields[0], flat_loss, *fields[1:]))


def test_leaves_are_named_by_what_leads_to_them():
    learner, _ = learners()
    assert learner.layout.shapes == {"layers.0.weight": (2, 3), "layers.0.bias": (3,), "scale.0": (2,),
                                     "layers.1.weight": (3, 1), "layers.1.bias": ()}


def test_nested_and_flat_parameters_are_the_same_learner():
    learner, flat = learners()
    assert learner.fingerprint() == flat.fingerprint()
    assert learner.again().fingerprint() == pickle.loads(pickle.dumps(learner)).fingerprint()
    p = learner.parameters()
    assert [type(x) for x in (p["layers"], p["layers"][0], p["scale"])] == [list, Layer, tuple]
    leaves = (*p["layers"][0], *p["layers"][1].values(), *p["scale"])
    np.testing.assert_array_equal(np.concatenate([np.ravel(x) for x in leaves]), flat.trained)
    truth = retrain(flat, [[1], [2, 3]], lambda p: p["d"] ** 2 + (p["a"] ** 2).sum())
    assert close(retrain(learner, [[1], [2, 3]], square), truth, 1e-14)


def test_everything_takes_the_same_form():
    """The sketch, the metagradient, a regularizer, a measurement on arrays."""
    learner, _ = learners()
    learner = learner.again(regularizer=square)
    measured = precompute(learner, directions=6, degree=1, calibration=0, progress=False).measure(square)
    assert measured.value == pytest.approx(square(learner.parameters()), rel=1e-12)
    slopes = metagradient(learner, square, progress=False).changes([[0], [1]], weight=1.0 - 1e-5)
    truth = retrain(learner, [[0], [1]], square, weight=1.0 - 1e-5) - measured.value
    assert close(slopes.ravel(), truth, 1e-3)
    held = begun_at(learner, 0.5)
    assert held.regularizer(learner.parameters()) == pytest.approx(square(learner.parameters()), rel=1e-12)


def test_a_list_of_numbers_is_one_array_and_a_list_of_arrays_is_not():
    def shapes(parameters, loss):
        return Learner(parameters, X, loss, SGD(0.1), [0]).layout.shapes
    assert shapes([[1.0, 2.0], [3.0, 4.0]], lambda w, x: (w @ x).sum()) == {"": (2, 2)}
    assert shapes([1.0, np.float64(2.0)], lambda w, x: (w * x).sum()) == {"": (2,)}
    assert shapes([np.ones(2), np.ones(2)], lambda w, x: (w[0] * x * w[1]).sum()) == {"0": (2,), "1": (2,)}
    assert shapes([1.0, np.ones(2)], lambda w, x: (w[1] * x * w[0]).sum()) == {"0": (), "1": (2,)}
    assert shapes({0: [1.0, 2.0]}, lambda w, x: (w[0] * x).sum()) == {"0": (2,)}


@pytest.mark.parametrize("parameters, words", [
    ({"a": {}}, "at least one parameter"),
    ({"a.b": np.ones(2), "a": {"b": np.ones(2)}}, "two parameters are named 'a.b'"),
    ({1: np.ones(2), "1": np.ones(2)}, "two parameters are named '1'"),
    ([np.ones(2), "x"], "parameter '1': expected real or whole numbers"),
    ({"a": [np.ones(2), {"b": None}]}, "parameter 'a.1.b': expected"),
    ({"a": [[1.0], [1.0, 2.0]]}, "parameter 'a': .*different lengths"),
])
def test_what_is_no_parameter_is_named(parameters, words):
    with pytest.raises(LearnerError, match=words):
        Learner(parameters, X, lambda p, x: 0.0, SGD(0.1), [0])
