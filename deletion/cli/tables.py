"""What the command line prints: tables for people, JSON for programs."""
import json
import math

import numpy as np


def show(as_json, content, text):
    """Print a text for people, or the content as JSON."""
    print(json.dumps(plain(content), indent=1, allow_nan=False) if as_json else text)


def plain(x):
    """Convert arrays and numbers to what JSON can hold; NaN and infinity become null."""
    if isinstance(x, (np.ndarray, np.generic)):
        x = x.tolist()
    if isinstance(x, dict):
        return {name: plain(value) for name, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x


def printable(text):
    """Escape control characters and line breaks as `repr` does, so that a terminal does not obey them."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


SHOWN = 3
"""The number of deleted units that a table names; then it gives their number."""

HEADER = {"set": "without", "count": "units", "measurement": "measurement", "trained": "as trained",
          "predicted": "predicted", "standard_error": "+-", "change": "change", "retrained": "retrained",
          "interval": "interval", "verdict": "verdict"}
"""The columns of a table of predictions."""


def prediction_table(rows):
    """A table of predictions, with the columns that have values; below it, the reasons by their numbers."""
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


def score_table(scores):
    """A table of the scores of a validation, with a line that explains the error."""
    header = ["measurement", "correlation", "error", "covered", "of"]
    cells = [[s["measurement"], s["correlation"], s["error"], f"{s['covered']:.0%}",
              f"{s['level']:.0%} intervals"] for s in scores]
    return (table(header, cells)
            + "\n(error: sum of |predicted - retrained| over sum of |true change|; of no change it is 1)")


def deleted(row):
    """The name of a set, and, if the name does not say it, the units that it deletes."""
    names = row["names"]
    if [item.strip() for item in row["set"].split(",")] == names:
        return row["set"]
    more = f", ... ({len(names)})" if len(names) > SHOWN else ""
    return f"{row['set']} = {', '.join(names[:SHOWN])}{more}"


def table(header, rows):
    """Aligned columns: numbers at the right, text at the left. header: names of the columns, or None."""
    def shown(x):
        if isinstance(x, (list, tuple)):
            return " .. ".join(map(shown, x))
        if x is None:
            return ""
        if isinstance(x, (float, np.ndarray)):
            return f"{x:.4f}" if 1e-3 < abs(x) < 1e5 else f"{x:.3g}"
        return printable(str(x))      # labels and recipes may come from an untrusted file

    cells = ([] if header is None else [list(header)]) + [[shown(x) for x in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    right = [header is not None and not any(isinstance(x, str) for x in column)
             for column in zip(*rows)] or [False] * len(widths)

    def line(row):
        return "  ".join(cell.rjust(width) if at_right else cell.ljust(width)
                         for cell, width, at_right in zip(row, widths, right)).rstrip()

    return "\n".join(map(line, cells))
