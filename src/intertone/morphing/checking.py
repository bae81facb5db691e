"""Refusals of morphs that are impossible whatever the sounds are, before these are read."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from intertone.errors import InputError
from intertone.morphing.settings import NEAREST, MorphConfig
from intertone.morphing.weights import at_end, mix_weights
from intertone.phase import PhaseConfig
from intertone.pitch.note import note_hz
from intertone.ratio import Mix, MixCurve, is_ratio
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

ATTRIBUTES = ("harmonics", "noise", "envelope", "pitch")
"""Attributes that may have a ratio of their own."""


def check_morph(
    n_sounds: int, mixes: Sequence[Mix], *, config: MorphConfig, ratios: Mapping[str, Mix], phase: PhaseConfig
) -> None:
    """Refuse what ``morph_steps`` would refuse whatever the sounds are, before they are read.

    Args:
        n_sounds: How many sounds there are.
        mixes: As for ``morph_steps``.
        config: As for ``morph``.
        ratios: As for ``morph``.
        phase: As for ``morph``.

    Raises:
        InputError: If there are too few sounds, or a setting does not go with their number or with another.
    """
    if n_sounds < 2:
        raise InputError(f"a morph must have two sounds or more, got {n_sounds}")
    check_attributes(ratios)
    check_pitch(config, ratios, n_sounds)
    if config.even:
        check_even(n_sounds, mixes)
    for mix in ratios.values():
        mix_weights(mix, n_sounds, frames_per_second=1, n_frames=1)
    for mix in mixes:
        check_phase(phase, mix, mix_weights(mix, n_sounds, frames_per_second=1, n_frames=1))


def check_attributes(ratios: Mapping[str, Mix]) -> None:
    """Refuse a separate mix for something that has none.

    Raises:
        InputError: If a name is not in ``ATTRIBUTES``.
    """
    for name in ratios:
        if name not in ATTRIBUTES:
            raise InputError(f"a ratio of its own must be one of {', '.join(ATTRIBUTES)}, got {name}")


def check_pitch(config: MorphConfig, ratios: Mapping[str, Mix], n_sounds: int) -> None:
    """Refuse pitch or length of a sound that is not there, and a ratio for a pitch that follows something else.

    Raises:
        InputError: If a letter names no sound, or ``ratios`` has a pitch and ``config.pitch`` is not ``free``.
    """
    last = chr(ord("a") + n_sounds - 1)
    if len(config.pitch) == 1 and config.pitch > last:
        raise InputError(f"the pitch must be that of a sound, a to {last}, got {config.pitch}")
    if len(config.length) == 1 and config.length > last:
        raise InputError(f"the length must be that of a sound, a to {last}, got {config.length}")
    if "pitch" in ratios and config.pitch != "free":
        raise InputError(f"a ratio for the pitch goes with pitch free, got pitch {config.pitch}")


def check_phase(phase: PhaseConfig | None, mix: Mix, weights: Tensor) -> None:
    """Refuse to keep the phase of what is not one of the sounds.

    Raises:
        InputError: If it shall be kept.
    """
    if phase is not None and phase.method == "kept" and (isinstance(mix, MixCurve) or not at_end(weights)):
        raise InputError(f"the kept phase belongs to the ends, mix 0 or 1, got mix {mix}")


def check_even(n_sounds: int, mixes: Sequence[Mix]) -> None:
    """Refuse even steps other than from 0 to 1 between two sounds.

    Raises:
        InputError: If they are.
    """
    for mix in mixes:
        values = mix.ratios if isinstance(mix, MixCurve) else (mix,)
        if n_sounds != 2 or not all(is_ratio(value) and 0 <= value <= 1 for value in values):
            raise InputError(f"even steps go from 0 to 1 between two sounds, got {n_sounds} sounds, mix {mix}")


def pitched_for(config: MorphConfig, ratios: Mapping[str, Mix]) -> str | None:
    """Return what of the settings takes sounds of one pitch, in words, or None."""
    if config.pitch not in ("glide", "free"):
        return f"the pitch {config.pitch}"
    if config.hold_seconds is not None:
        return "a sustain that is held"
    own = [name for name in ATTRIBUTES if name in ratios and name != "envelope"]
    return f"a ratio of its own for {', '.join(own)}" if own else None


def single_note_for(config: MorphConfig) -> str | None:
    """Return what of the settings takes sounds of one note, in words, or None."""
    if config.pitch == NEAREST or note_hz(config.pitch) is not None:
        return f"the pitch {config.pitch}"
    return None if config.hold_seconds is None else "a sustain that is held"


def warn_of_ignored(config: MorphConfig) -> None:
    """Warn of settings that were given and say nothing where sounds are mixed as spectrograms.

    Args:
        config: As given; what was left at its default is not named.
    """
    given = config.model_fields_set & {"strength", "register_strength"}
    if config.network == "residual":
        given.add("network")
    if config.alignment == "envelope":
        given |= config.model_fields_set & {"alignment"}
    if given:
        named = ", ".join(f"{name} {value}" for name, value in sorted(config.model_dump(include=given).items()))
        logger.warning("without the network, and onset on onset at most: %s is ignored", named)
