"""Note sets: what is written is read, in any order; a broken-off run continues."""

import errno
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, dequantise, finish_notes, quantise, write_shard
from intertone.data.split import FRACTIONS, SPLITS, split_groups, split_notes, split_of
from intertone.errors import InputError


def row(index: int, group: str = "flute") -> NoteRow:
    return NoteRow(f"note-{index}", 40 + index, 25, group, "pipe", "test", group, split_of(group))


def write_set(folder: Path, *, sizes: tuple[int, ...] = (3, 0, 4), samples: int = 50) -> torch.Tensor:
    """Write noise of very different levels; return it."""
    generator = torch.Generator().manual_seed(0)
    levels = 10.0 ** -torch.arange(sum(sizes)).float()[:, None]
    audio = levels * torch.randn(sum(sizes), samples, generator=generator)
    begin_notes(folder, sample_rate=8000, samples=samples, kind="folder", settings={"a": 1})
    start = 0
    for shard, size in enumerate(sizes):
        parts = [quantise(note.numpy()) for note in audio[start : start + size]]
        pcm = np.stack([pcm for pcm, _ in parts]) if parts else np.empty((0, samples), np.int16)
        rows = [row(start + index, "flute" if shard else "Flöte") for index in range(size)]
        write_shard(folder, shard, pcm, [scale for _, scale in parts], rows, [{"shard": shard}])
        start += size
    finish_notes(folder, len(sizes))
    return audio


# ---- shards


def test_audio_comes_back_at_its_level_whatever_the_order(tmp_path: Path) -> None:
    audio = write_set(tmp_path)
    notes = Notes.open(tmp_path)
    rows = [6, 0, 3, 3, 2, 5]
    got = notes.audio(rows)
    assert got.dtype == torch.float32
    # half a step of 16 bits of each note's own peak, although the last note is 120 dB below the first
    bound = audio[rows].abs().amax(1, keepdim=True) * (0.51 / 32767)
    assert ((got - audio[rows]).abs() <= bound).all()
    assert notes.audio(np.array([], np.int64)).shape == (0, 50)


def test_quantise_and_dequantise_are_inverse_to_half_a_step() -> None:
    audio = np.random.default_rng(0).normal(size=1000) * 3e-4
    pcm, scale = quantise(audio)
    assert np.abs(pcm).max() == 32767
    assert np.abs(dequantise(pcm, scale) - audio).max() <= 0.51 * scale / 32767
    assert quantise(np.zeros(4))[1] == 1.0


def test_columns_select_rows(tmp_path: Path) -> None:
    write_set(tmp_path)
    notes = Notes.open(tmp_path)
    assert (len(notes), notes.sample_rate, notes.samples, notes.kind) == (7, 8000, 50, "folder")
    assert notes.pitch.tolist() == list(range(40, 47))
    assert notes.instrument.tolist() == ["Flöte"] * 3 + ["flute"] * 4
    assert notes.select(pitch=range(41, 44), instrument="flute").tolist() == [3]
    assert notes.select(pitch=[40, 46]).tolist() == [0, 6]
    assert notes.select(group=[]).tolist() == []
    assert notes.select(split=split_of("flute"), velocity=25).dtype == np.int64


def test_a_broken_off_set_continues_to_the_same_bytes(tmp_path: Path) -> None:
    write_set(tmp_path / "whole")
    broken = tmp_path / "broken"
    write_set(broken)
    # as a kill between the sound and its index part leaves it, with a temporary file
    for name in ("shard-00002.json", "index.npz", "report.jsonl"):
        (broken / name).unlink()
    header = json.loads((broken / "notes.json").read_text())
    kept = {name: header[name] for name in ("format", "sample_rate", "samples", "kind", "settings")}
    (broken / "notes.json").write_text(json.dumps(kept | {"finished": False}))
    (broken / ".shard-00002-x.npy").write_bytes(b"half")
    (broken / "shard-00002.npy").write_bytes(b"half")
    with pytest.raises(InputError, match="the note set must be finished"):
        Notes.open(broken)
    with pytest.raises(InputError, match="must hold 3 shards, but shard 2 is missing"):
        finish_notes(broken, 3)
    write_set(broken)
    assert files(broken) == files(tmp_path / "whole")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_writing_refuses_other_settings_and_other_folders(tmp_path: Path) -> None:
    write_set(tmp_path / "set")
    with pytest.raises(InputError, match="but a was 1 there and is 2 now"):
        begin_notes(tmp_path / "set", sample_rate=8000, samples=50, kind="folder", settings={"a": 2})
    with pytest.raises(InputError, match="but samples was 50 there and is 60 now"):
        begin_notes(tmp_path / "set", sample_rate=8000, samples=60, kind="folder", settings={"a": 1})
    with pytest.raises(InputError, match="must be a new or empty folder"):
        begin_notes(tmp_path, sample_rate=8000, samples=50, kind="folder", settings={})
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="must be a folder that can be written to"):
        begin_notes(tmp_path / "file", sample_rate=8000, samples=50, kind="folder", settings={})


