"""Benchmarks: scripts that print, plot and save what the project claims. Run each with `python -m benchmarks.NAME --help`."""
