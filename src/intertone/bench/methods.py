"""The methods that the bench compares, by name."""

from collections.abc import Sequence

import torch
from torch import Tensor

from intertone.bench.baselines import aligned_log_magnitude, crossfade, linear_magnitude, log_magnitude
from intertone.bench.harmonic import harmonic_morph
from intertone.bench.pair import Method, Pair
from intertone.bench.transport import optimal_transport
from intertone.codec import Codec
from intertone.morphing import morph_steps

METHODS: dict[str, Method] = {
    "crossfade": crossfade,
    "linear magnitude": linear_magnitude,
    "log magnitude": log_magnitude,
    "aligned log magnitude": aligned_log_magnitude,
    "optimal transport": optimal_transport,
    "harmonic": harmonic_morph,
}
"""What a codec is compared with, the simplest first. Aligned and harmonic are told the pitches."""


def codec_method(codec: Codec) -> Method:
    """Return the morph of a codec as a method of the bench.

    Args:
        codec: The codec; both sounds are encoded once, and every ratio starts from the same random phase.

    Returns:
        A method, which raises ``ValueError`` for a pair that is not at the codec's sample rate.
    """

    def through_codec(pair: Pair, ratios: Sequence[float]) -> Tensor:
        if pair.sample_rate != codec.sample_rate:
            raise ValueError(f"pairs must be at the codec's {codec.sample_rate} Hz, got {pair.sample_rate} Hz")
        sounds = morph_steps(codec, pair.a, pair.b, mixes=ratios)
        return torch.stack([sound[..., : len(pair.a)] for sound in sounds])

    return through_codec
