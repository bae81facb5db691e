"""Sounds in, new sound out: two codes, a ratio, and what the way back needs."""

import logging
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from intertone.codec import Codec, as_audio
from intertone.errors import InputError
from intertone.latent import lerp
from intertone.representation import PhaseConfig

logger = logging.getLogger(__name__)


def morph(
    codec: Codec,
    a: Tensor,
    b: Tensor,
    *,
    mix: float = 0.5,
    phase: PhaseConfig | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return a new sound between two.

    Both are encoded, the codes interpolated element by element, and the result decoded. The dB reference is
    interpolated in dB, the energy linearly, and the phase estimated at every ratio, 0 and 1 included, so that a row of
    morphs is of one kind. The shorter sound is completed with silence, and missing channels with the mean of those
    that there are.

    Args:
        codec: The codec.
        a: Sound at mix 0, ``(samples,)``, ``(channels, samples)`` or ``(batch, channels, samples)`` at
            ``codec.sample_rate``.
        b: Sound at mix 1, as many axes; a batch must be as large.
        mix: 0 is A, 1 is B.
        phase: How the phase is found; default ``pghi-fast``. ``kept`` is possible at the ends only.
        generator: Source of random phase; without it, one seeded with 0, so that the same call gives the same sound.

    Returns:
        Audio at ``codec.sample_rate``: the longer length, the larger number of channels.

    Raises:
        InputError: If ``mix`` is not in 0…1, ``kept`` is asked for between the ends, or the sounds do not fit.

    Source:
        Langer (2023), section 3.5, with reference and energy made exact.

    Example:
        >>> from intertone.codec import CodecConfig
        >>> from intertone.models import ConvConfig
        >>> from intertone.representation import DecibelConfig
        >>> codec = Codec(CodecConfig(representation=DecibelConfig(), model=ConvConfig()))
        >>> morph(codec, torch.randn(8000), torch.randn(2, 12000), mix=0.25).shape
        torch.Size([2, 12000])
    """
    return next(morph_steps(codec, a, b, mixes=[mix], phase=phase, generator=generator))


def morph_steps(
    codec: Codec,
    a: Tensor,
    b: Tensor,
    *,
    mixes: Sequence[float],
    phase: PhaseConfig | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield ``morph`` at every ratio of ``mixes``, encoding both sounds once.

    Args:
        codec: The codec.
        a: Sound at mix 0.
        b: Sound at mix 1.
        mixes: Ratios, each in 0…1.
        phase: How the phase is found.
        generator: Source of random phase; each ratio starts from the same state, so it equals its own ``morph``.

    Returns:
        An iterator over audio, in the order of ``mixes``.

    Raises:
        InputError: As ``morph``; before the first sound.
    """
    phase = phase or PhaseConfig()
    for mix in mixes:
        if not (math.isfinite(mix) and 0 <= mix <= 1):
            raise InputError(f"mix must be in 0..1, got {mix}")
        if phase.method == "kept" and mix not in (0, 1):
            raise InputError(f"the kept phase belongs to the ends, mix 0 or 1, got mix {mix}")
    a, b = match_shapes(as_audio(a), as_audio(b), shortest=codec.fixed_length or 0)
    return _steps(codec, a, b, mixes, phase, generator or torch.Generator().manual_seed(0))


def _steps(
    codec: Codec, a: Tensor, b: Tensor, mixes: Sequence[float], phase: PhaseConfig, generator: torch.Generator
) -> Iterator[Tensor]:
    latents_a, context_a = codec.encode(a)
    latents_b, context_b = codec.encode(b)
    start = generator.get_state()
    for mix in mixes:
        generator.set_state(start)
        if phase.method == "kept":
            yield codec.decode(*((latents_a, context_a), (latents_b, context_b))[int(mix)], phase=phase)
            continue
        context = codec.representation.mix_contexts([context_a, context_b], [1 - mix, mix])
        yield codec.decode(lerp(latents_a, latents_b, mix), context, phase=phase, generator=generator)


def match_shapes(a: Tensor, b: Tensor, *, shortest: int = 0) -> tuple[Tensor, Tensor]:
    """Give two sounds the same number of axes, channels and samples; what was done is logged.

    Args:
        a: ``(samples,)``, ``(channels, samples)`` or ``(batch, channels, samples)``.
        b: The same kinds.
        shortest: Samples that both shall have at least.

    Returns:
        Both, completed: the shorter with silence, the one with fewer channels with the mean of its channels.

    Raises:
        InputError: If one is a batch and the other is not a batch of the same size.

    Example:
        >>> [tuple(sound.shape) for sound in match_shapes(torch.ones(3), torch.ones(2, 5))]
        [(2, 5), (2, 5)]
    """
    axes = max(a.ndim, b.ndim)
    if axes == 3 and a.shape[:-2] != b.shape[:-2]:
        raise InputError(f"both sounds must be batches of one size, got {tuple(a.shape)} and {tuple(b.shape)}")
    a, b = (sound.unsqueeze(0) if sound.ndim < 2 <= axes else sound for sound in (a, b))
    samples = max(a.shape[-1], b.shape[-1], shortest)
    channels = max(a.shape[-2], b.shape[-2]) if axes > 1 else None
    for name, sound in (("A", a), ("B", b)):
        if sound.shape[-1] < samples:
            logger.info("%s was completed with silence, from %d to %d samples", name, sound.shape[-1], samples)
        if channels and sound.shape[-2] < channels:
            logger.info("%s was spread from %d to %d channels", name, sound.shape[-2], channels)
    return _complete(a, channels, samples), _complete(b, channels, samples)


def _complete(sound: Tensor, channels: int | None, samples: int) -> Tensor:
    if sound.shape[-1] < samples:
        sound = torch.nn.functional.pad(sound, (0, samples - sound.shape[-1]))
    if channels and sound.shape[-2] < channels:
        mean = sound.mean(-2, keepdim=True)
        missing = channels - sound.shape[-2]
        sound = torch.cat([sound, mean.expand(*sound.shape[:-2], missing, samples)], -2)
    return sound
