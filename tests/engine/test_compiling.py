"""Compiling is announced before it begins, happens once, counts in no estimate, and works without a cache."""
import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from learners import network
from numba.core import event

from circuit import progress, real, record
from circuit.progress import silence
from deletion import precompute, retrain
from deletion.directions.terms import add_terms
from taylor import Records, Recurrence, Step, compiling, kernels, linking, recurrence
from taylor.compiling import address, compiled
from taylor.form import Form
from taylor.vectors import lanes
from taylor.vectors.lanes import FormType
from taylor.machine import repeat
from taylor.vectors.operations import OperationType

evaluate = sys.modules["taylor.evaluate"]      # whose name the function has, too

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

SMALL = """
    import numpy as np
    import deletion
    from circuit import real, record
    from taylor import evaluate
    print(evaluate(record(lambda x: x * x, real(name="x")), [np.array(3.0)], degree=0)[0].constant)
"""
"""A program that compiles as little as any: kernels of degree 0."""


def child(code, cwd, **environment):
    """A process that runs code with other environment variables; None removes one."""
    variables = {name: value for name, value in (os.environ | environment).items() if value is not None}
    return subprocess.Popen([sys.executable, "-W", "default", "-c", textwrap.dedent(code)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=variables)


def test_the_readmes_first_example_announces_that_it_compiles(tmp_path):
    """With an empty cache, the first line on stderr appears before the cache holds anything."""
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    process = child(example, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    try:
        line = process.stderr.readline()
        compiled_by_now = list((tmp_path / "cache").rglob("*.nbc"))
    finally:
        process.kill()
        process.communicate()
    assert re.match("compiling the kernels of .* for this machine", line)
    assert str(tmp_path / "cache") in line and not compiled_by_now


def test_what_is_in_the_cache_is_not_announced_again(tmp_path):
    cache = str(tmp_path / "cache")
    first, again = (child(SMALL, tmp_path, NUMBA_CACHE_DIR=cache).communicate() for _ in range(2))
    assert first[0] == again[0] == "9.0\n"
    assert first[1].startswith("compiling the kernels of degree 0 for this machine")
    assert "compiling" not in again[1]


def test_without_a_place_for_a_cache_there_is_one_warning(tmp_path):
    for room in ("circuit", "taylor", "deletion"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
        for folder in {path.parent for path in (tmp_path / room).rglob("*.py")}:
            (folder / "__pycache__").touch()      # a file: not even root can keep anything in it
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache", "NUMBA_CACHE_DIR": None}
    text, error = child(SMALL, tmp_path, PYTHONPATH=str(tmp_path), **nowhere).communicate()
    assert text == "9.0\n", error
    assert error.count("RuntimeWarning") == 1 and "each start compiles anew. Set NUMBA_CACHE_DIR" in error
    assert "compiling the kernels of degree 0 for this machine, about ten seconds, at each start" in error


def imported(module, known=()):
    """The modules of taylor/ that one imports, itself included, such as 'vectors/lanes'."""
    if module in known:
        return set(known)
    found, path = {*known, module}, ROOT / "taylor" / f"{module}.py"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1].relative_to(ROOT / "taylor")
            names = [node.module.replace(".", "/")] if node.module else [alias.name for alias in node.names]
            for name in names:
                found = imported((folder / name).as_posix(), found)
    return found


def test_compiled_code_depends_on_all_its_sources(monkeypatch):
    """On disk it is found by a hash of the modules that are compiled, or written into what is compiled."""
    read, inner = [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path), inner(path))[1])
    lanes._sources.__wrapped__()
    named = {path.relative_to(ROOT / "taylor").with_suffix("").as_posix() for path in read}
    assert named == (imported("kernels") | imported("machine")) - {"compiling", "vectors/plain"}


