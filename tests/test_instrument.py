"""Keys: which there are, what each sounds like, what is wrong with a file, and the map that plays them."""

import json
import re
from pathlib import Path

import pytest
import torch
from commands import names_in, refused, run
from conftest import SAMPLE_RATE, tone, untrained_codec

from intertone.audio import load_audio, save_audio
from intertone.codec import Codec, CodecConfig
from intertone.errors import InputError
from intertone.harmonic.onset import find_onset
from intertone.instrument import (
    Key,
    Loop,
    Region,
    choose_keys,
    close_loop,
    find_loop,
    find_problems,
    parse_range,
    render_key,
    sfz_text,
)
from intertone.models import ConditionedConfig
from intertone.morphing import MorphConfig, analyse_sounds
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import HarmonicConfig


def sustained(pitch: float, *, seconds: float = 1.0, depth: float = 0.0) -> torch.Tensor:
    """A note that is held, with vibrato of ``depth`` cents."""
    time = torch.arange(round(seconds * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    f0 = pitch_to_hz(pitch) * 2 ** (depth * torch.sin(2 * torch.pi * 5.5 * time) / 1200)
    turns = torch.cumsum(f0, 0) / SAMPLE_RATE
    sound = torch.stack([torch.sin(2 * torch.pi * k * turns + k * k) / k for k in range(1, 16)]).sum(0)
    shape = (1 - torch.exp(-time / 0.02)) * torch.clamp((seconds - time) / 0.1, max=1)
    return (0.25 * sound * shape).float()


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.manual_seed(0)
    representation = HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600)
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    return Codec(CodecConfig(representation=representation, model=model))


@pytest.fixture(scope="module")
def codec_path(codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codecs") / "harmonic"
    codec.save(folder, card="# small\n")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_audio("a.wav", sustained(57, seconds=0.8), sample_rate=SAMPLE_RATE)
    save_audio("b.wav", tone(64, decay=5, seconds=0.7), sample_rate=SAMPLE_RATE)
    return tmp_path


# which keys


@pytest.mark.parametrize("every", [1, 2, 3, 5, 12, 40])
def test_every_key_of_the_range_is_played_by_the_nearest_file(every: int) -> None:
    keys = choose_keys(36, 63, every=every)
    assert [key.pitch for key in keys] == list(range(36, 64, every))
    played = {note: key.pitch for key in keys for note in range(key.lowest, key.highest + 1)}
    assert list(played) == list(range(36, 64))
    for note, pitch in played.items():
        assert abs(note - pitch) == min(abs(note - key.pitch) for key in keys)


def test_names_sort_as_the_keys_do() -> None:
    names = [f"{key.name}.wav" for key in choose_keys(0, 127)]
    assert names == sorted(names)
    assert names[60:62] == ["note-060-C4.wav", "note-061-Cs4.wav"]


@pytest.mark.parametrize("text", ["C2", "C2:C3:C4", "C2-C3", "H2:C3", "60.5:70", "0:128", "-1:5", ":", ""])
def test_a_range_that_is_none(text: str) -> None:
    with pytest.raises(InputError, match="a range must be two notes or MIDI numbers"):
        parse_range(text)


def test_refused_keys() -> None:
    with pytest.raises(InputError, match="a range must go from the lower to the higher note, got C5:C4"):
        parse_range("C5:C4")
    with pytest.raises(InputError, match=r"keys must be in 0\.\.127, the lowest first, got 5 and 128"):
        choose_keys(5, 128)
    with pytest.raises(InputError, match="every must be 1 or more, got 0"):
        choose_keys(5, 12, every=0)


# the map


def test_the_map_has_a_region_for_each_file() -> None:
    low, high = choose_keys(60, 65, every=3)
    text = sfz_text([Region(low, 900, None, ()), Region(high, 900, Loop(100, 500), ())], release_seconds=0.25)
    regions = [dict(re.findall(r"(\w+)=(\S+)", part)) for part in text.split("<region>")]
    assert regions[0] == {"ampeg_release": "0.250"}
    assert regions[1] == {
        "sample": "note-060-C4.wav",
        "lokey": "60",
        "hikey": "61",
        "pitch_keycenter": "60",
        "loop_mode": "no_loop",
    }
    # the last sample that is played, not the one after
    assert {name: regions[2][name] for name in ("lokey", "hikey", "loop_mode", "loop_start", "loop_end")} == {
        "lokey": "62",
        "hikey": "65",
        "loop_mode": "loop_sustain",
        "loop_start": "100",
        "loop_end": "499",
    }


# what is wrong with a file


def pluck(pitch: float, *, decay: float = 4, seconds: float = 0.8) -> torch.Tensor:
    """A string that is plucked, as Karplus and Strong do: a burst of noise that goes round."""
    generator = torch.Generator().manual_seed(round(pitch))
    period = round(SAMPLE_RATE / pitch_to_hz(pitch))
    turns = [torch.rand(period, generator=generator) - 0.5]
    for _ in range(round(seconds * SAMPLE_RATE) // period):
        turns.append(0.5 * (turns[-1] + turns[-1].roll(1)) * 2 ** (-decay * period / SAMPLE_RATE))
    return torch.cat(turns)[: round(seconds * SAMPLE_RATE)]


def noise(seconds: float = 0.6) -> torch.Tensor:
    return 0.1 * torch.randn(round(seconds * SAMPLE_RATE), generator=torch.Generator().manual_seed(1))


WHOLE = {
    **{f"tone {pitch}": tone(pitch, seconds=0.6) for pitch in (24, 36, 60, 84, 103)},
    **{f"dull tone {pitch}": tone(pitch, tilt=3, seconds=0.6) for pitch in (30, 60, 96)},
    **{f"held tone {pitch}": sustained(pitch, depth=30) for pitch in (33, 57, 81)},
    **{f"pluck {pitch}": pluck(pitch) for pitch in (28, 40, 52, 64, 76)},
    "late pluck": torch.cat([torch.zeros(3000), pluck(50)]),
    "second stroke": pluck(45) + torch.nn.functional.pad(pluck(52), (6000, 0))[:12800],
    "noise": noise(),
    "noise that fades": noise() * torch.linspace(1, 0, 9600).square(),
    "drum": torch.exp(-torch.arange(8000) / 900) * noise(0.5) * 4,
}


@pytest.mark.parametrize("name", WHOLE)
def test_sounds_that_are_whole(name: str) -> None:
    assert find_problems(WHOLE[name], SAMPLE_RATE) == []
    assert find_problems(1e-3 * WHOLE[name], SAMPLE_RATE) == []


@pytest.mark.parametrize(
    "name", ["dull tone 30", "dull tone 60", "dull tone 96", "held tone 57", "pluck 40", "pluck 64"]
)
def test_what_is_put_into_them_is_found(name: str) -> None:
    sound, at = WHOLE[name].clone(), 5000
    peak = float(sound.abs().max())
    sound[at] += 0.3 * peak
    assert find_problems(sound, SAMPLE_RATE) == ["a click at 0.31 s"]
    sound = WHOLE[name].clone()
    sound[at : at + 80] = 0
    assert "a dropout at 0.31 s" in find_problems(sound, SAMPLE_RATE)
    flat = WHOLE[name].clamp(-0.5 * peak, 0.5 * peak)
    assert any(problem.startswith("clipping at 0.") for problem in find_problems(flat, SAMPLE_RATE))
    # one channel of two is enough
    sound = WHOLE[name].clone()
    sound[at] -= 0.3 * peak
    assert find_problems(torch.stack([WHOLE[name], sound]), SAMPLE_RATE) == ["a click at 0.31 s"]


def test_a_splice_is_found() -> None:
    sound = tone(45, tilt=2, seconds=0.6)
    assert find_problems(torch.cat([sound[:4000], sound[4073:]]), SAMPLE_RATE) == ["a click at 0.25 s"]


def test_silence() -> None:
    assert find_problems(torch.zeros(2, 8000), SAMPLE_RATE) == ["silence"]
    assert find_problems(5e-5 * tone(60), SAMPLE_RATE) == ["silence"]


# loops


@pytest.mark.parametrize("pitch", [36, 57.3, 88])
def test_a_loop_is_a_whole_number_of_turns_and_long(pitch: float) -> None:
    sound = sustained(pitch, seconds=3.0)[None]
    loop = find_loop(sound, SAMPLE_RATE, 2.8)
    assert loop is not None and loop.end == round(0.9 * 2.8 * SAMPLE_RATE)
    turns = (loop.end - loop.start) * pitch_to_hz(pitch) / SAMPLE_RATE
    assert turns == pytest.approx(round(turns), abs=0.5 * pitch_to_hz(pitch) / SAMPLE_RATE + 0.02)
    assert (loop.end - loop.start) / SAMPLE_RATE > 1.4


@pytest.mark.parametrize("name", ["tone", "noise", "vibrato"])
def test_a_closed_loop_is_continuous_when_it_is_repeated_and_when_it_is_left(name: str) -> None:
    sound = {"tone": sustained(57.3, seconds=2), "noise": noise(2), "vibrato": sustained(50, seconds=2, depth=40)}[name]
    loop = find_loop(sound[None], SAMPLE_RATE, 1.9)
    assert loop is not None
    closed = close_loop(sound[None], loop, SAMPLE_RATE)
    assert find_problems(closed, SAMPLE_RATE) == []
    played = torch.cat([closed[:, : loop.end], closed[:, loop.start : loop.end], closed[:, loop.start :]], 1)
    assert find_problems(played, SAMPLE_RATE) == []
    power = played.unfold(-1, 1600, 400).square().mean(-1)[0, 8:-8]
    assert float(power.max() / power.min()) < (1.3 if name != "noise" else 2)


def test_what_fades_or_is_short_is_not_looped() -> None:
    assert find_loop(tone(57, decay=3, seconds=2)[None], SAMPLE_RATE, 1.9) is None
    assert find_loop(sustained(57, seconds=0.5)[None], SAMPLE_RATE, 0.3) is None


def seconds_of(sound: torch.Tensor) -> torch.Tensor:
    return torch.arange(sound.shape[-1]) / SAMPLE_RATE


@pytest.mark.parametrize("pitch", [36, 57.3, 88])
def test_a_note_that_dies_away_is_not_looped_on_any_key(pitch: float) -> None:
    sound = sustained(pitch, seconds=3.0)
    time = seconds_of(sound)
    # fast and then slowly, as a string does: the end is nearly level, and 16 dB below the start
    string = sound * (0.82 * torch.exp(-4 * time) + 0.18 * torch.exp(-0.15 * time))
    assert find_loop(string[None], SAMPLE_RATE, 2.8) is None
    # by 3.5 dB a second
    assert find_loop((sound * 10 ** (-3.5 * time / 20))[None], SAMPLE_RATE, 2.8) is None
    # 6 dB below its accent, and then level
    accent = sound * (0.5 + 0.5 * torch.exp(-8 * time))
    assert find_loop(accent[None], SAMPLE_RATE, 2.8) is not None


def filtered(octaves: torch.Tensor) -> torch.Tensor:
    """A bright note at 65 Hz through a low-pass filter that moves: so many octaves above 250 Hz at each sample."""
    turns = 65.4 * seconds_of(octaves)
    partials = [
        torch.sin(2 * torch.pi * k * turns + k * k) / k / (1 + (k * 65.4 / (250 * 2**octaves)) ** 6).sqrt()
        for k in range(1, 110)
    ]
    return 0.2 * torch.stack(partials).sum(0)[None]


def octave_levels(sound: torch.Tensor, at: int) -> torch.Tensor:
    """Return dB of 80 ms around a place, 250 Hz to 8 kHz."""
    power = torch.fft.rfft(sound[0, at - 640 : at + 640] * torch.hann_window(1280)).abs().square()
    return 10 * torch.log10(torch.stack([power[20 * 2**k : 40 * 2**k].sum() for k in range(5)]))


def test_a_loop_begins_and_ends_with_one_timbre() -> None:
    time = torch.arange(3 * SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    there_and_back = filtered(4 * torch.sin(torch.pi * time / 3) ** 2)
    loop = find_loop(there_and_back, SAMPLE_RATE, 2.8)
    assert loop is not None and (loop.end - loop.start) / SAMPLE_RATE > 0.5
    closed = close_loop(there_and_back, loop, SAMPLE_RATE)
    played = torch.cat([closed[:, : loop.end], closed[:, loop.start : loop.end]], 1)
    assert find_problems(played, SAMPLE_RATE) == []
    # 50 ms before the turn, at it, and after it: the highest octave would jump by 30 dB
    levels = torch.stack([octave_levels(played, loop.end + step) for step in (-800, 0, 800)])
    assert float(levels.diff(dim=0).abs().max()) < 6
    assert float((octave_levels(there_and_back, loop.end) - octave_levels(there_and_back, loop.start)).abs().max()) < 4


@pytest.mark.parametrize("sign", [1, -1])
def test_a_timbre_that_only_moves_on_has_no_loop(sign: int) -> None:
    time = torch.arange(2 * SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    assert find_loop(filtered(2 + sign * (2 * time - 2)), SAMPLE_RATE, 1.9) is None


@pytest.mark.parametrize("held", [1.0, 2.5])
def test_what_is_steady_or_comes_back_keeps_its_loop(held: float) -> None:
    steady = sustained(50, seconds=held + 0.2)
    time = seconds_of(steady)
    tremolo = 10 ** (6 * torch.sin(2 * torch.pi * 5 * time) / 20)
    for sound in (
        steady,
        sustained(50, seconds=held + 0.2, depth=50),
        steady * tremolo,
        steady + 0.3 * noise(held + 0.2)[: len(steady)],
        noise(held + 0.2),
        filtered(2 + torch.sin(2 * torch.pi * 4 * time))[0],
    ):
        loop = find_loop(sound.float()[None], SAMPLE_RATE, held)
        assert loop is not None and loop.end - loop.start > 0.4 * 0.55 * held * SAMPLE_RATE


# the sound of a key


@pytest.mark.parametrize("pitch", [40, 57, 75])
def test_a_key_has_its_pitch_and_its_length_and_the_loudness_of_the_sound(codec: Codec, pitch: int) -> None:
    sources = analyse_sounds(codec, sustained(57, depth=20))
    config = MorphConfig(network="none", hold_seconds=2.0)
    audio, region = render_key(sources, Key(pitch, pitch, pitch), mix=(1.0,), config=config)
    assert audio.shape == (1, region.samples) and 2.0 < region.samples / SAMPLE_RATE < 2.3
    assert abs(float(hz_to_cents(note_pitch(audio[0], SAMPLE_RATE), pitch_to_hz(pitch)))) < 5
    assert region.problems == () and region.loop is not None
    assert audio[0, -1] == 0
    again, _ = render_key(sources, Key(pitch, pitch, pitch), mix=(1.0,), config=config)
    assert torch.equal(audio, again)


def test_no_key_of_a_string_is_looped(codec: Codec) -> None:
    sound = sustained(57, seconds=1.5)
    time = seconds_of(sound)
    sources = analyse_sounds(codec, sound * (0.85 * torch.exp(-6 * time) + 0.15 * torch.exp(-0.6 * time)))
    config = MorphConfig(network="none", hold_seconds=3.0)
    for pitch in (40, 57, 75):
        _, region = render_key(sources, Key(pitch, pitch, pitch), mix=(1.0,), config=config)
        assert region.loop is None and region.problems == ()


def test_the_network_is_told_the_key(codec: Codec) -> None:
    taught = Codec(codec.config)
    for seed, weight in enumerate(taught.model.parameters()):  # an untaught one does not hear what it is told
        weight.data += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
    sources = analyse_sounds(taught, sustained(57))
    key = Key(69, 69, 69)
    with_network, _ = render_key(sources, key, mix=(1.0,), config=MorphConfig(network="residual"))
    without, _ = render_key(sources, key, mix=(1.0,), config=MorphConfig(network="none"))
    assert with_network.shape == without.shape and not torch.allclose(with_network, without, atol=1e-4)


@pytest.mark.parametrize("hold_seconds", [None, 1.0])
def test_a_key_starts_at_once_however_late_the_sounds_do(codec: Codec, hold_seconds: float | None) -> None:
    late = torch.nn.functional.pad(sustained(57, seconds=0.8), (6000, 0))
    later = torch.nn.functional.pad(tone(64, seconds=0.7, decay=2), (11000, 0))
    config = MorphConfig(network="none", hold_seconds=hold_seconds)
    for sounds, mix in (((late,), (1.0,)), ((late, later), 0.5)):
        audio, region = render_key(analyse_sounds(codec, *sounds), Key(60, 60, 60), mix=mix, config=config)
        assert find_onset(audio, SAMPLE_RATE) <= 0.004 * SAMPLE_RATE
        early, _ = render_key(
            analyse_sounds(codec, *(sound[5000 * (index + 1) :] for index, sound in enumerate(sounds))),
            Key(60, 60, 60), mix=mix, config=config,
        )  # fmt: skip
        assert abs(early.shape[-1] - audio.shape[-1]) <= 160
        assert region.problems == () and audio[0, 0] == 0


def test_a_batch_is_no_key(codec: Codec) -> None:
    sources = analyse_sounds(codec, torch.stack([sustained(57), sustained(60)])[:, None])
    with pytest.raises(InputError, match="a key must be made of single sounds, got batches of 2"):
        render_key(sources, Key(60, 60, 60), mix=(1.0,))


# the command


def test_an_instrument_of_two_sounds(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("keys", "a.wav", "b.wav", "-o", "out", "--codec", codec_path, "--network", "none")
    code, out, _ = run(*words, "--range", "C3:B3", "--every", "5", "--mix", "0.3", capsys=capsys)
    names = ["note-048-C3.wav", "note-053-F3.wav", "note-058-As3.wav"]
    assert code == 0
    first, second = out.splitlines()
    assert re.fullmatch(r"pitch: A \w+♯?\d.* · B \w+♯?\d.*", first)
    assert second.startswith(f"wrote 3 keys to out: {names[0]} … {names[-1]}, instrument.sfz and instrument.dspreset")
    assert "--seconds makes held keys loop (" in second
    assert names_in(here / "out") == ["instrument.dspreset", "instrument.sfz", *names]
    for name, pitch in zip(names, (48, 53, 58), strict=True):
        audio, rate = load_audio(here / "out" / name)
        assert rate == 16000
        assert abs(float(hz_to_cents(note_pitch(audio[0], rate), pitch_to_hz(pitch)))) < 10
    text = (here / "out" / "instrument.sfz").read_text()
    assert re.findall(r"sample=(\S+)\nlokey=(\d+) hikey=(\d+)", text) == [
        (names[0], "48", "50"),
        (names[1], "51", "55"),
        (names[2], "56", "59"),
    ]
    # another into the same folder replaces the first, with --force only
    words = (*words, "--range", "48:49", "--every", "5")
    sentence = refused(here, *words, capsys=capsys)
    assert sentence.endswith("got out, which holds 5 files of an earlier run, instrument.dspreset …")
    assert run(*words, "--force", capsys=capsys)[0] == 0
    assert names_in(here / "out") == ["instrument.dspreset", "instrument.sfz", names[0]]


def test_an_instrument_of_one_sound_held(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "keys",
        "a.wav",
        "-o",
        "out",
        "--codec",
        codec_path,
        "--range",
        "57:60",
        "--every",
        "3",
        "--seconds",
        "1.5",
    )
    code, out, err = run(*words, "--network", "none", "--sample-rate", "22050", "--json", capsys=capsys)
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert [one["pitch"] for one in content["keys"]] == [57, 60] and content["mix"] == [1.0]
    text = (here / "out" / "instrument.sfz").read_text()
    for one in content["keys"]:
        assert one["problems"] == [] and 1.5 < one["seconds"] < 1.8
        start, end = one["loop"]
        assert f"loop_start={start} loop_end={end - 1}" in text and 0.5 * 22050 < start < end < 1.5 * 22050
        assert load_audio(here / "out" / one["file"])[1] == 22050
    # all with one gain: the loudness of the two is that of one sound
    levels = [load_audio(here / "out" / one["file"])[0].square().mean() for one in content["keys"]]
    assert abs(10 * torch.log10(levels[0] / levels[1])) < 2


def test_problems_are_said(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intertone.instrument.keys.find_problems", lambda audio, sample_rate: ["a click at 0.10 s"])
    words = ("keys", "b.wav", "-o", "out", "--codec", codec_path, "--range", "60:60", "--network", "none")
    assert "  note-060-C4.wav: a click at 0.10 s\n" in run(*words, capsys=capsys)[2]
    assert json.loads(run(*words, "--json", "--force", capsys=capsys)[1])["keys"][0]["problems"] == [
        "a click at 0.10 s"
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--range", "C5:C4"], "a range must go from the lower to the higher note, got C5:C4"),
        (["--range", "C5"], "a range must be two notes or MIDI numbers, .*, got C5"),
        (["--range", "100:130"], r"a range must be .* within 0\.\.127, got 100:130"),
        (["--mix", "0.5"], "--mix must be used with two sounds or more, got one"),
        (["--mix-noise", "0.5"], "--mix-noise must be used with two sounds or more, got one"),
        (["missing.wav"], "the input must exist, got missing.wav"),
        (["-o", "other"], "the output must be .* an earlier instrument's, got other, which holds notes.txt"),
        (["-o", "a.wav"], "the output must be a folder, got a.wav, which is not one"),
        (["--codec", "small"], "an instrument must have a codec that analyses pitch, got small, a spectrogram codec"),
        (["b.wav", "--mix", ".2,.3,.5"], "--mix: there must be one weight for each of 2 sounds, got 3"),
        (["--strength", "9"], "--strength must be at most 4, got 9.0"),
        (["-o", "a.wav/new"], "the output's folder must be a folder, got .*a.wav, which is not one"),
        (["--sample-rate", "100"], r"sample_rate must be in 4000\.\.384000 Hz, got 100"),
    ],
)
def test_what_cannot_be(
    here: Path,
    codec_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.setattr("intertone.audio.load_audio", lambda *_, **__: pytest.fail("a sound was read first"))
    (here / "other").mkdir()
    (here / "other" / "notes.txt").write_text("stays")
    untrained_codec().save(here / "small", card="")
    start = ("keys", "a.wav", "-o", "new", "--codec", codec_path)
    assert re.search(message, refused(here, *start, *words, capsys=capsys))


def test_a_sound_without_a_pitch_has_no_key(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_audio("noise.wav", noise(), sample_rate=SAMPLE_RATE)
    sentence = refused(here, "keys", "a.wav", "noise.wav", "-o", "new", "--codec", codec_path, capsys=capsys)
    assert re.match("every sound must have one pitch for a keyboard, but B ", sentence)


@pytest.mark.parametrize("words", [["--every", "0"], ["--seconds", "0"], ["--seconds", "1000"], ["--pitch", "a"]])
def test_an_option_of_another_kind(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    code, out, err = run("keys", "a.wav", "-o", "new", "--codec", codec_path, *words, capsys=capsys)
    assert (code, out) == (2, "") and words[0] in err
    assert names_in(here) == ["a.wav", "b.wav"]
