"""Pitches of analysed sounds and of their morphs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from intertone.morphing.by_notes import ByNotes
from intertone.morphing.settings import NEAREST, MorphConfig
from intertone.morphing.sources import Sources
from intertone.morphing.weights import mix_weights
from intertone.pitch.note import CENTS, SEMITONES, hz_to_pitch, key_name, note_hz, pitch_to_hz
from intertone.ratio import Mix, MixCurve

FARTHEST_PITCH = float(SEMITONES)
"""Largest distance of a pitch below the lowest and above the highest sound for ``is_far`` to be False, semitones."""


@dataclass(frozen=True)
class Pitch:
    """Pitch in Hz, with the nearest key and the deviation from it.

    Example:
        >>> Pitch(440.0), Pitch(262.0).cents
        (Pitch(hz=440.0), 2)
        >>> str(Pitch(262.0))
        'C4 +2 ¢'
    """

    hz: float

    @property
    def key(self) -> int:
        """MIDI number of the nearest key."""
        return round(hz_to_pitch(self.hz))

    @property
    def cents(self) -> int:
        """Deviation from the nearest key, cents; positive above the key."""
        return round(CENTS / SEMITONES * (hz_to_pitch(self.hz) - self.key))

    def __str__(self) -> str:
        sign = "+" if self.cents > 0 else "−"
        return f"{key_name(self.key)} {sign}{abs(self.cents)} ¢" if self.cents else key_name(self.key)


def source_pitches(sources: Sources) -> list[Pitch] | None:
    """Return the median pitch of each sound, or None where the morph method measures no pitch."""
    found = [sources.method.pitch(analysis) for analysis in sources.analyses]
    known = [Pitch(hz) for hz in found if hz is not None]
    return known if len(known) == len(found) else None


def note_pitches(sources: Sources) -> list[list[Pitch]] | None:
    """Return the median pitch of each note of each phrase, or None where the sounds are not morphed note by note."""
    if not isinstance(sources.method, ByNotes):
        return None
    return [[Pitch(hz) for hz in sources.method.note_pitches(analysis)] for analysis in sources.analyses]


def morph_pitch(
    sources: Sources, mix: Mix, *, config: MorphConfig | None = None, ratios: Mapping[str, Mix] | None = None
) -> Pitch | None:
    """Return the median pitch of a morph, or None where it follows a mix curve or the sounds have no pitch.

    Args:
        sources: Sounds from ``analyse_sounds``.
        mix: The same as for ``morph``.
        config: The same as for ``morph``.
        ratios: The same as for ``morph``.
    """
    config, pitches = config or MorphConfig(), source_pitches(sources)
    if pitches is None:
        return None
    if (wanted := note_hz(config.pitch)) is not None:
        return Pitch(wanted)
    if len(config.pitch) == 1:
        return pitches[ord(config.pitch) - ord("a")]
    own = (ratios or {}).get("pitch", mix) if config.pitch == "free" else mix
    if isinstance(own, MixCurve):
        return None
    weights = mix_weights(own, len(pitches), frames_per_second=1, n_frames=1)
    found = Pitch(math.exp(float(weights @ torch.tensor([math.log(one.hz) for one in pitches]).double())))
    return Pitch(pitch_to_hz(found.key)) if config.pitch == NEAREST else found


def is_far(pitch: Pitch, pitches: list[Pitch]) -> bool:
    """Return whether a pitch is more than an octave below the lowest or above the highest of ``pitches``."""
    lowest, highest = (hz_to_pitch(extreme(one.hz for one in pitches)) for extreme in (min, max))
    return not lowest - FARTHEST_PITCH <= hz_to_pitch(pitch.hz) <= highest + FARTHEST_PITCH
