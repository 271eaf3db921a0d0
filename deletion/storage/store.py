"""A sketch's folder: a manifest and arrays. It stays consistent if the process is killed at any moment.

    manifest.json     what the sketch is made of, and the checksum of every finished array
    block-00000.npy   coefficients of directions 0 .. 7, and so on: the engine's lanes play no part
    theta.npy, directions.npy, downweight.npy, calibration-*.npy      the other arrays, by their names
    .lock             locked by a process while it writes

Of cotangents pulled back, cotangents.npy stands in the place of directions.npy and downweight.npy, and
block-00000.npy holds the finite steps and slopes of cotangents 0 .. 63.

An array is written under another name, flushed to the disk, renamed, and only then entered in the manifest,
which is replaced in the same manner. Therefore an array either has an entry and is complete, or it is written
again.

A folder may come from an untrusted source. Nothing in it is executed, no file outside of it is written, and
contradictory content is refused with a StoreError (files.py, manifest.py, arrays.py). It cannot be verified
that the numbers are true: whoever changes them can change their checksums too.
"""
import json
import logging
import os
from pathlib import Path

import numpy as np

from .arrays import Damage, block_count, expected_form, other_forms, read_array
from .files import StoreError, open_regular, replace
from .manifest import (
    ALONG_DIRECTIONS, FORMAT, MANIFEST, OF_COTANGENTS, fingerprint, good_entry, of_cotangents, read_manifest)

log = logging.getLogger("deletion")

AGAIN = "Precompute into this folder again: what is intact is kept"
"""The advice for a sketch that is damaged or not finished."""


class Folder:
    """A folder of arrays with a manifest.

    facts     what determines the sketch: a change of any of them makes another sketch
    arrays    for each finished array, by name: {"sha256", "bytes"} of the file, and "seconds" if it is known
    """

    def __init__(self, path, manifest):
        self.path, self.manifest = Path(path), manifest

    # the manifest ------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, path):
        """Open a folder and read its manifest. Raises StoreError, which says what is wrong with it."""
        path = Path(path)
        if not path.is_dir():
            raise StoreError(f"{path} is not a folder" if path.exists() else
                             f"there is no sketch at {path}: no such folder")
        return cls(path, read_manifest(path))

    @classmethod
    def create(cls, path, learner, facts, versions):
        """Write the manifest of a folder without arrays.

        learner   {"fingerprint": its parts, "recipe": how to make it, or None}
        """
        what = OF_COTANGENTS if of_cotangents(facts) else ALONG_DIRECTIONS
        folder = cls(path, {"what": what, "format": FORMAT,
                            "fingerprint": fingerprint(learner["fingerprint"], facts), "learner": learner,
                            "facts": facts, "versions": versions, "arrays": {}})
        folder.save()
        return folder

    @property
    def facts(self):
        return self.manifest["facts"]

    @property
    def arrays(self):
        return self.manifest["arrays"]

    def save(self):
        """Write the manifest."""
        text = json.dumps(self.manifest, indent=1) + "\n"
        replace(self.path / MANIFEST, lambda file: file.write(text.encode()))

    # what is finished ---------------------------------------------------------------------------------------

    @property
    def block_count(self):
        """The number of blocks of the finished sketch."""
        return block_count(self.facts)

    def finished(self):
        """The names of the finished blocks, in order."""
        return sorted(name for name in self.arrays
                      if name.startswith("block-") and expected_form(name, self.facts))

    def size(self):
        """The size of all arrays in bytes."""
        return sum(entry["bytes"] for entry in self.arrays.values() if good_entry(entry))

    def seconds(self):
        """The time that the finished blocks took, in seconds of one core; unknown times count as 0."""
        entries = (self.arrays[name] for name in self.finished())
        return sum(entry.get("seconds", 0.0) for entry in entries if good_entry(entry))

    # arrays -------------------------------------------------------------------------------------------------

    def write(self, name, array, **notes):
        """Write an array and enter it in the manifest, together with notes such as seconds=1.5."""
        def content(file):
            np.lib.format.write_array(file, np.asarray(array, order="C"), allow_pickle=False)

        digest, size = replace(self.path / f"{name}.npy", content)
        self.arrays[name] = {"sha256": digest, "bytes": size} | notes
        self.save()

    def write_all(self, arrays):
        """Write several arrays.   arrays: by name"""
        for name, array in arrays.items():
            self.write(name, array)

    def names(self):
        """The names of all arrays of the finished sketch except its blocks."""
        return list(other_forms(self.facts))

    def read(self, name):
        """Read an array into memory and verify it. Raises StoreError if it is missing or damaged."""
        try:
            return self._read(name, True)
        except Damage as damage:
            raise StoreError(f"{damage}. {AGAIN}") from None

    def trouble(self, name, thorough=True):
        """What is wrong with an array, as a sentence without a full stop; None if it is intact.

        thorough   False verifies only the file's size and header
        """
        try:
            self._read(name, thorough)
        except Damage as damage:
            return str(damage)
        return None

    def intact(self, name):
        """Whether an array is finished and undamaged; the log names a damaged one."""
        trouble = self.trouble(name)
        if trouble and name in self.arrays:
            log.warning("%s: making it again", trouble)
        return trouble is None

    def _read(self, name, thorough):
        """Read an array and verify it. Raises Damage."""
        file, entry = self.path / f"{name}.npy", self.arrays.get(name)
        expected = expected_form(name, self.facts)
        if entry is None:
            raise Damage(f"{file} is not finished")
        if expected is None:
            raise Damage(f"{file} is no array of a sketch with these facts")
        if not good_entry(entry):
            raise Damage(f"{file} has a damaged entry in the {MANIFEST}: {entry!r:.100}")
        try:
            with os.fdopen(open_regular(file), "rb") as stream:
                return read_array(file, stream, entry, expected, thorough)
        except FileNotFoundError:
            raise Damage(f"{file} is missing") from None
        except OSError as error:
            raise Damage(f"{file} cannot be read: {error.strerror}") from None
