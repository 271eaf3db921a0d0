"""The README's code is run, and what it says is printed is what is printed."""
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
         for path in (ROOT / "README.md", *(ROOT / room / "README.md"
                                            for room in ("circuit", "taylor", "deletion", "benchmarks")))}
WITH_CODE = [name for name, text in PAGES.items() if "```python" in text]


@pytest.mark.parametrize("page", WITH_CODE)
def test_python_blocks_print_what_the_page_says(page, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```(?:\n+```\n(.*?)```)?", PAGES[page], re.DOTALL)
    assert blocks
    for code, printed in blocks:
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert result.stdout == printed


def test_commands_print_what_the_guide_says(tmp_path):
    blocks = "".join(re.findall(r"```console\n(.*?)```", PAGES["deletion/README.md"], re.DOTALL))
    commands = re.findall(r"^\$ sketch (.*)\n((?:(?!\$ ).*\n)*)", blocks, re.MULTILINE)
    assert any(printed for _, printed in commands)
    for command, printed in commands:
        result = subprocess.run([sys.executable, "-m", "deletion", *shlex.split(command)],
                                capture_output=True, text=True, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        # where the guide says nothing, it tells how long it took
        assert result.stdout == printed or not printed


@pytest.mark.parametrize("page", PAGES)
def test_every_file_a_page_names_exists(page):
    for room, name in re.findall(r"`(circuit|taylor|deletion|microgpt|benchmarks|tests)/([\w./]*)`",
                                 PAGES[page]):
        assert (ROOT / room / name).exists(), f"{room}/{name}"
    for target in re.findall(r"\]\(([\w./]+)(?:#[\w-]+)?\)", PAGES[page]):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_front_page_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 150
