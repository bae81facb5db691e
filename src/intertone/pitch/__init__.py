"""The f0 of a whole sound as one smooth line, for an analysis that follows it sample by sample."""

from intertone.pitch.path import PitchTrack, follow_pitch, median_f0

__all__ = ["PitchTrack", "follow_pitch", "median_f0"]
