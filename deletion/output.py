"""What the command line prints: tables for people, JSON for programs."""
import json
import math

import numpy as np


def show(as_json, content, text):
    """Print for people, or as JSON."""
    print(json.dumps(plain(content), indent=1, allow_nan=False) if as_json else text)


def plain(x):
    """Numbers and arrays as JSON knows them; NaN and infinity as null."""
    if isinstance(x, (np.ndarray, np.generic)):
        x = x.tolist()
    if isinstance(x, dict):
        return {name: plain(value) for name, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x


def printable(text):
    """A text with control characters and line breaks escaped as by `repr`: a terminal obeys none of it."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def prediction_table(rows):
    """Predictions in a table, with the columns that are known; reasons of verdicts below."""
    header = {"set": "without", "count": "units", "measurement": "measurement", "trained": "as trained", "predicted": "predicted",
              "standard_error": "+-", "change": "change", "retrained": "retrained", "interval": "interval", "verdict": "verdict"}
    used = [name for name in header if any(row.get(name) is not None for row in rows)]
    reasons = sorted({printable(reason) for row in rows for reason in row["reasons"]})
    return "\n".join([table([header[name] for name in used], [[row.get(name) for name in used] for row in rows]), *reasons])


def table(header, rows):
    """Aligned columns: numbers to the right, text to the left."""
    def shown(x):
        if isinstance(x, (list, tuple)):
            return " .. ".join(map(shown, x))
        if x is None:
            return ""
        if isinstance(x, (float, np.ndarray)):
            return f"{x:.4f}" if 1e-3 < abs(x) < 1e5 else f"{x:.3g}"
        return printable(str(x))      # labels and recipes may come from anyone's file

    cells = ([] if header is None else [list(header)]) + [[shown(x) for x in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    right = [header is not None and not any(isinstance(x, str) for x in column) for column in zip(*rows)] or [False] * len(widths)
    return "\n".join("  ".join(cell.rjust(width) if numbers else cell.ljust(width) for cell, width, numbers in zip(row, widths, right)).rstrip()
                     for row in cells)
