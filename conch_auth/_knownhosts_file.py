"""
The known_hosts file itself: read with a bound, and written by appending.

A line is appended, in one write under a lock, rather than a new file renamed
over the old one: a failed append leaves every earlier byte alone, keeps a
symbolic link, the owner and the mode as they are, and loses nothing that a
program without our lock (C{ssh} takes none) appends at the same moment.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator

from conch_auth._knownhosts_lines import Problem

#: The largest file that is read, in bytes: a hundred thousand hosts with three
#: keys each fit.
MAX_FILE_BYTES = 128 * 1024 * 1024
#: How often a file is opened anew because another program replaced it between
#: our opening and our lock.
_MAX_OPENS = 16


def read_file(path: str) -> tuple[bytes, list[Problem]]:
    """
    What a file holds.  A missing one is empty; so is one that cannot be read or
    is too large, with the problem told.
    """
    try:
        with open(path, "rb") as file:
            return _read_bounded(file.fileno(), path), []
    except (FileNotFoundError, NotADirectoryError):
        return b"", []
    except (OSError, ValueError) as error:
        # ValueError: the path holds a NUL.
        reason = getattr(error, "strerror", None) or str(error)
        return b"", [Problem(path, 0, f"the file cannot be read ({reason})")]


def read_locked(descriptor: int, path: str) -> bytes:
    """
    What the file under L{locked} holds.

    @raise OSError: it cannot be read, or is too large.
    """
    os.lseek(descriptor, 0, os.SEEK_SET)
    return _read_bounded(descriptor, path)


def _read_bounded(descriptor: int, path: str) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MAX_FILE_BYTES} bytes", path)
    return data


@contextlib.contextmanager
def locked(path: str) -> Iterator[int]:
    """
    The file, open for reading and appending, and locked.  It is made with mode
    0600 where it is missing, and its directory (not those above) with 0700.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.dirname(path) or os.curdir, 0o700)
    descriptor = _open_locked(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_locked(path: str) -> int:
    for _ in range(_MAX_OPENS):
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
            # C{ssh-keygen -R} renames a new file into place: a line appended
            # to the old one would be lost.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise OSError(errno.EAGAIN, "the file is replaced again and again", path)


def _lock(descriptor: int) -> None:
    # Some network file systems have no locks.  There the append itself still
    # is one write; only a line that two programs add at once may stand twice.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def append(descriptor: int, line: bytes, path: str) -> None:
    """
    Append a line and wait until it is on the disk.  Where the last line lacks
    its line feed, that is put first.

    @raise OSError: the line could not be written whole.  What was written of it
        is taken back, unless somebody wrote after it; part of a line names no
        whole key and trusts nobody.
    """
    before = os.fstat(descriptor).st_size
    if before and os.pread(descriptor, 1, before - 1) != b"\n":
        line = b"\n" + line
    written = os.write(descriptor, line)
    after = os.fstat(descriptor)
    if written < len(line):
        if after.st_size == before + written:
            os.ftruncate(descriptor, before)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    if stat.S_ISREG(after.st_mode):
        os.fsync(descriptor)
