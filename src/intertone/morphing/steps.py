"""Sounds in, new sound out: brought to one time, mixed, and what the way back needs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.codec import Codec, as_audio
from intertone.errors import InputError
from intertone.loudness import integrated_loudness
from intertone.metrics.spectral import LOG_MEL_16K, log_mel
from intertone.morphing.checking import ATTRIBUTES, at_end, check_even, check_morph, check_pitch
from intertone.morphing.fallback import Images, find_unpitched, show_unpitched
from intertone.morphing.matching import match_shapes
from intertone.morphing.network import decode_mixture, network_adds
from intertone.morphing.settings import MorphConfig, note_hz
from intertone.morphing.weights import Mix, MixCurve, mix_weights
from intertone.representation import PhaseConfig, Representation

EVEN_STEPS = 11
"""Ratios at which the way between two sounds is measured before it is walked evenly."""

MOST_GAIN_DB = 24.0
"""What a morph is made louder by at most."""


@dataclass(frozen=True)
class Sources:
    """Sounds that were analysed, ready to be morphed at any ratios.

    Attributes:
        codec: The codec.
        representation: The one that the sounds are shown in.
        sounds: As many channels each, ``(batch, channels, samples)``.
        images: Features and context of each.
        loudness: Of each sound of each batch, LUFS.
        leading: Axes of the result before its samples.
        unpitched: Which sounds have no one pitch though the codec needs it, and why; they are shown as spectrograms.
    """

    codec: Codec
    representation: Representation
    sounds: tuple[Tensor, ...]
    images: tuple[tuple[Tensor, Any], ...]
    loudness: tuple[tuple[float, ...], ...]
    leading: tuple[int, ...]
    unpitched: str | None = None

    @property
    def frames_per_second(self) -> float:
        """Of the features."""
        rate = self.representation.sample_rate
        return (self.representation.n_frames(100 * rate) - 1) / 100


def morph(
    codec: Codec,
    *sounds: Tensor,
    mix: Mix = 0.5,
    config: MorphConfig | None = None,
    ratios: Mapping[str, Mix] | None = None,
    phase: PhaseConfig | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return a new sound between sounds.

    The sounds are analysed and brought to one time; features are interpolated in dB, codes element by element, f0 in
    its logarithm, and the integrated loudness in LU. With the harmonic codec the morph is what the images themselves
    give, and what the network adds between the ends: ``Σ wᵢxᵢ + D(Σ wᵢzᵢ) − Σ wᵢD(zᵢ)``. There the ends are the sounds
    themselves. With a spectrogram codec all that is heard is decoded, and the phase is estimated at every ratio.

    Args:
        codec: The codec.
        sounds: Two or more, ``(samples,)``, ``(channels, samples)`` or ``(batch, channels, samples)`` at
            ``codec.sample_rate``; batches of one size. Missing channels are the mean of those that there are.
        mix: 0 is the first of two sounds, 1 the second; beyond, to −0.5 and 1.5, it is extrapolated. A ``MixCurve``
            changes over time; of more than two sounds, one weight for each.
        config: Pitch, time, and what the network is for.
        ratios: Ratios of their own for ``harmonics``, ``noise``, ``envelope`` (level over time, attack and length) or
            ``pitch`` (with ``config.pitch`` ``free``).
        phase: How a spectrogram's phase is found; default ``pghi-fast``. ``kept`` is possible at the ends only.
        generator: Source of random phase and noise; without it, one seeded with 0, so that the same call gives the
            same sound.

    Returns:
        Audio at ``codec.sample_rate`` with the largest number of channels. Its length is interpolated where sustain is
        laid over sustain (``config.alignment`` ``envelope``), else that of the longest; an end has the sound's own.

    Raises:
        InputError: If a ratio is out of range or does not go with the sounds, ``kept`` is asked for between the ends,
            or the sounds do not fit.

    Source:
        Langer (2023), section 3.5, for the interpolated codes.

    Example:
        >>> from intertone.codec import CodecConfig
        >>> from intertone.models import ConvConfig
        >>> from intertone.representation import DecibelConfig
        >>> codec = Codec(CodecConfig(representation=DecibelConfig(), model=ConvConfig()))
        >>> morph(codec, torch.randn(8000), torch.randn(2, 12000), mix=0.25).shape
        torch.Size([2, 12000])
    """
    mixes = [mix]
    steps = morph_steps(codec, *sounds, mixes=mixes, config=config, ratios=ratios, phase=phase, generator=generator)
    return next(steps)


