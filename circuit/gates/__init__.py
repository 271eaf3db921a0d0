"""The gates, one file a family.

Reading order: gate (what a gate is), cost (how operations are counted), arithmetic, analytic, bilinear,
linear, piecewise.
"""
