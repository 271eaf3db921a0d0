"""A sketch's folder: a manifest, and arrays. A process killed at any moment leaves nothing half done there.

    manifest.json     what the sketch is made of, and the checksum of every finished array
    block-00000.npy   coefficients of directions 0 .. 7, and so on: the same sketch has the same bits
    theta.npy, directions.npy, downweight.npy, calibration-*.npy      the other arrays, by their names
    .lock             held by the process that writes, while it does

An array is written under another name, flushed to the disk, renamed, and only then entered in the manifest,
which is replaced in the same manner. So an array is either entered and whole, or it is written again.

A folder may come from a stranger. Nothing in it is executed, no file outside of it is written, and what does
not fit together is refused by a StoreError (files.py, manifest.py, arrays.py). Whether its numbers are true
cannot be verified: whoever changes them can change their checksums too.
"""
import json
import logging
import os
from pathlib import Path

import numpy as np

from .arrays import Damage, block_count, form, read_array
from .files import StoreError, open_regular, replace
from .manifest import FORMAT, MANIFEST, WHAT, fingerprint, good_entry, read_manifest

log = logging.getLogger("deletion")


class Folder:
    """A folder of arrays with a manifest.

    facts     what the sketch is, and nothing else: a change of any of them makes another sketch
    arrays    by name, {"sha256", "bytes"} of the file, and "seconds" where it is known
    """

    def __init__(self, path, manifest):
        self.path, self.manifest = Path(path), manifest

    # the manifest ------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, path):
        """The folder as its manifest describes it. Raises StoreError, saying what is wrong with it."""
        path = Path(path)
        if not path.is_dir():
            raise StoreError(f"{path} is not a folder" if path.exists() else
                             f"there is no sketch at {path}: no such folder")
        return cls(path, read_manifest(path))

    @classmethod
    def create(cls, path, learner, facts, versions):
        """A folder without arrays yet. learner: {"fingerprint": its parts, "recipe": ...}."""
        own = fingerprint(learner["fingerprint"], facts)
        folder = cls(path, {"what": WHAT, "format": FORMAT, "fingerprint": own, "learner": learner,
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
        text = json.dumps(self.manifest, indent=1) + "\n"
        replace(self.path / MANIFEST, lambda file: file.write(text.encode()))

    # what is finished --------------------------------------------------------------------------------------

    @property
    def block_count(self):
        """How many blocks the finished sketch has."""
        return block_count(self.facts)

    def finished(self):
        """The names of the finished blocks, in order."""
        return sorted(name for name in self.arrays if name.startswith("block-") and form(name, self.facts))

    def size(self):
        """Bytes of all arrays together."""
        return sum(entry["bytes"] for entry in self.arrays.values() if good_entry(entry))

    def seconds(self):
        """What the blocks took, of one core; 0 where that is not known."""
        entries = (self.arrays[name] for name in self.finished())
        return sum(entry.get("seconds", 0.0) for entry in entries if good_entry(entry))

    # arrays ------------------------------------------------------------------------------------------------

    def write(self, name, array, **notes):
        """Write an array and enter it in the manifest, with notes such as seconds=1.5."""
        def content(file):
            np.lib.format.write_array(file, np.asarray(array, order="C"), allow_pickle=False)

        digest, size = replace(self.path / f"{name}.npy", content)
        self.arrays[name] = {"sha256": digest, "bytes": size} | notes
        self.save()

    def read(self, name):
        """An array, in memory, verified at every reading. Raises StoreError if it is missing or damaged."""
        try:
            return self._read(name, True)
        except Damage as damage:
            raise StoreError(f"{damage}. Precompute into this folder again: what is whole is kept") from None

    def trouble(self, name, thorough=True):
        """What is wrong with an array, as a sentence without its end; None if it is whole.

        thorough   False: the file's size and header alone are verified
        """
        try:
            self._read(name, thorough)
        except Damage as damage:
            return str(damage)
        return None

    def whole(self, name):
        """Whether an array is finished and undamaged; a damaged one is named in the log."""
        trouble = self.trouble(name)
        if trouble and name in self.arrays:
            log.warning("%s: making it again", trouble)
        return trouble is None

    def _read(self, name, thorough):
        file, entry, expected = self.path / f"{name}.npy", self.arrays.get(name), form(name, self.facts)
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
