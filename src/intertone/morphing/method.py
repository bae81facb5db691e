"""Which morph method there is for a codec and its sounds."""

from collections.abc import Sequence
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
"""A method whose contexts are those of a codec that was read from disk."""


def choose_method(codec: Codec) -> AnyMethod:
    """Return how a codec morphs sounds that fit it: by partials where it is harmonic, else by code."""
    match codec.representation:
        case HarmonicRepresentation() as representation:
            return ByPartials(codec, representation)
        case _:
            return ByCode(codec)


class Phrases(NamedTuple):
    """Phrases that can be morphed note by note.

    Attributes:
        method: How.
        analyses: Of each phrase, ready to be morphed.
        held: How many notes each holds, in words: ``A holds 7 notes, B 6``.
    """

    method: ByNotes
    analyses: tuple[Analysis[PhraseContext], ...]
    held: str


def method_of_phrases(codec: Codec, sounds: Sequence[Tensor], *, single_for: str | None = None) -> Phrases | None:
    """Return how phrases are morphed, and their analyses, which is logged; None where every sound is one note.

    Phrases of which one has many notes without one pitch are morphed as whole sounds, with a warning.

    Args:
        codec: The codec; only harmonic ones hear notes, and only those that take sounds of any length.
        sounds: ``(batch, channels, samples)`` each; batches of more than one are not searched.
        single_for: What takes one note, such as ``"a keyboard"``: then phrases are refused instead.

    Raises:
        InputError: If a sound is a phrase where ``single_for`` is given; the sentence says how many notes it holds.
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
    found = _counted([1 + len(some) for some in starts])
    analyses = tuple(side_by_side(lambda pair: method.analyse(*pair), list(zip(sounds, starts, strict=True))))
    reasons = [f"{_letter(i)} has {reason}" for i, one in enumerate(analyses) if (reason := method.unpitched(one))]
    if reasons:
        logger.warning("%s, but %s, so they are morphed as whole sounds", found, ", ".join(reasons))
        return None
    if single_for is not None:
        raise InputError(phrase_refusal(single_for, found))
    faded = "; a note without a partner is faded" if len({len(some) for some in starts}) > 1 else ""
    logger.info("%s: morphed note by note%s", found, faded)
    return Phrases(method, analyses, found)


def phrase_refusal(purpose: str, found: str) -> str:
    """Return the sentence that refuses phrases: what takes one note, and how many each sound holds."""
    return f"every sound must be one note for {purpose}, got sounds of which {found}"


def method_without_pitch(
    codec: Codec, sounds: Sequence[Tensor], unpitched: str
) -> tuple[ByCells, tuple[Analysis[CrossContext], ...]]:
    """Return how sounds are morphed that do not each have one pitch, and their analyses; that is logged.

    Args:
        codec: The codec, whose network is not used.
        sounds: ``(batch, channels, samples)`` each.
        unpitched: Which of them have no one pitch, and why.
    """
    logger.warning("%s, so all sounds are mixed as spectrograms, without the network", unpitched)
    by_cells = ByCells(codec.sample_rate)
    return by_cells, tuple(by_cells.analyse(sound) for sound in sounds)


def warn_of_noise(codec: Codec, sound: Tensor, name: str) -> None:
    """Warn that a codec that needs a pitch shows little of a sound that has none.

    Args:
        codec: The codec.
        sound: As ``codec.analyse`` takes it.
        name: What the sound is called.
    """
    unpitched = choose_method(codec).unpitched(codec.analyse(sound))
    if unpitched is not None:
        logger.warning("%s has %s: the network sees little but bands of noise", name, unpitched)


def _letter(index: int) -> str:
    return chr(ord("A") + index)


def _counted(counts: Sequence[int]) -> str:
    """Return how many notes sounds hold, in words: ``A holds 7 notes, B 6``."""
    first = f"A holds {counts[0]} note{'s' * (counts[0] > 1)}"
    return ", ".join([first, *(f"{_letter(index)} {count}" for index, count in enumerate(counts) if index)])
