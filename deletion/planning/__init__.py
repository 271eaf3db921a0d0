"""Planning: the degree, directions and groups that an error eps and a failure probability delta take.

Reading order: pilot (what is measured), theorem and practice (what follows from it), recommend.
"""
from .needs import Needs
from .pilot import Pilot
from .recommend import Recommendation, recommend

__all__ = ["Needs", "Pilot", "Recommendation", "recommend"]
