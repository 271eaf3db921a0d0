"""Predictions as data frames, and units from a column of one (pandas)."""
import numpy as np
import pytest

from deletion import SGD, Learner, precompute

pandas = pytest.importorskip("pandas")


def loss(w, x):
    return (w[0] - x) ** 2


@pytest.fixture(scope="module")
def sketch():
    learner = Learner([0.0], list(np.arange(20.0) / 10), loss, SGD(0.3), [range(20)] * 30)
    return precompute(learner, 10, degree=2, progress=False)


def test_one_number(sketch):
    prediction = sketch.measure(lambda w: w[0]).predict([18, 19])
    frame = prediction.to_frame()
    assert frame.shape == (1, 7) and frame.value[0] == prediction.value
    assert frame.loc[0, ["low", "high"]].tolist() == [float(bound) for bound in prediction.interval]
    assert frame.verdict[0] == prediction.verdict and prediction.reasons[0] in frame.reason[0]


def test_many_sets_of_several_elements(sketch):
    measured = sketch.measure(lambda w: w * np.array([1.0, 2.0, 3.0]))
    prediction = measured.predict_many([[0], [1, 2], [], [5]])
    frame = prediction.to_frame()
    assert frame.index.names == ["set", "element"] and len(frame) == 12
    np.testing.assert_array_equal(frame.change.to_numpy().reshape(4, 3), prediction.change)
    assert frame.loc[(1, 2), "high"] == prediction.interval[1][1, 2]
    assert frame.loc[3].verdict.tolist() == [prediction.verdict[3]] * 3
    one = prediction.row(3).to_frame()
    np.testing.assert_array_equal(one.value, prediction.value[3])


def test_without_intervals(sketch):
    frame = sketch.measure(lambda w: w[0]).predict_many([[0], [1]], intervals=False).to_frame()
    assert frame.columns.tolist() == ["value", "change", "source"] and frame.index.tolist() == [0, 1]


def test_units_and_examples_from_a_frame():
    data = pandas.DataFrame({"user": ["b", "a", "b", "c"], "x": [1.0, 2.0, 3.0, 4.0]}, index=[7, 5, 3, 1])
    learner = Learner([0.0], data.x, loss, SGD(0.1), [range(4)] * 3, units=data.user, labels=data.index)
    assert learner.units == ["a", "b", "c"] and learner.unit_of.tolist() == [1, 0, 1, 2]
    plain = Learner([0.0], [1.0, 2.0, 3.0, 4.0], loss, SGD(0.1), [range(4)] * 3, units=list("babc"))
    np.testing.assert_array_equal(learner.trained, plain.trained)
    assert learner.deletion_sets([data.user.unique()[:1]]).units.tolist() == [1]
