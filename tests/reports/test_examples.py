"""The short examples that newcomers copy from: each runs, and its prediction stands beside the truth."""
import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "benchmarks" / "examples"
LONGER = "episodes.py"
"""A study with a simulator of its own, which test_episodes tests."""
SCRIPTS = sorted(path for path in EXAMPLES.glob("*.py") if path.name != LONGER)
NUMBER = r"(-?\d+\.\d+)"
FACES = {"circuit", "deletion", "microgpt", "taylor"}


def run(*command, **environment):
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT,
                            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_there_are_six_and_a_notebook():
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == {
        LONGER, "logistic.py", "convolution.py", "recurrent.py", "names.py", "command_line.sh", "wine.ipynb"}


@pytest.mark.parametrize("path", [*SCRIPTS, EXAMPLES / "command_line.sh"], ids=lambda path: path.name)
def test_an_example_has_less_than_forty_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_an_example_imports_only_what_is_public(path):
    """Names that stand in __all__, NumPy, and, for its data, scikit-learn."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert [alias.name for alias in node.names] == ["numpy"]
        elif isinstance(node, ast.ImportFrom) and node.module in FACES:
            public = __import__(node.module).__all__
            assert {alias.name for alias in node.names} <= set(public)
        elif isinstance(node, ast.ImportFrom):
            assert node.module == "sklearn.datasets"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_predicts_what_retraining_gives(path):
    if "sklearn" in path.read_text(encoding="utf-8"):
        pytest.importorskip("sklearn")
    printed = run(sys.executable, str(path))
    trained, = re.findall(rf"^as trained {NUMBER}", printed, re.MULTILINE)
    (value, low, high, verdict), = re.findall(
        rf"^predicted  {NUMBER}, 95% interval {NUMBER} to {NUMBER}: (.+)$", printed, re.MULTILINE)
    truth, = re.findall(rf"^retrained  {NUMBER}", printed, re.MULTILINE)
    assert len(printed.splitlines()) == 3
    assert verdict == "trust"
    assert float(low) <= float(truth) <= float(high)
    assert abs(float(value) - float(truth)) < 0.2 * abs(float(trained) - float(truth))


def test_the_command_line_predicts_what_retraining_gives(tmp_path):
    """Here `sketch` runs this checkout, whatever is installed."""
    command = tmp_path / "sketch"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m deletion "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    printed = run("sh", str(EXAMPLES / "command_line.sh"), PATH=f"{tmp_path}:{os.environ['PATH']}")
    rows = re.findall(rf"{NUMBER} +{NUMBER} \.\. {NUMBER}  (\S.*?) \[\d\]$", printed, re.MULTILINE)
    trusted = [row for row in rows[-2:] if row[-1] == "trust"]      # of validate, which retrains
    assert len(rows) == 4 and trusted
    for truth, low, high, _ in trusted:
        assert float(low) <= float(truth) <= float(high)


CHECKED = """
import json
numbers = prediction.value.tolist(), truth.tolist(), measured.value.tolist()
print(json.dumps([prediction.kind, *numbers, prediction._repr_html_()]))
"""


def test_the_notebook_runs_and_predicts_what_retraining_gives(tmp_path):
    """Its cells in order, as a notebook runs them: in the main module."""
    pytest.importorskip("sklearn")
    notebook = json.loads((EXAMPLES / "wine.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert notebook["nbformat"] == 4
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)      # no results
    script = tmp_path / "wine.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in cells) + CHECKED, encoding="utf-8")
    kinds, value, truth, trained, table = json.loads(run(sys.executable, str(script)).splitlines()[-1])
    assert kinds == ["random", "random", "class"] and table.count("<tr>") == 4
    off, moved = np.abs(np.subtract(value, truth)), np.abs(np.subtract(truth, trained))
    assert off.sum() < 0.5 * moved.sum()
