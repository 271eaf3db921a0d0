"""The script with which a shell completes command lines (shtab)."""
import subprocess
import sys

import pytest

pytest.importorskip("shtab")


def test_the_script_is_one_that_a_shell_reads_and_knows_all_commands():
    script = subprocess.run([sys.executable, "-m", "deletion", "--print-completion", "bash"], text=True,
                            capture_output=True, check=True).stdout
    assert all(word in script for word in ("precompute", "predict", "ask", "--tolerance"))
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
