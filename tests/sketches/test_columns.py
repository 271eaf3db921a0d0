"""Predictions as columns, and as a table in a notebook."""
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

from deletion.predictions.prediction import Prediction


class Cells(HTMLParser):
    """The texts of a table's rows, and the tags that there are."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        assert not attributes
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        if self.rows:
            self.rows[-1].append(data)


VALUE, CHANGE = np.array([[1.5, 2.0], [3.0, 4.0]]), np.array([[0.5, 0.0], [2.0, 2.0]])
LOW, HIGH = np.array([[1.0, 1.9], [2.9, 3.0]]), np.array([[2.0, 2.1], [3.1, 5.0]])
MANY = Prediction(VALUE, CHANGE, np.zeros((2, 2, 2)), interval=(LOW, HIGH), level=0.95,
                  source=["least squares", "retrained"], verdict=["trust", "do not trust"],
                  reasons=[("one", "two"), ("three",)])


def test_a_notebook_shows_a_row_for_each_set_and_element():
    shown = Cells(MANY._repr_html_())
    assert shown.rows[0] == ["set", "element", "value", "change", "low", "high", "verdict", "reason",
                             "source"]
    assert shown.rows[1] == ["0", "0", "1.5", "0.5", "1", "2", "trust", "one; two", "least squares"]
    assert shown.rows[4] == ["1", "1", "4", "2", "3", "5", "do not trust", "three", "retrained"]
    assert len(shown.rows) == 5
    assert Cells(MANY.row(1)._repr_html_()).rows[2][:3] == ["1", "4", "2"]


def test_one_number_without_an_interval():
    one = Prediction(np.array(2.0), np.array(-1.0), np.zeros(2), source="finite step")
    assert Cells(one._repr_html_()).rows == [["value", "change", "source"], ["2", "-1", "finite step"]]


def test_text_never_becomes_markup():
    forged = replace(MANY, source=["<script>alert(1)</script>", "<img src=x onerror=alert(1)>"])
    shown = Cells(forged._repr_html_())
    assert shown.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert shown.rows[1][-1] == "<script>alert(1)</script>"


def test_long_tables_are_cut():
    count = 1000
    long = Prediction(np.arange(1000.0), np.zeros(count), np.zeros((count, 1)), source=["x"] * count)
    text = long._repr_html_()
    assert text.count("<tr>") == 21 and "20 of 1,000 rows" in text
