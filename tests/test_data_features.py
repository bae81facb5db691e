"""Prepared features on disk: what is written is read, an interruption loses little, other things are refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from intertone.data.features import (
    FeatureRow,
    FeatureSet,
    begin_features,
    finish_features,
    is_feature_set,
    write_feature_shard,
)
from intertone.data.store import shard_done
from intertone.errors import InputError

SETTINGS = {"representation": {"kind": "test"}, "n_features": 3, "n_frames": 5, "kind": "synthetic", "seed": 0}


def content(shard: int, count: int = 4) -> np.ndarray:
    return np.random.default_rng(shard).random((count, 3, 5))


def rows(shard: int, count: int = 4) -> list[FeatureRow]:
    split = ("train", "valid")[shard]
    return [
        FeatureRow(10 * shard + n, 60 + n, 100, 440.5 * 2 ** (n / 12), f"Flöte {n}", "g", split) for n in range(count)
    ]


def written(folder: Path) -> FeatureSet:
    begin_features(folder, SETTINGS)
    for shard in (0, 1):
        write_feature_shard(folder, shard, content(shard, 4 - shard), rows(shard, 4 - shard))
    finish_features(folder, 2, np.zeros((2, 7)))
    return FeatureSet.open(folder)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    images = written(tmp_path / "images")
    assert len(images) == 7 and images.header["counts"] == {"train": 4, "valid": 3, "test": 0}
    assert images.representation == {"kind": "test"}
    whole = np.concatenate([content(0), content(1, 3)])
    found = images.features([6, 0, 0])
    assert found.shape == (3, 3, 5) and str(found.dtype) == "torch.float32"
    # 16 bits: eleven binary digits
    assert np.allclose(found.numpy(), whole[[6, 0, 0]], rtol=2**-11, atol=0)
    assert images.note.tolist() == [0, 1, 2, 3, 10, 11, 12]
    assert images.instrument[1] == "Flöte 1" and images.split[4] == "valid" and images.pitch[2] == 62
    assert images.f0[1] == 440.5 * 2 ** (1 / 12)
    assert images.examples().shape == (2, 7)


def test_a_finished_set_is_left_as_it_is(tmp_path: Path) -> None:
    digest = written(tmp_path / "images").digest()
    assert begin_features(tmp_path / "images", SETTINGS)["finished"]
    assert FeatureSet.open(tmp_path / "images").digest() == digest


def test_an_interrupted_set_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    begin_features(folder, SETTINGS)
    write_feature_shard(folder, 0, content(0), rows(0))
    (folder / ".intertone-torn.npy").write_bytes(b"torn")
    assert is_feature_set(folder) and shard_done(folder, 0) and not shard_done(folder, 1)
    with pytest.raises(InputError, match=r"the set of features must be finished, .*; repeat the command that began it"):
        FeatureSet.open(folder)
    with pytest.raises(InputError, match="must hold 2 shards, but shard 1 is missing"):
        finish_features(folder, 2, np.zeros((1, 1)))
    assert not begin_features(folder, SETTINGS)["finished"]
    assert not list(folder.glob(".intertone-*"))
    write_feature_shard(folder, 1, content(1, 3), rows(1, 3))
    finish_features(folder, 2, np.zeros((2, 7)))
    assert FeatureSet.open(folder).digest() == written(tmp_path / "whole").digest()


def test_a_shard_without_notes_is_one(tmp_path: Path) -> None:
    begin_features(tmp_path, SETTINGS)
    write_feature_shard(tmp_path, 0, np.empty((0, 3, 5)), [])
    write_feature_shard(tmp_path, 1, content(1), rows(1))
    finish_features(tmp_path, 2, np.zeros((1, 1)))
    assert FeatureSet.open(tmp_path).features([3]).shape == (1, 3, 5)


def test_refusals(tmp_path: Path) -> None:
    images = written(tmp_path / "images")
    with pytest.raises(
        InputError, match="begun with the same settings to be resumed, but seed was 0 there and is 1 now"
    ):
        begin_features(tmp_path / "images", SETTINGS | {"seed": 1})
    with pytest.raises(InputError, match="kind was test there and is other now"):
        begin_features(tmp_path / "images", SETTINGS | {"representation": {"kind": "other"}})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match=r"or a set of features, got .*mine, which holds letter\.txt"):
        begin_features(tmp_path / "mine", SETTINGS)
    with pytest.raises(InputError, match=r"a set of features must have an images\.json, got .*mine"):
        FeatureSet.open(tmp_path / "mine")
    with pytest.raises(IndexError, match=r"rows must be in 0\.\.6, got 7\.\.7"):
        images.features([7])
    with pytest.raises(ValueError, match="one row for each note, got 3 rows for 4 notes"):
        write_feature_shard(tmp_path, 0, content(0), rows(0, 3))
    np.save(tmp_path / "images" / "shard-00000.npy", np.zeros((4, 3, 6), np.float16))
    with pytest.raises(InputError, match=r"must hold float16 of shape \(4, 3, 5\), got float16 of shape \(4, 3, 6\)"):
        FeatureSet.open(tmp_path / "images").features([0])
    (tmp_path / "images" / "index.npz").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"index\.npz must be the index of a set of features"):
        FeatureSet.open(tmp_path / "images")
    header = json.loads((tmp_path / "images" / "images.json").read_text())
    (tmp_path / "images" / "images.json").write_text(json.dumps(header | {"shards": 3}))
    with pytest.raises(InputError, match=r"images\.json must give shards as list, got 3"):
        FeatureSet.open(tmp_path / "images")
