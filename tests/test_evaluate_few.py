"""An evaluation of three notes: figures where they can be made, a sentence where they cannot."""

from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE_RATE, tone, untrained_codec

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.evaluate import BUDGETS, evaluate_codec, write_evaluation


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Six notes of one instrument: three to train, three to test."""
    folder = tmp_path_factory.mktemp("few")
    begin_notes(folder, sample_rate=SAMPLE_RATE, samples=SAMPLE_RATE, kind="folder", settings={})
    rows, pcm, scales = [], [], []
    for index, pitch in enumerate((48, 55, 60, 62, 65, 69)):
        values, scale = quantise(tone(pitch).numpy())
        pcm.append(values)
        scales.append(scale)
        name, split = f"horn-{pitch}", ("train", "test")[index % 2]
        rows.append(NoteRow(name, pitch, -1, "horn", "unknown", "test", name, split))
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return Notes.open(folder)


@pytest.mark.slow
@pytest.mark.parametrize("harmonic", [False, True])
def test_three_notes_are_evaluated(few: Notes, harmonic_codec: Codec, tmp_path: Path, harmonic: bool) -> None:
    codec = harmonic_codec if harmonic else untrained_codec()
    config = BUDGETS["smoke"].model_copy(update={"n_notes": 512, "n_pairs": 256, "n_moves": 400})
    result = evaluate_codec(codec, few, config=config)
    found = result.figures
    assert found["reconstruction"]["lines"]
    written = write_evaluation(tmp_path / "page", result, command="intertone evaluate")
    page = written[0].read_text(encoding="utf-8")
    assert "nan" not in page.lower().split()
