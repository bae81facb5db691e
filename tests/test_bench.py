"""The morph bench: its material, its score, its own order, its cache, and other people's files."""

import copy
import io
import json
import logging
import math
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import refused, run
from conftest import tone
from rich.console import Console
from typer.testing import CliRunner

from intertone.audio import load_audio, save_audio
from intertone.bench.exchange import export_pairs, morph_name, score_folder
from intertone.bench.instruments import INSTRUMENTS, draw_note, interpolate_notes, render_note
from intertone.bench.methods import METHODS
from intertone.bench.pair import Pair
from intertone.bench.real_pairs import drawn_pairs
from intertone.bench.report import tables, verdict, write_bench
from intertone.bench.run import DECOY_METHODS, run_bench, synthetic_pairs
from intertone.bench.score import GATES, gates, judge_ends, judge_row, score
from intertone.bench.summary import METRICS, bootstrap_interval, self_test, summarise
from intertone.bench.synthetic_pairs import ALL_RATIOS, PAIRS, RATIOS, oracle, synthetic_pair, third_sound
from intertone.bench.user_pairs import folder_pairs
from intertone.cli import app
from intertone.cli.evaluation import show_table
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.errors import InputError
from intertone.harmonic.onset import find_onset
from intertone.loudness import integrated_loudness
from intertone.pitch.comb import fit_comb, spectral_peaks
from intertone.pitch.yin import note_pitch

RATE = 16000


@pytest.fixture(scope="module")
def crossfades() -> dict:
    """A pair of each class, crossfaded."""
    pairs = synthetic_pairs(seed=0, n_seeds=1, sample_rate=RATE, names=["S2", "D5", "P2"])
    return run_bench(pairs, None, methods=["crossfade"], decoys=False)


