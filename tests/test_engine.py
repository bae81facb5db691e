"""The real-time engine: what it plays, in node, against Python's morph, the recordings and the physics of sound."""

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from commands import NODE

from intertone.bench.instruments import INSTRUMENTS, draw_note, render_note
from intertone.codec import Codec
from intertone.instrument import Instrument
from intertone.pitch.note import pitch_to_hz

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
RATE = 44100

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None and not os.environ.get("CI"), reason="node: apt install nodejs"
)

Array = npt.NDArray[np.float64]
Event = dict[str, object]


def note(name: str, key: int, seed: int) -> torch.Tensor:
    """A synthetic note of two seconds that no other test uses."""
    return render_note(draw_note(INSTRUMENTS[name], key, np.random.default_rng([1601, seed])), RATE)[None]


def on(key: float, time: float = 0.0, *, name: int = 1, velocity: float = 1.0) -> Event:
    return {"time": time, "type": "noteOn", "key": key, "velocity": velocity, "id": name}


def off(time: float, *, name: int = 1) -> Event:
    return {"time": time, "type": "noteOff", "id": name}


def turn(parameter: str, value: float, time: float) -> Event:
    return {"time": time, "type": "set", "name": parameter, "value": value}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Instruments: held and plucked, of 100 partials, a drum alone or beside a voice, a bell, short sounds."""
    folder = tmp_path_factory.mktemp("instruments")
    codec = Codec.load("harmonic")
    time = torch.arange(2 * RATE) / RATE
    drum = torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(1602)) * torch.exp(-12 * time) * 0.3
    made = {
        "pair": [note("voice", 57, 0), note("piano", 62, 1)],
        "rich": [buzz(33, 1.0), buzz(45, 0.5)],
        "drum": [drum],
        "drum-voice": [drum, note("voice", 57, 2)],
        "odd": [bell(), note("string", 69, 3), note("trumpet", 65, 4)],
        "wide": [wide(220.0, 0.2), wide(223.0, 0.0)],
        "wide-plucked": [wide(223.0, 0.0, decay=2.5)],
        "uneven": [uneven()],
        "short": [note("organ", 60, 5)[:, :4000], note("piano", 60, 6)[:, :9000]],
    }
    for name, sounds in made.items():
        Instrument.from_sounds(codec, sounds, [str(at) for at in range(len(sounds))]).save(folder / f"{name}.intertone")
    (folder / "drum.f32").write_bytes(drum.numpy().tobytes())
    return folder


def buzz(key: int, tilt: float) -> torch.Tensor:
    """A held note of a hundred steady partials, ``1 / k**tilt``."""
    time = torch.arange(2 * RATE, dtype=torch.float64) / RATE
    orders = torch.arange(1, 101, dtype=torch.float64)[:, None]
    sound = (torch.sin(2 * torch.pi * pitch_to_hz(key) * orders * time + orders**2) / orders**tilt).sum(0)
    sound = sound * (time / 0.02).clamp(max=1) * ((2 - time) / 0.1).clamp(max=1)
    return (0.3 * sound / sound.abs().max()).float()[None]


def wide(right_hz: float, turned: float, decay: float = 0.0) -> torch.Tensor:
    """An A3 whose right channel has another frequency, or turns against the left one by a part of a period."""
    time = torch.arange(2 * RATE, dtype=torch.float64) / RATE
    phases = torch.stack([220 * time, right_hz * time + turned * time / 2])
    sound = 0.1 * sum(torch.sin(2 * torch.pi * k * phases) for k in (1, 2))
    return (sound * (time / 0.02).clamp(max=1) * ((2 - time) / 0.1).clamp(max=1) * torch.exp(-decay * time)).float()


def uneven() -> torch.Tensor:
    """A held A3 on the left, whose second partial is 2 Hz too high, and soft noise on the right."""
    time = torch.arange(2 * RATE, dtype=torch.float64) / RATE
    left = 0.1 * (torch.sin(2 * torch.pi * 220 * time) + torch.sin(2 * torch.pi * 442 * time))
    right = 3e-4 * torch.randn(2 * RATE, generator=torch.Generator().manual_seed(1603))
    return (torch.stack([left, right]) * (time / 0.02).clamp(max=1) * ((2 - time) / 0.1).clamp(max=1)).float()


def bell() -> torch.Tensor:
    """A struck bell, whose partials are no multiples of one another."""
    time = torch.arange(2 * RATE) / RATE
    ratios = (0.5, 1.0, 1.19, 1.56, 2.0, 2.51, 2.66, 3.01, 4.1)
    parts = [torch.sin(880 * torch.pi * ratio * time + ratio) * torch.exp(-ratio * time) for ratio in ratios]
    return 0.1 * torch.stack(parts).sum(0)[None]


def play(folder: Path, instrument: str, events: list[Event], **options: object) -> Array:
    """Return what the engine plays, ``(2, samples)``."""
    jobs, out = folder / "jobs.json", folder / "out.f32"
    path = str(folder / f"{instrument}.intertone")
    jobs.write_text(json.dumps([{"instrument": path, "events": events, "options": options, "out": str(out)}]))
    subprocess.run([*NODE, str(BENCHMARKS / "render.mjs"), str(jobs)], check=True, capture_output=True, timeout=1200)
    return np.fromfile(out, np.float32).reshape(2, -1).astype(np.float64)


def measured(*arguments: str) -> dict[str, dict[str, dict[str, list[float]]]]:
    words = [sys.executable, str(BENCHMARKS / "engine.py"), "--json", *arguments]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True, timeout=1200).stdout)


def level_db(sound: Array) -> float:
    return 10 * float(np.log10(np.mean(sound**2) + 1e-20))


# against Python and the recordings


def test_four_notes_sound_as_python_morphs_them() -> None:
    found = measured("--notes", "4", "--rates", "44100")
    notes = found["rates"]["44100"]
    assert max(notes["excess"]) <= 1.0
    assert max(notes["partials"]) <= 0.8
    assert max(notes["level"]) <= 1.0
    assert np.median(found["corners"]) <= 0.7


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["44100", "48000", "96000"])
def test_forty_notes_sound_as_python_morphs_them(rate: str) -> None:
    found = measured("--rates", rate)
    notes = found["rates"][rate]
    assert len(notes["excess"]) == 40
    assert np.median(notes["excess"]) <= 0.5 and np.quantile(notes["excess"], 0.9) <= 1.0
    assert np.median(notes["partials"]) <= 0.3
    assert np.quantile(notes["attack"], 0.9) <= 5.0
    assert np.median(found["corners"]) <= 0.7


def test_a_sound_without_one_pitch_is_its_recording(folder: Path) -> None:
    recording = np.fromfile(folder / "drum.f32", np.float32).astype(np.float64)
    for key in (48, 72):  # at its own pitch on every key
        played = play(folder, "drum", [on(key)], seconds=2)[0]
        assert np.corrcoef(played, recording)[0, 1] > 0.97  # white noise is the hardest for 4 bits a sample
        assert level_db(played) == pytest.approx(level_db(recording), abs=0.5)


def test_a_recording_is_faded_by_the_pad(folder: Path) -> None:
    levels = [
        level_db(play(folder, "drum-voice", [on(57)], seconds=0.1, pad=[x, 0])[0, :2205]) for x in (0.0, 0.5, 1.0)
    ]
    assert levels[0] - 6 < levels[1] < levels[0] + 1
    assert levels[2] < levels[0] - 10


def test_a_recording_is_as_loud_beside_other_sounds_as_alone(folder: Path) -> None:
    """The correction of loudness is that of the sounds with a pitch."""
    for key in (33, 57, 84):
        alone, beside = (
            play(folder, name, [on(key)], seconds=1, pad=[0, 0], limit=False)[0] for name in ("drum", "drum-voice")
        )
        assert level_db(beside) == pytest.approx(level_db(alone), abs=0.3)


# physics


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("key", [45, 60.5, 84])
def test_a_key_has_its_pitch(folder: Path, rate: int, key: float) -> None:
    sound = play(folder, "rich", [on(key)], seconds=1.6, sampleRate=rate, pad=[0.3, 0], noise=False)[0]
    assert abs(cents_of(sound[rate // 4 :], rate, pitch_to_hz(key))) < 2


def cents_of(sound: Array, rate: int, wanted: float) -> float:
    """Distance of the first partial from a frequency: the turn of its phase over a second."""
    time = np.arange(rate // 4) / rate
    window = np.hanning(len(time))
    turning = np.exp(-2j * np.pi * wanted * time)
    starts = np.arange(0, rate - len(time), rate // 100)
    phases = [np.angle(np.sum(sound[s : s + len(time)] * window * turning)) for s in starts]
    moved = np.unwrap(np.array(phases) - 2 * np.pi * wanted * starts / rate)
    hz = np.polyfit(starts / rate, moved, 1)[0] / (2 * np.pi)
    return float(1200 * np.log2(1 + hz / wanted))


@pytest.mark.parametrize("key", [36, 60, 84, 96])
def test_nothing_lies_between_the_partials(folder: Path, key: int) -> None:
    """Images, aliases and quantisation noise lie 70 dB below the loudest partial."""
    sound = play(folder, "rich", [on(key)], seconds=1.4, noise=False, limit=False)[0][RATE // 4 : RATE // 4 + RATE]
    power = np.abs(np.fft.rfft(sound * np.blackman(len(sound)))) ** 2
    decibels = 10 * np.log10(power / power.max() + 1e-20)
    hz, f0 = np.fft.rfftfreq(len(sound), 1 / RATE), pitch_to_hz(key)
    away = np.abs(hz / f0 - np.round(hz / f0)) * f0
    assert decibels[(away > 0.4 * f0) | (hz > 20100)].max() < -70


@pytest.mark.parametrize("key", [36, 60, 84, 96])
def test_a_bend_makes_no_image(folder: Path, key: int) -> None:
    """Two semitones in 50 ms: nothing is heard above the highest partial or below the lowest."""
    bends = [turn("bend", 2 * step / 17, 0.5 + 0.003 * step) for step in range(18)]
    sound = play(folder, "rich", [on(key), *bends], seconds=1, noise=False, limit=False)[0]
    part = sound[round(0.45 * RATE) : round(0.75 * RATE)]
    power = np.abs(np.fft.rfft(part * np.blackman(len(part)))) ** 2
    hz = np.fft.rfftfreq(len(part), 1 / RATE)
    outside = (hz > 20050) | (hz < 0.5 * pitch_to_hz(key))
    assert 10 * np.log10(power[outside].max() / power.max()) < -70


def roughness(sound: Array) -> Array:
    """Level of the sound above 18 kHz in blocks of 128 samples, dB: clicks are wide-band."""
    spectrum = np.fft.rfft(sound)
    spectrum[: round(len(spectrum) * 18000 / (RATE / 2))] = 0
    high = np.fft.irfft(spectrum, len(sound))
    blocks = high[: len(high) // 128 * 128].reshape(-1, 128)
    return 10 * np.log10(np.mean(blocks**2, 1) + 1e-14)


def test_the_pad_moves_without_clicks(folder: Path) -> None:
    moves = [turn("padX", float(at % 2), 0.3 + 0.1 * at) for at in range(20)]
    corners = [play(folder, "rich", [on(60)], seconds=2.4, noise=False, pad=[x, 0])[0] for x in (0, 1)]
    moved = play(folder, "rich", [on(60), *moves], seconds=2.4, noise=False)[0]
    inside = slice(60, 800)
    assert roughness(moved)[inside].max() < max(roughness(corner)[inside].max() for corner in corners) + 6
    assert level_db(moved[RATE:]) > min(level_db(corner[RATE:]) for corner in corners) - 3


def test_a_stolen_voice_does_not_click(folder: Path) -> None:
    events = [on(40 + step, 0.05 * step, name=step) for step in range(12)]
    sound = play(folder, "rich", events, seconds=0.8, voices=4, noise=False, params={"volume": 0.1})[0]
    beginning = play(folder, "rich", [on(40)], seconds=0.8, noise=False, params={"volume": 0.1})[0]
    assert roughness(sound).max() < roughness(beginning).max() + 10
    assert level_db(sound[-4410:]) > -60


# notes


def test_a_held_sound_goes_on_and_a_plucked_one_ends(folder: Path) -> None:
    held = play(folder, "pair", [on(57)], seconds=8, pad=[0, 0])[0]
    plucked = play(folder, "pair", [on(62)], seconds=12, pad=[1, 0])[0]
    assert level_db(held[-RATE:]) > level_db(held[RATE : 2 * RATE]) - 6
    assert level_db(plucked[-RATE:]) < level_db(plucked[:RATE]) - 60


def test_the_channels_of_a_held_note_do_not_drift_apart(folder: Path) -> None:
    both = play(folder, "wide", [on(57)], seconds=40, noise=False, pad=[0, 0])[:, RATE:]
    seconds = both.mean(0).reshape(-1, RATE)
    levels = [level_db(second) - level_db(both) for second in seconds]
    assert min(levels) > -3.5  # the second partial turns by 0.4 periods; in antiphase both vanish


def test_detuned_channels_of_a_held_note_keep_their_frequencies(folder: Path) -> None:
    both = play(folder, "wide", [on(57)], seconds=21, noise=False, pad=[1, 0])[:, RATE:]
    spectra = np.abs(np.fft.rfft(both * np.hanning(both.shape[1])))[:, : 300 * 20]
    left, right = spectra.argmax(1) / 20
    assert 1200 * np.log2(right / left) == pytest.approx(1200 * np.log2(223 / 220), abs=1.5)


def test_detuned_channels_stay_detuned_behind_the_end_of_the_recording(folder: Path) -> None:
    both = play(folder, "wide-plucked", [on(57)], seconds=3.6, noise=False, limit=False)[:, round(2.4 * RATE) :]
    spectra = np.abs(np.fft.rfft(both * np.hanning(both.shape[1]), 2**19))[:, : 300 * 2**19 // RATE]
    left, right = spectra.argmax(1)
    assert 1200 * np.log2(right / left) == pytest.approx(1200 * np.log2(223 / 220), abs=3)


def test_a_quiet_channel_does_not_move_the_frequencies_of_the_other(folder: Path) -> None:
    left = play(folder, "uneven", [on(57)], seconds=11, noise=False)[0][RATE : 10 * RATE]
    spectrum = np.fft.rfft(left)
    spectrum[np.abs(np.arange(len(spectrum)) / 9 - 440) > 60] = 0
    turning = np.fft.ifft(np.concatenate([2 * spectrum, np.zeros(len(left) - len(spectrum))]))
    hertz = np.angle(turning[1:] * turning[:-1].conj()) / (2 * np.pi) * RATE
    tenths = hertz[RATE // 2 :][: 80 * 4410].reshape(-1, 4410).mean(1)
    assert np.abs(tenths - np.median(tenths)).max() < 1


def test_a_release_begins_at_the_present_level(folder: Path) -> None:
    for time in (0.05, 0.5, 5.0):
        sound = play(folder, "pair", [on(57), off(time)], seconds=time + 1.5, pad=[0, 0], limit=False)[0]
        at = round(time * RATE)
        before, after = sound[at - 1000 : at], sound[at : at + 1000]
        assert abs(level_db(after) - level_db(before)) < 6
        assert level_db(sound[-2000:]) < -100


def test_the_pedal_holds_what_was_let_go(folder: Path) -> None:
    down, up = ({"time": time, "type": "sustain", "down": time < 1} for time in (0.1, 2.0))
    sound = play(folder, "pair", [on(57), down, off(0.5), up], seconds=4, pad=[0, 0])[0]
    assert level_db(sound[round(1.5 * RATE) : 2 * RATE]) > -40
    assert level_db(sound[-4410:]) < -100


def test_panic_ends_everything_within_20_ms(folder: Path) -> None:
    panic = {"time": 0.5, "type": "panic"}
    sound = play(folder, "pair", [on(50), on(57, 0.1, name=2), panic], seconds=0.7, pad=[0, 0])[0]
    assert np.abs(sound[round(0.52 * RATE) :]).max() == 0


def test_velocity_and_pressure_change_the_level(folder: Path) -> None:
    loud, soft = (
        level_db(play(folder, "pair", [on(57, velocity=velocity)], seconds=1, pad=[0, 0])[0]) for velocity in (1.0, 0.5)
    )
    assert 12 < loud - soft < 22
    pressed = play(folder, "pair", [on(57)], seconds=1, pad=[0, 0], params={"pressure": 1}, limit=False)[0]
    assert level_db(pressed) - loud == pytest.approx(6, abs=0.5)


def test_nothing_exceeds_full_scale(folder: Path) -> None:
    chord = [on(40 + 3 * step, name=step) for step in range(16)]
    sound = play(folder, "rich", chord, seconds=1, params={"volume": 4})
    assert 0.5 < np.abs(sound).max() <= 0.981


def test_an_attribute_follows_its_slider(folder: Path) -> None:
    """The voice with the piano's partials is spectrally nearer to the piano than to the voice."""
    voice, piano, mixed = (
        bands(play(folder, "pair", [on(57)], seconds=0.6, noise=False, pad=[x, 0], params=params)[0])
        for x, params in ((0, {}), (1, {}), (0, {"harmonics": 1}))
    )
    assert np.abs(mixed - piano).mean() < 0.5 * np.abs(mixed - voice).mean()


