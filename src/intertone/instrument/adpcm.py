"""Recordings in 4 bits a sample: adaptive differential pulse-code modulation."""

import torch
from torch import Tensor

STEPS = tuple(round(7 * 1.1**place) for place in range(89))
"""Sizes of a quantisation step, of 16-bit samples."""

MOVES = (-1, -1, -1, -1, 2, 4, 6, 8)
"""Number of places in ``STEPS`` that the size moves, for each magnitude of the code: loud changes make it larger."""


def to_adpcm(sound: Tensor) -> Tensor:
    """Return a recording in 4 bits a sample, two samples a byte, the first in the low bits.

    A code is a sign and three bits of the difference from the decoded sample before, in steps whose size adapts.

    Args:
        sound: ``(channels, samples)``, −1…1.

    Returns:
        ``(channels, ceil(samples / 2))``, uint8.
    """
    wanted = (32767 * sound.double()).round().clamp(-32768, 32767).to(torch.int64).tolist()
    return torch.tensor([_encode(row) for row in wanted], dtype=torch.uint8)


def from_adpcm(stored: Tensor, samples: int) -> Tensor:
    """Return the recording: the way back from ``to_adpcm``.

    Example:
        >>> from_adpcm(to_adpcm(torch.zeros(1, 3)), 3).abs().max() < 1e-3
        tensor(True)
    """
    return torch.tensor([_decode(row, samples) for row in stored.tolist()], dtype=torch.float32).reshape(-1, samples)


def _encode(samples: list[int]) -> list[int]:
    value = place = 0
    codes = []
    for wanted in samples:
        code = min(7, int(4 * abs(wanted - value) / STEPS[place])) + 8 * (wanted < value)
        codes.append(code)
        value, place = _next(value, place, code)
    codes += [0] * (len(codes) % 2)
    return [low + 16 * high for low, high in zip(codes[::2], codes[1::2], strict=True)]


def _decode(stored: list[int], samples: int) -> list[float]:
    value = place = 0
    found = []
    for code in (half for byte in stored for half in (byte & 15, byte >> 4)):
        value, place = _next(value, place, code)
        found.append(value / 32767)
    return found[:samples]


def _next(value: int, place: int, code: int) -> tuple[int, int]:
    """Return the sample and the place in ``STEPS`` behind a code."""
    change = (2 * (code & 7) + 1) * STEPS[place] // 8
    value = max(-32768, min(32767, value - change if code & 8 else value + change))
    return value, max(0, min(len(STEPS) - 1, place + MOVES[code & 7]))
