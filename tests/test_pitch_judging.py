from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SAMPLE_RATE, tone

from intertone.bench.synthetic_pairs import PAIRS, synthetic_pair
from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.errors import InputError
from intertone.evaluate.draw import EXCLUDED_PROGRAMS
from intertone.evaluate.studies.f0_tracker import evaluate_sounds, evaluate_tracker, lowest_partial
from intertone.pitch.note import pitch_to_hz


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """In tune, an octave below the key and one above; what is not judged; and one of another split."""
    folder = tmp_path_factory.mktemp("bank")
    begin_notes(folder, sample_rate=SAMPLE_RATE, samples=8000, kind="soundfont", settings={})
    instruments = [
        ("000-piano", "test", 0),
        ("016-organ", "test", -12),
        ("080-lead", "test", 12),
        ("127-gun-shot", "test", 5),
        ("128-drum-kit", "test", None),
        ("001-piano", "train", 0),
    ]
    rows, pcm, scales = [], [], []
    for name, split, offset in instruments:
        for pitch in (48, 60, 72):
            values, scale = quantise(tone(pitch + (offset or 0), seconds=0.5).numpy())
            pcm.append(values)
            scales.append(scale)
            label = -1 if offset is None else pitch
            rows.append(NoteRow(f"{name}-{pitch}", label, 100, name, "synthetic", "test", name, split))
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return Notes.open(folder)


def test_notes_that_sound_an_octave_away_are_right_there_but_not_at_their_label(bank: Notes) -> None:
    score, instruments = evaluate_tracker(bank, split="test", limit=2)
    assert {each.name for each in instruments} == {"000-piano", "016-organ", "080-lead"}  # no shot, no drums
    assert [each.n_notes for each in instruments] == [2, 2, 2]
    assert {each.name: each.gross_label for each in instruments} == {"000-piano": 0, "016-organ": 1, "080-lead": 1}
    assert score.n_notes == 6 and score.n_frames == sum(each.n_frames for each in instruments)
    assert score.gross == 0 and score.gross_label == pytest.approx(2 / 3, abs=0.01)
    assert score.n_flips == 0 and score.jitter < 0.5 and score.voiced > 0.98


def test_the_draw_is_that_of_the_seed(bank: Notes) -> None:
    first, again = (evaluate_tracker(bank, split="test", limit=1, seed=0) for _ in range(2))
    assert first == again
    assert len({evaluate_tracker(bank, split="test", limit=1, seed=seed)[0] for seed in range(4)}) > 1
    assert evaluate_tracker(bank, split="train")[0].n_notes == 3


def test_a_wrong_line_is_counted() -> None:
    # 440 and 660 Hz have a period of 1/220 s in common, at which neither the label nor a partial lies
    time = torch.arange(8000) / SAMPLE_RATE
    fifth = torch.sin(2 * torch.pi * 440 * time) + torch.sin(2 * torch.pi * 660 * time)
    score, (worst, best) = evaluate_sounds(
        [("tone", tone(69, seconds=0.5), 440.0), ("fifth", fifth, 440.0)], sample_rate=SAMPLE_RATE
    )
    assert (worst.name, worst.gross, best.name, best.gross) == ("fifth", 1, "tone", 0)
    assert score.gross == pytest.approx(0.5, abs=0.01)


def test_flips_are_counted_across_short_gaps() -> None:
    quiet = torch.zeros(320)
    sound = torch.cat([tone(60, seconds=0.3, decay=0), quiet, tone(67, seconds=0.3, decay=0)])
    score, _ = evaluate_sounds([("two", sound, pitch_to_hz(60))], sample_rate=SAMPLE_RATE)
    assert score.n_flips == 1
    assert 0.4 < score.gross_label < 0.6


def test_the_lowest_partial_is_the_lowest_that_sounds() -> None:
    time = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    for level, wanted in ((0.1, 110), (0.003, 330)):  # -20 dB sounds, -50 dB does not
        audio = torch.sin(2 * torch.pi * 330 * time) + level * torch.sin(2 * torch.pi * 110 * time)
        assert lowest_partial(audio, SAMPLE_RATE) == pytest.approx(wanted, abs=2)
    assert np.isnan(lowest_partial(torch.zeros(8000), SAMPLE_RATE))


def test_the_notes_of_the_bench_are_followed() -> None:
    sounds = []
    for name in PAIRS:
        pair = synthetic_pair(name, seed=1, sample_rate=SAMPLE_RATE)
        one, two = pair.title.split(", ")
        sounds += [(one, pair.a, pair.f0_a), (two, pair.b, pair.f0_b)]
    score, _ = evaluate_sounds(sounds, sample_rate=SAMPLE_RATE)
    assert score.n_notes == 26 and score.n_frames > 4000
    assert score.gross_label < 0.001 and score.voiced > 0.99 and score.n_flips == 0
    assert score.jitter < 1.5  # vibrato moves too


def test_every_exclusion_has_a_reason() -> None:
    assert set(EXCLUDED_PROGRAMS) == set(range(112, 128))
    assert all(len(reason) > 10 for reason in EXCLUDED_PROGRAMS.values())


def test_what_cannot_be_judged_is_refused(bank: Notes, notes: Notes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="notes of a soundfont, got those of kind 'synthetic'"):
        evaluate_tracker(notes, split="test")
    with pytest.raises(InputError, match="limit must be 1 or more, got 0"):
        evaluate_tracker(bank, split="test", limit=0)
    with pytest.raises(InputError, match="must be notes with a key in the split, got none of 18 in 'valid'"):
        evaluate_tracker(bank, split="valid")
    with pytest.raises(ValueError, match="at least one sound, got none"):
        evaluate_sounds([], sample_rate=SAMPLE_RATE)
