"""Detuning of a note: the deviation of its mean pitch from a key."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.audio import resample
from intertone.container import MAX_SAMPLE_RATE
from intertone.pitch.heterodyne import HIGHEST
from intertone.pitch.note import CENTS, SEMITONES, hz_to_cents, pitch_to_hz
from intertone.pitch.yin import VOICED, track_pitch

REACH = 1.0
"""Largest deviation from the key that is searched, semitones."""
OVERSAMPLING, HOP_SECONDS = 4, 0.01
"""Oversampling factor, and hop between frames, s; with 36 samples per period the error of the tracker is 1 cent."""


def find_detuning(audio: Tensor, sample_rate: int, pitch: int) -> float | None:
    """Return the deviation of a note from a key, cents: the mean over time, weighted by energy.

    The mean is independent of vibrato. The median pitch, which is used to transpose a note to its key, gives the attack
    of a short note and the silence after it the same weight as the sustain.

    Args:
        audio: ``(channels, samples)``, of which the loudest channel is used.
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
