"""Studies of small models in closed form: files that use neither Learner nor circuit.

Gradient flow of least squares: schedules, flow, fading. Gradient ascent on models whose training has a
margin: homogeneous, points, kkt, margins, ascent.
"""
