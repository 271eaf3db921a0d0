"""Compiling: each kernel is compiled by itself, once for each operation and form that a program needs. The
results are kept on disk where that is possible, and stderr says when the compiler begins.

Several processes may need the same kernels at once: each is compiled by one of them, and the others load what
it kept. So a second process can help the first, from the other end of its list.
"""
import errno
import sys
import warnings
from contextlib import closing
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from numba import config, njit, types
from numba.core import event

from circuit.progress import say, working

try:
    import fcntl
except ImportError:      # on Windows
    fcntl = None

_descriptions = {}      # dispatcher -> describe

REALS, WHOLE = types.CPointer(types.float64), types.CPointer(types.int64)


# kept on disk, compiled once --------------------------------------------------------------------------------

class Shared:
    """The files of a function's compiled code, as numba keeps them, for several processes at once.

    Parameters
    ----------
    files : object
        What a dispatcher of numba reads and writes them with.
    name : str
        The name of the function.
    """

    def __init__(self, files, name):
        self.files, self.name, self.claims = files, name, {}

    def __getattr__(self, name):
        return getattr(self.files, name)

    def load_overload(self, signature, target):
        """Return the compiled code for a signature, or None: then this process must compile it. If another
        one does so at the moment, wait for it."""
        code = self.files.load_overload(signature, target)
        if code is None:
            self.release()
            self.claims[signature] = self.locked(sha256(str(signature).encode()).hexdigest()[:16])
            code = self.files.load_overload(signature, target)
            if code is not None:
                self.release()
        return code

    def release(self):
        """Let other processes compile what this one has not: it has it now, or was stopped."""
        while self.claims:
            self.claims.popitem()[1].close()

    def save_overload(self, signature, code):
        """Keep compiled code, and let other processes load it."""
        with self.locked("index"):      # one writes the list of files at a time
            self.files.save_overload(signature, code)
        self.release()

    def locked(self, name):
        """An open file that no other process has locked; where there are no locks, nothing in its place: then
        processes may compile the same."""
        if fcntl is None:
            return closing(BytesIO())
        folder = Path(self.files.cache_path)
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / f"{self.name}-{name}.lock", "w", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise      # some shared folders have no locks, which is fine
        return file


def compiled(describe, **options):
    """Return a decorator: njit, with results kept on disk. They contain every function that the decorated one
    calls.

    describe   describe(*types of the arguments) -> (what is being compiled, how long that takes), in words;
               None: not announced
    options    options of njit
    """
    def decorate(function):
        if config.DISABLE_JIT:
            return function
        try:
            dispatcher = njit(nogil=True, cache=True, **options)(function)
            dispatcher._cache = Shared(dispatcher._cache, function.__name__)
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


# kernels ----------------------------------------------------------------------------------------------------

def kernel(function):
    """A kernel of kernels.py: compiled when `address` is asked for it."""
    return compiled(None, error_model="numpy", no_cpython_wrapper=True, _nrt=False)(function)


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


def announce(what, duration, path):
    """Say what is being compiled, and where it is kept; return the progress, to be left at the end."""
    kept = f"once: kept in {path}" if path else "at each start: set NUMBA_CACHE_DIR to keep it"
    say(f"compiling {what} for this machine, {duration}, {kept}")
    progress = working(f"compiling {what}")
    progress.__enter__()
    return progress


class Announcer(event.Listener):
    """Prints what is being compiled when the compiler begins. Functions found on disk cause no such event.

    The compiler works on one function at a time. Functions that are called by others are skipped.
    """

    def on_start(self, event):
        dispatcher = event.data["dispatcher"]
        if _descriptions.get(dispatcher) is None:
            return
        what, duration = _descriptions[dispatcher](*event.data["args"])
        self.progress = announce(what, duration, dispatcher.stats.cache_path)

    def on_end(self, event):
        dispatcher = event.data["dispatcher"]
        if _descriptions.get(dispatcher) is not None:
            self.progress.__exit__(None)
        if sys.exc_info()[0] and isinstance(dispatcher._cache, Shared):      # it was stopped, or failed
            dispatcher._cache.release()


event.register("numba:compile", Announcer())
