"""Compression of recordings to 4 bits per sample: adaptive differential pulse-code modulation (ADPCM)."""

import torch
from torch import Tensor

STEPS = tuple(round(7 * 1.1**place) for place in range(89))
"""Possible sizes of the quantisation step, in units of 16-bit samples."""

MOVES = (-1, -1, -1, -1, 2, 4, 6, 8)
"""Change of the index into ``STEPS`` for each magnitude of the code: large differences enlarge the step."""


def to_adpcm(sound: Tensor) -> Tensor:
    """Return a recording with 4 bits per sample; a byte holds two samples, the first one in the low bits.

    A code has a sign bit and three bits for the magnitude of the difference to the previous decoded sample, in units of
    a step whose size adapts.

    Args:
        sound: ``(channels, samples)``, −1…1.

    Returns:
        Codes, ``(channels, ceil(samples / 2))``, uint8.
    """
    wanted = (32767 * sound.double()).round().clamp(-32768, 32767).to(torch.int64).tolist()
    return torch.tensor([_encode(row) for row in wanted], dtype=torch.uint8)


def from_adpcm(stored: Tensor, samples: int) -> Tensor:
    """Return the first ``samples`` samples of a recording, ``(channels, samples)``; the inverse of ``to_adpcm``.

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
    """Return the sample and the index into ``STEPS`` after a code."""
    change = (2 * (code & 7) + 1) * STEPS[place] // 8
    value = max(-32768, min(32767, value - change if code & 8 else value + change))
    return value, max(0, min(len(STEPS) - 1, place + MOVES[code & 7]))
