"""Along which directions a training is pushed, and how coefficients along them become terms of a deletion
set.

Reading order: directions, decoders (with kernel), terms.
"""
