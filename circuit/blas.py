"""The threads of the linear algebra (BLAS) that NumPy and SciPy call.

These threads wait for each other by spinning. On busy cores, two of them can take a hundred times as long as
one for the product of two small matrices; on idle cores, one is about as fast as several. So small matrices
get one thread.
"""
import os
import time
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock

from .progress import say, working

SMALL = 2000
"""Matrices with fewer rows are small."""

MAX_DENSE = 1000
"""Rows up to which a symmetric matrix is written down and factored or decomposed without asking: that takes
less than a second and 8 MB, and iterative methods need hundreds of products themselves. Beyond, time grows
with the cube."""

SLOW = 2.0
"""Seconds beyond which linear algebra of small matrices is slow."""

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""Environment variables that limit the threads when Python starts."""

_held = Lock()      # while the threads are limited: their number belongs to the whole process


@lru_cache(maxsize=None)      # looking for the libraries takes longer than many a product
def controller():
    """The threadpoolctl controller of all BLAS libraries; None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    import scipy.linalg  # noqa: F401   SciPy has a BLAS library of its own; once loaded, it is found
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread(size=0):
    """A context, or a decorator, with one BLAS thread if matrices of `size` rows are small.

    It does nothing without threadpoolctl, and nothing inside another one. Where calls of several Python
    threads overlap, the first one sets and restores the number.
    """
    if size >= SMALL or controller() is None or not _held.acquire(blocking=False):
        yield
        return
    try:
        with controller().limit(limits=1, user_api="blas"):
            yield
    finally:
        _held.release()


@contextmanager
def linear_algebra(label, size):
    """A context for one slow operation on matrices of `size` rows: progress, one thread if they are small.

    If small matrices are slow although threadpoolctl is missing, one sentence says what to install or set.
    """
    start = time.monotonic()
    with working(label), one_blas_thread(size):
        yield
    slow = size < SMALL and time.monotonic() - start > SLOW
    if slow and controller() is None and all(os.environ.get(name) != "1" for name in VARIABLES):
        advise()


@lru_cache(maxsize=None)      # once is enough
def advise():
    say(f"linear algebra of small matrices took more than {SLOW:g} s: on busy cores its threads wait for "
        "each other. Install the extra `fast` (threadpoolctl), or set OPENBLAS_NUM_THREADS=1 before Python "
        "starts")
