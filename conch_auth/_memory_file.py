"""
The file of a L{Memory<conch_auth.memory.Memory>}: read with care, and replaced
whole.

It decides which key is shown first, so that a file which somebody else could
have written is not read; and one that is not ours is never written over, since
a path may be mistyped.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator

#: The largest file that is read or written, in bytes: some thousand hosts.
MAX_BYTES = 1024 * 1024
#: The first line of every file of ours.
HEADER = b"# conch_auth memory 1\n"

#: How often, and with how many seconds between, another program's lock is
#: waited for.  The lock is held while some kilobytes are written; a program
#: that was stopped meanwhile must not stop this one.
_LOCK_TRIES = 50
_LOCK_PAUSE = 0.01
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read(path: str) -> bytes:
    """
    What the file holds after its first line; nothing where there is no file.

    @raise OSError: it cannot be read, is not to be trusted, or is none of ours.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _OPEN)
    except FileNotFoundError:
        return b""
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link") from None
        raise
    with open(descriptor, "rb") as file:
        _check(os.fstat(descriptor))
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MAX_BYTES} bytes; remove it")
    if data and not data.startswith(HEADER):
        raise OSError(
            errno.EINVAL, "it is no memory of this version; name another file"
        )
    return data[len(HEADER) :]


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if found.st_uid != os.geteuid():
        raise OSError(errno.EPERM, "it belongs to another user")
    if found.st_mode & 0o022:
        raise OSError(errno.EPERM, "others may write to it; run: chmod 600 on it")


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """
    While this lasts, no other program of ours replaces the file.  The lock is
    on a file beside it, which is there to stay, because the file itself is
    replaced.  Their directory (not those above) is made where it is missing,
    with mode 0700.

    @raise OSError: the lock cannot be had.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.dirname(path) or os.curdir, 0o700)
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | _OPEN, 0o600)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE)
        except OSError:
            # Some network file systems have no locks.  There one of two
            # programs that write at once may be forgotten; no file is broken.
            return
        else:
            return
    raise OSError(errno.EAGAIN, "another program keeps it locked")


def replace(path: str, content: bytes) -> None:
    """
    Put a new file with mode 0600 in the place of the old one, under L{locked}.
    At each moment there is one or the other, whole, whatever fails.

    @raise OSError: the old one is still there.
    """
    new = f"{path}.new"
    # One that was left behind by a program that was killed.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    try:
        _write(new, HEADER + content)
        os.rename(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    _sync_directory(os.path.dirname(path) or os.curdir)


def _write(path: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: str) -> None:
    # Where it cannot be, the file is there all the same.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
