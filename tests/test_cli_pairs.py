"""``intertone morph``: the pitch that it prints, rows over several sounds, and the pairs of a folder."""

import json
import re
from pathlib import Path

import pytest
import torch
from commands import names_in, refused, run
from conftest import tone

from intertone.audio import load_audio, save_audio
from intertone.cli.morph_files import _sampler
from intertone.cli.morph_options import mix_name
from intertone.codec import Codec, CodecConfig
from intertone.errors import InputError
from intertone.models import ConditionedConfig
from intertone.morphing import (
    MixCurve,
    MorphConfig,
    Pitch,
    analyse_sounds,
    morph,
    morph_pitch,
    morph_sources,
    source_pitches,
)
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import HarmonicConfig

WORDS = ("--network", "none", "--format", "float32")


@pytest.fixture(scope="module")
def codec_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A codec that follows pitch; its network has learned nothing and is left out."""
    representation = HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600)
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    folder = tmp_path_factory.mktemp("codecs") / "harmonic"
    Codec(CodecConfig(representation=representation, model=model)).save(folder, card="# small\n")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, pitch in (("a", 52), ("b", 59), ("c", 64)):
        save_audio(f"{name}.wav", tone(pitch, seconds=0.3 + pitch / 600), sample_rate=16000, format="float32")
    return tmp_path


def cents_off(name: str, pitch: float) -> float:
    audio, rate = load_audio(name)
    return float(hz_to_cents(note_pitch(audio[0], rate), pitch_to_hz(pitch)))


@pytest.mark.parametrize(("hertz", "named"), [(7.9, False), (8.2, True), (12500.0, True), (19764.0, False)])
def test_a_pitch_beyond_all_keys_has_no_root(hertz: float, named: bool) -> None:
    assert (_sampler(Pitch(hertz)) is not None) is named


@pytest.mark.parametrize(("cents", "expected"), [(4, (69, 0)), (-4, (69, 0)), (5, (69, 5)), (-5, (68, 95))])
def test_a_few_cents_from_a_key_count_as_the_key(cents: float, expected: tuple[int, float]) -> None:
    found = _sampler(Pitch(440 * 2 ** (cents / 1200)))
    assert found is not None and (found.root, found.cents) == expected


def test_a_pitch_is_shown_as_key_and_cents() -> None:
    assert [str(Pitch(hz)) for hz in (440.0, 262.0, 258.0, 8.2)] == ["A4", "C4 +2 ¢", "C4 −24 ¢", "C-1 +5 ¢"]
    assert (Pitch(452.0).key, Pitch(452.0).cents) == (69, 47)


def test_ratios_are_printed_as_they_are() -> None:
    assert [mix_name(mix) for mix in (0.25, 1 / 3, 0.123456789, (1 / 7, 6 / 7), MixCurve((0, 1.5), (0, 1)))] == [
        "0.25",
        "1/3",
        "0.123457",
        "1/7,6/7",
        "0:0,1.5:1",
    ]


def test_pitches_of_sounds_and_morph(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("morph", "a.wav", "b.wav", "--codec", codec_path, *WORDS)
    code, out, _ = run(*words, "-o", "out.wav", capsys=capsys)
    assert code == 0 and out.startswith(
        "pitch: A E3 · B B3 → G3 +50 ¢; --pitch G3 transposes it to the key\nwrote out.wav"
    )
    code, out, err = run(*words, "-o", "far.wav", "--pitch", "C6", "--json", capsys=capsys)
    content = json.loads(out)
    assert (code, err) == (0, "")
    assert [(one["key"], one["midi"]) for one in content["pitches"]] == [("E3", 52), ("B3", 59)]
    assert content["morph_pitches"] == [{"hz": 1046.502, "key": "C6", "midi": 84, "cents": 0}]
    assert "a pitch of the morph is more than an octave away from the sounds" in content["done"]
    _, out, _ = run(*words, "-o", "curve.wav", "--mix", "0:0,0.3:1", capsys=capsys)
    assert out.startswith("pitch: A E3 · B B3\n")


def test_a_row_at_one_pitch_names_it(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("morph", "a.wav", "b.wav", "--codec", codec_path, *WORDS, "--steps", "3")
    _, out, _ = run(*words, "-o", "row", "--pitch", "G3", capsys=capsys)
    assert out.startswith("pitch: A E3 · B B3 → G3\nwrote 3 sounds")
    _, out, _ = run(*words, "-o", "glide", capsys=capsys)
    assert out.startswith("pitch: A E3 · B B3\nwrote 3 sounds")


def test_the_notes_of_phrases_are_named(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def played(*pitches: int) -> torch.Tensor:
        notes = [tone(pitch, seconds=0.4) * torch.linspace(1, 0, 6400) for pitch in pitches]
        return torch.cat([note for one in notes for note in (torch.zeros(1600), one)])

    save_audio("p.wav", played(60, 64, 67), sample_rate=16000, format="float32")
    save_audio("q.wav", played(*(48 + index % 3 * 4 for index in range(18))), sample_rate=16000, format="float32")
    words = ("morph", "p.wav", "q.wav", "-o", "out.wav", "--codec", codec_path, *WORDS)
    _, out, _ = run(*words, capsys=capsys)
    keys = " ".join(["C3 E3 G♯3"] * 5 + ["C3"])
    assert out.startswith(f"notes of A: C4 E4 G4\nnotes of B: {keys} … (18 notes)\nwrote out.wav")
    _, out, _ = run(*words, "--json", "--force", capsys=capsys)
    assert next([note["midi"] for note in notes] for notes in json.loads(out)["notes"]) == [60, 64, 67]


@pytest.mark.parametrize(("mix", "pitch"), [("0.3", 54), ("0.72", 57)])
def test_the_nearest_key(
    here: Path,
    codec_path: Path,
    capsys: pytest.CaptureFixture[str],
    mix: str,
    pitch: int,
) -> None:
    words = ("morph", "a.wav", "b.wav", "-o", "out.wav", "--codec", codec_path, *WORDS)
    code, out, _ = run(*words, "--mix", mix, "--pitch", "nearest", capsys=capsys)
    assert code == 0 and "snaps" not in out
    assert abs(cents_off("out.wav", pitch)) < 10


def test_the_nearest_key_takes_one_mix(here: Path, codec_path: Path) -> None:
    sources = analyse_sounds(Codec.load(codec_path), tone(52, seconds=0.4), tone(59, seconds=0.4))
    assert [pitch.key for pitch in source_pitches(sources) or []] == [52, 59]
    config = MorphConfig(pitch="nearest", network="none")
    assert morph_pitch(sources, 0.5, config=MorphConfig(pitch="b")) == (source_pitches(sources) or [])[1]
    with pytest.raises(InputError, match="the pitch nearest must be used with a constant mix, got a curve"):
        morph_sources(sources, MixCurve((0, 1), (0, 1)), config=config)


def test_a_row_over_three_sounds(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("morph", "a.wav", "b.wav", "c.wav", "-o", "row", "--codec", codec_path, *WORDS, "--json")
    code, out, _ = run(*words, "--steps", "5", capsys=capsys)
    assert code == 0
    assert json.loads(out)["mixes"] == [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]]
    for name, pitch in (("000", 52), ("025", 55.5), ("050", 59), ("075", 61.5), ("100", 64)):
        assert abs(cents_off(f"row/morph-{name}.wav", pitch)) < 10


def test_pairs_of_a_folder(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "bad.wav").write_text("no sound")
    (here / "notes.txt").write_text("no sound either")
    words = ("morph", "--pairs", ".", "-o", "new/out", "--codec", codec_path, *WORDS)
    code, out, err = run(*words, capsys=capsys)
    names = ["a+b.wav", "a+c.wav", "b+c.wav", "morphs.json"]
    assert code == 2 and "new/out: 3 new, 3 left out of 6 pairs" in out
    assert err.count("bad.wav") == 2 and "all pairs of bad.wav are left out: a sound must be a valid" in err
    assert names_in(here / "new" / "out") == names
    assert abs(cents_off("new/out/b+c.wav", 61.5)) < 10
    record = json.loads((here / "new" / "out" / "morphs.json").read_text())
    assert record["morphs"]["b+c.wav"]["sounds"] == ["b.wav", "c.wav"]
    # it goes on where it was, makes anew what has changed, and takes other settings with --force only
    (here / "bad.wav").unlink()
    (here / "new" / "out" / "a+b.wav").unlink()
    kept = (here / "new" / "out" / "a+c.wav").stat().st_mtime_ns
    save_audio("b.wav", tone(57, seconds=0.4), sample_rate=16000, format="float32")
    code, out, _ = run(*words, capsys=capsys)
    assert code == 0 and "2 new, 1 kept of 3 pairs" in out
    assert (here / "new" / "out" / "a+c.wav").stat().st_mtime_ns == kept
    assert abs(cents_off("new/out/b+c.wav", 60.5)) < 10
    assert "got new/out, which holds 3 files of an earlier run" in refused(here, *words, "--mix", "1", capsys=capsys)
    (here / "c.wav").unlink()
    (here / "d.wav").write_bytes((here / "a.wav").read_bytes())
    (here / "new" / "out" / "a+d.wav").write_text("mine")  # a file of the user's
    sentence = refused(here, *words, capsys=capsys)
    assert sentence.endswith("got new/out, which holds a+d.wav")
    (here / "d.wav").unlink()
    (here / "new" / "out" / "a+d.wav").unlink()
    assert run(*words, "--mix", "1", "--force", capsys=capsys)[0] == 0
    assert names_in(here / "new" / "out") == ["a+b.wav", "morphs.json"]
    assert abs(cents_off("new/out/a+b.wav", 57)) < 10


def test_pairs_that_are_named(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for old, new in (("a", "one-a"), ("b", "one-b"), ("c", "alone-a")):
        (here / f"{old}.wav").rename(here / f"{new}.wav")
    words = ("morph", "--pairs", here, "-o", "out", "--codec", codec_path, *WORDS, "--mix", "0", "--json")
    code, out, _ = run(*words, capsys=capsys)
    assert (code, json.loads(out)["outputs"]) == (0, ["out/one.wav"])
    assert abs(cents_off("out/one.wav", 52)) < 10


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--pairs", "a.wav"], "--pairs must be a folder, got a.wav"),
        (["--pairs", "empty"], "--pairs must hold two sounds or more, got 0 in empty"),
        (["--pairs", ".", "--steps", "3"], "--pairs must be used without --steps, got both"),
        (["--pairs", ".", "-o", "."], "the output must be another folder than --pairs, got . for both"),
        (["--pairs", "twice"], "the sounds of --pairs must have different names before their suffixes, got twice"),
    ],
)
def test_pairs_that_cannot_be(
    here: Path,
    codec_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    (here / "empty").mkdir()
    (here / "twice").mkdir()
    for name in ("a.wav", "a.flac", "b.wav"):
        save_audio(here / "twice" / name, torch.ones(800), sample_rate=16000)
    assert re.fullmatch(sentence, refused(here, "morph", "-o", "out", "--codec", codec_path, *words, capsys=capsys))


def test_a_mix_may_be_text_in_python_too(codec_path: Path) -> None:
    codec, sounds = Codec.load(codec_path), (tone(52, seconds=0.4), tone(59, seconds=0.4))
    config = MorphConfig(pitch="a", network="none")
    expected = morph(codec, *sounds, mix=MixCurve((0, 0.3), (0, 1)), config=config, ratios={"noise": 0.25})
    assert torch.equal(morph(codec, *sounds, mix="0:0,0.3:1", config=config, ratios={"noise": "0.25"}), expected)
    with pytest.raises(InputError, match="a mix must be a number"):
        morph(codec, *sounds, mix="half")


def test_even_steps_are_named_by_the_pitch_that_is_heard(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("morph", "a.wav", "b.wav", "--codec", codec_path, *WORDS, "--even", "--json")
    code, out, _ = run(*words, "-o", "even.wav", "--mix", "0.4", capsys=capsys)
    (pitch,) = json.loads(out)["morph_pitches"]
    assert code == 0 and abs(cents_off("even.wav", pitch["midi"] + pitch["cents"] / 100)) < 10
    assert abs(pitch["midi"] + pitch["cents"] / 100 - (52 + 0.4 * 7)) > 0.05  # bent
    code, out, _ = run(*words, "-o", "key.wav", "--mix", "0.5", "--pitch", "nearest", capsys=capsys)
    assert code == 0 and abs(cents_off("key.wav", json.loads(out)["morph_pitches"][0]["midi"])) < 10


def test_a_stopped_run_knows_its_own_files(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from intertone.cli import morph_pairs

    words = ("morph", "--pairs", here, "-o", "out", "--codec", codec_path, *WORDS)
    original, calls = morph_pairs.morph_one, list[int]()

    def stopped(*arguments: object) -> object:
        calls.append(1)
        found = original(*arguments)  # type: ignore[arg-type]
        if len(calls) == 2:  # after its file was written
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(morph_pairs, "morph_one", stopped)
    assert run(*words, capsys=capsys)[0] == 130
    monkeypatch.setattr(morph_pairs, "morph_one", original)
    code, out, _ = run(*words, capsys=capsys)
    assert code == 0 and "2 new, 1 kept of 3 pairs" in out
