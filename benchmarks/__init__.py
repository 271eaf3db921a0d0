"""Benchmarks: scripts that print, plot and save what the project claims. Run each with `python -m
benchmarks.NAME --help`.

The files stand in folders by subject (paper, quality, cost, rivals); every one of them is found as
benchmarks.NAME.
"""
from pathlib import Path

__path__ += [str(folder) for folder in sorted(Path(__file__).parent.iterdir()) if folder.is_dir()]
