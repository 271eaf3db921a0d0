"""A page that answers in the browser: coefficients, and the arithmetic of predictions, in one file.

`page.py` fills `report.html` with style, data and scripts. `numbers.js`, `estimators.js`, `trust.js` and
`predictions.js` calculate as Python does, `charts.js` draws, `page.js` connects both with what is clicked.
"""
from .page import report

__all__ = ["report"]
