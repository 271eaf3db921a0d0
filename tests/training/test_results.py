"""What is done with a trained model: evaluated, followed through its training, saved and loaded."""
import numpy as np
import pytest

from circuit import einsum
from deletion import SGD, Adam, Learner, LearnerError, Momentum
from microgpt import names

X = np.random.default_rng(4).normal(size=(9, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.1


def line(p, x, y):
    return (einsum("bi,i->b", x, p["w"]) + p["b"] - y) ** 2


def one_line(p, x, y):
    return ((x * p["w"]).sum() + p["b"] - y) ** 2


def learner(loss=line, schedule=np.arange(12).reshape(4, 3) % 9, optimizer=Momentum(0.05, 0.5), start=0.0):
    return Learner({"w": np.full(3, start), "b": 0.0}, list(zip(X, Y)), loss, optimizer, schedule)


@pytest.mark.parametrize("made", (learner(), learner(one_line, np.arange(12) % 9)), ids=("batches", "alone"))
def test_examples_are_evaluated_one_by_one(made):
    new = [(x + 1.0, y) for x, y in zip(X[:4], Y)]
    p = made.parameters()
    expected = [(x @ p["w"] + p["b"] - y) ** 2 for x, y in new]
    np.testing.assert_allclose(made.evaluate(new), expected, rtol=1e-14)
    margin = made.evaluate(new, lambda p, x, y: np.array([x @ p["w"], y]))
    np.testing.assert_allclose(margin, [[x @ p["w"], y] for x, y in new], rtol=1e-14)
    zero = {"w": np.zeros(3), "b": 0.0}
    np.testing.assert_array_equal(made.evaluate(new, parameters=zero), Y[:4] ** 2)


def test_documents_of_several_lengths():
    made = names(steps=5)
    losses = made.evaluate(made.examples[:6])
    expected = [made.loss_on(name)(made.parameters()) for name in made.documents[:6]]
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_a_training_followed():
    """By the training itself, stopped after so many steps."""
    made = learner()
    steps, values = made.training_curve(lambda p: p["w"], every=3)
    assert steps.tolist() == [0, 3, 4]
    for count, value in zip(steps[1:], values[1:]):
        stopped = learner(schedule=made.schedule[:count])
        np.testing.assert_allclose(value, stopped.parameters()["w"], rtol=1e-13)
    assert values[0].tolist() == [0.0] * 3
    assert made.training_curve(lambda p: p["b"])[0].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(LearnerError, match="every"):
        made.training_curve(lambda p: p["b"], every=0)


def test_saved_and_loaded(tmp_path):
    made = learner()
    made.save(tmp_path / "model.npz")
    assert sorted(np.load(tmp_path / "model.npz").files) == ["b", "fingerprint of the learner", "w"]
    loaded = learner().load(tmp_path / "model.npz")
    np.testing.assert_array_equal(loaded["w"], made.parameters()["w"])
    assert loaded["b"] == made.parameters()["b"] and loaded["b"].shape == ()
    single = Learner(np.zeros(2), [1.0], lambda w, x: ((w - x) ** 2).sum(), SGD(0.1), [0, 0])
    single.save(tmp_path / "single.npz")
    np.testing.assert_array_equal(single.load(tmp_path / "single.npz"), single.trained)


def test_what_is_not_loaded(tmp_path):
    made, path = learner(), tmp_path / "model.npz"
    made.save(path)
    for other in (learner(start=0.5), learner(optimizer=Adam(0.1))):
        with pytest.raises(LearnerError, match="saved by another learner"):
            other.load(path)
    with np.load(path) as file:
        content = dict(file)
    for change, words in (({"w": np.array([1.0, np.nan, 0.0])}, "parameter 'w'.*nan"),
                          ({"w": np.zeros(4)}, "expected"), ({"more": np.zeros(1)}, "expected")):
        np.savez(path, **{**content, **change})
        with pytest.raises(LearnerError, match=words):
            made.load(path)
    np.savez(path, **{**content, "w": np.array([{}], object)})      # needs unpickling, which runs code
    with pytest.raises(LearnerError, match="no file that a learner saved"):
        made.load(path)
    path.write_bytes(b"PK\x03\x04 and nothing")
    with pytest.raises(LearnerError, match="no file that a learner saved"):
        made.load(path)


def test_no_examples_and_wrong_ones():
    with pytest.raises(LearnerError, match="no examples"):
        learner().evaluate([])
    with pytest.raises(LearnerError, match="2 arguments|3 arguments"):
        learner().evaluate([(X[0], Y[0])], lambda p: 1.0)
