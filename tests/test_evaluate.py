import io
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SAMPLE_RATE, tone, untrained_codec
from sklearn.decomposition import PCA
from test_page import check_self_contained, sound
from typer.testing import CliRunner

from intertone.cli import app
from intertone.cli.evaluation import show_table
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.errors import InputError
from intertone.evaluate import BUDGETS, EvaluateConfig, Evaluation, evaluate_codec, write_evaluation
from intertone.evaluate.baselines import LinearCode, fit_linear_code, images_that_fit, rank_one
from intertone.evaluate.classifier import BANDS_PER_OCTAVE, HEADS, N_SEGMENTS, Classifier, note_images, train_classifier
from intertone.evaluate.draw import draw_notes, draw_others, draw_pairs
from intertone.evaluate.figure import Collected, Line, seeded, summary
from intertone.evaluate.half_way import PairFigures, half_way_morphs, measure_pairs
from intertone.evaluate.page import evaluation_page
from intertone.evaluate.report import to_markdown
from intertone.evaluate.resynthesis import ESTIMATED, Resynthesis, interpolate_features, resynthesise_notes
from intertone.evaluate.run import check_notes, conducted, draw_all
from intertone.evaluate.studies.code import latent_statistics
from intertone.evaluate.studies.measures import MEASURES, MeasuresStudy
from intertone.evaluate.studies.morph import Morphs, MorphStudy, morph_lines, pitch_gate
from intertone.evaluate.studies.network import exchange_codes, random_codec
from intertone.evaluate.studies.path import follow_path
from intertone.evaluate.studies.phase import Phase, PhaseStudy
from intertone.evaluate.studies.recognition import (
    Recognition,
    RecognitionStudy,
    recognise_morphs,
    recognise_reconstructions,
)
from intertone.evaluate.studies.reconstruction import Reconstruction, ReconstructionStudy
from intertone.latent import latent_plane
from intertone.metrics import log_mel_error
from intertone.models import Conditions, ConvConfig, DenseBottleneckConfig, Model, Scale
from intertone.models.contract import NO_CONDITIONS
from intertone.morphing import morph
from intertone.page import Section, Table, render_page
from intertone.phase import PhaseConfig
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import Analysis, DecibelConfig, SpectrogramContext, SpectrogramRepresentation
from intertone.stft import db_to_magnitude, magnitude_to_db

SMOKE = BUDGETS["smoke"]


