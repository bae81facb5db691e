"""Morph methods for tests that look at their steps."""

from intertone.codec import Codec, CodecConfig
from intertone.models import ConditionedConfig
from intertone.morphing.by_partials import ByPartials
from intertone.representation import HarmonicConfig, HarmonicRepresentation


def by_partials(config: HarmonicConfig) -> ByPartials:
    """The method of a harmonic codec with few weights."""
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    return ByPartials(Codec(CodecConfig(representation=config, model=model)), HarmonicRepresentation(config))
