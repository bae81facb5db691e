"""Morph methods of the bench by name: baselines without a network, and variants of a codec."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from intertone.bench.baselines import aligned_log_magnitude, crossfade, linear_magnitude, log_magnitude
from intertone.bench.pair import Method, Pair
from intertone.bench.sinusoidal import harmonic_morph
from intertone.bench.transport import optimal_transport
from intertone.codec import Codec
from intertone.morphing import MorphConfig, analyse_sounds, choose_method, morph_sources, morph_steps

METHODS: dict[str, Method] = {
    "crossfade": crossfade,
    "linear magnitude": linear_magnitude,
    "log magnitude": log_magnitude,
    "aligned log magnitude": aligned_log_magnitude,
    "optimal transport": optimal_transport,
    "harmonic": harmonic_morph,
}
"""Baselines without a network, the simplest first. ``aligned log magnitude`` and ``harmonic`` use the pairs' f0."""


CODEC, FULL, NO_NETWORK = "codec", "codec, full", "codec, no network"
CODEC_METHODS = (CODEC, FULL, NO_NETWORK)
"""Variants of a codec's morph: with default settings, with all features decoded, and without the network."""


def codec_methods(codec: Codec | None) -> dict[str, Method]:
    """Return the morph methods of a codec by name.

    Both sounds of a pair are analysed once, and every ratio uses the same random seed.

    Args:
        codec: The codec; None: there are no methods.

    Returns:
        ``codec``: the morph with default settings. A harmonic codec also has ``codec, full``, where all features are
        decoded and the residual is left out, and ``codec, no network``, which interpolates harmonic features only.
        Each raises ``ValueError`` for a pair that is not at the codec's sample rate.
    """
    if codec is None:
        return {}
    if not choose_method(codec).takes.pitch:
        return {CODEC: _method(codec, MorphConfig())}
    return {
        CODEC: _method(codec, MorphConfig()),
        FULL: _method(codec, MorphConfig(network="full"), residual=False),
        NO_NETWORK: _method(codec, MorphConfig(network="none")),
    }


def _method(codec: Codec, config: MorphConfig, *, residual: bool = True) -> Method:
    def through_codec(pair: Pair, ratios: Sequence[float]) -> Tensor:
        if pair.sample_rate != codec.sample_rate:
            raise ValueError(f"pairs must be at the codec's {codec.sample_rate} Hz, got {pair.sample_rate} Hz")
        if residual:
            sounds = morph_steps(codec, pair.a, pair.b, mixes=ratios, config=config)
        else:
            sounds = _without_residual(codec, pair, ratios, config)
        return torch.stack([_as_long(sound, len(pair.a)) for sound in sounds])

    return through_codec


def _without_residual(codec: Codec, pair: Pair, ratios: Sequence[float], config: MorphConfig) -> Iterator[Tensor]:
    sources = analyse_sounds(codec, pair.a, pair.b)
    for ratio in ratios:
        generator = torch.Generator().manual_seed(0)
        yield morph_sources(sources, ratio, config=config, residual=False, generator=generator)


def _as_long(sound: Tensor, samples: int) -> Tensor:
    """Return a morph padded with silence, or cut, to the length of the pair; morphs interpolate the length too."""
    return torch.nn.functional.pad(sound, (0, max(0, samples - len(sound))))[:samples]
