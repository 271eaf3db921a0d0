"""How far predictions are from the truth: exact retraining of random sets, and what follows for intervals and
verdicts.

Reading order: kinds, calibration, crossings, error_model, verdict.
"""
