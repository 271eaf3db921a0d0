"""Backwards through the training: a measurement's derivative in every unit's weight."""
