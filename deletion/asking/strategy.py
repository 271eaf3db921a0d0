"""What `ask` did, or would do: in words and as data."""
from dataclasses import dataclass
from typing import Optional

from circuit.progress import duration


@dataclass(frozen=True)
class Stage:
    """One thing that `ask` did.

    Attributes
    ----------
    what : str
        In words: 'finite step', 'levels', 'retraining', ...
    trainings : float
        Its cost, in trainings made side by side.
    error : float, optional
        The expected error of all answers behind it: sum |predicted - true| / sum |true change| over the sets.
    why : str
        The reason, in words.
    """
    what: str
    trainings: float
    error: Optional[float]
    why: str


@dataclass(frozen=True)
class Strategy:
    """How an answer of `ask` came about.

    Attributes
    ----------
    stages : tuple of Stage
        What was done, in order, without the calibration.
    calibration : int
        Random sets that were retrained to calibrate the estimates, not counted in the cost; 0 where nothing
        is estimated.
    sets : dict
        {source: the number of sets whose answer comes from there}.
    error : float
        The expected pooled error of the answers; 0 where every set was retrained.
    tolerance : float, optional
        What was asked for.
    seconds : float
        The time that everything took, the calibration included.

    Examples
    --------
    >>> from deletion.asking.strategy import Stage, Strategy
    >>> strategy = Strategy((Stage("retraining", 3.0, 0.0, "3 sets cost less than a gradient"),), 0,
    ...                     {"retrained": 3}, 0.0, None, 1.0)
    >>> print(strategy)
    3 of 3 sets retrained. Cost: 3 trainings.
      retraining: 3 trainings, expected error 0 (3 sets cost less than a gradient)
    """
    stages: tuple
    calibration: int
    sets: dict
    error: float
    tolerance: Optional[float]
    seconds: float

    @property
    def trainings(self) -> float:
        """The cost in trainings made side by side, without the calibration.

        Returns
        -------
        float
            The sum over the stages.
        """
        return sum(stage.trainings for stage in self.stages)

    @property
    def reached(self) -> bool:
        """Whether the expected error is at most the tolerance; True without a tolerance.

        Returns
        -------
        bool
            Judged by the calibrated error.
        """
        return self.tolerance is None or self.error <= self.tolerance

    def __str__(self):
        total = sum(self.sets.values())
        parts = [f"{count:,} of {total:,} sets {source}" for source, count in self.sets.items() if count]
        text = f"{'; '.join(parts)}. Cost: {self.trainings:.3g} trainings"
        if self.calibration:
            text += f", and {self.calibration} more that calibrate"
        text += "."
        if self.tolerance is not None:
            text += (f" The tolerance of {self.tolerance:.3g} is "
                     f"{'reached' if self.reached else 'NOT reached'}: expected error {self.error:.2g}.")
        return "\n".join([text, *(line(stage) for stage in self.stages)])


def line(stage):
    """A stage in words."""
    error = "" if stage.error is None else f", expected error {stage.error:.2g}"
    return f"  {stage.what}: {stage.trainings:.3g} trainings{error} ({stage.why})"


@dataclass(frozen=True)
class AskEstimate:
    """What `ask` would do first, and what everything would cost at most; nothing was trained for it.

    Attributes
    ----------
    sets : int
        Different sets, without those that the bank knows and those that change nothing.
    gradient : float
        The cost of one gradient of the measurement with its finite step, in trainings.
    first : str
        What would be done first, and why.
    trainings : float
        The most that would be spent, in trainings, without the calibration.
    calibration : int
        Random sets that would be retrained to calibrate.
    seconds : float
        The time to wait at most, the calibration included, on `workers` cores.
    workers : int
        How many blocks would run at a time.
    memory : int
        Bytes that stored states and results would take.

    Examples
    --------
    >>> from deletion.asking.strategy import AskEstimate
    >>> print(AskEstimate(40, 7.0, "finite step: one gradient costs 7 trainings", 40.0, 96, 2.0, 2, 10 ** 8))
    40 sets; one gradient costs 7 trainings
    first   finite step: one gradient costs 7 trainings
    cost    at most 40 trainings, and 96 more that calibrate: 2.0 s on 2 cores
    memory  100 MB
    """
    sets: int
    gradient: float
    first: str
    trainings: float
    calibration: int
    seconds: float
    workers: int
    memory: int

    def __str__(self):
        more = f", and {self.calibration} more that calibrate" if self.calibration else ""
        cores = f"{self.workers} core{'s' * (self.workers > 1)}"
        return (f"{self.sets:,} sets; one gradient costs {self.gradient:.3g} trainings\n"
                f"first   {self.first}\n"
                f"cost    at most {self.trainings:.4g} trainings{more}: {duration(self.seconds)} on {cores}\n"
                f"memory  {self.memory / 1e6:,.0f} MB")
