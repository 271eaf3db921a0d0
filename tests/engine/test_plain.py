"""The rules without the compiler: with NUMBA_DISABLE_JIT=1 they run in plain NumPy."""
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FILES = ("test_gates.py", "test_taylor.py", "test_kernels.py", "test_records.py")
TESTS = " or ".join([
    "slow_twin", "kink", "every_kind", "outside_the_domain", "(read_before and 5)", "names_the_step",
    "side_by_side", "names_it", "(small and not blocks and not constant_parts)", "(constant_parts and 6-8)"])
"""Those with few elements."""


def test_without_the_compiler():
    """One process for all: each begins by importing everything."""
    result = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                             *(str(HERE / file) for file in FILES), "-k", TESTS],
                            env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True,
                            cwd=HERE.parent.parent)
    assert result.returncode == 0, result.stdout[-3000:]
    assert " passed" in result.stdout
