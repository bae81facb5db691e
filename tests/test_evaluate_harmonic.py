"""The evaluation of a codec of harmonic features: reconstruction, transposition, the tracker, and the report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SAMPLE_RATE, tone
from test_evaluate import check_studies
from test_page import check_self_contained

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.data.soundfont import Bank, Preset, Sample, Zone
from intertone.errors import InputError
from intertone.evaluate import BUDGETS, Evaluation, evaluate_codec, write_evaluation
from intertone.evaluate.draw import Moves, bank_of, draw_moves, draw_notes, pitched_rows
from intertone.evaluate.figure import Collected, log_mel_errors
from intertone.evaluate.report import CodecFacts, to_markdown
from intertone.evaluate.resynthesis import resynthesise_notes, spectrogram_of
from intertone.evaluate.run import draw_all
from intertone.evaluate.studies.measures import MeasuresStudy
from intertone.evaluate.studies.network import NetworkStudy
from intertone.evaluate.studies.path import PathStudy
from intertone.evaluate.studies.phase import PhaseStudy
from intertone.evaluate.studies.recognition import RecognitionStudy
from intertone.evaluate.studies.reconstruction import ReconstructionStudy
from intertone.evaluate.studies.transposition import MOVED, MoveFigures, collect_moves, measure_move, move_note
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch

SMOKE = BUDGETS["smoke"]
KEYS = (50, 54, 58, 62, 66)


@pytest.fixture(scope="module")
def bank() -> Bank:
    """Two recordings a program, the upper one from key 60 on; the second program plays one throughout."""
    samples = tuple(Sample(str(place), (place, place + 1), None) for place in range(3))
    split = (Zone(0, 59, 0, 127, 0, 100), Zone(60, 127, 0, 127, 1, 100))
    presets = {0: split, 40: (Zone(0, 127, 0, 127, 2, 100),), 48: split, 120: split}
    return Bank(
        Path("tiny.sf2"),
        "Tiny",
        samples,
        {(0, number): Preset(0, number, "", zones) for number, zones in presets.items()},
    )


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Three held-out instruments of five keys, one that is not judged, and one that is not held out."""
    folder = tmp_path_factory.mktemp("rendered")
    settings = {"bank": "Tiny", "hold_seconds": 0.4}
    begin_notes(folder, sample_rate=SAMPLE_RATE, samples=8000, kind="soundfont", settings=settings)
    instruments = [("000-piano", "test"), ("040-violin", "test"), ("048-strings", "test"), ("120-fret", "test")]
    rows, pcm, scales = [], [], []
    for number, (name, split) in enumerate([*instruments, ("001-piano", "train")]):
        for pitch in KEYS:
            values, scale = quantise(tone(pitch, seconds=0.5, tilt=1 + 0.2 * number, decay=6).numpy())
            pcm.append(values)
            scales.append(scale)
            rows.append(NoteRow(f"{name}-{pitch}", pitch, 100, name, name[4:], "Tiny", name, split))
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return Notes.open(folder)


