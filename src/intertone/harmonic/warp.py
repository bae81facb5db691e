"""Measurement and synthesis of partials along the pitch of a sound: time is counted in periods of the fundamental.

In periods f0 is constant, every harmonic is a whole number, and a window of whole periods lets no harmonic
leak into its neighbours. So the sound is warped until its fundamental is constant, and the rest is matrix products.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.audio import resample
from intertone.curve import held

PERIODS = 3
"""Shortest window, in periods: the zeros of a Hann window of three periods lie on the neighbouring harmonics."""

SHORTEST_SECONDS = 0.015
"""Shortest window, seconds."""

BLOCK_FRAMES = 256
"""Frames that are measured at a time."""

BLOCK_SAMPLES = 2**15
"""Samples that are interpolated at a time, so that a long sound needs no more memory for it."""

OVERSAMPLING = 2
"""Oversampling of warped sounds, whose values between samples are interpolated by a polynomial."""

NODES = (-2, -1, 0, 1, 2, 3)
"""Points of that polynomial, in samples from the one before the place."""

TAPS = len(NODES)


def window_seconds(f0: float) -> float:
    """Return the length of the windows in which partials of a note of ``f0`` Hz are measured.

    Example:
        >>> window_seconds(50.0), window_seconds(1000.0)
        (0.06, 0.015)
    """
    return max(PERIODS / f0, SHORTEST_SECONDS)


def periods_of(f0: Tensor, hop_length: int, sample_rate: int, samples: int) -> Tensor:
    """Return the time of each sample in periods of the fundamental, ``(samples,)``, float64, rising from 0.

    f0, Hz, ``(n_frames,)``, float64, > 0, is interpolated linearly between frames ``hop_length`` samples apart.
    """
    known = held(f0 / sample_rate, 1 + -(-samples // hop_length))
    share = torch.arange(hop_length, dtype=torch.float64) / hop_length
    each = (known[:-1, None] + (known[1:] - known[:-1])[:, None] * share).flatten()[:samples]
    return pad(0.5 * (each[1:] + each[:-1]), (1, 0)).cumsum(0)[:samples]


def interpolate_at(sound: Tensor, places: Tensor) -> Tensor:
    """Return a sound between its samples, by the polynomial through the six nearest, ``(channels, n)``, float32.

    Args:
        sound: ``(channels, samples)``, oversampled: the error is −110 dB at a twentieth of its rate, −39 dB at a fifth.
        places: In samples, ``(n,)``, float64; beyond the ends there is silence.

    Source:
        Lagrange's formula on six points.
    """
    padded = pad(sound.float(), (TAPS, 2 * TAPS))
    found = torch.empty(len(sound), len(places))
    for some, part in zip(places.split(BLOCK_SAMPLES), found.split(BLOCK_SAMPLES, -1), strict=True):
        whole = some.floor()
        # samples outside are read from the padding
        first = (whole.long() - TAPS // 2 + 1).clamp(-TAPS, sound.shape[-1]) + TAPS
        _interpolate(padded, first, (some - whole).float(), part)
    return found


def _interpolate(padded: Tensor, first: Tensor, share: Tensor, total: Tensor) -> None:
    """Write the values of a sound between samples: ``share`` of the way from the third of six to the fourth."""
    away = [share - node for node in NODES]
    before, after = [torch.ones_like(share)], [torch.ones_like(share)]
    for left, right in zip(away[:-1], away[:0:-1], strict=True):
        before.append(before[-1] * left)
        after.append(after[-1] * right)
    total.zero_()
    for index, node in enumerate(NODES):
        scale = math.prod(node - other for other in NODES if other != node)
        weight = before[index] * after[TAPS - 1 - index] / scale
        for channel, row in enumerate(padded):
            total[channel].addcmul_(weight, row[index:].index_select(0, first))


def oversample(audio: Tensor, sample_rate: int) -> Tensor:
    """Return a sound with ``OVERSAMPLING`` times as many samples, as ``Warped`` takes it."""
    return resample(audio, sample_rate, OVERSAMPLING * sample_rate)


class Warped:
    """A sound whose time is counted in periods of its fundamental.

    Args:
        fine: The sound, from ``oversample``, ``(channels, OVERSAMPLING · samples)``.
        periods: Time of each sample in periods, ``(samples,)``, from 0 on.
        sample_rate: Hz, before oversampling.
        slowest: Lowest f0, Hz; the warped sound has nowhere fewer samples than the sound.

    Attributes:
        rate: Samples a period.
        sound: ``(channels, n)``.
    """

    def __init__(self, fine: Tensor, periods: Tensor, sample_rate: int, slowest: float) -> None:
        self.rate = math.ceil(sample_rate / slowest)
        self.n_periods = float(periods[-1])
        wanted = np.arange(max(1, math.floor(self.n_periods * self.rate) + 1)) / self.rate
        places = np.interp(wanted, periods.numpy(), np.arange(len(periods)))
        warped = interpolate_at(fine, torch.from_numpy(places * OVERSAMPLING))
        self.sound = pad(warped, (0, max(0, 3 - warped.shape[-1])))

    def measure(self, multiples: Tensor, centres: Tensor, length: float) -> Tensor:
        """Return complex amplitudes of partials under Hann windows.

        A window that would reach beyond the sound is moved inside, so what stands at the first and last centres is the
        nearest whole window's: an attack is not smeared into the silence before it.

        Args:
            multiples: Frequencies in f0, ``(n_partials,)``.
            centres: Centres of the windows, in periods, ``(n_frames,)``.
            length: Length of the windows, in periods.

        Returns:
            ``(channels, n_partials, n_frames)``, complex64: amplitude, and phase relative to
            ``2π · multiple · time in periods``, so that it is constant for a partial of exactly this frequency.
        """
        half = max(1, min(round(length * self.rate / 2), (self.sound.shape[-1] - 1) // 2))
        places = torch.arange(-half, half + 1, dtype=torch.float64)
        window = 0.5 + 0.5 * torch.cos(math.pi * places / (half + 1))
        middle = (centres * self.rate).round().long().clamp(half, max(half, self.sound.shape[-1] - half - 1))
        sinusoids = _sinusoids(multiples, places / self.rate) * (2 * window / window.sum()).float()
        segments = self.sound.unfold(-1, 2 * half + 1, 1)
        parts = []
        for some in middle.split(BLOCK_FRAMES):
            products = segments[:, some - half] @ sinusoids.T
            real, imaginary = products.transpose(1, 2).chunk(2, 1)
            parts.append(torch.complex(real, -imaginary))
        return torch.cat(parts, -1) * phasors(-multiples[:, None] * (middle.double() / self.rate))


def play_partials(
    amplitudes: Tensor, multiples: Tensor, centres: Tensor, periods: Tensor, sample_rate: int, slowest: float
) -> Tensor:
    """Return the sum of partials whose complex amplitudes change from frame to frame, ``(channels, samples)``.

    In every frame each partial has its nominal frequency and the frame's phase; frames are crossfaded linearly.

    Args:
        amplitudes: As ``Warped.measure`` returns them, at frames a constant number of periods apart.
        multiples: Frequencies in f0, ``(n_partials,)``.
        centres: Times of the frames in periods, ``(n_frames,)``, from 0 on.
        periods: Time of each sample in periods, ``(samples,)``.
        sample_rate: Hz.
        slowest: Lowest f0, Hz.
    """
    channels, _, n_frames = amplitudes.shape
    step = float(centres[1] - centres[0]) if n_frames > 1 else max(1.0, 2 * float(periods[-1]))
    hop = max(1, math.ceil(step * OVERSAMPLING * sample_rate / slowest))
    rate = hop / step
    offsets = torch.arange(-hop, hop, dtype=torch.float64)
    window = 1 - offsets.abs() / hop
    sinusoids = _sinusoids(multiples, offsets / rate) * window.float()
    rotated = amplitudes * phasors(multiples[:, None] * centres)
    sound = torch.zeros(channels, n_frames + 1, hop)
    for some in torch.arange(n_frames).split(BLOCK_FRAMES):
        parts = torch.cat([rotated[..., some].real, -rotated[..., some].imag], 1).transpose(1, 2) @ sinusoids
        sound[:, some] += parts[..., :hop]
        sound[:, some + 1] += parts[..., hop:]
    return interpolate_at(sound.flatten(1), periods * rate + hop)


def phasors(periods: Tensor) -> Tensor:
    """Return the complex numbers of magnitude 1 at some angles, in periods, complex64.

    Example:
        >>> phasors(torch.tensor([0.0, 1000.25], dtype=torch.float64)).real.round(decimals=3)
        tensor([1., -0.])
    """
    angle = (periods - periods.round()).float() * (2 * math.pi)
    return torch.complex(angle.cos(), angle.sin())


def _sinusoids(multiples: Tensor, periods: Tensor) -> Tensor:
    """Return cosines above sines of partials, ``(2 · n_partials, n_periods)``, float32."""
    rotated = phasors(multiples[:, None] * periods)
    return torch.cat([rotated.real, rotated.imag])
