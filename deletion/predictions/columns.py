"""Predictions as columns: for data frames, and as a table in a notebook."""
from html import escape

import numpy as np


def columns(prediction):
    """{name of a column: its entries}: a row for each set and each element of the measurement.

    Columns `set` and `element` are there where there are several; those of what a prediction lacks are not.
    """
    value = np.asarray(prediction.value)
    many = isinstance(prediction.verdict, list) or isinstance(prediction.source, list)
    sets, elements = (value.shape[0] if many else 1), value.shape[many:]
    each = int(np.prod(elements))
    found = {"set": np.repeat(np.arange(sets), each)} if many else {}
    if elements:
        found["element"] = np.tile(np.arange(each), sets)
    found |= {"value": value.ravel(), "change": np.asarray(prediction.change).ravel()}
    if prediction.interval is not None:
        found["low"], found["high"] = (np.asarray(bound).ravel() for bound in prediction.interval)
    if prediction.verdict is not None:
        reasons = prediction.reasons if many else [prediction.reasons]
        found["verdict"] = np.repeat(prediction.verdict, each)
        found["reason"] = np.repeat(["; ".join(one) for one in reasons], each)
    found["source"] = np.repeat(prediction.source, each)
    return found


def frame(prediction):
    """The same as a pandas DataFrame; the columns `set` and `element` are its index."""
    import pandas
    content = columns(prediction)
    index = [name for name in ("set", "element") if name in content]
    made = pandas.DataFrame(content)
    return made.set_index(index) if index else made


ROWS = 20
"""How many rows a notebook shows."""


def html(prediction):
    """The same as a table in HTML, of the first ROWS rows; all text in it is escaped."""
    content = columns(prediction)
    count = len(content["value"])
    head = "".join(f"<th>{name}</th>" for name in content)
    rows = ["".join(f"<td>{cell(column[k])}</td>" for column in content.values())
            for k in range(min(count, ROWS))]
    more = f"<p>{ROWS} of {count:,} rows</p>" if count > ROWS else ""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def cell(x):
    """One entry as text."""
    return f"{x:.6g}" if isinstance(x, (float, np.floating)) else escape(str(x))