# material


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_sounds_at_its_pitch(name: str) -> None:
    note = draw_note(INSTRUMENTS[name], 60.2, np.random.default_rng(3))
    sound = render_note(note, RATE)
    comb = fit_comb(spectral_peaks(sound, RATE), note.f0, note.f0)
    assert 1200 * math.log2(comb.f0 / note.f0) == pytest.approx(0, abs=5)
    if note.vibrato_cents < 5:
        assert comb.inharmonicity == pytest.approx(note.inharmonicity, abs=1e-6)
    assert 1200 * math.log2(note_pitch(sound, RATE) / note.f0) == pytest.approx(0, abs=15)  # no octave error
    assert float(sound.square().mean().sqrt()) == pytest.approx(0.1, rel=0.01)
    assert float(sound[: RATE // 50].abs().max()) < 1e-6  # silence before the onset


def test_the_same_note_at_another_sample_rate_is_the_same_note() -> None:
    note = draw_note(INSTRUMENTS["voice"], 57, np.random.default_rng(0))
    low, high = (render_note(note, rate) for rate in (RATE, 44100))
    peaks = [spectral_peaks(sound, rate) for sound, rate in ((low, RATE), (high, 44100))]
    first = peaks[0].frequency[:10]
    assert peaks[1].frequency[:10] == pytest.approx(first, abs=0.1)
    with pytest.raises(ValueError, match="sample_rate must be at most 48000 Hz, got 96000"):
        render_note(note, 96000)


def test_every_parameter_is_drawn_within_its_range() -> None:
    generator = np.random.default_rng(1)
    for config in INSTRUMENTS.values():
        notes = [draw_note(config, 60, generator) for _ in range(20)]
        for field, name in (("attack", "attack"), ("noise", "noise"), ("inharmonicity", "inharmonicity")):
            low, high = getattr(config, field)
            drawn = [getattr(note, name) for note in notes]
            assert low <= min(drawn) <= max(drawn) <= high
            assert len(set(drawn)) > 1 or low == high
        assert all(config.decay[0] <= note.decay[0] <= config.decay[1] for note in notes)


def test_pairs_have_the_pitches_of_their_class() -> None:
    for seed in range(2):
        for name, (kind, (_, key_a), (_, key_b)) in PAIRS.items():
            pair = synthetic_pair(name, seed=seed, sample_rate=RATE)
            for f0, key in ((pair.f0_a, key_a), (pair.f0_b, key_b)):
                assert abs(1200 * math.log2(f0 / (440 * 2 ** ((key - 69) / 12)))) <= 30 + 1e-9
            assert (pair.f0_a == pair.f0_b) == (kind != "different")
            assert len(pair.a) == len(pair.b) == 2 * RATE
            struck = {INSTRUMENTS[instrument].decay[0] > 2 for instrument, _ in PAIRS[name][1:]}
            assert len(struck) == (2 if kind == "percussive" else 1)


def test_a_seed_redraws_everything_and_repeats() -> None:
    first, again, other = (synthetic_pair("D1", seed=seed, sample_rate=RATE) for seed in (4, 4, 5))
    assert torch.equal(first.a, again.a) and torch.equal(first.b, again.b)
    assert first.f0_a != other.f0_a
    for name in ("level", "phase"):
        assert not np.isclose(getattr(first.note_a, name), getattr(other.note_a, name)).any()
    assert first.note_a.vibrato_cents != other.note_a.vibrato_cents


def test_the_oracle_is_the_notes_at_the_ends_and_their_mean_between() -> None:
    pair = synthetic_pair("D5", seed=0, sample_rate=RATE)
    sounds = oracle(pair, [0, 0.5, 1])
    assert torch.allclose(sounds[0], pair.a, atol=1e-6) and torch.allclose(sounds[2], pair.b, atol=1e-6)
    middle = interpolate_notes(pair.note_a, pair.note_b, 0.5)
    assert middle.f0 == pytest.approx(math.sqrt(pair.f0_a * pair.f0_b))
    assert middle.level == pytest.approx((pair.note_a.level + pair.note_b.level) / 2)
    assert middle.attack == pytest.approx(math.sqrt(pair.note_a.attack * pair.note_b.attack))
    comb = fit_comb(spectral_peaks(sounds[1], RATE), pair.f0_a, pair.f0_b)
    assert 1200 * math.log2(comb.f0 / middle.f0) == pytest.approx(0, abs=3)
    plain = Pair("x", "same", "", pair.a, pair.b, pair.f0_a, pair.f0_b, RATE)
    with pytest.raises(ValueError, match="an oracle must know the notes' parameters, got a Pair"):
        oracle(plain, [0.5])
    with pytest.raises(ValueError, match="a third note must have been drawn, got a Pair"):
        third_sound(plain)


def test_wrong_seeds_and_rates_are_refused() -> None:
    with pytest.raises(InputError, match="seed must be 0 or more, got -1"):
        synthetic_pair("S1", seed=-1, sample_rate=RATE)
    with pytest.raises(InputError, match=r"sample_rate must be in 8000\.\.48000 Hz, got 96000"):
        synthetic_pair("S1", seed=0, sample_rate=96000)


# score and gates


def test_perfect_parts_make_a_hundred_and_one_failed_part_sinks_it() -> None:
    row = {"endpoint_error": 0, "projection_error": 0, "descriptor_non_linearity": 0, "step_variation": 0}
    row |= {"descriptor_path_efficiency": 1, "fusion": 1, "cents_p90": 0}
    assert score(row)["morph_score"] == 100
    # 5 / (4 + 1/0.02) = 0.0926
    assert score(row | {"fusion": 0})["morph_score"] == pytest.approx(9.26, abs=0.005)
    assert score(row | {"endpoint_error": 6})["part_end"] == pytest.approx(math.exp(-1), abs=1e-6)
    assert score(row | {"cents_p90": 60})["part_pitch"] == pytest.approx(math.exp(-1), abs=1e-6)


def test_a_gate_that_the_oracle_fails_does_not_count() -> None:
    oracle_row = {name: limit for name, (_, limit) in GATES.items()} | {"cents_p90": 30.0, "presence": None}
    row = {**oracle_row, "step_variation": 0.51}
    found = gates(row, oracle_row)
    assert "cents_p90" not in found and "presence" not in found
    assert found["step_variation"] is False and found["endpoint_error"] is True
    assert gates(row, None)["cents_p90"] is False


def test_ends_that_are_copied_and_morphs_that_are_identical_are_perfect() -> None:
    """Two equal notes, morphed by doing nothing: nothing moves, nothing is wrong."""
    pair = synthetic_pair("S1", seed=0, sample_rate=RATE)
    same = Pair("x", "same", "", pair.a, pair.a, pair.f0_a, pair.f0_a, RATE)
    row = judge_row(judge_ends(same), pair.a.expand(len(ALL_RATIOS), -1))
    assert row["endpoint_error"] == 0 and row["comb_excess"] == 0 and row["beating_excess"] == 0
    assert row["fusion"] == 1 and row["descriptor_non_linearity"] == 0 and row["descriptor_path_efficiency"] == 1
    assert row["cents_p90"] < 3


def test_gain_and_polarity_change_no_row() -> None:
    pair = synthetic_pair("P1", seed=0, sample_rate=RATE)
    sounds = oracle(pair, ALL_RATIOS)
    first = judge_row(judge_ends(pair, sounds), sounds)
    changed = Pair(pair.name, pair.kind, "", -0.5 * pair.a, 0.25 * pair.b, pair.f0_a, pair.f0_b, RATE)
    second = judge_row(judge_ends(changed, -0.5 * sounds), -0.5 * sounds)
    assert second == pytest.approx(first, abs=1e-3)
    ends, mixed = judge_ends(pair, sounds), METHODS["crossfade"](pair, ALL_RATIOS)
    assert judge_row(ends, -0.1 * mixed) == pytest.approx(judge_row(ends, mixed), abs=1e-3)
    with pytest.raises(ValueError, match=r"sounds must be \(13, samples\), got \(12, 32000\)"):
        judge_row(judge_ends(pair, sounds), sounds[:12])


@pytest.mark.parametrize(
    ("name", "metric"),
    [("D2", "comb_excess"), ("D5", "presence"), ("P2", "knee_excess"), ("S2", "beating_excess")],
)
def test_a_crossfade_is_found_out_and_the_oracle_is_not(name: str, metric: str) -> None:
    pair = synthetic_pair(name, seed=0, sample_rate=RATE)
    sounds = oracle(pair, ALL_RATIOS)
    ends = judge_ends(pair, sounds)
    mixed = judge_row(ends, METHODS["crossfade"](pair, ALL_RATIOS))
    true = judge_row(ends, sounds)
    limit = GATES[metric][1]
    assert mixed[metric] > limit >= true[metric]
    assert mixed["oracle_ratio"] == pytest.approx(1) and true["oracle_ratio"] == 0
    assert mixed["fusion"] < 0.6 < 0.85 < true["fusion"]


# the bench's own order, small


@pytest.mark.slow
def test_the_known_order_holds() -> None:
    pairs = synthetic_pairs(seed=0, n_seeds=1, sample_rate=RATE, names=["S2", "D5", "P2"])
    small = run_bench(pairs, None, methods=["crossfade", "log magnitude", "harmonic"])
    summary = summarise(small["pairs"])
    assert self_test(summary, PAIRS) == []
    assert self_test(summary, small["pairs"]) is None  # of some of the pairs only, the order is not known
    scores = {name: line["morph_score"]["mean"] for name, line in summary.items()}
    assert scores["oracle"] > scores["harmonic"] > scores["log magnitude"] > scores["crossfade"]
    assert scores["crossfade"] > scores["warped crossfade"]
    assert scores["oracle"] >= 80 and scores["crossfade"] <= 35
    assert all(scores[name] < 50 for name in DECOY_METHODS)
    assert summary["oracle"]["gate_pass_rate"] == 1  # by the rule that calibrates the gates
    assert summary["oracle"]["win_rate"] > summary["crossfade"]["win_rate"]


def test_a_broken_order_is_told() -> None:
    means = {"oracle": 50, "harmonic": 60, "log magnitude": 40, "crossfade": 30, "switch": 51}
    summary = {name: {"morph_score": {"mean": mean}} for name, mean in means.items()}
    assert self_test(summary, [f"4/{name}" for name in PAIRS]) == [
        "oracle must score higher than harmonic, got 50.0 and 60.0",
        "the decoy switch must score below 50, got 51.0",
    ]
    del summary["harmonic"]
    assert self_test(summary, PAIRS) is None


def test_a_row_that_stands_still_is_not_smooth() -> None:
    pair = synthetic_pair("S5", seed=0, sample_rate=RATE)
    sounds = oracle(pair, ALL_RATIOS)
    ends = judge_ends(pair, sounds)
    row = judge_row(ends, sounds[6].expand(len(ALL_RATIOS), -1))
    assert row["step_variation"] == 3 and row["descriptor_path_efficiency"] == 0
    assert row["part_smooth"] == 0.02 and row["morph_score"] < 10
    assert judge_row(ends, sounds)["step_variation"] < 0.2


def test_the_interval_holds_the_mean_and_narrows_with_more_pairs() -> None:
    values = np.random.default_rng(0).normal(50, 10, 400)
    few, many = bootstrap_interval(list(values[:10])), bootstrap_interval(list(values))
    assert few[0] < values[:10].mean() < few[1]
    # 1.96 · 10 / √400 = 0.98
    assert many[1] - many[0] == pytest.approx(2 * 0.98, rel=0.15)
    with pytest.raises(ValueError, match="values must hold at least one number"):
        bootstrap_interval([])


def test_rows_repeat_bit_for_bit_and_come_from_the_cache(tmp_path: Path) -> None:
    pairs = synthetic_pairs(seed=1, n_seeds=1, sample_rate=RATE, names=["S1"])

    def run(cache: Path | None) -> str:
        result = run_bench(pairs, None, methods=["crossfade"], decoys=False, cache=cache)
        for row in result["pairs"][pairs[0].name]["rows"].values():
            del row["seconds"]
        return json.dumps(result)

    first = run(tmp_path / "cache")
    assert run(None) == first
    (entry,) = (tmp_path / "cache").iterdir()
    content = json.loads(entry.read_text())
    assert set(content) == {"oracle", "crossfade"}
    entry.write_text(json.dumps(content | {"crossfade": {"morph_score": 3}}))
    assert run(tmp_path / "cache") == first  # half a row is computed again
    content["crossfade"]["morph_score"] = 99.5
    entry.write_text(json.dumps(content))
    assert json.loads(run(tmp_path / "cache")) != json.loads(first)  # it was read
    entry.write_text("{")
    assert run(tmp_path / "cache") == first  # a broken entry is computed again
    other = synthetic_pairs(seed=2, n_seeds=1, sample_rate=RATE, names=["S1"])
    run_bench(other, None, methods=["crossfade"], decoys=False, cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def shortened(name: str, pair: Pair) -> Pair:
    """One and a half seconds of both notes, as a user has them: their parameters are not known."""
    samples = RATE * 3 // 2
    return Pair(name, pair.kind, "", pair.a[:samples], pair.b[:samples], pair.f0_a, pair.f0_b, RATE)


@pytest.mark.slow
def test_several_processes_give_the_same_rows(small_codec: Codec) -> None:
    (drawn,) = synthetic_pairs(seed=0, n_seeds=1, sample_rate=RATE, names=["P3"])
    pairs = [drawn, shortened("own", drawn)]
    results = []
    for workers in (1, 2):
        seen: list[tuple[int, int]] = []
        result = run_bench(
            pairs,
            small_codec,
            methods=["crossfade"],
            decoys=False,
            workers=workers,
            progress=lambda done, total, seen=seen: seen.append((done, total)),
        )
        assert seen == [(1, 2), (2, 2)]
        for pair in result["pairs"].values():
            for row in pair["rows"].values():
                del row["seconds"]
        results.append(result)
    assert results[0] == results[1]
    assert list(results[0]["pairs"]) == [pair.name for pair in pairs]
    assert len(results[0]["pairs"]) == 2


def test_two_pairs_of_one_name_are_refused() -> None:
    pair = synthetic_pair("S1", seed=0, sample_rate=RATE)
    with pytest.raises(ValueError, match="every pair must have a unique name"):
        run_bench([pair, pair], None)


def test_sample_rates_have_to_agree(small_codec: Codec) -> None:
    pairs = synthetic_pairs(seed=0, n_seeds=1, sample_rate=22050, names=["S1"])
    with pytest.raises(ValueError, match=r"one sample rate, got \[16000, 22050\]"):
        run_bench(pairs, small_codec)


# real notes


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Notes of two held instruments and a struck one, in one split; and one of an instrument alone in another."""
    folder = tmp_path_factory.mktemp("held")
    begin_notes(folder, sample_rate=RATE, samples=2 * RATE, kind="synthetic", settings={})
    rows, pcm, scales = [], [], []
    for name, tilt, decay, split in (("reed", 0.5, 0.1, "test"), ("pipe", 1.5, 0.2, "test"),
                                     ("bar", 1.0, 4.0, "test"), ("alone", 1.0, 0.1, "valid")):  # fmt: skip
        for pitch in range(48, 72, 4):
            values, scale = quantise(tone(pitch, seconds=2, tilt=tilt, decay=decay).numpy())
            pcm.append(values)
            scales.append(scale)
            rows.append(NoteRow(f"{name}-{pitch}", pitch, 100, name, "synthetic", "test", name, split))
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return Notes.open(folder)


def test_real_pairs_are_of_three_kinds_and_different_groups(held: Notes) -> None:
    pairs = drawn_pairs(held, seed=0)
    assert {pair.kind for pair in pairs} == {"same", "different", "percussive"}
    for pair in pairs:
        cents = abs(1200 * math.log2(pair.f0_a / pair.f0_b))
        assert 50 < cents < 1260 if pair.kind == "different" else cents < 2
        first, second = (title.rsplit(" ", 1)[0] for title in pair.title.split(", "))
        assert first != second and second != "bar"
        assert (first == "bar") == (pair.kind == "percussive")
    again = drawn_pairs(held, seed=0)
    assert [pair.title for pair in again] == [pair.title for pair in pairs]
    with pytest.raises(InputError, match="the valid split must hold two fitting notes of different groups, got none"):
        drawn_pairs(held, split="valid")


def write_pair(folder: Path, name: str, a: torch.Tensor, b: torch.Tensor, *, rate: int = RATE) -> None:
    for end, sound in (("a", a), ("b", b)):
        save_audio(folder / f"{name}-{end}.wav", sound.reshape(-1, sound.shape[-1]), sample_rate=rate)


def test_own_pairs_are_read_and_sorted_by_ear(tmp_path: Path) -> None:
    for name, key in (("S1", "plain"), ("D2", "far"), ("P2", "struck")):
        pair = synthetic_pair(name, seed=0, sample_rate=RATE)
        write_pair(tmp_path, key, pair.a.expand(2, -1), pair.b[: RATE * 3 // 2])
    (tmp_path / "notes.txt").write_text("no sound")
    found = {pair.name: pair for pair in folder_pairs(tmp_path, sample_rate=22050).pairs}
    assert {name: pair.kind for name, pair in found.items()} == {
        "plain": "same",
        "far": "different",
        "struck": "percussive",
    }
    true = synthetic_pair("D2", seed=0, sample_rate=RATE)
    assert 1200 * math.log2(found["far"].f0_a / true.f0_a) == pytest.approx(0, abs=3)
    assert found["far"].a.shape == found["far"].b.shape == (44100,)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, r"the folder must hold NAME-a\.wav and NAME-b\.wav, got none"),
        ({"x-a": "tone"}, "a pair must have a sound a and a sound b, got only one for x"),
        ({"x-a": "tone", "x-b": "short"}, r"a sound of a pair must be 1\.3 to 10 s long, got 0\.50 s"),
        ({"x-a": "tone", "x-b": "noise"}, r"a sound of a pair must have one clear pitch, got none in .*x-b"),
    ],
)
def test_folders_that_are_no_pairs_are_refused(files: dict[str, str], sentence: str, tmp_path: Path) -> None:
    sounds = {
        "tone": synthetic_pair("S1", seed=0, sample_rate=RATE).a,
        "short": torch.rand(8000) - 0.5,
        "noise": torch.randn(32000, generator=torch.Generator().manual_seed(0)) / 10,
    }
    for name, sound in files.items():
        save_audio(tmp_path / f"{name}.wav", sounds[sound][None], sample_rate=RATE)
    with pytest.raises(InputError, match=sentence):
        folder_pairs(tmp_path, sample_rate=RATE)


def test_own_pairs_begin_with_their_notes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pair = synthetic_pair("P3", seed=0, sample_rate=RATE)
    late = [torch.nn.functional.pad(sound[: RATE * 3 // 2], (lead, 0)) for sound, lead in ((pair.a, 8000), (pair.b, 0))]
    write_pair(tmp_path, "late", *late)
    write_pair(tmp_path, "wide", *(sound.expand(2, -1) for sound in late))
    with caplog.at_level(logging.INFO, logger="intertone"):
        found, wide = folder_pairs(tmp_path, sample_rate=RATE).pairs
    (said,) = [line for line in caplog.messages if "mono" in line]
    assert said == "the bench evaluates mono: the channels of wide-a.wav and 1 more were mixed to one"
    assert any("silence of 0.50 and 0.00 s in front left out" in line for line in caplog.messages)
    assert torch.allclose(wide.a, found.a, atol=1e-4)
    for sound in (found.a, found.b):
        assert find_onset(sound[None], RATE) <= 0.03 * RATE
    assert abs(len(found.a) - RATE * 3 // 2) <= 0.01 * RATE
    (as_it_is,) = folder_pairs(tmp_path, sample_rate=RATE, from_onset=False).pairs[:1]
    assert len(as_it_is.a) == 32000


@pytest.mark.slow
def test_a_bad_pair_is_skipped_and_named_and_the_others_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = shortened("good", synthetic_pair("S3", seed=0, sample_rate=RATE))
    write_pair(tmp_path, "good", pair.a, pair.b)
    write_pair(tmp_path, "short", pair.a[:8000], pair.b)
    save_audio(tmp_path / "alone-a.wav", pair.a[None], sample_rate=RATE)
    words = ("bench", "morph", "--no-synthetic", "--pairs", tmp_path, "--no-cache", "--workers", "1")
    code, out, err = run(*words, capsys=capsys)
    assert code == 1 and "Your pairs: MorphScore, 1 pair\n" in out
    assert "skipped the pair alone: a pair must have a sound a and a sound b, got only one for alone" in err
    assert "skipped the pair short: a sound of a pair must be 1.3 to 10 s long, got 0." in err
    assert err.splitlines()[-1] == "intertone: not evaluated, for the reasons above: alone, short"
    for ratio, sound in zip(ALL_RATIOS, METHODS["crossfade"](pair, ALL_RATIOS), strict=True):
        save_audio(tmp_path / morph_name("good", ratio), sound[None], sample_rate=RATE)
    code, out, _ = run("bench", "score", tmp_path, "--json", capsys=capsys)
    assert code == 1 and list(json.loads(out)["skipped"]) == ["alone", "short"]
    assert list(json.loads(out)["parts"]["Submission"]["pairs"]) == ["good"]


def test_a_morph_that_is_too_short_is_refused_before_any_is_judged(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intertone.bench.exchange.judge_ends", lambda *_: pytest.fail("something was judged first"))
    manifest = json.loads((exported / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "pairs": manifest["pairs"][:1]}))
    for ratio in ALL_RATIOS:
        sound = tone(60, seconds=1.5 if ratio < 0.98 else 1.2)
        save_audio(tmp_path / morph_name("S1", ratio), sound[None], sample_rate=RATE)
    with pytest.raises(InputError, match=r"a morph must be 1\.3 s long or more, got 1\.20 s: .*S1-0\.98\.wav"):
        score_folder(tmp_path)


# other people's systems


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    export_pairs(folder, seed=7, sample_rate=RATE)
    return folder


def test_an_export_holds_the_notes_and_says_what_to_make(exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    assert [entry["name"] for entry in manifest["pairs"]] == list(PAIRS)
    assert manifest["seed"] == 7 and manifest["ratios"] == list(ALL_RATIOS)
    assert manifest["pairs"][0]["morphs"][1] == "S1-0.02.wav"
    sound, rate = load_audio(exported / "D4-b.wav")
    assert rate == RATE
    assert torch.allclose(sound[0], synthetic_pair("D4", seed=7, sample_rate=RATE).b, atol=1e-6)


def test_an_export_replaces_only_what_is_as_it_was_made(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    shutil.copytree(exported, folder)
    assert export_pairs(folder, seed=7, sample_rate=RATE)
    (folder / "S1-a.wav").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"files of an export must be as they were made, .* got .*S1-a\.wav"):
        export_pairs(folder, seed=7, sample_rate=RATE)
    assert (folder / "S1-a.wav").read_bytes() == b"mine"
    export_pairs(folder, seed=7, sample_rate=RATE, force=True)
    assert (folder / "S1-a.wav").read_bytes() == (exported / "S1-a.wav").read_bytes()


def test_files_score_as_the_sounds_do(exported: Path, tmp_path: Path) -> None:
    """Of two pairs, written by another system at another sample rate."""
    manifest = json.loads((exported / "manifest.json").read_text())
    manifest["pairs"] = [entry for entry in manifest["pairs"] if entry["name"] in ("S3", "P3")]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"a morph for every ratio, got none as S3-0\.00\.wav and 25 more"):
        score_folder(tmp_path)
    for name in ("S3", "P3"):
        pair = synthetic_pair(name, seed=7, sample_rate=48000)
        for ratio, sound in zip(ALL_RATIOS, METHODS["crossfade"](pair, ALL_RATIOS), strict=True):
            save_audio(tmp_path / morph_name(name, ratio), sound[None], sample_rate=48000)
    result = score_folder(tmp_path)
    assert list(result["pairs"]) == ["7/S3", "7/P3"]
    rows = result["pairs"]["7/S3"]["rows"]
    assert list(rows) == ["submission", "oracle"]
    pair = synthetic_pair("S3", seed=7, sample_rate=RATE)
    direct = judge_row(judge_ends(pair, oracle(pair, ALL_RATIOS)), METHODS["crossfade"](pair, ALL_RATIOS))
    assert rows["submission"]["morph_score"] == pytest.approx(direct["morph_score"], abs=1)
    assert all(rows["oracle"]["gates"].values()) and not all(rows["submission"]["gates"].values())
    assert set(summarise(result["pairs"])["submission"]["draws"]) == {"7"}
    save_audio(tmp_path / "S3-0.10.flac", torch.rand(1, 32000) - 0.5, sample_rate=RATE)
    with pytest.raises(InputError, match=r"a ratio must have one morph, got S3-0\.10\.wav and S3-0\.10\.flac"):
        score_folder(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m.update(bench_version=99), "the manifest must be of bench version 1, got 99; export again"),
        (lambda m: m.pop("seed"), "the manifest must be one of `intertone bench export`, got a broken"),
        (lambda m: m.update(seed=True), "the manifest must be one of `intertone bench export`, got a broken"),
        (lambda m: m.update(ratios=[0, 1]), "the manifest must be one of `intertone bench export`, got a broken"),
        (lambda m: m["pairs"].append(m["pairs"][0]), "the manifest must be one of `intertone bench export`, got a"),
        (lambda m: m["pairs"][0].update(name=["S1"]), "the manifest must be one of `intertone bench export`, got a"),
        (lambda m: m["pairs"][0].update(name="X9"), "the manifest must be one of `intertone bench export`, got a"),
    ],
)
def test_a_changed_manifest_is_refused(change, sentence: str, exported: Path, tmp_path: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    change(manifest)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=sentence):
        score_folder(tmp_path)


# the command line and the page


@pytest.mark.slow
@pytest.mark.parametrize("names", [["S1", "S1"], ["P3", "S1", "P3"]])
def test_the_command_judges_a_codec_and_leaves_a_page(codec_folder: Path, tmp_path: Path, names: list[str]) -> None:
    out, n_pairs = tmp_path / "new" / "out", len(set(names))
    only = [word for name in names for word in ("--only", name)]
    arguments = ["bench", "morph", str(codec_folder), *only, "--no-decoys", "--workers", "1"]
    run = CliRunner().invoke(app, [*arguments, "--no-cache", "-o", str(out), "--json"])
    assert run.exit_code == 0, run.output
    result = json.loads(run.stdout)
    part = result["parts"]["Synthetic notes"]
    assert list(part["summary"]) == ["codec", "oracle", *METHODS]
    assert part["summary"]["codec"]["n"] == n_pairs and part["self_test"] is None
    assert result["verdict"][0].startswith("Synthetic notes: codec scores ")
    assert "The lowest part of its score by kind of pairs – same:" in result["verdict"][0]
    assert json.loads((out / "bench.json").read_text())["parts"] == result["parts"]
    page = (out / "bench.html").read_text()
    assert page.count("<audio") == n_pairs * (2 + 1 + 1 + len(METHODS))  # A, B, codec, oracle, methods
    text = re.sub(r"base64,[A-Za-z0-9+/=]*", "", page)  # where the letters may come by chance
    assert "http" not in text.replace("http-equiv", "")
    assert "| crossfade | " in (out / "bench.md").read_text()
    (out / "mine.txt").write_text("kept")
    again = CliRunner().invoke(app, [*arguments, "-o", str(out)])
    assert again.exit_code and "holds mine.txt" in str(again.exception)


def test_own_morphs_are_scored_without_a_manifest(tmp_path: Path) -> None:
    pair = synthetic_pair("S3", seed=0, sample_rate=RATE)
    write_pair(tmp_path, "mine", pair.a, pair.b)
    (tmp_path / "._mine-a.wav").write_text("what a Mac leaves")
    (tmp_path / "mine-b.json").write_text("{}")
    for ratio, sound in zip(ALL_RATIOS, METHODS["crossfade"](pair, ALL_RATIOS), strict=True):
        save_audio(tmp_path / morph_name("mine", ratio), sound[None], sample_rate=RATE)
    result = score_folder(tmp_path)
    (row,) = result["pairs"]["mine"]["rows"].values()
    assert "oracle_ratio" not in row and row["endpoint_error"] < 0.05
    assert self_test(summarise(result["pairs"]), result["pairs"]) is None


def listen() -> None:
    """Hear Ctrl-C even where the tests run in the background, which a shell makes deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.slow
def test_a_signal_ends_every_process(number: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "intertone", "bench", "morph", "--no-cache", "--workers", "2"]
    run = subprocess.Popen(
        [*command, "-o", str(tmp_path / "out")], start_new_session=True, stderr=subprocess.PIPE, preexec_fn=listen
    )
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    while len(children.read_text().split()) < 3:  # two workers and multiprocessing's own
        time.sleep(0.1)
    workers = children.read_text().split()
    run.send_signal(number)
    assert run.wait(timeout=60) in (128 + number, -number)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_export_and_score_through_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    run = CliRunner().invoke(app, ["bench", "export", str(folder), "--seed", "3", "--json"])
    assert run.exit_code == 0 and json.loads(run.stdout)["pairs"] == list(PAIRS)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["pairs"] = manifest["pairs"][:1]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    sounds = oracle(synthetic_pair("S1", seed=3, sample_rate=RATE), ALL_RATIOS)
    for ratio, sound in zip(ALL_RATIOS, sounds, strict=True):
        save_audio(folder / morph_name("S1", ratio), sound[None], sample_rate=RATE)
    run = CliRunner().invoke(app, ["bench", "score", str(folder), "--json"])
    assert run.exit_code == 0, run.output
    summary = json.loads(run.stdout)["parts"]["Submission"]["summary"]
    assert summary["submission"]["morph_score"]["mean"] == pytest.approx(
        summary["oracle"]["morph_score"]["mean"], abs=0.5
    )
    assert summary["submission"]["gate_pass_rate"] == 1
    refused = CliRunner().invoke(app, ["bench", "export", str(folder)])
    assert refused.exit_code and "nobody has added to" in str(refused.exception)


@pytest.mark.slow
def test_an_export_is_not_replaced_by_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("bench", "export", tmp_path / "pairs", "--sample-rate", "8000", "--seed")
    assert run(*words, "3", capsys=capsys)[0] == run(*words, "3", capsys=capsys)[0] == 0
    sentence = refused(tmp_path, *words, "4", capsys=capsys)
    assert sentence.startswith(
        "the folder of an export must be new, empty or an earlier export with the same seed, or "
    )
    assert sentence.endswith("pairs with seed 3 in place of 4")
    assert "with sample_rate 8000 in place of 22050" in refused(
        tmp_path, *words, "3", "--sample-rate", "22050", capsys=capsys
    )
    assert run(*words, "4", "--force", capsys=capsys)[0] == 0
    assert json.loads((tmp_path / "pairs" / "manifest.json").read_text())["seed"] == 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "X1"], "--only must be one of S1, "),
        (["--no-synthetic"], "pairs must be selected with --synthetic, --data or --pairs, got none of them"),
        (
            ["thesis", "--sample-rate", "22050"],
            "--sample-rate must be used without a codec, whose rate is fixed, got 22050",
        ),
        (["nobody"], "the codec must be one of"),
        (["--sample-rate", "0"], "sample_rate must be in 8000..48000 Hz, got 0"),
        (["--device", "cuda"], "--device must be used with a codec, got cuda without one"),
        (["--no-cache", "--cache", "x"], "either --cache or --no-cache must be left out, got both, --cache x"),
        (["thesis", "--pairs", "nowhere"], "the pairs must lie in a folder, got nowhere"),
        (["thesis", "--data", "nowhere"], "nowhere"),
        (["thesis", "-o", "/dev/null"], "the output must be a folder, got /dev/null"),
        (["--no-synthetic", "--only", "S1"], "--only must name pairs that are evaluated, got S1 and --no-synthetic"),
    ],
)
def test_what_cannot_be_judged_is_refused(monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str) -> None:
    if "--sample-rate" not in arguments:
        monkeypatch.setattr(
            "intertone.bench.run.synthetic_pair", lambda *_, **__: pytest.fail("a pair was drawn first")
        )
    run = CliRunner().invoke(app, ["bench", "morph", *arguments])
    assert run.exit_code and sentence in str(run.exception)


