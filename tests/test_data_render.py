"""Banks and their notes: the tables, the groups, the pitch, no folding, the same bytes however it was made."""

import json
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from intertone.cli.data import app
from intertone.data.notes import Notes
from intertone.data.render import FAMILIES, RenderConfig, render_bank
from intertone.data.soundfont import INSTALL, Bank, find_soundfont, read_soundfont
from intertone.data.split import split_of
from intertone.data.synth import Synth, synthesis_rate
from intertone.errors import InputError

FLUID = Path("/usr/share/sounds/sf3/FluidR3Mono_GM.sf3")
SHORT = RenderConfig(hold_seconds=0.3, release_seconds=0.1, pitch_step=12, velocities=(100,))
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


def peak_hz(audio: npt.NDArray[np.float32], sample_rate: int) -> float:
    """Frequency of the strongest partial, by a parabola through the logarithm of the three highest bins."""
    windowed = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 8 * len(audio)))
    top = int(windowed.argmax())
    below, at, above = np.log(windowed[top - 1 : top + 2])
    return float((top + 0.5 * (below - above) / (below - 2 * at + above)) * sample_rate / (8 * len(audio)))


# ---- tables


def test_zones_of_both_levels_are_intersected(tmp_path: Path) -> None:
    bank = read_soundfont(make_bank(tmp_path / "x.sf2"))
    assert (bank.name, bank.programs, len(bank.samples)) == ("Small", (0, 1, 2, 3, 4, 5), 5)
    (zone,) = bank.presets[0, 0].zones
    assert (zone.key_low, zone.key_high, zone.velocity_low, zone.velocity_high) == (50, 80, 0, 127)
    assert [len(bank.sounding(0, pitch, 100)) for pitch in (49, 50, 80, 81)] == [0, 1, 1, 0]
    assert bank.sounding(0, 60, 1)[0].name == "s0"
    assert [zone.scale_tuning for zone in bank.presets[0, 4].zones] == [100, 0]
    assert (bank.samples[HIGH].sample_rate, bank.samples[HIGH].root_key) == (44100, 60)


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
    path.write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(InputError, match=r"x\.sf2 must be a SoundFont file \(\.sf2, \.sf3\), got something else$"):
        read_soundfont(path)
    monkeypatch.setenv("SOUNDFONT", str(tmp_path / "none.sf2"))
    with pytest.raises(InputError, match=r"the soundfont must be a file, got .*none\.sf2"):
        find_soundfont()
    monkeypatch.setenv("SOUNDFONT", str(path))
    assert find_soundfont() == path


# ---- rendering


def test_a_note_has_its_pitch_and_starts_at_once(tmp_path: Path) -> None:
    needs_library()
    config = RenderConfig(hold_seconds=0.5, release_seconds=0.1, pitch_step=3, velocities=(40, 127))
    render_bank(make_bank(tmp_path / "x.sf2"), tmp_path / "out", config=config, programs=[0], workers=1)
    notes = Notes.open(tmp_path / "out")
    assert sorted(set(notes.pitch.tolist())) == [51, 54, 57, 60, 63, 66, 69, 72, 75, 78]
    audio = notes.audio(range(len(notes))).numpy()
    for note, pitch in zip(audio, notes.pitch, strict=True):
        cents = 1200 * np.log2(peak_hz(note[:8000], 16000) / (440 * 2 ** ((int(pitch) - 69) / 12)))
        assert abs(cents) < 2
        assert np.flatnonzero(np.abs(note) > 0.1 * np.abs(note).max())[0] < 48  # 3 ms
    loud, soft = (np.abs(audio[notes.velocity == velocity]).max() for velocity in (127, 40))
    # the SoundFont default is 40 dB a tenth of velocity: 40·log10(127/40) = 20.07 dB
    assert 20 * np.log10(loud / soft) == pytest.approx(20.07, abs=0.5)


def test_nothing_folds_down(tmp_path: Path) -> None:
    needs_library()
    path = make_bank(tmp_path / "x.sf2")
    with Synth(path, sample_rate=16000, gain=1.0) as synth:
        naive = synth.note(1, 60, 127, hold=4000, release=0)
    assert peak_hz(naive[0], 16000) == pytest.approx(1000, abs=5)  # 15 kHz, folded at 8 kHz
    config = RenderConfig(hold_seconds=0.3, pitch_min=60, pitch_max=60, velocities=(127,), gain=1.0)
    render_bank(path, tmp_path / "out", config=config, programs=[1], workers=1)
    held = Notes.open(tmp_path / "out").audio([0])[0, 1000:4000]
    # what stays is FluidSynth's own interpolation noise
    assert 20 * np.log10(held.abs().max().item() / np.abs(naive[:, 1000:4000]).max()) < -55


def test_what_is_not_heard_is_left_out(tmp_path: Path) -> None:
    needs_library()
    path = make_bank(tmp_path / "x.sf2")
    with pytest.raises(InputError, match="something must sound, but none of 1 programs did"):
        render_bank(path, tmp_path / "out", config=SHORT, programs=[5], workers=1)
    line = json.loads((tmp_path / "out/report.jsonl").read_text())
    assert line["skipped"] == {"silent": [f"{pitch:03d}-100" for pitch in range(21, 109, 12)]}
    header = render_bank(path, tmp_path / "both", config=SHORT, programs=[0, 5], workers=1)
    assert (header["shards"], header["skipped"]) == ([2, 0], {"silent": 8, "no zone covers the key": 6})


