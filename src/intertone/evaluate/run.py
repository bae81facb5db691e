"""The whole evaluation of a codec on notes that it has not seen."""

import logging
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from intertone.codec import Codec
from intertone.config import Settings
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.classifier import HEADS, Classifier, train_classifier
from intertone.evaluate.draw import Rows, draw_notes, draw_others, draw_pairs
from intertone.evaluate.latents import latent_statistics
from intertone.evaluate.measures import measure_reconstructions
from intertone.evaluate.morphs import judge_morphs, judge_network, morph_table, pitch_gate
from intertone.evaluate.phase_stage import judge_phase
from intertone.evaluate.recognition import judge_path, recognise_morphs, recognise_reconstructions
from intertone.evaluate.reconstruction import Collected, fit_baseline, reconstruct_notes, reconstruction_errors
from intertone.evaluate.speed import measure_speed

logger = logging.getLogger(__name__)


class EvaluateConfig(Settings):
    """What is judged, and how much of it."""

    split: Literal["train", "valid", "test"] = Field("test", description="of the notes that are judged")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="of the draw and of random phase")
    n_notes: int = Field(512, ge=2, description="notes for reconstruction")
    n_estimated: int = Field(
        128,
        ge=1,
        description="of them, in whole batches, for the slow part: baselines with an estimated phase, other measures, "
        "librosa",
    )
    n_pairs: int = Field(256, ge=2, description="pairs for half-way morphs")
    n_network_pairs: int = Field(16, ge=2, description="of them, for what happens with another network or code")
    n_path_pairs: int = Field(16, ge=1, description="of them, for the families that are heard from A to B")
    n_classifier_notes: int = Field(6000, ge=2, description="training notes of the classifier")
    n_classifier_steps: int = Field(700, ge=1, description="of its training, 128 notes each")
    baseline_bytes: float = Field(2e9, gt=0, description="memory for the training images that the PCA is fitted to")
    n_components: int = Field(0, ge=0, description="of the PCA; 0: as many numbers as the codec's code")
    batch_size: int = Field(32, ge=1, description="pairs of the batch whose speed is measured")
    n_note_sounds: int = Field(12, ge=1, description="notes that are left for the ear")
    n_morph_sounds: int = Field(12, ge=1, description="half-way morphs that are left for the ear")


BUDGETS = {
    "full": EvaluateConfig(),
    "smoke": EvaluateConfig(
        n_notes=4,
        n_estimated=2,
        n_pairs=4,
        n_network_pairs=2,
        n_path_pairs=2,
        n_classifier_notes=24,
        n_classifier_steps=4,
        baseline_bytes=4e6,
        n_components=8,
        batch_size=2,
        n_note_sounds=1,
        n_morph_sounds=1,
    ),
}
"""Minutes for figures to quote; seconds to see that everything works."""


