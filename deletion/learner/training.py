"""A training as it is run: a circuit for each shape of step, and the data of every step.

Step s takes the gradient of the mean over a batch of (weight of example i) x (loss on example i), plus a
regularizer that no weight rescales, and gives it to an optimizer.
"""
from functools import cached_property
from hashlib import sha256
from typing import Any, Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from circuit import Circuit
from circuit.blas import one_blas_thread
from circuit.checks import checked_function, real_array
from circuit.errors import LearnerError
from circuit.progress import Progress
from taylor import TRAININGS, Recurrence

from .data import checked_examples, checked_schedule, name_of
from .layout import Layout
from .optimizers.optimizer import checked_optimizer
from .recording import check_loss, checked_penalty, recorded_measurement, recorded_steps
from .replay import PlainTraining, replay, train_alone, train_block


class Training:
    """A training, recorded: parameters, examples, loss, optimizer and schedule as in `Learner`.

    Attributes
    ----------
    layout : Layout
        How the parameters lie in one flat vector.
    examples : list of tuple of np.ndarray
        The examples, copied.
    schedule : np.ndarray, (steps,) or (steps, batch)
        The numbers of the examples that each step uses.
    states : list of np.ndarray
        The flat initial parameters, and the optimizer's initial arrays.
    circuits : list of Circuit
        The circuits of the steps, one for each shape of example.
    steps : list of taylor.Step
        For each step its circuit, the examples whose weights it uses, the optimizer's constants, the data.
    separate : set
        Kinds of examples whose losses were seen not to depend on each other's data.
    """

    def __init__(self, parameters, examples, loss, optimizer, schedule, regularizer=None, labels=None):
        self.layout = Layout(parameters)
        self.loss, self.optimizer, self.regularizer = loss, checked_optimizer(optimizer), regularizer
        if regularizer is not None:
            checked_function(regularizer, "the regularizer", 1)
        self.labels = None if labels is None else [str(x) for x in labels]
        self.examples = checked_examples(examples, self.labels)
        self.schedule = checked_schedule(schedule, self.examples)
        self.states = [self.layout.initial] + [real_array(x, "the optimizer's state")
                                               for x in optimizer.state(self.layout.size)]
        self.separate = set()
        self.circuits, self.steps = recorded_steps(self)
        self._kept = {}      # what was derived from the training and can be derived again

    def __getstate__(self):
        return self.__dict__ | {"_kept": {}}      # quicker to derive again than to send

    def named(self, i: int) -> str:
        """Name an example: 'example 12, 'anna''."""
        return name_of(i, self.labels)

    def where(self, step: int) -> str:
        """Name a step and its examples: 'step 7 (example 12, 'anna')'."""
        names = [self.named(i).removeprefix("example ") for i in self.steps[step].weights[:4]]
        more = ", ..." if len(self.steps[step].weights) > 4 else ""
        return f"step {step} (example {'; '.join(names)}{more})"

    def penalty(self, parameters: Any) -> Any:
        """Return the regularizer of parameters in the form they were given in."""
        return checked_penalty(self.regularizer(parameters))

    def check_loss(self, losses: Any, shape: tuple, data: Sequence) -> None:
        """Raise LearnerError unless losses are those of one example, or of a batch, each of its own data."""
        check_loss(self, losses, shape, data)

    def measurement(self, measure: Callable) -> Circuit:
        """Return the circuit of a measurement, as a function of the flat parameters.

        Parameters
        ----------
        measure : callable
            measure(parameters) -> scalar or vector, written with the functions of `circuit`.

        Returns
        -------
        Circuit
            From the flat parameters (parameters,) to the measurement.

        Raises
        ------
        LearnerError
            For a measurement that draws random numbers, is empty, or consists of whole numbers.
        """
        return recorded_measurement(self.layout, measure)

    def train(self, weights: ArrayLike | None = None, progress: bool = True) -> list:
        """Train and return the trained state.

        Parameters
        ----------
        weights : array_like, (examples,) or (trainings, examples), optional
            A weight for each example; several rows are trainings side by side, and each array of the state
            then has a leading axis. By default all weights are 1, the ordinary training. Complex weights are
            calculated in NumPy, one gate at a time.
        progress : bool
            Whether to report progress on stderr.

        Returns
        -------
        list of np.ndarray
            The flat parameters first, then the optimizer's arrays. One training by itself has the bits of the
            constant parts of a sketch.

        Raises
        ------
        DomainError
            Where a gate leaves its domain; it names the step, its examples and the gate.
        """
        weights = np.ones(len(self.examples)) if weights is None else np.asarray(weights)
        if weights.ndim not in (1, 2) or weights.shape[-1] != len(self.examples):
            raise LearnerError(f"expected a weight for each of {len(self.examples)} examples, got weights of "
                               f"shape {weights.shape}")
        blocks = -(-len(weights) // TRAININGS) if weights.ndim == 2 and not np.iscomplexobj(weights) else 1
        with Progress(blocks * len(self.steps), "train", progress) as report, one_blas_thread():
            if np.iscomplexobj(weights):
                training = PlainTraining(self, weights)
                for first, last in replay(self, training):
                    report(last - first)
                return training.state
            if weights.ndim == 1:
                return train_alone(self, weights, report)
            states = [train_block(self, weights[at:at + TRAININGS], at, report, whole=True)
                      for at in range(0, len(weights), TRAININGS)]
            return [np.concatenate(arrays) for arrays in zip(*states)]

    @cached_property
    def trained(self) -> np.ndarray:
        """The flat parameters as trained with every example; they can be read but not written to."""
        self.recurrence(0)      # compiles before the clock starts
        with Progress(len(self.steps), "train") as report:
            theta = train_alone(self, np.ones(len(self.examples)), report)[0]
        theta.flags.writeable = False
        return theta

    def parameters(self) -> Any:
        """Return the parameters as trained, in the form they were given in.

        Returns
        -------
        np.ndarray, or dict, list or tuple of such
        """
        return self.layout.split(self.trained)

    def recurrence(self, degree: int | None, lanes: int | None = None) -> Recurrence:
        """Return the training made ready, and compiled, for polynomials of a degree.

        Parameters
        ----------
        degree : int or None
            The highest power kept; None stands for trainings in plain numbers.
        lanes : int, optional
            How many run side by side in a block; by default the engine's own choice.

        Returns
        -------
        taylor.Recurrence
            It is made once and kept.
        """
        if ("recurrence", degree, lanes) not in self._kept:
            self._kept["recurrence", degree, lanes] = Recurrence(self.circuits, self.steps, len(self.states),
                                                                 degree, lanes)
        return self._kept["recurrence", degree, lanes]

    def fingerprint_parts(self) -> dict:
        """Return a hash of each part that decides the result, by name.

        The parts are the circuits (model, loss, regularizer and optimizer), the data, the initial state, the
        schedule, and the learning rates (all constants of the steps).

        Returns
        -------
        dict of str
        """
        # a step's data are the optimizer's constants, then the arrays of its examples
        constants = [len(step.data) - len(self.examples[step.weights[0]]) for step in self.steps]
        known = {}      # arrays come round again every epoch: each is hashed once

        def hashed(x):
            if id(x) not in known:
                known[id(x)] = sha256(f"{x.shape} {x.dtype.str}".encode() + x.tobytes()).digest()
            return known[id(x)]

        return {"circuits": digest(c.fingerprint().encode() for c in self.circuits),
                "data": digest(hashed(x) for step, n in zip(self.steps, constants) for x in step.data[n:]),
                "initial state": digest(x.tobytes() for x in self.states),
                "schedule": digest(repr(step.circuit).encode() + step.weights.tobytes()
                                   for step in self.steps),
                "learning rates": digest(np.float64(x).tobytes() for step, n in zip(self.steps, constants)
                                         for x in step.data[:n])}

    def fingerprint(self) -> str:
        """Return one hash of everything that decides the result.

        Returns
        -------
        str
        """
        return sha256("".join(self.fingerprint_parts().values()).encode()).hexdigest()


def digest(pieces):
    """Return the SHA-256 of some bytes, in hexadecimal digits."""
    total = sha256()
    for piece in pieces:
        total.update(piece)
    return total.hexdigest()
