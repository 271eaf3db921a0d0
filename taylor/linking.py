"""Linking: the kernels that a program needs, compiled or loaded from disk, as the machine calls them.

The first kernel that is not on disk starts a second process, which compiles from the other end of the list.
"""
import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import get_ident

import numpy as np
from numba import config
from numba.core import event

from . import kernels, machine
from .compiling import announce
from .form import LANES, Form

if config.DISABLE_JIT:
    from .vectors.plain import compiled_kernel
else:
    from .vectors.operations import compiled_kernel

FEW = 4
"""So few kernels are compiled before a second process has started."""

VALUES, COLUMNS = Form(0, LANES), Form(0, LANES, shared=False)
"""The forms of constants, and of einsum_values, whose lanes are columns."""


def link(program):
    """The kernels of a program's instructions, as the machine calls them."""
    def form(operation, moving):
        return COLUMNS if operation == "einsum_values" else program.form if moving else VALUES
    needed = [x and (x[0], form(*x[1:]), x[1]) for x in program.kernels]
    prepare(list(dict.fromkeys(x for x in needed if x)), program.form)
    if config.DISABLE_JIT:
        return [x and compiled_kernel(*x) for x in needed]
    return np.array([compiled_kernel(*x) if x else 0 for x in needed], np.int64)


def prepare(kinds, form):
    """Compile kernels that are not on disk: [(kernel, form, operation)]."""
    what = f"the kernels of degree {form.degree}" if form.shared else "the kernels of plain trainings"
    with announced(what) as compiling, ExitStack() as helpers:
        helped = False
        for number, kind in enumerate(kinds):
            if compiling.begun and not helped and len(kinds) - number > FEW:
                helped = True
                helpers.enter_context(helper(kinds[number:][::-1]))
                machine.ready()      # it takes longer than any kernel
            compiled_kernel(*kind)
        machine.ready()


@contextmanager
def helper(kinds):
    """A context in which a second process compiles kernels, and keeps them on disk, where that helps."""
    if (os.cpu_count() or 1) < 2 or not sys.executable or not kernels.elementwise.stats.cache_path:
        yield
        return
    command, environment = helpers_command(kinds)
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def helpers_command(kinds):
    """(command, environment variables) of the second process.

    It imports this library from where this process has it, and nothing from the present folder (-P), which
    may be a stranger's.
    """
    listed = json.dumps([(kernel.py_func.__name__, form, operation) for kernel, form, operation in kinds])
    code = "import sys; from taylor.linking import help_out; help_out(sys.argv[1])"
    known = [str(Path(__file__).parent.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    path = os.pathsep.join(x for x in known if x)
    return [sys.executable, "-P", "-c", code, listed], os.environ | {"PYTHONPATH": path}


def help_out(listed):
    """Compile the kernels that `start_helper` lists."""
    for name, form, operation in json.loads(listed):
        compiled_kernel(getattr(kernels, name), Form(*form), operation)


@contextmanager
def announced(what):
    """A context that says what is being compiled when the compiler begins; `begun` is whether it has."""
    listener = Listener(what)
    with event.install_listener("numba:compile", listener):
        try:
            yield listener
        finally:
            listener.end()


class Listener(event.Listener):
    """Announces the first function that is compiled. Functions found on disk cause no event."""

    def __init__(self, what):
        self.what, self.begun, self.progress, self.thread = what, False, None, get_ident()

    def on_start(self, event):
        if not self.begun and get_ident() == self.thread:      # other threads announce what they compile
            self.begun = True
            self.progress = announce(self.what, "about ten seconds", kernels.elementwise.stats.cache_path)

    def on_end(self, event):
        pass

    def end(self):
        """Nothing more is compiled."""
        if self.progress:
            self.progress.__exit__(None)
