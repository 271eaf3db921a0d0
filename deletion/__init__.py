"""Deletion: learning algorithms as circuits of their example weights, sketches of them, and predictions.

Reading order: learner (with examples, units, parameters, optimizer, recording, coupling), directions,
pushing, sketch, measured (with decoders, kernel, terms, calibration, verdict), stability, retrain. On disk:
store, blocks, identity, merging, estimate. The command line: recipe, asking, cli. Answers without a sketch:
objective, methods; then influence and unlearning, rooms of their own.
"""
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
