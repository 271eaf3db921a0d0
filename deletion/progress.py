"""Progress with time left: a bar when tqdm is installed and someone is watching, lines in the log otherwise."""
import logging
import sys
import threading
import time

log = logging.getLogger("deletion")


class Progress:
    """Counts work done, from any thread.   total: units of work;   label: what is being done."""

    def __init__(self, total, label, shown=True):
        self.total, self.label, self.done = total, label, 0
        self.lock, self.start, self.logged = threading.Lock(), time.monotonic(), 0.0
        self.bar = None
        if shown and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                pass
            else:
                self.bar = tqdm(total=total, desc=label, unit_scale=True, smoothing=0.1, leave=False)

    def __call__(self, amount):
        with self.lock:
            self.done += amount
            if self.bar is not None:
                self.bar.update(amount)
            elif time.monotonic() - self.start - self.logged > 10:      # a line every ten seconds
                self.logged = time.monotonic() - self.start
                left = self.logged * (self.total - self.done) / max(self.done, 1)
                log.info("%s: %d of %d, about %.0f s left", self.label, self.done, self.total, left)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()
