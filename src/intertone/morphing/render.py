"""Rendering of a morph from analysed sounds: interpolation, synthesis and loudness."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.morphing.checking import check_attributes, check_phase, check_pitch, pitched_for, single_note_for
from intertone.morphing.guard import limit_level
from intertone.morphing.levels import bring_to_level
from intertone.morphing.pitches import morph_pitch
from intertone.morphing.settings import NEAREST, MorphConfig
from intertone.morphing.sources import Sources, require_pitch, require_single_notes
from intertone.morphing.weights import Weights, at_end, find_span, mix_weights
from intertone.parallel import side_by_side
from intertone.phase import PhaseConfig
from intertone.pitch.note import note_hz
from intertone.ratio import Mix, MixCurve

NEEDS_PITCH = "must be used with a codec that analyses pitch, got a spectrogram codec"
"""End of the sentences that refuse a setting for a codec without pitch."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@torch.inference_mode()
def morph_sources(
    sources: Sources,
    mix: Mix,
    *,
    config: MorphConfig | None = None,
    ratios: Mapping[str, Mix] | None = None,
    common: Mix | None = None,
    phase: PhaseConfig | None = None,
    residual: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the morph of analysed sounds; see ``morph``.

    Args:
        sources: Sounds from ``analyse_sounds``.
        mix: The same as for ``morph``; for a single sound one weight, ``(1.0,)``.
        config: The same as for ``morph``.
        ratios: The same as for ``morph``.
        common: Mix of timing, pitch and phases of partials. Morphs with different ``mix`` and the same ``common`` have
            the same length, onset and phase, so that they can be crossfaded. None: ``mix`` is used for these too.
        phase: The same as for ``morph``.
        residual: Whether the residual of the sounds, which the features do not contain, is used.
        generator: The same as for ``morph``.

    Returns:
        Audio, ``(*sources.leading, samples)``.

    Raises:
        InputError: For the same reasons as ``morph``, or if the morph method does not support a setting.
    """
    config, ratios = config or MorphConfig(), ratios or {}
    check_needs(sources, config, ratios)
    check_attributes(ratios)
    check_pitch(config, ratios, len(sources.analyses))
    if config.pitch == NEAREST:
        nearest = morph_pitch(sources, mix, config=config, ratios=ratios)
        if nearest is None:
            raise InputError(f"the pitch {NEAREST} must be used with a constant mix, got a curve")
        config = config.model_copy(update={"pitch": str(nearest.key)})
    takes = sources.method.takes
    for name in ratios:
        if name not in takes.attributes:
            raise InputError(f"a separate ratio for {name} {NEEDS_PITCH}")
    if config.pitch not in ("glide", "free") and not takes.pitch:
        raise InputError(f"the pitch {config.pitch} {NEEDS_PITCH}")
    if config.hold_seconds is not None and not takes.sustain:
        raise InputError(f"a sustain of a given length {NEEDS_PITCH}")
    if config.length != "mean" and not takes.length:
        raise InputError(
            f"the length {config.length} must be used with sounds without one pitch, got sounds of one pitch: the "
            "length of their morph is interpolated"
        )
    if common is not None and not takes.common:
        raise InputError(f"morphs with a common timing must be by partials, got {type(sources.method).__name__}")
    if config.velocity is not None and not (takes.velocity and "velocity" in sources.codec.model.decoder_needs):
        raise InputError(
            "a velocity must be used with a codec that is conditioned on it, and with sounds of one pitch, "
            f"got {config.velocity:g}"
        )
    weights = _weights(sources, mix, ratios, config, common)
    check_phase(phase, mix, weights.overall)
    asked = config.hold_seconds is not None or note_hz(config.pitch) is not None or config.network == "full"
    asked |= config.length not in ("mean", "longest") or common is not None or config.velocity is not None
    if takes.exact and weights.only is not None and not asked and residual:
        return sources.sounds[weights.only].reshape(*sources.leading, -1).clone()

    def render(weights: Weights, generator: torch.Generator | None = None) -> Tensor:
        kept = takes.phase and phase is not None and phase.method == "kept"
        analysis = sources.method.between(sources.analyses, weights, config, kept=kept, generator=generator)
        found = phase if takes.phase else None
        return sources.method.synthesise(analysis, phase=found, residual=residual, generator=generator)

    sound = render(weights, generator)
    if takes.loudness:
        sound = bring_to_level(sound, sources, weights, lambda column: render(weights.at(column)))
    sound = limit_level(sound, sources.sounds, sources.codec.sample_rate)
    sound = sound.reshape(*sources.leading, -1)
    own_time = common is None and config.hold_seconds is None
    if own_time and at_end(weights.overall) and torch.equal(weights.timing, weights.overall):
        # a sound with weight 1 is cut to its own length, without the silence that pads it to that of a longer sound
        return sound[..., : sources.sounds[int(weights.overall.argmax())].shape[-1]]
    return sound


def check_needs(sources: Sources, config: MorphConfig, ratios: Mapping[str, Mix]) -> None:
    """Refuse settings that need sounds with one pitch or single notes, if a sound is not of this kind.

    Raises:
        InputError: If a sound has no single pitch and ``config`` sets a pitch or a sustain or ``ratios`` is not only
            for the envelope, or if a sound is a phrase and ``config`` sets a note as pitch or a sustain.
    """
    single = single_note_for(config)
    if single is not None:
        require_single_notes(sources, single)
    purpose = pitched_for(config, ratios)
    if purpose is not None:
        require_pitch(sources, purpose)


def each_morph(sources: Sources, make: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield ``make(item)`` for each item, computed in parallel threads if the method has ``takes.threads``.

    A morph whose features are all decoded by the network uses all processors by itself.
    """
    return side_by_side(make, items) if sources.method.takes.threads else map(make, items)


def _weights(sources: Sources, mix: Mix, ratios: Mapping[str, Mix], config: MorphConfig, common: Mix | None) -> Weights:
    """Return the weights of the sounds; for mix curves, one column for each frame of the result."""
    rate, n_sounds = sources.method.frames_per_second, len(sources.analyses)

    def span(weights: Tensor) -> tuple[float, float]:
        return sources.method.span(sources.analyses, weights, config)

    timing = ratios.get("envelope", mix) if common is None else common
    if isinstance(timing, MixCurve):
        mix_weights(timing, n_sounds, frames_per_second=rate, n_frames=1)
        first, end = find_span(timing, span, frames_per_second=rate)
    else:
        first, end = span(mix_weights(timing, n_sounds, frames_per_second=rate, n_frames=1))
    n_frames = 1 + math.ceil(max(0.0, end - first) * rate)
    weighed = partial(mix_weights, n_sounds=n_sounds, frames_per_second=rate, n_frames=n_frames, first_seconds=first)
    overall, own = weighed(mix), {name: weighed(value) for name, value in ratios.items()}
    pitch = own.get("pitch", overall) if config.pitch == "free" else overall
    if len(config.pitch) == 1 and config.pitch.isalpha():
        pitch = torch.eye(n_sounds, dtype=torch.float64)[ord(config.pitch) - ord("a")]
    if common is None:
        return Weights(overall, own, pitch, first)
    shared = mix_weights(common, n_sounds, frames_per_second=rate, n_frames=1)
    return Weights(overall, own, shared, first, shared)
