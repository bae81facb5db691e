"""List of the kinds of representation, and construction of a representation from its settings."""

from typing import Annotated, Any

from pydantic import Field

from intertone.harmonic.rows import HarmonicConfig
from intertone.representation.contract import Representation
from intertone.representation.decibel import DecibelConfig, MelConfig
from intertone.representation.frames import FramesConfig, FramesRepresentation
from intertone.representation.harmonic import HarmonicRepresentation
from intertone.representation.pitch_normalised import PitchNormalisedConfig, PitchNormalisedRepresentation
from intertone.representation.spectrogram import SpectrogramRepresentation
from intertone.representation.waveform import WaveformConfig, WaveformRepresentation

RepresentationConfig = Annotated[
    DecibelConfig | MelConfig | PitchNormalisedConfig | HarmonicConfig | FramesConfig | WaveformConfig,
    Field(discriminator="kind"),
]
"""Settings of a representation of any kind; the field ``kind`` identifies it."""
AnyRepresentation = Representation[Any]
"""Representation with any type of context; the type is not known for settings that were read from disk."""


def build_representation(config: RepresentationConfig) -> AnyRepresentation:
    """Return the representation that ``config`` describes."""
    match config:
        case HarmonicConfig():
            return HarmonicRepresentation(config)
        case PitchNormalisedConfig():
            return PitchNormalisedRepresentation(config)
        case FramesConfig():
            return FramesRepresentation(config)
        case WaveformConfig():
            return WaveformRepresentation(config)
        case DecibelConfig() | MelConfig():
            return SpectrogramRepresentation(config)
