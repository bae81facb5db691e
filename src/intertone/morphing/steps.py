"""``morph`` and ``morph_steps``: morphs of sounds at one mix or at several."""

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

    The sounds are analysed and aligned in time. Features are interpolated in dB, codes linearly, f0 in its logarithm,
    and the maximum momentary loudness in LU.

    With a harmonic codec, the features of the morph are ``Σ wᵢxᵢ + s·(D(Σ wᵢzᵢ) − Σ wᵢD(zᵢ))``: interpolated harmonic
    features xᵢ and the network's correction, with the decoder D, codes zᵢ and s = ``config.strength``. Sounds whose
    pitch differs from that of the morph are transposed; the network corrects their timbre
    (``config.register_strength``). The level of interpolated noise is lowered. At weight 1 the result is the source
    sound.

    With a spectrogram codec, all features are decoded, and the phase is estimated at every mix.

    Args:
        codec: The codec.
        sounds: Two or more sounds at ``codec.sample_rate``: ``(samples,)``, ``(channels, samples)``, or batches of the
            same size, ``(batch, channels, samples)``. Missing channels are filled with the mean of the existing ones.
        mix: For two sounds a ratio: 0 is the first, 1 the second sound, and −0.5…1.5 extrapolates. For any number of
            sounds one weight each. A ``MixCurve`` changes over time. Or text in the syntax of the command line:
            ``"0:0,1.5:1"``.
        config: Pitch, alignment, use of the network, and other settings.
        ratios: Separate mixes for ``harmonics``, ``noise``, ``envelope`` (level over time, attack and length) or
            ``pitch`` (only if ``config.pitch`` is ``free``).
        phase: How the phase of a spectrogram is estimated; None: ``pghi-fast``. ``kept`` is possible only at weight 1.
        generator: Source of random phase and noise. None: a generator with seed 0, so that the same call gives the
            same sound.

    Returns:
        Audio at ``codec.sample_rate`` with the largest number of channels. With the alignment ``envelope`` its length
        is interpolated, otherwise it is that of the longest sound; at weight 1 it is that of the source sound.

    Raises:
        InputError: If a mix is out of range or does not fit the number of sounds, ``phase`` is ``kept`` and no weight
            is 1, or the sounds do not fit the codec, the settings or one another.

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
    """Yield ``morph`` at every mix of ``mixes``; the sounds are analysed only once.

    Args:
        codec: The codec.
        sounds: The same as for ``morph``.
        mixes: Values of ``mix`` of ``morph``.
        config: The same as for ``morph``.
        ratios: The same as for ``morph``.
        phase: The same as for ``morph``.
        generator: Source of random phase and noise. Each mix begins with the same state of it, so that the result
            equals that of ``morph``.

    Returns:
        An iterator over audio, in the order of ``mixes``.

    Raises:
        InputError: For the same reasons as ``morph``, before the first sound is made.
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
    """Return sounds that are analysed for morphs with these settings.

    Args:
        codec: The codec.
        sounds: The same as for ``morph``.
        config: The same as for ``morph``.
        ratios: The same as for ``morph``.

    Returns:
        The analysed sounds, for ``each_mix``.

    Raises:
        InputError: If the sounds do not fit the codec, the settings or one another.
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
    """Yield the morph of analysed sounds at every mix; arguments and result are those of ``morph_steps``."""
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
