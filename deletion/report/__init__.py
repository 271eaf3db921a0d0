"""A page that answers in the browser: coefficients, and the arithmetic of predictions, in one file.

`page.py` fills `report.html` with style (`report.css`), data and scripts: `arithmetic.js` predicts as
predictions/ and trust/ do, `charts.js` draws, `page.js` connects both with what is clicked.
"""
from .page import report

__all__ = ["report"]