@pytest.fixture(scope="module")
def pairable(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Four instruments of two families, two of them held out; two of the training ones share a group."""
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
            family = f"family {instrument % 2}"
            rows.append(NoteRow(f"{instrument}/{pitch}", pitch, 100, str(instrument), family, "test", group, split))
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return Notes.open(folder)


class PerfectModel(Model):
    """Stands for a network that loses nothing: the code is the spectrogram."""

    n_features = 512
    latent_dim = 512

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def encode(self, features: torch.Tensor, conditions: Conditions = NO_CONDITIONS) -> torch.Tensor:
        return features

    def _decode(self, latents: torch.Tensor, conditions: Conditions, generator: torch.Generator | None) -> torch.Tensor:
        return latents


@pytest.fixture
def perfect_codec(small_codec: Codec) -> Codec:
    return Codec(small_codec.config, PerfectModel())


@pytest.fixture(scope="module", autouse=True)
def unlimited() -> Iterator[None]:
    """An untrained codec decodes clicks, whose peaks the guard on the level would lower."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("intertone.morphing.render.limit_level", lambda sound, *_: sound)
        yield


@pytest.fixture(scope="module")
def result(pairable: Notes) -> Evaluation:
    """A whole evaluation."""
    return evaluate_codec(untrained_codec(), pairable, config=SMOKE)


@pytest.fixture(scope="module")
def classifier(pairable: Notes) -> Classifier:
    """One that has learnt the training notes by heart."""
    return train_classifier(pairable, pairable.select(split="train"), n_steps=150, seed=0, step=no_steps)


def no_steps(_: int) -> None:
    pass


def error_table(codec: Codec, notes: Notes, rows: Any, linear: LinearCode, *, n_estimated: int) -> tuple[Line, ...]:
    collected, draw = Collected(), draw_all(codec, notes, SMOKE)
    for batch in resynthesise_notes(codec, notes, rows, linear=linear, n_estimated=n_estimated, seed=0):
        collected.add(ReconstructionStudy().measure_batch(codec, notes, draw, batch))
    return collected.table()


def phase_of(codec: Codec, notes: Notes, rows: Any, *, seed: int) -> Phase:
    config = SMOKE.model_copy(update={"n_estimated": 4, "seed": seed})
    return PhaseStudy().measure(codec, notes, replace(draw_all(codec, notes, config), rows=rows))


def figures_of(codec: Codec, notes: Notes, pairs: Any) -> list[PairFigures]:
    return measure_pairs(notes, pairs, half_way_morphs(codec, notes, pairs, seed=0, step=no_steps))


def as_reconstructions(notes: Notes, rows: Any, sounds: dict[tuple[str, str], torch.Tensor]) -> Resynthesis:
    rows = np.asarray(rows)
    return Resynthesis(0, rows, notes.audio(rows), SAMPLE_RATE, torch.zeros(len(rows), 1, 1), sounds)


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


def test_the_other_note_of_a_pair_is_any_of_the_split(pairable: Notes) -> None:
    pairs = np.repeat(draw_pairs(pairable, 1, split="test", seed=0), 200, 0)
    others = draw_others(pairable, pairs, split="test", seed=0)
    # all ten notes but the pair's own, of whatever pitch
    assert set(others.tolist()) == set(pairable.select(split="test").tolist()) - set(pairs[0].tolist())
    assert (others == draw_others(pairable, pairs, split="test", seed=0)).all()
    assert (others != draw_others(pairable, pairs, split="test", seed=1)).any()


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
    assert torch.allclose(rank_one(image, [Scale("decibels", 5, 80)]), image, atol=1e-5)
    # linear magnitudes and their logarithms have the peak of the features; other numbers are no magnitudes
    magnitude = 7 * (spectrum + envelope).exp()[None]
    assert torch.allclose(rank_one(magnitude, [Scale("linear", 5)]), magnitude, rtol=1e-4)
    assert torch.allclose(rank_one(magnitude.log1p(), [Scale("log1p", 5)]), magnitude.log1p(), rtol=1e-4)
    halves = torch.cat([magnitude[:, :2], magnitude[:, 2:].log1p()], 1)
    assert torch.allclose(rank_one(halves, [Scale("linear", 2), Scale("log1p", 3)]), halves, rtol=1e-4)
    with pytest.raises(ValueError, match="features must be magnitudes, got linear, cycles"):
        rank_one(magnitude, [Scale("linear", 2), Scale("cycles", 3)])
    # two cells on the diagonal: mean spectrum (1/2, 1/2) times envelope (1/2, 1/2): all cells equal
    assert torch.allclose(rank_one(torch.eye(2)[None], [Scale("decibels", 2, 80)]), torch.ones(1, 2, 2))


def test_methods_that_lose_nothing_are_perfect_and_the_mean_image_is_not(pairable: Notes, perfect_codec: Codec) -> None:
    rows = pairable.select(split="test")[:4]
    features = perfect_codec.representation.analyse(pairable.audio(rows).unsqueeze(1))[0]
    linear = fit_linear_code(lambda part: features[part], 4, 3)
    table = error_table(perfect_codec, pairable, rows, linear, n_estimated=4)
    mel = {line.way: line["log_mel_16k"].mean for line in table}
    assert len(mel) == 9
    assert mel["codec", "kept"] < 0.1  # dB; the floor of the features, 80 dB down, is all that is lost
    assert mel["PCA", "kept"] < 0.2  # fitted to these very notes
    assert mel["codec", "estimated"] == mel["true magnitude", "estimated"] < 1
    assert mel["codec", "kept"] < mel["rank one", "kept"] < mel["mean image", "kept"]
    assert all(line["log_mel_16k"].n == line["loud_cells"].n == 4 for line in table)


def test_baselines_get_an_estimated_phase_for_the_first_batches_only(pairable: Notes, perfect_codec: Codec) -> None:
    rows = np.resize(pairable.select(split="test"), 20)
    mean = torch.zeros(perfect_codec.representation.n_features * 33)
    linear = LinearCode(mean, mean[None], torch.zeros(1, 1), 1)
    table = error_table(perfect_codec, pairable, rows, linear, n_estimated=2)
    counts = {line.way: line["log_mel_16k"].n for line in table}
    assert counts["PCA", "kept"] == counts["codec", "estimated"] == 20
    assert counts["PCA", "estimated"] == 16


def test_our_phase_beats_librosas_on_harmonic_notes(pairable: Notes, perfect_codec: Codec) -> None:
    result = phase_of(perfect_codec, pairable, pairable.select(split="test")[:4], seed=0)
    assert result.librosa and result.difference
    assert result.pghi_fast.mean < result.librosa.mean - 3
    assert result.difference.mean == pytest.approx(result.pghi_fast.mean - result.librosa.mean, abs=1e-4)
    assert result.share_better == 1
    assert result.iterations == PhaseConfig().n_iter


def test_without_a_network_the_morph_keeps_the_pitch(pairable: Notes, perfect_codec: Codec) -> None:
    pairs = draw_pairs(pairable, 4, split="test", seed=0)
    figures = figures_of(perfect_codec, pairable, pairs)
    for figure in figures:
        assert figure.measured
        assert abs(figure.cents["log magnitude"]) < 10
        # a code that is the spectrogram gives the same morph as no network
        assert figure.cents["codec"] == pytest.approx(figure.cents["log magnitude"], abs=1e-3)
        assert figure.between_loudness == {"codec": True, "log magnitude": True}
        assert figure.between_level == {"codec": True, "log magnitude": True}
    a, b = (pairable.audio(rows).unsqueeze(1) for rows in pairs.T)
    assert torch.equal(interpolate_features(perfect_codec, a, b, mix=0.5), morph(perfect_codec, a, b))
    f0 = note_pitch(interpolate_features(perfect_codec, a, b, mix=0.0)[0, 0], SAMPLE_RATE)
    assert abs(float(hz_to_cents(f0, pitch_to_hz(int(pairable.pitch[pairs[0, 0]]))))) < 10


def test_between_in_loudness_and_between_in_level_are_two_questions(
    pairable: Notes, perfect_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = draw_pairs(pairable, 1, split="test", seed=0)
    level = float(pairable.audio(pairs[0]).square().mean(-1).sqrt().max())
    high = 2**0.5 * level * torch.sin(2 * torch.pi * 4000 * torch.arange(pairable.samples) / SAMPLE_RATE)
    # K-weighting lifts 4 kHz by 3.9 dB: at the level of the louder end it is louder than both
    for other, level_too in ((high, True), (1.1 * high, False), (0 * high, False)):
        monkeypatch.setattr("intertone.evaluate.half_way.morph", lambda *_, other=other, **__: other[None, None])
        (figure,) = figures_of(perfect_codec, pairable, pairs)
        assert figure.between_level == {"codec": level_too, "log magnitude": True}
        assert figure.between_loudness == {"codec": False, "log magnitude": True}
    assert figure.loudness["codec"] == -math.inf
    assert morph_lines([figure])[0].loudness is None


def pair_figures(pitch: int, cents: float, *, measured: bool = True) -> PairFigures:
    methods = {"codec": cents, "log magnitude": 0.0}
    no, yes = {"codec": False, "log magnitude": True}, dict.fromkeys(methods, True)
    return PairFigures(pitch, measured, methods, no, yes, dict.fromkeys(methods, 1.0))


def test_a_morph_without_pitch_counts_as_out_of_tune() -> None:
    table = morph_lines(
        [
            *(pair_figures(48, 10), pair_figures(59, -30)),
            *(pair_figures(60, math.nan), pair_figures(71, 900), pair_figures(64, 5, measured=False)),
        ]
    )
    cells = {(line.pitches, line.method): line for line in table}
    assert [pitches for pitches, _ in cells][::2] == ["all", "C3–B3", "C4–B4"]
    assert cells["all", "codec"].n == 5
    assert cells["all", "codec"].n_measured == 4
    assert cells["all", "codec"].in_tune == 0.5
    assert cells["C3–B3", "codec"].median_cents == 20
    assert cells["C4–B4", "codec"].median_cents is None  # 900 and none at all: the middle is not a number
    assert cells["C4–B4", "log magnitude"].in_tune == 1
    assert cells["all", "codec"].between_loudness == 0
    assert cells["all", "codec"].between_level == cells["all", "log magnitude"].between_loudness == 1
    assert (loudness := cells["all", "log magnitude"].loudness) and loudness.mean == 1


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ([(71, 900), (72, 14), (84, -16)], "reached, 15.0 is 5.0 below (2 pairs)."),
        ([(71, 0), (72, 20)], "reached, 20.0 is 0.0 below (1 pair)."),
        ([(71, 0), (72, 20), (72, 25), (95, 40)], "not reached, 25.0 is 5.0 above (3 pairs)."),
        ([(72, 0), (72, math.nan)], "not reached, because no f0 is found in at least half of the morphs (2 pairs)."),
        ([(71, 0)], "not evaluated, because no such pair has two source notes that are in tune."),
    ],
)
def test_the_gate_of_the_pitch_from_c5_up(figures: list[tuple[int, float]], verdict: str) -> None:
    table = morph_lines([pair_figures(pitch, cents) for pitch, cents in figures])
    high = [line.n for line in table if line.pitches == "from C5 up"]
    assert high == ([n] * 2 if (n := sum(pitch >= 72 for pitch, _ in figures)) else [])
    gate = pitch_gate(table)
    shown = MorphStudy().show(Morphs(table, gate, True))
    assert (
        shown.sentences[0]
        == shown.tables[0].verdict
        == f"Gate: median |cents| of the codec <= 20 from C5 up: {verdict}"
    )
    assert gate.reached is (None if "not evaluated" in verdict else "not" not in verdict)


