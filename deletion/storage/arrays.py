"""The arrays of a sketch's folder: the form that each must have according to the manifest, and how it is
read.

A file is read into memory once, and the verified bytes are the bytes that are used. Another process may write
to the file, replace it or truncate it at any time; a memory map would show this in the middle of a
calculation. The header is compared with the expected header and never interpreted.
"""
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from math import prod
from typing import Optional

import numpy as np

from .blocks import block_name
from .files import StoreError
from .manifest import of_cotangents

MAGIC = b"\x93NUMPY\x01\x00"
"""The first bytes of NumPy's file format, version 1.0."""


class Damage(StoreError):
    """What is wrong with an array's file. The message is a sentence without a full stop, to be continued."""


@dataclass(frozen=True)
class Form:
    """The form that an array must have.

    fault    function of the array: what is wrong with its values, in words, or None
    digest   the array's `checksum`, if the facts of the manifest contain it
    """
    dtype: np.dtype
    shape: tuple
    fault: Callable
    digest: Optional[str] = None

    @property
    def header(self):
        return f"{{'descr': {self.dtype.str!r}, 'fortran_order': False, 'shape': {self.shape!r}, }}".encode()

    @property
    def bytes(self):
        return prod((self.dtype.itemsize, *self.shape))


def checksum(array):
    """A hash of an array's shape, number format and values."""
    return sha256(f"{array.shape} {array.dtype.str}".encode() + array.tobytes()).hexdigest()


# the expected form ------------------------------------------------------------------------------------------

def expected_form(name, facts):
    """The Form of an array of a sketch with these facts; None if such a sketch has no array of that name."""
    number = re.fullmatch(r"block-(\d{5,12})", name)
    if not number:
        return other_forms(facts).get(name)
    b, lanes = int(number[1]), facts["lanes"]
    if b >= block_count(facts) or name != block_name(b):
        return None
    if of_cotangents(facts):      # finite steps and slopes
        shape = 2, min(lanes, facts["cotangents"] - b * lanes), facts["units"]
        return Form(np.dtype(float), shape, not_finite)
    shape = facts["parameters"], facts["degree"], 2, lanes
    return Form(np.dtype(facts["dtype"]), shape, not_finite)


def other_forms(facts):
    """{name: Form} of all arrays of a sketch except its blocks."""
    units, parameters, sets = facts["units"], facts["parameters"], facts["calibration"]
    real = np.dtype(float)
    forms = {"theta": Form(real, (parameters,), not_finite)}
    if of_cotangents(facts):
        vectors = facts["cotangents"], parameters
        forms["cotangents"] = Form(real, vectors, not_finite, facts["vectors"])
    else:
        psi = facts["directions"], units
        forms["directions"] = Form(np.dtype(complex), psi, not_finite, facts["psi"])
        forms["downweight"] = Form(real, (units,), above_one, facts["downweight"])
    if sets:
        forms |= {"calibration-downweights": Form(real, (sets, units), no_deletion),
                  "calibration-values": Form(real, (sets, parameters), no_fault),
                  "calibration-crossings": Form(np.dtype(int), (sets,), negative)}
    for k, (*_, entries, digest) in enumerate(facts.get("kinds", [])):
        fault = partial(not_a_member, units)
        forms[f"calibration-kind-{k}"] = Form(np.dtype(int), (entries, 2), fault, digest)
    return forms


def block_count(facts):
    """The number of blocks of a finished sketch."""
    return -(-facts["cotangents" if of_cotangents(facts) else "directions"] // facts["lanes"])


def first_fault(bad, array):
    """The first value of an array that is marked as bad, in words; None if there is none."""
    where = np.argwhere(bad)[:1].tolist()
    return f"it holds {array[tuple(where[0])]} at {where[0]}" if where else None


def not_finite(x):
    """The fault of values that are not finite."""
    return first_fault(~np.isfinite(x), x)


def above_one(x):
    """The fault of downweights, which are finite and at most 1."""
    return first_fault(~(np.isfinite(x) & (x <= 1.0)), x)


def no_deletion(x):
    """The fault of calibration sets: downweights from 0 to 1, not all of them 0."""
    empty = np.flatnonzero(~x.any(axis=1))
    fault = first_fault(~((x >= 0.0) & (x <= 1.0)), x)
    return fault or (f"calibration set {empty[0]} deletes nothing" if len(empty) else None)


def negative(x):
    """The fault of counts, which are at least 0."""
    return first_fault(x < 0, x)


def not_a_member(units, x):
    """The fault of a kind's members: units, and places in an order or numbers of labels."""
    return first_fault((x < 0) | (x >= np.array([units, max(len(x), 1)])), x)


def no_fault(x):
    """None: parameters retrained without some examples may be NaN, if the training left its domain."""
    return None


# reading ---------------------------------------------------------------------------------------------------

def read_array(file, stream, entry, form, thorough):
    """Read an array from a stream and verify it against its entry in the manifest and its Form.

    thorough   False verifies only the file's size and header, and returns None

    Raises Damage.
    """
    start = stream.read(10)      # NumPy's magic number, version and the length of the header
    start += stream.read(int.from_bytes(start[8:], "little"))
    verify_start(file, os.fstat(stream.fileno()).st_size, start, entry, form)
    if not thorough:
        return None
    try:
        array = np.empty(form.shape, form.dtype)
    except (MemoryError, ValueError):      # ValueError: larger than the address space
        raise Damage(f"{file} is too large for this machine's memory: {form.bytes:,} bytes") from None
    content, digest = array.reshape(-1).view(np.uint8), sha256(start)
    stream.readinto(content)
    digest.update(content)
    calculated, stored = digest.hexdigest(), entry["sha256"]
    if calculated != stored:
        raise Damage(f"{file} is damaged: its checksum is {calculated[:8]}..., expected {stored[:8]}...")
    if form.digest not in (None, checksum(array)):
        raise Damage(f"{file} is not the array that the sketch was made with: the manifest's facts differ")
    fault = form.fault(array)
    if fault:
        raise Damage(f"{file} is damaged: {fault}")
    array.flags.writeable = False
    return array


def verify_start(file, size, start, entry, form):
    """Raise Damage unless a file of this size, with this start, can be the expected array."""
    if size != entry["bytes"]:
        raise Damage(f"{file} is damaged: {size} bytes long, expected {entry['bytes']}")
    begins, expected = start[:8] + start[10:].rstrip(b" \n"), MAGIC + form.header
    if begins != expected:
        raise Damage(f"{file} is damaged: it begins with {begins!r:.140}; expected {expected!r}")
    if size != len(start) + form.bytes:
        raise Damage(f"{file} is damaged: {size} bytes long; by its header it has {len(start) + form.bytes}")
