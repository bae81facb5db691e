"""Choice of the morph method for a codec and its sounds."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from intertone.codec import Codec
from intertone.errors import InputError
from intertone.morphing.by_cells import ByCells, CrossContext
from intertone.morphing.by_code import ByCode
from intertone.morphing.by_notes import ByNotes, PhraseContext
from intertone.morphing.by_partials import ByPartials
from intertone.morphing.contract import MorphMethod
from intertone.morphing.notes import find_notes
from intertone.parallel import side_by_side
from intertone.remark import RemarkLogger
from intertone.representation import Analysis, HarmonicRepresentation

logger = RemarkLogger(__name__)

AnyMethod = MorphMethod[Any]
"""Morph method with any type of context; the type is not known for a codec that was read from disk."""


def choose_method(codec: Codec) -> AnyMethod:
    """Return the morph method of a codec: by partials for a harmonic one, otherwise by code."""
    match codec.representation:
        case HarmonicRepresentation() as representation:
            return ByPartials(codec, representation)
        case _:
            return ByCode(codec)


class Phrases(NamedTuple):
    """Phrases that can be morphed note by note.

    Attributes:
        method: Morph method.
        analyses: Analysis of each phrase, as ``method.between`` needs it.
        counts: Number of notes of each phrase as text: ``A holds 7 notes, B 6``.
    """

    method: ByNotes
    analyses: tuple[Analysis[PhraseContext], ...]
    counts: str


def method_of_phrases(codec: Codec, sounds: Sequence[Tensor], *, single_for: str | None = None) -> Phrases | None:
    """Return the morph method and the analyses of phrases, and log the choice; None where every sound is one note.

    The result is None, with a warning, also where more than half of the notes of a phrase have no single pitch.

    Args:
        codec: The codec; notes are searched only with a harmonic one that accepts sounds of any length.
        sounds: ``(batch, channels, samples)`` each; no notes are searched in batches of more than one.
        single_for: Use that needs single notes, such as ``"a keyboard"``, for which phrases are refused; None: phrases
            are allowed.

    Raises:
        InputError: If a sound is a phrase and ``single_for`` is given; the sentence gives the number of notes.
    """
    if codec.fixed_length is not None or any(len(sound) > 1 for sound in sounds):
        return None
    match codec.representation:
        case HarmonicRepresentation() as representation:
            method = ByNotes(ByPartials(codec, representation))
        case _:
            return None
    starts = list(side_by_side(lambda sound: find_notes(sound[0], codec.sample_rate), sounds))
    if not any(starts):
        return None
    found = _note_counts({i: 1 + len(some) for i, some in enumerate(starts)})
    analyses = tuple(side_by_side(lambda pair: method.analyse(*pair), list(zip(sounds, starts, strict=True))))
    # without the figure in brackets: the warning about whole sounds, which follows, has theirs
    reasons = [
        f"{_letter(i)} has {reason.split(' (')[0]}"
        for i, one in enumerate(analyses)
        if (reason := method.unpitched(one))
    ]
    if reasons:
        phrases = _note_counts({i: 1 + len(some) for i, some in enumerate(starts) if some})
        logger.warning("%s, but %s, so they are morphed as whole sounds", phrases, ", ".join(reasons))
        return None
    if single_for is not None:
        raise InputError(phrase_refusal(single_for, found))
    faded = "; a note without a partner is faded" if len({len(some) for some in starts}) > 1 else ""
    logger.info("%s: morphed note by note%s", found, faded)
    return Phrases(method, analyses, found)


def phrase_refusal(purpose: str, found: str) -> str:
    """Return the sentence that refuses phrases for a use that needs single notes; ``found`` gives the note counts."""
    return f"every sound must be one note for {purpose}, but {found}; cut out single notes"


def method_without_pitch(
    codec: Codec, sounds: Sequence[Tensor], unpitched: str
) -> tuple[ByCells, tuple[Analysis[CrossContext], ...]]:
    """Return the morph method and the analyses of sounds of which some have no single pitch, and log a warning.

    Args:
        codec: The codec, of which only the sample rate is used.
        sounds: ``(batch, channels, samples)`` each.
        unpitched: Text for the warning: which sounds have no single pitch, and why.
    """
    logger.warning("%s, so all sounds are mixed as spectrograms, without the network", unpitched)
    by_cells = ByCells(codec.sample_rate)
    return by_cells, tuple(by_cells.analyse(sound) for sound in sounds)


def warn_of_noise(codec: Codec, sound: Tensor, name: str) -> None:
    """Warn of a sound without a single pitch, if the codec needs one: its features contain little of the sound.

    Args:
        codec: The codec.
        sound: The same as for ``codec.analyse``.
        name: Name of the sound in the warning.
    """
    unpitched = choose_method(codec).unpitched(codec.analyse(sound))
    if unpitched is not None:
        logger.warning("%s has %s: its features are little more than noise bands", name, unpitched)


def _letter(index: int) -> str:
    return chr(ord("A") + index)


def _note_counts(counts: Mapping[int, int]) -> str:
    """Return the note counts of sounds, by their index, as text: ``A holds 7 notes, B 6``."""
    (first, count), *others = counts.items()
    head = f"{_letter(first)} holds {count} note{'s' * (count > 1)}"
    return ", ".join([head, *(f"{_letter(index)} {count}" for index, count in others)])
