"""The map of codes: where instruments lie, what a place sounds like, and the engine's glide from place to place."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from commands import NODE

from intertone.codec import Codec
from intertone.errors import InputError
from intertone.instrument import Instrument, InstrumentBank, analyse_playable
from intertone.instrument.code_map import CodeMap, code_of_sound, heard_features
from intertone.instrument.decoded import PLAYED_LOUDNESS, decode_at_keys, decoded_instrument
from intertone.instrument.looped import looped_instrument, octaves_of
from intertone.loudness import maximum_momentary_loudness
from intertone.pitch.note import pitch_to_hz

ROOT = Path(__file__).parent.parent
RATE = 44100
PLACES = {"flute": "073-flute", "trumpet": "056-trumpet", "marimba": "012-marimba", "organ": "016-drawbarorgan"}

Array = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load("harmonic")


@pytest.fixture(scope="module")
def bank() -> InstrumentBank:
    return InstrumentBank.read("harmonic")


@pytest.fixture(scope="module")
def code_map(codec: Codec, bank: InstrumentBank) -> CodeMap:
    return CodeMap.of(codec, bank)


@pytest.fixture(scope="module")
def folder(codec: Codec, bank: InstrumentBank, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places")
    for name, program in PLACES.items():
        decoded_instrument(codec, bank.codes[program], name, seconds=4.0).save(folder / f"{name}.intertone")
    return folder


# places


def test_instruments_that_sound_alike_lie_near(code_map: CodeMap) -> None:
    """Of the six instruments that sound most alike, some are among the six nearest on the map; by chance 0.39 were."""
    heard, places = (_nearest(values) for values in (code_map.heard, code_map.places))
    kept = np.mean([len(set(a) & set(b)) for a, b in zip(heard, places, strict=True)])
    assert kept > 2.5
    names = list(code_map.names)
    assert np.linalg.norm(code_map.places[names.index("violin")] - code_map.places[names.index("viola")]) < 0.15
    x = code_map.places[:, 0]
    assert max(x[names.index(name)] for name in ("marimba", "xylophone", "kalimba")) < 0.25  # struck on the left
    assert min(x[names.index(name)] for name in ("trumpet", "violin", "accordion")) > 0.75  # held on the right


def _nearest(values: Array) -> npt.NDArray[np.int64]:
    distance = np.linalg.norm(values[:, None] - values[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1)[:, :6]


def test_places_are_apart_and_inside(code_map: CodeMap) -> None:
    distance = np.linalg.norm(code_map.places[:, None] - code_map.places[None], axis=-1) + np.eye(94)
    assert distance.min() > 0.06
    assert code_map.places.min() >= 0 and code_map.places.max() <= 1


def test_a_place_at_an_instrument_is_that_instrument(code_map: CodeMap) -> None:
    for place, code in zip(code_map.places, code_map.codes, strict=True):
        assert torch.equal(code_map.code(place), code)


def test_a_small_step_is_a_small_change_everywhere(codec: Codec, code_map: CodeMap) -> None:
    """A hundredth of the map changes levels by less than 3 dB in the mean; two instruments differ by 5.2 dB."""
    generator = np.random.default_rng(1701)
    start = generator.uniform(0.01, 0.99, (150, 2))
    angle = generator.uniform(0, 2 * np.pi, 150)
    steps = start + 0.01 * np.stack([np.cos(angle), np.sin(angle)], 1)
    before, after = (
        heard_features(codec, torch.stack([code_map.code(place) for place in places]), 4.0) for places in (start, steps)
    )
    change = np.abs(before - after).mean(1) * np.sqrt(before.shape[1])
    assert np.median(change) < 0.35
    assert change.max() < 3


def test_parts_fade_in_where_the_nearest_change(code_map: CodeMap) -> None:
    """Along a line no part jumps: a thousandth of the map changes it by less than a twentieth."""
    line = np.stack([np.linspace(0.1, 0.9, 801), np.linspace(0.8, 0.3, 801)], 1)
    weights = np.array([code_map.weights(place) for place in line])
    assert np.allclose(weights.sum(1), 1)
    assert np.abs(np.diff(weights, axis=0)).max() < 0.05
    assert (weights > 0).sum(1).max() <= 6


def test_own_sounds_lie_beside_what_sounds_like_them(codec: Codec, code_map: CodeMap) -> None:
    """The English horn was held out from training; it lies among winds, and at its place is its own code."""
    audio = torch.from_numpy(_horn())
    playable = analyse_playable(codec, audio, "horn")
    code = code_of_sound(codec, playable, 4.0)
    assert code is not None and code.shape == code_map.codes[0].shape
    found = code_map.with_sounds(codec, ["horn", "twin"], [code, code])
    assert np.array_equal(found.places[:94], code_map.places)
    assert torch.equal(found.code(found.places[94]), code)
    nearest = np.linalg.norm(code_map.heard - found.heard[94], axis=1).argsort()[:4]
    assert "oboe" in {code_map.names[index] for index in nearest}
    assert np.linalg.norm(found.places[94] - found.places[95]) > 0.02  # two that are equal can both be touched
    assert found.families[94] == "your sounds" and code_map.with_sounds(codec, [], []) is code_map


def test_an_offset_of_an_own_sound_is_not_in_its_code(codec: Codec) -> None:
    """As in the codes of the map: what lies below 20 Hz is inaudible, and would become noise of the lowest band."""
    horn = torch.from_numpy(_horn())
    seconds = torch.arange(horn.shape[-1]) / RATE
    offset = 0.3 * ((seconds > 0.05) & (seconds < 2.4)).float()
    smooth = torch.nn.functional.avg_pool1d(offset[None], 2205, 1, 1102)[0]
    codes = [code_of_sound(codec, analyse_playable(codec, sound, "horn"), 4.0) for sound in (horn, horn + smooth)]
    assert codes[0] is not None and codes[1] is not None
    heard = heard_features(codec, torch.stack([codes[0], codes[1]]), 4.0)
    assert np.linalg.norm(heard[0] - heard[1]) < 0.7  # dB; 2.7 with the offset in the code


def _horn() -> npt.NDArray[np.float32]:
    import soundfile

    return soundfile.read(ROOT / "examples" / "english-horn.wav", dtype="float32", always_2d=True)[0].T


def test_a_sound_without_a_pitch_has_no_code(codec: Codec) -> None:
    noise = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(1702))
    assert code_of_sound(codec, analyse_playable(codec, noise, "noise"), 4.0) is None


def test_a_map_needs_three_instruments(codec: Codec, bank: InstrumentBank) -> None:
    two = InstrumentBank(dict(list(bank.codes.items())[:2]), {}, 4.0)
    with pytest.raises(ValueError, match="a map must have at least 3 instruments, got 2"):
        CodeMap.of(codec, two)


# the instrument of a place


def test_all_places_have_tensors_of_one_shape(folder: Path) -> None:
    shapes = []
    for name in PLACES:
        instrument = Instrument.load(folder / f"{name}.intertone")
        shapes.append({name: tuple(value.shape) for name, value in instrument.tensors.items()})
        assert len(instrument.to_bytes()) < 60_000
    assert all(each == shapes[0] for each in shapes)


def test_landmarks_follow_the_training_notes(folder: Path) -> None:
    facts = {name: Instrument.load(folder / f"{name}.intertone").header["sounds"][0] for name in PLACES}
    assert [facts[name]["release"] for name in ("flute", "trumpet", "organ")] == [298.0] * 3
    assert facts["flute"]["loop"] is not None and facts["marimba"]["loop"] is None
    assert not facts["marimba"]["released"] and facts["marimba"]["release"] < 150


needs_node = pytest.mark.skipif(
    shutil.which("node") is None and not os.environ.get("CI"), reason="node: apt install nodejs"
)


def play(folder: Path, name: str, events: list[dict[str, object]], **options: object) -> Array:
    """Return what the engine plays, ``(2, samples)``."""
    jobs, out = folder / "jobs.json", folder / "out.f32"
    for event in events:
        if event["type"] == "glide":
            event["instrument"] = str(folder / f"{event['to']}.intertone")
    path = str(folder / f"{name}.intertone")
    options = {"glides": True, **options}
    jobs.write_text(json.dumps([{"instrument": path, "events": events, "options": options, "out": str(out)}]))
    subprocess.run([*NODE, str(ROOT / "benchmarks" / "render.mjs"), str(jobs)], check=True, timeout=600)
    return np.fromfile(out, np.float32).reshape(2, -1).astype(np.float64)


def on(key: float, time: float = 0.0, name: int = 1) -> dict[str, object]:
    return {"time": time, "type": "noteOn", "key": key, "velocity": 1.0, "id": name}


def off(time: float, name: int = 1) -> dict[str, object]:
    return {"time": time, "type": "noteOff", "id": name}


def glide(to: str, time: float) -> dict[str, object]:
    return {"time": time, "type": "glide", "to": to}


@needs_node
@pytest.mark.parametrize("key", [36, 60, 66, 84])
@pytest.mark.parametrize("name", ["flute", "trumpet"])
def test_the_engine_plays_what_the_codec_decodes(
    codec: Codec, bank: InstrumentBank, folder: Path, name: str, key: int
) -> None:
    """Partials of a held note lie within 1.5 dB of the decoded ones in the mean, relative to the loudest."""
    sound = play(folder, name, [on(key)], seconds=2, noise=False)[0]
    start = RATE
    power = np.abs(np.fft.rfft(sound[start : start + RATE // 2] * np.hanning(RATE // 2))) ** 2
    features = decode_at_keys(codec, bank.codes[PLACES[name]], 401, keys=[key])[0]
    frames = features[:20, 100:150].double().numpy()
    wanted = 10 * np.log10(np.mean(10 ** (10 * (frames - 1)), axis=1))
    centres = np.arange(1, 21) * pitch_to_hz(key) / 2
    found = 10 * np.log10([power[int(hz * 0.98) : int(hz * 1.02) + 2].max() for hz in centres])
    heard = (wanted > wanted.max() - 45) & (centres < 9000)
    apart = (found - found.max()) - (wanted - wanted.max())
    assert np.abs(apart[heard]).mean() < 1.5


@needs_node
def test_every_place_is_equally_loud(folder: Path) -> None:
    for name in ("flute", "trumpet", "organ"):
        for key in (48, 60, 72):
            sound = torch.from_numpy(play(folder, name, [on(key)], seconds=3, limit=False)[0].copy())
            loudness = maximum_momentary_loudness(sound.float()[None], RATE)
            assert loudness == pytest.approx(PLAYED_LOUDNESS, abs=1.5), (name, key)


def roughness(sound: Array) -> Array:
    """Level of the sound above 18 kHz in blocks of 128 samples, dB: clicks are wide-band."""
    spectrum = np.fft.rfft(sound)
    spectrum[: round(len(spectrum) * 18000 / (RATE / 2))] = 0
    high = np.fft.irfft(spectrum, len(sound))
    blocks = high[: len(high) // 128 * 128].reshape(-1, 128)
    return 10 * np.log10(np.mean(blocks**2, 1) + 1e-14)


def level_db(sound: Array) -> float:
    return 10 * float(np.log10(np.mean(sound**2) + 1e-20))


@needs_node
def test_a_held_note_glides_without_clicks(folder: Path) -> None:
    """Between four places every 40 ms for 4 s, so most glides are broken off by the next: no click, no voice ends.

    Above 18 kHz a moved note is as quiet as the four places are, and a step of 1 % would be louder.
    """
    order = ["trumpet", "marimba", "organ", "flute"]
    moves = [glide(order[at % 4], 0.5 + 0.04 * at) for at in range(100)]
    still = {name: play(folder, name, [on(60)], seconds=6, noise=False)[0] for name in order}
    moved = play(folder, "flute", [on(60), *moves], seconds=6, noise=False)[0]
    inside = slice(60, 1700)
    assert roughness(moved)[inside].max() < max(roughness(sound)[inside].max() for sound in still.values())
    held = [still[name] for name in order if name != "marimba"]
    assert level_db(moved[round(5 * RATE) :]) > min(level_db(sound[round(5 * RATE) :]) for sound in held) - 3


@needs_node
def test_a_glide_ends_at_its_place(folder: Path) -> None:
    """A second after the glide the held note has the spectrum of a note that began there, and its phases went on."""
    moved = play(folder, "flute", [on(60), glide("trumpet", 1.0)], seconds=3, noise=False)[0]
    there = play(folder, "trumpet", [on(60)], seconds=3, noise=False)[0]
    here = play(folder, "flute", [on(60)], seconds=3, noise=False)[0]
    late = slice(2 * RATE, 2 * RATE + 8192)
    spectra = [partials(sound[late]) for sound in (moved, there, here)]
    assert np.abs(spectra[0] - spectra[1]).mean() < 1 < 5 < np.abs(spectra[0] - spectra[2]).mean()
    assert np.array_equal(moved[: RATE - 256], here[: RATE - 256])


def partials(sound: Array) -> Array:
    """Levels of the first 16 partials of C4, dB."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    bins = np.arange(1, 17) * pitch_to_hz(60) * len(sound) / RATE
    return 10 * np.log10([power[int(at) - 2 : int(at) + 4].max() + 1e-6 for at in bins])


