"""The README's code is run, and what it says is printed is what is printed."""
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_python_blocks_print_what_the_readme_says():
    blocks = re.findall(r"```python\n(.*?)```(?:\n+```\n(.*?)```)?", README, re.DOTALL)
    assert blocks
    for code, printed in blocks:
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert result.stdout == printed


def test_every_file_the_readme_names_exists():
    root = Path(__file__).parent.parent
    for room, name in re.findall(r"`(circuit|taylor|deletion|microgpt|benchmarks|tests)/([\w./]*)`", README):
        assert (root / room / name).exists(), f"{room}/{name}"
