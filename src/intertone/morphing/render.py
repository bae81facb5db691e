"""Render a morph: align, interpolate, synthesise, match loudness."""

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

SPECTRA = "one of spectrograms"

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
    """Return the morph of sounds that are analysed; see ``morph``.

    Args:
        sources: From ``analyse_sounds``.
        mix: As for ``morph``; of one sound, one weight: ``(1.0,)``.
        config: As for ``morph``.
        ratios: As for ``morph``.
        common: Weights by which time, pitch and phases of partials are mixed. Morphs of other ``mix`` and the same
            ``common`` have one length, onset and phase, so that one can be faded into the other.
        phase: As for ``morph``.
        residual: Whether what the features do not show of the sounds is used.
        generator: As for ``morph``.

    Returns:
        Audio, ``(*sources.leading, samples)``.

    Raises:
        InputError: As ``morph``, or if a spectrogram shall be held or share its phases.
    """
    config, ratios = config or MorphConfig(), ratios or {}
    check_needs(sources, config, ratios)
    check_attributes(ratios)
    check_pitch(config, ratios, len(sources.analyses))
    if config.pitch == NEAREST:
        nearest = morph_pitch(sources, mix, config=config, ratios=ratios)
        if nearest is None:
            raise InputError(f"the pitch {NEAREST} must go with one mix for the whole sound, got a curve")
        config = config.model_copy(update={"pitch": str(nearest.key)})
    takes = sources.method.takes
    for name in ratios:
        if name not in takes.attributes:
            raise InputError(
                f"a ratio of its own for {name} must go with a codec that follows pitch, not with {SPECTRA}"
            )
    if config.pitch not in ("glide", "free") and not takes.pitch:
        raise InputError(f"the pitch {config.pitch} must go with a codec that follows pitch, not with {SPECTRA}")
    if config.hold_seconds is not None and not takes.sustain:
        raise InputError(f"a sustain of its own length must go with a codec that follows pitch, not with {SPECTRA}")
    if config.length != "mean" and not takes.length:
        raise InputError(
            f"the length {config.length} must go with sounds without one pitch, got sounds whose length follows the "
            "mix of the envelope"
        )
    if common is not None and not takes.common:
        raise InputError("morphs that share time and phases must have a codec that follows pitch, and single notes")
    if config.velocity is not None and not (takes.velocity and "velocity" in sources.codec.model.decoder_needs):
        raise InputError(
            "a velocity must go with a codec whose network is conditioned on it, and sounds of one pitch, "
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
        # without another's length of silence
        return sound[..., : sources.sounds[int(weights.overall.argmax())].shape[-1]]
    return sound


def check_needs(sources: Sources, config: MorphConfig, ratios: Mapping[str, Mix]) -> None:
    """Refuse what takes sounds of one pitch, where one has none, and what takes single notes, where one is a phrase.

    Raises:
        InputError: If a pitch is chosen, the sound is held, or partials, noise or pitch have a ratio of their own; of
            phrases only a note as the pitch, and a sustain, are refused.
    """
    single = single_note_for(config)
    if single is not None:
        require_single_notes(sources, single)
    purpose = pitched_for(config, ratios)
    if purpose is not None:
        require_pitch(sources, purpose)


def each_morph(sources: Sources, make: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield what ``make`` makes of each item, several at a time where that is faster.

    A network that makes all that is heard keeps all processors busy by itself.
    """
    return side_by_side(make, items) if sources.method.takes.threads else map(make, items)


def _weights(sources: Sources, mix: Mix, ratios: Mapping[str, Mix], config: MorphConfig, common: Mix | None) -> Weights:
    """Return how much each sound counts; of curves at each column of the result."""
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
