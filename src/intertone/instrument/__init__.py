"""Instruments: sounds for all keys with sampler maps, sounds of latent codes, and playable instruments as data."""

from intertone.instrument.bank import InstrumentBank, bank_path
from intertone.instrument.check import find_problems
from intertone.instrument.code_map import code_of_sound
from intertone.instrument.decent import decent_text
from intertone.instrument.decoded import decoded_instrument
from intertone.instrument.detuning import find_detuning
from intertone.instrument.keys import (
    FILE_NAME,
    Key,
    Keyboard,
    Region,
    choose_keys,
    from_onset,
    parse_range,
    render_key,
    render_layers,
)
from intertone.instrument.layer import Layer, layers_of
from intertone.instrument.live import Instrument
from intertone.instrument.looped import looped_instrument
from intertone.instrument.looping import Loop, close_loop, find_loop
from intertone.instrument.play import play_code, play_loop, takes_pitch, to_loudness
from intertone.instrument.playable import PlayableSound, analyse_playable
from intertone.instrument.recordings import nearest_recordings, parse_recording, some_of
from intertone.instrument.sampler import Sampler, read_sampler, save_sample, with_sampler
from intertone.instrument.sfz import sfz_text
from intertone.instrument.steady import loop_of_magnitude
from intertone.pitch.note import note_name

__all__ = [
    "FILE_NAME",
    "Instrument",
    "InstrumentBank",
    "Key",
    "Keyboard",
    "Layer",
    "Loop",
    "PlayableSound",
    "Region",
    "Sampler",
    "analyse_playable",
    "bank_path",
    "choose_keys",
    "close_loop",
    "code_of_sound",
    "decent_text",
    "decoded_instrument",
    "find_detuning",
    "find_loop",
    "find_problems",
    "from_onset",
    "layers_of",
    "loop_of_magnitude",
    "looped_instrument",
    "nearest_recordings",
    "note_name",
    "parse_range",
    "parse_recording",
    "play_code",
    "play_loop",
    "read_sampler",
    "render_key",
    "render_layers",
    "save_sample",
    "sfz_text",
    "some_of",
    "takes_pitch",
    "to_loudness",
    "with_sampler",
]
