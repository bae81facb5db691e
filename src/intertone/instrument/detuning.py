"""Detuning of the held part of a note from its key."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.audio import resample
from intertone.container import MAX_SAMPLE_RATE
from intertone.pitch.heterodyne import HIGHEST
from intertone.pitch.note import CENTS, SEMITONES, hz_to_cents, pitch_to_hz
from intertone.pitch.yin import VOICED, track_pitch

REACH = 1.0
"""Semitones around the key within which the pitch is looked for."""

OVERSAMPLING, HOP_SECONDS = 4, 0.01
"""Factor of the sample rate, and time from frame to frame: at 36 samples a period the tracker is 1 cent off."""


def find_detuning(audio: Tensor, sample_rate: int, pitch: int) -> float | None:
    """Return the cents by which a note lies above a key: the mean over time, weighted by energy.

    A vibrato is averaged out. The median pitch, which brings a note to its key, counts the sharp attack of a short note
    and the silence after it as much as the part that is held.

    Args:
        audio: ``(channels, samples)``; the loudest channel counts.
        sample_rate: Hz.
        pitch: The key, a MIDI number.

    Returns:
        Cents, within ±100; None where the sound has no pitch within a semitone of the key.

    Example:
        >>> periods = 440 * 2 ** (0.2 / 12) * torch.arange(16000) / 16000
        >>> round(find_detuning(torch.sin(2 * torch.pi * periods)[None], 16000, 69), 1)
        20.0
    """
    rate = min(OVERSAMPLING * sample_rate, MAX_SAMPLE_RATE)
    mono, hop = resample(audio[audio.square().sum(-1).argmax()], sample_rate, rate), round(HOP_SECONDS * rate)
    low, high = (pitch_to_hz(pitch + semitones) for semitones in (-REACH, REACH))
    if (high := min(high, HIGHEST * rate)) <= low:
        return None
    f0, periodicity = track_pitch(mono, rate, f_min=low, f_max=high, hop_length=hop)
    frames = pad(mono.square(), (hop // 2, hop))[: len(f0) * hop].double()
    energy = pad(frames, (0, len(f0) * hop - len(frames))).reshape(len(f0), hop).sum(1)
    weight = torch.where((periodicity >= VOICED) & f0.isfinite(), energy, 0)
    if not float(weight.sum()):
        return None
    cents = float((hz_to_cents(f0.nan_to_num(1.0), pitch_to_hz(pitch)) * weight).sum() / weight.sum())
    return cents if abs(cents) <= REACH * CENTS / SEMITONES else None
