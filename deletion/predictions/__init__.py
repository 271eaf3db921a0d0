"""Predictions: what every way of answering shares, from an estimate to an interval and a verdict.

A way of answering is a subclass of Questions with an estimator, which gives the change of every set.
Calibrated holds what the calibration sets say of its errors, and `predict` makes a Prediction of both.
"""
