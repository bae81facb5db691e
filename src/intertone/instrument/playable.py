"""Analysis of a sound for a playable instrument, and the entries of the sound in the instrument's header."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from intertone.codec import Codec, as_audio
from intertone.errors import InputError
from intertone.harmonic.morph.landmark import Landmarks, complete_releases, find_landmarks
from intertone.harmonic.morph.modulation import SeparatedSound
from intertone.harmonic.morph.sustain import TURN_SECONDS, loop_part
from intertone.harmonic.rows import FeatureRows
from intertone.harmonic.sound import HarmonicContext
from intertone.instrument.register import register_changes
from intertone.level import power_to_db
from intertone.loudness import maximum_momentary_loudness
from intertone.morphing.by_partials import ByPartials
from intertone.morphing.method import choose_method
from intertone.morphing.notes import find_notes
from intertone.pitch.note import hz_to_pitch
from intertone.remark import RemarkLogger, collect_remarks
from intertone.representation import Analysis

logger = RemarkLogger(__name__)

MOST_CHANNELS = 2

MOST_SECONDS = 60.0
"""Longest sound of an instrument, s, since the whole sound is in memory and sent to the page."""
RESIDUAL_SECONDS = 0.09
"""Length of the stored residual, s: it is played only in the attack, with a fade that ends after 80 ms."""
WHOLE = 0.5
"""Fraction of the sustain: a longer loop is played to near the release before it is repeated."""


@dataclass(frozen=True)
class PlayableSound:
    """Sound that was analysed for an instrument.

    Attributes:
        name: Name of the sound on the page.
        audio: ``(channels, samples)``.
        loudness: Maximum momentary loudness, LUFS.
        analysis: Analysis from ``ByPartials.prepare``; None for a sound without a single pitch.
        register: Changes from ``register_changes``; empty for a sound without a single pitch.
        reason: Why the sound has no single pitch; None if it has one.
        notes: Remarks of the analysis, one sentence each.
    """

    name: str
    audio: Tensor
    loudness: float
    analysis: Analysis[HarmonicContext] | None
    register: Tensor
    reason: str | None
    notes: tuple[str, ...]


@torch.inference_mode()
def analyse_playable(codec: Codec, sound: Tensor, name: str) -> PlayableSound:
    """Analyse one sound for an instrument.

    Args:
        codec: A harmonic codec.
        sound: ``(samples,)`` or ``(channels, samples)``, one or two channels, at ``codec.sample_rate`` Hz.
        name: Name of the sound on the page.

    Raises:
        InputError: If the codec is not harmonic, or the sound is not valid audio, too long, or has more channels.
    """
    method, sound = harmonic_method(codec), torch.atleast_2d(as_audio(sound))
    if sound.ndim > 2 or len(sound) > MOST_CHANNELS:
        raise InputError(f"a sound of an instrument must have one or two channels, got shape {tuple(sound.shape)}")
    if sound.shape[-1] > MOST_SECONDS * codec.sample_rate:
        found = sound.shape[-1] / codec.sample_rate
        raise InputError(f"a sound of an instrument must last {MOST_SECONDS:g} s at most, got {found:.1f} s")
    with collect_remarks() as remarks:
        analysis = cast(Analysis[HarmonicContext], codec.analyse(sound))
        reason = method.unpitched(analysis)
        if reason is None and (starts := find_notes(sound, codec.sample_rate)):
            logger.warning("%s holds %d notes and is played as one; cut out a single note", name, 1 + len(starts))
        loudness = maximum_momentary_loudness(sound, codec.sample_rate)
        notes = [remark.text for remark in remarks]
    if reason is not None:
        notes.append(f"it has {reason}: its recording plays at its own pitch on every key")
        return PlayableSound(name, sound, loudness, None, torch.zeros(0), reason, tuple(notes))
    prepared = method.prepare(analysis)
    register = register_changes(codec, prepared, method.rows)
    return PlayableSound(name, sound, loudness, prepared, register, None, tuple(notes))


def harmonic_method(codec: Codec) -> ByPartials:
    """Return the morph method of a harmonic codec.

    Raises:
        InputError: If the codec is not harmonic.
    """
    method = choose_method(codec)
    if not method.takes.sustain:
        kind = codec.config.representation.kind
        raise InputError(f"an instrument must be made with a harmonic codec, got one of kind {kind}")
    return cast(ByPartials, method)


def track_of(analysis: Analysis[HarmonicContext]) -> SeparatedSound:
    """Return the one sound of an analysis from ``ByPartials.prepare``."""
    return cast(SeparatedSound, analysis.context.sounds[0])


def with_channels(analysis: Analysis[HarmonicContext], channels: int) -> Analysis[HarmonicContext]:
    """Return an analysis with ``channels`` channels; a mono sound is repeated in each channel."""
    sound = track_of(analysis)
    if len(sound.amplitude) == channels:
        return analysis
    per_channel = ("amplitude", "phase", "noise", "modulation", "regular")
    spread = {name: getattr(sound, name).expand(channels, -1, -1) for name in per_channel}
    residuals = tuple(
        replace(
            one,
            sound=one.sound.expand(channels, -1),
            before=one.before.expand(channels, -1),
            below=one.below.expand(channels, -1),
            powers=one.powers.expand(channels, -1, -1),
        )
        for one in sound.residuals
    )
    track = replace(sound, **spread, residuals=residuals)
    given = {name: value.expand(channels, *value.shape[1:]) for name, value in analysis.context.given.items()}
    context = replace(analysis.context, sounds=(track,), given=given)
    return Analysis(analysis.features.repeat(channels, 1, 1), context)


def sound_facts(sound: PlayableSound, sample_rate: int, channels: int) -> dict[str, Any]:
    """Return the header entries of any sound; the loudness of a mono sound is that of its copies in all channels."""
    loudness = sound.loudness + power_to_db(channels / len(sound.audio))
    return {
        "name": sound.name,
        "pitched": sound.analysis is not None,
        "reason": sound.reason,
        "notes": list(sound.notes),
        "channels": len(sound.audio),
        "samples": sound.audio.shape[-1],
        "seconds": sound.audio.shape[-1] / sample_rate,
        "loudness": loudness if math.isfinite(loudness) else None,
    }


def time_facts(sounds: Sequence[SeparatedSound], rows: FeatureRows) -> list[dict[str, Any]]:
    """Return the header entries of each sound with a pitch: pitch, partials, and landmarks in frames."""
    config = rows.config
    levels = [config.top_db * rows.level(rows.view(sound)).amax((0, 1)) for sound in sounds]
    ends = [(sound.samples - sound.onset) / config.hop_length for sound in sounds]
    own = [find_landmarks(level, end) for level, end in zip(levels, ends, strict=True)]
    every = zip(sounds, levels, own, complete_releases(own), strict=True)
    return [landmark_facts(sound, level, first, mark, config.frame_seconds) for sound, level, first, mark in every]


def landmark_facts(
    sound: SeparatedSound, level: Tensor, own: Landmarks, mark: Landmarks, frame_seconds: float
) -> dict[str, Any]:
    """Return what the header holds of a sound with a pitch.

    Args:
        sound: The sound.
        level: dB of all its rows together, frame by frame, ``(n_frames,)``.
        own: Landmarks of the sound, which decide whether it has a loop.
        mark: The same with a release where it is played beside others that have one.
        frame_seconds: From one frame to the next.
    """
    loop = loop_part(level, own, frame_seconds=frame_seconds) if own.released else None
    return {
        "f0": sound.median_hz,
        "pitch": hz_to_pitch(sound.median_hz),
        "reference": sound.reference,
        "inharmonicity": None if sound.is_bell else sound.inharmonicity,
        "bell": sound.is_bell,
        "measured": len(sound.multiples),
        "attack": mark.attack,
        "release": mark.release,
        "end": mark.end,
        "silence": min(mark.silence, mark.end),
        "released": mark.released,
        "loop": loop,
        "turn": None if loop is None else _first_repetition(loop, own, frame_seconds),
    }


def _first_repetition(loop: tuple[float, float], own: Landmarks, frame_seconds: float) -> float:
    """Return the frame at which the loop is repeated for the first time: near the release if the loop is long."""
    low, high = loop
    late = own.release - 0.5 * TURN_SECONDS / frame_seconds
    whole = high - low > WHOLE * (own.release - own.attack)
    return max(high, late) if whole else high


def attack_residual(sound: SeparatedSound, sample_rate: int) -> Tensor:
    """Return the residual of the attack, ``(channels, samples)``, as 16-bit integers with full scale at 32767."""
    (residual,) = sound.residuals
    some = residual.sound[:, : round(RESIDUAL_SECONDS * sample_rate)]
    return (32767 * some).round().clamp(-32768, 32767).to(torch.int16)
