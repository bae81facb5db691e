"""Checks of the settings of a morph that do not depend on the sounds, so that they can precede reading them."""

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
"""Attributes of sounds that may have a separate mix."""


def check_morph(
    n_sounds: int, mixes: Sequence[Mix], *, config: MorphConfig, ratios: Mapping[str, Mix], phase: PhaseConfig
) -> None:
    """Refuse settings that ``morph_steps`` would refuse for any sounds.

    Args:
        n_sounds: Number of sounds.
        mixes: The same as for ``morph_steps``.
        config: The same as for ``morph``.
        ratios: The same as for ``morph``.
        phase: The same as for ``morph``.

    Raises:
        InputError: If there are fewer than two sounds, or a setting contradicts their number or another setting.
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
    """Refuse a separate mix for an unknown attribute.

    Raises:
        InputError: If a name is not in ``ATTRIBUTES``.
    """
    for name in ratios:
        if name not in ATTRIBUTES:
            raise InputError(f"a separate ratio must be for one of {', '.join(ATTRIBUTES)}, got {name}")


def check_pitch(config: MorphConfig, ratios: Mapping[str, Mix], n_sounds: int) -> None:
    """Refuse a pitch or length of a sound that does not exist, and a separate mix of the pitch unless it is ``free``.

    Raises:
        InputError: If a letter names no sound, or ``ratios`` has a pitch and ``config.pitch`` is not ``free``.
    """
    last = chr(ord("a") + n_sounds - 1)
    if len(config.pitch) == 1 and config.pitch > last:
        raise InputError(
            f"the pitch must be that of a sound, a to {last}, or a note with its octave, such as C4, got {config.pitch}"
        )
    if len(config.length) == 1 and config.length > last:
        raise InputError(f"the length must be that of a sound, a to {last}, got {config.length}")
    if "pitch" in ratios and config.pitch != "free":
        raise InputError(f"a separate ratio for the pitch must be used with pitch free, got pitch {config.pitch}")


def check_phase(phase: PhaseConfig | None, mix: Mix, weights: Tensor) -> None:
    """Refuse the phase method ``kept`` unless one sound has weight 1, since no other mixture has a phase to keep.

    Raises:
        InputError: If the method is ``kept`` and no weight is 1, or the mix is a curve.
    """
    if phase is not None and phase.method == "kept" and (isinstance(mix, MixCurve) or not at_end(weights)):
        raise InputError(f"the phase method kept must be used at mix 0 or 1, got mix {mix}")


def check_even(n_sounds: int, mixes: Sequence[Mix]) -> None:
    """Refuse perceptually uniform steps unless there are two sounds and all ratios are within 0…1.

    Raises:
        InputError: If there are not two sounds, or a ratio is outside 0…1.
    """
    for mix in mixes:
        values = mix.ratios if isinstance(mix, MixCurve) else (mix,)
        if n_sounds != 2 or not all(is_ratio(value) and 0 <= value <= 1 for value in values):
            raise InputError(f"even steps must go from 0 to 1 between two sounds, got {n_sounds} sounds, mix {mix}")


def pitched_for(config: MorphConfig, ratios: Mapping[str, Mix]) -> str | None:
    """Return the name of a setting that requires sounds with one pitch, for an error sentence; None: there is none."""
    if config.pitch not in ("glide", "free"):
        return f"the pitch {config.pitch}"
    if config.hold_seconds is not None:
        return "a sustain of a given length"
    own = [name for name in ATTRIBUTES if name in ratios and name != "envelope"]
    return f"a separate ratio for {', '.join(own)}" if own else None


def single_note_for(config: MorphConfig) -> str | None:
    """Return the name of a setting that requires single notes, for an error sentence; None if there is none."""
    if config.pitch == NEAREST or note_hz(config.pitch) is not None:
        return f"the pitch {config.pitch}"
    return None if config.hold_seconds is None else "a sustain of a given length"


def warn_of_ignored(config: MorphConfig) -> None:
    """Warn of settings that have no effect where sounds are mixed as spectrograms.

    Args:
        config: Settings of the morph; only settings that were given explicitly are named.
    """
    given = config.model_fields_set & {"strength", "register_strength"}
    if config.network == "residual":
        given.add("network")
    if config.alignment == "envelope":
        given |= config.model_fields_set & {"alignment"}
    if given:
        named = ", ".join(f"{name} {value}" for name, value in sorted(config.model_dump(include=given).items()))
        logger.warning(
            "spectrograms are mixed without the network and aligned by their onsets at most: %s is ignored", named
        )
