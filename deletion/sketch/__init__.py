"""The sketch: made, measured, asked, merged.

Reading order: sketch, push, measured, stability; identity, estimate and merge for sketches on disk.
"""
