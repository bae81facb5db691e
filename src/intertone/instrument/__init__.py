"""A playable result: the keys of an instrument, each checked, and the file that maps them."""

from intertone.instrument.bank import InstrumentBank, bank_path
from intertone.instrument.check import find_problems
from intertone.instrument.keys import Key, Region, choose_keys, from_onset, parse_range, render_key
from intertone.instrument.looping import Loop, close_loop, find_loop
from intertone.instrument.play import play_code, takes_pitch, to_loudness
from intertone.instrument.sfz import sfz_text
from intertone.pitch.note import note_name

__all__ = [
    "InstrumentBank",
    "Key",
    "Loop",
    "Region",
    "bank_path",
    "choose_keys",
    "close_loop",
    "find_loop",
    "find_problems",
    "from_onset",
    "note_name",
    "parse_range",
    "play_code",
    "render_key",
    "sfz_text",
    "takes_pitch",
    "to_loudness",
]
