"""Compiling: each kernel is compiled by itself, once for each operation and form that a program needs. The
results are kept on disk where that is possible, and stderr says when the compiler begins.
"""
import time
import warnings
from functools import lru_cache

from numba import njit, types
from numba.core import event

from circuit.progress import say, working

_descriptions = {}      # dispatcher -> describe

REALS, WHOLE = types.CPointer(types.float64), types.CPointer(types.int64)


def compiled(describe, **options):
    """Return a decorator: njit, with results kept on disk. They contain every function that the decorated one
    calls.

    describe   describe(*types of the arguments) -> (what is being compiled, how long that takes), in words;
               None: not announced
    options    options of njit
    """
    def decorate(function):
        try:
            dispatcher = njit(nogil=True, cache=True, **options)(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            warn_of_no_cache()
            dispatcher = njit(nogil=True, **options)(function)
        _descriptions[dispatcher] = describe
        return dispatcher
    return decorate


@lru_cache(maxsize=None)      # several functions are compiled; one warning is enough
def warn_of_no_cache():
    """Warn that every start compiles anew."""
    warnings.warn("compiled code cannot be kept, because neither the folder of this library nor the user's "
                  "cache folder can be written to: each start compiles anew. Set NUMBA_CACHE_DIR to a folder "
                  "that can be written to", RuntimeWarning, stacklevel=4)


def kernel(function):
    """A kernel of kernels.py: compiled when `address` is asked for it."""
    return compiled(None, error_model="numpy", _nrt=False)(function)


_addresses = {}


def address(dispatcher, form, operation):
    """Where the machine finds a kernel, compiled for a form and an operation (types): its address."""
    key = dispatcher, form, operation
    if key not in _addresses:
        signature = (form, operation, REALS, REALS, WHOLE, WHOLE, WHOLE, REALS, types.int64, types.int64)
        dispatcher.compile(signature)
        code = dispatcher.overloads[signature]
        _addresses[key] = code.library.get_pointer_to_function(code.fndesc.llvm_cfunc_wrapper_name)
    return _addresses[key]


class Announcer(event.Listener):
    """Prints what is being compiled when the compiler begins. Functions found on disk cause no such event.

    The compiler works on one function at a time. Functions that are called by others are skipped.
    """

    def on_start(self, event):
        dispatcher = event.data["dispatcher"]
        if _descriptions.get(dispatcher) is None:
            return
        what, duration = _descriptions[dispatcher](*event.data["args"])
        path = dispatcher.stats.cache_path
        kept = f"once: kept in {path}" if path else "at each start: set NUMBA_CACHE_DIR to keep it"
        say(f"compiling {what} for this machine, {duration}, {kept}")
        self.progress = working(f"compiling {what}")
        self.progress.__enter__()

    def on_end(self, event):
        if _descriptions.get(event.data["dispatcher"]) is not None:
            self.progress.__exit__(None)


event.register("numba:compile", Announcer())
