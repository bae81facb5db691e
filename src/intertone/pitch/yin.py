"""YIN: the fundamental frequency of each frame of a sound, and of a whole steady note."""

import math

import numpy as np
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.container import MAX_SAMPLE_RATE
from intertone.level import TINY, db_to_power
from intertone.pitch.parabola import Array, parabola_top
from intertone.stft import fast_length

SAMPLES_PER_PERIOD = 12
"""Smallest number of samples in the shortest period, to which the sound is upsampled, so that a parabola fits a dip."""
SHORTEST_WINDOW = 0.02
"""Shortest window, s: three periods of a high note would be too few samples to be robust against noise."""
SILENCE_DB = -100.0
"""Level below which a frame has no pitch, dB relative to full scale."""
VOICED = 0.5
"""Smallest periodicity of a voiced frame. In ``path.py``, one minus this is the cost of an unvoiced frame."""
THRESHOLD = 0.1
"""Largest difference to the deepest dip at which an earlier dip is taken; a larger value prefers the higher octave."""
F_MIN, F_MAX = 25.0, 5000.0
"""Default search range, Hz: from below A0, the lowest key of a piano, to above C8, its highest key."""
HOP_LENGTH = 256
"""Default hop between frames, samples."""
BLOCK_CELLS = 2**22
"""Largest number of samples of all frames that are transformed at once, which limits the memory."""


def track_pitch(
    audio: Tensor,
    sample_rate: int,
    *,
    f_min: float = F_MIN,
    f_max: float = F_MAX,
    hop_length: int = HOP_LENGTH,
) -> tuple[Tensor, Tensor]:
    """Return the fundamental frequency and the periodicity of every frame.

    YIN takes the lag at which the sound differs least from itself. Since the multiples of a period are also dips of the
    difference, the first dip within 0.1 of the deepest is taken. The window lasts three periods of ``f_min``, at least
    20 ms; a larger ``f_min`` follows fast changes better.

    Args:
        audio: ``(samples,)``.
        sample_rate: Hz.
        f_min: Lowest frequency searched, Hz.
        f_max: Highest frequency searched, Hz, below half of ``sample_rate``.
        hop_length: Hop between frames, samples; frame ``n`` is centred at ``n · hop_length``. The first and last frames
            are moved inwards until their windows fit into the sound.

    Returns:
        ``(f0, periodicity)``, each ``(n_frames,)`` with ``n_frames = 1 + ceil(samples / hop_length)``. ``f0`` in Hz is
        the best guess for every frame, and NaN for a silent one (below −100 dB). ``periodicity`` is the share of the
        energy that repeats after one period, 0…1: 1 for a steady tone, about 0.1 for noise, 0 for silence.

    Raises:
        ValueError: If ``audio`` is not ``(samples,)`` with at least one sample, ``0 < f_min < f_max < sample_rate / 2``
            does not hold, or ``hop_length`` is below 1.

    Source:
        De Cheveigné and Kawahara (2002), "YIN, a fundamental frequency estimator for speech and music", steps 2-5,
        but with a threshold relative to the deepest dip; McLeod and Wyvill (2005), "A smarter way to find pitch",
        equation 9, for the periodicity.

    Example:
        >>> audio = torch.sin(2 * torch.pi * 440 * torch.arange(8000) / 16000)
        >>> f0, periodicity = track_pitch(audio, 16000)
        >>> f0.shape, round(float(f0.median())), round(float(periodicity.median()), 2)
        (torch.Size([33]), 440, 1.0)
    """
    f0, periodicity, _ = _track(audio, sample_rate, f_min, f_max, hop_length)
    return torch.from_numpy(f0).float(), torch.from_numpy(periodicity).float()


def note_pitch(
    audio: Tensor,
    sample_rate: int,
    *,
    f_min: float = F_MIN,
    f_max: float = F_MAX,
    hop_length: int = HOP_LENGTH,
) -> float:
    """Return the fundamental frequency of a whole steady note: the median of voiced frames, weighted by their energy.

    Args:
        audio: ``(samples,)``.
        sample_rate: Hz.
        f_min: Lowest frequency searched, Hz.
        f_max: Highest frequency searched, Hz.
        hop_length: Hop between frames, samples.

    Returns:
        Hz; NaN where less than a tenth of the energy lies in voiced frames (periodicity of at least 0.5).

    Raises:
        ValueError: For the same reasons as ``track_pitch``.

    Example:
        >>> note_pitch(torch.randn(8000, generator=torch.Generator().manual_seed(0)), 16000)
        nan
    """
    f0, periodicity, energy = _track(audio, sample_rate, f_min, f_max, hop_length)
    voiced = periodicity >= VOICED
    if energy[voiced].sum() <= 0.1 * energy.sum():
        return math.nan
    order = np.argsort(f0[voiced])
    weight = np.cumsum(energy[voiced][order])
    return float(f0[voiced][order][np.searchsorted(weight, 0.5 * weight[-1])])


