"""The gates, one file a family.

Reading order: gate (what a gate is), arithmetic, analytic, bilinear, linear, piecewise.
"""
