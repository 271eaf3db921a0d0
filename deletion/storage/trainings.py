"""The files of a bank: the trainings of one block each, with a header that says which.

    MAGIC, the header's length (8 bytes), the header's SHA-256 (32 bytes)
    header    JSON: the learner, its sizes, and for each training [key, number of weights, checksum]
    rows      for each training the units of weights other than 1, these weights, the parameters
"""
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate

import numpy as np

from .arrays import Damage, not_finite
from .files import open_regular, replace
from .manifest import CHECKSUM, PART, fingerprint, flaw_of_texts, is_whole_number, matches, parse

MAGIC = b"deletion bank 1\n"
"""The first bytes of a file, with the number of the format."""

PREFIX = len(MAGIC) + 8 + 32
"""The bytes before the header."""

LARGEST_HEADER = 1 << 20
"""The largest header in bytes. A block of 16 trainings has one of 3 kB."""

SUFFIX = ".trainings"
"""How the files' names end."""

ABANDONED = 86400.0
"""Seconds after which an unfinished file is removed: no process takes that long to write one."""

WHOLE, REAL = np.dtype("<i8"), np.dtype("<f8")


@dataclass(frozen=True)
class Header:
    """The checked header of a file.

    learner      the fingerprint of the learner, of its parts
    sizes        the numbers of units and of parameters
    keys         the key of each training
    counts       how many weights other than 1 each training has
    checksums    of each training's row
    starts       where each row begins in the file, and where the last one ends
    """
    learner: str
    sizes: tuple
    keys: tuple
    counts: tuple
    checksums: tuple
    starts: tuple

    @property
    def size(self):
        """The size of the file in bytes."""
        return self.starts[-1]


def key_of(packed):
    """The key of a training by its weights, packed as bytes."""
    return sha256(packed).hexdigest()


def write_rows(file, learner, sizes, packed, parameters):
    """Write a file of trainings.

    learner      the parts of the learner's fingerprint
    sizes        the numbers of units and of parameters
    packed       for each training the bytes of its weights
    parameters   (trainings, parameters)
    """
    rows = [pack + row.astype(REAL).tobytes() for pack, row in zip(packed, parameters)]
    entries = [[key_of(pack), len(pack) // (WHOLE.itemsize + REAL.itemsize), sha256(row).hexdigest()]
               for pack, row in zip(packed, rows)]
    units, size = sizes
    header = json.dumps({"learner": learner, "units": units, "parameters": size,
                         "trainings": entries}).encode()
    start = MAGIC + len(header).to_bytes(8, "little") + sha256(header).digest()
    replace(file, lambda stream: [stream.write(piece) for piece in (start, header, *rows)])


def remove_abandoned(folder):
    """Remove unfinished files that killed processes left behind. Others may be writing at this moment."""
    for file in folder.glob(f"*{SUFFIX}.part"):
        with suppress(OSError):      # another process may remove it too
            if time.time() - file.lstat().st_mtime > ABANDONED:
                file.unlink()


def opened(file):
    """A stream from a file. Raises Damage if it is missing, no regular file, or cannot be read."""
    try:
        return os.fdopen(open_regular(file), "rb")
    except OSError as error:
        raise Damage(f"{file} cannot be read: {error.strerror}") from None


def read_header(file):
    """Read and check the header of a file. Raises Damage."""
    with opened(file) as stream:
        start, size = stream.read(PREFIX), os.fstat(stream.fileno()).st_size
        length = int.from_bytes(start[len(MAGIC):len(MAGIC) + 8], "little")
        if not start.startswith(MAGIC) or not 0 < length <= LARGEST_HEADER:
            raise Damage(f"{file} holds no trainings of a bank: it begins with {start[:24]!r}")
        content = stream.read(length)
    if sha256(content).digest() != start[-32:] or len(start) != PREFIX:
        raise Damage(f"{file} is damaged: its header is not what its checksum says")
    try:
        value = parse(content)
    except ValueError as error:
        raise Damage(f"{file} is damaged: its header cannot be read ({error})") from None
    flaw = flaw_of(value)
    if flaw:
        raise Damage(f"{file} is damaged: {flaw}")
    keys, counts, checksums = zip(*value["trainings"])
    each = [count * (WHOLE.itemsize + REAL.itemsize) + value["parameters"] * REAL.itemsize
            for count in counts]
    starts = tuple(accumulate(each, initial=PREFIX + length))
    if starts[-1] != size:
        raise Damage(f"{file} is damaged: {size} bytes long, expected {starts[-1]}")
    return Header(fingerprint(value["learner"], {}), (value["units"], value["parameters"]), keys, counts,
                  checksums, starts)


def flaw_of(header):
    """What is wrong with the value of a header, as the end of a sentence; None if it is good."""
    if not isinstance(header, dict) or set(header) != {"learner", "units", "parameters", "trainings"}:
        return "its header has other fields"
    units, rows = header["units"], header["trainings"]
    if not is_whole_number(units, 1) or not is_whole_number(header["parameters"], 1):
        return f"its header says {units!r:.40} units and {header['parameters']!r:.40} parameters"
    if not isinstance(rows, list) or not rows:
        return "its header lists no trainings"
    for row in rows:
        if not (isinstance(row, list) and len(row) == 3 and matches(CHECKSUM, row[0])
                and is_whole_number(row[1], 0, units) and matches(CHECKSUM, row[2])):
            return f"its header lists {row!r:.60}"
    return flaw_of_texts("the learner's fingerprint", header["learner"], PART, CHECKSUM)


def read_rows(file, header, rows, sizes):
    """Return {key: ((units, weights), parameters)} of some rows of a file, verified. Raises Damage."""
    if header.sizes != sizes:
        raise Damage(f"{file} is damaged: it is of {header.sizes[0]} units and {header.sizes[1]} parameters, "
                     f"and its learner has {sizes[0]} and {sizes[1]}")
    found = {}
    with opened(file) as stream:
        if os.fstat(stream.fileno()).st_size != header.size:
            raise Damage(f"{file} is damaged: its size has changed")
        for row in sorted(rows):
            stream.seek(header.starts[row])
            found[header.keys[row]] = unpacked(file, header, row, stream)
    return found


def unpacked(file, header, row, stream):
    """Return ((units, weights), parameters) of the row that a stream stands at. Raises Damage."""
    content, count = stream.read(header.starts[row + 1] - header.starts[row]), header.counts[row]
    if sha256(content).hexdigest() != header.checksums[row]:
        raise Damage(f"{file} is damaged: training {row} is not what its checksum says")
    units = np.frombuffer(content, WHOLE, count)
    values = np.frombuffer(content, REAL, count, units.nbytes)
    parameters = np.frombuffer(content, REAL, offset=units.nbytes + values.nbytes)
    ordered = np.all(np.diff(units) > 0) and units.min(initial=0) >= 0
    inside = ordered and units.max(initial=0) < header.sizes[0]
    sound = inside and np.isfinite(values).all() and values.min(initial=0.0) >= 0.0
    if not sound or key_of(content[:units.nbytes + values.nbytes]) != header.keys[row]:
        raise Damage(f"{file} is damaged: the weights of training {row} are not those it is listed under")
    if not_finite(parameters):
        raise Damage(f"{file} is damaged: training {row} ends with a wrong number, {not_finite(parameters)}")
    return (units, values), parameters
