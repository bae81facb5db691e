"""Overview of a sound: its waveform and a spectrogram over logarithmic frequency, a few kilobytes in all."""

import base64
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from intertone.downmix import mix_to_mono
from intertone.files import Json

COLUMNS, ROWS = 256, 84
"""Columns in time, and rows in frequency: one for each semitone from ``LOWEST_HZ`` up."""

LOWEST_HZ = 55.0
"""Centre of the lowest row, Hz (A1)."""

RANGE_DB = 66.0
"""Level below the loudest cell that is drawn as silence, dB; a larger value shows more of the noise."""

WINDOW_SECONDS = 0.093
"""Length of the analysis window, seconds: 4096 samples at 44.1 kHz."""


@dataclass(frozen=True)
class Overview:
    """A sound as a card draws it.

    Attributes:
        seconds: Its length, seconds.
        lowest: Lowest sample of each column, −1…1, ``(COLUMNS,)``.
        highest: Highest sample of each column.
        levels: Levels, 0 (silence) to 1 (the loudest cell), lowest row first, ``(ROWS, COLUMNS)``.
    """

    seconds: float
    lowest: Tensor
    highest: Tensor
    levels: Tensor

    def to_json(self) -> "dict[str, Json]":
        """Return the overview as JSON, its arrays as base64 of one byte a value."""
        return {
            "seconds": round(self.seconds, 4),
            "columns": COLUMNS,
            "rows": ROWS,
            "lowest_hz": LOWEST_HZ,
            "low": _base64((self.lowest + 1) / 2),
            "high": _base64((self.highest + 1) / 2),
            "levels": _base64(self.levels),
        }


def overview_of(audio: Tensor, sample_rate: int) -> Overview:
    """Return the waveform and the spectrogram of a sound at the size in which the page draws them.

    Args:
        audio: ``(channels, samples)``.
        sample_rate: In Hz.

    Returns:
        The overview, scaled to the sound's own peak.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 440 * torch.arange(16000) / 16000)[None]
        >>> int(overview_of(tone, 16000).levels[:, 100].argmax())  # A4 is 36 semitones above A1
        36
    """
    mono = mix_to_mono(audio.float())
    mono = mono / mono.abs().max().clamp(min=1e-9)
    samples = len(mono)
    edges = torch.linspace(0, samples, COLUMNS + 1).long()
    parts = [mono[start : max(start + 1, end)] for start, end in pairwise(edges.tolist())]
    lowest, highest = (torch.stack([part.aminmax()[index] for part in parts]) for index in (0, 1))
    return Overview(samples / sample_rate, lowest, highest, _levels(mono, sample_rate))


def _levels(mono: Tensor, sample_rate: int) -> Tensor:
    n_fft = 2 ** round(torch.log2(torch.tensor(WINDOW_SECONDS * sample_rate)).item())
    hop = max(1, len(mono) // COLUMNS)
    padded = torch.nn.functional.pad(mono, (n_fft // 2, n_fft))
    frames = padded.unfold(0, n_fft, hop)[:COLUMNS] * torch.hann_window(n_fft)
    power = torch.fft.rfft(frames).abs().square()
    edges = LOWEST_HZ * 2 ** ((torch.arange(ROWS + 1) - 0.5) / 12) * n_fft / sample_rate
    rows = []
    for low, high in pairwise(edges.tolist()):
        first, last = round(low), max(round(low) + 1, round(high))
        inside = power[:, min(first, n_fft // 2) : min(last, n_fft // 2 + 1)]
        rows.append(inside.amax(-1) if high <= n_fft / 2 else torch.zeros(len(power)))
    level = 10 * torch.stack(rows).clamp(min=1e-12).log10()
    scaled = ((level - level.max()) / RANGE_DB + 1).clamp(0, 1) * (power.max() > 0)
    return torch.nn.functional.pad(scaled, (0, COLUMNS - scaled.shape[1]))


def _base64(values: Tensor) -> str:
    return base64.b64encode((values * 255).round().clamp(0, 255).byte().numpy().tobytes()).decode("ascii")
