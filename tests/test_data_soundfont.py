"""Banks: their tables, and which programs share a recording."""

import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from intertone.data.soundfont import INSTALL, Bank, find_soundfont, read_soundfont
from intertone.data.split import split_of
from intertone.errors import InputError

FLUID = Path("/usr/share/sounds/sf3/FluidR3Mono_GM.sf3")
SINE, HIGH, LEFT, RIGHT, SILENT = range(5)


def fluid_r3() -> Path:
    """The bank of the package fluidr3mono-gm-soundfont, with the library that plays it."""
    needs_library()
    return FLUID if FLUID.is_file() else missing()


def needs_library() -> None:
    """Skip where libfluidsynth or pyfluidsynth is absent; under CI the test then fails by itself."""
    if not os.environ.get("CI"):
        pytest.importorskip("fluidsynth", reason=INSTALL, exc_type=ImportError)


def missing() -> Path:
    if os.environ.get("CI"):
        pytest.fail(INSTALL)
    pytest.skip(INSTALL)


# ---- a small bank of our own


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def generator(kind: int, low: int, high: int = 0) -> bytes:
    return struct.pack("<HBB", kind, low, high)


def make_bank(path: Path, *, name: bytes = b"Small.sf2") -> Path:
    """Write a bank of 44.1 kHz sines: 261.6 Hz, 15 kHz, two halves of a stereo pair, and silence.

    Program 0: the sine on keys 40-80, cut to 50-100 by the preset: 50-80. Program 1: 15 kHz. Program 2 and 3: one half
    each. Program 4: the sine again, twice: soft below velocity 64, and the same pitch on every key from 64 on.
    Program 5: silence.
    """
    time = np.arange(44100) / 44100
    sounds = [np.sin(2 * np.pi * hz * time) for hz in (261.6255653, 15000, 440, 440, 0)]
    pcm, records = b"", b""
    for index, sound in enumerate(sounds):
        start = len(pcm) // 2
        link, kind = {LEFT: (RIGHT, 4), RIGHT: (LEFT, 2)}.get(index, (0, 1))
        pcm += np.round(20000 * sound).astype("<i2").tobytes() + bytes(92)
        records += struct.pack(
            "<20sIIIIIBbHH", b"s%d" % index, start, start + 44100, start + 8, start + 44000, 44100, 60, 0, link, kind
        )
    records += struct.pack("<20sIIIIIBbHH", b"EOS", *[0] * 9)
    key_range, velocity_range, instrument, sample, scale_tuning = 43, 44, 41, 53, 56
    instruments = [
        [[generator(key_range, 40, 80)], [generator(sample, SINE)]],  # the first is global
        [[generator(sample, HIGH)]],
        [[generator(sample, LEFT)]],
        [[generator(sample, RIGHT)]],
        [
            [generator(velocity_range, 0, 63), generator(sample, SINE)],
            [generator(velocity_range, 64, 127), generator(scale_tuning, 0), generator(sample, SINE)],
        ],
        [[generator(sample, SILENT)]],
    ]
    presets = [[[generator(instrument, index)]] for index in range(6)]
    presets[0] = [[generator(key_range, 50, 100), generator(instrument, 0)]]
    tables = b"phdr", b"pbag", b"pgen", b"inst", b"ibag", b"igen"
    content = dict(zip(tables, [*level(presets, b"p", preset=True), *level(instruments, b"i")], strict=True))
    content[b"pmod"] = content[b"imod"] = bytes(10)
    order = (b"phdr", b"pbag", b"pmod", b"pgen", b"inst", b"ibag", b"imod", b"igen")
    pdta = b"".join(chunk(table, content[table]) for table in order) + chunk(b"shdr", records)
    info = chunk(b"ifil", struct.pack("<HH", 2, 1)) + chunk(b"isng", b"EMU8000\0") + chunk(b"INAM", name + b"\0")
    parts = ((b"INFO", info), (b"sdta", chunk(b"smpl", pcm)), (b"pdta", pdta))
    path.write_bytes(chunk(b"RIFF", b"sfbk" + b"".join(chunk(b"LIST", kind + part) for kind, part in parts)))
    return path


