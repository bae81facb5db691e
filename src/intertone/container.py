"""Facts of a sound file's container that the decoder does not give."""

import io
import mmap
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from intertone.errors import InputError

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4_000, 384_000
MAX_CHANNELS = 8

_SUBTYPES = {"pcm16": "PCM_16", "pcm24": "PCM_24", "pcm32": "PCM_32", "float32": "FLOAT"}
_CONTAINERS: dict[str, tuple[str, tuple[str, ...]]] = {
    ".wav": ("WAV", tuple(_SUBTYPES)),
    ".aiff": ("AIFF", tuple(_SUBTYPES)),
    ".aif": ("AIFF", tuple(_SUBTYPES)),
    ".flac": ("FLAC", ("pcm16", "pcm24")),
    ".ogg": ("OGG", ()),
    ".mp3": ("MP3", ()),
}
SUFFIXES = tuple(_CONTAINERS)
_MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

READABLE = "WAV, FLAC, OGG, MP3 or AIFF"
"""Names of the containers that are read, for errors."""

UNKNOWN_FRAMES = 2**63 - 1
"""Length that the decoder gives where the header has none."""

_SIGNATURES = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3")
_MPEG_SYNC = 0xFFE0
_CLAIM = re.compile(r"(?:data|SSND|Riff size) : (\d+) \(should be (\d+)\)")
_PAGE_HEADER = 27
"""Bytes of a page's header before its table of segments."""

_FIRST_PAGE, _LAST_PAGE = 2, 4
"""Bits of a page's kind."""

_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check_rate(sample_rate: int, where: str = "") -> None:
    """Refuse a sample rate that a sound may not have.

    Args:
        sample_rate: Hz.
        where: End of the sentence, such as the name of the file.

    Raises:
        InputError: If it is outside ``MIN_SAMPLE_RATE`` to ``MAX_SAMPLE_RATE``.
    """
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise InputError(f"sample_rate must be in {MIN_SAMPLE_RATE}..{MAX_SAMPLE_RATE} Hz, got {sample_rate}{where}")


def choose_container(
    path: Path | str, format: str | None, *, channels: int = 1, sample_rate: int | None = None
) -> tuple[str, str | None]:
    """Return libsndfile's names of the container and the coding for a sound that is written, or refuse it.

    Args:
        path: The file; only its suffix counts.
        format: As in ``save_audio``.
        channels: Of the sound.
        sample_rate: Of the sound, Hz; None: not known yet, and not checked.

    Returns:
        ``(container, coding)``; no coding where the container has one of its own.

    Raises:
        InputError: If the suffix is no sound file's, or the container cannot hold such a sound.

    Example:
        >>> choose_container("tone.wav", None)
        ('WAV', 'PCM_24')
    """
    path = Path(path)
    if path.suffix.lower() not in _CONTAINERS:
        raise InputError(f"a sound file must end in one of {', '.join(_CONTAINERS)}, got {path}")
    container, formats = _CONTAINERS[path.suffix.lower()]
    if format is not None and format not in formats:
        allowed = f"one of {', '.join(formats)}" if formats else "left out, since it has one coding"
        raise InputError(f"the format of {container} must be {allowed}, got {format}")
    limit = 2 if container == "MP3" else MAX_CHANNELS
    if not 1 <= channels <= limit:
        raise InputError(f"{container} audio must have 1 to {limit} channels, got {channels}")
    chosen = container, _SUBTYPES[format or "pcm24"] if formats else None
    if sample_rate is None:
        return chosen
    check_rate(sample_rate)
    if container == "MP3" and sample_rate not in _MP3_RATES:
        raise InputError(f"the sample_rate of MP3 must be one of {', '.join(map(str, _MP3_RATES))}, got {sample_rate}")
    if container == "OGG" and sample_rate > 200_000:  # one hertz more crashes the encoder and Python
        raise InputError(f"the sample_rate of OGG must be at most 200000, got {sample_rate}")
    if container == "FLAC" and sample_rate > 65_535 and sample_rate % 10:
        raise InputError(f"the sample_rate of FLAC must be a multiple of 10 above 65535, got {sample_rate}")
    return chosen


