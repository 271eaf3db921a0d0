"""python -m benchmarks.functions: the functions that are recorded, where they are tested; what is refused.

They have the names of NumPy and scipy.special and, where the importers find JAX and PyTorch, of JAX's
primitives and PyTorch's operations; what stands without a name of NumPy is made of other functions. A second
list says why others are refused, and what to write in their place.
"""
import ast
import re
from functools import reduce
from importlib import import_module
from pathlib import Path

import numpy as np
from scipy import special

from circuit import Gate
from circuit.advice import CHOICES, COMPARISONS, INSTEAD, full_name, refused
from circuit.numpy_functions.table import TABLE

from . import harness

ROOT = Path(__file__).parent.parent.parent
ROWS = ROOT / "tests" / "engine" / "numpy_table.py"
IMPORTERS = {"JAX": "circuit.importers.jaxpr", "PyTorch": "circuit.importers.exported"}
TABLES = {"rules": ("RULES", "FUNCTIONS"), "moves": ("MOVES",), "control": ("CONTROL",)}
"""Files of an importer, and their tables of what is recorded."""

ELSEWHERE = {
    "subtract": ("sub", "sub"), "multiply": ("mul", "mul"), "divide": ("div", "div"), "power": ("pow", "pow"),
    "float_power": ("", ""), "negative": ("neg", "neg"), "absolute": ("abs", "abs"),
    "expit": ("logistic", "sigmoid"), "log_expit": ("", "log_sigmoid"), "maximum": ("max", "maximum"),
    "minimum": ("min", "minimum"), "clip": ("clamp", "clamp"), "where": ("select_n", "where"),
    "sum": ("reduce_sum", "sum"), "max": ("reduce_max", "amax"), "amax": ("", ""), "amin": ("", ""),
    "min": ("reduce_min", ""), "prod": ("reduce_prod", "prod"), "matmul": ("dot_general", "matmul"),
    "concatenate": ("concatenate", "cat"), "transpose": ("transpose", "permute"),
    "swapaxes": ("", "transpose"), "expand_dims": ("expand_dims", "unsqueeze"), "repeat": ("", ""),
    "broadcast_to": ("broadcast_in_dim", "expand"), "flip": ("rev", "flip"), "tile": ("tile", "repeat"),
    "take": ("gather", "index_select"), "copy": ("copy", "clone")}
"""NumPy's name: the names of JAX and PyTorch, where they are others ("" for none)."""


def imported(name):
    """(what an importer records, what it refuses and why), both by name; None where it is not installed."""
    known, reasons = [], {}
    for file, tables in TABLES.items():
        try:
            module = import_module(f"{IMPORTERS[name]}.{file}")
        except ImportError:
            continue
        known += [key for table in tables for key in getattr(module, table, {})]
        reasons |= getattr(module, "JUMPS", {})
    return (list(dict.fromkeys(known)), reasons) if known else None


def made_of(function):
    """The gate, or the sugar, that records a function."""
    if isinstance(function, Gate):
        return f"gate {function.name}"
    return f"sugar ({function.__module__.split('.')[-1]}.{function.__qualname__.split('.')[0]})"


def tested():
    """{function of NumPy: the place of its first row in the table of the tests}."""
    places, modules = {}, {"np": np, "special": special}
    for node in ast.walk(ast.parse(ROWS.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in ("Row", "moved"):
            module, *names = ast.unparse(node.args[0]).split(".")
            function = reduce(lambda x, name: getattr(x, name, None), names, modules.get(module))
            places.setdefault(function, f"{ROWS.relative_to(ROOT)}:{node.lineno}")
    return places


def named_in_tests(name):
    """Where the tests of the importers first have a name in quotation marks or behind a point, or nothing."""
    for path in sorted((ROOT / "tests" / "importers").glob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(rf"[\"'.]{re.escape(name)}\b", line):
                return f"{path.relative_to(ROOT)}:{number}"
    return ""


def rows(others):
    """The lines of the table.   others: {importer: the names it records}, of those that are installed"""
    places, left = tested(), {importer: list(names) for importer, names in others.items()}
    for function, of_wires in TABLE.items():
        named = dict(zip(IMPORTERS, ELSEWHERE.get(function.__name__, (function.__name__,) * 2)))
        there = [named[importer] if named[importer] in names else "" for importer, names in others.items()]
        left = {importer: [x for x in names if x not in there] for importer, names in left.items()}
        yield [full_name(function), *there, made_of(of_wires), places.get(function, "")]
    for name in dict.fromkeys(x for names in left.values() for x in names):
        yield ["", *[name if name in names else "" for names in left.values()], "sugar (importers)",
               named_in_tests(name)]


def refusals(others):
    """{why: names} of what raises an error.   others: {importer: {name: why}}"""
    reasons = {}
    for name in (*INSTEAD, *CHOICES, *COMPARISONS):
        for module in (np, np.linalg, special):
            if hasattr(module, name):
                function = getattr(module, name)
                why = str(refused(function)).split(": ", 1)[1]
                why = re.sub(r"\(y \S+ 1\)", "(y > 1)", why)      # one reason for all comparisons
                reasons.setdefault(why, []).append(full_name(function).removeprefix("numpy."))
                break
    for importer, of_importer in others.items():
        for name, why in of_importer.items():
            reasons.setdefault(why, []).append(f"{name} ({importer})")
    return reasons


def columns(lines):
    """Columns of text, each as wide as its longest entry."""
    lines = [list(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(x.ljust(n) for x, n in zip(line, widths)).rstrip() for line in lines)


def main():
    harness.parser("functions", __doc__).parse_args()
    found = {importer: tables for importer in IMPORTERS if (tables := imported(importer))}
    lines = list(rows({importer: names for importer, (names, _) in found.items()}))
    print(columns([["NumPy and SciPy", *found, "made of", "tested at"], *lines]))
    gates = sum(line[-2].startswith("gate") for line in lines)
    print(f"\n{len(lines)} functions: {gates} are gates, {len(lines) - gates} sugar over gates")
    for importer in IMPORTERS.keys() - found:
        print(f"The names of {importer} are missing: it is not installed, or there is no importer.")
    print("\nRefused, and what to do:\n")
    for why, names in refusals({importer: reasons for importer, (_, reasons) in found.items()}).items():
        print(f"{', '.join(names)}\n    {why}")


if __name__ == "__main__":
    harness.run(main)
