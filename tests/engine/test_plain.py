"""The rules without the compiler: with NUMBA_DISABLE_JIT=1 they run in plain NumPy."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("file, tests", [
    ("test_gates.py", "slow_twin or kink"),
    ("test_taylor.py", "every_kind or (read_before and 5) or names_the_step or side_by_side or names_it"),
])
def test_without_the_compiler(file, tests):
    result = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                             str(HERE / file), "-k", tests], env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
                            capture_output=True, text=True, cwd=HERE.parent.parent)
    assert result.returncode == 0, result.stdout[-3000:]
    assert " passed" in result.stdout
