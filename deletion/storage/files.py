"""The files of a sketch's folder: opened without following links, replaced atomically, locked while written.

The folder may come from an untrusted source. A symbolic link can point to any file that its reader can
open, a hard link is such a file, and a pipe or a device may never end. Therefore only regular files are
opened, and every file is written under a new name and then renamed.
"""
import errno
import logging
import os
import platform
import re
import stat
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from circuit.errors import StoreError

try:
    import fcntl
except ImportError:      # Windows has no such locks: there the user must not write twice at once
    fcntl = None

log = logging.getLogger("deletion")

SAFELY = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
"""Flags for opening files. On systems without O_NOFOLLOW, only `require_regular` refuses links."""

OWNER = re.compile(r"\d{1,10} on [\w.-]{1,100}")
"""The content of a lock file: the number of a process and its machine."""


# reading ---------------------------------------------------------------------------------------------------

def open_regular(file, flags=os.O_RDONLY):
    """Open a regular file and return its descriptor. Raises OSError for links, folders, pipes and devices."""
    if os.path.lexists(file) or not flags & os.O_CREAT:
        require_regular(os.lstat(file))      # before opening, because opening a device can have effects
    descriptor = os.open(file, flags | SAFELY, 0o666)
    try:
        require_regular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def require_regular(status):
    """Raise OSError unless a file's status is that of a regular file."""
    kinds = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe"}
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, f"it is {kinds.get(stat.S_IFMT(status.st_mode), 'a device')}, not a file")


# writing ---------------------------------------------------------------------------------------------------

def replace(file, write):
    """Atomically replace a file, and return the (sha256, size) of its new content.

    write   function of a stream, which writes the content

    The content is written to a new file `file.part`, flushed to the disk and renamed. If either name is a
    link, the link is replaced and its target does not change. Raises StoreError.
    """
    temporary = file.with_name(f"{file.name}.part")
    log.debug("writing %s", file.name)
    try:
        with create(temporary) as stream:
            hashing = Hashing(stream)
            write(hashing)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
        sync(file.parent)
    except OSError as error:
        with suppress(OSError):      # frees the space
            temporary.unlink()
        raise StoreError(f"cannot write {file}: {error.strerror}. Everything finished is kept; once the "
                         "cause is removed, the same call continues from there") from None
    log.debug("wrote %s", file.name)
    return hashing.digest.hexdigest(), hashing.size


def create(file):
    """Create a file in place of any file or link of its name; return a stream into it. Raises OSError."""
    with suppress(FileNotFoundError):
        file.unlink()
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY, 0o666), "wb")


class Hashing:
    """A stream that calculates the checksum and the size of what is written to it."""

    def __init__(self, file):
        self.file, self.digest, self.size = file, sha256(), 0

    def write(self, content):
        self.digest.update(content)
        self.size += len(content)
        return self.file.write(content)


def sync(folder):
    """Flush a folder's list of files to the disk, if the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with suppress(OSError):      # some file systems cannot
        os.fsync(descriptor)
    os.close(descriptor)


def tidy(folder):
    """Remove temporary files that a killed process left behind. Raises StoreError if that fails."""
    for file in Path(folder).glob("*.part"):
        try:
            file.unlink()      # removes a link, not its target
        except OSError as error:
            raise StoreError(f"cannot remove {file.name!r} from {folder}: {error.strerror}. Names that end "
                             "in .part are temporary files: remove it, or choose another folder") from None


# the lock --------------------------------------------------------------------------------------------------

_held = set()
"""Locks that this process holds: the system would grant them to a second thread too."""


@contextmanager
def writing(path):
    """Make a folder and hold its lock, so that no other process writes there.

    The system releases the lock when the process ends, in whatever way it ends. Raises StoreError, naming the
    process that holds the lock.
    """
    file = Path(os.path.realpath(path)) / ".lock"
    if file in _held:
        raise StoreError(f"this process is already writing to {path}, in another thread")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write to {path}: {error.strerror}") from None
    try:
        descriptor = open_regular(file, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise StoreError(f"cannot write to {path}: its .lock cannot be opened ({error.strerror})") from None
    _held.add(file)
    try:
        take(descriptor, path)
        yield
    finally:
        _held.discard(file)
        os.close(descriptor)


def take(descriptor, path):
    """Take the lock of an open file and write the number of this process into it."""
    if os.fstat(descriptor).st_nlink > 1:      # writing would change the file under its other name as well
        raise StoreError(f"cannot write to {path}: its .lock is a hard link to another file. Remove it")
    if fcntl:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = OWNER.match(os.read(descriptor, 200).decode(errors="replace"))
            owner = owner[0] if owner else "unknown"
            raise StoreError(f"process {owner} is writing to {path}: wait for it, or end it; its finished "
                             "blocks are kept") from None
    with suppress(OSError):      # if the disk is full, `replace` will say so in a better message
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()} on {platform.node()}\n".encode())
