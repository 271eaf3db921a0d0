"""Studies of small models in closed form: files that use neither Learner nor circuit.

Gradient flow of least squares: flow, schedules. Gradient ascent on models whose training has a margin:
homogeneous, kkt, margins, ascent.
"""
