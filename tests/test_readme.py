"""The README's code is run, and what it says is printed is what is printed."""
import re
import shlex
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_python_blocks_print_what_the_readme_says(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```(?:\n+```\n(.*?)```)?", README, re.DOTALL)
    assert blocks
    for code, printed in blocks:
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert result.stdout == printed


def test_commands_print_what_the_readme_says(tmp_path):
    blocks = "".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL))
    commands = re.findall(r"^\$ sketch (.*)\n((?:(?!\$ ).*\n)*)", blocks, re.MULTILINE)
    assert any(printed for _, printed in commands)
    for command, printed in commands:
        result = subprocess.run([sys.executable, "-m", "deletion", *shlex.split(command)], capture_output=True, text=True, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert result.stdout == printed or not printed      # where the README says nothing, it tells how long it took


def test_every_file_the_readme_names_exists():
    root = Path(__file__).parent.parent
    for room, name in re.findall(r"`(circuit|taylor|deletion|microgpt|benchmarks|tests)/([\w./]*)`", README):
        assert (root / room / name).exists(), f"{room}/{name}"
