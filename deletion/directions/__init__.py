"""The directions along which a training is pushed, and how coefficients along them become the terms of a
deletion set.

Reading order: directions, decoders (with kernel), terms.
"""