def test_pitch_is_unknown_where_the_bank_does_not_follow_the_keys(tmp_path: Path) -> None:
    needs_library()
    config = SHORT.model_copy(update={"velocities": (50, 100), "pitch_min": 60, "pitch_max": 60})
    render_bank(make_bank(tmp_path / "x.sf2"), tmp_path / "out", config=config, programs=[4], workers=1)
    notes = Notes.open(tmp_path / "out")
    assert (notes.pitch.tolist(), notes.name.tolist()) == ([60, -1], ["004-p4-060-050", "004-p4-060-100"])


def test_fluid_r3_plays_in_tune_with_names_and_families(tmp_path: Path) -> None:
    header = render_bank(fluid_r3(), tmp_path, config=SHORT, programs=[73, 16, 43, 79], workers=1)
    notes = Notes.open(tmp_path)
    assert sorted(set(notes.instrument.tolist())) == ["016-drawbarorgan", "043-contrabass", "073-flute", "079-ocarina"]
    assert set(notes.family[notes.select(instrument="043-contrabass")].tolist()) == {"strings"}
    assert header["skipped"] == {"no zone covers the key": 2}  # 93 and 105 of the contrabass
    assert notes.audio(range(len(notes))).abs().max() < 1
    for index in notes.select(instrument=["073-flute", "079-ocarina"], pitch=[57, 69, 81]):
        note = notes.audio([index])[0].numpy()[800:4800]
        wanted = 440 * 2 ** ((int(notes.pitch[index]) - 69) / 12)
        assert abs(1200 * np.log2(peak_hz(note, 16000) / wanted)) < 20, notes.name[index]
    assert len(FAMILIES) == 16


def test_a_note_is_the_same_whatever_was_played_before() -> None:
    path = fluid_r3()
    jobs = [(program, pitch, 100) for program in (0, 48, 73, 98) for pitch in (30, 60, 90)]
    length = {"hold": 20000, "release": 5003}
    with Synth(path, sample_rate=96000, gain=0.8) as synth:
        first = [synth.note(*job, **length) for job in jobs]
        again = [synth.note(*job, **length) for job in reversed(jobs)][::-1]
    assert first[0].shape == (2, 25003)
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    for workers in (1, 2):
        render_bank(fluid_r3(), tmp_path / str(workers), config=SHORT, programs=[0, 24, 73, 98], workers=workers)
    assert files(tmp_path / "1") == files(tmp_path / "2")


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    path, programs = fluid_r3(), [0, 7, 24, 73]
    code = (
        "import sys; from intertone.data.render import *\n"
        "config = RenderConfig.parse(eval(sys.argv[3]))\n"
        f"render_bank(sys.argv[1], sys.argv[2], config=config, programs={programs}, workers=1,"
        " progress=lambda done, total: print(done, flush=True) or sys.stdin.read(1))"
    )
    words = [sys.executable, "-c", code, str(path), str(tmp_path / "killed"), repr(SHORT.model_dump())]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGKILL)
    assert [name for name in files(tmp_path / "killed") if name.endswith(".npy")] == ["shard-00000.npy"]
    done: list[int] = []
    render_bank(
        path, tmp_path / "killed", config=SHORT, programs=programs, workers=1, progress=lambda n, _: done.append(n)
    )
    assert done == [2, 3, 4]
    render_bank(path, tmp_path / "whole", config=SHORT, programs=programs, workers=1)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    with pytest.raises(InputError, match="but pitch_step was 12 there and is 1 now"):
        render_bank(path, tmp_path / "whole", programs=programs, config=SHORT.model_copy(update={"pitch_step": 1}))


def test_a_process_that_is_killed_is_said_and_made_good(tmp_path: Path) -> None:
    path, programs = fluid_r3(), [0, 7, 24, 40, 48, 73]

    def kill(done: int, total: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(InputError, match="every rendering process must live to its end"):
        render_bank(path, tmp_path, config=SHORT, programs=programs, workers=2, progress=kill)
    header = render_bank(path, tmp_path, config=SHORT, programs=programs, workers=1)
    assert len(header["shards"]) == 6


def test_command_line_renders(tmp_path: Path) -> None:
    words = ["render", str(fluid_r3()), "-o", str(tmp_path / "set"), "--programs", "73", "--workers", "1", "--json"]
    result = CliRunner().invoke(app, [*words, "--pitch-step", "40", "--velocities", "25"], catch_exceptions=False)
    content = json.loads(result.stdout)
    assert content["samples"] == 64000
    assert content["counts"][split_of("FluidR3Mono_GM-073")] == {"notes": 3, "instruments": 1, "groups": 1}


# ---- refusals


def test_rendering_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_bank(tmp_path / "x.sf2")
    with pytest.raises(InputError, match=r"programs must be some of the bank's 6, got \[9\]"):
        render_bank(path, tmp_path / "out", programs=[0, 9])
    with pytest.raises(InputError, match="workers must be >= 1, got 0"):
        render_bank(path, tmp_path / "out", workers=0)
    with pytest.raises(InputError, match=r"sample_rate must be in 4000\.\.96000 Hz, got 192000"):
        synthesis_rate(192000)
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    with pytest.raises(InputError, match=r"apt-get install libfluidsynth3 .*pip install 'intertone\[render\]'"):
        render_bank(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bank_that_the_library_cannot_load_is_refused(tmp_path: Path) -> None:
    needs_library()
    (tmp_path / "x.sf2").write_bytes(b"nothing")
    with pytest.raises(InputError, match="FluidSynth must be able to load the soundfont"):
        Synth(tmp_path / "x.sf2", sample_rate=48000, gain=1.0)
    with (
        Synth(make_bank(tmp_path / "y.sf2"), sample_rate=48000, gain=1.0) as synth,
        pytest.raises(InputError, match="the program must be in the bank, got 99"),
    ):
        synth.note(99, 60, 100, hold=64, release=0)