def test_the_network_is_judged_by_the_log_mel_error(pairable: Notes, small_codec: Codec) -> None:
    pairs = draw_pairs(pairable, 2, split="test", seed=0)
    others = draw_others(pairable, pairs, split="test", seed=0)
    result = exchange_codes(small_codec, pairable, pairs, others, seed=0, step=no_steps)
    wanted = []
    for (row_a, row_b), row_c in zip(pairs, others, strict=True):
        a, b, c = pairable.audio([row_a, row_b, row_c])
        (code_a, context_a), (_, context_b), (code_c, _) = (small_codec.encode(sound) for sound in (a, b, c))
        context = small_codec.representation.mix([context_a, context_b], torch.tensor([0.5, 0.5]))
        exchanged = small_codec.decode((code_a + code_c) / 2, context, phase=ESTIMATED, generator=seeded(0))
        wanted.append(float(log_mel_error(exchanged, morph(small_codec, a, b))))
    assert result.exchanged_code.error.mean == pytest.approx(np.mean(wanted), abs=1e-4)
    assert result.exchanged_code.above_6_db == np.mean(np.array(wanted) > 6)
    assert result.random_weights.error.n == 2
    # B's own code in its place: nothing changes
    same = exchange_codes(small_codec, pairable, pairs, pairs[:, 1], seed=0, step=no_steps)
    assert same.exchanged_code.error.mean == same.exchanged_code.above_6_db == 0


