"""Which morph method there is for a codec and its sounds."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from intertone.codec import Codec
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
