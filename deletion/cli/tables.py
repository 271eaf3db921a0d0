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


SHOWN = 3
"""Names of deleted units in a table, before what is left is counted."""


HEADER = {"set": "without", "count": "units", "measurement": "measurement", "trained": "as trained",
          "predicted": "predicted", "standard_error": "+-", "change": "change", "retrained": "retrained",
          "interval": "interval", "verdict": "verdict"}
"""The columns of a table of predictions."""


def prediction_table(rows):
    """Predictions in a table, with the columns that are known; below, the reasons that verdicts number."""
    used = [name for name in HEADER if any(row.get(name) is not None for row in rows)]
    reasons = ["; ".join(row["reasons"]) for row in rows]
    notes = {reason: f"[{k}]" for k, reason in enumerate(dict.fromkeys(filter(None, reasons)), 1)}
    shown = [row | {"set": deleted(row)} for row in rows]
    if "verdict" in used:
        shown = [row | {"verdict": f"{row['verdict']} {notes.get(reason, '')}".rstrip()}
                 for row, reason in zip(shown, reasons)]
    lines = [table([HEADER[name] for name in used], [[row.get(name) for name in used] for row in shown])]
    lines += [printable(f"{k} {reason}" if "verdict" in used else reason) for reason, k in notes.items()]
    return "\n".join(lines)


def deleted(row):
    """What a set is called, and, where the name does not say it, which units it deletes."""
    names = row["names"]
    if [item.strip() for item in row["set"].split(",")] == names:
        return row["set"]
    more = f", ... ({len(names)})" if len(names) > SHOWN else ""
    return f"{row['set']} = {', '.join(names[:SHOWN])}{more}"


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
    right = [header is not None and not any(isinstance(x, str) for x in column)
             for column in zip(*rows)] or [False] * len(widths)
    return "\n".join("  ".join(cell.rjust(width) if numbers else cell.ljust(width) for cell, width,
                               numbers in zip(row, widths, right)).rstrip() for row in cells)
