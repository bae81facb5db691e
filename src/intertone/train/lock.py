"""The lock on the folder of a run: two runs must not write to one folder."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from intertone.errors import InputError
from intertone.files import disk_errors

LOCK = ".lock"
"""Name of the file in the folder that is locked; it is removed with the lock, and a killed process leaves it there."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder for the time of a block; the system removes the lock when the process ends, however it ends.

    Args:
        folder: Made if it does not exist.

    Raises:
        InputError: If another process holds the lock, or the folder cannot be written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _open_and_lock(folder)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            (folder / LOCK).unlink()
        os.close(descriptor)


def _open_and_lock(folder: Path) -> int:
    """Return the descriptor of the locked file.

    Another process may remove the file between opening and locking it; then the lock is on a file without a name,
    which keeps nobody out, and the next one is tried.
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
