"""A sketch's folder: a manifest, and arrays written so that a process killed at any moment leaves nothing half done.

    manifest.json     what the sketch is made of, and the checksum of every finished array
    block-00000.npy   coefficients of directions 0 .. 7, and so on: the same bits whenever the same sketch is made
    theta.npy, directions.npy, downweight.npy      and any other array, by its name
    .lock             held by the process that writes, while it does

An array is written under another name, flushed to the disk, renamed, and only then entered in the manifest, which is replaced in
the same manner. So an array is either entered and whole, or it is written again.
"""
import json
import logging
import os
import platform
from contextlib import contextmanager, suppress
from hashlib import file_digest, sha256
from pathlib import Path

import numpy as np

from circuit import CircuitError

try:
    import fcntl
except ImportError:      # no such locks on Windows: there the user is the lock
    fcntl = None

log = logging.getLogger("deletion")

FORMAT, WHAT, MANIFEST = 1, "deletion sketch", "manifest.json"
FIELDS = {"learner": dict, "facts": dict, "fingerprint": str, "versions": dict, "arrays": dict}
"""What a manifest holds besides its format."""


class StoreError(CircuitError):
    """A sketch's folder that cannot be read or written, is damaged, or belongs to another sketch."""


class Folder:
    """A folder of arrays with a manifest.

    facts     what the sketch is, and nothing else: a change of any of them makes another sketch
    arrays    by name, {"sha256", "bytes"} of the file, and whatever was noted when it was written (such as seconds)
    """

    def __init__(self, path, manifest):
        self.path, self.manifest, self._known = Path(path), manifest, set()

    # the manifest ----------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, path):
        """The folder as its manifest describes it. Raises StoreError, saying what is wrong with it."""
        path = Path(path)
        file = path / MANIFEST
        if not path.is_dir():
            raise StoreError(f"{path} is not a folder" if path.exists() else f"there is no sketch at {path}: no such folder")
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StoreError(f"{path} holds no sketch: it has no {MANIFEST}") from None
        except (OSError, ValueError) as error:
            raise StoreError(f"{file} cannot be read ({error}): put back a copy of it, or delete the folder and precompute again") from None
        if not isinstance(manifest, dict) or manifest.get("what") != WHAT:
            raise StoreError(f"{file} is not the manifest of a sketch")
        if manifest.get("format") != FORMAT:
            raise StoreError(f"{path} is written in format {manifest.get('format')!r}; this version reads format {FORMAT}. Use the version "
                             f"that wrote it ({(manifest.get('versions') or {}).get('deletion-sketch', 'unknown')})")
        for name, kind in FIELDS.items():
            if not isinstance(manifest.get(name), kind):
                raise StoreError(f"{file} is damaged: its {name!r} is {manifest.get(name)!r}. Put back a copy of it, or delete the folder "
                                 "and precompute again")
        if manifest["fingerprint"] != fingerprint(manifest["learner"].get("fingerprint"), manifest["facts"]):
            raise StoreError(f"{file} is damaged or was edited: learner and facts do not give its fingerprint. Put back a copy of it, or "
                             "delete the folder and precompute again")
        return cls(path, manifest)

    @classmethod
    def create(cls, path, learner, facts, versions):
        """A folder without arrays yet. learner: {"fingerprint": its parts, "recipe": ...}."""
        path = Path(path)
        folder = cls(path, {"what": WHAT, "format": FORMAT, "fingerprint": fingerprint(learner["fingerprint"], facts),
                            "learner": learner, "facts": facts, "versions": versions, "arrays": {}})
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
        self._replace(MANIFEST, lambda file: file.write(text.encode()))

    # arrays ----------------------------------------------------------------------------------------------------------

    def write(self, name, array, **notes):
        """Write an array and enter it in the manifest, with notes such as seconds=1.5."""
        def content(file):
            np.lib.format.write_array(file, np.asarray(array, order="C"), allow_pickle=False)

        checksum, size = self._replace(f"{name}.npy", content)
        self.arrays[name] = {"sha256": checksum, "bytes": size} | notes
        self.save()
        self._known.add(name)

    def read(self, name):
        """An array by memory map, its checksum verified the first time. Raises StoreError if it is missing or damaged."""
        trouble = self.trouble(name)
        if trouble:
            raise StoreError(f"{trouble}. Precompute into this folder again: what is whole is kept")
        return np.load(self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    def trouble(self, name, thorough=True):
        """What is wrong with an array, as a sentence without its end; None if it is whole.   thorough: read all of it."""
        file, entry = self.path / f"{name}.npy", self.arrays.get(name)
        if entry is None:
            return f"{file} is not finished"
        if not isinstance(entry, dict) or not {"sha256", "bytes"} <= set(entry):
            return f"{file} has a damaged entry in the {MANIFEST}: {entry}"
        if name in self._known:
            return None
        try:
            size = file.stat().st_size
            if size != entry["bytes"]:
                return f"{file} is damaged: {size} bytes long, not {entry['bytes']}"
            if not thorough:
                return None
            with file.open("rb") as opened:
                checksum = file_digest(opened, "sha256").hexdigest()
        except FileNotFoundError:
            return f"{file} is missing"
        except OSError as error:
            return f"{file} cannot be read: {error.strerror}"
        if checksum != entry["sha256"]:
            return f"{file} is damaged: its checksum is {checksum[:8]}..., not {entry['sha256'][:8]}..."
        self._known.add(name)
        return None

    def whole(self, name):
        """Whether an array is finished and undamaged; a damaged one is named in the log."""
        trouble = self.trouble(name)
        if trouble and name in self.arrays:
            log.warning("%s: making it again", trouble)
        return trouble is None

    # writing so that nothing is ever half there ----------------------------------------------------------------------

    def _replace(self, name, write):
        """Put a file in the place of another at one blow; returns its (sha256, size)."""
        temporary = self.path / f"{name}.part"
        log.debug("writing %s", name)
        try:
            with temporary.open("wb") as opened:
                file = Hashing(opened)
                write(file)
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(temporary, self.path / name)
            sync(self.path)
        except OSError as error:
            with suppress(OSError):      # make room
                temporary.unlink()
            raise StoreError(f"cannot write {self.path / name}: {error.strerror}. Everything finished is kept; when that is mended, the same "
                             "call goes on from there") from None
        log.debug("wrote %s", name)
        return file.digest.hexdigest(), file.size

    def tidy(self):
        """Remove what a killed process may have left behind."""
        for left in self.path.glob("*.part"):
            left.unlink()


class Hashing:
    """A file that knows the checksum of what was written to it."""

    def __init__(self, file):
        self.file, self.digest, self.size = file, sha256(), 0

    def write(self, content):
        self.digest.update(content)
        self.size += len(content)
        return self.file.write(content)


def sync(folder):
    """Flush a folder's list of files to the disk, where the system knows how."""
    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with suppress(OSError):      # some file systems cannot
        os.fsync(opened)
    os.close(opened)


def fingerprint(parts, facts):
    """A hash of what a sketch is: the parts of the learner's fingerprint, and its facts."""
    return sha256(json.dumps([parts, facts], sort_keys=True).encode()).hexdigest()


def checksum(array):
    """A hash of an array's shape, kind and numbers."""
    return sha256(f"{array.shape} {array.dtype.str}".encode() + array.tobytes()).hexdigest()


_held = set()
"""Locks of this process: the system would let a second thread have them too."""


@contextmanager
def writing(path):
    """Make a folder, and hold its lock: nobody else may write there meanwhile. Raises StoreError, naming the process that does.

    The system gives the lock up when the process ends, however it ends, so that none is ever left behind.
    """
    file = Path(path).resolve() / ".lock"
    if file in _held:
        raise StoreError(f"this process is already writing to {path}, in another thread")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(f"cannot write to {path}: {error.strerror}") from None
    _held.add(file)
    try:
        take(opened, path)
        yield
    finally:
        _held.discard(file)
        os.close(opened)


def take(opened, path):
    """Take the lock of an open file and write our process's number into it."""
    if fcntl:
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(opened, 100).decode(errors="replace").strip() or "unknown"
            raise StoreError(f"process {owner} is writing to {path}: wait for it, or end it; its finished blocks are kept") from None
    with suppress(OSError):      # on a full disk there is a better message to come
        os.ftruncate(opened, 0)
        os.write(opened, f"{os.getpid()} on {platform.node()}\n".encode())