class SoundReader(io.BufferedReader):
    """A file for a decoder that calls back and cannot pass on an exception: a wrong place to seek changes nothing."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place of the file, or stay where the place cannot be.

        Args:
            offset: Bytes from ``whence``.
            whence: As for files.

        Returns:
            The place in the file, bytes from its start.
        """
        try:
            return super().seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return self.tell()


def check_signature(head: bytes, path: Path) -> None:
    """Refuse what cannot be a sound file by its first bytes, before the decoder, parts of which print, reads it.

    Args:
        head: The first four bytes of the file, or more.
        path: Its name, for the error.

    Raises:
        InputError: If it begins neither as a WAV, AIFF, FLAC, OGG or MP3 file nor with an ID3 tag.

    Example:
        >>> check_signature(b"text", Path("a"))
        Traceback (most recent call last):
        ...
        intertone.errors.InputError: a sound must be a valid WAV, FLAC, OGG, MP3 or AIFF file, got a, which is none
    """
    if not head.startswith(_SIGNATURES) and int.from_bytes(head[:2]) & _MPEG_SYNC != _MPEG_SYNC:
        raise InputError(f"a sound must be a valid {READABLE} file, got {path}, which is none")


def claimed_bytes(log: str) -> tuple[int, int] | None:
    """Return how many bytes a header claims and how many there are, where it claims more.

    Args:
        log: What the decoder found in the header, ``SoundFile.extra_info``.

    Returns:
        Bytes claimed and present, of the sound (RF64: of the file); None where nothing is missing.

    Example:
        >>> claimed_bytes("data : 800 (should be 400)")
        (800, 400)
    """
    found = ((int(claimed), int(present)) for claimed, present in _CLAIM.findall(log))
    return next(((claimed, present) for claimed, present in found if claimed > present), None)


def ogg_is_whole(handle: BinaryIO, path: Path) -> bool:
    """Say whether an Ogg file has its last page.

    Args:
        handle: The file, open for reading bytes, not empty.
        path: Its name, for the error.

    Returns:
        Whether the last page of its first stream is complete and marked as the last.

    Raises:
        InputError: If several streams follow one another, of which the decoder would read the first only.

    Source:
        RFC 3533 (2003), "The Ogg encapsulation format version 0", sections 4 and 6.
    """
    with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        whole = begun = False
        stream = content[14:18]
        for start, stop in _ogg_pages(content):
            kind = content[start + 5]
            if begun and kind & _FIRST_PAGE:
                raise InputError(f"an OGG file must hold one stream, got several, one after the other, in {path}")
            begun = begun or not kind & _FIRST_PAGE
            if content[start + 14 : start + 18] == stream:
                whole = stop <= len(content) and bool(kind & _LAST_PAGE)
        return whole


def fix_ogg_serial_number(ogg: memoryview) -> None:
    """Set the random stream number of every page of an Ogg file to 0, and its checksum anew.

    Args:
        ogg: The file's bytes, changed in place.

    Source:
        RFC 3533 (2003), "The Ogg encapsulation format version 0", section 6.
    """
    for start, stop in _ogg_pages(bytes(ogg)):
        page = ogg[start:stop]
        page[14:18] = page[22:26] = bytes(4)
        # zlib has the same polynomial with the bits of every byte reversed, and inverts at the start and end
        checksum = zlib.crc32(bytes(page).translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
        page[22:26] = checksum.to_bytes(4, "big").translate(_REVERSED_BITS)


def _ogg_pages(content: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield where each page begins and ends, perhaps after ``content``; bytes between pages are passed over."""
    start = content.find(b"OggS")
    while 0 <= start <= len(content) - _PAGE_HEADER:
        table = start + _PAGE_HEADER
        lengths = content[table : table + content[table - 1]]
        stop = table + len(lengths) + sum(lengths)
        yield start, stop
        start = content.find(b"OggS", stop)
