"""Gradient models: one measurement without any set of units, from gradients at a few well chosen bases."""
