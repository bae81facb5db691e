"""File lock on the folder of a run, which keeps two processes from writing to the same folder."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from intertone.errors import InputError
from intertone.files import disk_errors

LOCK = ".lock"
"""Name of the locked file in the folder. It is removed with the lock; a killed process leaves it behind, unlocked."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock on a folder during a ``with`` block; the operating system releases it if the process is killed.

    Args:
        folder: The folder; it is created if it does not exist.

    Raises:
        InputError: If another process holds the lock, or the folder cannot be written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _open_and_lock(folder)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows cannot remove an open file
            (folder / LOCK).unlink()
        os.close(descriptor)


def _open_and_lock(folder: Path) -> int:
    """Return the descriptor of the locked file.

    Another process may remove the file between opening and locking it. The lock is then on a file that no other
    process can open, so it excludes nobody, and the file is created and locked again.
    """
    while True:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise InputError(
                f"a run's folder must be used by one run at a time, got {folder}, which another process is training in"
            ) from None
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