def test_a_rule_that_is_changed_is_compiled_anew(tmp_path):
    """Though the kernel that it is part of, and whose file is what the cache looks at, stays as it is."""
    for room in ("circuit", "taylor"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    rules, printed = tmp_path / "taylor" / "rules.py", []
    for change in ("", "10.0 * "):
        text = rules.read_text(encoding="utf-8")
        changed = text.replace("y.constant = a.constant", f"y.constant = {change}a.constant")
        rules.write_text(changed, encoding="utf-8")
        assert (changed != text) == bool(change)
        printed.append(child(SMALL.replace("import deletion", ""), tmp_path, PYTHONPATH=str(tmp_path),
                             NUMBA_CACHE_DIR=str(tmp_path / "cache")).communicate()[0])
    assert printed == ["9.0\n", "90.0\n"]


def doubled(x):
    return 2.0 * x


def test_silence_includes_the_announcement(capsys):
    function = compiled(lambda *types: (f"a function of {types[0]}", "no time"))(doubled)
    assert function(1.5) == 3.0
    capsys.readouterr()
    with silence():
        function.recompile()
    assert capsys.readouterr().err == ""
    function.recompile()
    error = capsys.readouterr().err
    assert error.startswith("compiling a function of float64 for this machine, no time, once: kept in ")


def tripled(x):
    return 3.0 * x


def test_a_compilation_that_is_stopped_blocks_nobody(monkeypatch):
    """Neither other processes nor the next call, which would wait for itself."""
    function = compiled(None)(tripled)

    def stopped(*arguments):
        assert function._cache.claims
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(function._cache, "load_overload", lambda *_: function._cache.claims.update(
            {"it": function._cache.locked("it")}))      # as if nothing were on disk
        patch.setattr(function._compiler, "compile", stopped)
        with pytest.raises(KeyboardInterrupt):
            function(1.0)
    assert not function._cache.claims and function(1.0) == 3.0


def test_the_second_process_reads_nothing_from_the_present_folder(tmp_path):
    """A stranger's folder may hold modules with the names of ours."""
    for name in ("json", "numba", "numpy", "taylor"):
        (tmp_path / f"{name}.py").write_text("open('was here', 'w')\nraise SystemExit(3)\n", encoding="utf-8")
    command, variables = linking.helpers_command([(kernels.elementwise, Form(0, 8), "scale")])
    cache = tmp_path / "cache"
    done = subprocess.run(command, cwd=tmp_path, env=variables | {"NUMBA_CACHE_DIR": str(cache)})
    assert done.returncode == 0 and list(cache.rglob("*.nbc")) and not (tmp_path / "was here").exists()


class Compiled(event.Listener):
    """Counts how often the compiler works on a function."""

    def __init__(self, function):
        self.function, self.count = function, 0

    def on_start(self, event):
        self.count += event.data["dispatcher"] is self.function

    def on_end(self, event):
        pass


def test_every_kernel_is_compiled_once(learner):
    """For an operation and a form; the machine serves all forms, and predictions need no more kernels."""
    asked, found = Compiled(kernels.elementwise), set()
    with event.install_listener("numba:compile", asked):
        for form in (Form(4, 3), Form(4, 3), Form(2 * 2, 3)):
            found.add(address(kernels.elementwise, FormType(form), OperationType("scale")))
    assert asked.count <= 1 and len(found) == 1      # 0, if it was found on disk
    measured = precompute(learner, 16, 2).measure(lambda p: p["w2"].sum())
    measured.predict([3])
    known = set(compiling._addresses)
    measured.predict_many([[3, 4]] * 200)
    measured.predict_downweights(np.ones((2, 20)))
    precompute(learner, 16, 2).measure(lambda p: p["w2"].sum()).predict([3])
    assert set(compiling._addresses) == known
    assert len(repeat.signatures) == len(add_terms.signatures) == 1


def test_the_machine_is_compiled_once_for_arrays_of_every_kind():
    """Weights and records that cannot be written to, or that lie among other numbers."""
    recurrence = Recurrence([record(lambda a, w: a * w.sum(), real(2), real(2))],
                            [Step(0, np.array([0, 1]), ())] * 3, 1, None, 2)
    weights = np.array([0.5, 1.0, 0.25, 2.0])
    for base in (weights[:2].copy(), weights[::2], np.broadcast_to(0.5, (2, 2)), weights.reshape(2, 2).T):
        base.flags.writeable = False
        block = recurrence.block([[1.0, 2.0]], base)
        block.run(0, 3, records=Records(0, saved=np.empty((3, recurrence.record))))
    read_only = block.constant(0)
    read_only.flags.writeable = False
    recurrence.block([read_only], weights.reshape(2, 2)).run(0, 3)
    assert len(repeat.signatures) == 1


@pytest.mark.parametrize("executor", [False, True])
def test_no_estimate_counts_compiling(monkeypatch, executor):
    """In this test a clock moves by 1000 s whenever kernels are compiled, and by 1 s with every report."""
    now, lines = [0.0], []
    monkeypatch.setattr(progress, "clock", lambda: now[0])
    link, count = linking.link, progress.Progress.__call__

    def slowly(program):
        now[0] += 1000.0
        return link(program)

    def counted(self, *work):
        now[0] += 1.0
        count(self, *work)
        lines.append(str(self))

    for module in (recurrence, evaluate):
        monkeypatch.setattr(module, "link", slowly)
    monkeypatch.setattr(progress.Progress, "__call__", counted)
    if executor:
        with ThreadPoolExecutor(1) as pool:
            precompute(network(steps=400), 24, 2, design="pairs", executor=pool)
    else:
        precompute(network(steps=400), 24, 2, design="pairs", threads=1)
    retrain(network(steps=400), [[1]])
    assert now[0] > 3000.0 and "push" in "".join(lines) and "retrain" in "".join(lines)
    left = [re.search(r"about (\S+) s left", line) for line in lines]
    assert len(left) > 10 and all(match and float(match.group(1)) < 100.0 for match in left)
