"""The ``smpl`` chunk of a WAV file, from which samplers read root key, tuning and loop."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from torch import Tensor

from intertone.audio import encode_audio
from intertone.errors import InputError
from intertone.files import check_output, replacing
from intertone.instrument.looping import Loop

HEADER, LOOP = struct.Struct("<9I"), struct.Struct("<6I")
"""Binary layouts of the chunk's fields before its loops, and of one loop."""
SEMITONE = 2**32
"""Value of the chunk's pitch fraction for one semitone."""


@dataclass(frozen=True)
class Sampler:
    """Content of a ``smpl`` chunk.

    Attributes:
        root: Key at which the file is played without transposition, a MIDI number.
        cents: Distance of the file's pitch above that key, 0 to 100 (excluded).
        loop: Samples that are repeated while a key is held; None: no loop.
    """

    root: int
    cents: float = 0.0
    loop: Loop | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.root <= 127 or not 0 <= self.cents < 100:
            raise ValueError(f"root must be in 0..127 and cents in [0, 100), got {self.root} and {self.cents}")


def with_sampler(wav: bytes, sampler: Sampler) -> bytes:
    """Return a WAV file with a ``smpl`` chunk at its end; an existing one is removed.

    Args:
        wav: Content of a WAV file.
        sampler: Content of the chunk.

    Returns:
        Content of the new file; its sound and all other chunks are unchanged.

    Raises:
        InputError: If ``wav`` is not a WAV file, or its last chunk is truncated.
        ValueError: If ``wav`` has no sound, or the loop is outside of it.

    Source:
        Microsoft and IBM (1994), "New multimedia data types and data techniques", for the chunk. The stored end of a
        loop is the last sample that is played.
    """
    found = list(_chunks(io.BytesIO(wav), "other bytes"))
    name, start, size = found[-1] if found else (b"", 0, 0)
    if start + size > len(wav):
        raise InputError(f"the chunk {name!r} must have {size} bytes, got {len(wav) - start}")
    chunks = [(name, wav[start : start + size]) for name, start, size in found if name != b"smpl"]
    content = dict(chunks)
    if b"fmt " not in content or b"data" not in content:
        raise ValueError("a WAV file must have the chunks fmt and data")
    rate, _, frame_bytes = struct.unpack_from("<IIH", content[b"fmt "], 4)
    loops = b""
    if (loop := sampler.loop) is not None:
        if not 0 <= loop.start < loop.end <= len(content[b"data"]) // frame_bytes:
            raise ValueError(f"the loop must be within the file, got {loop.start} to {loop.end}")
        loops = LOOP.pack(0, 0, loop.start, loop.end - 1, 0, 0)
    fraction = min(SEMITONE - 1, round(sampler.cents / 100 * SEMITONE))
    head = HEADER.pack(0, 0, round(1e9 / rate), sampler.root, fraction, 0, 0, len(loops) // LOOP.size, 0)
    parts = b"".join(
        name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
        for name, body in [*chunks, (b"smpl", head + loops)]
    )
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WAVE" + parts


def save_sample(
    path: Path | str, audio: Tensor, sampler: Sampler, *, sample_rate: int, format: str | None = None
) -> None:
    """Write a sound file like ``save_audio``, with a ``smpl`` chunk if it is a WAV file.

    Args:
        path: The same as for ``save_audio``; files of other types get no chunk.
        audio: The same as for ``save_audio``.
        sampler: Content of the chunk.
        sample_rate: Hz.
        format: The same as for ``save_audio``.

    Raises:
        InputError: For the same reasons as ``save_audio``.
        ValueError: For the same reasons as ``save_audio``, or if the loop is outside the sound.

    Example:
        >>> import tempfile, torch
        >>> path = Path(tempfile.mkdtemp()) / "a4.wav"
        >>> save_sample(path, torch.zeros(1, 800), Sampler(69, loop=Loop(200, 600)), sample_rate=8000)
        >>> read_sampler(path)
        Sampler(root=69, cents=0.0, loop=Loop(start=200, end=600))
    """
    encoded = encode_audio(str(check_output(path)), audio, sample_rate=sample_rate, format=format)
    if Path(path).suffix.lower() == ".wav":
        encoded = with_sampler(encoded, sampler)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded)


def read_sampler(path: Path | str) -> Sampler | None:
    """Return the content of the ``smpl`` chunk of a WAV file, or None if the file has none.

    Args:
        path: The file.

    Returns:
        Root key, cents, and the first loop if it is a forward loop.

    Raises:
        InputError: If the file cannot be read, is not a WAV file, or its chunk is damaged.
    """
    try:
        with Path(path).open("rb") as handle:
            found = _find_chunk(handle, path)
    except OSError as error:
        raise InputError(f"a sound file must be readable, got {error.strerror} for {path}") from error
    if found is None:
        return None
    if len(found) < HEADER.size:
        raise InputError(f"a smpl chunk must have {HEADER.size} bytes or more, got {len(found)} in {path}")
    _, _, _, root, fraction, _, _, n_loops, _ = HEADER.unpack_from(found)
    if root > 127 or len(found) < HEADER.size + n_loops * LOOP.size:
        raise InputError(
            f"a smpl chunk must hold a key in 0..127 and its {n_loops} loops, got {root} in {len(found)} bytes: {path}"
        )
    loop = None
    if n_loops:
        _, kind, start, last, _, _ = LOOP.unpack_from(found, HEADER.size)
        loop = Loop(start, last + 1) if kind == 0 else None
    return Sampler(root, 100 * fraction / SEMITONE, loop)


def _find_chunk(handle: BinaryIO, path: Path | str) -> bytes | None:
    """Return the body of the ``smpl`` chunk of an open WAV file."""
    for name, start, size in _chunks(handle, path):
        if name == b"smpl":
            handle.seek(start)
            return handle.read(min(size, 2**16))
    return None


def _chunks(handle: BinaryIO, where: Path | str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and claimed size of each chunk of a WAV file."""
    head = handle.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise InputError(f"the file must be a WAV file, got {where}")
    start = len(head)
    while len(chunk := handle.read(8)) == 8:
        name, size = struct.unpack("<4sI", chunk)
        yield name, start + len(chunk), size
        start = handle.seek(start + len(chunk) + size + size % 2)
