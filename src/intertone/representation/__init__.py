"""Representations: conversion between audio and the features that networks process, one file for each kind."""

from intertone.harmonic.rows import HarmonicConfig
from intertone.harmonic.sound import HarmonicContext
from intertone.representation.choice import AnyRepresentation, RepresentationConfig, build_representation
from intertone.representation.contract import Analysis, Context, Representation
from intertone.representation.decibel import DecibelConfig, MelConfig, SpectrogramContext
from intertone.representation.harmonic import HarmonicRepresentation
from intertone.representation.pitch_normalised import (
    PitchNormalisedConfig,
    PitchNormalisedContext,
    PitchNormalisedRepresentation,
)
from intertone.representation.spectrogram import SpectrogramRepresentation
from intertone.representation.waveform import WaveformConfig, WaveformRepresentation

__all__ = [
    "Analysis",
    "AnyRepresentation",
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
    "WaveformConfig",
    "WaveformRepresentation",
    "build_representation",
]
