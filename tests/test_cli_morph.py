"""``intertone morph`` on sounds of any pitch: several sounds, curves, ratios of their own, and what is refused."""

import json
import re
from pathlib import Path

import pytest
import torch
from commands import names_in, refused, run
from conftest import tone, untrained_codec
from pydantic import ValidationError

from intertone.audio import load_audio, save_audio
from intertone.cli.morph_options import AlignOption, PitchOption, RegisterOption, StrengthOption
from intertone.cli.options import PhaseOption
from intertone.codec import Codec, CodecConfig
from intertone.models import ConditionedConfig
from intertone.morphing import MixCurve, MorphConfig, morph
from intertone.phase import PhaseConfig
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import HarmonicConfig

PITCHES = {"a": 52, "b": 59, "c": 64}


@pytest.fixture(scope="module")
def codec_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A codec that follows pitch; its network has learned nothing and is mostly left out."""
    representation = HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600)
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    folder = tmp_path_factory.mktemp("codecs") / "harmonic"
    torch.manual_seed(0)
    Codec(CodecConfig(representation=representation, model=model)).save(folder, card="# small\n")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, pitch in PITCHES.items():
        save_audio(f"{name}.wav", tone(pitch, seconds=0.3 + pitch / 600), sample_rate=16000, format="float32")
    return tmp_path


def loaded(*names: str) -> list[torch.Tensor]:
    return [load_audio(f"{name}.wav", sample_rate=16000)[0] for name in names]


def cents_off(name: str, pitch: float) -> float:
    audio, rate = load_audio(name)
    return float(hz_to_cents(note_pitch(audio[0], rate), pitch_to_hz(pitch)))


@pytest.mark.parametrize(
    ("words", "mix", "settings", "ratios"),
    [
        (["b", "--mix", "-0.2", "--network", "residual", "--strength", "0.5"], -0.2, {"strength": 0.5}, {}),
        (["b"], 0.5, {"network": "full"}, {}),
        (["b", "--mix", "0:0,0.3:1", "--align", "onset"], MixCurve((0, 0.3), (0, 1)), {"alignment": "onset"}, {}),
        (["b", "c", "--mix", ".2,.3,.5"], (0.2, 0.3, 0.5), {}, {}),
        (["b", "c"], (1 / 3, 1 / 3, 1 / 3), {}, {}),
        (["b", "--mix-pitch", "1", "--mix", "0.2"], 0.2, {"pitch": "free"}, {"pitch": 1.0}),
        (
            ["b", "--mix-harmonics", "0:1,0.2:0", "--mix-noise", "0", "--mix-envelope", "1", "--pitch", "A"],
            0.5,
            {"pitch": "a"},
            {"harmonics": MixCurve((0, 0.2), (1, 0)), "noise": 0.0, "envelope": 1.0},
        ),
    ],
    ids=["beyond", "alone", "curve", "weights", "equal", "pitch", "parts"],
)
def test_the_file_is_what_the_function_gives(
    here: Path,
    codec_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    mix: float,
    settings: dict[str, object],
    ratios: dict[str, float],
) -> None:
    names = ["a", *(word for word in words if word in PITCHES)]
    files = [f"{word}.wav" if word in PITCHES else word for word in words]
    network = str(settings.get("network", "residual" if "strength" in settings else "none"))
    config = MorphConfig.parse({**settings, "network": network})
    arguments = ("morph", "a.wav", *files, "-o", "out.wav", "--codec", codec_path, "--format", "float32")
    assert run(*arguments, "--network", network, capsys=capsys)[0] == 0
    expected = morph(Codec.load(codec_path), *loaded(*names), mix=mix, config=config, ratios=ratios)
    assert torch.equal(load_audio("out.wav")[0], expected / expected.abs().max().clamp_min(1))


@pytest.mark.parametrize(
    ("words", "pitch"),
    [
        (["--mix", "0.5"], 55.5),
        (["--pitch", "b"], 59),
        (["--pitch", "F4", "--mix", "0.3"], 65),
        (["--mix-pitch", "0.25"], 53.75),
        (["--pitch", "free", "--mix", "1"], 59),
    ],
)
def test_pitch(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], pitch: float
) -> None:
    arguments = ("morph", "a.wav", "b.wav", "-o", "out.wav", "--codec", codec_path, "--network", "none")
    assert run(*arguments, *words, capsys=capsys)[0] == 0
    assert abs(cents_off("out.wav", pitch)) < 10


def test_what_is_said(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("morph", "a.wav", "b.wav", "c.wav", "-o", "out.wav", "--codec", codec_path, "--plot", "p.svg")
    code, out, _ = run(*arguments, "--mix", "1,1,2", capsys=capsys)
    assert code == 0 and re.match(
        r"pitch: A E3 · B B3 · C E4 → C4 −25 ¢; --pitch C4 transposes it to the key\n"
        r"wrote out.wav: 0\.\d\d s, 16000 Hz, 1 channel, mix 1,1,2\nwrote p.svg \(\d+\.\d s\)\n$",
        out,
    )
    assert "C: c.wav" in (here / "p.svg").read_text() and "mix 1,1,2" in (here / "p.svg").read_text()
    code, out, err = run(*arguments, "--mix", ".2,.3,.5", "--json", "--force", capsys=capsys)
    assert (code, err, json.loads(out)["mixes"]) == (0, "", [[0.2, 0.3, 0.5]])
    words = ("morph", "a.wav", "b.wav", "-o", "curve.wav", "--codec", codec_path, "--mix", "0:0,0.3:1", "--json")
    assert json.loads(run(*words, capsys=capsys)[1])["mixes"] == [[[0, 0], [0.3, 1]]]


@pytest.mark.parametrize(
    ("verb", "words", "warning"),
    [
        ("morph", [], None),
        (
            "morph",
            ["--phase", "pghi-fast"],
            "--phase pghi-fast is ignored: this codec estimates no phase",
        ),
        (
            "morph",
            ["--phase", "griffin-lim", "--iterations", "8"],
            "--phase griffin-lim and --iterations 8 are ignored: this codec estimates no phase",
        ),
        ("morph", ["--phase", "kept", "--mix", "0"], None),
        ("reconstruct", [], None),
        ("reconstruct", ["--phase", "pghi"], None),
        (
            "reconstruct",
            ["--iterations", "8"],
            "--iterations 8 is ignored: this codec estimates no phase",
        ),
    ],
)
def test_a_phase_that_nothing_is_done_with_is_said(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], verb: str, words: list[str], warning: str | None
) -> None:
    sounds = ("a.wav", "b.wav") if verb == "morph" else ("a.wav",)
    code, _, err = run(verb, *sounds, "-o", "out.wav", "--codec", codec_path, *words, capsys=capsys)
    assert code == 0
    assert [line.strip() for line in err.splitlines() if "ignored" in line] == ([warning] if warning else [])


def test_reconstruct_without_the_kept_phase_has_other_noise(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = 0.01 * torch.randn(loaded("c")[0].shape, generator=torch.Generator().manual_seed(0))
    save_audio("c.wav", loaded("c")[0] + noise, sample_rate=16000)
    words = ("reconstruct", "c.wav", "--codec", codec_path, "--format", "float32")
    for name in ("kept", "pghi", "griffin-lim"):
        assert run(*words, "-o", f"{name}.wav", "--phase", name, capsys=capsys)[0] == 0
    kept, pghi, griffin_lim = loaded("kept", "pghi", "griffin-lim")
    assert torch.equal(pghi, griffin_lim) and not torch.equal(kept, pghi)


@pytest.mark.parametrize(
    ("words", "warnings"),
    [
        (["--mix", "0:0,9:1"], [("--mix", "9", "0.04")]),
        (["--mix", "0:0,0.2:1,0.3:0.5"], []),
        (["--mix", "0:0,0.2:1,9:1"], []),
        (["--mix", "0.5", "--mix-noise", "0:1,2:0"], [("--mix-noise", "2", "0.80")]),
        (["--steps", "3", "--mix-harmonics", "0.1:1,1.1:0"], [("--mix-harmonics", "1.1", "0.70")]),
        (
            ["--mix", "0:0.5,4:1", "--mix-envelope", "0:0.5,4:1"],
            [("--mix", "4", "0.55"), ("--mix-envelope", "4", "0.55")],
        ),
    ],
)
def test_a_curve_that_goes_on_after_the_end_is_said(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], warnings: list[tuple[str, ...]]
) -> None:
    out = "steps" if "--steps" in words else "out.wav"
    arguments = ("morph", "a.wav", "b.wav", "-o", out, "--codec", codec_path, "--sample-rate", "8000")
    code, _, err = run(*arguments, "--network", "none", *words, capsys=capsys)
    assert code == 0
    longest = max((here / out).glob("*.wav") if out == "steps" else [here / out], key=lambda path: path.stat().st_size)
    samples, rate = load_audio(longest)[0].shape[-1], 8000
    assert [line.strip() for line in err.splitlines() if "has points up to" in line] == [
        f"{name} has points up to {late} s, but the sound ends at {samples / rate:.2f} s, where the mix is {ratio}"
        for name, late, ratio in warnings
    ]


def test_a_curve_that_goes_on_after_the_longest_key_is_said(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("keys", "a.wav", "b.wav", "-o", "keys", "--range", "C3:C3", "--codec", codec_path, "--network", "none")
    code, out, _ = run(*words, "--mix", "0:0,9:1", "--json", capsys=capsys)
    assert code == 0
    (warning,) = [line for line in json.loads(out)["done"] if "has points up to" in line]
    assert re.fullmatch(
        r"--mix has points up to 9 s, but the sound ends at 0\.\d\d s, where the mix is 0\.0\d", warning
    )


def test_a_sweep_between_sounds_of_two_lengths_has_their_ends(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("morph", "a.wav", "b.wav", "--steps", "3", "--even", "--codec", codec_path, "--network", "none")
    assert run(*arguments, "-o", "steps", "--format", "float32", capsys=capsys)[0] == 0
    sounds = [load_audio(here / "steps" / f"morph-{name}.wav")[0] for name in ("000", "050", "100")]
    a, b = loaded("a", "b")
    assert [sound.shape[-1] for sound in sounds[::2]] == [a.shape[-1], b.shape[-1]]
    assert a.shape[-1] < sounds[1].shape[-1] < b.shape[-1]
    for sound, original in ((sounds[0], a), (sounds[2], b)):
        # one gain for all
        scale = float((sound * original).sum() / original.square().sum())
        assert (sound - scale * original).abs().max() < 1e-4 * original.abs().max()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mix", "half"], "--mix: a mix must be a number .*, got half"),
        (["--mix", "0:0,1"], "--mix: a mix must be a number .*, got 0:0,1"),
        (["--mix", "2:0,1:1"], "--mix: the times of a curve must rise, got 2, 1"),
        (["--mix", ".2,.3,.5"], "--mix: there must be one weight for each of 2 sounds, got 3"),
        (["--mix", "1,-1"], "--mix: weights must be finite and have a sum above 0, got 1, -1"),
        (["--mix-noise", "1.7"], r"--mix-noise: mix must be in -0\.5\.\.1\.5, got 1\.7"),
        (["c.wav", "--mix", "0.5"], "--mix: one ratio must be used with two sounds, got 3; give one weight for each"),
        (
            ["--steps", "3", "--mix", "0.5"],
            "--steps must be used without --mix, since it sets all mixes itself, got --mix 0.5",
        ),
        (["--pairs", "."], "--pairs must be used without other sounds than those of its folder, got a.wav"),
        (["c.wav", "--even"], "even steps must go from 0 to 1 between two sounds, got 3 sounds"),
        (["--even", "--mix", "1.2"], "even steps must go from 0 to 1 between two sounds, got 2 sounds, mix 1.2"),
        (["--pitch", "H2"], "^--pitch must be glide, nearest, free, a letter of a sound .* or a note .*, got H2"),
        (["--pitch", "c"], "the pitch must be that of a sound, a to b, or a note with its octave, such as C4, got c"),
        (["--pitch", "glide", "--mix-pitch", "1"], "^--mix-pitch must be used with --pitch free, got glide$"),
        (["--pitch", "a", "--mix-pitch", "1"], "^--mix-pitch must be used with --pitch free, got a$"),
        (["--strength", "1", "--network", "none"], "--strength must be used with --network residual, got none"),
        (["--register", "1", "--network", "full"], "--register must be used with --network residual, got full"),
        (["--strength", "9"], r"^--strength must be at most 4, got 9\.0$"),
        (["--strength", "nan"], "^--strength must be a finite number, got nan$"),
        (["--register", "-1"], r"^--register must be at least 0, got -1\.0$"),
        (["b.wav"] * 25, "there must be 2 to 26 sounds, got 27"),
        (["missing.wav"], "the input must exist, got missing.wav"),
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
    start = ("morph", "a.wav", "b.wav", "-o", "new", "--codec", codec_path)
    start = start if "--steps" in words else (*start[:4], "new.wav", *start[5:])
    assert re.search(message, refused(here, *start, *words, capsys=capsys))


@pytest.mark.parametrize(("mix", "warned"), [("0,5", True), ("0,25", True), ("0,1", False), ("1,0", False)])
def test_a_decimal_comma_is_remarked(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], mix: str, warned: bool
) -> None:
    words = ("morph", "a.wav", "b.wav", "-o", "comma.wav", "--mix", mix, "--codec", codec_path, "--network", "none")
    code, _, told = run(*words, capsys=capsys)
    sentence = f"--mix {mix} gives A the weight 0; a decimal number has a point: {mix.replace(',', '.')}"
    assert code == 0 and (sentence in " ".join(told.split())) == warned


def test_a_ratio_for_the_pitch_alone_means_that_the_pitch_is_free(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("morph", "a.wav", "b.wav", "--mix-pitch", "0", "--codec", codec_path, "--network", "none")
    assert run(*words, "-o", "alone.wav", capsys=capsys)[0] == 0
    assert run(*words, "-o", "free.wav", "--pitch", "free", capsys=capsys)[0] == 0
    assert (here / "alone.wav").read_bytes() == (here / "free.wav").read_bytes()


def test_help_tells_the_defaults() -> None:
    defaults = MorphConfig()
    assert f"(default: {PhaseConfig().method})" in PhaseOption.__metadata__[0].help
    for option, value in ((StrengthOption, defaults.strength), (RegisterOption, defaults.register_strength)):
        assert f"(default: {value})" in option.__metadata__[0].help
    for option, value in ((PitchOption, defaults.pitch), (AlignOption, defaults.alignment)):
        assert f"(default: {value}" in option.__metadata__[0].help


def test_one_sound_is_no_morph(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = refused(here, "morph", "a.wav", "-o", "out.wav", "--codec", codec_path, capsys=capsys)
    assert sentence == "there must be 2 to 26 sounds, got 1"


@pytest.mark.parametrize(
    "words", [["--pitch", "A3"], ["--align", "none"], ["--mix-noise", "0.3"], ["--mix-pitch", "0.3"]]
)
def test_a_codec_that_hears_no_pitch_says_so(here: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    untrained_codec().save(here / "codec", card="")
    start = ("morph", "a.wav", "b.wav", "-o", "out.wav", "--codec", "codec")
    sentence = refused(here, *start, *words, capsys=capsys)
    assert sentence == f"{words[0]} must be used with a codec that analyses pitch, got a spectrogram codec"
    code, _, err = run(*start, "--network", "none", "--phase", "pghi", "--iterations", "2", capsys=capsys)
    assert code == 0 and "ignored" not in err
    assert "out.wav" in names_in(here)


@pytest.mark.parametrize(("old", "new"), [("carried", "residual"), ("alone", "full")])
def test_an_earlier_name_of_a_use_of_the_network_is_refused_with_the_new_one(
    old: str, new: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run("morph", "a.wav", "b.wav", "-o", tmp_path / "out.wav", "--network", old, capsys=capsys)
    assert code == 2 and f"got {old} ({new} now)" in " ".join(err.split()) and not list(tmp_path.iterdir())
    with pytest.raises(ValidationError, match=f"network must be {new}, as it is called now, got {old}"):
        MorphConfig(network=old)  # type: ignore[arg-type]
