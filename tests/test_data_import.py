"""NSynth and folders of sounds come in: what is found, what is done, what is left out and why."""

import json
import os
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from intertone.audio import save_audio
from intertone.cli.data import app
from intertone.data.findings import read_findings
from intertone.data.importer import ImportConfig, import_folder, import_nsynth
from intertone.data.notes import Notes
from intertone.data.split import divide_notes
from intertone.errors import InputError

SMALL = ImportConfig(sample_rate=8000, seconds=0.25)


def tone(hz: float, *, seconds: float = 0.3, sample_rate: int = 8000, channels: int = 1) -> torch.Tensor:
    time = torch.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * torch.sin(2 * torch.pi * hz * time)).expand(channels, -1)


def report(folder: Path) -> dict[str, dict[str, object]]:
    lines = map(json.loads, (folder / "report.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["file"]: line for line in lines}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def nsynth(folder: Path, split: str, notes: dict[str, str]) -> None:
    part = folder / f"nsynth-{split}"
    (part / "audio").mkdir(parents=True)
    entries = {}
    for name, family in notes.items():
        instrument, pitch, velocity = name.rsplit("-", 2)
        entries[name] = {
            "note_str": name, "instrument_str": instrument, "instrument_family_str": family, "pitch": int(pitch),
            "instrument_source_str": "acoustic", "velocity": int(velocity), "sample_rate": 16000,
        }  # fmt: skip
        save_audio(part / "audio" / f"{name}.wav", tone(440), sample_rate=8000)
    (part / "examples.json").write_text(json.dumps(entries))


def test_nsynth_keeps_its_splits_and_names(tmp_path: Path) -> None:
    source, out = tmp_path / "nsynth", tmp_path / "out"
    nsynth(source, "train", {"bass_acoustic_000-030-100": "bass", "flute_acoustic_001-060-025": "flute"})
    nsynth(source, "valid", {"organ_acoustic_002-061-127": "organ"})
    nsynth(source, "test", {"organ_acoustic_002-062-127": "organ", "reed_acoustic_003-070-050": "reed"})
    (source / "nsynth-test/audio/reed_acoustic_003-070-050.wav").unlink()
    path = source / "nsynth-train/examples.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"x-001-001": {"pitch": "high"}}))
    header = import_nsynth(source, out, config=SMALL)
    notes = Notes.open(out)
    assert [counts["notes"] for counts in header["counts"].values()] == [2, 1, 1]
    assert dict(zip(notes.name.tolist(), notes.split.tolist(), strict=True)) == {
        "bass_acoustic_000-030-100": "train", "flute_acoustic_001-060-025": "train",
        "organ_acoustic_002-061-127": "valid", "organ_acoustic_002-062-127": "test",
    }  # fmt: skip
    flute = notes.select(family="flute")[0]
    assert (notes.pitch[flute], notes.velocity[flute], notes.instrument[flute]) == (60, 25, "flute_acoustic_001")
    assert "existing regular file" in str(report(out)["nsynth-test/audio/reed_acoustic_003-070-050.wav"]["skipped"])
    assert "NSynth's names" in str(report(out)["nsynth-train/x-001-001"]["skipped"])
    assert str(tmp_path) not in (out / "report.jsonl").read_text()


def test_nsynth_with_an_instrument_in_train_and_test_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        nsynth(tmp_path / "nsynth", split, {"bass_acoustic_000-030-100": "bass"})
    with pytest.raises(InputError, match="no group may be in train and in another split"):
        import_nsynth(tmp_path / "nsynth", tmp_path / "out", config=SMALL)


def make_folder(source: Path) -> None:
    for place in ("strings/violin", "strings/cello"):
        (source / place).mkdir(parents=True)
    save_audio(source / "strings/violin/A4.wav", tone(440, seconds=1.0), sample_rate=8000)
    save_audio(source / "strings/violin/E5_vel90.flac", tone(660, sample_rate=16000, channels=2), sample_rate=16000)
    save_audio(source / "strings/cello/take2.wav", tone(110, seconds=0.1), sample_rate=8000)
    save_audio(source / "Flute_C#4.wav", tone(277.2), sample_rate=8000)
    (source / "broken.wav").write_bytes(b"RIFF but no sound")
    (source / "empty.wav").touch()
    (source / "readme.txt").write_text("hello")
    (source / ".hidden.wav").write_bytes(b"")
    save_audio(source / "late.wav", torch.cat([torch.zeros(1, 4000), tone(440)], -1), sample_rate=8000)


def test_a_folder_comes_in_with_a_line_for_every_file(tmp_path: Path) -> None:
    source, out = tmp_path / "sounds", tmp_path / "out"
    make_folder(source)
    header = import_folder(source, out, config=SMALL)
    notes = Notes.open(out)
    lines = report(out)
    assert set(lines) == {path.relative_to(source).as_posix() for path in source.rglob("[!.]*") if path.is_file()}
    assert sorted(zip(notes.name.tolist(), notes.pitch.tolist(), notes.instrument.tolist(), strict=True)) == [
        ("Flute_C#4.wav", 61, "Flute"),
        ("strings/cello/take2.wav", 45, "strings/cello"),
        ("strings/violin/A4.wav", 69, "strings/violin"),
        ("strings/violin/E5_vel90.flac", 76, "strings/violin"),
    ]
    violin = lines["strings/violin/E5_vel90.flac"]
    assert (violin["sample_rate"], violin["channels"], violin["seconds"]) == (16000, 2, 0.3)
    assert violin["done"] == ["mixed 2 channels to one", "resampled to 8000 Hz", "cropped to 0.25 s"]
    assert lines["strings/cello/take2.wav"]["done"] == ["padded to 0.25 s"]
    assert "must end in one of .wav" in str(lines["readme.txt"]["skipped"])
    assert "got broken.wav" in str(lines["broken.wav"]["skipped"])
    assert "must not be silent" in str(lines["late.wav"]["skipped"])
    assert sum(header["skipped"].values()) == 4
    index = int(notes.select(pitch=69)[0])
    assert torch.allclose(notes.audio([index])[0], tone(440)[0, :2000], atol=1e-4)
    # 0.1 s of tone, then silence
    padded = notes.audio(notes.select(pitch=45))[0]
    assert padded[800:].abs().max() == 0
    assert len({(group, split) for group, split in zip(notes.group, notes.split, strict=True)}) == len(set(notes.group))


def test_a_name_that_is_no_utf_8_comes_in(tmp_path: Path) -> None:
    for folder, name in ((b"", b"gl\xfcck-060.wav"), (b"t\xf6ne", b"gl\xfcck-061.wav")):
        place = Path(os.fsdecode(os.fsencode(tmp_path / "sounds") + b"/" + folder))
        place.mkdir(parents=True, exist_ok=True)
        save_audio(place / "a.wav", tone(440), sample_rate=8000)
        (place / "a.wav").rename(place / os.fsdecode(name))
    import_folder(tmp_path / "sounds", tmp_path / "out", config=SMALL)
    notes = Notes.open(tmp_path / "out")
    assert sorted(notes.name.tolist()) == [r"gl\xfcck-060.wav", r"t\xf6ne/gl\xfcck-061.wav"]
    assert sorted(notes.instrument.tolist()) == [r"gl\xfcck", r"t\xf6ne"]
    assert sorted(report(tmp_path / "out")) == sorted(notes.name.tolist())


def test_the_pitch_comes_from_the_name_or_from_the_sound(tmp_path: Path) -> None:
    source, out = tmp_path / "sounds", tmp_path / "out"
    source.mkdir()
    noise = 0.1 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    heard = {"flute_60.flac": 440.0, "oboe C3.wav": 440.0, "horn-060-100.wav": 440.0, "take 7.wav": 233.1}
    for name, hz in heard.items():
        save_audio(source / name, tone(hz), sample_rate=8000)
    save_audio(source / "wind.wav", noise, sample_rate=8000)
    import_folder(source, out, config=SMALL)
    notes = Notes.open(out)
    assert dict(zip(notes.name.tolist(), notes.pitch.tolist(), strict=True)) == {
        "flute_60.flac": 69, "horn-060-100.wav": 60, "oboe C3.wav": 48, "take 7.wav": 58, "wind.wav": -1
    }  # fmt: skip
    assert {name: line.get("pitch_from") for name, line in report(out).items()} == {
        "flute_60.flac": "sound", "horn-060-100.wav": "name", "oboe C3.wav": "name", "take 7.wav": "sound",
        "wind.wav": None,
    }  # fmt: skip


def test_a_number_of_a_series_tells_the_pitch(tmp_path: Path) -> None:
    source = tmp_path / "sounds"
    source.mkdir()
    for key in (60, 61):
        save_audio(source / f"name_{key}.flac", tone(440), sample_rate=8000)
    import_folder(source, tmp_path / "out", config=SMALL)
    assert Notes.open(tmp_path / "out").pitch.tolist() == [60, 61]


def test_findings_count_every_file_by_reason(tmp_path: Path) -> None:
    make_folder(tmp_path / "sounds")
    import_folder(tmp_path / "sounds", tmp_path / "out", config=SMALL)
    findings = read_findings(tmp_path / "out")
    assert [finding.kind for finding in findings] == sorted(
        (finding.kind for finding in findings), key=["found", "changed", "skipped"].index
    )
    counts = {finding.what: (finding.count, finding.examples) for finding in findings}
    assert counts["pitch from the name"] == (
        3, ("Flute_C#4.wav", "strings/violin/A4.wav", "strings/violin/E5_vel90.flac")
    )  # fmt: skip
    assert counts["cropped to 0.25 s"][0] == 3 and counts["mixed 2 channels to one"][0] == 1
    assert sum(finding.count for finding in findings if finding.kind == "skipped") == 4
    assert read_findings(tmp_path) == []


def test_an_import_that_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "sounds"
    make_folder(source)
    monkeypatch.setattr("intertone.data.importer.SHARD_NOTES", 2)
    import_folder(source, tmp_path / "whole", config=SMALL)

    def stop(done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_folder(source, tmp_path / "out", config=SMALL, progress=stop)
    assert not (tmp_path / "out/index.npz").exists()
    seen: list[int] = []
    import_folder(source, tmp_path / "out", config=SMALL, progress=lambda done, total: seen.append(done))
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    (source / "Oboe_C5.wav").write_bytes((source / "Flute_C#4.wav").read_bytes())
    with pytest.raises(
        InputError, match="to be resumed, but a sound was added, removed or changed since; remove it or name"
    ):
        import_folder(source, tmp_path / "out", config=SMALL)


def test_a_changed_or_repaired_sound_is_no_stale_note(tmp_path: Path) -> None:
    source, out = tmp_path / "sounds", tmp_path / "out"
    make_folder(source)
    header = import_folder(source, out, config=SMALL)
    (source / "readme.txt").write_text("not read, so it may change")
    assert import_folder(source, out, config=SMALL) == header
    good = (source / "Flute_C#4.wav").read_bytes()
    (source / "broken.wav").write_bytes(good)
    with pytest.raises(InputError, match="a sound was added, removed or changed since"):
        import_folder(source, out, config=SMALL)
    again = import_folder(source, tmp_path / "again", config=SMALL)
    assert sum(again["shards"]) == sum(header["shards"]) + 1
    stamp = (source / "broken.wav").stat().st_mtime_ns
    (source / "broken.wav").write_bytes(good[:-2] + b"ab")
    os.utime(source / "broken.wav", ns=(stamp, stamp + 1))
    with pytest.raises(InputError, match="a sound was added, removed or changed since"):
        import_folder(source, tmp_path / "again", config=SMALL)


def test_long_notes_are_fewer_in_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "sounds"
    make_folder(source)
    monkeypatch.setattr("intertone.data.importer.SHARD_BYTES", 3 * 2 * 2000 + 1)  # three notes of 2000 samples
    header = import_folder(source, tmp_path / "out", config=SMALL)
    assert (len(header["shards"]), sum(header["shards"])) == (3, 4)  # of 8 files


# ---- splits of a folder


@pytest.mark.parametrize("stem", ["piano", "cello", "x", "samples"])
def test_one_group_is_split_note_by_note_and_that_is_said(
    tmp_path: Path, stem: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "sounds"
    source.mkdir()
    for pitch in range(50, 60):
        save_audio(source / f"{stem}_{pitch}.wav", tone(440), sample_rate=8000)
    caplog.set_level("INFO", "intertone")
    header = import_folder(source, tmp_path / "out", config=SMALL)
    notes = Notes.open(tmp_path / "out")
    assert set(notes.split.tolist()) == {"train", "valid", "test"}
    assert len(notes.select(split="train")) >= 5
    assert notes.group.tolist() == notes.name.tolist()
    assert set(notes.instrument.tolist()) == {stem}
    said = (
        f"there is only one group ({stem}): its notes are divided one by one, so the validation split holds notes of a "
        "training instrument"
    )
    assert header["remarks"] == [said]
    assert said in caplog.messages
    assert said in CliRunner().invoke(app, ["info", str(tmp_path / "out")]).stdout
    assert {name: line["split"] for name, line in report(tmp_path / "out").items()} == dict(
        zip(notes.name.tolist(), notes.split.tolist(), strict=True)
    )
    whole = import_folder(source, tmp_path / "whole", config=SMALL, fractions=(1, 0, 0))
    assert (whole["counts"]["train"]["notes"], whole["remarks"]) == (10, [])


@pytest.mark.parametrize("n_groups", [2, 3, 12])
def test_folders_with_any_names_have_every_split_they_can(tmp_path: Path, n_groups: int) -> None:
    source = tmp_path / "sounds"
    for letter in "abc":  # three namings of the same folder
        for index in range(n_groups):
            place = source / letter / f"{letter}{index}"
            place.mkdir(parents=True)
            for take in range(2):
                save_audio(place / f"take{take}.wav", tone(220 + 30 * take), sample_rate=8000)
        (source / letter / "broken").mkdir()
        (source / letter / "broken/a.wav").write_bytes(b"no sound")  # a group of which nothing can be used
        header = import_folder(source / letter, tmp_path / letter, config=SMALL)
        groups = {split: counts["groups"] for split, counts in header["counts"].items()}
        assert sum(groups.values()) == n_groups
        assert min(groups["train"], groups["valid"]) >= 1
        assert groups["test"] >= (n_groups > 2)
        assert groups["train"] >= n_groups / 3


def test_split_by_note_at_the_command_line(tmp_path: Path) -> None:
    for name in ("flute", "piano"):
        (tmp_path / "sounds" / name).mkdir(parents=True)
        for pitch in range(60, 70):
            save_audio(tmp_path / "sounds" / name / f"{pitch}.wav", tone(220), sample_rate=8000)
    words = ["import", str(tmp_path / "sounds"), "-o", str(tmp_path / "out"), "--sample-rate", "8000", "--json"]
    result = CliRunner().invoke(app, [*words, "--split-by", "note"], catch_exceptions=False)
    content = json.loads(result.stdout)
    assert content["counts"]["train"]["groups"] == content["counts"]["train"]["notes"] >= 10
    assert content["counts"]["train"]["instruments"] == 2
    assert content["settings"]["split_by"] == "note"
    assert content["remarks"][0].startswith("the notes are divided one by one")
    with pytest.raises(InputError, match="split_by was note there and is group now; remove it or name another folder"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    with pytest.raises(InputError, match="split_by must be one of group, note, got take"):
        import_folder(tmp_path / "sounds", tmp_path / "out2", split_by="take")


def test_imports_refuse_what_holds_nothing(tmp_path: Path) -> None:
    source = tmp_path / "sounds"
    with pytest.raises(InputError, match="the sounds must be in a folder"):
        import_folder(source, tmp_path / "out")
    source.mkdir()
    with pytest.raises(InputError, match="but it has no files"):
        import_folder(source, tmp_path / "out")
    for name in ("a.txt", "b.txt"):
        (source / name).touch()
    (source / "c.wav").write_bytes(b"no sound")
    expected = r"none of 3 files can: 2 × a sound's name must end in .*; 1 × a sound must be a valid WAV"
    with pytest.raises(InputError, match=expected):
        import_folder(source, tmp_path / "out/deep")
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=expected):
        import_folder(source, tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []
    with pytest.raises(InputError, match="must not be inside the folder of the sounds"):
        import_folder(source, source / "out")
    with pytest.raises(InputError, match=r"must hold examples\.json"):
        import_nsynth(source, tmp_path / "out3")
    (source / "examples.json").write_text("{")
    with pytest.raises(InputError, match="must be NSynth's list of notes"):
        import_nsynth(source, tmp_path / "out3")


# ---- command line


def test_import_and_info_say_the_same(tmp_path: Path) -> None:
    source, out = tmp_path / "sounds", tmp_path / "out"
    make_folder(source)
    words = ["import", str(source), "-o", str(out), "--sample-rate", "8000", "--seconds", "0.25"]
    result = CliRunner().invoke(app, [*words, "--fractions", "1,0,0", "--json"], catch_exceptions=False)
    content = json.loads(result.stdout)
    assert content["counts"]["train"] == {"notes": 4, "instruments": 3, "groups": 3}
    assert json.loads(CliRunner().invoke(app, ["info", str(out), "--json"]).stdout) == content
    text = CliRunner().invoke(app, ["info", str(out)]).stdout
    assert re.search(r"train\W+4\W+3\W+3\W", text)
    assert "skipped" in text and "a sound's name must end" in text
    assert "valid is empty" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["import", "{}", "-o", "{}/x", "--kind", "zip"], "--kind must be nsynth or folder, got zip"),
        (["import", "{}", "-o", "{}/x", "--fractions", "a"], "shares must be like"),
        (["import", "{}", "-o", "{}/x", "--kind", "nsynth", "--fractions", "1,0,0"], "--fractions must be left out"),
        (["import", "{}", "-o", "{}/x", "--kind", "nsynth", "--split-by", "note"], "--split-by must be left out"),
        (["import", "{}", "-o", "{}/x", "--fractions", "1,1,1"], "fractions must be three shares"),
        (["import", "{}", "-o", "{}/x", "--seconds", "0.00001"], "the options: seconds"),
        (["import", "{}", "-o", "{}/x", "--seconds", "0"], "the options: seconds"),
        (["render", "-o", "{}/x", "--programs", "7-3"], "the first number of a range must be the smaller one, got 7-3"),
        (["render", "-o", "{}/x", "--programs", "all"], "numbers must be like 0-7,24, got all"),
        (["render", "-o", "{}/x", "--velocities", "0"], "velocities must be in 1..127"),
        (["render", "-o", "{}/x", "--pitch-min", "100", "--pitch-max", "50"], "pitch_min must be <= pitch_max=50"),
        (["render", "{}/none.sf2", "-o", "{}/x"], "the soundfont must be a file"),
        (["info", "{}"], "a note set must have a notes.json"),
    ],
)
def test_command_line_refuses(tmp_path: Path, words: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, [word.format(tmp_path) for word in words])
    assert isinstance(result.exception, InputError)
    assert sentence in str(result.exception)


def test_a_folder_without_notes_is_divided_without_a_remark() -> None:
    assert divide_notes([], [], fractions=(0.8, 0.2, 0.0), split_by="note") == ([], [])
