"""Colonel's papers of 2018 and 2020: networks, corpora, findings, and the commands from notes to tables."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from commands import run

from intertone.data.notes import Notes
from intertone.data.patch import draw_patch
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.data.virtual_analogue import play_patch
from intertone.errors import InputError
from intertone.experiments.frame_study import FrameErrors, Network, experiments_of, fewer_notes
from intertone.models import build_model
from intertone.papers.colonel2018 import replay as canne
from intertone.papers.colonel2018 import study as canne_study
from intertone.papers.colonel2020 import replay as manne
from intertone.papers.colonel2020 import study as manne_study
from intertone.train import train_codec

pytestmark = pytest.mark.usefixtures("no_training_pictures")

SAMPLES = 24576

INSTRUMENTS = {"080-synth-lead": "synth-lead", "040-violin": "strings", "024-nylon-string-guitar": "guitar"}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Short notes of the instruments of all corpora, at the papers' rate; each instrument in one split."""
    folder = tmp_path_factory.mktemp("instruments")
    begin_notes(folder, sample_rate=44100, samples=SAMPLES, kind="soundfont", settings={})
    rows, pcm, scales = [], [], []
    splits = ("train", "valid", "test")
    for seed, (instrument, family) in enumerate(INSTRUMENTS.items()):
        for pitch in range(60, 72):
            settings = {"sample_rate": 44100, "hold_seconds": 0.4, "release_seconds": SAMPLES / 44100 - 0.4}
            (sound,) = play_patch(draw_patch(seed, category="organ"), [[pitch]], [100], **settings)
            values, scale = quantise(sound[:SAMPLES])
            pcm.append(values)
            scales.append(scale)
            name = f"{instrument}-{pitch:03d}-100"
            rows.append(NoteRow(name, pitch, 100, instrument, family, "test", instrument, splits[seed]))
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return Notes.open(folder)


def errors_of(values: dict[Network, float]) -> dict[str, FrameErrors]:
    return {
        network.name(seed): FrameErrors(value, value, value * (1 + 0.001 * seed), value)
        for network, value in values.items()
        for seed in range(3 if network.all_seeds else 1)
    }


def test_the_networks_of_canne_are_those_of_the_code() -> None:
    runs = experiments_of(canne_study.NETWORKS, canne_study.BUDGETS["gpu"])
    assert len(runs) == 3 * 7
    configs = {run.name: canne_study.train_config(run, canne_study.BUDGETS["gpu"]) for run in runs}
    config = configs["first-difference-seed-1"]
    assert (config.seed, config.epochs, config.frames_per_batch, config.learning_rate) == (1, 50, 100, 1e-3)
    model = build_model(config.model, n_features=config.representation.n_features)
    widths = [4097, 1000, 512, 256, 128, 64, 32, 16, 8, 16, 32, 64, 128, 256, 512, 1024, 2049]
    assert [tuple(value.shape) for value in model.parameters()] == [(b, a) for a, b in pairwise(widths)]
    alone = build_model(configs["the-frame-alone-seed-0"].model, n_features=2049)
    assert round(sum(value.numel() for value in alone.parameters()) / 1e6, 2) == 5.53
    assert {type(layer[1]).__name__ for layer in (*model.encoder, *model.decoder)} == {"ReLU"}
    narrow = canne_study.train_config(runs[0], canne_study.BUDGETS["cpu"])
    assert narrow.model.widths == (250, 128, 64, 32, 16, 16, 16, 8)


def test_the_networks_of_manne_are_those_of_the_code() -> None:
    budget = manne_study.BUDGETS["gpu"]
    runs = {run.name: run for run in experiments_of(manne_study.NETWORKS, budget, manne_study.PARTS)}
    assert len(runs) == 3 * (3 + 4 * 4) + 3
    config = manne_study.train_config(runs["five-octaves-8-chroma-seed-2"], budget)
    model = build_model(config.model, n_features=2049)
    widths = [2061, 1024, 512, 256, 128, 64, 32, 16, 8, 16, 32, 64, 128, 256, 512, 1024, 2049]
    shapes = [tuple(value.shape) for name, value in model.named_parameters() if name.endswith("weight")]
    assert shapes == [(b, a) for a, b in pairwise(widths)] and config.model.bias
    assert (config.frames_per_batch, config.learning_rate, config.weight_decay) == (200, 5e-4, 1e-7)
    skip = manne_study.train_config(runs["violin-2-sigmoid-skip-seed-0"], budget)
    first_of_decoder = build_model(skip.model, n_features=2049).decoder[0][0]
    assert first_of_decoder.in_features == 2 + 12
    variational = manne_study.train_config(runs["one-octave-3-variational-seed-0"], budget)
    assert variational.model.variational and variational.weight_decay == 0
    interpolation = manne_study.train_config(runs["five-octaves-10-frame-alone-seed-0"], budget)
    assert interpolation.model.widths == (256, 128, 64, 32, 16, 10) and interpolation.learning_rate == 1e-4