def test_a_full_disk_is_said_and_leaves_no_half_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    begin_notes(tmp_path, sample_rate=8000, samples=4, kind="folder", settings={})
    monkeypatch.setattr("intertone.files.os.fsync", full)
    with pytest.raises(InputError, match=r"shard-00000\.npy must be writable, but there is no space left"):
        write_shard(tmp_path, 0, np.ones((1, 4), np.int16), [1.0], [row(0)])
    assert list(files(tmp_path)) == ["notes.json"]


def test_a_group_in_two_splits_is_refused(tmp_path: Path) -> None:
    begin_notes(tmp_path, sample_rate=8000, samples=4, kind="folder", settings={})
    rows = [NoteRow("a", 1, 1, "x", "", "", "x", split) for split in ("train", "test")]
    write_shard(tmp_path, 0, np.ones((2, 4), np.int16), [1.0, 1.0], rows)
    with pytest.raises(InputError, match="no group may be in train and in another split, but x is"):
        finish_notes(tmp_path, 1)


def test_reading_refuses_what_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a note set must have a notes\.json"):
        Notes.open(tmp_path)
    write_set(tmp_path)
    notes = Notes.open(tmp_path)
    with pytest.raises(IndexError, match=r"rows must be in 0\.\.6, got -1\.\.3"):
        notes.audio([-1, 3])
    sound = tmp_path / "shard-00000.npy"
    sound.write_bytes(sound.read_bytes()[:-10])
    with pytest.raises(InputError, match="must be a shard of the note set"):
        notes.audio([0])
    np.save(sound, np.zeros((3, 49), np.int16))
    with pytest.raises(InputError, match=r"must hold int16 of shape \(3, 50\), got int16 of shape \(3, 49\)"):
        notes.audio([0])
    index = (tmp_path / "index.npz").read_bytes()
    for damaged in (b"", b"PK", index[: len(index) // 2], index[:-30], sound.read_bytes()):
        (tmp_path / "index.npz").write_bytes(damaged)
        with pytest.raises(InputError, match="must be the index of a note set"):
            Notes.open(tmp_path)
    write_set(tmp_path / "other", sizes=(3, 0, 3))
    (tmp_path / "index.npz").write_bytes((tmp_path / "other/index.npz").read_bytes())
    with pytest.raises(InputError, match="columns that are not of 7 notes"):
        Notes.open(tmp_path)


def claimed_array(shape: str, descr: str = "<i2") -> bytes:
    """A numpy file whose header claims a shape, and that holds eight bytes."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8)


@pytest.mark.parametrize(
    ("column", "content", "message"),
    [
        ("pitch", claimed_array("(1000000000000,)"), "columns that are not of 7 notes"),
        ("pitch", claimed_array("(7,)"), "must be"),
        ("pitch", claimed_array("(7,)", "|O"), "columns that are not of 7 notes"),
        ("name", claimed_array("(7,)", "|S2000000000"), "bytes of values must be"),
        ("name", np.full(7, b"\xff\xfe"), "'utf-8' codec can't decode"),
        ("scale", np.full(7, np.nan), "values of scale that are no numbers"),
        ("row", np.arange(7), "places in shards that do not exist"),
        ("row", -np.ones(7, int), "places in shards that do not exist"),
        ("shard", np.full(7, 3), "places in shards that do not exist"),
        ("shard", np.full(7, -1), "places in shards that do not exist"),
    ],
)
def test_an_index_is_compared_with_the_sizes_before_it_is_read(
    tmp_path: Path, column: str, content: bytes | np.ndarray, message: str
) -> None:
    write_set(tmp_path)
    with zipfile.ZipFile(tmp_path / "index.npz") as archive:
        columns = {name: archive.read(name) for name in archive.namelist()}
    if isinstance(content, np.ndarray):
        stream = io.BytesIO()
        np.save(stream, content)
        content = stream.getvalue()
    with zipfile.ZipFile(tmp_path / "index.npz", "w") as archive:
        for name, value in {**columns, f"{column}.npy": content}.items():
            archive.writestr(name, value)
    with pytest.raises(InputError, match=rf"index\.npz must be the index of a note set, got .*{message}"):
        Notes.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 10**12}, r"notes of up to 300 s, got 8000 Hz and 1000000000000 samples"),
        ({"samples": 0}, "got 8000 Hz and 0 samples"),
        ({"sample_rate": 0}, "must give a sample rate of 4000 to 384000 Hz"),
        ({"shards": [3, 0, -4]}, r"must give shards as numbers of notes from 0 to"),
        ({"shards": [3, 0, "4"]}, r"must give shards as numbers of notes from 0 to"),
    ],
)
def test_a_header_with_numbers_that_cannot_be_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    write_set(tmp_path)
    header = json.loads((tmp_path / "notes.json").read_text())
    (tmp_path / "notes.json").write_text(json.dumps({**header, **change}))
    with pytest.raises(InputError, match=message):
        Notes.open(tmp_path)


def test_a_header_of_many_levels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"notes\.json must be readable JSON"):
        Notes.open(tmp_path)


@pytest.mark.parametrize("name", ["sample_rate", "samples", "kind", "settings", "finished", "shards", "counts"])
def test_reading_refuses_a_header_that_lacks_something(tmp_path: Path, name: str) -> None:
    write_set(tmp_path)
    header = json.loads((tmp_path / "notes.json").read_text())
    (tmp_path / "notes.json").write_text(json.dumps({key: header[key] for key in header if key != name}))
    with pytest.raises(InputError, match=rf"notes\.json must give {name} as \w+, got None"):
        Notes.open(tmp_path)
    header["counts"]["valid"] = {"notes": 1}
    (tmp_path / "notes.json").write_text(json.dumps(header))
    with pytest.raises(
        InputError, match=r"must give counts of notes, instruments, groups in valid, got \{'notes': 1\}"
    ):
        Notes.open(tmp_path)


def test_an_older_set_without_skipped_and_remarks_can_be_read(tmp_path: Path) -> None:
    write_set(tmp_path)
    header = json.loads((tmp_path / "notes.json").read_text())
    (tmp_path / "notes.json").write_text(json.dumps({k: header[k] for k in header if k not in ("skipped", "remarks")}))
    assert (Notes.open(tmp_path).header["skipped"], Notes.open(tmp_path).header["remarks"]) == ({}, [])


# ---- split


def test_split_follows_the_hash_and_the_fractions() -> None:
    names = [f"instrument {index}" for index in range(4000)]
    shares = [sum(split_of(name) == split for name in names) / 4000 for split in SPLITS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    # sha256("piano") begins with 1d78e018, which is 0.1151 of 2^32
    assert split_of("piano") == "train"
    assert split_of("piano", (0.11, 0.89, 0.0)) == "valid"
    assert split_of("piano", (0.11, 0.005, 0.885)) == "test"
    with pytest.raises(InputError, match="three shares >= 0 with the sum 1"):
        split_of("piano", (0.5, 0.1, 0.1))


@pytest.mark.parametrize("n_groups", [2, 3, 4, 5, 8, 12, 30])
@pytest.mark.parametrize(
    "fractions", [FRACTIONS, (0.5, 0.0, 0.5), (0.0, 0.5, 0.5), (0.98, 0.01, 0.01), (0.0, 1.0, 0.0)]
)
def test_few_groups_leave_no_split_with_a_share_empty(n_groups: int, fractions: tuple[float, ...]) -> None:
    wanted = [split for split, share in zip(SPLITS, fractions, strict=True) if share][:n_groups]
    for trial in range(50):
        names = [f"{trial}-{index}" for index in range(n_groups)]
        splits = split_groups(dict.fromkeys(names, 10), fractions)
        plain = {name: split_of(name, fractions) for name in names}
        assert set(splits) == set(names)
        assert set(splits.values()) == set(wanted)
        if fractions == FRACTIONS and n_groups > 5 and set(plain.values()) == set(SPLITS):
            assert splits == plain


def test_few_groups_are_cut_by_their_hash_and_the_largest_trains() -> None:
    # the first bytes of sha256: piano 1d, cello 9b, flute c5, harp c7; all are below 0.8 = cc
    assert split_groups({"flute": 5, "piano": 5, "cello": 5, "harp": 5}) == {
        "piano": "train", "cello": "train", "flute": "valid", "harp": "test",
    }  # fmt: skip
    assert split_groups({"flute": 500, "piano": 5, "cello": 5}) == {"flute": "train", "piano": "valid", "cello": "test"}
    assert split_groups({"piano": 5}) == {"piano": "train"}
    assert split_groups({}) == {}
    with pytest.raises(InputError, match="three shares >= 0 with the sum 1"):
        split_groups({}, (0.5, float("nan"), 0.5))


@pytest.mark.parametrize("name", ["notes.json", "index.npz", "shard-00000.npy"])
def test_a_pipe_in_the_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    write_set(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=f"{name} must .*not a regular file"):
        Notes.open(tmp_path).audio([0])


@pytest.mark.parametrize(
    ("count", "shares", "sizes"),
    [
        (10, (0.8, 0.2, 0.0), (8, 2, 0)),
        (24, (0.8, 0.2, 0.0), (19, 5, 0)),
        (10, (0.8, 0.1, 0.1), (8, 1, 1)),
        (2, (0.8, 0.1, 0.1), (1, 1, 0)),
        (3, (0.0, 0.5, 0.5), (0, 2, 1)),
        (4, (1.0, 0.0, 0.0), (4, 0, 0)),
    ],
)
def test_notes_are_split_in_exact_shares(
    count: int, shares: tuple[float, float, float], sizes: tuple[int, int, int]
) -> None:
    names = [f"take {number}" for number in range(count)]
    splits = split_notes(names, shares)
    assert tuple(list(splits.values()).count(split) for split in ("train", "valid", "test")) == sizes
    assert split_notes(names[::-1], shares) == splits
