"""Gradients and curvature of the training objective at given parameters, and linear systems with them."""
