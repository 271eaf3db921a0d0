"""Deletion: learning algorithms as circuits of their example weights, sketches of them, and predictions.

Reading order: learner (with parameters and optimizer), directions, sketch, measured, decoders, retrain.
"""
from .directions import Directions, given, haar, mixture, pairs, sphere
from .learner import Learner, LearnerError
from .measured import Measured, Prediction
from .optimizer import SGD, Adam, LinearDecay, Momentum
from .retrain import retrain
from .sketch import Sketch, load, precompute
from .store import StoreError
