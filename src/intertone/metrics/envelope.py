"""Envelope of a sound, and the duration of its attack."""

import math

import torch
from torch import Tensor

from intertone.metrics.pair import same_shape

WINDOW_SECONDS = 0.01
STEP_SECONDS = 0.001
ATTACK_SHARES = (0.2, 0.9)
"""Shares of the envelope's maximum at which the attack begins and ends."""


def rms_envelope(
    audio: Tensor, sample_rate: int, *, window_seconds: float = WINDOW_SECONDS, step_seconds: float = STEP_SECONDS
) -> Tensor:
    """Return the RMS amplitude over the preceding ``window_seconds`` at every step.

    Value ``n`` covers the window that ends at step ``n``, with zeros before the sound. A note at the beginning of the
    sound therefore has the same envelope as a later one.

    Args:
        audio: ``(..., samples)``, at least one sample.
        sample_rate: Hz.
        window_seconds: Length of the window; rounded to whole samples, at least one.
        step_seconds: Time between values; rounded to whole samples, at least one.

    Returns:
        Linear RMS amplitude, ``(..., 1 + ceil(samples / step))``, >= 0, float64; the first value is 0.

    Raises:
        ValueError: If ``audio`` is empty.

    Example:
        >>> rms_envelope(torch.ones(40), 1000, window_seconds=0.01, step_seconds=0.005)[:4]
        tensor([0.0000, 0.7071, 1.0000, 1.0000], dtype=torch.float64)
    """
    samples = audio.shape[-1]
    if samples < 1:
        raise ValueError("audio must hold at least one sample, got none")
    window, step = (max(1, round(seconds * sample_rate)) for seconds in (window_seconds, step_seconds))
    sums = torch.nn.functional.pad(audio.double().square().cumsum(-1), (1, 0))
    ends = (step * torch.arange(1 + math.ceil(samples / step), device=audio.device)).clamp_max(samples)
    return ((sums[..., ends] - sums[..., (ends - window).clamp_min(0)]).clamp_min(0) / window).sqrt()


def attack_time(audio: Tensor, sample_rate: int) -> Tensor:
    """Return the attack time: the time in which the envelope rises from 20 % to 90 % of its maximum.

    It is measured between the first crossings of these levels by the RMS envelope of 10 ms, in steps of 1 ms with
    linear interpolation. The window alone gives 7.7 ms for an abrupt tone; below 100 Hz the envelope follows single
    periods.

    Args:
        audio: ``(..., samples)``; level, polarity and delay do not matter.
        sample_rate: Hz.

    Returns:
        Seconds, ``(...,)``, at least 0.001; 0.001 for silence.

    Raises:
        ValueError: If ``audio`` is empty.

    Source:
        Peeters (2004), "A large set of audio features for sound description", log-attack time by fixed thresholds.

    Example:
        >>> ramp = torch.cat([torch.linspace(0, 1, 8000), torch.ones(8000)])
        >>> round(float(attack_time(ramp * torch.sin(torch.arange(16000.0)), 16000)), 2)
        0.35
    """
    envelope = rms_envelope(audio, sample_rate)
    peak = envelope.amax(-1, keepdim=True)
    begin, end = (_first_crossing(envelope, share * peak) for share in ATTACK_SHARES)
    step = max(1, round(STEP_SECONDS * sample_rate)) / sample_rate
    return ((end - begin) * step).clamp_min(STEP_SECONDS).to(audio.dtype)


def attack_time_error(estimate: Tensor, reference: Tensor, *, sample_rate: int = 16000) -> Tensor:
    """Return the absolute difference of two attack times on a logarithmic scale.

    ``|log10(attack_time(estimate) / attack_time(reference))|``.

    Args:
        estimate: ``(..., samples)``; level, polarity and delay do not matter.
        reference: The same shape.
        sample_rate: Hz.

    Returns:
        Decades, ``(...,)``: 0.3 is a factor of 2. Silence has an attack time of 1 ms.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> sound = torch.randn(1, 16000)
        >>> round(float(attack_time_error(-0.5 * sound, sound)), 3)
        0.0
    """
    first, second = (attack_time(sound, sample_rate) for sound in same_shape(estimate, reference))
    return torch.log10(first / second).abs()


def _first_crossing(envelope: Tensor, level: Tensor) -> Tensor:
    """Return the time in steps, with linear interpolation, at which the envelope first reaches the level."""
    after = (envelope >= level).to(torch.int8).argmax(-1, keepdim=True)
    before = (after - 1).clamp_min(0)
    low, high = envelope.gather(-1, before), envelope.gather(-1, after)
    share = (level - low) / (high - low).clamp_min(1e-30)
    return (before + share.clamp(0, 1) * (after - before)).squeeze(-1)
