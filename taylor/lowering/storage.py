"""Where buffers lie in a block's memory. After its last use, the place of a buffer is used again.

Consecutive elementwise instructions of equal length form a strip. They run together, one chunk of elements at
a time, and a buffer that is used only within the strip needs memory for just one chunk, which stays in the
nearest cache. With this, an optimiser's update of all parameters is one pass over memory.
"""
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass
class Strip:
    """Instructions first..last (exclusive) of equal count, run chunk by chunk."""
    first: int
    last: int


def strips(instructions, first, chunk):
    """Maximal runs, from number `first` on, of at least two instructions that may run in a strip."""
    runs, start = [], first
    for i in range(first, len(instructions) + 1):
        if i < len(instructions) and joins(instructions[start:i], instructions[i], chunk):
            continue
        if i - start >= 2:
            runs.append(Strip(start, i))
        start = i
    return runs


def chunkable(instruction, chunk):
    """Whether an instruction may run chunk by chunk: it is elementwise, active and longer than a chunk."""
    return instruction.active and instruction.elementwise and instruction.y.size > chunk


def joins(run, new, chunk):
    """Whether an instruction may run in one strip with those before it."""
    if not chunkable(new, chunk):
        return False
    if not run:
        return True
    if not chunkable(run[0], chunk) or run[0].y.size != new.y.size:
        return False
    # A strip takes the same elements of all its instructions in turn. Where one reads what another writes
    # (or, of the state, will write), both must therefore name the elements in the same order.
    pairs = [(ids, other.y) for other in run for ids in new.reads]
    pairs += [(ids, new.y) for other in run for ids in other.reads]
    return all(np.array_equal(read, written) or not overlap(read, written) for read, written in pairs)


def overlap(a, b):
    """Whether two arrays of ids have one in common."""
    return bool(a.size and b.size and a.min() <= b.max() and b.min() <= a.max() and np.isin(b, a).any())


class Span(NamedTuple):
    """A buffer, and the first and the last instruction that use it.   size: elements that it needs."""
    start: int
    end: int
    size: int
    buffer: object


class Storage:
    """Assigns a place in memory to every buffer of a Lowering.

    place    (ids,) int64: the physical element of each id; active ones are numbered from 0, and constant ones
             too, in a range of their own
    sizes    {active: elements}
    """

    def __init__(self, lowering, chunk):
        self.lowering, self.chunk = lowering, chunk
        self.place = np.zeros(lowering.size, np.int64)
        self.sizes = {True: 0, False: 0}
        self.firsts = [b.first for b in lowering.buffers]
        for buffer in lowering.buffers:
            if buffer.lasting:
                self.put(buffer, self.sizes[buffer.active], buffer.size)
        self.bottom = dict(self.sizes)

    def put(self, buffer, at, size):
        """Place a buffer at `at`; if it is longer than `size`, its chunks share the place."""
        ids = np.arange(buffer.first, buffer.first + buffer.size)
        self.place[ids] = at + (ids - buffer.first) % max(size, 1)
        self.sizes[buffer.active] = max(self.sizes[buffer.active], at + size)

    def touched(self, ids):
        """The numbers of the buffers to which some ids belong."""
        if ids.size == 0:
            return []
        low, high = bisect_right(self.firsts, ids.min()) - 1, bisect_right(self.firsts, ids.max()) - 1
        if low == high:
            return [low]
        return np.unique(np.searchsorted(self.firsts, ids, side="right") - 1).tolist()

    def program(self, first, last, outputs):
        """Place the buffers written by instructions first..last; `outputs` (ids) are read after them. Returns
        the strips."""
        runs = strips(self.lowering.instructions[:last], first, self.chunk)
        run_of = {i: run for run in runs for i in range(run.first, run.last)}
        written, used, inside = self._uses(first, last, run_of)
        for number in self.touched(outputs):
            used[number], inside[number] = last, None
        spans = []
        for number, start in written.items():
            buffer, end = self.lowering.buffers[number], used[number]
            if buffer.lasting:
                continue
            if start in run_of and inside[number] is not None:
                spans.append(Span(start, end, self.chunk, buffer))
                continue
            # a strip runs as a whole: a buffer that is used outside of it shares memory with none of its
            # buffers
            start = run_of[start].first if start in run_of else start
            end = run_of[end].last - 1 if end in run_of else end
            spans.append(Span(start, end, buffer.size, buffer))
        for active in (True, False):
            self.fit([span for span in spans if span.buffer.active == active], self.bottom[active])
        return runs

    def _uses(self, first, last, run_of):
        """By the number of a buffer: its first writer; its last user; the ids written if it is used in one
        strip only and always in the same order, else None."""
        written, used, inside = {}, {}, {}
        for i in range(first, last):
            instruction = self.lowering.instructions[i]
            for number in self.touched(instruction.y):
                written.setdefault(number, i)
                used[number] = max(used.get(number, i), i)
                inside.setdefault(number, instruction.y)
            for ids in instruction.reads:
                for number in self.touched(ids):
                    used[number] = max(used.get(number, i), i)
                    if run_of.get(i) is None or run_of.get(i) is not run_of.get(written.get(number)) \
                            or not np.array_equal(ids, inside[number]):
                        inside[number] = None
        return written, used, inside

    def fit(self, spans, bottom):
        """First fit: each buffer gets the lowest place that is free from its first use to its last."""
        taken = []      # (begin, end of memory, last use), sorted by place
        for span in sorted(spans, key=lambda span: span.start):
            taken = [t for t in taken if t[2] >= span.start]
            at, position = bottom, 0
            for position, (begin, stop, _) in enumerate(taken):
                if begin - at >= span.size:
                    break
                at = max(at, stop)
            else:
                position = len(taken)
            taken.insert(position, (at, at + span.size, span.end))
            taken.sort()
            self.put(span.buffer, at, span.size)
