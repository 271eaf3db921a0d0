"""Deletion: learning algorithms as circuits of their example weights, sketches of them, and predictions.

Reading order: learner (with parameters and optimizer), directions, pushing, sketch, measured, decoders, retrain. On disk: store,
blocks, identity, merging, estimate. The command line: recipe, asking, cli.
"""
from .directions import Directions, given, haar, mixture, pairs, sphere
from .learner import Learner, LearnerError
from .measured import Measured, Prediction
from .merging import merge
from .optimizer import SGD, Adam, LinearDecay, Momentum
from .retrain import retrain
from .sketch import Sketch, load, precompute
from .store import StoreError
