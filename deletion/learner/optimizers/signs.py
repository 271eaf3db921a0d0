"""Optimizers that step by the signs of gradients: what is refused, and why."""
from circuit.analysis import only_jump
from circuit.errors import LearnerError

WHY = ("a sign is flat and jumps, so example weights change nothing until a sign flips, and then everything "
       "at once; no Taylor series and no gradient predicts that. Use Momentum, or Adam, which divides by the "
       "size of gradients smoothly: with a small eps it moves by nearly equal steps, too")


def refuse_signs(update, state):
    """Raise LearnerError for the circuit of an update whose parameters learn of the gradient only by jumps.

    `state` is how many arrays the state has; the inputs are (theta, gradient, state..., constants...).
    """
    if only_jump(update, range(1, 2 + state)).any():
        raise LearnerError("the optimizer's update depends on the gradient only through a sign or a step: "
                           f"{WHY}")


def Lion(*arguments: object, **more: object) -> None:
    """Refuse: Lion, like signSGD, steps by the sign of a mean of gradients.

    Parameters
    ----------
    *arguments, **more : object
        Anything.

    Raises
    ------
    LearnerError
        Always, with the reason and advice on what to use instead.

    Examples
    --------
    >>> from deletion import Lion
    >>> Lion(1e-4)      # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    circuit.errors.LearnerError: Lion steps by the sign of a mean of gradients: a sign is flat and jumps, ...
    """
    raise LearnerError(f"Lion steps by the sign of a mean of gradients: {WHY}")