@needs_node
def test_a_note_survives_a_place_that_dies_away(folder: Path) -> None:
    """Over the marimba a held note falls silent; back on the organ it sounds as before, and ends when it is let go."""
    events = [on(60), glide("marimba", 0.5), glide("organ", 7.0), off(9.0)]
    sound = play(folder, "organ", events, seconds=10, noise=False)[0]
    before, silent, after, end = (
        level_db(sound[round(start * RATE) : round((start + 0.4) * RATE)]) for start in (0.1, 6.0, 8.0, 9.6)
    )
    assert silent < before - 50
    assert after == pytest.approx(before, abs=3)
    assert end < -100


@needs_node
def test_released_notes_and_chords_glide_too(folder: Path) -> None:
    events = [on(48 + 4 * number, 0.1 * number, number) for number in range(8)]
    events += [glide("marimba", 0.9), off(0.92, 3), glide("trumpet", 0.95), glide("flute", 1.3), off(1.32, 5)]
    events += [off(2.0, number) for number in range(8)]
    sound = play(folder, "organ", sorted(events, key=lambda event: float(str(event["time"]))), seconds=4)
    assert np.isfinite(sound).all() and 0.01 < np.abs(sound).max() <= 0.981
    assert np.abs(sound[:, -2000:]).max() < 1e-3


