"""The methods that the bench compares, by name."""

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
"""Baselines of a codec, the simplest first. Aligned and harmonic are given the pitches."""


CODEC, FULL, NO_NETWORK = "codec", "codec, full", "codec, no network"
CODEC_METHODS = (CODEC, FULL, NO_NETWORK)
"""Morphs of a codec as it is shipped; and, of a codec of harmonic features, with everything decoded, and with nothing
decoded."""


def codec_methods(codec: Codec | None) -> dict[str, Method]:
    """Return the morphs that a codec is evaluated by.

    Args:
        codec: The codec, or None. Both sounds are analysed once, and every ratio starts from the same random numbers.

    Returns:
        ``codec``: its morph as it is shipped. Of a codec of harmonic features also ``codec, full``, where everything is
        decoded and no residual is used, and ``codec, no network``: harmonic features interpolated without the network.
        Each raises ``ValueError`` for a pair that is not at the codec's sample rate. Empty where there is no codec.
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
    """Complete morphs with silence to the length of the pair: the length is interpolated too."""
    return torch.nn.functional.pad(sound, (0, max(0, samples - len(sound))))[:samples]
