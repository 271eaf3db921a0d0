"""What a sketch needs: the record that the theorem and practice both fill."""
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Needs:
    """The sketch that reaches (eps, delta), or why none does.

    Attributes
    ----------
    decoder, design : str
        What makes predictions of the coefficients, and how directions are drawn.
    degree : int, optional
        The smallest degree; None if no sketch reaches eps.
    directions : int, optional
        The smallest number of directions; 0 if predicting no change is near enough.
    groups : int, optional
        The groups of the median of means; None for other decoders.
    trainings : float, optional
        The cost, in trainings made side by side, of the sketch with its calibration sets.
    reason : str
        Where the numbers come from, or why there are none, in words.

    Examples
    --------
    >>> from deletion.planning import Needs
    >>> print(Needs("least squares", "pairs", 3, 150, reason="by measured errors"))
    150 directions (pairs) of degree 3, least squares: by measured errors
    """
    decoder: str
    design: str
    degree: Optional[int] = None
    directions: Optional[int] = None
    groups: Optional[int] = None
    trainings: Optional[float] = None
    reason: str = ""

    def __str__(self):
        if self.degree is None:
            return f"no sketch by {self.decoder}: {self.reason}"
        groups = "" if self.groups is None else f" in {self.groups} groups"
        cost = "" if self.trainings is None else f", the work of {self.trainings:,.0f} trainings"
        return (f"{self.directions:,} directions ({self.design}) of degree {self.degree}, "
                f"{self.decoder}{groups}{cost}: {self.reason}")
