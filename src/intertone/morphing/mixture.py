"""What lies between sounds that were analysed: brought to one time, mixed, made sound, as loud as lies between."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.loudness import integrated_loudness
from intertone.morphing.checking import at_end, check_attributes, check_pitch
from intertone.morphing.network import decode_mixture, network_adds
from intertone.morphing.settings import MorphConfig, note_hz
from intertone.morphing.sources import Sources, require_pitch
from intertone.morphing.weights import Mix, MixCurve, mix_weights
from intertone.representation import PhaseConfig

MOST_GAIN_DB = 24.0
"""What a morph is made louder by at most."""


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
    check_needs(sources, config)
    check_attributes(ratios)
    check_pitch(config, ratios, len(sources.images))
    representation, codec = sources.representation, sources.codec
    weights = _weights(sources, mix)
    own = {name: _weights(sources, value) for name, value in ratios.items()}
    timing = own.get("envelope", weights)
    if config.hold_seconds is not None and not representation.bends_time:
        raise InputError("a sound that is held must be shown by a codec that hears pitch, not by one of spectrograms")
    aligned = representation.align(sources.images, timing, alignment=config.alignment, hold_seconds=config.hold_seconds)
    features, contexts = [image for image, _ in aligned], [context for _, context in aligned]
    pitch = _pitch_weights(config, len(features), own.get("pitch", weights) if config.pitch == "free" else weights)
    context = representation.mix_contexts(contexts, weights, pitch=pitch, median_hz=note_hz(config.pitch))
    network = "none" if sources.unpitched else config.network or ("carried" if representation.bends_time else "alone")
    if network == "alone":
        mixed = decode_mixture(codec, features, contexts, context, weights)
    else:
        mixed = representation.mix_features(features, weights, own)
    if network == "carried":
        shares = {"between": config.strength, "register": config.register_strength}
        mixed = mixed + network_adds(codec, features, contexts, context, weights, own, **shares)
    if phase is not None and phase.method == "kept":  # at an end: the sound's own context
        context = contexts[int(weights.argmax())]
    sound = representation.synthesise(mixed, context, phase=phase, generator=generator).cpu()
    itself = at_end(weights) and note_hz(config.pitch) is None and config.hold_seconds is None
    if representation.bends_time and not itself and not sources.unpitched:
        sound = _levelled(sound, sources, own.get("envelope", weights))
    sound = sound.reshape(*sources.leading, -1)
    if at_end(weights) and torch.equal(timing, weights) and config.hold_seconds is None:
        return sound[..., : sources.sounds[int(weights.argmax())].shape[-1]]  # without another's length of silence
    return sound


def check_needs(sources: Sources, config: MorphConfig) -> None:
    """Refuse what takes sounds of one pitch, where one has none."""
    if note_hz(config.pitch) is not None or config.hold_seconds is not None:
        require_pitch(sources)


def _weights(sources: Sources, mix: Mix) -> Tensor:
    rate = sources.frames_per_second
    last = mix.seconds[-1] if isinstance(mix, MixCurve) else 0
    return mix_weights(mix, len(sources.images), frames_per_second=rate, n_frames=2 + math.ceil(last * rate))


def _pitch_weights(config: MorphConfig, n_sounds: int, weights: Tensor) -> Tensor:
    if len(config.pitch) > 1 or not config.pitch.isalpha():
        return weights
    return torch.eye(n_sounds, dtype=torch.float64)[ord(config.pitch) - ord("a")]


def _levelled(sound: Tensor, sources: Sources, weights: Tensor) -> Tensor:
    """Return sounds as loud as is between the sources, where these have a loudness."""
    shares = weights.double().reshape(len(sources.images), -1).mean(1).tolist()
    levels = []
    for item, one in enumerate(sound):
        known = [loudness[item] for loudness in sources.loudness]
        found = integrated_loudness(one, sources.codec.sample_rate)
        wanted = [level for level, share in zip(known, shares, strict=True) if share]
        if not math.isfinite(found) or not all(math.isfinite(level) for level in wanted):
            levels.append(one)
            continue
        target = sum(share * level for level, share in zip(known, shares, strict=True) if share)
        levels.append(one * 10 ** (min(target - found, MOST_GAIN_DB) / 20))
    return torch.stack(levels)