def bands(sound: Array) -> Array:
    """Levels of a sound in 19 bands of a third of an octave, dB relative to all, −50 at least."""
    power = np.abs(np.fft.rfft(sound[RATE // 4 :] * np.hanning(len(sound) - RATE // 4))) ** 2
    hz = np.fft.rfftfreq(len(sound) - RATE // 4, 1 / RATE)
    edges = 150 * 2 ** (np.arange(20) / 3)
    shares = [power[(hz >= low) & (hz < high)].sum() / power.sum() for low, high in pairwise(edges)]
    return 10 * np.log10(np.array(shares) + 1e-5)


def test_wild_controls_leave_every_sample_finite(folder: Path) -> None:
    generator = np.random.default_rng(1604)
    ranges = {"padX": (0, 1), "padY": (0, 1), "bend": (-12, 12), "attack": (0, 1), "sustain": (0, 1), "glide": (0, 0.5)}
    ranges |= {"harmonics": (-1, 1), "noise": (-1, 1), "envelope": (-1, 1), "register": (-1, 3), "release": (0, 1)}
    for instrument in ("pair", "odd", "short", "drum-voice"):
        begun = [(float(time), int(key)) for time, key in generator.uniform((0, 21), (1.5, 109), (12, 2))]
        events = [on(key, time, name=number) for number, (time, key) in enumerate(begun)]
        events += [off(time + 0.4, name=number) for number, (time, _) in enumerate(begun)]
        for name, (low, high) in ranges.items():
            events += [turn(name, float(generator.uniform(low, high)), at) for at in (0.3, 0.9, 1.4)]
        events.sort(key=lambda event: float(str(event["time"])))
        sound = play(folder, instrument, events, seconds=5)
        assert np.isfinite(sound).all() and 1e-3 < np.abs(sound).max() <= 0.981
        assert np.abs(sound[:, -1000:]).max() < 1e-3


def test_a_page_and_the_worklet_understand_each_other(folder: Path) -> None:
    words = [*NODE, str(Path(__file__).with_name("worklet_in_node.mjs")), str(folder / "pair.intertone")]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout)
    assert found["before"] == 0 == found["silent"]
    assert found["sounding"] > 0.05 < found["again"]  # what cannot be loaded leaves the instrument
    assert found["changed"] > 0.05 and found["step"] < 0.2 * found["again"]  # no click between two instruments
    assert found["refusal"] == "an instrument must be a file that intertone wrote, got less than 8 bytes"
    assert found["names"] == ["0", "1"]
    assert found["first"]["voices"] == 2 and found["first"]["partials"] > 50
    assert found["last"] == {"voices": 0, "partials": 0, "underruns": 0}
    assert found["single"]["voices"] == 1 and 0 < found["single"]["partials"] <= 40  # of two channels
    assert {"padX", "padY", "bend", "pressure", "volume", "tune", "glide", "register"} <= set(found["params"])


def test_the_performance_is_the_same_again(folder: Path) -> None:
    first, second = (play(folder, "pair", [on(50)], seconds=0.5, pad=[0.5, 0]) for _ in range(2))
    assert np.array_equal(first, second)


def test_a_damaged_instrument_is_refused_in_a_sentence(folder: Path) -> None:
    whole = (folder / "pair.intertone").read_bytes()
    for name, content in (("short", whole[:5]), ("cut", whole[:-100]), ("other", b"{" * 5000)):
        (folder / f"{name}.intertone").write_bytes(content)
        with pytest.raises(subprocess.CalledProcessError) as error:
            play(folder, name, [on(60)], seconds=0.1)
        assert b"Error: an instrument must be a file that intertone wrote, got" in error.value.stderr
