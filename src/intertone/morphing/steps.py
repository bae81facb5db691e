"""Sounds in, new sound out: a morph, or a row of them."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.errors import InputError
from intertone.morphing.checking import check_morph, pitched_for, single_note_for, warn_of_ignored
from intertone.morphing.even import even_mixes
from intertone.morphing.render import check_needs, each_morph, morph_sources
from intertone.morphing.settings import MorphConfig
from intertone.morphing.sources import Sources, analyse_sounds
from intertone.phase import PhaseConfig
from intertone.ratio import Mix, read_mix


def morph(
    codec: Codec,
    *sounds: Tensor,
    mix: Mix | str = 0.5,
    config: MorphConfig | None = None,
    ratios: Mapping[str, Mix | str] | None = None,
    phase: PhaseConfig | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return a new sound between sounds.

    The sounds are analysed and brought to one time; features are interpolated in dB, codes element by element, f0 in
    its logarithm, and the maximum momentary loudness in LU. With the harmonic codec the morph is the interpolated
    harmonic features and the network's correction: ``Σ wᵢxᵢ + s·(D(Σ wᵢzᵢ) − Σ wᵢD(zᵢ))``, s being
    ``config.strength``, and xᵢ transposed with the network's help (``config.register_strength``) where the pitch
    of the morph is another; interpolated noise is lowered. At weight 1 the result is the source sound. With a
    spectrogram codec everything is decoded, and the phase is estimated at every ratio.

    Args:
        codec: The codec.
        sounds: Two or more, ``(samples,)``, ``(channels, samples)`` or ``(batch, channels, samples)`` at
            ``codec.sample_rate``; batches of one size. Missing channels are the mean of those that there are.
        mix: 0 is the first of two sounds, 1 the second; beyond, to −0.5 and 1.5, it is extrapolated. A ``MixCurve``
            changes over time; of more than two sounds, one weight for each. Or text, as at the command line:
            ``"0:0,1.5:1"``.
        config: Pitch, time, and use of the network.
        ratios: Ratios of their own for ``harmonics``, ``noise``, ``envelope`` (level over time, attack and length) or
            ``pitch`` (with ``config.pitch`` ``free``).
        phase: How a spectrogram's phase is found; default ``pghi-fast``. ``kept`` is possible at weight 1 only.
        generator: Source of random phase and noise; without it, one seeded with 0, so that the same call gives the
            same sound.

    Returns:
        Audio at ``codec.sample_rate`` with the largest number of channels. With ``config.alignment``
        ``envelope`` its length is interpolated, else that of the longest; at weight 1 it is the source's.

    Raises:
        InputError: If a ratio is out of range or does not go with the sounds, ``kept`` is asked for at other ratios,
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
    steps = morph_steps(codec, *sounds, mixes=[mix], config=config, ratios=ratios, phase=phase, generator=generator)
    return next(steps)


def morph_steps(
    codec: Codec,
    *sounds: Tensor,
    mixes: Sequence[Mix | str],
    config: MorphConfig | None = None,
    ratios: Mapping[str, Mix | str] | None = None,
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
    if not isinstance(codec, Codec):
        raise InputError(
            f'the first argument must be a codec, such as Codec.load("harmonic"), got {type(codec).__name__}'
        )
    config, phase = config or MorphConfig(), phase or PhaseConfig()
    read, own = [read_mix(mix) for mix in mixes], {name: read_mix(mix) for name, mix in (ratios or {}).items()}
    check_morph(len(sounds), read, config=config, ratios=own, phase=phase)
    sources = morph_ready(codec, *sounds, config=config, ratios=own)
    return each_mix(sources, read, config=config, ratios=own, phase=phase, generator=generator)


def morph_ready(codec: Codec, *sounds: Tensor, config: MorphConfig, ratios: Mapping[str, Mix]) -> Sources:
    """Return sounds that are analysed for morphs with these settings, as ``morph_steps`` does.

    Args:
        codec: The codec.
        sounds: As for ``morph``.
        config: As for ``morph``.
        ratios: As for ``morph``.

    Returns:
        What ``each_mix`` takes.

    Raises:
        InputError: If the sounds do not fit, or not the settings.
    """
    purpose = "a network that decodes everything" if config.network == "full" else pitched_for(config, ratios)
    by_notes, single = config.alignment == "envelope", single_note_for(config)
    sources = analyse_sounds(codec, *sounds, pitched_for=purpose, single_for=single, by_notes=by_notes)
    check_needs(sources, config, ratios)
    if sources.unpitched is not None:
        warn_of_ignored(config)
    return sources


def each_mix(
    sources: Sources,
    mixes: Sequence[Mix],
    *,
    config: MorphConfig,
    ratios: Mapping[str, Mix],
    phase: PhaseConfig,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield the morph at every mix of sounds that are analysed; arguments and result are those of ``morph_steps``."""
    if config.even:
        mixes = even_mixes(sources, mixes, config, ratios=ratios, phase=phase)
    source_of_all = generator or torch.Generator().manual_seed(0)
    start = source_of_all.get_state()

    def at(mix: Mix) -> tuple[Tensor, Tensor]:
        own = torch.Generator(source_of_all.device).set_state(start)
        sound = morph_sources(sources, mix, config=config, ratios=ratios, phase=phase, generator=own)
        return sound, own.get_state()

    def steps() -> Iterator[Tensor]:
        for sound, state in each_morph(sources, at, mixes):
            source_of_all.set_state(state)
            yield sound

    return steps()
