"""What lies between sounds that were analysed: brought to one time, mixed, made sound, as loud as lies between."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.morphing.by_partials import decode_mixture, decode_sounds
from intertone.morphing.checking import ATTRIBUTES, at_end, check_attributes, check_phase, check_pitch
from intertone.morphing.levels import bring_to_level
from intertone.morphing.settings import MorphConfig
from intertone.morphing.sources import Sources, require_pitch
from intertone.morphing.weights import Mix, MixCurve, find_span, mix_weights
from intertone.parallel import side_by_side
from intertone.phase import PhaseConfig
from intertone.pitch.note import note_hz

Item = TypeVar("Item")
Result = TypeVar("Result")


@torch.inference_mode()
def morph_sources(
    sources: Sources,
    mix: Mix,
    *,
    config: MorphConfig | None = None,
    ratios: Mapping[str, Mix] | None = None,
    phase: PhaseConfig | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the morph of sounds that are analysed; see ``morph``.

    Args:
        sources: From ``analyse_sounds``.
        mix: As for ``morph``; of one sound, one weight: ``(1.0,)``.
        config: As for ``morph``.
        ratios: As for ``morph``.
        phase: As for ``morph``.
        generator: As for ``morph``.

    Returns:
        Audio, ``(*sources.leading, samples)``.

    Raises:
        InputError: As ``morph``, or if a spectrogram shall be held.
    """
    config, ratios = config or MorphConfig(), ratios or {}
    check_needs(sources, config, ratios)
    check_attributes(ratios)
    check_pitch(config, ratios, len(sources.images))
    representation = sources.representation
    if config.hold_seconds is not None and not representation.bends_time:
        raise InputError("a sound that is held must be shown by a codec that hears pitch, not by one of spectrograms")
    weights, own, first_seconds = _weights(sources, mix, ratios, config)
    check_phase(phase, mix, weights)
    pitch = _pitch_weights(config, len(weights), own.get("pitch", weights) if config.pitch == "free" else weights)

    sound = _render(sources, weights, own, pitch, config, phase, generator)
    itself = at_end(weights) and note_hz(config.pitch) is None and config.hold_seconds is None
    itself = itself and all(torch.equal(each, weights) for each in (pitch, *own.values()))
    if representation.bends_time and not itself and not sources.unpitched:

        def render(column: int) -> Tensor:
            held = {name: _at(each, column) for name, each in own.items()}
            return _render(sources, _at(weights, column), held, _at(pitch, column), config, phase, None)

        timing, changing = own.get("envelope", weights), [each for each in (weights, *own.values()) if each.ndim == 2]
        sound = bring_to_level(sound, sources, timing, changing, render, first_seconds=first_seconds)
    sound = sound.reshape(*sources.leading, -1)
    if at_end(weights) and torch.equal(own.get("envelope", weights), weights) and config.hold_seconds is None:
        return sound[..., : sources.sounds[int(weights.argmax())].shape[-1]]  # without another's length of silence
    return sound


def _render(
    sources: Sources,
    weights: Tensor,
    own: Mapping[str, Tensor],
    pitch: Tensor,
    config: MorphConfig,
    phase: PhaseConfig | None,
    generator: torch.Generator | None,
) -> Tensor:
    """Return what the mixed images give, ``(batch, channels, samples)``, at the level that they give it."""
    representation, codec = sources.representation, sources.codec
    aligned = representation.align(
        sources.images, weights, ratios=own, alignment=config.alignment, hold_seconds=config.hold_seconds
    )
    features, contexts = [image for image, _ in aligned], [context for _, context in aligned]
    median_hz = note_hz(config.pitch)
    context = representation.mix_contexts(contexts, weights, pitch=pitch, median_hz=median_hz)
    network = "none" if sources.unpitched else config.network or ("carried" if representation.bends_time else "alone")
    decoded, pairs = None, None
    if network == "alone":
        mixed = decode_mixture(codec, features, contexts, context, weights)
        pairs = [(mixed, mixed)] * len(features)
    if network == "carried":
        decoded = decode_sounds(codec, features, contexts, context, weights)
        pairs = decoded.pairs
    moved = representation.move(aligned, context, pairs, share=config.register_strength)
    if any(new is not old for (_, new), old in zip(moved, contexts, strict=True)):
        context = representation.mix_contexts([one for _, one in moved], weights, pitch=pitch, median_hz=median_hz)
    if network != "alone":
        mixed = representation.mix_features([image for image, _ in moved], weights, own)
    if decoded is not None:
        mixed = mixed + config.strength * decoded.between
    if phase is not None and phase.method == "kept":  # at an end, where what bends time is the sound itself anyhow
        context, phase = (context, None) if representation.bends_time else (contexts[int(weights.argmax())], phase)
    return representation.synthesise(mixed, context, phase=phase, generator=generator).cpu()


def check_needs(sources: Sources, config: MorphConfig, ratios: Mapping[str, Mix]) -> None:
    """Refuse what takes sounds of one pitch, where one has none.

    Raises:
        InputError: If a pitch is chosen, the sound is held, or partials, noise or pitch have a ratio of their own.
    """
    purpose = pitched_for(config, ratios)
    if purpose is not None:
        require_pitch(sources, purpose)


def pitched_for(config: MorphConfig, ratios: Mapping[str, Mix]) -> str | None:
    """Return what of the settings takes sounds of one pitch, in words, or None."""
    if config.pitch not in ("glide", "free"):
        return f"the pitch {config.pitch}"
    if config.hold_seconds is not None:
        return "a sustain that is held"
    own = [name for name in ATTRIBUTES if name in ratios and name != "envelope"]
    return f"a ratio of its own for {', '.join(own)}" if own else None


def each_morph(sources: Sources, make: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield what ``make`` makes of each item, several at a time where that is faster.

    A network that makes all that is heard keeps all processors busy by itself.
    """
    return side_by_side(make, items) if sources.representation.bends_time else map(make, items)


def _weights(
    sources: Sources, mix: Mix, ratios: Mapping[str, Mix], config: MorphConfig
) -> tuple[Tensor, dict[str, Tensor], float]:
    """Return how much each sound counts, and that of single attributes; of curves at each column of the result.

    The last is where the first column lies, seconds.
    """
    rate, n_sounds = sources.frames_per_second, len(sources.images)

    def span(weights: Tensor) -> tuple[float, float]:
        hold = config.hold_seconds
        return sources.representation.span(sources.images, weights, alignment=config.alignment, hold_seconds=hold)

    timing = ratios.get("envelope", mix)
    if isinstance(timing, MixCurve):
        mix_weights(timing, n_sounds, frames_per_second=rate, n_frames=1)
        first, end = find_span(timing, span, frames_per_second=rate)
    else:
        first, end = span(mix_weights(timing, n_sounds, frames_per_second=rate, n_frames=1))
    n_frames = 1 + math.ceil(max(0.0, end - first) * rate)
    weighed = partial(mix_weights, n_sounds=n_sounds, frames_per_second=rate, n_frames=n_frames, first_seconds=first)
    return weighed(mix), {name: weighed(value) for name, value in ratios.items()}, first


def _at(weights: Tensor, column: int) -> Tensor:
    return weights if weights.ndim == 1 else weights[:, column]


def _pitch_weights(config: MorphConfig, n_sounds: int, weights: Tensor) -> Tensor:
    if len(config.pitch) > 1 or not config.pitch.isalpha():
        return weights
    return torch.eye(n_sounds, dtype=torch.float64)[ord(config.pitch) - ord("a")]
