"""Asking: one call that chooses among all ways of answering, by their cost and by their calibrated errors."""