def test_an_evaluation_is_complete_repeatable_and_json(pairable: Notes, small_codec: Codec, result: Evaluation) -> None:
    seen: list[tuple[str, int, int]] = []
    again = evaluate_codec(small_codec, pairable, config=SMOKE, progress=lambda *step: seen.append(step))
    figures: dict[str, Any] = dict(result.figures)
    assert {**figures, "speed": None} == {**again.figures, "speed": None}
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    stages = {
        "training the classifier",
        "fitting the PCA",
        "reconstruction",
        "phase",
        "morphs",
        "from A to B",
        "network",
        "speed",
    }
    assert {name for name, _, _ in seen} == stages
    assert all(done <= total for _, done, total in seen)
    assert result.codec.code_size == small_codec.encode(torch.zeros(SAMPLE_RATE // 2))[0][0].numel()
    assert result.notes.n_instruments == 2
    assert figures["network"]["mean_code_difference"] == 0
    assert figures["network"]["exchanged_code"]["error"]["mean"] > 0
    assert figures["morphs"]["gate"]["limit_cents"] == 20
    assert "from C5 up" in {line["pitches"] for line in figures["morphs"]["lines"]}
    pca = {name: figures["reconstruction"][name] for name in ("n_components", "n_wanted", "n_training_notes")}
    assert pca == {"n_components": 8, "n_wanted": 8, "n_training_notes": 12}
    assert figures["speed"]["one_pair"] > 0
    assert figures["recognition"]["n_training_notes"] == 12
    assert figures["recognition"]["n_classes"] == {"pitch": 6, "family": 2, "velocity": 1}
    assert figures["code"]["statistics"]["n_dimensions"] == small_codec.model.latent_dim
    assert len(figures["code"]["plane"]) == 4
    assert [table.title.split(":")[0] for table in result.tables] == [
        "Reconstruction",
        "Reconstruction with the note's own phase",
        "Reconstruction with an estimated phase",
        "Phase",
        "What a classifier recognises",
        "What the classifier recognises of half-way morphs",
        "Half-way morphs of two notes of equal pitch and velocity",
        *(["From A to B"] if figures["path"]["n_pairs"] else []),
        "The code",
        "Morphs depend on the network",
        "Speed",
        "Left out",
    ]
    assert figures["transposition"] is None and figures["f0_tracker"] is None
    for table in result.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.mark.slow
def test_too_few_training_notes_are_said_and_no_pairs_too(
    notes: Notes, small_codec: Codec, caplog: pytest.LogCaptureFixture
) -> None:
    config = SMOKE.model_copy(update={"n_components": 500, "n_notes": 2, "n_network_pairs": 2})
    result = evaluate_codec(small_codec, notes, config=config)  # one test instrument
    figures: dict[str, Any] = dict(result.figures)
    pca = {name: figures["reconstruction"][name] for name in ("n_components", "n_wanted", "n_training_notes")}
    assert pca == {"n_components": 23, "n_wanted": 500, "n_training_notes": 24}
    assert "(500 are set, but there are too few training notes)" in result.tables[0].note
    assert figures["morphs"]["lines"] == []
    assert "the PCA has 23 components of 500" in caplog.text
    assert any(
        line.startswith("Half-way morphs: there are fewer than two pairs of equal pitch") for line in result.left_out
    )
    assert len(result.tables) == 8 + 1
    assert figures["path"] == {"mixes": [0, 0.25, 0.5, 0.75, 1], "n_pairs": 0, "methods": {}}
    assert not any("half-way morphs" in line and "between" in line for line in result.sentences)


def test_fewer_notes_than_wanted_are_said(notes: Notes, small_codec: Codec, caplog: pytest.LogCaptureFixture) -> None:
    rows = notes.select(split="test")
    with caplog.at_level(logging.INFO, logger="intertone"):
        check_notes(small_codec, notes, rows, EvaluateConfig(n_notes=8))
        assert caplog.messages == []
        check_notes(small_codec, notes, rows, EvaluateConfig(n_notes=9))
    sentence = "the test split has 8 usable notes; all of them are evaluated, instead of the 9 of the settings"
    assert caplog.messages == [sentence]


def test_an_evaluation_refuses_what_it_cannot_judge(notes: Notes, small_codec: Codec) -> None:
    representation = small_codec.config.representation
    other = representation.model_copy(
        update={"spectrogram": representation.spectrogram.model_copy(update={"sample_rate": 8000})}
    )
    with pytest.raises(InputError, match="the codec's sample_rate=8000, got 16000"):
        evaluate_codec(Codec(small_codec.config.model_copy(update={"representation": other})), notes, config=SMOKE)
    with pytest.raises(InputError, match="n_notes"):
        EvaluateConfig.parse({"n_notes": 0})
    assert EvaluateConfig.parse({"seed": 2**32 - 1}).seed == 4294967295
    with pytest.raises(InputError, match=r"seed.* at most 4294967295"):
        EvaluateConfig.parse({"seed": 2**32})


def dense_codec(small_codec: Codec, n_frames: int) -> Codec:
    model = small_codec.config.model.model_copy(update={"bottleneck": DenseBottleneckConfig(size=4, n_frames=n_frames)})
    assert isinstance(model, ConvConfig)
    return Codec(small_codec.config.model_copy(update={"model": model}))


def test_a_codec_of_one_length_is_judged_on_notes_of_that_length_only(pairable: Notes, small_codec: Codec) -> None:
    few = SMOKE.model_copy(update={"n_notes": 2, "n_estimated": 1, "n_pairs": 2, "n_path_pairs": 1})
    result = evaluate_codec(dense_codec(small_codec, 33), pairable, config=few)  # 8000 samples: 32 hops and one
    assert result.codec.code_size == 4
    with pytest.raises(InputError, match=r"a sound must last .* s for this codec, got 0\.5"):
        evaluate_codec(dense_codec(small_codec, 251), pairable, config=SMOKE)


def test_the_seed_of_every_generator_may_be_the_largest(pairable: Notes, perfect_codec: Codec) -> None:
    rows = pairable.select(split="test")[:1]
    assert phase_of(perfect_codec, pairable, rows, seed=2**32 - 1).pghi_fast.n == 1
    assert len(draw_notes(pairable, 3, split="test", seed=2**32 - 1)) == 3


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
    assert len(list(out.glob("note-*.png"))) == 1
    assert len(list(out.glob("note-*-codec-kept-phase.wav"))) == 1
    assert len(list(out.glob("morph-*-log-magnitude.wav"))) == 1
    assert "**Gate: median |cents| of the codec <= 20 from C5 up: " in page
    assert sorted(result["written"]) == sorted(str(path) for path in out.iterdir())
    assert result["written"][0] == str(out / "evaluation.html")
    html = check_self_contained((out / "evaluation.html").read_text())
    n_sounds = 1 * 3 + 1 * 4
    assert len(html.all("audio")) == n_sounds
    assert len(html.all("img")) == n_sounds + (6 if result["path"]["n_pairs"] else 5)
    assert {len(sound(player["src"])[0]) for player in html.all("audio")} == {pairable.samples}
    assert "With the note's own phase, a reconstruction is " in html.text.replace("\u00a0", " ")
    assert result["command"] in html.text


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("taken", "must be a folder"),
        ("taken/x", "must be a folder"),
        ("taken/x/y", "must be a folder"),
        ("n" * 300, "must be writable"),
        ("n" * 300 + "/x", "must be writable"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_work(
    out: str, reason: str, pairable: Notes, codec_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("mine")
    arguments = ["evaluate", str(codec_folder), "--data", str(pairable.folder), "--out", str(tmp_path / out)]
    run = CliRunner().invoke(app, arguments)
    assert isinstance(run.exception, InputError)
    assert reason in str(run.exception)
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_seed_beyond_what_every_generator_takes_is_refused(pairable: Notes, codec_folder: Path) -> None:
    run = CliRunner().invoke(app, ["evaluate", str(codec_folder), "--data", str(pairable.folder), "--seed", str(2**32)])
    assert run.exit_code == 2
    assert "4294967295" in run.output


@pytest.mark.slow
def test_names_of_notes_however_long_become_names_of_files(
    result: Evaluation, small_codec: Codec, pairable: Notes, tmp_path: Path
) -> None:
    named = Notes.open(pairable.folder)
    named.name = np.array([f'<&"{"ü/" * 200}{row}' for row in range(len(named))])
    named.instrument = np.array([f"{name}/" for name in named.instrument])
    draw = draw_all(small_codec, named, SMOKE)
    parts = tuple(
        study(small_codec, named, draw) for study in (conducted(ReconstructionStudy()), conducted(MorphStudy()))
    )
    written = write_evaluation(tmp_path / "out", replace(result, parts=parts), command="intertone evaluate")
    assert len(list((tmp_path / "out").glob("note-*-ü-ü*.png"))) == 1
    assert len(list((tmp_path / "out").glob("morph-*-codec.wav"))) == 1
    text = written[0].read_text()
    assert check_self_contained(text).text.count('<&"ü/ü/') == 1 + 2  # a note; both ends of a morph
    assert text.count("&lt;&amp;&quot;ü/ü/") == 3


# the classifier


def test_an_image_moves_by_36_bands_an_octave_and_its_level_by_its_decibels() -> None:
    time = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    tones = torch.stack([torch.sin(2 * torch.pi * f0 * time) for f0 in (220.0, 440.0, 3520.0)])
    images = note_images(torch.cat([tones, 0.1 * tones[:1]]), SAMPLE_RATE)
    loudest = images[:, :-1].unflatten(1, (-1, N_SEGMENTS)).mean(-1).argmax(1)
    # A0 is the lowest band, 27.5 Hz: 220 Hz is three octaves above it
    assert loudest.tolist() == [3 * BANDS_PER_OCTAVE, 4 * BANDS_PER_OCTAVE, 7 * BANDS_PER_OCTAVE, 3 * BANDS_PER_OCTAVE]
    assert torch.allclose(images[3, :-1], images[0, :-1], atol=1e-5)
    assert float(images[0, -1] - images[3, -1]) == pytest.approx(10 * 20 / 100, abs=1e-4)  # 20 dB of 100, ten times


def test_the_classifier_learns_its_notes_and_is_a_function_of_the_seed(pairable: Notes, classifier: Classifier) -> None:
    rows = pairable.select(split="train")
    labels = classifier.labels(pairable, rows)
    found = classifier.probabilities(pairable.audio(rows), SAMPLE_RATE)
    assert classifier.families == ("family 0", "family 1") and classifier.velocities == (100,)
    for head in HEADS:
        assert (found[head].argmax(1) == labels[head]).double().mean() > 0.9
        assert torch.allclose(found[head].sum(1), torch.ones(12), atol=1e-5)
    before = torch.random.get_rng_state()
    again = train_classifier(pairable, pairable.select(split="train"), n_steps=150, seed=0, step=no_steps)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(again.probabilities(pairable.audio(rows), SAMPLE_RATE)["pitch"], found["pitch"])
    other = train_classifier(pairable, pairable.select(split="train"), n_steps=1, seed=1, step=no_steps)
    assert not torch.equal(other.probabilities(pairable.audio(rows), SAMPLE_RATE)["pitch"], found["pitch"])


def test_what_is_recognised_is_counted_by_label_and_nothing_is_said_of_unknown_ones(
    pairable: Notes, classifier: Classifier
) -> None:
    rows = pairable.select(split="train")
    silence = torch.zeros(12, pairable.samples)
    batch = as_reconstructions(pairable, rows, {("codec", "kept"): pairable.audio(rows), ("PCA", "kept"): silence})
    figures = recognise_reconstructions(classifier, pairable, batch)
    assert figures["original", "own"]["in_tune"].mean() == 1
    assert torch.equal(figures["codec", "kept"]["pitch"], figures["original", "own"]["pitch"])
    assert figures["PCA", "kept"]["in_tune"].mean() == 0
    assert figures["PCA", "kept"]["pitch"].mean() <= 1 / 6  # silence is one pitch at most
    unknown = Notes.open(pairable.folder)
    unknown.pitch = np.full(len(unknown), -1, np.int16)
    unknown.family = np.array(["unheard"] * len(unknown))
    collected = Collected()
    collected.add(recognise_reconstructions(classifier, unknown, batch))
    line = collected.table()[0]
    assert (line.method, line.get("pitch"), line.get("family"), line.get("in_tune")) == ("original", None, None, None)
    assert line["velocity"].n == 12
    unknown.velocity = np.full(len(unknown), -1, np.int16)
    heedless = train_classifier(unknown, unknown.select(split="train"), n_steps=1, seed=0, step=no_steps)
    assert heedless.sizes == (128, 1, 0)
    assert recognise_reconstructions(heedless, unknown, batch)["codec", "kept"]["velocity"].isnan().all()


def test_a_morph_that_is_one_end_is_heard_as_that_end(pairable: Notes, classifier: Classifier) -> None:
    train = pairable.select(split="train")
    pairs = np.stack([train[:6], train[6:]], 1)  # one pitch, two families
    sounds = {"codec": pairable.audio(pairs[:, 1]), "log magnitude": torch.zeros(6, pairable.samples)}
    figures = recognise_morphs(classifier, pairable, pairs, sounds)
    assert figures["codec", "estimated"]["perceived"].mean() == 1
    assert torch.equal(figures["codec", "estimated"]["pitch"], figures["end B", "own"]["pitch"])
    assert figures["codec", "estimated"]["in_tune"].mean() == 1
    assert figures["log magnitude", "estimated"]["in_tune"].mean() == 0


def test_from_a_to_b_the_one_family_goes_and_the_other_comes(
    pairable: Notes, perfect_codec: Codec, classifier: Classifier
) -> None:
    train = pairable.select(split="train")
    pairs = np.stack([train[:6], train[6:]], 1)
    result = follow_path(perfect_codec, pairable, pairs, classifier, n_pairs=4, seed=0, step=no_steps)
    assert result.n_pairs == 4
    codec = result.methods["codec"]
    assert codec.a[0] - codec.a[-1] > 0.2 and codec.b[-1] - codec.b[0] > 0.2
    # two families only: what the one loses the other gains
    assert np.add(codec.a, codec.b) == pytest.approx(np.ones(5), abs=1e-5)
    assert codec.monotone == 1
    # a code that is the spectrogram gives the same morph as no network
    assert codec.a == pytest.approx(result.methods["log magnitude"].a, abs=1e-4)
    same = follow_path(perfect_codec, pairable, pairs[:, [0, 0]], classifier, n_pairs=4, seed=0, step=no_steps)
    assert same.n_pairs == 0 and same.methods == {}


# the code, and other measures


def test_the_statistics_of_a_code_are_those_of_numpy_and_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(40, 6, 5, generator=generator) * torch.tensor([4.0, 2, 1, 1, 1, 0.05])[:, None]
    latents[:, 1] += latents[:, 0]
    found = latent_statistics(latents)
    vectors = latents.transpose(1, 2).reshape(-1, 6).numpy()
    oracle = np.abs(np.corrcoef(vectors.T))
    assert found.mean_correlation == pytest.approx((oracle.sum() - 6) / 30, abs=1e-5)
    shares = np.cumsum(PCA(6).fit(vectors).explained_variance_ratio_)
    assert found.variance_share == tuple((n, pytest.approx(shares[n - 1], abs=1e-5)) for n in (1, 2, 4, 6))
    assert found.n_for_95 == int(np.argmax(shares >= 0.95)) + 1
    assert found.active == 5  # 0.05² is far below a hundredth of 20
    assert found.std == pytest.approx(float(latents.std()), rel=1e-2)
    assert found.over_time == pytest.approx(0.8, abs=0.05)  # independent vectors, five a note: 1 − 1/5
    plane = latent_plane(latents).numpy()
    wanted = PCA(2).fit_transform(latents.mean(-1).numpy())
    assert np.abs(plane) == pytest.approx(np.abs(wanted), abs=1e-3)


def test_a_code_of_even_and_independent_dimensions_counts_them_all() -> None:
    latents = torch.randn(20000, 8, 1, generator=torch.Generator().manual_seed(0))
    found = latent_statistics(latents)
    assert found.participation == pytest.approx(8, rel=0.01)
    assert found.mean_correlation == pytest.approx(math.sqrt(2 / (math.pi * 20000)), rel=0.3)  # mean |r| by chance
    assert found.over_time is None
    still = latent_statistics(torch.randn(30, 3, 1, generator=torch.Generator().manual_seed(0)).expand(30, 3, 4))
    assert still.over_time == 0
    dead = latent_statistics(torch.zeros(5, 3, 2))
    assert (dead.mean_correlation, dead.active, dead.participation) == (None, 0, 0)
    with pytest.raises(ValueError, match="at least two vectors, got 1"):
        latent_statistics(torch.zeros(1, 3, 1))


def test_the_other_measures_are_perfect_for_the_note_itself_and_say_nothing_of_what_they_cannot(
    pairable: Notes, small_codec: Codec
) -> None:
    rows = pairable.select(split="test")[:2]
    audio = pairable.audio(rows)
    batch = as_reconstructions(pairable, rows, {("codec", "kept"): 0.5 * audio, ("codec", "estimated"): -audio})
    draw, study = draw_all(small_codec, pairable, SMOKE), MeasuresStudy()
    figures = study.measure_batch(small_codec, pairable, draw, batch)
    kept, estimated = figures["codec", "kept"], figures["codec", "estimated"]
    assert set(kept) == set(MEASURES) and set(MEASURES) - set(estimated) == {"sdr"}
    assert kept["db_rmse"].max() < 1e-3 and kept["peak_f1"].min() == kept["similarity"].min() == 1
    assert kept["sdr"].min() > 100
    assert kept["loudness"] == pytest.approx([-6.02, -6.02], abs=0.01)
    assert kept["own_convergence"] == pytest.approx([-6.02, -6.02], abs=0.01)  # half of it is missing
    assert estimated["second_convergence"].max() < -100
    short = Resynthesis(0, rows, audio[:, :2000], SAMPLE_RATE, batch.latents, {("codec", "kept"): audio[:, :2000]})
    missing = set(MEASURES) - set(study.measure_batch(small_codec, pairable, draw, short)["codec", "kept"])
    assert (
        study.measure_batch(small_codec, pairable, draw, replace(batch, start=16)) == {}
    )  # two are looked at, in whole batches
    assert missing == {"similarity", "multi_resolution"}


# what is said, and how it is shown


def with_errors(codec: float, pca: float) -> Reconstruction:
    wanted = {("codec", "kept"): codec, ("PCA", "kept"): pca}
    ways = [*wanted, ("codec", "estimated"), ("true magnitude", "estimated"), ("mean image", "kept")]
    nothing = summary([0.0])
    lines = [Line(*way, {"log_mel_16k": summary([wanted.get(way, 9.0)]), "loud_cells": nothing}) for way in ways]
    return Reconstruction(tuple(lines), False, 8, 8, 8, 12)


@pytest.mark.parametrize(
    ("codec", "pca", "outcome"),
    [
        (2.0, 2.5, "the codec is 0.50 dB better"),
        (2.5, 2.0, "the codec is 0.50 dB worse"),
        (2.0, 2.04, "neither is better"),
    ],
)
def test_the_findings_follow_the_numbers(codec: float, pca: float, outcome: str) -> None:
    first, second = ReconstructionStudy().show(with_errors(codec, pca)).sentences
    assert f"is {codec:.2f} dB of log-mel error off" in first
    assert f"{pca:.2f} dB: {outcome}." in first
    assert "The phase causes most of it" in second  # 9 dB by itself


def test_a_classifier_that_guesses_is_said_to_guess() -> None:
    figures = {"pitch": None, "velocity": None, "family": summary([0.6])}
    lines = tuple(Line(*way, figures) for way in (("original", "own"), ("codec", "kept"), ("codec", "estimated")))
    classes = {"pitch": 6, "family": 2, "velocity": 1}
    (sentence,) = RecognitionStudy().show(Recognition(lines, (), classes, 12, False)).sentences
    assert sentence.startswith("The classifier names the right family of 60 % of the notes")
    assert sentence.endswith("Guessing gives 50 %, so this figure is not reliable.")


def shown(table: Table, width: int) -> list[str]:
    from rich.console import Console

    stream = io.StringIO()
    show_table(Console(file=stream, width=width), table)
    return stream.getvalue().splitlines()


def test_a_table_that_cannot_fit_breaks_words_rather_than_losing_them() -> None:
    lines = shown(Table("T", "n", ("first", "second"), [("a" * 30, "b" * 30)]), 40)
    assert "".join(lines).count("a") >= 30 and "".join(lines).count("b") >= 30


# the contract of studies

STUDIES = (
    *("reconstruction", "measures", "phase", "recognition", "morphs", "path"),
    *("transposition", "f0_tracker", "code", "network", "speed"),
)


def check_studies(result: Evaluation) -> None:
    """Whatever a study found is JSON, and renders on the page, in Markdown and in the terminal."""
    assert tuple(part.name for part in result.parts) == STUDIES
    markdown = to_markdown(result, command="x")
    for part in result.parts:
        assert json.loads(json.dumps(part.figures, allow_nan=False)) == part.figures
        tables = part.shown.tables
        if part.figures is None:
            assert len(part.shown.left_out) == 1 and not (tables or part.shown.sentences or part.shown.pictures)
            continue
        assert isinstance(part.figures, dict) and "examples" not in part.figures
        assert tables or part.shown.left_out
        html = render_page("One study", [Section(part.shown.title, [*tables, *part.shown.pictures])])
        assert len(check_self_contained(html).all("table")) == len(tables)
        for table in tables:
            assert {len(row) for row in table.rows} == {len(table.columns)}
            assert f"## {table.title}\n" in markdown and "| " + " | ".join(table.rows[0]) + " |" in markdown
            lines = shown(table, 80)
            words = {word for line in lines for word in line.split()}
            assert max(map(len, lines)) <= 80
            assert {word for cells in (table.columns, *table.rows) for cell in cells for word in cell.split()} <= words
    page = evaluation_page(result, command="x")
    assert all(line in check_self_contained(page).text.replace("\u00a0", " ") for line in result.sentences)


class LinearRepresentation(SpectrogramRepresentation):
    """Spectrograms as magnitudes from 0 to 1."""

    def __init__(self, config: DecibelConfig) -> None:
        super().__init__(config)
        self.scales = (Scale("linear", self.n_features),)

    def analyse(self, audio: torch.Tensor) -> Analysis[SpectrogramContext]:
        features, context = super().analyse(audio)
        return Analysis(torch.where(features > 0, db_to_magnitude(80 * (features - 1), 1.0), 0), context)

    def synthesise(self, analysis: Analysis[SpectrogramContext], **options: Any) -> torch.Tensor:
        decibels = 1 + magnitude_to_db(analysis.features, 1.0, top_db=80) / 80
        return super().synthesise(Analysis(decibels, analysis.context), **options)


def test_what_every_study_finds_is_shown_everywhere(result: Evaluation) -> None:
    check_studies(result)


def test_features_that_are_no_decibels_are_taken_for_what_they_are(pairable: Notes, result: Evaluation) -> None:
    codec = untrained_codec()
    config = codec.config.representation
    assert isinstance(config, DecibelConfig) and config.top_db == 80
    codec.representation = LinearRepresentation(config)
    linear = evaluate_codec(codec, pairable, config=SMOKE)
    check_studies(linear)
    (table,) = linear["morphs"].shown.tables
    assert "Magnitude: the features of both notes are interpolated" in table.note and {
        row[1] for row in table.rows
    } == {
        "codec",
        "magnitude",
    }
    # nothing is told of features but of sounds: the image of rank one is that of decibels
    first, second = (rank_one_error(one) for one in (linear, result))
    assert first == pytest.approx(second, abs=1e-3) and 0 < first < 5


def rank_one_error(result: Evaluation) -> float:
    figures: dict[str, Any] = dict(result.figures)
    (line,) = (
        line for line in figures["reconstruction"]["lines"] if (line["method"], line["phase"]) == ("rank one", "kept")
    )
    return float(line["figures"]["log_mel_16k"]["mean"])


def reconstructed_features(codec: Codec, features: torch.Tensor, conditions: Conditions) -> torch.Tensor:
    latents = codec.encode_features(features, conditions)
    return codec.decode_features(latents, conditions, n_frames=features.shape[-1])


def test_an_untrained_codec_is_not_silent_whatever_its_model_is(harmonic_codec: Codec, pairable: Notes) -> None:
    sounds = pairable.audio([0, 12, 18]).unsqueeze(1)
    for codec in (untrained_codec(), harmonic_codec):
        random = random_codec(codec, sounds, seed=3)
        features, context = random.analyse(sounds)
        decoded = reconstructed_features(random, features, context.conditions)
        assert float(decoded.std()) == pytest.approx(0.2 * float(features.max()), rel=1e-4)
        assert float(decoded.mean()) == pytest.approx(0.5 * float(features.max()), rel=1e-4)
        again = random_codec(codec, sounds, seed=3)
        assert torch.equal(reconstructed_features(again, features, context.conditions), decoded)
        assert random.model.n_latents(40) == codec.model.n_latents(40)
        assert (random.model.latent_dim, random.model.n_frames) == (codec.model.latent_dim, None)
        assert random.encode(sounds)[0].shape == codec.encode(sounds)[0].shape
