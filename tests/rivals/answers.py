"""What the tests of unlearning rules share."""
import numpy as np

from benchmarks.guarantees import whole

SETS = [[3], [5, 0, 11], []]


def answered(rule, learner, sets=SETS):
    """A rule's parameters for every set; deleting nothing changes nothing, to the bit."""
    answer = rule.answer(learner, sets, whole)
    for chosen, change, theta in zip(sets, answer.change, answer.parameters):
        assert np.array_equal(change, theta - learner.trained)
        assert chosen or not change.any()
    return answer.parameters
