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
class OwnCode:
    """The code of an own sound.

    Attributes:
        name: Name of the sound.
        corner: Its number in the instrument, from 0.
        code: ``(latent_dim, n_latents)``, float32, as bytes.
    """

    name: str
    corner: int
    code: bytes


@dataclass(frozen=True)
class MapRequest:
    """Request to the worker process that computes the map and the sounds at its places.

    Attributes:
        own: Own sounds that lie on the map.
        place: x and y of the sound that is wanted, 0…1; None: the points of the map.
        codec: Name of a codec of single frames that decodes ``values``; None: the codec of the map is used.
        values: Code of the codec of single frames; empty without one.
    """

    own: tuple[OwnCode, ...] = ()
    place: tuple[float, float] | None = None
    codec: str | None = None
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Made:
    """An instrument and what the page shows of its sounds.

    Attributes:
        data: The instrument, as ``Instrument.to_bytes``.
        sounds: Overview and remarks of each sound, for JSON.
        codes: Codes of the sounds that have one, for the map.
    """

    data: bytes
    sounds: "list[dict[str, Json]]"
    codes: "tuple[OwnCode, ...]" = ()
