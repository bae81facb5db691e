"""Sound ⇄ features: the joint between signals and networks, one file per way to show a sound."""

from intertone.harmonic.morph.landmark import Alignment
from intertone.harmonic.rows import HarmonicConfig
from intertone.harmonic.sound import HarmonicContext
from intertone.representation.contract import Context, Representation, RepresentationConfig, build_representation
from intertone.representation.decibel import DecibelConfig, MelConfig, SpectrogramContext
from intertone.representation.harmonic import HarmonicRepresentation
from intertone.representation.pitch_normalised import (
    PitchNormalisedConfig,
    PitchNormalisedContext,
    PitchNormalisedRepresentation,
)
from intertone.representation.spectrogram import SpectrogramRepresentation

__all__ = [
    "Alignment",
    "Context",
    "DecibelConfig",
    "HarmonicConfig",
    "HarmonicContext",
    "HarmonicRepresentation",
    "MelConfig",
    "PitchNormalisedConfig",
    "PitchNormalisedContext",
    "PitchNormalisedRepresentation",
    "Representation",
    "RepresentationConfig",
    "SpectrogramContext",
    "SpectrogramRepresentation",
    "build_representation",
]
