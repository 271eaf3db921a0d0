"""Every error of the library: what was given cannot be used, and the message says where it is, what was seen
and what to do.

All of them are InputErrors, and so ValueErrors. A bug in the library itself is none of these.
"""


class InputError(ValueError):
    """Something that was given cannot be used."""


class CircuitError(InputError):
    """A circuit that cannot be recorded, checked or evaluated."""


class ShapeError(CircuitError):
    """Shapes or kinds of wires that do not fit the gate."""


class DomainError(CircuitError):
    """A value outside the gate's domain of analyticity: no number is returned."""


class LearnerError(InputError):
    """A learner that cannot be recorded, that breaks a promise, or that is asked something without an
    answer."""


class DoesNotApply(LearnerError):
    """A method asked of a learner, or of deletion sets, for which it has no answer."""


class StoreError(InputError):
    """A sketch's folder that cannot be written, or whose content is damaged, contradicts itself or belongs to
    something else."""


class DocumentError(InputError):
    """A file of names, or a name, that cannot be read or encoded."""