@pytest.fixture(scope="module")
def result(rendered: Notes, bank: Bank, harmonic_codec: Codec) -> Evaluation:
    """A whole evaluation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("intertone.evaluate.studies.transposition.bank_of", lambda _: bank)
        known = [("tone", tone(60, seconds=0.5), pitch_to_hz(60))]
        return evaluate_codec(harmonic_codec, rendered, config=SMOKE, known_sounds=known)


# copies


def test_an_image_with_its_own_noise_is_the_note_and_the_network_is_not(rendered: Notes, harmonic_codec: Codec) -> None:
    rows = pitched_rows(rendered, split="test")[:3]
    collected, draw = Collected(), draw_all(harmonic_codec, rendered, SMOKE)
    for batch in resynthesise_notes(harmonic_codec, rendered, rows, linear=None, n_estimated=3, seed=0):
        collected.add(ReconstructionStudy().measure_batch(harmonic_codec, rendered, draw, batch))
    lines = {line.way: line for line in collected.table()}
    assert list(lines) == [
        ("original", "own"), ("true magnitude", "kept"), ("true magnitude", "estimated"),
        ("codec", "kept"), ("codec", "estimated"), ("rank one", "estimated"),
    ]  # fmt: skip
    image, exact = lines["true magnitude", "estimated"], lines["true magnitude", "kept"]
    assert exact["difference"].mean < -90
    assert image["log_mel_16k"].mean < 1
    # a tone whose partials all decay alike is an envelope times a spectrum, but for the noise
    assert lines["rank one", "estimated"]["log_mel_16k"].mean < lines["codec", "estimated"]["log_mel_16k"].mean
    assert lines["original", "own"].figures == {"in_tune": image["in_tune"]}
    assert lines["original", "own"]["in_tune"].mean == 1
    assert "in_tune" not in exact.figures and "log_mel_44k" not in exact.figures


def test_the_full_band_is_judged_at_44100_hz_only() -> None:
    sound = torch.randn(20000, generator=torch.Generator().manual_seed(0))
    dull = torch.nn.functional.avg_pool1d(sound[None], 5, 1, 2)[0]  # less above 4 kHz
    errors = log_mel_errors(dull, sound, 44100)
    assert set(errors) == {"log_mel_16k", "log_mel_44k"} and errors["log_mel_44k"] > errors["log_mel_16k"] > 0
    assert set(log_mel_errors(dull, sound, 16000)) == {"log_mel_16k"}


def test_only_notes_with_a_pitch_are_judged(rendered: Notes, notes: Notes) -> None:
    rows = pitched_rows(rendered, split="test")
    assert set(rendered.instrument[rows]) == {"000-piano", "040-violin", "048-strings"}
    drawn = draw_notes(rendered, 6, split="test", seed=0, among=rows)
    assert len(set(drawn)) == 6 and set(drawn) <= set(rows)
    assert (pitched_rows(notes, split="test") == notes.select(split="test")).all()


# notes moved to another key


def test_moves_go_between_recordings_and_the_others_are_counted(rendered: Notes, bank: Bank) -> None:
    moves = draw_moves(rendered, bank, 99, split="test", seed=0)
    # 10 pairs of 5 keys, but 50 and 66, which are 16 apart: 9 for each of three instruments. The violin plays all
    # from one recording; of the others 50, 54, 58 | 62, 66 lie 3 + 1 on one side of key 60
    assert (moves.n_pairs, moves.n_same) == (27, 9 + 2 * 4)
    assert (moves.n_octaves, moves.n_same_octaves) == (6, 2)
    assert len(moves.rows) == 2 * 2 * 5 and len({tuple(pair) for pair in moves.rows}) == 20
    for source, target in moves.rows:
        assert rendered.instrument[source] == rendered.instrument[target] != "040-violin"
        assert (rendered.pitch[source] < 60) != (rendered.pitch[target] < 60)
    assert (draw_moves(rendered, bank, 3, split="test", seed=0).rows == moves.rows[:3]).all()
    assert {str(rendered.instrument[row]) for row in moves.rows[:2, 0]} == {"000-piano", "048-strings"}


def test_a_moved_note_sounds_where_it_is_moved_to_and_lasts(rendered: Notes, harmonic_codec: Codec) -> None:
    sound = tone(58, seconds=0.5, decay=1)
    moved = move_note(harmonic_codec, sound, 5)
    assert list(moved) == [*MOVED, "resampled"] and {len(each) for each in moved.values()} == {8000}
    for name in ("network correction", "without network", "resampled"):
        assert abs(float(hz_to_cents(note_pitch(moved[name][:5000], SAMPLE_RATE), pitch_to_hz(63)))) < 10
    assert not torch.allclose(moved["network correction"], moved["without network"], atol=1e-5)
    ends = {name: float(each[-1000:].abs().max()) for name, each in moved.items()}
    assert ends["resampled"] < 1e-3 < 0.05 < ends["without network"]


def test_where_notes_decay_alike_the_moved_image_is_nearer_than_the_resampled_note(
    rendered: Notes, bank: Bank, harmonic_codec: Codec
) -> None:
    drawn = draw_moves(rendered, bank, 99, split="test", seed=0)
    rows = np.array([pair for pair in drawn.rows if abs(int(np.diff(rendered.pitch[pair])[0])) >= 8])
    moves = Moves(rows[:4], 27, 17, 6, 2)
    figures = [measure_move(harmonic_codec, rendered, *pair, seed=0)[0] for pair in moves.rows]
    assert [abs(figure.semitones) for figure in figures] == [
        abs(int(rendered.pitch[a]) - int(rendered.pitch[b])) for a, b in moves.rows
    ]
    table = collect_moves(figures)
    image, resampled = table["without network"], table["resampled"]
    assert image.wins["log_mel_16k"] == 1 and image.errors["log_mel_16k"].mean < 3
    assert image.errors["log_mel_16k"].n == 4 and resampled.wins == {}
    assert resampled.errors["log_mel_16k"].mean > image.errors["log_mel_16k"].mean + 0.5


def test_wins_are_counted_by_the_way_moved() -> None:
    def figures(semitones: int, own: float, whole: float) -> MoveFigures:
        errors = {name: {"log_mel_16k": own, "whole": whole} for name in MOVED}
        return MoveFigures(semitones, {**errors, "resampled": {"log_mel_16k": 2.0, "whole": 2.0}})

    table = collect_moves([figures(3, 1, 1), figures(-4, 3, 1), figures(12, 2, 1)])
    assert table["network correction"].wins == {
        "log_mel_16k": pytest.approx(1 / 3), "whole": 1, "up": 0.5, "down": 0,
        "1 to 4": 0.5, "5 to 8": None, "9 to 12": 0,
    }  # fmt: skip
    assert collect_moves([]) == {}


def test_notes_of_another_bank_are_refused(rendered: Notes, bank: Bank, notes: Notes, monkeypatch: Any) -> None:
    with pytest.raises(InputError, match="must be those of a soundfont, got those of kind 'synthetic'"):
        bank_of(notes)
    monkeypatch.setattr("intertone.evaluate.draw.find_soundfont", lambda: Path("tiny.sf2"))
    monkeypatch.setattr("intertone.evaluate.draw.read_soundfont", lambda _: bank)
    assert bank_of(rendered) is bank
    other = Bank(bank.path, "Other", bank.samples, bank.presets)
    monkeypatch.setattr("intertone.evaluate.draw.read_soundfont", lambda _: other)
    with pytest.raises(InputError, match="the installed bank Other, got notes of Tiny"):
        bank_of(rendered)


# the whole evaluation, and its report


def test_an_evaluation_is_complete_and_json(result: Evaluation, tmp_path: Path) -> None:
    figures: dict[str, Any] = dict(result.figures)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert result.codec.code_size == 3 + 1 + 2 * 7  # of the note, its pitch, and of each of 51 / 8 vectors
    assert result.notes.n_notes == 4
    moved = figures["transposition"]
    assert moved["n"] == 2 and (moved["n_pairs"], moved["n_same"]) == (27, 17) and "examples" not in moved
    tracked = figures["f0_tracker"]
    assert tracked["notes"]["gross"] == tracked["synthetic"]["gross"] == 0
    assert len(tracked["instruments"]) == 3
    assert figures["speed"]["one_pair"] > 0 and figures["speed"]["several_words"].startswith("11 steps")
    found = result.tables
    assert [table.title for table in found] == [
        "Reconstruction",
        "A note transposed to another key",
        "Nearer than the resampled note, by interval",
        "The f0 tracker",
        "The code",
        "Speed",
        "Left out",
    ]
    check_studies(result)
    assert "Of 27 possible pairs of keys 17 (63 %)" in found[1].note and "of 6 octaves 2 (33 %)" in found[1].note
    assert len(result.sentences) == 7 and result.sentences[1].startswith(
        "Where everything is decoded (full), from 18 numbers, it is "
    )
    assert "| harmonic features, residual | 0.00 |" in to_markdown(result, command="x")
    files = write_evaluation(tmp_path / "out", result, command="intertone evaluate")
    names = [path.name for path in files]
    assert sum(name.endswith(".wav") for name in names) == 4 + 6 + 4
    check_self_contained(files[0].read_text())


def test_a_study_applies_or_says_why_not(notes: Notes, harmonic_codec: Codec, small_codec: Codec) -> None:
    spectrograms = MeasuresStudy(), PhaseStudy(), NetworkStudy(), RecognitionStudy(), PathStudy()
    assert [study.applies(small_codec, notes) for study in spectrograms] == [None] * 5
    reasons = [study.applies(harmonic_codec, notes) or "" for study in spectrograms]
    assert [reason.partition(":")[0] for reason in reasons] == [
        "Other measures of reconstructions",
        "Phase estimation",
        "Other weights and another code",
        "The classifier of families and velocities",
        "The families from A to B",
    ]
    assert ReconstructionStudy().applies(harmonic_codec, notes) is None


def test_what_cannot_be_judged_is_left_out_with_a_reason(notes: Notes, harmonic_codec: Codec) -> None:
    result = evaluate_codec(harmonic_codec, notes, config=SMOKE)
    figures = result.figures
    assert figures["transposition"] is None and figures["f0_tracker"] is None and figures["recognition"] is None
    reasons = [line.partition(", got")[0] for line in result.left_out]
    assert "Transposed notes: the notes must be those of a soundfont" in reasons
    assert "The f0 tracker: the tracker must be evaluated on notes of a soundfont" in reasons
    assert "Phase estimation: the codec must have a spectrogram representation" in reasons
    assert len(result.left_out) == 9 and [row[0] for row in result.tables[-1].rows] == list(result.left_out)
    assert len(result.tables) == 4 and len(result.sentences) == 5
    with pytest.raises(InputError, match="must hold at least three notes, got 0"):
        evaluate_codec(harmonic_codec, notes, config=SMOKE.model_copy(update={"split": "none"}))
    with pytest.raises(InputError, match="must have a spectrogram representation, got a harmonic representation"):
        spectrogram_of(harmonic_codec)


def test_the_numbers_of_a_code_are_counted_once(harmonic_codec: Codec, small_codec: Codec, notes: Notes) -> None:
    facts = CodecFacts.of(harmonic_codec, notes)
    assert (facts.latent_dim, facts.n_latents, facts.code_size) == (6, 13, 3 + 1 + 2 * 13)
    assert CodecFacts.of(small_codec, notes).code_size == small_codec.encode(torch.zeros(SAMPLE_RATE))[0].numel()
