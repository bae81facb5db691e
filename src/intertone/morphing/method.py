"""Which morph method there is for a codec and its sounds."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from intertone.codec import Codec
from intertone.harmonic.pitched import LEAST_MEASURE, recognise
from intertone.harmonic.rows import HarmonicConfig
from intertone.harmonic.sound import HarmonicContext
from intertone.morphing.by_cells import ByCells, CrossContext
from intertone.morphing.by_code import ByCode
from intertone.morphing.by_partials import ByPartials
from intertone.morphing.contract import MorphMethod
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


def find_unpitched(codec: Codec, analysis: Analysis[Any]) -> str | None:
    """Say why a sound has no one pitch.

    Args:
        codec: The codec.
        analysis: Of the sound, from ``codec.analyse``.

    Returns:
        ``"no one pitch (a measure of 0.31, below 0.84)"`` or ``"no one pitch (several pitches)"``, or None where it has
        one, or the codec needs none. What is measured says ``intertone.harmonic.pitched.recognise``.
    """
    match codec.config.representation, analysis.context:
        case HarmonicConfig() as config, HarmonicContext() as context:
            worst = min(recognise(analysis.features, context, config), key=lambda one: (one.pitched, one.measure))
        case _:
            return None
    if worst.pitched:
        return None
    if worst.measure < LEAST_MEASURE:  # noise, a chord or metal: which of them the measure hardly tells
        return f"no one pitch (a measure of {worst.measure:.2f}, below {LEAST_MEASURE:g})"
    return f"no one pitch ({worst.reason})"


def warn_of_noise(codec: Codec, sound: Tensor, name: str) -> None:
    """Warn that a codec that needs a pitch shows little of a sound that has none.

    Args:
        codec: The codec.
        sound: As ``codec.analyse`` takes it.
        name: What the sound is called.
    """
    if not choose_method(codec).takes.pitch:
        return
    unpitched = find_unpitched(codec, codec.analyse(sound))
    if unpitched is not None:
        logger.warning("%s has %s: the network sees little but bands of noise", name, unpitched)
