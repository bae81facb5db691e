"""What is done with sounds that have no one pitch, where the codec needs one."""

import logging
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from intertone.codec import Codec
from intertone.harmonic.pitched import LEAST_MEASURE, recognise
from intertone.morphing.by_cells import CrossSynthesis
from intertone.morphing.settings import MorphConfig
from intertone.representation import HarmonicConfig, Representation

logger = logging.getLogger(__name__)

Images = tuple[tuple[Tensor, Any], ...]


def find_unpitched(codec: Codec, features: Tensor, context: Any) -> str | None:
    """Say why a sound has no one pitch.

    Args:
        codec: The codec.
        features: Of the sound, from ``codec.analyse``.
        context: From the same.

    Returns:
        ``"no one pitch (a measure of 0.31, below 0.84)"`` or ``"no one pitch (several pitches)"``, or None where it has
        one, or the codec needs none. What is measured says ``intertone.harmonic.pitched.recognise``.
    """
    config = codec.config.representation
    if not isinstance(config, HarmonicConfig):
        return None
    worst = min(recognise(features, context, config), key=lambda one: (one.pitched, one.measure))
    if worst.pitched:
        return None
    if worst.measure < LEAST_MEASURE:  # noise, a chord or metal: which of them the measure hardly tells
        return f"no one pitch (a measure of {worst.measure:.2f}, below {LEAST_MEASURE:g})"
    return f"no one pitch ({worst.reason})"


def show_unpitched(codec: Codec, sounds: Sequence[Tensor], unpitched: str) -> tuple[Representation, Images]:
    """Show sounds as spectrograms that need no pitch, and warn of it.

    Args:
        codec: The codec, whose network is not used.
        sounds: ``(batch, channels, samples)`` each.
        unpitched: Which of them have no one pitch, and why.

    Returns:
        The representation, and features and context of each sound.
    """
    logger.warning("%s, so all sounds are mixed as spectrograms, without the network", unpitched)
    representation = CrossSynthesis(codec.sample_rate)
    return representation, tuple(representation.analyse(sound) for sound in sounds)


def warn_of_noise(codec: Codec, sound: Tensor, name: str) -> None:
    """Warn that a codec that needs a pitch shows little of a sound that has none.

    Args:
        codec: The codec.
        sound: As ``codec.analyse`` takes it.
        name: What the sound is called.
    """
    if not isinstance(codec.config.representation, HarmonicConfig):
        return
    unpitched = find_unpitched(codec, *codec.analyse(sound))
    if unpitched is not None:
        logger.warning("%s has %s: the network sees little but bands of noise", name, unpitched)


def warn_of_ignored(config: MorphConfig) -> None:
    """Warn of settings that were given and say nothing where sounds are mixed as spectrograms.

    Args:
        config: As given; what was left at its default is not named.
    """
    given = config.model_fields_set & {"strength", "register_strength"}
    if config.network == "carried":
        given.add("network")
    if config.alignment == "envelope":
        given |= config.model_fields_set & {"alignment"}
    if given:
        named = ", ".join(f"{name} {getattr(config, name)}" for name in sorted(given))
        logger.warning("without the network, and onset on onset at most: %s is ignored", named)
