"""The engine's notes one by one: own bend, pressure and timbre, one note at a time, fewer voices and partials."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from commands import NODE
from test_engine import (
    RATE,
    Array,
    Event,
    bands,
    buzz,
    cents_of,
    level_db,
    note,
    off,
    on,
    play,
    pytestmark,
    roughness,
    turn,
)

from intertone.codec import Codec
from intertone.instrument import Instrument
from intertone.pitch.note import pitch_to_hz

__all__ = ["pytestmark"]

ENGINE = Path(__file__).parents[1] / "src/intertone/web/static"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Instruments: steady partials in two brightnesses, these with an organ and a trumpet, and a voice with a piano."""
    folder = tmp_path_factory.mktemp("instruments")
    codec = Codec.load("harmonic")
    four = [buzz(33, 1.0), buzz(45, 0.5), note("organ", 60, 9), note("trumpet", 62, 10)]
    made = {"four": four, "rich": [buzz(33, 1.0), buzz(45, 0.5)], "pair": [note("voice", 57, 7), note("piano", 62, 8)]}
    for name, sounds in made.items():
        Instrument.from_sounds(codec, sounds, list("abcd"[: len(sounds)])).save(folder / f"{name}.intertone")
    return folder


def express(what: str, value: float, time: float, *, name: int = 1) -> Event:
    return {"time": time, "type": "express", "id": name, "name": what, "value": value}


def mono(time: float = 0.0) -> Event:
    return {"time": time, "type": "mono", "on": True}


def pitch_at(sound: Array, time: float, key: float) -> float:
    """Return the distance of the first partial from a key in the second from a time on, cents."""
    return cents_of(sound[round(time * RATE) :], RATE, pitch_to_hz(key))


def test_each_note_has_its_own_bend(shelf: Path) -> None:
    chord = [on(48, name=1), on(59, name=2), express("bend", 6, 0.2, name=2)]
    sound = play(shelf, "rich", chord, seconds=1.6, noise=False, limit=False, pad=[0, 0])[0]
    for key in (48, 65):
        assert abs(pitch_at(sound, 0.5, key)) < 2


def test_a_bend_before_the_note_is_there_at_once(shelf: Path) -> None:
    bent, higher = (
        play(shelf, "rich", [{**on(key), "own": own}], seconds=1.2, noise=False, pad=[0, 0])[0]
        for key, own in ((50, {"bend": 5}), (55, None))
    )
    assert abs(pitch_at(bent, 0.1, 55)) < 2
    assert level_db(bent[:2000]) == pytest.approx(level_db(higher[:2000]), abs=3)