def _track(audio: Tensor, sample_rate: int, f_min: float, f_max: float, hop_length: int) -> tuple[Array, Array, Array]:
    """Return f0, periodicity and energy of every frame."""
    if audio.ndim != 1 or not len(audio):
        raise ValueError(f"audio must be (samples,) with at least one sample, got {tuple(audio.shape)}")
    if not 0 < f_min < f_max < sample_rate / 2:
        raise ValueError(f"0 < f_min < f_max < {sample_rate / 2:g} Hz must hold, got {f_min:g} and {f_max:g}")
    if hop_length < 1:
        raise ValueError(f"hop_length must be >= 1, got {hop_length}")
    n_frames = 1 + -(-len(audio) // hop_length)
    factor = min(math.ceil(SAMPLES_PER_PERIOD * f_max / sample_rate), max(1, MAX_SAMPLE_RATE // sample_rate))
    sound = resample(audio.detach().cpu().float(), sample_rate, factor * sample_rate).double().numpy()
    rate = factor * sample_rate
    longest = math.ceil(rate / f_min) + 1
    window = math.ceil(rate * max(3 / f_min, SHORTEST_WINDOW))
    segment = window + longest
    sound = np.pad(sound, (0, max(0, segment - len(sound))))
    starts = np.arange(n_frames) * hop_length * factor - segment // 2
    starts = starts.clip(0, len(sound) - segment)
    segments = np.lib.stride_tricks.sliding_window_view(sound, segment)
    shortest = rate / f_max
    parts = []
    for block in np.array_split(starts, -(-n_frames * segment // BLOCK_CELLS)):
        lag, periodicity, energy = _best_lags(segments[block], window, shortest)
        parts.append((rate / lag, periodicity, energy / window))
    f0, periodicity, energy = (np.concatenate(column) for column in zip(*parts, strict=True))
    silent = energy < db_to_power(SILENCE_DB)
    f0[silent], periodicity[silent], energy[silent] = math.nan, 0, 0
    return f0, periodicity, energy


def _best_lags(segments: Array, window: int, shortest: float) -> tuple[Array, Array, Array]:
    """Return lag (samples), periodicity and energy of each of ``(n, window + longest lag)`` segments."""
    n_lags = segments.shape[1] - window
    size, sound = fast_length(segments.shape[1]), torch.from_numpy(segments)
    spectrum = torch.fft.rfft(sound[:, :window], size).conj() * torch.fft.rfft(sound, size)
    products = torch.fft.irfft(spectrum, size)[:, : n_lags + 1].numpy()
    sums = np.cumsum(np.pad(segments**2, ((0, 0), (1, 0))), axis=1)
    energies = sums[:, window:] - sums[:, : n_lags + 1]
    total = np.maximum(energies[:, :1] + energies, TINY)
    difference = np.maximum(total - 2 * products, 0)
    # the difference is divided by its mean over all shorter lags, so that lags near 0 are not dips
    running = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, n_lags + 1)
    normalised = np.ones_like(difference)
    normalised[:, 1:] = difference[:, 1:] / np.maximum(running, TINY)
    similarity = 2 * products / total
    first = max(1, math.floor(shortest))
    inner = normalised[:, first:-1]
    dips = (inner <= normalised[:, first - 1 : -2]) & (inner < normalised[:, first + 1 :])
    depth = np.where(dips, inner, np.inf)
    deepest = depth.min(1)
    chosen = (depth <= (deepest + THRESHOLD)[:, None]).argmax(1)
    chosen = np.where(np.isfinite(deepest), chosen, inner.argmin(1)) + first
    rows = np.arange(len(similarity))
    offset, height = parabola_top(*(similarity[rows, chosen + place] for place in (-1, 0, 1)))
    return chosen + offset, height.clip(0, 1), energies[:, 0] + energies[:, -1]
