"""microgpt: the model and the data on which everything is tried.

Reading order: idea (all of the project, in one file), scalar (microgpt, one number at a time), model (the
same in tensors), data, learner, sample.
"""
from .data import DocumentError, Tokenizer, read_names
from .learner import NameLearner, first_letter, names
from .model import Shape, logits, loss
from .sample import sample

__all__ = [
    "DocumentError", "first_letter", "logits", "loss", "NameLearner", "names", "read_names", "sample",
    "Shape", "Tokenizer",
]