@needs_node
def test_another_kind_of_instrument_begins_held_notes_again(codec: Codec, folder: Path) -> None:
    """What cannot be glided to replaces the instrument, and the note that is held sounds with it."""
    Instrument.from_sounds(codec, [torch.from_numpy(_horn())], ["horn"]).save(folder / "horn.intertone")
    sound = play(folder, "horn", [on(60), glide("flute", 0.5)], seconds=2, glides=False)[0]
    assert level_db(sound[RATE:]) > -45
    down, up = ({"time": time, "type": "sustain", "down": time < 1} for time in (0.1, 2.0))
    held = [on(60), down, off(0.3), glide("flute", 0.5), up]  # the pedal alone holds it
    sound = play(folder, "horn", held, seconds=4, glides=False)[0]
    assert level_db(sound[RATE : 2 * RATE]) > -45
    assert level_db(sound[-4410:]) < -100


@needs_node
def test_a_note_that_begins_again_keeps_its_bend_and_its_key(codec: Codec, folder: Path) -> None:
    """Bent by two semitones, or on its way to another key, when the instrument is replaced."""
    Instrument.from_sounds(codec, [torch.from_numpy(_horn())], ["horn"]).save(folder / "horn.intertone")
    bend = {"time": 0.2, "type": "express", "id": 1, "name": "bend", "value": 2.0}
    mono = {"time": 0.0, "type": "mono", "on": True}
    slow = {"time": 0.0, "type": "set", "name": "glide", "value": 0.4}
    events = {62: [on(60), bend, glide("flute", 0.5)], 67: [mono, slow, on(60), on(67, 0.45, 2), glide("flute", 0.5)]}
    for key, orders in events.items():
        sound = play(folder, "horn", orders, seconds=2, glides=False)[0][RATE:]
        power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
        f0 = pitch_to_hz(key)
        around = np.array([power[round(f0 * 2 ** (n / 12))] for n in range(-8, 9)])
        assert around.argmax() == 8, key


