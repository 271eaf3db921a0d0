"""Deletion: learning algorithms as circuits of their example weights, sketches of them, and predictions.

Rooms, each of which uses only those before it: learner, directions, storage, trust, gradients, predictions,
sketch (a newcomer may stop here), planning, timeline, models, asking, curvature, methods, studies, influence,
unlearning, report, cli.
"""
import os
import sys

__version__ = "0.2.0"

# `python -m deletion` searches the working directory first, which may be a stranger's folder with a numpy.py
if sys.argv[:1] == ["-m"] and sys.path[:1] == [os.getcwd()]:
    sys.path.append(sys.path.pop(0))

from circuit.errors import DoesNotApply, InputError, LearnerError, StoreError

from .learner.data import dropout
from .learner.learner import Learner
from .learner.optimizers import (SGD, Accumulated, Adam, AdamW, Clipped, CosineDecay, LinearDecay, Lion,
                                 Momentum, Nesterov, OneCycle, RMSprop, StepDecay, WarmUp, WeightDecay)
from .learner.retrain import retrain
from .directions.cotangents import Cotangents, cotangents
from .directions.directions import Directions, given, haar, mixture, pairs, sphere
from .predictions.prediction import Prediction
from .trust.kinds import Order
from .sketch.measured import Measured
from .sketch.pulled import PulledMeasured, PulledSketch
from .sketch.merge import merge
from .storage.bank import Bank
from .sketch.sketch import Sketch, load, precompute
from .sketch.stability import Stability, stability
from .planning import Recommendation, recommend
from .timeline import OverTime, Visits, dropped_before, dropped_from, influence_over_time, visits
from .asking.ask import ask
from .asking.strategy import Strategy
from .curvature.model_loss import ModelLoss
from .curvature.objective import Objective
from .models.gradient_model import GradientModel, gradient_model
from .methods.base import Answer, Method
from .methods.reference import Asked, LeaveOneOuts, NoChange, Retraining, Sketched, SketchedModel

__all__ = [
    "Accumulated", "Adam", "AdamW", "Answer", "ask", "Asked", "Bank", "Clipped", "CosineDecay",
    "Cotangents", "cotangents", "Directions", "DoesNotApply", "dropout", "dropped_before",
    "dropped_from", "given", "gradient_model", "GradientModel", "haar", "influence_over_time",
    "InputError", "Learner", "LearnerError", "LeaveOneOuts", "LinearDecay", "Lion", "load", "Measured",
    "merge", "Method", "mixture", "ModelLoss", "Momentum", "Nesterov", "NoChange", "Objective",
    "OneCycle", "Order", "OverTime", "pairs", "precompute", "Prediction", "PulledMeasured",
    "PulledSketch", "recommend", "Recommendation", "retrain", "Retraining", "RMSprop", "SGD", "Sketch",
    "Sketched", "SketchedModel", "sphere", "Stability", "stability", "StepDecay", "StoreError",
    "Strategy", "Visits", "visits", "WarmUp", "WeightDecay",
]