def test_pressure_is_the_note_s_own(shelf: Path) -> None:
    plain, pressed, other = (
        level_db(play(shelf, "rich", [on(57), *events], seconds=1, pad=[0, 0], limit=False)[0][RATE // 2 :])
        for events in ([], [express("pressure", 1, 0.1)], [express("pressure", 1, 0.1, name=9)])
    )
    assert pressed - plain == pytest.approx(6, abs=0.1)
    assert other == plain


@pytest.mark.parametrize(("timbre", "x"), [(-1, 0.0), (-0.5, 0.25), (0.5, 0.75), (1, 1.0)])
def test_timbre_moves_the_note_from_the_pad_to_its_ends(shelf: Path, timbre: float, x: float) -> None:
    moved = play(shelf, "pair", [on(57), express("timbre", timbre, 0.0)], seconds=0.8, noise=False, pad=[0.5, 0])[0]
    there = play(shelf, "pair", [on(57)], seconds=0.8, noise=False, pad=[x, 0])[0]
    away = play(shelf, "pair", [on(57)], seconds=0.8, noise=False, pad=[0.5, 0])[0]
    assert np.abs(bands(moved) - bands(there)).mean() < 0.25 * np.abs(bands(away) - bands(there)).mean()


def test_timbre_of_four_sounds_goes_from_top_to_bottom(shelf: Path) -> None:
    moved, there = (
        play(shelf, "four", [{**on(57), "own": own}], seconds=0.5, noise=False, pad=[0, y])[0]
        for y, own in ((0.5, {"timbre": 1}), (1, None))
    )
    assert np.array_equal(moved, there)


def test_expression_changes_without_clicks(shelf: Path) -> None:
    ends = [{"bend": -12, "timbre": -1, "pressure": 0}, {"bend": 12, "timbre": 1, "pressure": 1}]
    changes = [express(what, ends[at % 2][what], 0.3 + 0.1 * at) for at in range(18) for what in ends[0]]
    moved = play(shelf, "rich", [on(57), *changes], seconds=2.3, noise=False, limit=False, pad=[0.5, 0])[0]
    still = [
        play(shelf, "rich", [{**on(57), "own": end}], seconds=2.3, noise=False, limit=False, pad=[0.5, 0])[0]
        for end in ends
    ]
    inside = slice(60, 750)
    assert roughness(moved)[inside].max() < max(roughness(one)[inside].max() for one in still) + 6


def test_after_the_key_is_let_go_nothing_is_changed(shelf: Path) -> None:
    plain, changed = (
        play(shelf, "pair", [on(57), off(0.5), *more], seconds=1.5, pad=[1, 0])
        for more in ([], [express("bend", 12, 0.5), express("pressure", 1, 0.6)])
    )
    assert np.array_equal(plain, changed)


def second_difference(sound: Array) -> float:
    """Largest second difference between neighbouring samples: a click is a jump of the level or of its slope."""
    return float(np.abs(np.diff(sound, 2)).max())


def test_the_pad_from_corner_to_corner_ten_times_a_second(shelf: Path) -> None:
    """Twenty moves a second for ten seconds: no click, and at the end every note of the chord is there."""
    keys = (45, 52, 57, 61)
    chord = [on(key, name=key) for key in keys]
    places = [(0, 0), (0.5, 0.5), (1, 1), (1, 0.5), (1, 0), (0.5, 0.5), (0, 1), (0, 0.5)]
    moves = []
    for at in range(200):
        x, y = places[at % len(places)]
        moves += [turn("padX", x, 0.5 + 0.05 * at), turn("padY", y, 0.5 + 0.05 * at)]
    moves += [turn("padX", 0, 10.5), turn("padY", 0, 10.5)]
    rendered: dict[str, object] = {"noise": False, "limit": False, "seconds": 12, "params": {"volume": 0.2}}
    moved = play(shelf, "four", [*chord, *moves], pad=[0, 0], **rendered)[0]
    still = [play(shelf, "four", chord, pad=list(place), **rendered)[0] for place in ((0, 0), (0, 1), (1, 0), (1, 1))]
    inside = slice(round(0.4 * RATE), None)
    assert second_difference(moved[inside]) < 1.2 * max(second_difference(one[inside]) for one in still)
    assert roughness(moved)[140:].max() < max(roughness(one)[140:].max() for one in still) + 3
    for key in keys:
        there, back = (level_near(one[-RATE:], key) for one in (still[0], moved))
        assert back == pytest.approx(there, abs=3), key


def level_near(sound: Array, key: float) -> float:
    """Level of a second of sound within 1 % of the frequency of a key, dB."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE)
    return float(10 * np.log10(power[np.abs(hz / pitch_to_hz(key) - 1) < 0.01].max()))


# one note at a time


def test_the_last_key_plays_and_the_one_before_comes_back(shelf: Path) -> None:
    events = [mono(), on(45, 0.05), on(57, 1.5, name=2), off(3.0, name=2), off(4.5)]
    sound = play(shelf, "rich", events, seconds=6, noise=False, pad=[0, 0])[0]
    for time, key in ((0.3, 45), (1.7, 57), (3.2, 45)):
        assert abs(pitch_at(sound, time, key)) < 2, time
    assert level_db(sound[-4410:]) < -100


def test_a_key_that_overlaps_has_no_attack_of_its_own(shelf: Path) -> None:
    events = [mono(), on(45), on(47, 0.8, name=2)]
    legato = play(shelf, "rich", events, seconds=1.4, noise=False, limit=False, pad=[0, 0])[0]
    held = play(shelf, "rich", [on(45)], seconds=1.4, noise=False, limit=False, pad=[0, 0])[0]
    change = slice(round(0.78 * RATE) // 128, round(0.9 * RATE) // 128)
    assert roughness(legato)[change].max() < roughness(held)[60:].max() + 6
    levels = [level_db(legato[first : first + 1000]) for first in range(round(0.75 * RATE), RATE, 500)]
    assert max(levels) - min(levels) < 3


def test_only_keys_that_overlap_glide(shelf: Path) -> None:
    params = {"glide": 0.3}
    legato = [mono(), on(45, 0.0), on(57, 1.0, name=2)]
    apart = [mono(), on(45, 0.0), off(0.8), on(57, 1.0, name=2)]
    glided, jumped = (
        play(shelf, "rich", events, seconds=2.4, noise=False, pad=[0, 0], params=params)[0]
        for events in (legato, apart)
    )
    assert abs(pitch_at(jumped, 1.1, 57)) < 2
    start = glided[round(1.02 * RATE) : round(1.08 * RATE)]
    spectrum = np.abs(np.fft.rfft(start * np.hanning(len(start)), 65536))
    first = spectrum[: round(250 * 65536 / RATE)].argmax() * RATE / 65536
    assert pitch_to_hz(45) * 1.01 < first < pitch_to_hz(52)


def test_one_note_at_a_time_is_one_voice(shelf: Path) -> None:
    events = [mono(), *(on(45 + step, 0.1 * step, name=step) for step in range(8))]
    sound = play(shelf, "rich", [*events, on(40, 1.2, name=99)], seconds=2.4, noise=False, pad=[0, 0])[0]
    assert abs(pitch_at(sound, 1.3, 40)) < 2
    alone = play(shelf, "rich", [on(40)], seconds=2.4, noise=False, pad=[0, 0])[0]
    assert level_db(sound[-RATE:]) == pytest.approx(level_db(alone[-RATE:]), abs=0.5)


# limits


def test_fewer_voices_leave_the_newest(shelf: Path) -> None:
    chord = [on(45 + 4 * step, 0.01 * step, name=step) for step in range(6)]
    few = {"time": 0.6, "type": "limits", "voices": 1, "partials": 640}
    sound = play(shelf, "rich", [*chord, few], seconds=1.9, noise=False, pad=[0, 0], params={"volume": 0.1})[0]
    last = play(shelf, "rich", [on(65, 0.05)], seconds=1.9, noise=False, pad=[0, 0], params={"volume": 0.1})[0]
    after = slice(round(0.7 * RATE), None)
    assert level_db(sound[after]) == pytest.approx(level_db(last[after]), abs=0.3)
    assert abs(pitch_at(sound, 0.7, 65)) < 2
    change = slice(round(0.58 * RATE) // 128, round(0.65 * RATE) // 128)
    assert roughness(sound)[change].max() < roughness(sound)[:20].max() + 6


def test_fewer_partials_are_the_lowest(shelf: Path) -> None:
    few = {"time": 0.4, "type": "limits", "voices": 16, "partials": 10}
    sound = play(shelf, "rich", [on(57), few], seconds=1.6, noise=False, limit=False, pad=[0, 0])[0]
    part = sound[round(0.5 * RATE) : round(1.5 * RATE)]
    power = np.abs(np.fft.rfft(part * np.blackman(len(part)))) ** 2
    hz = np.fft.rfftfreq(len(part), 1 / RATE)
    above = power[hz > 10.5 * pitch_to_hz(57)].max()
    assert 10 * np.log10(above / power.max()) < -70
    assert 10 * np.log10(power[np.abs(hz / pitch_to_hz(57) - 10) < 0.1].max() / power.max()) > -40


def led(shelf: Path, steps: list[list[object]]) -> list[list[int]]:
    """Return the keys whose notes are held after each of the steps: methods of the synthesiser, and quanta of time."""
    code = f"""
    import {{ readFileSync }} from "node:fs";
    import {{ prepared }} from {json.dumps((ENGINE / "prepare.js").as_uri())};
    import {{ Synthesiser }} from {json.dumps((ENGINE / "synthesiser.js").as_uri())};
    const file = readFileSync({json.dumps(str(shelf / "rich.intertone"))});
    const fresh = () => prepared(file.buffer.slice(file.byteOffset, file.byteOffset + file.length));
    const synthesiser = new Synthesiser({RATE});
    const [left, right] = [new Float32Array(128), new Float32Array(128)];
    synthesiser.setInstrument(fresh());
    const found = [];
    for (const [name, ...values] of {json.dumps(steps)}) {{
      if (name === "change") synthesiser.setInstrument(fresh(), ...values);
      else if (name !== "wait") synthesiser[name](...values);
      for (let at = 0; name === "wait" && at < 40; at++) synthesiser.process(left, right, synthesiser.controls);
      const held = synthesiser.voices.filter((voice) => voice.active && voice.keyDown && voice.gateStep === 0);
      if (name === "wait") found.push(held.map((voice) => voice.target));
    }}
    console.log(JSON.stringify(found));
    """
    words = [*NODE, "--input-type=module", "-e", code]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("again", [True, False])
def test_keys_pressed_while_the_instrument_changes_are_kept_in_mono(shelf: Path, again: bool) -> None:
    begin = [["setMono", True], ["noteOn", 48, 1, "a"], ["wait"], ["change", again], ["noteOn", 52, 1, "b"]]
    later = [["noteOn", 55, 1, "c"], ["wait"], ["noteOff", "c"], ["wait"], ["noteOff", "b"], ["wait"]]
    assert led(shelf, [*begin, ["wait"], *later]) == [[48], [52], [55], [52], [48]]
    assert led(shelf, [*begin, *later]) == [[48], [55], [52], [48]]


def test_a_key_let_go_while_the_instrument_changes_gives_back_the_one_before(shelf: Path) -> None:
    begin = [["setMono", True], ["noteOn", 48, 1, "a"], ["wait"], ["change", True], ["noteOn", 52, 1, "b"]]
    assert led(shelf, [*begin, ["noteOff", "b"], ["wait"]]) == [[48], [48]]
    assert led(shelf, [*begin, ["noteOff", "a"], ["wait"], ["noteOff", "b"], ["wait"]]) == [[48], [52], []]
