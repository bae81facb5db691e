"""The playable instrument as data: what is stored, how large it is, and that it comes back."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tone

from intertone.bench.instruments import INSTRUMENTS, draw_note, render_note
from intertone.codec import Codec
from intertone.errors import InputError
from intertone.instrument import Instrument, analyse_playable
from intertone.instrument.adpcm import from_adpcm, to_adpcm
from intertone.instrument.packed import (
    pack_differences,
    pack_levels,
    stored_frames,
    unpack_levels,
    unpack_partials,
)
from intertone.instrument.playable import harmonic_method, track_of
from intertone.instrument.register import KEYS, pad_grid, pad_weights
from intertone.level import amplitude_to_db
from intertone.pitch.note import pitch_to_hz

RATE = 44100


def note(name: str, key: int, seed: int) -> torch.Tensor:
    """A synthetic note of two seconds that no other test uses."""
    return render_note(draw_note(INSTRUMENTS[name], key, np.random.default_rng([1603, seed])), RATE)[None]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load("harmonic")


@pytest.fixture(scope="module")
def pair(codec: Codec) -> Instrument:
    return Instrument.from_sounds(codec, [note("string", 55, 0), note("guitar", 60, 1)], ["string", "guitar"])


# the file


def test_an_instrument_comes_back_bit_for_bit(pair: Instrument, tmp_path: Path) -> None:
    pair.save(tmp_path / "a.intertone")
    loaded = Instrument.load(tmp_path / "a.intertone")
    assert loaded.header == json.loads(json.dumps(pair.header))
    assert loaded.tensors.keys() == pair.tensors.keys()
    assert all(torch.equal(loaded.tensors[name], value) for name, value in pair.tensors.items())
    assert loaded.to_bytes() == (tmp_path / "a.intertone").read_bytes()


@pytest.mark.parametrize(("channels", "most"), [(1, 150_000), (2, 250_000)])
@pytest.mark.parametrize("key", [36, 60])
def test_four_seconds_are_small(codec: Codec, key: int, channels: int, most: int) -> None:
    time = torch.arange(4 * RATE, dtype=torch.float64) / RATE
    f0 = pitch_to_hz(key)
    orders = torch.arange(1, int(18000 / f0) + 1, dtype=torch.float64)[:, None]
    sound = (torch.sin(2 * torch.pi * f0 * orders * time + orders**2) / orders).sum(0).float()
    noise = 0.01 * torch.randn(channels, 4 * RATE, generator=torch.Generator().manual_seed(0))
    instrument = Instrument.of(codec, [analyse_playable(codec, 0.1 * sound + noise, "saw")])
    assert instrument.header["sounds"][0]["measured"] >= min(76, len(orders))
    assert len(instrument.to_bytes()) <= most


def test_four_seconds_without_a_pitch_are_small(codec: Codec) -> None:
    drum = 0.2 * torch.randn(1, 4 * RATE, generator=torch.Generator().manual_seed(0))
    instrument = Instrument.from_sounds(codec, [drum], ["noise"])
    (facts,) = instrument.header["sounds"]
    assert not facts["pitched"] and facts["reason"].startswith("no one pitch")
    assert facts["notes"] == [f"it has {facts['reason']}: its recording plays at its own pitch on every key"]
    assert len(instrument.to_bytes()) <= 150_000


def test_what_is_no_instrument_is_refused(pair: Instrument, tmp_path: Path) -> None:
    data = pair.to_bytes()
    for broken in (b"", b"text", data[:100], data[:-1], bytes(len(data))):
        with pytest.raises(InputError, match="an instrument must be a file that intertone wrote, got"):
            Instrument.from_bytes(broken)
    newer = Instrument({**pair.header, "format": 2}, pair.tensors)
    with pytest.raises(InputError, match="an instrument must have format 1, got 2"):
        Instrument.from_bytes(newer.to_bytes())
    less = Instrument(pair.header, {name: value for name, value in pair.tensors.items() if name != "1.noise"})
    with pytest.raises(InputError, match=r"an instrument must hold 1\.noise, got a file without"):
        Instrument.from_bytes(less.to_bytes())
    with pytest.raises(InputError, match=r"must end in \.intertone, got"):
        pair.save(tmp_path / "a.wav")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="an instrument's file must be readable, got"):
        Instrument.load(tmp_path / "none.intertone")


def test_sounds_that_make_no_instrument_are_refused(codec: Codec) -> None:
    sound = note("organ", 60, 2)
    with pytest.raises(InputError, match="must have 1 to 4 sounds, got 5"):
        Instrument.from_sounds(codec, [sound] * 5, list("abcde"))
    with pytest.raises(InputError, match="as many names as sounds, got 1 and 2"):
        Instrument.from_sounds(codec, [sound] * 2, ["a"])
    with pytest.raises(InputError, match="one or two channels, got shape"):
        analyse_playable(codec, sound.expand(3, -1), "a")
    with pytest.raises(InputError, match=r"must last 60 s at most, got 61\.0 s"):
        analyse_playable(codec, torch.zeros(1, 61 * RATE), "a")
    with pytest.raises(InputError, match="a harmonic codec, got one of kind decibel"):
        analyse_playable(Codec.load("thesis"), tone(60)[None], "a")


# what is stored


def test_a_phrase_is_said_to_be_played_as_one_note(codec: Codec) -> None:
    phrase = torch.cat([tone(key)[: RATE // 2] for key in (60, 64, 67)])[None]
    sentence = "tune holds 3 notes and is played as one; cut out a single note"
    assert sentence in analyse_playable(codec, phrase, "tune").notes
    assert analyse_playable(codec, tone(60)[None], "one").notes == ()


def test_facts_of_a_sound(pair: Instrument) -> None:
    string, guitar = pair.header["sounds"]
    assert string["pitch"] == pytest.approx(55, abs=0.05) and guitar["pitch"] == pytest.approx(60, abs=0.05)
    assert string["seconds"] == 2 and string["channels"] == 1
    low, high = string["loop"]
    assert string["attack"] < low < high <= string["turn"] < string["release"]
    assert guitar["loop"] is None  # it falls by more than 12 dB


def test_levels_come_back_within_half_a_step(codec: Codec) -> None:
    sound = note("clarinet", 58, 3)
    playable = analyse_playable(codec, sound, "clarinet")
    instrument = Instrument.of(codec, [playable])
    packed = {name.removeprefix("0."): value for name, value in instrument.tensors.items()}
    assert playable.analysis is not None
    track = track_of(playable.analysis)
    frames = stored_frames(track.amplitude.shape[-1], 6)
    found = unpack_partials(packed, track.amplitude.shape[-1])[..., frames]
    wanted = amplitude_to_db(track.amplitude[:, : found.shape[1], frames] / track.reference)
    loud = wanted > -90
    assert loud.float().mean() > 0.5
    assert (found - wanted)[loud].abs().max() < 0.26 + 0.01


def test_bytes_hold_levels_and_curves() -> None:
    decibels = torch.tensor([-109.5, -60.2, 0.0, 17.5])
    assert (unpack_levels(pack_levels(decibels)) - decibels).abs().max() <= 0.25
    assert unpack_levels(pack_levels(torch.tensor([-math.inf])))[0] == -math.inf
    curve = (0.5 * torch.randn(3, 50, generator=torch.Generator().manual_seed(0))).cumsum(-1)
    first, steps = pack_differences(curve, 64)
    found = first[:, None] + torch.cat([torch.zeros(3, 1), steps.float().cumsum(-1)], -1) / 64
    assert curve.diff().abs().max() < 1.9  # of 127 / 64
    assert (found - curve).abs().max() <= 0.5 / 64 + 1e-6


def test_a_recording_in_four_bits() -> None:
    sound = torch.stack([tone(50), 0.3 * tone(64)])
    stored = to_adpcm(sound)
    assert stored.dtype == torch.uint8 and stored.shape == (2, 8000)
    error = from_adpcm(stored, 16000) - sound
    assert (10 * torch.log10(sound.square().mean(-1) / error.square().mean(-1)) > 25).all()


# what the network says


def test_nothing_changes_at_the_own_key(codec: Codec) -> None:
    sound = note("trumpet", 60, 4)
    playable = analyse_playable(codec, sound, "trumpet")
    assert playable.register.shape[:2] == (15, 128)
    own = playable.register[KEYS.index(60)]
    far = playable.register[KEYS.index(96)]
    assert own.abs().mean() < 0.5 < 2 < far.abs().mean()


def test_the_pad_has_the_sounds_at_its_corners(pair: Instrument) -> None:
    assert pair.tensors["pad"].shape == (9, 5, 128, 4)
    assert not pair.tensors["pad"][:, [0, 4]].any()  # at a corner there is nothing between
    assert pair.tensors["pad"][:, 2].any()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_weights_of_the_pad_sum_to_one(count: int) -> None:
    corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
    for index, corner in enumerate(corners[:count]):
        if count != 2 or index < 2:
            assert pad_weights(*corner, count)[index] == 1 or count == 1
    assert sum(pad_weights(0.3, 0.8, count)) == pytest.approx(1)
    grid = pad_grid(count, list(range(count)))
    assert torch.allclose(grid.sum(1), torch.ones(len(grid)))


def test_an_unpitched_sound_leaves_the_others_their_correction(codec: Codec) -> None:
    drum = 0.2 * torch.randn(2, RATE, generator=torch.Generator().manual_seed(0))
    sounds = [note("voice", 57, 5), drum, note("organ", 62, 6)]
    instrument = Instrument.from_sounds(codec, sounds, ["voice", "drum", "organ"])
    assert [sound["pitched"] for sound in instrument.header["sounds"]] == [True, False, True]
    assert instrument.header["channels"] == 2
    assert instrument.tensors["pad"].shape == (9, 25, 128, 4)
    assert instrument.tensors["1.recording"].shape == (2, RATE // 2)


def test_a_mono_sound_is_as_loud_as_python_spreads_it(codec: Codec) -> None:
    sound = note("voice", 57, 7)
    mono, spread = (
        Instrument.from_sounds(codec, [one, note("organ", 60, 8).expand(2, -1)], ["a", "b"])
        for one in (sound, sound.expand(2, -1))
    )
    assert mono.header["sounds"][0]["loudness"] == pytest.approx(spread.header["sounds"][0]["loudness"], abs=0.01)


def test_the_method_is_that_of_a_morph(codec: Codec) -> None:
    assert harmonic_method(codec).takes.attributes == ("harmonics", "noise", "envelope", "pitch")
