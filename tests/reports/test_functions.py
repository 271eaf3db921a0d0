"""The printed table of functions."""
import re
import subprocess
import sys
from pathlib import Path

from circuit.advice import CHOICES, COMPARISONS, INSTEAD, full_name
from circuit.numpy_functions.table import TABLE

ROOT = Path(__file__).parent.parent.parent


def test_every_function_is_printed_with_the_line_that_tests_it():
    printed = subprocess.run([sys.executable, "-m", "benchmarks.functions"], capture_output=True, text=True,
                             cwd=ROOT, check=True).stdout
    table, refused = printed.split("Refused, and what to do:")
    rows = (ROOT / "tests" / "engine" / "numpy_table.py").read_text(encoding="utf-8").splitlines()
    for function in TABLE:
        name = re.escape(full_name(function))
        line = re.search(rf"^{name} .*(gate \w+|sugar \([\w.]+\)) +tests/engine/numpy_table.py:(\d+)$", table,
                         re.MULTILINE)
        assert line and re.search(r"(Row|moved)\((np|special)\.", rows[int(line.group(2)) - 1]), name
    for name in (*INSTEAD, *CHOICES, *COMPARISONS):
        assert re.search(rf"\b{name}\b", refused), name
