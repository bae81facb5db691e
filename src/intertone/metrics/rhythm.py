"""Rhythm of a sound: onset times of its notes, and correlation of energy envelopes."""

import torch
from torch import Tensor

from intertone.metrics.pair import same_shape
from intertone.metrics.spectral import LOG_MEL_16K, log_mel
from intertone.stft import SpectrogramConfig, stft

ONSET_MEL = LOG_MEL_16K.model_copy(
    update={"stft": SpectrogramConfig(sample_rate=16000, n_fft=2048, hop_length=160), "floor_db": 50.0}
)
"""Log-mel spectrogram for onset detection, with a hop of 10 ms; its long window resolves legato changes of pitch."""

LAG_FRAMES = 3
"""Number of frames (30 ms) over which the increase of the level is measured."""

LEAST_RISE_DB = 0.5
"""Least excess, in dB, of the mean increase of the bands at an onset over the mean increase around it. On 48 melodies
of twelve instruments of the training split, precision and recall are 0.86 and 0.87; with 0.8 dB they are 0.95 and 0.76,
with 0.3 dB 0.75 and 0.92."""

NEAR_FRAMES = 5
"""Number of frames (50 ms) on either side within which an onset has the largest increase."""

AROUND_FRAMES = 15
"""Number of frames (150 ms) on either side over which the mean increase around an onset is taken."""

TOLERANCE_SECONDS = 0.05
"""Largest time between two onsets that match, as in MIREX."""


def onset_times(audio: Tensor) -> list[float]:
    """Return the onset times of the notes of a sound.

    The detection function is the mean increase of the bands of ``log_mel`` (window 2048, hop 160, floor −50 dB) within
    30 ms. An onset is a local maximum of it at least 0.5 dB above the mean around it.

    Args:
        audio: 16 kHz mono, ``(samples,)``; its level does not matter.

    Returns:
        Times in seconds, increasing; empty for silence.

    Raises:
        ValueError: If ``audio`` is not one-dimensional.

    Source:
        Böck and Widmer (2013), "Maximum filter vibrato suppression for onset detection", for the difference over
        several frames and the selection of peaks; without the maximum filter.

    Example:
        >>> clicks = torch.zeros(16000)
        >>> clicks[[4000, 12000]] = 1
        >>> [round(time, 1) for time in onset_times(clicks)]
        [0.2, 0.7]
    """
    if audio.ndim != 1:
        raise ValueError(f"audio must be (samples,), got {tuple(audio.shape)}")
    hop = ONSET_MEL.stft.hop_length
    before = torch.nn.functional.pad(audio.float(), (LAG_FRAMES * hop, 0))  # silence before it gives time 0 an onset
    bands = log_mel(before, ONSET_MEL)
    rise = (bands[:, LAG_FRAMES:] - bands[:, :-LAG_FRAMES]).clamp_min(0).mean(0)[None]
    nearest = torch.nn.functional.max_pool1d(rise, 2 * NEAR_FRAMES + 1, 1, NEAR_FRAMES)
    around = torch.nn.functional.avg_pool1d(rise, 2 * AROUND_FRAMES + 1, 1, AROUND_FRAMES, count_include_pad=False)
    found = (rise == nearest) & (rise >= around + LEAST_RISE_DB)
    frames = found[0].nonzero()[:, 0].tolist()
    return [frame * hop / ONSET_MEL.stft.sample_rate for frame in frames]


def onset_f1(estimate: Tensor, reference: Tensor, *, tolerance_seconds: float = TOLERANCE_SECONDS) -> float:
    """Return the F-measure of the onsets of two sounds.

    The onsets are found by ``onset_times``; each onset matches at most one of the other sound.

    Args:
        estimate: 16 kHz mono, ``(samples,)``; its level does not matter.
        reference: The same.
        tolerance_seconds: Largest time between two onsets that match.

    Returns:
        0…1: twice the number of matches, divided by the number of onsets of both sounds; 1 if neither has an onset.

    Raises:
        ValueError: If a sound is not one-dimensional.

    Source:
        Raffel et al. (2014), "mir_eval", the onset F-measure with its window of 50 ms.

    Example:
        >>> noise = torch.randn(16000)
        >>> onset_f1(-0.5 * noise, noise)
        1.0
    """
    first, second = onset_times(estimate), onset_times(reference)
    if not first and not second:
        return 1.0
    matched, place = 0, 0
    for time in first:  # both lists are sorted, so the earliest onset within the tolerance is the best match
        while place < len(second) and second[place] < time - tolerance_seconds:
            place += 1
        if place < len(second) and second[place] <= time + tolerance_seconds:
            matched, place = matched + 1, place + 1
    return 2 * matched / (len(first) + len(second))


def envelope_correlation(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return Pearson's correlation of the frame energies of two sounds.

    The energy of a frame is the sum of the power STFT (window 1024, hop 256) over the bins.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``; its level does not matter.
        reference: The same shape.

    Returns:
        −1…1, ``(...,)``; 1 for sounds that differ in gain or polarity only, 0 if an envelope is constant.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> sound = torch.randn(16000) * torch.linspace(0, 1, 16000)
        >>> round(float(envelope_correlation(-0.5 * sound, sound)), 5)
        1.0
    """
    energies = (
        stft(sound, LOG_MEL_16K.stft).abs().double().square().sum(-2) for sound in same_shape(estimate, reference)
    )
    first, second = (energy - energy.mean(-1, keepdim=True) for energy in energies)
    norms = first.norm(dim=-1) * second.norm(dim=-1)
    return torch.where(norms > 0, (first * second).sum(-1) / norms.clamp_min(1e-300), 0.0)
