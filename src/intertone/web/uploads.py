"""Messages between the server and its worker processes."""

from dataclasses import dataclass
from pathlib import Path

from intertone.files import Json

MAX_SOUNDS = 4
"""Sounds of an instrument: one for each corner of the pad; ``MOST_SOUNDS`` of the page and of the engine equal it."""


@dataclass(frozen=True)
class Upload:
    """A sound file that waits on the disk.

    Attributes:
        path: Its file.
        name: Its name for people.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class Made:
    """An instrument and what the page shows of its sounds.

    Attributes:
        data: The instrument, as ``Instrument.to_bytes``.
        sounds: Overview and remarks of each sound, for JSON.
    """

    data: bytes
    sounds: "list[dict[str, Json]]"
