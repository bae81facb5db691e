"""Sound ⇄ features: the joint between signals and networks, one file per way to show a sound."""

from intertone.representation.choice import Context, Representation, RepresentationConfig, build_representation
from intertone.representation.decibel import DecibelConfig, MelConfig, SpectrogramContext
from intertone.representation.harmonic import HarmonicRepresentation
from intertone.representation.image import HarmonicConfig
from intertone.representation.phasing import PhaseConfig
from intertone.representation.snapped import SnappedConfig, SnappedContext, SnappedRepresentation
from intertone.representation.spectrogram import SpectrogramRepresentation
from intertone.representation.timeline import Alignment
from intertone.representation.tracks import HarmonicContext

__all__ = [
    "Alignment",
    "Context",
    "DecibelConfig",
    "HarmonicConfig",
    "HarmonicContext",
    "HarmonicRepresentation",
    "MelConfig",
    "PhaseConfig",
    "Representation",
    "RepresentationConfig",
    "SnappedConfig",
    "SnappedContext",
    "SnappedRepresentation",
    "SpectrogramContext",
    "SpectrogramRepresentation",
    "build_representation",
]
