"""The recipe of circuit/README.md, followed to the letter on a copy of the code: the new gate passes the
checks of all gates. If an edit is left out, an error or a test says what is missing."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "circuit" / "README.md").read_text(encoding="utf-8")
COPIED = ("circuit", "taylor", "tests/table.py", "tests/naive.py", "tests/checks.py",
          "tests/engine/test_gates.py", "tests/engine/numpy_table.py", "tests/engine/test_numpy.py")

FIXTURE = '''import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(20260407)
'''
"""The part of tests/conftest.py that the checks of gates need."""


def edits():
    """[(file, line or None, code)]: each code block of the page, with its file and the line that it comes
    after; None: at the end."""
    listed, file = [], None
    recipe = PAGE[PAGE.index("## How to add a gate"):]
    for text, code in re.findall(r"(.*?)```py\n(.*?)```", recipe, re.DOTALL):
        named = re.findall(r"[Ii]n `((?:circuit|taylor|tests)/[\w/]+\.py)`", text)
        file = named[-1] if named else file
        after = re.findall(r"after `(.+?)`(?=[:,\n]|$)", text)
        assert after or "at the end:" in text, text
        listed.append((file, after[-1] if after else None, code))
    return listed


EDITS = edits()


def apply(folder, file, line, code):
    """Insert code into a file: after its only line that is `line`, or at the end."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    if line is None:
        text += "\n\n" + code
    else:
        assert text.count(f"\n{line}\n") == 1, f"{file}: {line}"
        text = text.replace(f"\n{line}\n", f"\n{line}\n{code}")
    path.write_text(text, encoding="utf-8")


def run(folder, *arguments, compiled=False):
    """Python in a copy of the code: (whether it succeeded, what it printed)."""
    environment = dict(os.environ, PYTHONPATH=f"{folder}{os.pathsep}{folder / 'tests'}",
                       NUMBA_CACHE_DIR=str(folder / "compiled"), NUMBA_DISABLE_JIT=str(int(not compiled)))
    result = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True,
                            env=environment)
    return result.returncode == 0, result.stdout + result.stderr


def checks(folder, chosen, compiled=False):
    return run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/engine/test_gates.py",
               "tests/engine/test_numpy.py", "-k", chosen, compiled=compiled)


@pytest.fixture
def copy(tmp_path):
    """copy(without): a copy of the code with all edits but one."""
    def made(without=None):
        for name in COPIED:
            source, target = ROOT / name, tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        (tmp_path / "tests" / "conftest.py").write_text(FIXTURE)
        for number, edit in enumerate(EDITS):
            if number != without:
                apply(tmp_path, *edit)
        return tmp_path
    return made


def test_the_page_lists_nine_edits_in_eight_files():
    assert len(EDITS) == 9 and len({file for file, _, _ in EDITS}) == 8


def test_the_new_gate_passes_the_checks_of_all_gates(copy):
    folder = copy()
    succeeded, printed = checks(folder, "sinh or cover_the")
    assert succeeded and re.search(r"1[1-9] passed", printed), printed
    succeeded, printed = run(folder, "-c", "import circuit, pydoc; print(pydoc.render_doc(circuit.sinh))")
    assert succeeded and "Hyperbolic sine" in printed


def test_the_new_gate_passes_compiled(copy):
    succeeded, printed = checks(copy(), "sinh and degree_0_and_1 and 1-1", compiled=True)
    assert succeeded and re.search(r"[1-9] passed", printed), printed


MISSING = {
    0: "cannot import name 'sinh' from 'circuit.gates.analytic'",
    3: "operation 'sinh' has no rule: a function of this name is missing from taylor/rules.py",
    4: "gate sinh: its Taylor rule is the operation 'sinh', which is missing from OPERATIONS in",
    5: "test_the_table_and_the_slow_twins_cover_the_registry_exactly",
    6: "test_the_table_and_the_slow_twins_cover_the_registry_exactly",
    7: "test_the_rows_cover_the_table_exactly",
    8: "test_the_rows_cover_the_table_exactly",
}
"""By the number of the edit that is left out: what is said."""


@pytest.mark.parametrize("without", MISSING)
def test_an_edit_that_is_left_out_is_missed(copy, without):
    succeeded, printed = checks(copy(without), "cover_the or (sinh and adjoint)")
    assert not succeeded and MISSING[without] in printed, printed
