"""The thesis's fifth question: one network behind three representations, trained and judged alike."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from intertone.codec import SHIPPED, Codec, CodecConfig
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.draw import Rows, draw_notes
from intertone.evaluate.figure import BATCH, at_16_khz
from intertone.evaluate.resynthesis import CODEC, TRUE, resynthesise
from intertone.experiments.figures import is_in_tune, rows_in_tune
from intertone.experiments.store import Result, remembered
from intertone.losses import mean_squared_error
from intertone.metrics import log_mel_error, loud_cell_error
from intertone.models import ConvConfig, build_model
from intertone.papers.thesis.experiment import Laboratory
from intertone.papers.thesis.study import Comparison
from intertone.remark import RemarkLogger
from intertone.representation import (
    DecibelConfig,
    HarmonicConfig,
    PitchNormalisedConfig,
    RepresentationConfig,
    build_representation,
)
from intertone.train import Progress

logger = RemarkLogger(__name__)

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-6
"""Those of all experiments; here the rate falls to nothing along half a cosine, so that the last state is judged."""

NETWORK, ALONE = "network", "alone"
"""What a note went through: representation and network, or the representation alone."""


@dataclass(frozen=True)
class View:
    """One of the representations that are compared.

    Attributes:
        name: Of files.
        title: For tables and pictures.
        representation: Its settings.
        strides: Of the network's layers, so that the code has as many numbers in every view.
    """

    name: str
    title: str
    representation: RepresentationConfig
    strides: tuple[tuple[int, int], ...]


VIEWS = (
    View("spectrogram", "dB spectrogram", DecibelConfig(), ((2, 4), (2, 4), (2, 2), (1, 2))),
    View("snapped", "dB spectrogram at a common pitch", PitchNormalisedConfig(), ((2, 4), (2, 4), (2, 2), (1, 2))),
    View(
        "harmonic",
        "harmonic image",
        HarmonicConfig(sample_rate=16000, hop_length=256, f_max=7600.0, top_db=80.0),
        ((1, 4), (2, 4), (1, 2), (1, 2)),
    ),
)


def view_codec(view: View, comparison: Comparison) -> Codec:
    """Return an untrained codec of a view: the network of the shipped codec ``thesis`` but for its strides.

    Args:
        view: The representation and the strides.
        comparison: Whose seed and channels are taken.

    Returns:
        The codec, with the same first weights in every view.

    Example:
        >>> codecs = [view_codec(view, Comparison()) for view in VIEWS]
        >>> [codec.model.latent_dim * codec.model.n_latents(251) for codec in codecs]
        [2048, 2048, 2048]
    """
    shipped = CodecConfig.read(SHIPPED / "thesis" / "config.json").model
    assert isinstance(shipped, ConvConfig)
    channels = tuple(max(2, number // comparison.channel_divisor) for number in shipped.channels)
    model = shipped.model_copy(update={"strides": view.strides, "channels": channels})
    config = CodecConfig(representation=view.representation, model=model)
    n_features = build_representation(view.representation).n_features
    return Codec(config, build_model(model, n_features=n_features, seed=comparison.seed))


def compare_representations(laboratory: Laboratory) -> dict[str, Result]:
    """Train and judge the network behind every representation that is not done yet.

    All views see the same notes in the same order and the same number of steps; all are judged on the sound of the same
    held-out notes, with nothing of a note's own phase or noise.

    Args:
        laboratory: Notes, folder and budget.

    Returns:
        Name of the view → ``title``, ``rows``, ``frames``, ``strides``, ``weights``, ``code`` (counts); ``notes``,
        ``steps``; ``training`` and ``valid``, RMSE of the features in dB of each pass; ``analysis_seconds`` of a note
        and ``training_seconds`` of all steps, on one core; and for ``network`` and ``alone`` the figures of each note.

    Raises:
        InputError: If the notes have another sample rate than the representations, or there are too few.
    """
    notes, comparison = laboratory.notes, laboratory.budget.comparison
    for view in VIEWS:
        rate = view_codec(view, comparison).sample_rate
        if notes.sample_rate != rate:
            raise InputError(f"the notes must have a sample_rate of {rate} Hz, got {notes.sample_rate}")
    results = laboratory.folder / "results"
    key: dict[str, Any] = {"notes": notes.digest(), **comparison.model_dump(mode="json")}
    rows = judged_rows(laboratory)
    tuned = remembered(results / "representation-in-tune.json", key, lambda: {"tuned": rows_in_tune(notes, rows)})
    return {
        view.name: remembered(
            results / f"representation-{view.name}.json",
            {**key, "codec": view_codec(view, comparison).config.model_dump(mode="json")},
            lambda view=view: _train_and_judge(laboratory, view, rows, tuned["tuned"]),  # type: ignore[misc]
        )
        for view in VIEWS
    }


def judged_rows(laboratory: Laboratory) -> Rows:
    """Return the held-out notes of the comparison."""
    comparison = laboratory.budget.comparison
    return draw_notes(laboratory.notes, comparison.n_notes, split="test", seed=comparison.seed)


def trained_codec(laboratory: Laboratory, view: View) -> Codec:
    """Return the codec that was trained."""
    return Codec.load(laboratory.folder / "runs" / f"representation-{view.name}", device=laboratory.device)


def _train_and_judge(laboratory: Laboratory, view: View, rows: Rows, tuned: Sequence[bool]) -> Result:
    notes, comparison = laboratory.notes, laboratory.budget.comparison
    codec = view_codec(view, comparison)
    logger.info("%s: analysing %d notes", view.title, comparison.train_notes)
    started = time.process_time()
    train, valid = (
        prepare(codec, notes, draw_notes(notes, count, split=split, seed=comparison.seed))
        for split, count in (("train", comparison.train_notes), ("valid", comparison.valid_notes))
    )
    analysed = time.process_time()
    logger.info("%s: training", view.title)
    curves = train_on_images(codec.model, train, valid, laboratory=laboratory, title=view.title)
    trained = time.process_time()
    decibels = codec.representation.scales[0].range_db
    folder = laboratory.folder / "runs" / f"representation-{view.name}"
    codec.save(folder, card=f"# {view.title}\n\nOne of the representations that `intertone paper thesis` compares.\n")
    logger.info("%s: judging", view.title)
    n_frames = train.shape[-1]
    return {
        "title": view.title,
        "rows": codec.representation.n_features,
        "frames": n_frames,
        "strides": [list(stride) for stride in view.strides],
        "weights": sum(value.numel() for value in codec.model.parameters()),
        "code": codec.model.latent_dim * codec.model.n_latents(n_frames),
        "notes": len(train),
        "steps": comparison.passes * (len(train) // comparison.batch_size),
        "training": [decibels * loss**0.5 for loss in curves["training"]],
        "valid": [decibels * loss**0.5 for loss in curves["valid"]],
        "analysis_seconds": (analysed - started) / (len(train) + len(valid)),
        "training_seconds": trained - analysed,
        **judge_view(codec, notes, rows, tuned, seed=comparison.seed),
    }


@torch.inference_mode()
def prepare(codec: Codec, notes: Notes, rows: Rows) -> Tensor:
    """Return the features of some notes in 16 bits, ``(notes, n_features, n_frames)``."""
    representation = codec.representation
    images = torch.empty(
        len(rows), representation.n_features, representation.n_frames(notes.samples), dtype=torch.float16
    )
    for place, row in enumerate(rows):
        images[place] = representation.analyse(notes.audio([row]).unsqueeze(0))[0][0]
    return images


def train_on_images(
    model: nn.Module, train: Tensor, valid: Tensor, *, laboratory: Laboratory, title: str
) -> dict[str, list[float]]:
    """Train a model to give features back.

    Args:
        model: Is trained in place, and left ready for use.
        train: Features, ``(notes, n_features, n_frames)``; the order of the steps is a pure function of the seed.
        valid: Features of notes to validate with.
        laboratory: Budget, device, and what is called after every step.
        title: For people.

    Returns:
        The mean losses of the steps of every pass, ``training``, and after it, ``valid``.

    Raises:
        InputError: If there are fewer notes than a step takes.
    """
    comparison = laboratory.budget.comparison
    steps = len(train) // comparison.batch_size
    if not steps or not len(valid):
        raise InputError(
            f"there must be {comparison.batch_size} notes to train with and one to validate, got {len(train)} and "
            f"{len(valid)}"
        )
    device = torch.device(laboratory.device)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, comparison.passes * steps)
    curves: dict[str, list[float]] = {"training": [], "valid": []}
    progress = Progress()
    for epoch in range(comparison.passes):
        model.train()
        losses = []
        order = np.random.default_rng([comparison.seed, epoch]).permutation(len(train))
        for batch in order[: steps * comparison.batch_size].reshape(steps, -1):
            loss = _loss(model, train[torch.from_numpy(batch)].to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
            progress.epoch, progress.step, progress.step_in_epoch = epoch, progress.step + 1, len(losses)
            if laboratory.on_step is not None:
                laboratory.on_step(title, progress, steps)
        model.eval()
        with torch.inference_mode():
            found = [float(_loss(model, part.to(device))) * len(part) for part in valid.split(comparison.batch_size)]
        curves["training"].append(float(np.mean(losses)))
        curves["valid"].append(sum(found) / len(valid))
        logger.info(
            "%s: pass %d, loss %.5f, validation %.5f", title, epoch + 1, *(each[-1] for each in curves.values())
        )
    return curves


def _loss(model: nn.Module, features: Tensor) -> Tensor:
    features = features.float()
    with torch.autocast(features.device.type, dtype=torch.bfloat16):
        estimate = model(features)
    return mean_squared_error(estimate.float(), features)


@torch.inference_mode()
def judge_view(
    codec: Codec, notes: Notes, rows: Rows, tuned: Sequence[bool], *, seed: int
) -> dict[str, dict[str, list[float | None]]]:
    """Judge notes that come back from a network, and from its representation alone.

    The context counts as edited: the phase of spectrograms is estimated, the noise of harmonic images drawn. What else
    it holds is the note's own: level, how far it was moved, and of a harmonic image the course of the pitch and the
    phases of the partials.

    Args:
        codec: The codec.
        notes: The note set.
        rows: The notes.
        tuned: From ``rows_in_tune``.
        seed: Of phase and noise.

    Returns:
        ``network`` and ``alone``, each with ``log_mel`` and ``loud_cells`` (dB) of each note, and ``in_tune`` (0 or 1;
        None where the note itself is not).
    """
    found: dict[str, dict[str, list[float | None]]] = {
        way: {name: [] for name in ("log_mel", "loud_cells", "in_tune")} for way in (NETWORK, ALONE)
    }
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        audio = notes.audio(batch)
        reference = at_16_khz(audio, notes.sample_rate)
        for way, sounds in given_back(codec, audio, seed=seed).items():
            estimate, figures = at_16_khz(sounds, notes.sample_rate), found[way]
            figures["log_mel"] += log_mel_error(estimate, reference).tolist()
            figures["loud_cells"] += loud_cell_error(estimate, reference).tolist()
            for item, row in enumerate(batch):
                known = tuned[start + item]
                figures["in_tune"].append(float(is_in_tune(notes, int(row), sounds[item])) if known else None)
    return found


def given_back(codec: Codec, audio: Tensor, *, seed: int) -> dict[str, Tensor]:
    """Return notes ``(notes, samples)`` as network and representation, and as the representation alone give them back.

    Args:
        codec: The codec.
        audio: The notes.
        seed: Of phase and noise.

    Returns:
        ``network`` and ``alone``, each of the shape of ``audio``.
    """
    sounds = resynthesise(codec, audio, [(CODEC, "estimated"), (TRUE, "estimated")], seed=seed)[1]
    return {NETWORK: sounds[CODEC, "estimated"], ALONE: sounds[TRUE, "estimated"]}