def evaluate_codec(
    codec: Codec,
    notes: Notes,
    *,
    config: EvaluateConfig | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Judge a codec on held-out notes: reconstruction, phase, recognition, code, half-way morphs, network, speed.

    Args:
        codec: The codec.
        notes: The note set; ``config.split`` of it is judged, and baselines and classifier are fitted to ``train``.
        config: How much is judged; default ``BUDGETS["full"]``.
        progress: Called with (what is done, notes or pairs done, of how many).

    Returns:
        Numbers and words that JSON can hold. Equal for equal arguments, but for ``speed``. ``morphs`` is empty where
        there are no two pairs of notes of equal pitch and velocity from different instruments and groups.

    Raises:
        InputError: If the rates differ, the codec does not take notes of this length, the split that is judged holds
            fewer than three notes, or the training split fewer than two.
    """
    config = config or EvaluateConfig()
    rows = draw_notes(notes, config.n_notes, split=config.split, seed=config.seed)
    pairs = draw_pairs(notes, config.n_pairs, split=config.split, seed=config.seed)
    _check(codec, notes, config)
    steps = _Steps(progress)
    steps.begin("training the classifier", min(config.n_classifier_notes, len(notes.select(split="train"))))
    classifier = train_classifier(
        notes, n_notes=config.n_classifier_notes, n_steps=config.n_classifier_steps, seed=config.seed, step=steps
    )
    result = {
        "settings": config.model_dump(mode="json"),
        "codec": _facts(codec, notes),
        "notes": _note_facts(notes, rows, pairs),
        "classifier": _classes(classifier, notes, config),
    }
    n_components = config.n_components or result["codec"]["code_size"]
    result |= _reconstruction(codec, notes, rows, n_components, classifier, config, steps)
    steps.begin("phase", min(len(rows), config.n_estimated))
    result["phase"] = judge_phase(codec, notes, rows[: config.n_estimated], seed=config.seed, step=steps)
    if len(pairs) < 2:
        logger.warning("no half-way morphs are judged: no two notes of equal pitch and velocity from different groups")
    any_pairs = pairs if len(pairs) > 1 else np.stack([rows, np.roll(rows, 1)], 1)
    result |= _morphs(codec, notes, pairs, any_pairs, classifier, config, steps)
    result["speed"] = measure_speed(codec, notes, any_pairs, batch_size=config.batch_size)
    return result


def _facts(codec: Codec, notes: Notes) -> dict[str, Any]:
    n_latents = codec.model.n_latents(codec.representation.n_frames(notes.samples))
    return {
        "representation": codec.config.representation.kind,
        "sample_rate": codec.sample_rate,
        "code_size": codec.model.latent_dim * n_latents,
        "latent_dim": codec.model.latent_dim,
        "n_latents": n_latents,
        "parameters": sum(value.numel() for value in codec.model.parameters()),
    }


def _note_facts(notes: Notes, rows: Rows, pairs: Rows) -> dict[str, Any]:
    return {
        "kind": notes.kind,
        "digest": notes.digest(),
        "seconds": notes.samples / notes.sample_rate,
        "n_notes": len(rows),
        "n_instruments": len(np.unique(notes.instrument[rows])),
        "n_groups": len(np.unique(notes.group[rows])),
        "n_pairs": len(pairs),
    }


def _classes(classifier: Classifier, notes: Notes, config: EvaluateConfig) -> dict[str, Any]:
    rows = draw_notes(notes, config.n_classifier_notes, split="train", seed=config.seed)
    pitches = np.unique(notes.pitch[rows])
    counts = (int((pitches >= 0).sum()), len(classifier.families), len(classifier.velocities))
    return {"n_training_notes": len(rows), "n_classes": dict(zip(HEADS, counts, strict=True))}


def _reconstruction(
    codec: Codec,
    notes: Notes,
    rows: Rows,
    n_components: int,
    classifier: Classifier,
    config: EvaluateConfig,
    steps: "_Steps",
) -> dict[str, Any]:
    """Fit the baselines, which hold much memory, and judge what they and the codec make of the notes."""
    steps.begin("fitting the PCA", 1)
    linear = fit_baseline(codec, notes, n_components=n_components, n_bytes=config.baseline_bytes, seed=config.seed)
    if linear.n_components < n_components:
        logger.warning("the PCA has %d components of %d: too few training notes", linear.n_components, n_components)
    steps.begin("reconstruction", len(rows))
    errors, measures, recognised, latents = Collected(), Collected(), Collected(), []
    for batch in reconstruct_notes(codec, notes, rows, linear, n_estimated=config.n_estimated, seed=config.seed):
        errors.add(reconstruction_errors(batch))
        recognised.add(recognise_reconstructions(classifier, notes, batch))
        if batch.start < config.n_estimated:
            measures.add(measure_reconstructions(codec, batch))
        latents.append(batch.latents)
        steps(len(batch.rows))
    return {
        "pca": {"n_components": linear.n_components, "wanted": n_components, "n_training_notes": len(linear.images)},
        "reconstruction": errors.table(),
        "measures": measures.table(),
        "recognition": recognised.table(),
        "latents": latent_statistics(torch.cat(latents)),
    }


def _morphs(
    codec: Codec,
    notes: Notes,
    pairs: Rows,
    any_pairs: Rows,
    classifier: Classifier,
    config: EvaluateConfig,
    steps: "_Steps",
) -> dict[str, Any]:
    """Judge the morphs of ``pairs`` and, whatever their pitches, the network on ``any_pairs``."""
    steps.begin("morphs", len(pairs))
    recognised = Collected()

    def hear(batch: Rows, sounds: dict[str, Tensor]) -> None:
        recognised.add(recognise_morphs(classifier, notes, batch, sounds))

    figures = judge_morphs(codec, notes, pairs, seed=config.seed, step=steps, hear=hear)
    table = morph_table(figures) if len(pairs) > 1 else []
    steps.begin("from A to B", config.n_path_pairs)
    path = judge_path(codec, notes, pairs, classifier, n_pairs=config.n_path_pairs, seed=config.seed, step=steps)
    chosen = any_pairs[: config.n_network_pairs]
    others = draw_others(notes, chosen, split=config.split, seed=config.seed)
    steps.begin("network", len(chosen))
    network = judge_network(codec, notes, chosen, others, seed=config.seed, step=steps)
    return {
        "morphs": table,
        "pitch_gate": pitch_gate(table),
        "morph_recognition": recognised.table() if table else [],
        "path": path,
        "network": network,
    }


class _Steps:
    """Adds up the progress of one stage after the other."""

    def __init__(self, progress: Callable[[str, int, int], None] | None) -> None:
        self.progress, self.name, self.done, self.total = progress, "", 0, 0

    def begin(self, name: str, total: int) -> None:
        self.name, self.done, self.total = name, 0, total
        self(0)

    def __call__(self, n: int) -> None:
        self.done += n
        if self.progress:
            self.progress(self.name, min(self.done, self.total), self.total)


def _check(codec: Codec, notes: Notes, config: EvaluateConfig) -> None:
    if notes.sample_rate != codec.sample_rate:
        raise InputError(f"the notes must have the codec's sample_rate={codec.sample_rate}, got {notes.sample_rate}")
    rows = notes.select(split=config.split)
    if len(rows) < 3:  # two ends of a pair, and another note
        raise InputError(f"the {config.split} split must hold at least three notes, got {len(rows)}")
    if (n_training := len(notes.select(split="train"))) < 2:
        raise InputError(f"the training split must hold at least two notes for the PCA, got {n_training}")
    codec.encode(notes.audio(rows[:1]))  # refuses notes of a length that it does not take