@needs_node
def test_page_and_server_give_a_place_the_same_parts(code_map: CodeMap, tmp_path: Path) -> None:
    places = np.random.default_rng(1703).uniform(0, 1, (40, 2)).tolist() + code_map.places[:3].tolist()
    points = [{"x": x, "y": y} for x, y in code_map.places.tolist()]
    (tmp_path / "points.json").write_text(json.dumps({"points": points, "places": places}))
    script = (
        f'import {{ nearest }} from "{(ROOT / "src/intertone/web/static/nearest.js").as_uri()}";'
        'import { readFileSync } from "node:fs";'
        f'const {{ points, places }} = JSON.parse(readFileSync("{tmp_path / "points.json"}"));'
        "console.log(JSON.stringify(places.map(([x, y]) => nearest(points, x, y))));"
    )
    found = json.loads(
        subprocess.run([*NODE, "--input-type=module", "-e", script], check=True, capture_output=True, text=True).stdout
    )
    for place, parts in zip(places, found, strict=True):
        weights = np.zeros(len(points))
        for index, part in parts:
            weights[index] = part
        assert np.allclose(weights, code_map.weights(place), atol=1e-9)


# loops of codes


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Loops of two codes of canne, and of a tone of 500 Hz with a partial at 9000 Hz."""
    folder = tmp_path_factory.mktemp("loops")
    canne = Codec.load("canne")
    for name, value in (("low", 0.4), ("high", 0.6)):
        looped_instrument(canne, torch.full((8,), value), name).save(folder / f"{name}.intertone")
    instrument = Instrument.load(folder / "low.intertone")
    facts = {**instrument.header["sounds"][0], "samples": 44096, "loop_gain": 0.0}
    time = torch.arange(44096) / 44096
    tone = 0.3 * torch.sin(2 * torch.pi * 500 * time) + 0.3 * torch.sin(2 * torch.pi * 9000 * time)
    tensors = {"0.loop": (32767 * torch.cat(octaves_of(tone))).to(torch.int16)[None]}
    Instrument({**instrument.header, "sounds": [facts]}, tensors).save(folder / "tone.intertone")
    return folder


def spectrum_of(sound: Array) -> Array:
    """Power at each Hz of a second of sound, dB relative to the loudest."""
    power = np.abs(np.fft.rfft(sound[RATE : 2 * RATE] * np.blackman(RATE))) ** 2
    return 10 * np.log10(power / power.max() + 1e-14)


@needs_node
@pytest.mark.parametrize(("key", "hz"), [(48, 250), (60, 500), (72, 1000), (84, 2000), (96, 4000)])
def test_a_loop_has_the_pitch_of_its_key_and_nothing_folds(loops: Path, key: int, hz: int) -> None:
    levels = spectrum_of(play(loops, "tone", [on(key)], seconds=2.2)[0])
    own = hz * RATE / 44096
    peaks = [own, 18 * own] if key <= 72 else [own]  # above, the ninth kilohertz would lie beyond hearing
    assert abs(int(levels.argmax()) - own) < 3 or abs(int(levels.argmax()) - 18 * own) < 3
    frequencies = np.arange(len(levels))
    away = np.min([np.abs(frequencies - peak) for peak in peaks], axis=0) > 20
    assert levels[away].max() < -50


@needs_node
def test_a_loop_goes_on_without_a_seam_and_ends(loops: Path) -> None:
    sound = play(loops, "low", [on(60), off(3.5)], seconds=5)[0]
    seconds = [level_db(sound[RATE * at : RATE * (at + 1)]) for at in (1, 2)]
    assert seconds[0] == pytest.approx(seconds[1], abs=0.2)
    whole, seam = roughness(sound[RATE // 2 : 3 * RATE]), roughness(sound[: 2 * RATE])[330:360]
    assert seam.max() < whole.max() + 1
    assert level_db(sound[-4410:]) < -100


@needs_node
def test_a_loop_begins_without_a_click(loops: Path) -> None:
    """Whenever it begins between two renewals of its voice, its first steps are no larger than those of its middle."""
    for start in (0.0, 0.0031, 0.0062, 0.0087):
        sound = play(loops, "high", [on(48, 0.1 + start, 7), on(60, 0.1 + start)], seconds=1)[0]
        steps = np.abs(np.diff(sound))
        assert steps[: round(0.13 * RATE)].max() < 1.1 * steps[round(0.3 * RATE) :].max()
        begin = int(np.flatnonzero(sound)[0])
        assert np.abs(sound[begin : begin + 20]).max() < 0.1 * np.abs(sound).max()


@needs_node
def test_loops_are_crossfaded_without_clicks(loops: Path) -> None:
    moves = [glide(("high", "low")[at % 2], 0.5 + 0.04 * at) for at in range(50)]
    still = [play(loops, name, [on(60)], seconds=4)[0] for name in ("low", "high")]
    moved = play(loops, "low", [on(60), *moves], seconds=4)[0]
    inside = slice(60, 1300)
    assert roughness(moved)[inside].max() < max(roughness(sound)[inside].max() for sound in still) + 6
    assert np.allclose(
        moved[round(3.5 * RATE) :], still[0][round(3.5 * RATE) :], atol=1e-6
    )  # 50 moves end where they began
    assert level_db(moved[RATE : 2 * RATE]) > min(level_db(sound[RATE : 2 * RATE]) for sound in still) - 6


def test_a_loop_is_played_as_loud_as_a_place(loops: Path) -> None:
    canne = Codec.load("canne")
    with pytest.raises(InputError, match="the latents of this codec must be 8 numbers"):
        looped_instrument(canne, torch.zeros(3), "few")
    with pytest.raises(InputError, match="a loop must be made with a codec of single frames"):
        looped_instrument(Codec.load("harmonic"), torch.zeros(193), "notes")
    facts = Instrument.load(loops / "low.intertone").header["sounds"][0]
    assert facts["loop_gain"] == 6.0 and not facts["pitched"]
