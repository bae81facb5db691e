import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SAMPLE_RATE, tone
from sklearn.decomposition import PCA
from typer.testing import CliRunner

from intertone.cli import app
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.errors import InputError
from intertone.evaluate import BUDGETS, EvaluateConfig, evaluate_codec, tables
from intertone.evaluate.baselines import LinearCode, fit_linear_code, images_that_fit, rank_one
from intertone.evaluate.draw import draw_notes, draw_pairs
from intertone.evaluate.morphs import PairFigures, judge_morphs, log_magnitude_morph, morph_table
from intertone.evaluate.reconstruction import judge_phase, judge_reconstruction
from intertone.morphing import morph
from intertone.pitch import hz_to_cents, note_pitch, pitch_to_hz

SMOKE = BUDGETS["smoke"]


@pytest.fixture(scope="module")
def pairable(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Four instruments, two of them held out; two of the training ones share a group."""
    folder = tmp_path_factory.mktemp("pairable")
    begin_notes(folder, sample_rate=SAMPLE_RATE, samples=SAMPLE_RATE // 2, kind="synthetic", settings={})
    rows, pcm, scales = [], [], []
    for instrument, (group, split) in enumerate([("x", "train"), ("x", "train"), ("y", "test"), ("z", "test")]):
        for pitch in (45, 52, 57, 64, 69, 76):
            values, scale = quantise(
                tone(pitch, seconds=0.5, tilt=0.6 + 0.3 * instrument, decay=1 + instrument).numpy()
            )
            pcm.append(values)
            scales.append(scale)
            rows.append(NoteRow(f"{instrument}/{pitch}", pitch, 100, str(instrument), "family", "test", group, split))
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return Notes.open(folder)


class PerfectModel:
    """Stands for a network that loses nothing: the code is the spectrogram."""

    margin, frames_per_latent = None, 1

    def encode(self, features: torch.Tensor) -> torch.Tensor:
        return features

    decode = encode

    def eval(self) -> "PerfectModel":
        return self

    def parameters(self) -> Iterator[torch.Tensor]:
        yield torch.zeros(1)


@pytest.fixture
def perfect_codec(small_codec: Codec) -> Codec:
    return Codec(small_codec.config, PerfectModel())  # type: ignore[arg-type]


def no_steps(_: int) -> None:
    pass


def test_notes_are_drawn_in_turn_from_the_instruments_and_the_same_for_a_seed(notes: Notes) -> None:
    rows = draw_notes(notes, 9, split="train", seed=0)
    assert len(set(rows.tolist())) == 9
    assert sorted(np.unique(notes.instrument[rows], return_counts=True)[1].tolist()) == [3, 3, 3]
    assert set(notes.split[rows]) == {"train"}
    assert (rows == draw_notes(notes, 9, split="train", seed=0)).all()
    assert (rows != draw_notes(notes, 9, split="train", seed=1)).any()
    assert (rows[:4] == draw_notes(notes, 4, split="train", seed=0)).all()
    assert len(draw_notes(notes, 100, split="test", seed=0)) == 8


def test_pairs_have_one_pitch_and_two_groups_and_take_the_octaves_in_turn(pairable: Notes) -> None:
    pairs = draw_pairs(pairable, 3, split="test", seed=0)
    first, second = pairs.T
    assert (pairable.pitch[first] == pairable.pitch[second]).all()
    assert (pairable.group[first] != pairable.group[second]).all()
    assert set(pairable.split[pairs.ravel()]) == {"test"}
    assert sorted(pairable.pitch[first] // 12 - 1) == [2, 3, 4]
    assert len(set(draw_pairs(pairable, 99, split="test", seed=0).ravel().tolist())) == 12  # each note once
    assert draw_pairs(pairable, 99, split="train", seed=0).shape == (0, 2)  # one group only


def test_the_linear_code_is_the_principal_component_analysis_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(20, 6, 7, generator=generator)
    others = torch.rand(5, 6, 7, generator=generator)
    code = fit_linear_code(lambda rows: images[rows], 20, 4, batch_size=3)
    oracle = PCA(4).fit(images.flatten(1).numpy())
    wanted = oracle.inverse_transform(oracle.transform(others.flatten(1).numpy()))
    assert code.reconstruct(others).flatten(1).numpy() == pytest.approx(wanted, abs=1e-4)
    # all components: the images themselves; no more than images − 1
    whole = fit_linear_code(lambda rows: images[rows], 20, 99)
    assert whole.n_components == 19
    assert torch.allclose(whole.reconstruct(images), images, atol=1e-3)
    with pytest.raises(ValueError, match="at least two images, got 1"):
        fit_linear_code(lambda rows: images[rows], 1, 4)


def test_how_many_images_are_fitted_to() -> None:
    assert images_that_fit(4e4, cells=100, n_components=10, available=1000) == 100
    assert images_that_fit(4e3, cells=100, n_components=10, available=1000) == 15  # 1.5 per component
    assert images_that_fit(4e4, cells=100, n_components=10, available=12) == 12


def test_rank_one_keeps_what_is_of_rank_one_and_nothing_else() -> None:
    spectrum, envelope = -torch.rand(5, 1) * 20, -torch.rand(1, 7) * 20
    decibels = spectrum - spectrum.max() + envelope - envelope.max()
    image = (1 + decibels / 80)[None]
    assert torch.allclose(rank_one(image, top_db=80), image, atol=1e-5)
    # two cells on the diagonal: mean spectrum (1/2, 1/2) times envelope (1/2, 1/2): all cells equal
    assert torch.allclose(rank_one(torch.eye(2)[None], top_db=80), torch.ones(1, 2, 2))


def test_methods_that_lose_nothing_are_perfect_and_the_mean_image_is_not(pairable: Notes, perfect_codec: Codec) -> None:
    rows = pairable.select(split="test")[:4]
    features = perfect_codec.representation.analyse(pairable.audio(rows).unsqueeze(1))[0]
    linear = fit_linear_code(lambda part: features[part], 4, 3)
    table = judge_reconstruction(perfect_codec, pairable, rows, linear, n_estimated=4, seed=0, step=no_steps)
    mel = {(line["method"], line["phase"]): line["log_mel_error"]["mean"] for line in table}
    assert len(mel) == 9
    assert mel["codec", "kept"] < 0.1  # dB; the floor of the features, 80 dB down, is all that is lost
    assert mel["PCA", "kept"] < 0.2  # fitted to these very notes
    assert mel["codec", "estimated"] == mel["true magnitude", "estimated"] < 1
    assert mel["codec", "kept"] < mel["rank one", "kept"] < mel["mean image", "kept"]
    assert all(line["log_mel_error"]["n"] == line["loud_cell_error"]["n"] == 4 for line in table)


def test_baselines_get_an_estimated_phase_for_the_first_batches_only(pairable: Notes, perfect_codec: Codec) -> None:
    rows = np.resize(pairable.select(split="test"), 20)
    mean = torch.zeros(perfect_codec.representation.n_features * 33)
    linear = LinearCode(mean, mean[None], torch.zeros(1, 1), 1)
    table = judge_reconstruction(perfect_codec, pairable, rows, linear, n_estimated=2, seed=0, step=no_steps)
    counts = {(line["method"], line["phase"]): line["log_mel_error"]["n"] for line in table}
    assert counts["PCA", "kept"] == counts["codec", "estimated"] == 20
    assert counts["PCA", "estimated"] == 16


def test_our_phase_beats_librosas_on_harmonic_notes(pairable: Notes, perfect_codec: Codec) -> None:
    result = judge_phase(perfect_codec, pairable, pairable.select(split="test")[:4], seed=0, step=no_steps)
    assert result["pghi_fast"]["mean"] < result["librosa"]["mean"] - 3
    assert result["difference"]["mean"] == pytest.approx(
        result["pghi_fast"]["mean"] - result["librosa"]["mean"], abs=1e-4
    )
    assert result["share_better"] == 1


def test_without_a_network_the_morph_keeps_the_pitch(pairable: Notes, perfect_codec: Codec) -> None:
    pairs = draw_pairs(pairable, 4, split="test", seed=0)
    figures = judge_morphs(perfect_codec, pairable, pairs, seed=0, step=no_steps)
    for figure in figures:
        assert figure.measured
        assert abs(figure.cents["log magnitude"]) < 10
        # a code that is the spectrogram gives the same morph as no network
        assert figure.cents["codec"] == pytest.approx(figure.cents["log magnitude"], abs=1e-3)
        assert figure.between == {"codec": True, "log magnitude": True}
    a, b = (pairable.audio(rows).unsqueeze(1) for rows in pairs.T)
    assert torch.equal(log_magnitude_morph(perfect_codec, a, b, mix=0.5), morph(perfect_codec, a, b))
    f0 = note_pitch(log_magnitude_morph(perfect_codec, a, b, mix=0.0)[0, 0], SAMPLE_RATE)
    assert abs(float(hz_to_cents(f0, pitch_to_hz(int(pairable.pitch[pairs[0, 0]]))))) < 10


def test_a_morph_without_pitch_counts_as_out_of_tune() -> None:
    def figure(octave: int, cents: float, *, measured: bool = True) -> PairFigures:
        methods = {"codec": cents, "log magnitude": 0.0}
        level = dict.fromkeys(methods, 1.0)
        return PairFigures(octave, measured, methods, {"codec": False, "log magnitude": True}, level)

    table = morph_table(
        [figure(3, 10), figure(3, -30), figure(4, math.nan), figure(4, 900), figure(4, 5, measured=False)]
    )
    cells = {(line["octave"], line["method"]): line for line in table}
    assert cells[None, "codec"]["n"] == 5
    assert cells[None, "codec"]["n_measured"] == 4
    assert cells[None, "codec"]["in_tune"] == 0.5
    assert cells[3, "codec"]["median_cents"] == 20
    assert cells[4, "codec"]["median_cents"] is None  # 900 and none at all: the middle is not a number
    assert cells[4, "log magnitude"]["in_tune"] == 1
    assert cells[None, "codec"]["between"] == 0
    assert cells[None, "log magnitude"]["level"]["mean"] == 1


def test_an_evaluation_is_complete_repeatable_and_json(pairable: Notes, small_codec: Codec) -> None:
    seen: list[tuple[str, int, int]] = []
    result = evaluate_codec(small_codec, pairable, config=SMOKE, progress=lambda *step: seen.append(step))
    again = evaluate_codec(small_codec, pairable, config=SMOKE)
    assert {**result, "speed": None} == {**again, "speed": None}
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert {name for name, _, _ in seen} == {"fitting the PCA", "reconstruction", "phase", "morphs", "network"}
    assert all(done <= total for _, done, total in seen)
    assert result["codec"]["code_size"] == small_codec.encode(torch.zeros(SAMPLE_RATE // 2))[0][0].numel()
    assert result["notes"]["n_instruments"] == 2
    assert result["network"]["mean_code_difference"] == 0
    assert result["network"]["exchanged_code"]["mean"] > 0
    assert result["pca"] == {"n_components": 8, "wanted": 8, "n_training_notes": 12}
    assert result["speed"]["one_pair"] > 0
    assert [table.title.split(":")[0] for table in tables(result)] == [
        "Reconstruction",
        "Phase",
        "Half-way morphs of two notes of equal pitch and velocity",
        "The network is in the path",
        "Speed",
    ]
    for table in tables(result):
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_too_few_training_notes_are_said_and_no_pairs_too(
    notes: Notes, small_codec: Codec, caplog: pytest.LogCaptureFixture
) -> None:
    config = SMOKE.model_copy(update={"n_components": 500, "n_notes": 2, "n_network_pairs": 2})
    result = evaluate_codec(small_codec, notes, config=config)  # one test instrument
    assert result["pca"] == {"n_components": 23, "wanted": 500, "n_training_notes": 24}
    assert result["morphs"] == []
    assert "the PCA has 23 components of 500" in caplog.text
    assert "no half-way morphs are judged" in caplog.text
    assert len(tables(result)) == 4


def test_an_evaluation_refuses_what_it_cannot_judge(notes: Notes, small_codec: Codec) -> None:
    representation = small_codec.config.representation
    other = representation.model_copy(
        update={"spectrogram": representation.spectrogram.model_copy(update={"sample_rate": 8000})}
    )
    with pytest.raises(InputError, match="the codec's sample_rate=8000, got 16000"):
        evaluate_codec(Codec(small_codec.config.model_copy(update={"representation": other})), notes, config=SMOKE)
    with pytest.raises(InputError, match="n_notes"):
        EvaluateConfig.parse({"n_notes": 0})


def test_the_command_line_leaves_figures_sounds_and_pictures(
    pairable: Notes, codec_folder: Path, tmp_path: Path
) -> None:
    arguments = ["evaluate", str(codec_folder), "--data", str(pairable.folder), "--budget", "smoke", "--notes", "2"]
    out = tmp_path / "new" / "evaluation"
    run = CliRunner().invoke(app, [*arguments, "--json", "--out", str(out)])
    assert run.exit_code == 0, run.output
    result = json.loads(run.stdout)
    assert result["settings"]["n_notes"] == 2
    assert result["notes"]["n_pairs"] == 2
    saved = json.loads((out / "evaluation.json").read_text())
    assert saved["reconstruction"] == result["reconstruction"]
    page = (out / "evaluation.md").read_text()
    assert page.count("| codec | kept | 2 |") == 1
    assert len(list(out.glob("note-*.png"))) == 2
    assert len(list(out.glob("note-*-codec-kept-phase.wav"))) == 2
    assert len(list(out.glob("morph-*-log-magnitude.wav"))) == 1
    taken = tmp_path / "taken"
    taken.write_text("mine")
    run = CliRunner().invoke(app, [*arguments, "--out", str(taken)])
    assert isinstance(run.exception, InputError)
    assert "the output must be a folder, got the file" in str(run.exception)
