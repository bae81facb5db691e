"""The bench on a codec of harmonic features: as shipped, fully decoded, without the network, and its cached rows."""

import json
from pathlib import Path

import pytest
import torch
from conftest import SAMPLE_RATE, tone
from torch import Tensor

from intertone.bench.cache import codec_mark
from intertone.bench.methods import codec_methods
from intertone.bench.pair import Pair
from intertone.bench.report import tables, verdict
from intertone.bench.run import run_bench, synthetic_pairs
from intertone.bench.summary import summarise
from intertone.codec import Codec
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch


@pytest.fixture(scope="module")
def pair() -> Pair:
    a, b = tone(60, seconds=0.6), tone(67, seconds=0.6, tilt=1.8, decay=3)
    return Pair("T", "different", "two tones", a, b, pitch_to_hz(60), pitch_to_hz(67), SAMPLE_RATE)


def difference_db(estimate: Tensor, reference: Tensor) -> float:
    return float(10 * torch.log10((estimate - reference).square().sum() / reference.square().sum()))


def test_the_shipped_morph_ends_in_the_sounds_and_a_fully_decoded_one_does_not(
    harmonic_codec: Codec, pair: Pair
) -> None:
    methods = codec_methods(harmonic_codec)
    assert list(methods) == ["codec", "codec, full", "codec, no network"] and codec_methods(None) == {}
    rows = {name: method(pair, [0, 0.5, 1]) for name, method in methods.items()}
    for name, row in rows.items():
        assert row.shape == (3, len(pair.a)) and row.isfinite().all()
        off = max(difference_db(row[0], pair.a), difference_db(row[2], pair.b))
        assert off > -20 if name == "codec, full" else off < -90
    # the weights are random, so what they add between the ends is small, but it is there
    assert not torch.equal(rows["codec"][1], rows["codec, no network"][1])
    middle = note_pitch(rows["codec, no network"][1], SAMPLE_RATE)
    assert abs(float(hz_to_cents(middle, pitch_to_hz(63.5)))) < 5


def test_a_morph_of_another_length_is_made_as_long_as_the_pair(harmonic_codec: Codec, pair: Pair) -> None:
    short = Pair("T", "same", "", pair.a, torch.nn.functional.pad(tone(60, seconds=0.3), (0, 4800)), 1, 1, SAMPLE_RATE)
    for method in codec_methods(harmonic_codec).values():
        assert method(short, [0.3]).shape == (1, len(pair.a))
    with pytest.raises(ValueError, match="at the codec's 16000 Hz, got 22050 Hz"):
        method(Pair("T", "same", "", pair.a, pair.b, 1, 1, 22050), [0.5])


@pytest.mark.slow
def test_the_rows_of_a_codec_are_kept_until_a_weight_changes(
    harmonic_codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = synthetic_pairs(seed=1, n_seeds=1, sample_rate=SAMPLE_RATE, names=["D2"])
    options = {"methods": ["aligned log magnitude"], "decoys": False, "cache": tmp_path}
    first = run_bench(pairs, harmonic_codec, **options)
    rows = first["pairs"]["1/D2"]["rows"]
    assert list(rows) == ["codec", "codec, full", "codec, no network", "oracle", "aligned log magnitude"]
    contents = [set(json.loads(path.read_text())) for path in tmp_path.iterdir()]
    assert sorted(map(len, contents)) == [2, 3]
    monkeypatch.setattr(
        "intertone.bench.run.in_processes", lambda _, jobs, **__: pytest.fail("was not kept") if jobs else ()
    )
    assert run_bench(pairs, harmonic_codec, **options) == first
    other = Codec(harmonic_codec.config)
    other.model.load_state_dict(harmonic_codec.model.state_dict())
    assert codec_mark(other) == codec_mark(harmonic_codec)
    with torch.no_grad():
        other.model.to_note.bias[0] += 1e-3
    assert codec_mark(other) != codec_mark(harmonic_codec) != codec_mark(None) == ""
    # the ends are the sounds, and without the network there is none of its modulation
    assert rows["codec"]["endpoint_error"] < 0.01
    assert rows["codec, no network"]["morph_score"] > rows["codec, full"]["morph_score"]
    summary = summarise(first["pairs"])
    result = {"parts": {"Synthetic notes": {"summary": summary, "self_test": None}}}
    (words,) = verdict(result, "codec")
    mean = {name: line["morph_score"]["mean"] for name, line in summary.items()}
    without, full = mean["codec, no network"], mean["codec, full"]
    assert f"Without its network it scores {without:.1f}, with all features decoded {full:.1f}." in words
    assert "It beats aligned log magnitude on" in words and "place" in words
    assert " of 2. The lowest part of its score" in words  # its own halves are no rivals
    others = tables(result)[2]
    assert [row[0] for row in others.rows][:3] == ["codec", "codec, full", "codec, no network"]
    assert others.columns[-1] == "wins aligned" and {len(row) for row in others.rows} == {len(others.columns)}
    wins = float(rows["codec, no network"]["morph_score"] > rows["aligned log magnitude"]["morph_score"])
    assert summary["codec, no network"]["aligned_win_rate"] == wins and summary["codec, no network"]["win_rate"] is None
    assert summary["aligned log magnitude"]["aligned_win_rate"] is None
