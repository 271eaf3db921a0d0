"""Where buffers lie in a block's memory: as few elements as possible, reused as soon as nobody reads them any
more.

Consecutive elementwise instructions of equal length become a strip: they run together, a chunk of elements at
a time, and a buffer that lives only within the strip needs just one chunk of memory, which stays in the
nearest cache. That is what makes an optimiser's update of all parameters one pass over memory.
"""
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from . import kernels as k


@dataclass
class Strip:
    """Instructions first..last (exclusive) of equal count, run chunk by chunk."""
    first: int
    last: int


def elementwise(instruction):
    return instruction.operation < k.EINSUM


def strips(instructions, first, chunk):
    """Maximal runs, from number `first` on, of two or more active elementwise instructions with equal counts
    above a chunk."""
    found, start = [], first
    for i in range(first, len(instructions) + 1):
        if i < len(instructions) and joins(instructions[start:i], instructions[i], chunk):
            continue
        if i - start >= 2:
            found.append(Strip(start, i))
        start = i
    return found


def turns(instruction, chunk):
    """Whether an instruction may take turns at all."""
    return instruction.active and elementwise(instruction) and instruction.y.size > chunk


def joins(run, new, chunk):
    """Whether an instruction may take turns with those before it."""
    if not turns(new, chunk):
        return False
    if not run:
        return True
    if not turns(run[0], chunk) or run[0].y.size != new.y.size:
        return False
    # In turns, element by element: what one writes another may read (or, the state, have read) in the same
    # order only.
    return all(np.array_equal(ids, other.y) or not overlap(ids, other.y) for other in run for ids in new.reads) \
        and all(np.array_equal(ids, new.y) or not overlap(ids, new.y) for other in run for ids in other.reads)


def overlap(a, b):
    """Whether two sets of ids have one in common."""
    return a.min() <= b.max() and b.min() <= a.max() and bool(np.isin(b, a).any())


# a strip runs in turns: what lives beyond one turn must not share memory with anything in the strip
class Storage:
    """Assigns every buffer of a Lowering a place.

    place    (ids,) int64: physical element of each id, active ones from 0, constant ones from 0 in a range of
             their own
    chunked  ids of buffers that exist one chunk at a time
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
        ids = np.arange(buffer.first, buffer.first + buffer.size)
        self.place[ids] = at + (ids - buffer.first) % max(size, 1)
        self.sizes[buffer.active] = max(self.sizes[buffer.active], at + size)

    def touched(self, ids):
        """The numbers of the buffers some ids belong to."""
        if ids.size == 0:
            return []
        low, high = bisect_right(self.firsts, ids.min()) - 1, bisect_right(self.firsts, ids.max()) - 1
        if low == high:
            return [low]
        return np.unique(np.searchsorted(self.firsts, ids, side="right") - 1).tolist()

    def program(self, first, last, outputs):
        """Place the buffers written by instructions first..last; `outputs` (ids) are read after them. Returns
        the strips."""
        instructions = self.lowering.instructions[:last]
        runs = strips(instructions, first, self.chunk)
        run_of = {i: run for run in runs for i in range(run.first, run.last)}
        written, used = {}, {}
        inside = {}
        for i in range(first, last):
            instruction = instructions[i]
            for number in self.touched(instruction.y):
                written.setdefault(number, i)
                used[number] = max(used.get(number, i), i)
                inside.setdefault(number, instruction.y)
            for ids in instruction.reads:
                for number in self.touched(ids):
                    used[number] = max(used.get(number, i), i)
                    if run_of.get(i) is None or run_of.get(i) is not run_of.get(written.get(number)) \
                            or not np.array_equal(ids, inside[number]):
                        # read elsewhere, or in another order: it must exist as a whole
                        inside[number] = None
        for number in self.touched(outputs):
            used[number], inside[number] = last, None
        spans = []
        for number, start in written.items():
            buffer, end, size = self.lowering.buffers[number], used[number], self.lowering.buffers[number].size
            if buffer.lasting:
                continue
            if start in run_of and inside[number] is not None:
                size = self.chunk
            else:
                start = run_of[start].first if start in run_of else start
                end = run_of[end].last - 1 if end in run_of else end
            spans.append((start, end, size, buffer))
        for active in (True, False):
            self.fit([span for span in spans if span[3].active == active], self.bottom[active])
        return runs

    def fit(self, spans, bottom):
        """First fit: each buffer at the lowest place that is free for its whole life."""
        taken = []      # (begin, end of memory, last use), sorted by place
        for start, end, size, buffer in sorted(spans, key=lambda span: span[0]):
            taken = [t for t in taken if t[2] >= start]
            at, position = bottom, 0
            for position, (begin, stop, _) in enumerate(taken):
                if begin - at >= size:
                    break
                at = max(at, stop)
            else:
                position = len(taken)
            taken.insert(position, (at, at + size, end))
            taken.sort()
            self.put(buffer, at, size)
