"""Deletion: learning algorithms as circuits of their example weights, sketches of them, and predictions.

Reading order: learner (with examples, units, parameters, optimizer, recording, coupling), directions,
pushing, sketch, measured (with decoders, kernel, terms, calibration, error_model, verdict), stability, retrain.
On disk: store (with files, manifest, arrays), blocks, identity, merging, estimate. The command line: recipe,
asking, cli. Answers without a sketch: objective, methods; then influence and unlearning, rooms of their own.
"""
import os
import sys

# `python -m deletion` searches the working directory first, which may be a stranger's folder with a numpy.py
if sys.argv[:1] == ["-m"] and sys.path[:1] == [os.getcwd()]:
    sys.path.append(sys.path.pop(0))

from .directions import Directions, given, haar, mixture, pairs, sphere
from .learner import Learner, LearnerError
from .measured import Measured, Prediction
from .merging import merge
from .methods import Answer, DoesNotApply, LeaveOneOuts, Method, NoChange, Retraining, Sketched, SketchedModel
from .objective import ModelLoss, Objective
from .optimizer import SGD, Adam, LinearDecay, Momentum
from .retrain import retrain
from .sketch import Sketch, load, precompute
from .stability import Stability, stability
from .store import StoreError
