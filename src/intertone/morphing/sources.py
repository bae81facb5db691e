"""Analysis of the source sounds of morphs, which serves all mixes."""

from collections.abc import Sequence
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
    """Analysed source sounds of morphs.

    Attributes:
        codec: The codec.
        method: Morph method.
        sounds: Source sounds, ``(batch, channels, samples)`` each, with equal batch size and number of channels.
        analyses: Analysis of each source sound, after ``method.prepare``.
        loudness: Maximum momentary loudness of each item of each batch, LUFS.
        leading: Sizes of the axes of the result before its samples.
        unpitched: Text on the sounds that have no single pitch although the codec needs one, for which the method is
            ``ByCells``; None: all have one, or none is needed.
        phrases: Text on the number of notes of each sound, if they are morphed note by note; else None.
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
    """Analyse one or more sounds for morphs.

    If the codec needs a pitch and one of the sounds has none, all are analysed as spectrograms. Phrases may be divided
    into their notes. Both are logged.

    Args:
        codec: The codec.
        sounds: The same as for ``morph``.
        recognise: Whether sounds without a single pitch are recognised; else all are assumed to have one.
        pitched_for: Use that needs a pitch, such as ``"a keyboard"``: a sound without one is refused. None: such a
            sound is analysed as a spectrogram.
        single_for: Use that needs single notes: with ``by_notes``, sounds of several notes are refused. None: they are
            divided into notes.
        by_notes: Whether sounds of several notes are recognised.

    Returns:
        The analysed sounds, for ``morph_sources``.

    Raises:
        InputError: If the sounds do not fit the codec or one another, one is not valid audio, one has no single pitch
            and ``pitched_for`` is given, or one has several notes and ``single_for`` is given.
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
        return Sources(codec, phrases.method, batches, phrases.analyses, loudness, leading, phrases=phrases.counts)
    analysed = list(side_by_side(partial(_analyse_sound, codec, method, recognise=recognise), batches))
    analyses, loudness, reasons = zip(*analysed, strict=True)
    found = [f"{chr(ord('A') + index)} has {reason}" for index, reason in enumerate(_explained_once(reasons)) if reason]
    unpitched = ", ".join(found) or None
    if unpitched is not None and pitched_for is not None:
        raise InputError(_refusal(pitched_for, unpitched))
    if unpitched is not None:
        method, analyses = method_without_pitch(codec, batches, unpitched)
    return Sources(codec, method, batches, analyses, loudness, leading, unpitched)


def require_pitch(sources: Sources, purpose: str) -> None:
    """Refuse sounds without a single pitch, for a use that needs one.

    Args:
        sources: Sounds from ``analyse_sounds``.
        purpose: Use that needs a pitch, such as ``"a keyboard"``.

    Raises:
        InputError: If a sound has no single pitch; the sentence names it and the reason.
    """
    if sources.unpitched is not None:
        raise InputError(_refusal(purpose, sources.unpitched))


def require_single_notes(sources: Sources, purpose: str) -> None:
    """Refuse sounds of several notes, for a use that needs single notes.

    Args:
        sources: Sounds from ``analyse_sounds``.
        purpose: Use that needs single notes, such as ``"a keyboard"``.

    Raises:
        InputError: If a sound has several notes; the sentence gives their number.
    """
    if sources.phrases is not None:
        raise InputError(phrase_refusal(purpose, sources.phrases))


def _refusal(purpose: str, unpitched: str) -> str:
    return f"every sound must have one pitch for {purpose}, but {unpitched}"


def _analyse_sound(
    codec: Codec, method: AnyMethod, sounds: Tensor, *, recognise: bool
) -> tuple[Analysis[Any], tuple[float, ...], str | None]:
    """Return the analysis of a batch of sounds, their loudness, LUFS, and why they have no single pitch, or None.

    Sounds without a single pitch are not prepared, since another method will morph them.
    """
    analysis = codec.analyse(sounds)
    unpitched = method.unpitched(analysis) if recognise else None
    if unpitched is None:
        analysis = method.prepare(analysis)
    return analysis, _loudness(codec, sounds), unpitched


def _explained_once(reasons: Sequence[str | None]) -> list[str]:
    """Return reasons, "" for None, of which only the first has an explanation that several share after a semicolon.

    Example:
        >>> _explained_once(["no one pitch (0.3; 1 is a tone)", None, "no one pitch (0.4; 1 is a tone)"])
        ['no one pitch (0.3; 1 is a tone)', '', 'no one pitch (0.4)']
    """
    found: list[str] = []
    explanations = set()
    for reason in reasons:
        figure, _, explanation = (reason or "").partition("; ")
        found.append(f"{figure})" if explanation in explanations else reason or "")
        explanations.update([explanation] if explanation else [])
    return found


def _loudness(codec: Codec, sounds: Tensor) -> tuple[float, ...]:
    return tuple(maximum_momentary_loudness(sound, codec.sample_rate) for sound in sounds)
