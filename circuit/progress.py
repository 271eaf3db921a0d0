"""Progress on stderr: what a long call is doing, how far it is, and how long it will still take.

A call that takes less than two seconds prints nothing. In a terminal one line is rewritten twice a second
and erased at the end. Elsewhere, in a log or a notebook, plain lines are printed after 2, 6, 18 and 54
seconds and then every minute. The outermost call owns the thread that prints, and the lines describe the
innermost one. A call that is silenced silences every call it makes.
"""
import shutil
import sys
import threading
import time
from contextlib import nullcontext
from contextvars import ContextVar

FIRST = 2.0
"""Seconds before the first line."""

REDRAWN = 0.5
"""Seconds between two states of a terminal's line."""

RARELY = 60.0
"""Seconds between two lines of a log at most."""

clock = time.monotonic
_innermost = ContextVar("progress", default=None)      # of this thread


class Progress:
    """Work in progress, as a context. Calling it counts work that is done.

    total   units of work; None where they cannot be counted
    label   what is being done, in words
    shown   False silences this work and everything inside it
    """

    def __init__(self, total, label, shown=True):
        self.total, self.label, self.shown, self.done = total, label, shown, 0
        self.lock, self.outer, self.screen = threading.Lock(), None, None

    def begin(self):
        """Start the clock again: what came before, such as compiling, does not count in the time left."""
        self.start = clock()

    def __call__(self, amount, seconds=None):
        """Count work done, from any thread.

        seconds   how long this work took where it was done. The clock then starts when the first such work
                  began, so that starting workers, and compiling in them, does not count in the time left
        """
        with self.lock:
            if seconds is not None and not self.done:
                self.start = max(self.start, clock() - seconds)
            self.done += amount

    def __enter__(self):
        self.outer, self.start = _innermost.get(), clock()
        self.token = _innermost.set(self)
        self.shown = self.shown and (self.outer is None or self.outer.shown)
        if self.shown:
            self.screen = Screen() if self.outer is None else self.outer.screen
            self.screen.innermost = self
            if self.outer is None:
                self.screen.thread.start()
        return self

    def __exit__(self, kind, *error):
        _innermost.reset(self.token)
        if self.shown and self.outer is None:
            last = f"{self.label}: done in {duration(clock() - self.start)}"
            self.screen.close(last if kind is None else None)
        elif self.shown:
            self.screen.innermost = self.outer

    def name(self):
        """Its label, after those of all the work it is a part of."""
        return self.label if self.outer is None else f"{self.outer.name()}, {self.label}"

    def __str__(self):
        seconds, done = clock() - self.start, self.done
        if self.total is None:
            return f"{self.name()}: {duration(seconds)}"
        left = f", about {duration(seconds * (self.total - done) / done)} left" if done else ""
        return f"{self.name()}: {done} of {self.total}{left}"


def working(label, shown=True):
    """The Progress of work that cannot be counted."""
    return Progress(None, label, shown)


def silence(quiet=True):
    """A context in which nothing is printed; or, if not `quiet`, one that changes nothing."""
    return Progress(None, "", shown=False) if quiet else nullcontext()


def say(line):
    """Print one line that stays, unless silenced."""
    innermost = _innermost.get()
    if innermost is None or innermost.shown:
        write(f"\r{line:<{columns()}}\n" if terminal() else f"{line}\n")


class Screen:
    """The lines of an outermost call: a thread prints the state of the innermost work until it is closed."""

    def __init__(self):
        self.start, self.ended = time.monotonic(), threading.Event()
        self.printed, self.innermost = False, None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ended.wait(self.pause()):
            self.printed = True
            write(f"\r{fitted(str(self.innermost))}" if terminal() else f"{self.innermost}\n")

    def pause(self):
        """Seconds until the next line."""
        if not self.printed:
            return FIRST
        return REDRAWN if terminal() else min(2.0 * (time.monotonic() - self.start), RARELY)

    def close(self, last):
        """Stop printing. A terminal's line is erased; a log with lines gets the last one, if there is one."""
        self.ended.set()
        self.thread.join()
        if self.printed and terminal():
            write(f"\r{fitted('')}\r")
        elif self.printed and last:
            write(f"{last}\n")


def terminal():
    """Whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def columns():
    return shutil.get_terminal_size().columns - 1


def fitted(text):
    """A text as wide as the terminal: it covers whatever stood in its line."""
    return f"{text:<{columns()}.{columns()}}"


def write(text):
    """Write to stderr, if there is one that can be written to."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):      # no console (None), a closed pipe, a closed file
        pass


def duration(seconds):
    """'2 h 05 min'"""
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 48 * 60 else f"{minutes / 1440:.1f} days"
