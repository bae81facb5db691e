"""Sound ⇄ features: the joint between signals and networks, one file per way to show a sound."""

from intertone.representation.spectrogram import (
    DecibelConfig,
    MelConfig,
    PhaseConfig,
    RepresentationConfig,
    SpectrogramContext,
    SpectrogramRepresentation,
    build_representation,
)

__all__ = [
    "DecibelConfig",
    "MelConfig",
    "PhaseConfig",
    "RepresentationConfig",
    "SpectrogramContext",
    "SpectrogramRepresentation",
    "build_representation",
]
