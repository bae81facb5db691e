"""Sounds that were uploaded: files under names that the server chose, within limits; the oldest make room."""

import secrets
import tempfile
import threading
from pathlib import Path, PurePath

from intertone.web.uploads import Upload

MAX_UPLOAD_BYTES = 96 * 2**20
"""Largest upload, bytes: two channels of float samples at 44.1 kHz for 4.7 minutes."""

MAX_SOUNDS, MAX_SHELF_BYTES = 64, 2**30
"""Largest number of sounds that are kept, and of their bytes."""

NAME_LENGTH = 120
"""Characters of a name that are kept, its suffix among them."""

SUFFIX_LENGTH = 16
"""Characters of the longest suffix: what is longer is no kind of file."""


class Shelf:
    """A temporary folder of uploads."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="intertone-")
        self._uploads: dict[str, Upload] = {}
        self._kept: set[str] = set()
        self._lock = threading.Lock()

    def new_path(self) -> Path:
        """Return the name of a file for an upload that begins."""
        return Path(self._folder.name) / secrets.token_hex(16)

    def add(self, upload: Upload, *, keep: bool = False) -> str:
        """Take an upload and return its identifier; the oldest are removed where the limits ask for it.

        Args:
            upload: The file.
            keep: Whether it stays until the server ends: a file of the user's own, which is never removed.
        """
        identifier = secrets.token_urlsafe(12)
        with self._lock:
            self._uploads[identifier] = upload
            if keep:
                self._kept.add(identifier)
            removable = [name for name in self._uploads if name not in self._kept]
            while len(removable) > 1 and (len(removable) > MAX_SOUNDS or self._size(removable) > MAX_SHELF_BYTES):
                self._uploads.pop(removable.pop(0)).path.unlink(missing_ok=True)
        return identifier

    def find(self, identifier: str) -> Upload | None:
        """Return the upload of an identifier, or None."""
        return self._uploads.get(identifier)

    def close(self) -> None:
        """Remove all uploads."""
        self._folder.cleanup()

    def _size(self, names: list[str]) -> int:
        return sum(self._uploads[name].path.stat().st_size for name in names)


def readable(name: str) -> str:
    r"""Return the name of an upload for people: without folders and control characters, its suffix kept.

    Example:
        >>> readable("../../etc/horn\n.wav"), readable("C:\\sounds\\horn.wav"), readable("/")
        ('horn.wav', 'horn.wav', 'sound')
        >>> readable(200 * "x" + ".intertone") == 110 * "x" + ".intertone"
        True
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    whole = "".join(letter for letter in last if letter.isprintable()).strip(". ")
    suffix = PurePath(whole).suffix
    if len(suffix) > SUFFIX_LENGTH:
        suffix = ""
    return whole.removesuffix(suffix)[: NAME_LENGTH - len(suffix)] + suffix or "sound"
