"""What every benchmark shares: options, running with clear errors, facts about the machine, timing, where
results go."""
import argparse
import csv
import json
import logging
import os
import platform
import sys
import time
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from circuit import InputError
from deletion.cli.tables import plain

OPTIONS = {
    "names": {"metavar": "FILE", "help": "file of names, one a line (default: the shipped US Census names)"},
    "steps": {"type": int, "help": "of training, one name each"},
    "directions": {"type": int, "help": "to push through the training"},
    "degree": {"type": int, "help": "highest power of t kept"},
    "seed": {"type": int, "help": "of the random directions"},
    "quick": {"action": "store_true", "help": "little work, to see that it runs"},
    "out": {"metavar": "FOLDER", "help": "for pictures, tables, and what is kept between runs"},
    "json": {"metavar": "FILE", "help": "write the results there too, as one line"}}
"""Options that mean the same in every benchmark."""


# running ----------------------------------------------------------------------------------------------------

class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose error messages are one line, as those of the library."""

    def error(self, message):
        raise InputError(message)


def parser(name, doc, parts=(), **defaults):
    """The parser of `python -m benchmarks.NAME`, described by a script's docstring.   defaults: the options
    of OPTIONS it takes."""
    made = Parser(prog=f"python -m benchmarks.{name}" if name else "python -m benchmarks",
                  description=doc.split("\n")[0])
    if parts:
        made.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(parts)}; default: all")
    for option, default in defaults.items():
        more = dict(OPTIONS[option])
        if default is not None and "action" not in more:
            more["help"] += " (default %(default)s)"
        made.add_argument(f"--{option}", default=default, **more)
    return made


def parts(known, options):
    """Run the parts that `options.parts` names, or all: {name: results}.   known: {name: part(options)}; the
    first line of a part's docstring is printed as its title."""
    unknown = [name for name in options.parts if name not in known]
    if unknown:
        raise InputError(f"no part {unknown[0]!r}; there are {', '.join(known)}")
    results = {}
    for name in options.parts or known:
        print(f"\n== {name}: {known[name].__doc__.splitlines()[0]}")
        results[name] = known[name](options)
    return results


def run(main):
    """Call a benchmark's main; a mistake in its input ends with one clear line and exit code 2."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    try:
        sys.exit(main())
    except (InputError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


# the machine ------------------------------------------------------------------------------------------------

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
    numbers = {"python": platform.python_version()}
    for name in ("numpy", "scipy", "numba", *more):
        try:
            numbers[name] = version(name)
        except PackageNotFoundError:
            continue
    return numbers


def seconds(call, repeats=5):
    """Sorted times of `repeats` calls: [0] is the best, the middle one the median."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)


def core_seconds(call):
    """(what a call returns, the processor time of all threads it took): much the same on a busy machine as on
    a quiet one."""
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def beside(unit, calls, repeats):
    """Ratios of each call's seconds and a unit's: {name: ratios, one a repetition}.   calls: {name: call}

    The unit is called before and after each call; their mean counts. On a shared machine the pace changes,
    and a ratio of neighbours changes least.
    """
    ratios = {name: [] for name in calls}
    for _ in range(repeats):
        before = seconds(unit, 1)[0]
        for name, call in calls.items():
            took, after = seconds(call, 1)[0], seconds(unit, 1)[0]
            ratios[name].append(2.0 * took / (before + after))
            before = after
    return ratios


def memory(field="VmRSS"):
    """Bytes of this process's memory now (VmRSS) or at most since `forget_peak` (VmHWM); NaN where the system
    does not report it."""
    try:
        line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))
        return 1024.0 * int(line.split()[1])
    except (OSError, StopIteration):
        return float("nan")


def forget_peak():
    """Make `memory("VmHWM")` report the largest memory from now on."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass      # the peak then counts from the start of the process


# results ----------------------------------------------------------------------------------------------------

def write_json(path, packages=(), **content):
    """A benchmark's results as one line: the machine, versions (also of more packages), and its content by
    name. No path, no file."""
    if path is not None:
        content = {"machine": machine(), "versions": versions(*packages), **content}
        Path(path).write_text(json.dumps(plain(content), allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path, header, rows):
    """A table of numbers, in full precision."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *plain([list(row) for row in rows])])


def output_folder(path):
    """A folder for pictures and tables, made if missing."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def digest(*parts):
    """A short name for texts and arrays: the same content has the same name."""
    return sha256(b"".join(part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes()
                           for part in parts)).hexdigest()[:24]


def table(header, rows):
    """Rows of text in aligned columns."""
    cells = [[str(x) for x in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths)).rstrip()
                     for row in cells)


def pyplot():
    """matplotlib's pyplot, drawing to files; None where the extra `plot` is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("Agg")
    import matplotlib.pyplot
    return matplotlib.pyplot


def save_picture(figure, path):
    """A picture as path.png and path.svg: the same picture gives the same bytes."""
    pictures = pyplot()
    with pictures.rc_context({"svg.hashsalt": "deletion-sketch", "svg.fonttype": "none"}):
        figure.savefig(path.with_suffix(".png"), dpi=100)
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    pictures.close(figure)


def pictures(folder, **draws):
    """Draw and save pictures, each by its name and draw(pyplot) -> figure; say where they are, or why there
    are none."""
    drawing = pyplot()
    if drawing is None:
        print("(no pictures: matplotlib is not installed, see the extra `plot`)")
        return
    for name, draw in draws.items():
        save_picture(draw(drawing), Path(folder) / name)
        print(f"picture: {Path(folder) / name}.png, .svg")


class Run:
    """One run of a benchmark that leaves its results in a folder.

    name      of the benchmark, and of its files
    options   as parsed; `out` is the folder
    """

    def __init__(self, name, options):
        self.name, self.settings, self.folder = name, vars(options), output_folder(options.out)
        forget_peak()
        self.start, self.worked = time.perf_counter(), time.process_time()

    def finish(self, header, rows, draws, **results):
        """Write a table of numbers as CSV, the pictures, and the results as one line of JSON; say what was
        written.

        draws   {name: draw(pyplot) -> a picture}; not called where matplotlib is not installed
        """
        path = self.folder / self.name
        write_csv(path.with_suffix(".csv"), header, rows)
        took, worked = time.perf_counter() - self.start, time.process_time() - self.worked
        most = memory("VmHWM")
        write_json(path.with_suffix(".json"), ("matplotlib",), name=self.name, settings=self.settings,
                   seconds=took, core_seconds=worked, peak_memory=most, **results)
        print()
        pictures(self.folder, **draws)
        print(f"{took:.1f} s ({worked:.1f} core seconds), at most {most / 1e6:.0f} MB of memory; {path}: "
              "csv, json")
