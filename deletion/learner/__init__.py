"""What training is: examples, units that may be deleted, the step as a circuit, the optimizer; training again
exactly.

Reading order: learner, units; training, with layout, data, optimizers/ and recording; replay, retrain.
"""
