"""Sounds that were analysed, ready to be morphed at any ratios."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from intertone.codec import Codec, as_audio
from intertone.errors import InputError
from intertone.loudness import maximum_momentary_loudness
from intertone.morphing.matching import match_shapes
from intertone.morphing.method import (
    AnyMethod,
    choose_method,
    method_of_phrases,
    method_without_pitch,
    phrase_refusal,
)
from intertone.parallel import side_by_side
from intertone.representation import Analysis


@dataclass(frozen=True)
class Sources:
    """Sounds that were analysed, ready to be morphed at any ratios.

    Attributes:
        codec: The codec.
        method: How they are morphed.
        sounds: As many channels each, ``(batch, channels, samples)``.
        analyses: Of each, as the method prepares them.
        loudness: Maximum momentary loudness of each sound of each batch, LUFS.
        leading: Axes of the result before its samples.
        unpitched: Which sounds have no one pitch though the codec needs it, and why; they are shown as spectrograms.
        phrases: How many notes each sound holds, in words, where they are morphed note by note.
    """

    codec: Codec
    method: AnyMethod
    sounds: tuple[Tensor, ...]
    analyses: tuple[Analysis[Any], ...]
    loudness: tuple[tuple[float, ...], ...]
    leading: tuple[int, ...]
    unpitched: str | None = None
    phrases: str | None = None


def analyse_sounds(
    codec: Codec,
    *sounds: Tensor,
    recognise: bool = True,
    pitched_for: str | None = None,
    single_for: str | None = None,
    by_notes: bool = False,
) -> Sources:
    """Analyse sounds, one or more, for morphs at any ratios.

    Where a codec needs a pitch and one of the sounds has none, all are shown as spectrograms. Phrases may be cut into
    their notes. Both are logged.

    Args:
        codec: The codec.
        sounds: As for ``morph``.
        recognise: Whether that is found out; else every sound is taken for one with a pitch.
        pitched_for: What takes a pitch, such as ``"a keyboard"``: then a sound without one is refused instead.
        single_for: What takes one note: then sounds of several notes are refused where they are found out.
        by_notes: Whether sounds of several notes are found out and prepared to be morphed note by note.

    Returns:
        What ``morph_sources`` takes.

    Raises:
        InputError: If the sounds do not fit, one is no audio, or has no one pitch where ``pitched_for`` is given,
            or several notes where ``single_for`` is.
    """
    method = choose_method(codec)
    matched = match_shapes(
        *(as_audio(sound) for sound in sounds),
        shortest=codec.fixed_length or 0,
        lengths=not method.takes.own_lengths,
    )
    leading = tuple(matched[0].shape[:-1])
    batches = tuple(sound.reshape(*(1,) * (3 - sound.ndim), *sound.shape) for sound in matched)
    phrases = method_of_phrases(codec, batches, single_for=single_for) if by_notes else None
    if phrases is not None:
        loudness = tuple(_loudness(codec, batch) for batch in batches)
        return Sources(codec, phrases.method, batches, phrases.analyses, loudness, leading, phrases=phrases.held)
    analysed = list(side_by_side(partial(_analyse_sound, codec, method, recognise=recognise), batches))
    analyses, loudness, reasons = zip(*analysed, strict=True)
    found = [f"{chr(ord('A') + index)} has {reason}" for index, reason in enumerate(reasons) if reason]
    unpitched = ", ".join(found) or None
    if unpitched is not None and pitched_for is not None:
        raise InputError(_refusal(pitched_for, unpitched))
    if unpitched is not None:
        method, analyses = method_without_pitch(codec, batches, unpitched)
    return Sources(codec, method, batches, analyses, loudness, leading, unpitched)


def require_pitch(sources: Sources, purpose: str) -> None:
    """Refuse sounds without one pitch, where nothing sensible can be done with them.

    Args:
        sources: From ``analyse_sounds``.
        purpose: What takes a pitch, such as ``"a keyboard"``.

    Raises:
        InputError: If a harmonic codec found a sound without one pitch; the sentence says which, and why.
    """
    if sources.unpitched is not None:
        raise InputError(_refusal(purpose, sources.unpitched))


def require_single_notes(sources: Sources, purpose: str) -> None:
    """Refuse sounds of several notes, where nothing sensible can be done with them.

    Args:
        sources: From ``analyse_sounds``.
        purpose: What takes one note, such as ``"a keyboard"``.

    Raises:
        InputError: If a sound holds several notes; the sentence says how many.
    """
    if sources.phrases is not None:
        raise InputError(phrase_refusal(purpose, sources.phrases))


def _refusal(purpose: str, unpitched: str) -> str:
    return f"every sound must have one pitch for {purpose}, got sounds of which {unpitched}"


def _analyse_sound(
    codec: Codec, method: AnyMethod, sounds: Tensor, *, recognise: bool
) -> tuple[Analysis[Any], tuple[float, ...], str | None]:
    """Return the analysis of a batch of sounds, their loudness in LUFS, and why they have no one pitch.

    What has no one pitch is not prepared, since another method will morph it.
    """
    analysis = codec.analyse(sounds)
    unpitched = method.unpitched(analysis) if recognise else None
    if unpitched is None:
        analysis = method.prepare(analysis)
    return analysis, _loudness(codec, sounds), unpitched


def _loudness(codec: Codec, sounds: Tensor) -> tuple[float, ...]:
    return tuple(maximum_momentary_loudness(sound, codec.sample_rate) for sound in sounds)
