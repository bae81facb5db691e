"""Containers of sound files: which can be written, and faults of a file that the decoder does not report."""

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
"""Names of the readable file types, for error sentences."""

UNKNOWN_FRAMES = 2**63 - 1
"""Number of frames that the decoder reports where the header has none."""

_SIGNATURES = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3")
_MPEG_SYNC = 0xFFE0
_CLAIM = re.compile(r"(?:data|SSND|Riff size) : (\d+) \(should be (\d+)\)")
_PAGE_HEADER = 27
"""Number of bytes of an Ogg page's header before its segment table."""
_FIRST_PAGE, _LAST_PAGE = 2, 4
"""Bits of the header type of an Ogg page: first and last page of a stream."""

_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check_rate(sample_rate: int, where: str = "") -> None:
    """Refuse a sample rate outside the limits of this package.

    Args:
        sample_rate: Hz.
        where: End of the error sentence, such as the name of the file.

    Raises:
        InputError: If ``sample_rate`` is outside ``MIN_SAMPLE_RATE`` to ``MAX_SAMPLE_RATE``.
    """
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise InputError(f"sample_rate must be in {MIN_SAMPLE_RATE}..{MAX_SAMPLE_RATE} Hz, got {sample_rate}{where}")


def choose_container(
    path: Path | str, format: str | None, *, channels: int = 1, sample_rate: int | None = None
) -> tuple[str, str | None]:
    """Return libsndfile's names of container and coding for an output file.

    Args:
        path: The file; only its suffix is used.
        format: The same as for ``save_audio``.
        channels: Number of channels of the sound.
        sample_rate: Sample rate of the sound, Hz; None: not known yet, and not checked.

    Returns:
        ``(container, coding)``; the coding is None where the container has only one.

    Raises:
        InputError: If the suffix is not one of ``SUFFIXES``, or the container cannot hold the format, the number of
            channels or the sample rate.

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
    if container == "OGG" and sample_rate > 200_000:  # the encoder crashes the process above this rate
        raise InputError(f"the sample_rate of OGG must be at most 200000, got {sample_rate}")
    if container == "FLAC" and sample_rate > 65_535 and sample_rate % 10:
        raise InputError(f"the sample_rate of FLAC must be a multiple of 10 above 65535, got {sample_rate}")
    return chosen


class SoundReader(io.BufferedReader):
    """File for a decoder whose callbacks cannot raise exceptions: seeking to an invalid position does nothing."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in the file; stay at the present position if the new one is invalid.

        Args:
            offset: Number of bytes from ``whence``.
            whence: Start, present position or end of the file, as for ``io.IOBase.seek``.

        Returns:
            The position, bytes from the start of the file.
        """
        try:
            return super().seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return self.tell()


def check_signature(head: bytes, path: Path) -> None:
    """Refuse a file whose first bytes are not those of a sound file.

    The check comes before the decoder, since some decoders print messages about files that they cannot read.

    Args:
        head: The first four bytes of the file, or more.
        path: Name of the file, for the error sentence.

    Raises:
        InputError: If ``head`` is neither the beginning of a WAV, AIFF, FLAC, OGG or MP3 file nor an ID3 tag.

    Example:
        >>> check_signature(b"text", Path("a"))
        Traceback (most recent call last):
        ...
        intertone.errors.InputError: a sound must be a valid WAV, FLAC, OGG, MP3 or AIFF file, got a, which is not one
    """
    if not head.startswith(_SIGNATURES) and int.from_bytes(head[:2]) & _MPEG_SYNC != _MPEG_SYNC:
        raise InputError(f"a sound must be a valid {READABLE} file, got {path}, which is not one")


def claimed_bytes(log: str) -> tuple[int, int] | None:
    """Return the sizes of the sound according to the header and in fact, if the header claims more.

    Args:
        log: The decoder's report on the header, ``SoundFile.extra_info``.

    Returns:
        ``(claimed, present)``, bytes of the sound (RF64: of the file); None where nothing is missing.

    Example:
        >>> claimed_bytes("data : 800 (should be 400)")
        (800, 400)
    """
    found = ((int(claimed), int(present)) for claimed, present in _CLAIM.findall(log))
    return next(((claimed, present) for claimed, present in found if claimed > present), None)


def ogg_is_whole(handle: BinaryIO, path: Path) -> bool:
    """Return whether an Ogg file has its last page.

    Args:
        handle: The file, open for reading bytes, not empty.
        path: Name of the file, for the error sentence.

    Returns:
        Whether the last page of the first stream is complete and marked as the last.

    Raises:
        InputError: If the file holds several consecutive streams, of which the decoder would read only the first.

    Source:
        RFC 3533 (2003), "The Ogg encapsulation format version 0", sections 4 and 6.
    """
    with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        whole = begun = False
        stream = content[14:18]
        for start, stop in _ogg_pages(content):
            kind = content[start + 5]
            if begun and kind & _FIRST_PAGE:
                raise InputError(f"an OGG file must hold one stream, got several consecutive ones in {path}")
            begun = begun or not kind & _FIRST_PAGE
            if content[start + 14 : start + 18] == stream:
                whole = stop <= len(content) and bool(kind & _LAST_PAGE)
        return whole


def fix_ogg_serial_number(ogg: memoryview) -> None:
    """Set the random serial number in every page of an Ogg file to 0, and update the checksums.

    Args:
        ogg: Bytes of the file, which are changed in place.

    Source:
        RFC 3533 (2003), "The Ogg encapsulation format version 0", section 6.
    """
    for start, stop in _ogg_pages(bytes(ogg)):
        page = ogg[start:stop]
        page[14:18] = page[22:26] = bytes(4)
        # zlib's CRC has the same polynomial, but reverses the bits of every byte and inverts initial and final value
        checksum = zlib.crc32(bytes(page).translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
        page[22:26] = checksum.to_bytes(4, "big").translate(_REVERSED_BITS)


def _ogg_pages(content: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield start and end of each page, bytes; the end of an incomplete page lies after the end of ``content``."""
    start = content.find(b"OggS")
    while 0 <= start <= len(content) - _PAGE_HEADER:
        table = start + _PAGE_HEADER
        lengths = content[table : table + content[table - 1]]
        stop = table + len(lengths) + sum(lengths)
        yield start, stop
        start = content.find(b"OggS", stop)
