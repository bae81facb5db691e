"""What is done with sounds that have no one pitch, where the codec needs one."""

import logging
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from intertone.codec import Codec
from intertone.representation import HarmonicConfig, Representation
from intertone.representation.fused import FusedSpectrogram
from intertone.representation.recognition import LEAST_MEASURE, recognise

logger = logging.getLogger(__name__)

Images = tuple[tuple[Tensor, Any], ...]


def find_unpitched(codec: Codec, features: Tensor, context: Any) -> str | None:
    """Say why a sound has no one pitch.

    Args:
        codec: The codec.
        features: Of the sound, from ``codec.analyse``.
        context: From the same.

    Returns:
        ``"no one pitch (noise, measure 0.31)"``, or None where it has one, or the codec needs none. What is measured
        says ``intertone.representation.recognition.recognise``.
    """
    config = codec.config.representation
    if not isinstance(config, HarmonicConfig):
        return None
    worst = min(recognise(features, context, config), key=lambda one: (one.pitched, one.measure))
    return None if worst.pitched else f"no one pitch ({worst.reason}, measure {worst.measure:.2f})"


def show_unpitched(codec: Codec, sounds: Sequence[Tensor], unpitched: str) -> tuple[Representation, Images]:
    """Show sounds as spectrograms that need no pitch, and log it.

    Args:
        codec: The codec, whose network is not used.
        sounds: ``(batch, channels, samples)`` each.
        unpitched: Which of them have no one pitch, and why.

    Returns:
        The representation, and features and context of each sound.
    """
    needed = "one pitch takes a measure of %.2f and a single comb"
    text = f"%s; {needed}: all sounds are mixed as spectrograms, without the network"
    logger.info(text, unpitched, LEAST_MEASURE)
    representation = FusedSpectrogram(codec.sample_rate)
    return representation, tuple(representation.analyse(sound) for sound in sounds)
