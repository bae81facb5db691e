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

Images = Sequence[tuple[Tensor, Any]]


def find_unpitched(codec: Codec, images: Images) -> str | None:
    """Say which sounds have no one pitch, and why.

    Args:
        codec: The codec.
        images: Features and context of each sound, from ``codec.analyse``.

    Returns:
        ``"B has no one pitch (noise, measure 0.31)"``, or None where all have one, or the codec needs none. What is
        measured says ``intertone.representation.recognition.recognise``.
    """
    config = codec.config.representation
    if not isinstance(config, HarmonicConfig):
        return None
    found = []
    for index, (features, context) in enumerate(images):
        worst = min(recognise(features, context, config), key=lambda one: (one.pitched, one.measure))
        if not worst.pitched:
            found.append(f"{chr(ord('A') + index)} has no one pitch ({worst.reason}, measure {worst.measure:.2f})")
    return ", ".join(found) or None


def show_unpitched(codec: Codec, sounds: Sequence[Tensor], unpitched: str) -> tuple[Representation, Images]:
    """Show sounds as spectrograms that need no pitch, and log it.

    Args:
        codec: The codec, whose network is not used.
        sounds: ``(batch, channels, samples)`` each.
        unpitched: From ``find_unpitched``.

    Returns:
        The representation, and features and context of each sound.
    """
    needed = "one pitch takes a measure of %.2f and a single comb"
    text = f"%s; {needed}: all sounds are mixed as spectrograms, without the network"
    logger.info(text, unpitched, LEAST_MEASURE)
    representation = FusedSpectrogram(codec.sample_rate)
    return representation, tuple(representation.analyse(sound) for sound in sounds)
