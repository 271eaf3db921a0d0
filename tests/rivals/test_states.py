"""Which states are kept on the way back: every plan is simulated, and compared with the best there is."""
from functools import lru_cache

import pytest

from deletion import LearnerError
from deletion.gradients.states import Back, Forward, capacity, levels_needed, plan, room_for


def simulated(steps, room):
    """Follow a plan with a set of held states; return (most states held, how often each step was taken)."""
    held, most, taken, undone, swept = {0}, 1, [0] * steps, steps, False
    for action in plan(steps, room):
        assert action.first in held and action.first < action.last <= steps
        states = set(range(action.first, action.last))
        if isinstance(action, Back):
            assert action.last == undone and states <= held      # from the end, with every state in hand
            undone, held = action.first, held - states
            continue
        # the state behind the last step is needed to measure, or is held; else the one before it is enough
        needed = action.last if not action.keep or not swept else action.last - 1
        for step in range(action.first, needed):
            taken[step] += 1
        swept = swept or action.last == steps
        held |= states if action.keep else {action.last}
        most = max(most, len(held))
    assert undone == 0 and not held
    return most, taken


@lru_cache(maxsize=None)
def fewest(steps, room):
    """The fewest steps to take, by trying every place of the next state that is held; the last one apart."""
    if steps <= room:
        return steps - 1
    if room == 1:
        return float("inf")      # the state before a step that is undone must be held
    return min(first + fewest(steps - first, room - 1) + fewest(first, room) for first in range(1, steps))


@pytest.mark.parametrize("room", [2, 3, 4, 5, 7, 10, 25, 40])
def test_plans_hold_no_more_than_allowed_and_take_the_fewest_steps(room):
    for steps in range(1, 61):
        most, taken = simulated(steps, room)
        assert most <= room and most == min(steps, room)
        assert max(taken) == levels_needed(steps, room) and min(taken) >= 1
        assert sum(taken) == fewest(steps, room) + 1


@pytest.mark.parametrize("steps, room, levels", [
    (1000, 1000, 1), (1000, 999, 2), (1000, 64, 2), (1000, 45, 2), (1000, 44, 3), (1000, 10, 5), (1, 1, 1),
    (32000, 253, 2), (32000, 252, 3), (300, 2, 299), (2016, 63, 2), (2017, 63, 3)])
def test_long_trainings(steps, room, levels):
    most, taken = simulated(steps, room)
    assert most <= room and max(taken) == levels == levels_needed(steps, room)
    assert capacity(room, levels) >= steps > capacity(room, levels - 1) or levels == 1


def test_everything_is_kept_where_it_fits():
    assert list(plan(7, 7)) == list(plan(7, 100)) == [Forward(0, 7, True), Back(0, 7)]
    assert sum(simulated(1000, 64)[1]) < 2 * 1000


def test_stretches_are_long():
    """Compiled code takes many steps at once: not much more than the fewest actions for two levels."""
    assert len(list(plan(1000, 64))) <= 3 * 1000 // 40


def test_room():
    assert room_for(1000, 10, 105) == 10 and room_for(5, 10, 105) == 5 and room_for(1000, 10, 100, 5) == 2
    assert room_for(1, 10, 10) == 1
    with pytest.raises(LearnerError, match=r"2 of 10 bytes each. Give memory=20 or more"):
        room_for(1000, 10, 19)
    with pytest.raises(LearnerError, match="Give memory=60 or more"):
        room_for(1000, 10, 59, 3)