def test_a_corpus_is_an_instrument_in_a_range_split_note_by_note(notes: Notes) -> None:
    octave = manne_study.PARTS["one octave"](notes)
    chosen = np.flatnonzero(octave.split != "none")
    assert set(octave.instrument[chosen]) == {"080-synth-lead"} and len(chosen) == 12
    assert {*octave.split[chosen]} == {"train", "valid", "test"}
    assert set(notes.split) == {"train", "valid", "test"} and set(notes.split[chosen]) == {"train"}
    assert set(manne_study.PARTS["violin"](notes).instrument[manne_study.PARTS["violin"](notes).split != "none"]) == {
        "040-violin"
    }
    few = Notes.open(notes.folder)
    few.pitch = few.pitch + 60
    with pytest.raises(InputError, match="at least three notes of the corpus one octave, got 0"):
        manne_study.PARTS["one octave"](few)


def test_a_trial_uses_few_notes_of_a_corpus(notes: Notes) -> None:
    part = manne_study.PARTS["five octaves"]
    (experiment, *_) = experiments_of(
        [manne_study.EIGHT[0]], manne_study.Budget(training_notes=5), {"five octaves": part}
    )
    assert experiment.part is not None
    whole, few = part(notes), experiment.part(notes)
    assert {split: len(few.select(split=split)) for split in ("train", "valid", "test")} == {
        "train": 5,
        "valid": min(2, len(whole.select(split="valid"))),
        "test": min(2, len(whole.select(split="test"))),
    }
    train = whole.select(split="train")
    assert {*few.select(split="train")} <= {*train} and {train[0], train[-1]} <= {*few.select(split="train")}
    assert fewer_notes(whole, manne_study.BUDGETS["gpu"]).split.tolist() == whole.split.tolist()


def test_findings_of_2018_follow_the_figures() -> None:
    best = dict.fromkeys(canne_study.NETWORKS, 0.5) | {canne_study.AUGMENTED[1]: 0.2, canne_study.AUGMENTED[0]: 0.3}
    assert [finding.verdict for finding in canne.findings(errors_of(best))] == ["holds", "holds"]
    worse = best | {canne_study.AUGMENTED[1]: 0.4}
    found = canne.findings(errors_of(worse))[0]
    assert found.verdict == "fails" and "the frame alone: fails (4.00e-01, 3.00e-01)" in found.figures
    fewer = errors_of(best)
    fewer = {name: each for name, each in fewer.items() if not name.startswith("mel")}
    assert canne.findings(fewer)[0].verdict == "undecided"


def test_findings_of_2020_follow_the_figures() -> None:
    values = dict.fromkeys(manne_study.NETWORKS, 0.5) | {manne_study.EIGHT[0]: 0.2}
    for key, four in manne_study.SMALL.items():
        values |= {network: 0.3 for network in four if network.title == manne.BEST[key]}
    found = manne.findings(errors_of(values))
    assert [finding.verdict for finding in found] == ["holds"] * 5
    assert found[1].sentence == "of codes of 2 numbers, sigmoid without skip is best on one octave"
    values[manne_study.SMALL["violin", 3][2]] = 0.1
    assert [finding.verdict for finding in manne.findings(errors_of(values))] == ["holds"] * 4 + ["fails"]


def test_notes_of_another_rate_are_refused(notes: Notes) -> None:
    other = Notes.open(notes.folder)
    other.sample_rate = 16000
    for study in (canne_study, manne_study):
        with pytest.raises(InputError, match="the notes must have the paper's sample_rate=44100, got 16000"):
            study.check_notes(other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("paper", "networks"),
    [
        ("colonel2018", ["the frame alone", "first difference"]),
        ("colonel2020", ["10, frame alone", "2, sigmoid, skip"]),
    ],
)
def test_the_command_trains_and_fills_the_page(
    paper: str, networks: list[str], notes: Notes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / f"{paper}.md"
    page.write_text(
        "".join(f"{name}\n<!-- table: {name} -->\n<!-- end -->\n" for name in ("corpus", "errors", "findings"))
    )
    words = ["paper", paper, "--budget", "smoke", "--data", notes.folder, "-o", tmp_path / "out"]
    code, out, err = run(*words, "--write", page, "--json", capsys=capsys)
    assert code == 0, err
    table = json.loads(out)["tables"]["errors"]
    assert all(f"| {network} |" in table for network in networks)
    assert "these figures say nothing" in page.read_text() and "| undecided |" in page.read_text()
    assert (tmp_path / "out" / "listen.html").stat().st_size > 100_000
    assert [path.name for path in (tmp_path / "images").iterdir()] == [f"{paper}-errors.png"]
    assert run(*words, capsys=capsys)[0] == 0  # what is done is not repeated


def test_smallest_networks_train_in_a_moment(notes: Notes, tmp_path: Path) -> None:
    budget = manne_study.Budget(epochs=1, seeds=1, narrower=4)
    network = manne_study.SMALL["one octave", 2][1]
    (experiment,) = experiments_of([network], budget, manne_study.PARTS)
    config = manne_study.train_config(experiment, budget)
    assert experiment.part is not None
    progress = train_codec(config, experiment.part(notes), tmp_path / "run")
    assert progress.finished and progress.step > 0


def test_experiments_keep_their_names_apart() -> None:
    names = [run.name for run in experiments_of(manne_study.NETWORKS, manne_study.BUDGETS["gpu"], manne_study.PARTS)]
    assert len(names) == len(set(names))
