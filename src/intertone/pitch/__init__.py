"""Pitch tracking: f0 of a sound over time, and the names and numbers of notes."""

from intertone.pitch.path import PitchTrack, follow_pitch, median_f0

__all__ = ["PitchTrack", "follow_pitch", "median_f0"]
