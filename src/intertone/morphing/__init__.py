"""Morphs: new sounds between two or more sounds, given a weight for each; the methods by code, partials and cells."""

from intertone.morphing.checking import ATTRIBUTES, check_morph
from intertone.morphing.contract import MorphMethod, Takes
from intertone.morphing.even import even_mixes
from intertone.morphing.matching import match_shapes
from intertone.morphing.method import choose_method
from intertone.morphing.pitches import Pitch, is_far, morph_pitch, note_pitches, source_pitches
from intertone.morphing.render import NoteMorphs, morph_sources
from intertone.morphing.settings import MorphConfig
from intertone.morphing.sources import Sources, analyse_sounds, require_pitch, require_single_notes
from intertone.morphing.steps import each_mix, morph, morph_ready, morph_steps
from intertone.morphing.weights import mix_weights
from intertone.pitch.note import note_hz, parse_note
from intertone.ratio import Mix, MixCurve, parse_mix

__all__ = [
    "ATTRIBUTES",
    "Mix",
    "MixCurve",
    "MorphConfig",
    "MorphMethod",
    "NoteMorphs",
    "Pitch",
    "Sources",
    "Takes",
    "analyse_sounds",
    "check_morph",
    "choose_method",
    "each_mix",
    "even_mixes",
    "is_far",
    "match_shapes",
    "mix_weights",
    "morph",
    "morph_pitch",
    "morph_ready",
    "morph_sources",
    "morph_steps",
    "note_hz",
    "note_pitches",
    "parse_mix",
    "parse_note",
    "require_pitch",
    "require_single_notes",
    "source_pitches",
]
