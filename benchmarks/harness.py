"""What every benchmark shares: running with clear errors, facts about the machine, timing, where results go."""
import json
import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from circuit import CircuitError


def run(main):
    """Call a benchmark's main; a mistake in its input ends with one clear line and exit code 2."""
    try:
        sys.exit(main())
    except (CircuitError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def processor():
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine():
    """One line about the machine that the numbers were measured on."""
    return f"{os.cpu_count()} cores of {processor()}, {platform.system()}"


def versions(*more):
    """Versions of Python and of the packages that decide speed and rounding."""
    found = {"python": platform.python_version()}
    for name in ("numpy", "scipy", "numba", *more):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def seconds(call, repeats=5):
    """Sorted times of `repeats` calls: [0] is the best, the middle one the median."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)


def peak_gflops(repeats=5):
    """The most that NumPy's double-precision matrix product reaches on this machine's cores now, GFLOP/s."""
    best = 0.0
    for n in (1024, 2048, 3072):
        a, b, out = (np.random.default_rng(n).normal(size=(n, n)) for _ in range(3))
        best = max(best, 2e-9 * n ** 3 / seconds(lambda: np.matmul(a, b, out=out), repeats)[0])
    return best


def memory(field="VmRSS"):
    """Bytes of this process's memory now (VmRSS) or at most since `forget_peak` (VmHWM); NaN where the system does not tell."""
    try:
        line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))
        return 1024.0 * int(line.split()[1])
    except (OSError, StopIteration):
        return float("nan")


def forget_peak():
    """Let the largest memory count from now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass      # the peak then counts from the start of the process


def write_json(path, packages=(), **content):
    """A benchmark's results as one object: the machine, versions (also of more packages), and its content by name."""
    content = {"machine": machine(), "versions": versions(*packages), **content}
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def output_folder(path):
    """A folder for pictures and tables, made if missing."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def table(header, rows):
    """Rows of text in aligned columns."""
    cells = [[str(x) for x in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths)).rstrip() for row in cells)


def pyplot():
    """matplotlib's pyplot, drawing to files; None where the extra `plot` is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("Agg")
    import matplotlib.pyplot
    return matplotlib.pyplot
