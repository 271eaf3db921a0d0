"""What is done with a trained model: evaluate it, follow it through its training, save and load it."""
from os import PathLike
from typing import TYPE_CHECKING, Any, Callable, Sequence
from zipfile import BadZipFile

import numpy as np

from circuit import evaluate
from circuit.blas import one_blas_thread
from circuit.checks import checked_function, data_array, whole_number
from circuit.errors import LearnerError
from circuit.progress import Progress

from .data import checked_examples
from .replay import replay

if TYPE_CHECKING:
    from .training import Training

FINGERPRINT = "fingerprint of the learner"
"""The entry of a saved file that says whose parameters they are."""


class Results:
    """Methods of a learner that use its trained parameters."""

    def evaluate(self: "Training", examples: Sequence, measurement: Callable | None = None,
                 parameters: Any = None) -> np.ndarray:
        """Evaluate the model on examples, such as new ones.

        Parameters
        ----------
        examples : sequence
            Each an array or a tuple of arrays, as those that the learner was made of.
        measurement : callable, optional
            measurement(parameters, *arrays) of one example. Default: the learner's loss.
        parameters : optional
            In the form the learner's were given in. Default: as trained with every example.

        Returns
        -------
        np.ndarray, (examples, ...)
            What the measurement gives for each example.

        Raises
        ------
        LearnerError
            For examples that are no arrays; DomainError where a gate leaves its domain.
        """
        parameters = self.parameters() if parameters is None else parameters
        examples = checked_examples(examples, None)
        if not examples:
            raise LearnerError("there are no examples to evaluate")
        if measurement is not None:
            checked_function(measurement, "a measurement, of parameters and the arrays of an example,",
                             1 + len(examples[0]))
            return np.stack([np.asarray(measurement(parameters, *example)) for example in examples])
        if self.schedule.ndim == 1:
            return np.stack([np.asarray(self.loss(parameters, *example)) for example in examples])
        batches = [[x[None] for x in example] for example in examples]      # of one example each
        return np.concatenate([np.asarray(self.loss(parameters, *arrays)) for arrays in batches])

    def training_curve(self: "Training", measurement: Callable, every: int = 1) -> tuple:
        """Follow a measurement through the ordinary training.

        Parameters
        ----------
        measurement : callable
            measurement(parameters) -> scalar or vector.
        every : int
            So many steps lie between two values; the last value is that of the trained model in any case.

        Returns
        -------
        steps : np.ndarray of int, (k,)
            How many steps were taken.
        values : np.ndarray, (k, ...)
            The measurement then.
        """
        every, count = whole_number(every, "every, a number of steps", 1), len(self.steps)
        circuit, block = self.measurement(measurement), self.recurrence(0).block(
            self.states, np.ones(len(self.examples)))
        steps, parameters = [0], [self.layout.initial]
        with Progress(count, "train") as report, one_blas_thread():
            for first, last in replay(self, block, at_once=every):
                steps.append(last)
                parameters.append(block.constant(0).copy())
                report(last - first)
        return np.array(steps), evaluate(circuit, [np.stack(parameters)])[0]

    def save(self: "Training", path: str | PathLike) -> None:
        """Save the trained parameters as an .npz file: an array for each, by name.

        Parameters
        ----------
        path : str or PathLike
            The file, which is replaced if it is there.
        """
        named = dict(zip(self.layout.shapes, self.layout.pieces(self.trained)))
        with open(path, "wb") as file:
            np.savez(file, **{FINGERPRINT: np.array(self.fingerprint())},
                     **{entry(name): x for name, x in named.items()})

    def load(self: "Training", path: str | PathLike) -> Any:
        """Load parameters that the same learner saved.

        Parameters
        ----------
        path : str or PathLike
            The file.

        Returns
        -------
        array or nested arrays
            In the form the learner's were given in.

        Raises
        ------
        LearnerError
            If the file is no such file, was saved by another learner, or holds numbers that are not finite.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {name: file[name] for name in file.files}
        except (BadZipFile, ValueError, EOFError, AttributeError) as error:
            raise LearnerError(f"{path}: no file that a learner saved: {error}") from None
        if str(content.pop(FINGERPRINT, "")) != self.fingerprint():
            raise LearnerError(f"{path}: these parameters were saved by another learner")
        shapes = {entry(name): shape for name, shape in self.layout.shapes.items()}
        if {name: x.shape for name, x in content.items()} != shapes:
            raise LearnerError(f"{path}: expected {shapes}, got "
                               f"{ {name: x.shape for name, x in content.items()} }")
        return self.layout.form([data_array(content[name], f"{path}: parameter {name!r}").astype(float)
                                 for name in shapes])


def entry(name):
    """The name of a parameter in a file; a single array has none of its own."""
    return name or "parameters"
