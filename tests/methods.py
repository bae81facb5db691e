"""Morph methods for tests that look at their steps."""

from collections.abc import Sequence

import torch

from intertone.codec import Codec, CodecConfig
from intertone.harmonic.sound import HarmonicContext
from intertone.models import ConditionedConfig
from intertone.morphing import MorphConfig
from intertone.morphing.by_partials import ByPartials
from intertone.morphing.weights import Weights
from intertone.representation import Analysis, HarmonicConfig, HarmonicRepresentation


def by_partials(config: HarmonicConfig) -> ByPartials:
    """The method of a harmonic codec with few weights."""
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    return ByPartials(Codec(CodecConfig(representation=config, model=model)), HarmonicRepresentation(config))


def mixture(
    method: ByPartials, analyses: Sequence[Analysis[HarmonicContext]], weights: Sequence[float], **settings: object
) -> Analysis[HarmonicContext]:
    """The mixture of analysed sounds, onset on onset, without the network."""
    config = MorphConfig.parse({"network": "none", "alignment": "onset", **settings})
    shares = torch.tensor(weights, dtype=torch.float64)
    return method.between([method.prepare(one) for one in analyses], Weights(shares, {}, shares), config)