def level(entries: list[list[list[bytes]]], letter: bytes, *, preset: bool = False) -> tuple[bytes, bytes, bytes]:
    """Lay out presets or instruments: headers, bags, generators, each with its terminal record."""
    headers, bags, generators = b"", b"", b""
    for index, zones in enumerate([*entries, []]):
        head = struct.pack("<20s", letter + b"%d" % index)
        bag = struct.pack("<H", len(bags) // 4)
        headers += head + (struct.pack("<HH", index, 0) + bag + bytes(12) if preset else bag)
        for zone in zones:
            bags += struct.pack("<HH", len(generators) // 4, 0)
            generators += b"".join(zone)
    return headers, bags + struct.pack("<HH", len(generators) // 4, 0), generators + bytes(4)


# ---- tables


def test_zones_of_both_levels_are_intersected(tmp_path: Path) -> None:
    bank = read_soundfont(make_bank(tmp_path / "x.sf2"))
    assert (bank.name, bank.programs, len(bank.samples)) == ("Small", (0, 1, 2, 3, 4, 5), 5)
    (zone,) = bank.presets[0, 0].zones
    assert (zone.key_low, zone.key_high, zone.velocity_low, zone.velocity_high) == (50, 80, 0, 127)
    assert [len(bank.sounding(0, pitch, 100)) for pitch in (49, 50, 80, 81)] == [0, 1, 1, 0]
    assert bank.sounding(0, 60, 1)[0].name == "s0"
    assert [zone.scale_tuning for zone in bank.presets[0, 4].zones] == [100, 0]


def test_programs_that_share_a_recording_or_a_stereo_pair_are_one_group(tmp_path: Path) -> None:
    bank = read_soundfont(make_bank(tmp_path / "x.sf2"))
    assert list(bank.groups().values()) == [f"Small-{leader:03d}" for leader in (0, 1, 2, 2, 0, 5)]
    renamed = read_soundfont(make_bank(tmp_path / "another name.sf2"))
    assert renamed.groups() == bank.groups()


def test_fluid_r3_has_the_groups_that_were_counted() -> None:
    bank = read_soundfont(fluid_r3())
    groups = bank.groups()
    sizes = Counter(groups.values())
    assert (len(bank.programs), len(bank.samples), len(sizes)) == (128, 1037, 90)
    assert sum(size for size in sizes.values() if size > 1) == 51
    assert {program for program, group in groups.items() if group == "FluidR3Mono_GM-024"} >= {24}
    assert bank.presets[0, 73].name == "Flute"
    # the contrabass ends at 81, the tuba at 72
    assert [program for program in (43, 58) if not bank.sounding(program, 82, 100)] == [43, 58]
    assert bank.sounding(43, 81, 100)
    assert leaks(bank) == []


def leaks(bank: Bank) -> list[str]:
    """Recordings that are heard in more than one split."""
    splits: dict[tuple[int, int], set[str]] = {}
    for program, group in bank.groups().items():
        for zone in bank.presets[0, program].zones:
            splits.setdefault(bank.samples[zone.sample].place, set()).add(split_of(group))
    return [str(place) for place, found in splits.items() if len(found) > 1]


def test_what_is_no_bank_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_bank(tmp_path / "x.sf2")
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(InputError, match="must be a complete SoundFont file"):
        read_soundfont(path)
    path.write_bytes(content.replace(b"shdr", b"nope"))
    with pytest.raises(InputError, match="must be a complete SoundFont file"):
        read_soundfont(path)
    monkeypatch.setattr("intertone.data.soundfont.MOST_ZONES", 6)
    path.write_bytes(content)
    with pytest.raises(InputError, match="a soundfont must have at most 6 zones, got more in"):
        read_soundfont(path)
    path.write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(InputError, match=r"x\.sf2 must be a SoundFont file \(\.sf2, \.sf3\), got something else$"):
        read_soundfont(path)
    monkeypatch.setenv("SOUNDFONT", str(tmp_path / "none.sf2"))
    with pytest.raises(InputError, match=r"the soundfont must be a file, got .*none\.sf2"):
        find_soundfont()
    monkeypatch.setenv("SOUNDFONT", str(path))
    assert find_soundfont() == path


def test_tables_that_point_backwards_are_refused(tmp_path: Path) -> None:
    path = make_bank(tmp_path / "x.sf2")
    content = bytearray(path.read_bytes())
    bag = content.index(b"phdr") + 8 + 38 + 24  # of the second program
    assert content[bag : bag + 2] == b"\1\0"
    content[bag : bag + 2] = b"\5\0"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"must be a complete SoundFont file, got a damaged one \(phdr points backwards"
    ):
        read_soundfont(path)


def test_no_other_bank_than_fluid_r3_mono_is_taken_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    monkeypatch.delenv("SOUNDFONT", raising=False)
    monkeypatch.setattr("intertone.data.soundfont._PLACES", (str(first), str(second)))
    with pytest.raises(
        InputError, match=r"^FluidR3Mono_GM must be installed or another SoundFont be given, got neither; apt"
    ):
        find_soundfont()
    other = make_bank(first / "Another_GM.sf2")
    with pytest.raises(
        InputError, match=r"another SoundFont be given \(here: .*1/Another_GM\.sf2\), got neither; apt-get install"
    ):
        find_soundfont()
    assert find_soundfont(other) == other
    second.mkdir()
    wanted = make_bank(second / "FluidR3Mono_GM.sf3")
    assert find_soundfont() == wanted
    monkeypatch.setenv("SOUNDFONT", str(other))
    assert find_soundfont() == other
