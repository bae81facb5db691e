"""Layers of keys: velocities, places between two sounds, several recordings; tuning; kinds of files."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import soundfile
import torch
from commands import names_in, refused, run
from conftest import SAMPLE_RATE, tone

from intertone.audio import load_audio, save_audio
from intertone.codec import Codec, CodecConfig
from intertone.errors import InputError
from intertone.instrument import (
    Key,
    Keyboard,
    Layer,
    Loop,
    Region,
    decent_text,
    find_detuning,
    find_loop,
    layers_of,
    nearest_recordings,
    parse_recording,
    read_sampler,
    render_layers,
    sfz_text,
    some_of,
)
from intertone.models import ConditionedConfig
from intertone.morphing import MixCurve, MorphConfig, Sources, analyse_sounds, morph_sources
from intertone.morphing.by_partials import ByPartials
from intertone.parallel import side_by_side
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import HarmonicConfig

KEY = Key(60, 58, 62)
CONFIG = MorphConfig(network="none", hold_seconds=1.5)


def sustained(
    pitch: float, *, tilt: float = 1.0, depth: float = 0.0, scoop: float = 0.0, phase: float = 0.0
) -> torch.Tensor:
    """A note of 1 s that is held, with vibrato of ``depth`` cents, that begins ``scoop`` cents too high."""
    time = torch.arange(SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    cents = depth * torch.sin(2 * torch.pi * 6 * time) + scoop * (time < 0.55)
    periods = torch.cumsum(pitch_to_hz(pitch) * 2 ** (cents / 1200), 0) / SAMPLE_RATE
    sound = torch.stack(
        [torch.sin(2 * torch.pi * k * periods + k * k + phase * (k + 1) ** 2) / k**tilt for k in range(1, 12)]
    ).sum(0)
    return (0.2 * sound * (1 - torch.exp(-time / 0.02)) * torch.clamp((1 - time) / 0.1, max=1)).float()


@pytest.fixture(scope="module")
def codec() -> Codec:
    """A codec whose network is conditioned on pitch and velocity, though it was never trained."""
    torch.manual_seed(0)
    representation = HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600)
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    made = Codec(CodecConfig(representation=representation, model=model))
    for seed, weight in enumerate(made.model.parameters()):
        weight.data += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
    return made


@pytest.fixture(scope="module")
def codec_path(codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codecs") / "harmonic"
    codec.save(folder, card="# small\n")
    return folder


@pytest.fixture(scope="module")
def sources(codec: Codec) -> Sources:
    return analyse_sounds(codec, sustained(57.2, depth=60), sustained(64.4, tilt=2, phase=0.37))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_audio("a.wav", sustained(57, depth=25), sample_rate=SAMPLE_RATE)
    save_audio("b.wav", sustained(64, tilt=2), sample_rate=SAMPLE_RATE)
    return tmp_path


# which layers


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_every_velocity_plays_one_layer(count: int) -> None:
    ranges = [layer.velocities for layer in layers_of(count, 1)]
    assert [velocity for low, high in ranges for velocity in range(low, high + 1)] == list(range(1, 128))


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_volumes_of_neighbours_add_up_to_one(count: int) -> None:
    layers = layers_of(1, count)
    assert [layer.ratio for layer in layers] == pytest.approx([step / (count - 1) for step in range(count)])
    places = [layer.fades for layer in layers]
    assert [places[0][0], places[-1][2]] == [None, None] and [places[0][1], places[-1][1]] == [0, 127]
    for (_, here, after), (before, following, _) in itertools.pairwise(places):
        assert (here, after) == (before, following)


def test_maps_hold_velocities_and_crossfades() -> None:
    regions = [Region(KEY, 900, Loop(100, 500), (), layer) for layer in layers_of(2, 3)]
    parts = sfz_text(regions, release_seconds=0.25).split("<region>")
    assert "set_cc1=0" in parts[0] and "xf_cccurve=gain" in parts[0]
    found = [dict(re.findall(r"(\w+)=(\S+)", part)) for part in parts[1:]]
    fades = [{name: value for name, value in one.items() if name.startswith("xf")} for one in found]
    assert fades[0] == {"xfout_locc1": "0", "xfout_hicc1": "64"}
    assert fades[1] == {"xfin_locc1": "0", "xfin_hicc1": "64", "xfout_locc1": "64", "xfout_hicc1": "127"}
    assert fades[2] == {"xfin_locc1": "64", "xfin_hicc1": "127"}
    assert [(one["sample"], one["lovel"], one["hivel"]) for one in found] == [
        (f"note-060-C4-v{velocity}-m{step}.wav", *ends)
        for velocity, ends in ((1, ("1", "64")), (2, ("65", "127")))
        for step in (1, 2, 3)
    ]
    assert {one["loop_end"] for one in found} == {"499"}


def volume_at(table: str, place: float) -> float:
    """Return a volume of a table of straight lines."""
    points = [tuple(map(float, point.split(","))) for point in table.split(";")]
    for (left, low), (right, high) in itertools.pairwise(points):
        if left <= place <= right:
            return low + (high - low) * (place - left) / (right - left)
    raise AssertionError(table)


def test_the_knob_of_a_preset_crossfades_its_groups() -> None:
    regions = [Region(KEY, 900, Loop(100, 500), (), layer) for layer in layers_of(2, 5)]
    root = ElementTree.fromstring(decent_text(regions, release_seconds=0.25).encode())
    assert root.tag == "DecentSampler" and [child.tag for child in root] == ["ui", "groups", "midi"]
    morph, release = root.iter("labeled-knob")
    assert (morph.get("label"), release.get("label"), release.get("value")) == ("Morph", "Release", "0.250")
    tables = [binding.attrib["translationTable"] for binding in morph]
    groups = list(root.iter("group"))
    assert [binding.get("position") for binding in morph] == [str(index) for index in range(len(groups))]
    for place in (0.0, 0.1, 0.3, 0.5, 0.9, 1.0):
        volumes = [volume_at(table, place) for table in tables]
        assert sum(volumes) == pytest.approx(1, abs=1e-3) and sum(volume > 1e-3 for volume in volumes) <= 2
    assert [volume_at(table, 0.0) for table in tables] == [float(group.attrib["volume"]) for group in groups]
    zones = [zone.attrib for zone in root.iter("sample")]
    assert sorted(zone["path"] for zone in zones) == sorted(region.file_name for region in regions)
    assert zones[0] == {
        "path": "note-060-C4-v1-m1.wav",
        "rootNote": "60",
        "loNote": "58",
        "hiNote": "62",
        "loVel": "1",
        "hiVel": "64",
        "loopEnabled": "true",
        "loopStart": "100",
        "loopEnd": "499",
    }
    (wheel,) = root.iter("cc")
    assert wheel.get("number") == "1" and wheel[0].get("level") == "ui" and wheel[0].get("position") == "0"


def test_a_preset_without_layers_has_no_knob_for_them() -> None:
    root = ElementTree.fromstring(decent_text([Region(KEY, 900, None, ())], release_seconds=0.0).encode())
    assert [knob.get("label") for knob in root.iter("labeled-knob")] == ["Release"] and not list(root.iter("cc"))
    assert [zone.get("loopEnabled") for zone in root.iter("sample")] == ["false"]


# the sound of layers


def repeated(sound: torch.Tensor, loop: Loop, seconds: float) -> torch.Tensor:
    """Return a sound that is held for so long."""
    body = sound[:, loop.start : loop.end]
    count = round(seconds * SAMPLE_RATE) // body.shape[-1]
    return torch.cat([sound[:, : loop.start], body.repeat(1, count)], 1)


def rms(sound: torch.Tensor) -> float:
    return float(sound.double().square().mean().sqrt())


def test_layers_share_onset_length_loop_and_phases_after_twenty_seconds_too(sources: Sources) -> None:
    made = render_layers(sources, KEY, layers_of(1, 3), mix=0.5, config=CONFIG)
    assert len({region.samples for _, region in made}) == len({region.loop for _, region in made}) == 1
    loop = made[0][1].loop
    assert loop is not None and all(region.problems == () for _, region in made)
    held = [repeated(sound, loop, 20) for sound, _ in made]
    for first, second in itertools.pairwise(held):
        for part in (slice(0, 3200), slice(8000, 16000), slice(-16000, None)):
            together = rms(first[:, part] + second[:, part])
            # all that is lost is that their spectra differ; with vibrato and phases of their own it would be 2 dB
            assert together > 10 ** (-0.2 / 20) * (rms(first[:, part]) + rms(second[:, part]))
    # the first and the last are the timbres of the two sounds: a second partial at −6 dB and at −12 dB
    for (sound, _), wanted in ((made[0], -6), (made[-1], -12)):
        spectrum = torch.fft.rfft(sound[0, 8000:24000] * torch.hann_window(16000)).abs()
        hz = pitch_to_hz(60)
        power = [spectrum[round(k * hz) - 12 : round(k * hz) + 13].square().sum() for k in (1, 2)]
        assert float(10 * torch.log10(power[1] / power[0])) == pytest.approx(wanted, abs=1)


def test_morphs_of_one_time_have_one_length_and_pitch(sources: Sources) -> None:
    config = MorphConfig(network="none", pitch="60")
    apart, together = (
        [morph_sources(sources, mix, config=config, common=common)[:16000] for mix in (0.0, 1.0)]
        for common in (None, 0.5)
    )
    assert together[0].shape == together[1].shape

    def alike(pair: list[torch.Tensor]) -> float:
        low = [torch.fft.irfft(torch.fft.rfft(sound[4000:12000])[:200], 8000) for sound in pair]  # up to 400 Hz
        return float(torch.corrcoef(torch.stack(low))[0, 1])

    assert alike(together) > 0.999 > 0.9 > alike(apart)


def test_morphs_of_one_time_must_be_by_partials(codec: Codec) -> None:
    noise = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="morphs with a common timing must be by partials, got"):
        morph_sources(analyse_sounds(codec, *noise), 0.5, common=0.5)


def test_velocity_layers_go_in_equal_steps_from_the_sound_itself(sources: Sources) -> None:
    config = MorphConfig(pitch="65", hold_seconds=1.5)
    itself = morph_sources(sources, 0.5, config=config)
    made = {
        velocity: morph_sources(sources, 0.5, config=config.model_copy(update={"velocity": velocity}))
        for velocity in (127, 76, 25, 10)
    }
    assert torch.allclose(made[127], itself, atol=1e-5)
    assert torch.equal(made[25], made[10])

    def levels(sound: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(sound[8000:16000] * torch.hann_window(8000)).abs()
        hz = pitch_to_hz(65)
        return torch.stack(
            [20 * spectrum[round(k * hz / 2) - 9 : round(k * hz / 2) + 10].norm().log10() for k in (1, 2, 4)]
        )

    soft, half = (levels(made[velocity]) - levels(itself) for velocity in (25, 76))
    soft, half = soft - soft[0], half - half[0]  # one gain for all: layers are equally loud
    assert float(soft.abs().max()) > 0.2
    assert torch.allclose(half, soft / 2, atol=0.1)


def test_velocity_layers_are_equally_loud_and_the_last_is_the_key_without_layers(sources: Sources) -> None:
    config = MorphConfig(hold_seconds=1.5)
    made = render_layers(sources, KEY, layers_of(3, 1), mix=0.5, config=config)
    ((alone, region),) = render_layers(sources, KEY, [Layer()], mix=0.5, config=config)
    assert made[2][1].loop == region.loop and torch.equal(made[2][0], alone)
    assert not torch.equal(made[0][0], alone)
    levels = [rms(sound[:, 4000:20000]) for sound, _ in made]
    assert max(levels) / min(levels) < 10 ** (1 / 20)


SETTINGS: list[dict[str, Any]] = [
    {"mix": 0.5, "config": MorphConfig()},
    {"mix": 0.3, "config": MorphConfig()},
    {"mix": 0.5, "config": MorphConfig(hold_seconds=1.5)},
    {"mix": 0.5, "config": MorphConfig(alignment="onset")},
    {"mix": 0.5, "config": MorphConfig(), "ratios": {"envelope": 0.9, "noise": 0.2}},
    {"mix": 0.5, "config": MorphConfig(network="none")},
    {"mix": MixCurve((0, 0.8), (0, 1)), "config": MorphConfig()},
]
"""Settings of instruments that share nothing, although their sounds and keys are the same."""


def test_keys_of_other_instruments_are_those_of_fresh_renders(sources: Sources) -> None:
    keyboards = [Keyboard(sources, layers_of(2, 1), **each) for each in SETTINGS]
    keyboards.append(Keyboard(sources, layers_of(1, 3), **SETTINGS[0]))
    every = [(Key(pitch, pitch, pitch), keyboard) for pitch in (50, 60, 67) for keyboard in keyboards]
    made = list(side_by_side(lambda pair: pair[1].render(pair[0]), every))

    def fresh(index: int) -> list[tuple[torch.Tensor, Region]]:
        own, layers = (SETTINGS[index], layers_of(2, 1)) if index < len(SETTINGS) else (SETTINGS[0], layers_of(1, 3))
        return render_layers(sources, Key(67, 67, 67), layers, **own)

    alone = list(side_by_side(fresh, range(len(keyboards))))
    for shared, wanted in zip(made[-len(keyboards) :], alone, strict=True):
        for (sound, region), (own, its) in zip(shared, wanted, strict=True):
            assert region == its and torch.equal(sound, own)
    for (first, _), (second, _) in itertools.combinations([each[-1] for each in alone[:-1]], 2):
        assert first.shape != second.shape or float((first - second).abs().max()) > 1e-4


def test_sounds_are_aligned_and_encoded_once_for_all_keys_of_a_mix(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    for owner, name in ((ByPartials, "align"), (Codec, "encode_features")):
        own = getattr(owner, name)

        def counted(*args: object, own: Callable[..., object] = own, name: str = name, **named: object) -> object:
            calls.append(name)
            return own(*args, **named)

        monkeypatch.setattr(owner, name, counted)
    keyboard = Keyboard(sources, layers_of(2, 1), mix=0.5, config=MorphConfig(), tune=True)
    list(side_by_side(keyboard.render, [Key(pitch, pitch, pitch) for pitch in (50, 60, 67)]))
    assert calls == ["align", "encode_features"]


def test_a_velocity_needs_a_codec_that_takes_one(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = analyse_sounds(codec, sustained(57))
    monkeypatch.setattr(type(codec.model), "needs", ("pitch",))
    with pytest.raises(
        InputError,
        match="a velocity must be used with a codec that is conditioned on it, and with sounds of one pitch, got 64",
    ):
        morph_sources(sources, (1.0,), config=MorphConfig(velocity=64))


def test_one_loop_of_several_sounds_is_refused_by_any_of_them() -> None:
    held = torch.stack([torch.sin(2 * torch.pi * 220 * torch.arange(48000) / 16000)[None]] * 2)
    fading = held * torch.tensor([0.0, -1.5])[:, None, None].mul(torch.arange(48000) / 16000).exp()
    assert find_loop(held, SAMPLE_RATE, 2.8) == find_loop(held[0], SAMPLE_RATE, 2.8) is not None
    assert find_loop(fading, SAMPLE_RATE, 2.8) is None and find_loop(fading[0], SAMPLE_RATE, 2.8) is not None


# tuning


@pytest.mark.parametrize("pitch", [40, 69, 88])
@pytest.mark.parametrize("cents", [-45.0, 0.0, 12.5])
def test_detuning_is_measured(pitch: int, cents: float) -> None:
    sound = tone(pitch + cents / 100, seconds=0.6)[None]
    assert find_detuning(torch.cat([0.1 * sound, sound]), SAMPLE_RATE, pitch) == pytest.approx(cents, abs=0.5)


def test_no_detuning_without_a_pitch_near_the_key() -> None:
    for sound in (torch.zeros(1, 8000), torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))):
        assert find_detuning(sound, SAMPLE_RATE, 60) is None
    assert find_detuning(tone(61.5, seconds=0.6)[None], SAMPLE_RATE, 60) is None


def test_a_tuned_key_is_held_at_its_pitch(codec: Codec) -> None:
    sources = analyse_sounds(codec, sustained(57, scoop=20))  # most of its time is 20 cents above where it is held
    plain, tuned = (
        render_layers(sources, KEY, [Layer()], mix=(1.0,), config=MorphConfig(network="none"), tune=tune)
        for tune in (False, True)
    )

    def mean(made: list[tuple[torch.Tensor, Region]]) -> float | None:
        return find_detuning(made[0][0], SAMPLE_RATE, 60)

    assert (mean(plain) or 0) < -5 and plain[0][1].detuning is None
    assert mean(tuned) == pytest.approx(0, abs=0.5) and tuned[0][1].detuning == pytest.approx(mean(plain), abs=0.01)


# several recordings


def test_which_recordings_a_key_is_made_of() -> None:
    assert nearest_recordings([48, 72], 54) == {0: 0.75, 1: 0.25}
    assert nearest_recordings([60, 48, 72], 70) == pytest.approx({0: 1 / 6, 2: 5 / 6})
    assert nearest_recordings([48, 72], 72) == {1: 1.0}
    assert nearest_recordings([48, 72], 20) == {0: 1.0}
    assert nearest_recordings([48, 72], 100) == {1: 1.0}
    for text in ("C3", "C3=", "=a.wav", "60.5=a.wav", "H3=a.wav"):
        with pytest.raises(InputError, match=f"a recording must be a key and a file, .* got {text}"):
            parse_recording(text)


def test_an_instrument_of_recordings(
    here: Path, codec_path: Path, codec: Codec, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("keys", "--sample", "A3=a.wav", "--sample", "E4=b.wav", "--codec", codec_path, "--range", "57:64")
    code, out, err = run(*words, "--network", "none", "--every", "7", "-o", "out", capsys=capsys)
    assert code == 0 and "A A3 · B E4" in out and err == ""
    # a recorded key is made of its recording alone
    loaded = analyse_sounds(codec, sustained(57, depth=25), sustained(64, tilt=2))
    for name, index, key in (("note-057-A3", 0, 57), ("note-064-E4", 1, 64)):
        ((wanted, _),) = render_layers(
            some_of(loaded, [index]), Key(key, key, key), [Layer()], mix=(1.0,), config=MorphConfig(network="none")
        )
        assert torch.allclose(load_audio(Path("out") / f"{name}.wav")[0], wanted, atol=0.02)
    # a file of another key than is said is warned of, and nothing else changes
    swapped = [word.replace("E4=", "E5=") if isinstance(word, str) else word for word in words]
    _, _, err = run(*swapped, "--network", "none", "--every", "7", "-o", "other", capsys=capsys)
    assert "  b.wav was given as E5, but its pitch is E4; it is transposed\n" in err


# the command


def test_an_instrument_with_layers(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("keys", "a.wav", "b.wav", "-o", "out", "--codec", codec_path, "--range", "60:60", "--seconds", "1.2")
    code, out, _ = run(*words, "--velocities", "2", "--morph-layers", "3", "--tune", "--json", capsys=capsys)
    content = json.loads(out)
    names = [f"note-060-C4-v{velocity}-m{step}.wav" for velocity in (1, 2) for step in (1, 2, 3)]
    assert code == 0 and content["mix"] is None and [one["file"] for one in content["keys"]] == names
    assert [one["mix"] for one in content["keys"]] == 2 * [0.0, 0.5, 1.0]
    assert names_in(here / "out") == ["instrument.dspreset", "instrument.sfz", *names]
    assert len(content["velocity_difference_db"]) == 1
    for one in content["keys"]:
        sampler = read_sampler(here / "out" / one["file"])
        assert sampler is not None and (sampler.root, sampler.cents) == (60, 0.0)
        assert sampler.loop == Loop(*one["loop"])
    # fewer layers leave none of these
    assert "holds 8 files of an earlier run" in refused(here, *words, "--mix", "0.3", capsys=capsys)
    code, out, _ = run(*words, "--mix", "0.3", "--tune", "--force", capsys=capsys)
    assert code == 0 and re.search("^tuned: the sustain was [+−][0-9.]+ to [+−][0-9.]+ ¢ from", out, re.MULTILINE)
    assert names_in(here / "out") == ["instrument.dspreset", "instrument.sfz", "note-060-C4.wav"]


def test_flac_has_its_loops_in_the_maps(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("keys", "a.wav", "-o", "out", "--codec", codec_path, "--range", "60:60", "--network", "none")
    assert run(*words, "--seconds", "1.2", "--format", "flac", capsys=capsys)[0] == 0
    assert names_in(here / "out") == ["instrument.dspreset", "instrument.sfz", "note-060-C4.flac"]
    assert soundfile.info("out/note-060-C4.flac").subtype == "PCM_24"
    assert "sample=note-060-C4.flac" in (text := Path("out/instrument.sfz").read_text()) and "loop_start=" in text
    preset = ElementTree.parse("out/instrument.dspreset")
    assert [zone.get("path") for zone in preset.iter("sample")] == ["note-060-C4.flac"]
    assert run(*words, "--format", "float32", "--force", capsys=capsys)[0] == 0
    assert names_in(here / "out") == ["instrument.dspreset", "instrument.sfz", "note-060-C4.wav"]
    assert soundfile.info("out/note-060-C4.wav").subtype == "FLOAT"
    assert abs(float(hz_to_cents(note_pitch(load_audio("out/note-060-C4.wav")[0][0], 16000), pitch_to_hz(60)))) < 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.wav", "--morph-layers", "3"], "--morph-layers must be used with two sounds, got 1"),
        (["a.wav", "b.wav", "--morph-layers", "3", "--mix", "0.5"], "--mix must be used without --sample and --morph"),
        (["a.wav", "--sample", "C3=b.wav"], "--sample must be used without A and without --morph-layers, got both"),
        (["--sample", "C3=a.wav", "--mix-noise", "0.5"], "--mix-noise must be used without --sample and"),
        (["--sample", "C3=a.wav", "--sample", "48=b.wav"], "every --sample must have a different key, got C3=a.wav"),
        (["--sample", "C3=none.wav"], "the input must exist, got none.wav"),
        (
            ["a.wav", "--velocities", "2", "--network", "none"],
            "--velocities must be used with a network, got --network none",
        ),
        ([], "there must be 1 to 26 sounds, got 0"),
    ],
)
def test_what_cannot_be(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert refused(here, "keys", *words, "-o", "new", "--codec", codec_path, capsys=capsys).startswith(message)