def morph_steps(
    codec: Codec,
    *sounds: Tensor,
    mixes: Sequence[Mix],
    config: MorphConfig | None = None,
    ratios: Mapping[str, Mix] | None = None,
    phase: PhaseConfig | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield ``morph`` at every mix of ``mixes``, analysing the sounds once.

    Args:
        codec: The codec.
        sounds: As for ``morph``.
        mixes: As ``mix`` of ``morph``, each.
        config: As for ``morph``.
        ratios: As for ``morph``.
        phase: As for ``morph``.
        generator: Source of random phase and noise; each mix starts from the same state, so that it
            equals its own ``morph``.

    Returns:
        An iterator over audio, in the order of ``mixes``.

    Raises:
        InputError: As ``morph``; before the first sound.
    """
    config, phase, ratios = config or MorphConfig(), phase or PhaseConfig(), ratios or {}
    check_morph(len(sounds), mixes, config=config, ratios=ratios, phase=phase)
    sources = analyse_sounds(codec, *sounds)
    _check_needs(sources, config)
    if config.even:
        mixes = even_mixes(sources, mixes, config)
    return _steps(sources, mixes, config, ratios, phase, generator or torch.Generator().manual_seed(0))


def analyse_sounds(codec: Codec, *sounds: Tensor, recognise: bool = True) -> Sources:
    """Analyse sounds, one or more, for morphs at any ratios.

    Where a codec needs a pitch and one of the sounds has none, all are shown as spectrograms, and that is logged.

    Args:
        codec: The codec.
        sounds: As for ``morph``.
        recognise: Whether that is found out; else every sound is taken for one with a pitch.

    Returns:
        What ``morph_sources`` takes.

    Raises:
        InputError: If the sounds do not fit, or one is no audio.
    """
    representation = codec.representation
    matched = match_shapes(
        *(as_audio(sound) for sound in sounds),
        shortest=codec.fixed_length or 0,
        lengths=not representation.bends_time,
    )
    leading = tuple(matched[0].shape[:-1])
    batches = tuple(sound.reshape(*(1,) * (3 - sound.ndim), *sound.shape) for sound in matched)
    images: Images = tuple(codec.analyse(sound) for sound in batches)
    unpitched = find_unpitched(codec, images) if recognise else None
    if unpitched is not None:
        representation, images = show_unpitched(codec, batches, unpitched)
    images = tuple(representation.settle(*image) for image in images)
    loudness = tuple(_loudness(sound, codec.sample_rate) for sound in batches)
    return Sources(codec, representation, batches, images, loudness, leading, unpitched)


def require_pitch(sources: Sources) -> None:
    """Refuse sounds without one pitch, where nothing sensible can be done with them: a keyboard, a given note.

    Args:
        sources: From ``analyse_sounds``.

    Raises:
        InputError: If a harmonic codec found a sound without one pitch; the sentence says which, and why.
    """
    if sources.unpitched is not None:
        raise InputError(f"every sound must have one pitch here, got sounds of which {sources.unpitched}")


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
    _check_needs(sources, config)
    for name in ratios:
        if name not in ATTRIBUTES:
            raise InputError(f"a ratio of its own must be one of {', '.join(ATTRIBUTES)}, got {name}")
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


def even_mixes(sources: Sources, mixes: Sequence[Mix], config: MorphConfig) -> list[Mix]:
    """Bend ratios so that equal steps are equally large.

    The way from the first sound to the second is measured at 11 ratios, as mean differences of log-mel images in dB,
    and every ratio replaced by the one at which that share of the way has been made.

    Args:
        sources: Two sounds.
        mixes: Ratios within 0…1, or curves of such.
        config: As for ``morph``.

    Returns:
        The bent ratios; 0 and 1 stay.

    Raises:
        InputError: If there are not two sounds, or a ratio lies beyond the ends.

    Source:
        Niu et al. (2024), "SoundMorpher", for steps of equal perceptual size.
    """
    check_even(len(sources.images), mixes)
    places = np.linspace(0, 1, EVEN_STEPS)
    sounds = [_heard(morph_sources(sources, float(place), config=config), sources) for place in places]
    samples = max(sound.shape[-1] for sound in sounds)
    mels = log_mel(torch.stack([torch.nn.functional.pad(sound, (0, samples - len(sound))) for sound in sounds]))
    steps = (mels[1:] - mels[:-1]).abs().mean((1, 2)).double().numpy()
    way = np.concatenate([[0], np.cumsum(steps + 1e-9)])

    def bent(ratio: float) -> float:
        return float(np.interp(ratio * way[-1], way, places))

    return [
        MixCurve(mix.seconds, tuple(bent(ratio) for ratio in mix.ratios)) if isinstance(mix, MixCurve) else bent(mix)  # type: ignore[arg-type]
        for mix in mixes
    ]


def _steps(
    sources: Sources,
    mixes: Sequence[Mix],
    config: MorphConfig,
    ratios: Mapping[str, Mix],
    phase: PhaseConfig,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    start = generator.get_state()
    found = None if sources.representation.bends_time else phase
    for mix in mixes:
        generator.set_state(start)
        yield morph_sources(sources, mix, config=config, ratios=ratios, phase=found, generator=generator)


def _weights(sources: Sources, mix: Mix) -> Tensor:
    rate = sources.frames_per_second
    last = mix.seconds[-1] if isinstance(mix, MixCurve) else 0
    return mix_weights(mix, len(sources.images), frames_per_second=rate, n_frames=2 + math.ceil(last * rate))


def _check_needs(sources: Sources, config: MorphConfig) -> None:
    if note_hz(config.pitch) is not None or config.hold_seconds is not None:
        require_pitch(sources)


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


def _loudness(sounds: Tensor, sample_rate: int) -> tuple[float, ...]:
    return tuple(integrated_loudness(sound, sample_rate) for sound in sounds)


def _heard(sound: Tensor, sources: Sources) -> Tensor:
    """Return the downmix of all sounds of a morph at the rate of log-mel, ``(samples,)``."""
    mono = sound.reshape(-1, sound.shape[-1]).mean(0)
    return resample(mono, sources.codec.sample_rate, LOG_MEL_16K.stft.sample_rate)
