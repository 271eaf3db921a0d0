"""A loss in two parts: the model's outputs, and the criterion that scores them."""
from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np

from circuit.errors import DoesNotApply, LearnerError


@dataclass(frozen=True)
class ModelLoss:
    """A loss given as outputs and criterion, for methods that need the model's outputs.

    The Gauss-Newton matrix, the Fisher matrix and the proximal Bregman response need both parts. A ModelLoss
    is called like any other loss: loss(parameters, *arrays).

    Parameters
    ----------
    outputs : Callable
        outputs(parameters, *arrays) -> the model's outputs, one array of any shape. With batches it has one
        row per example.
    criterion : Callable
        criterion(outputs, *arrays) -> loss, convex in the outputs: a scalar. With batches it is one number
        per example.

    Raises
    ------
    LearnerError
        If one of the two is not a function.

    Examples
    --------
    >>> import numpy as np
    >>> from deletion import ModelLoss
    >>> loss = ModelLoss(lambda w, x, y: x @ w, lambda output, x, y: (output - y) ** 2 * 0.5)
    >>> float(loss(np.array([2.0]), np.array([3.0]), 5.0))
    0.5
    """
    outputs: Callable
    criterion: Callable

    def __post_init__(self):
        for name in ("outputs", "criterion"):
            if not callable(getattr(self, name)):
                raise LearnerError(
                    f"the {name} of a ModelLoss: expected a function, got {getattr(self, name)!r:.60}")

    def __call__(self, parameters, *arrays):
        return self.criterion(self.outputs(parameters, *arrays), *arrays)

    def checked_outputs(self, parameters: Any, arrays: tuple, rows: Optional[int] = None) -> Any:
        """Compute the outputs, and check that they are one array with one row per example.

        Parameters
        ----------
        parameters : array, or dict, list or tuple of such
            The parameters, in the form the learner was given.
        arrays : tuple
            The arrays of one example, or of a batch.
        rows : int, optional
            The number of examples in the batch; None where the arrays are those of one example.

        Returns
        -------
        array or Wire
            The outputs.

        Raises
        ------
        LearnerError
            If the outputs are several arrays, or a batch's outputs do not have one row per example.
        """
        outputs = self.outputs(parameters, *arrays)
        several = isinstance(outputs, (tuple, list))
        if several or rows is not None and np.shape(outputs)[:1] != (rows,):
            seen = f"{len(outputs)} things" if several else f"shape {np.shape(outputs)}"
            row_each = "" if rows is None else f", with a row for each of {rows} examples"
            raise LearnerError(f"the outputs of a ModelLoss: expected one array{row_each}, got {seen}; join "
                               "several arrays with concatenate")
        return outputs


def checked_model_loss(learner, purpose):
    """A learner's loss, if it is a ModelLoss.   purpose: what needs it, as the beginning of a sentence."""
    if not isinstance(learner.loss, ModelLoss):
        raise DoesNotApply(f"{purpose} needs the loss in two parts, the model's outputs and the criterion: "
                           "give the learner deletion.ModelLoss(outputs, criterion) as its loss")
    return learner.loss