def test_tables_have_a_cell_for_every_column(crossfades: dict, tmp_path: Path) -> None:
    summary = summarise(crossfades["pairs"])
    result = {
        "bench_version": 1,
        "parts": {"Some": {"summary": summary, "self_test": [], "pairs": crossfades["pairs"]}},
    }
    for table in tables(result):
        assert all(len(line) == len(table.columns) for line in table.rows)
    assert verdict(result, "nobody") == []
    (words,) = verdict(result, "crossfade")
    assert "fusion into one sound" in words
    write_bench(tmp_path / "out", result, [], None, command="x")
    assert (tmp_path / "out" / "bench.md").read_text().startswith("`x`, bench version 1")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_cell_is_broken_in_a_terminal(crossfades: dict, width: int) -> None:
    pairs = copy.deepcopy(crossfades["pairs"])
    for pair in pairs.values():  # as large as figures get
        for row in pair["rows"].values():
            row |= {name: 1200.0 for name in METRICS if row.get(name) is not None}
    part = {"summary": summarise(pairs), "self_test": [], "pairs": pairs}
    for table in tables({"parts": {"Some": part}}):
        stream = io.StringIO()
        show_table(Console(file=stream, width=width), table)
        lines = stream.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        words = [word for line in lines for word in line.split()]
        for _, *cells in table.rows:
            assert all(cell in words or " " in cell for cell in cells)
        heads = sum(line.split()[:1] == ["method"] for line in lines)
        assert heads == 1 or width < 200


def test_notes_are_of_equal_loudness_within_reason() -> None:
    """All have one RMS; K-weighting and the gate then leave them within 12 LU."""
    sounds = [synthetic_pair(name, seed=0, sample_rate=RATE).a for name in PAIRS]
    levels = [integrated_loudness(sound, RATE) for sound in sounds]
    assert max(levels) - min(levels) < 12
    assert len(RATIOS) == 11
