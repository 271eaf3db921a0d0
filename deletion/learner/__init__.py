"""What training is: examples, units that may be deleted, the step as a circuit, the optimizer; training again
exactly.

Reading order: learner, units; training, with data, optimizers/ and recording; results; replay, retrain.
"""
