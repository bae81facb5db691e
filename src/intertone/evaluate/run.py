"""The whole evaluation of a codec on notes that it has not seen."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.classifier import HEADS, Classifier, train_classifier
from intertone.evaluate.draw import Rows, draw_notes, draw_others, draw_pairs
from intertone.evaluate.harmonic import evaluate_harmonic
from intertone.evaluate.latents import latent_statistics
from intertone.evaluate.measures import measure_reconstructions
from intertone.evaluate.morphs import judge_morphs, judge_network, morph_table, pitch_gate
from intertone.evaluate.phase_stage import judge_phase
from intertone.evaluate.recognition import judge_path, recognise_morphs, recognise_reconstructions
from intertone.evaluate.reconstruction import Collected, fit_baseline, reconstruct_notes, reconstruction_errors
from intertone.evaluate.speed import measure_speed
from intertone.evaluate.task import EvaluateConfig, Steps, check_notes, codec_facts, note_facts

logger = logging.getLogger(__name__)


def evaluate_codec(
    codec: Codec,
    notes: Notes,
    *,
    config: EvaluateConfig | None = None,
    known_sounds: Iterable[tuple[str, Tensor, float]] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Judge a codec on held-out notes: reconstruction, phase, recognition, code, half-way morphs, network, speed.

    A codec of harmonic images is judged by what it can do instead; see ``evaluate_harmonic``.

    Args:
        codec: The codec.
        notes: The note set; ``config.split`` of it is judged, and baselines and classifier are fitted to ``train``.
        config: How much is judged; default ``BUDGETS["full"]``.
        known_sounds: For a codec that follows f0: name, ``(samples,)`` and f0 in Hz of sounds that it is judged on too.
        progress: Called with (what is done, notes or pairs done, of how many).

    Returns:
        Numbers and words that JSON can hold. Equal for equal arguments, but for ``speed``. ``morphs`` is empty where
        there are no two pairs of notes of equal pitch and velocity from different instruments and groups.

    Raises:
        InputError: If the rates differ, the codec does not take notes of this length, the split that is judged holds
            fewer than three notes, or the training split fewer than two.
    """
    config = config or EvaluateConfig()
    if "pitch" in codec.representation.measures:
        return evaluate_harmonic(codec, notes, config=config, known_sounds=known_sounds, progress=progress)
    check_notes(codec, notes, notes.select(split=config.split), config)
    if (n_training := len(notes.select(split="train"))) < 2:
        raise InputError(f"the training split must hold at least two notes for the PCA, got {n_training}")
    rows = draw_notes(notes, config.n_notes, split=config.split, seed=config.seed)
    pairs = draw_pairs(notes, config.n_pairs, split=config.split, seed=config.seed)
    steps = Steps(progress)
    steps.begin("training the classifier", min(config.n_classifier_notes, len(notes.select(split="train"))))
    classifier = train_classifier(
        notes, n_notes=config.n_classifier_notes, n_steps=config.n_classifier_steps, seed=config.seed, step=steps
    )
    result = {
        "settings": config.model_dump(mode="json"),
        "codec": codec_facts(codec, notes),
        "notes": note_facts(notes, rows, pairs),
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
    steps: Steps,
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
    steps: Steps,
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
