"""Fifty commands of a new user's hour: the sentence, the exit code, and the files before and after."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from commands import names_in, run
from conftest import tone

from intertone.audio import save_audio
from intertone.codec import Codec, CodecConfig
from intertone.models import ConditionedConfig
from intertone.representation import HarmonicConfig


class Try(NamedTuple):
    """A command, what it prints (a pattern), its exit code and the files that it makes."""

    command: str
    text: str
    code: int = 2
    made: tuple[str, ...] = ()


SMALL = "--codec small"
HOUR = [
    # finding one's way
    Try("", r"(?s)Usage: intertone .*morph.*keys", 2),
    Try("-h", r"(?s)Usage: intertone .*morph.*keys", 0),
    Try("--version", r"^intertone \d+\.\d+\.\d+$", 0),
    Try("--help morph", r"Usage: intertone", 0),
    Try("morph -h", r"--mix", 0),
    Try("keys --help", r"--range", 0),
    Try("mroph a.wav b.wav -o x.wav", r"no such command 'mroph'.*intertone --help"),
    Try("morph a.wav b.wav", r"missing option '--?o.*intertone morph --help"),
    Try("morph a.wav b.wav -o x.wav --mx 0.5", r"no such option: --mx"),
    Try("info small", r"(?m)^latent_dim", 0),
    Try("info samll", r"the codec must be one of .*harmonic.*, got samll"),
    # two sounds
    Try(f"morph a.wav b.wav -o x.wav {SMALL}", r"(?s)pitch: A C4.* B E4.*wrote x\.wav: 0\.\d+ s", 0, ("x.wav",)),
    Try(f"morph a.wav b.wav -o x/y/z.wav {SMALL} --mix 0.3", r"wrote x/y/z\.wav", 0, ("x", "x/y", "x/y/z.wav")),
    Try(f"morph a.wav b.wav -o x.mp3 {SMALL}", r"wrote x\.mp3", 0, ("x.mp3",)),
    Try(f"morph a.wav b.wav -o x.flac {SMALL} --json", r'"outputs": \[\s*"x\.flac"', 0, ("x.flac",)),
    Try(f"morph a.wav b.wav -o x.wav {SMALL} --mix 0:0,0.2:1", r"wrote x\.wav", 0, ("x.wav",)),
    Try(f"morph a.wav b.wav -o x.wav {SMALL} --pitch nearest", r"wrote x\.wav", 0, ("x.wav",)),
    Try(f"morph a.wav b.wav a.wav -o x.wav {SMALL}", r"wrote x\.wav.*1/3", 0, ("x.wav",)),
    Try("morph a.wav b.wav -o kept.wav", r"must be a new file, or --force must be given, got kept\.wav, which exists"),
    Try("morph a.wav b.wav -o a.wav --force", r"the output must not be one of the inputs, got a\.wav for both"),
    Try("morph a.wav no.wav -o x.wav", r"the input must exist, got no\.wav"),
    Try("morph a.wav -o x.wav", r"there must be 2 to 26 sounds, got 1"),
    Try(f"morph a.wav text.wav -o x.wav {SMALL}", r"a sound must be a valid WAV, .* got text\.wav"),
    Try(f"morph a.wav empty.wav -o x.wav {SMALL}", r"a sound file must have 1 byte to .* got 0 bytes in empty\.wav"),
    Try(f"morph a.wav silence.wav -o x.wav {SMALL}", r"must not be all silence, got a peak of 0 at .* in silence\.wav"),
    Try(f"morph a.wav old -o x.wav {SMALL}", r"a sound must be an existing regular file, got old"),
    Try("morph a.wav b.wav -o x", r"a sound file must end in one of \.wav, .*, got x"),
    Try("morph a.wav b.wav -o x.ogg --format pcm16", r"the format of OGG must be left out"),
    Try("morph a.wav b.wav -o x.wav --sample-rate 44", r"sample_rate must be in 4000\.\.384000 Hz, got 44"),
    Try(f"morph a.wav b.wav -o x.wav {SMALL} --mix 50", r"--mix: mix must be in -0\.5\.\.1\.5, got 50"),
    Try(f"morph a.wav b.wav -o x.wav {SMALL} --mix half", r"a mix must be a number \(0\.5\), .* got half"),
    Try(f"morph a.wav b.wav -o x.wav {SMALL} --mix .5,.2,.3", r"--mix: .*got 3"),
    Try(f"morph a.wav b.wav -o x.wav {SMALL} --pitch H4", r"pitch must be glide, .* got H4"),
    Try(f"morph a.wav b.wav -o x.wav {SMALL} --seed -1", r"--seed must be at least 0|-1 is not in the range"),
    Try("morph a.wav b.wav -o x.wav --plot x.gif", r"a picture must end in \.png, \.pdf or \.svg, got x\.gif"),
    Try("morph a.wav b.wav -o x.wav --codec harmonics", r"the codec must be one of .*did you mean harmonic\?"),
    # rows and pairs
    Try(f"morph a.wav b.wav -o row --steps 3 {SMALL}", r"wrote 3 sounds to row: morph-000\.wav … morph-100\.wav", 0,
        ("row", "row/morph-000.wav", "row/morph-050.wav", "row/morph-100.wav")),
    Try("morph a.wav b.wav -o row.wav --steps 3", r"the output must be a folder with --steps, got the file row\.wav"),
    Try("morph a.wav b.wav -o steps --steps 3", r"a new folder, or --force must be given, got steps, which holds"),
    Try("morph a.wav b.wav -o row --steps 3 --mix 0.5", r"--steps must be used without --mix, since it .*, got --mix"),
    Try("morph a.wav b.wav -o out --pairs old", r"without other sounds than those of its folder, got a.wav"),
    Try(f"morph --pairs old -o out {SMALL}", r"--pairs must hold two sounds or more, got 0 in old"),
    # keys, reconstruction, synthesis
    Try(f"keys a.wav b.wav -o kk --range C4:D4 --every 2 {SMALL}", r"wrote 2 keys to kk", 0, ("kk", "*")),
    Try("keys a.wav b.wav -o old", r"must be a new or empty folder or .*, got old, which holds mine\.txt"),
    Try(f"keys a.wav -o kk --range C4 {SMALL}", r"range.* got C4"),
    Try(f"keys noise.wav -o kk --range C4:D4 {SMALL}", r"a keyboard must have|one pitch"),
    Try(f"reconstruct a.wav -o x.wav {SMALL}", r"wrote x\.wav", 0, ("x.wav",)),
    Try(
        f"gains a.wav -o x.wav {SMALL} --gain 999=2", r"a latent dimension must be in 1\.\..* with this codec, got 999"
    ),
    Try("synth small -o x.wav", r"either --latents or --instrument must be given, got neither"),
    Try("synth harmonic --instrument trumpett --pitch C4 -o x.wav", r"trumpett"),
    # notes and training
    Try("data import old -o notes", r"old must hold sounds that can be used, but none of 1 files can"),
    Try("data import sounds -o notes", r"(?s)notes: folder, 16000 Hz, 4 s a note", 0, ("notes", "*")),
    Try("data info old", r"a note set must have a notes\.json, got old"),
    Try("train no.toml --data old -o runs", r"the settings file must exist, got no\.toml"),
    Try("train run.toml --data old -o runs", r"run\.toml: epoch is not a setting; did you mean epochs\?"),
    Try("pack old -o packed", r"RUN must be the folder of a run, with best/ in it, got old"),
    Try("evaluate small --data no", r"a note set must be a folder, got no"),
    Try("bench export old", r"must be a new or empty folder or an export .*, got old, which holds mine\.txt"),
]  # fmt: skip


@pytest.fixture(scope="module")
def codec_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    representation = HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600)
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("codecs") / "small"
    Codec(CodecConfig(representation=representation, model=model)).save(folder, card="# small\n")
    return folder


@pytest.fixture
def desk(tmp_path: Path, codec_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a new user's: two notes, a small codec, and things that are no sounds."""
    monkeypatch.chdir(tmp_path)
    for name, pitch in (("a", 60), ("b", 64), ("kept", 60)):
        save_audio(f"{name}.wav", tone(pitch, seconds=0.4), sample_rate=16000)
    save_audio("noise.wav", 0.1 * torch.randn(8000, generator=torch.Generator().manual_seed(0)), sample_rate=16000)
    save_audio("silence.wav", torch.zeros(8000), sample_rate=16000)
    Path("text.wav").write_text("no sound\n" * 100)
    Path("empty.wav").touch()
    Path("run.toml").write_text("epoch = 3\n")
    for folder, name in (("old", "mine.txt"), ("steps", "morph-050.wav")):
        Path(folder).mkdir()
        (Path(folder) / name).write_text("mine")
    Path("sounds").mkdir()
    for pitch in (60, 62, 64):
        save_audio(f"sounds/horn-{pitch:03d}.wav", tone(pitch, seconds=0.2), sample_rate=16000)
    Path("small").symlink_to(codec_folder)
    yield tmp_path


def test_there_are_fifty_commands() -> None:
    assert len({each.command for each in HOUR}) == len(HOUR) >= 50


@pytest.mark.parametrize("each", HOUR, ids=lambda each: each.command)
def test_a_command(each: Try, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {name: (desk / name).read_bytes() for name in names_in(desk) if (desk / name).is_file()}
    names = names_in(desk)
    code, out, err = run(*shlex.split(each.command), capsys=capsys)
    assert (code, "Traceback" in err) == (each.code, False), out + err
    assert re.search(each.text, out if each.code == 0 else out + err), out + err
    if each.code and each.command:
        (sentence,) = [line for line in err.splitlines() if line.startswith("intertone: ")]
        assert re.search(each.text, sentence)
    new = [name for name in names_in(desk) if name not in names]
    if "*" in each.made:
        assert new and all(name.startswith(each.made[0]) for name in new)
    else:
        assert tuple(new) == each.made
    assert {name: (desk / name).read_bytes() for name in before} == before
    assert all((desk / name).is_dir() or (desk / name).stat().st_size for name in new)
