"""Benchmarks: scripts that print, plot and save what the project claims. `python -m benchmarks.NAME --help`
lists the options of each.

They are run from a checkout and are not installed. The files stand in folders by subject (README.md lists
them); the package's search path holds all of these folders, so that each file is benchmarks.NAME.
"""
from pathlib import Path

__path__ += [str(folder) for folder in sorted(Path(__file__).parent.iterdir()) if folder.is_dir()]
