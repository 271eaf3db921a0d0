"""The sketch: made, measured, asked, merged.

Reading order: sketch, push, measured, prediction, stability; identity, estimate and merge for sketches in
folders.
"""
