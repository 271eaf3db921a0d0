"""Work that many answers share: it is done once, and counted in the cost of each of them.

A curvature matrix, a sketch or draws from a posterior serve any number of deletion sets. What such work took
is noted with its result. An answer that finds the result made states the cost that it would have had alone,
so that costs do not depend on what was asked before.
"""
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

_open = ContextVar("account", default=None)


@dataclass
class Account:
    """The shared work of one answer.

    Attributes
    ----------
    seconds : float
        What it takes.
    spared : float
        The part of it that an earlier answer spent.
    """
    seconds: float = 0.0
    spared: float = 0.0
    _depth: int = 0
    _seen: set = field(default_factory=set)


@contextmanager
def accounting() -> Iterator[Account]:
    """Open an account for the shared work of an answer.

    Yields
    ------
    Account

    Examples
    --------
    >>> from deletion.curvature.shared import accounting, once
    >>> kept = {}
    >>> with accounting() as first:
    ...     total = once(kept, "total", lambda: sum(range(1000)))
    >>> with accounting() as second:
    ...     again = once(kept, "total", lambda: sum(range(1000)))
    >>> first.spared, second.spared == second.seconds == first.seconds
    (0.0, True)
    """
    token = _open.set(Account())
    try:
        yield _open.get()
    finally:
        _open.reset(token)


@contextmanager
def shared() -> Iterator[None]:
    """Count the time of the block as shared work in the open account, if there is one."""
    account, begin = _open.get(), time.perf_counter()
    if account is None:
        yield
        return
    account._depth += 1
    try:
        yield
    finally:
        account._depth -= 1
        if not account._depth:      # inner blocks are a part of the outermost
            account.seconds += time.perf_counter() - begin


def once(kept: dict, key: Hashable, make: Callable[[], Any]) -> Any:
    """Return what make() returns; it is called the first time only.

    Parameters
    ----------
    kept : dict
        Where the result and what it took are kept.
    key : Hashable
        Its name there.
    make : callable

    Returns
    -------
    Any
    """
    account = _open.get()
    if key not in kept:
        begin = time.perf_counter()
        with shared():
            result = make()
        kept[key] = result, time.perf_counter() - begin
    elif account is not None and (id(kept), key) not in account._seen:
        account.seconds += kept[key][1]
        account.spared += kept[key][1]
    if account is not None:
        account._seen.add((id(kept), key))
    return kept[key][0]
