"""Evaluation of a codec on held-out notes by all studies, one after another."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol

import torch
from pydantic_core import to_jsonable_python
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.data.split import SPLITS
from intertone.errors import InputError
from intertone.evaluate.classifier import Classifier, train_classifier
from intertone.evaluate.draw import Rows, draw_notes, draw_pairs, pitched_rows
from intertone.evaluate.figure import Collected, Figures
from intertone.evaluate.half_way import half_way_morphs
from intertone.evaluate.report import CodecFacts, Evaluation, NoteFacts, Part
from intertone.evaluate.resynthesis import Resynthesis, fit_baseline, has_partials, resynthesise_notes
from intertone.evaluate.settings import EvaluateConfig
from intertone.evaluate.studies.code import CodeStudy
from intertone.evaluate.studies.f0_tracker import TrackerStudy
from intertone.evaluate.studies.measures import MeasuresStudy
from intertone.evaluate.studies.morph import MorphStudy
from intertone.evaluate.studies.network import NetworkStudy
from intertone.evaluate.studies.path import PathStudy
from intertone.evaluate.studies.phase import PhaseStudy
from intertone.evaluate.studies.recognition import RecognitionStudy
from intertone.evaluate.studies.reconstruction import ReconstructionStudy
from intertone.evaluate.studies.speed import SpeedStudy
from intertone.evaluate.studies.transposition import TranspositionStudy
from intertone.evaluate.study import Draw, KnownSound, Progress, R, Reconstructions, Shown, Steps, Study
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

Conducted = Callable[[Codec, Notes, Draw], Part]
"""Function that runs a study on a codec and notes, and returns its figures and presentation."""


class BatchStudy(Protocol):
    """Study that measures every batch of reconstructions."""

    @property
    def name(self) -> str:
        """Key of the study's figures."""

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None if the study can measure this codec on these notes, otherwise a sentence with the reason."""

    def measure_batch(self, codec: Codec, notes: Notes, draw: Draw, batch: Resynthesis) -> Figures:
        """Return the figures of a batch of reconstructions, one value for each note."""


BATCH_STUDIES: tuple[BatchStudy, ...] = (ReconstructionStudy(), MeasuresStudy(), RecognitionStudy())
"""Studies of reconstructions; each batch is reconstructed once and passed to all of them."""


def conducted(study: Study[R]) -> Conducted:
    """Return a function that runs ``study``, or returns the reason why it does not apply."""

    def conduct(codec: Codec, notes: Notes, draw: Draw) -> Part:
        if reason := study.applies(codec, notes):
            return Part(study.name, None, Shown(study.name, left_out=(reason,)))
        result = study.measure(codec, notes, draw)
        return Part(study.name, to_jsonable_python(result, exclude={"examples"}), study.show(result))

    return conduct


STUDIES: tuple[Conducted, ...] = (
    conducted(ReconstructionStudy()),
    conducted(MeasuresStudy()),
    conducted(PhaseStudy()),
    conducted(RecognitionStudy()),
    conducted(MorphStudy()),
    conducted(PathStudy()),
    conducted(TranspositionStudy()),
    conducted(TrackerStudy()),
    conducted(CodeStudy()),
    conducted(NetworkStudy()),
    conducted(SpeedStudy()),
)
"""All studies, in the order of the page."""


def evaluate_codec(
    codec: Codec,
    notes: Notes,
    *,
    config: EvaluateConfig | None = None,
    known_sounds: Iterable[KnownSound] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a codec on held-out notes with all studies that apply.

    Args:
        codec: The codec.
        notes: The note set; its split ``config.split`` is evaluated, baselines and classifier are fitted to ``train``.
        config: Settings of the evaluation; None: ``BUDGETS["full"]``.
        known_sounds: Further sounds for the f0 tracker of a harmonic codec: name, audio ``(samples,)`` and f0 in Hz.
        progress: Called with (name of the task, notes or pairs done, notes or pairs in all).

    Returns:
        The result and the presentation of each study; equal arguments give equal results, except for the speed.

    Raises:
        InputError: If the sample rates of codec and notes differ, the codec does not accept notes of this length, the
            evaluated split has fewer than three usable notes, or the training split fewer than two for the PCA.
    """
    config = config or EvaluateConfig()
    draw = draw_all(codec, notes, config, known_sounds=known_sounds, progress=progress)
    return Evaluation(
        config,
        CodecFacts.of(codec, notes),
        NoteFacts.of(notes, draw.rows, draw.pairs),
        tuple(conduct(codec, notes, draw) for conduct in STUDIES),
    )


def check_notes(codec: Codec, notes: Notes, rows: Rows, config: EvaluateConfig) -> None:
    """Refuse notes that cannot be evaluated, and log if there are fewer than ``config.n_notes``.

    Args:
        codec: The codec.
        notes: The note set.
        rows: Row numbers of the usable notes of the split.
        config: Settings of the evaluation.

    Raises:
        InputError: If the sample rates of codec and notes differ, there are fewer than three usable notes, or the codec
            does not accept their length.
    """
    if notes.sample_rate != codec.sample_rate:
        raise InputError(f"the notes must have the codec's sample_rate={codec.sample_rate}, got {notes.sample_rate}")
    if len(rows) < 3:  # the study of the network needs a pair and a third note
        counts = {name: int((notes.split == name).sum()) for name in SPLITS}
        other = max(counts, key=lambda name: (name != "train", counts[name]))
        hint = f"; --split {other} has {counts[other]}"
        if counts[other] < 3 or other == config.split:
            hint = "; import more sounds, or divide them otherwise (intertone data import --fractions)"
        raise InputError(f"the {config.split} split must hold at least three notes, got {len(rows)}{hint}")
    if len(rows) < config.n_notes:
        text = "the %s split has %d usable notes; all of them are evaluated, instead of the %d of the settings"
        logger.info(text, config.split, len(rows), config.n_notes)
    codec.encode(notes.audio(rows[:1]))  # raises an error if the codec does not accept this length


def draw_all(
    codec: Codec,
    notes: Notes,
    config: EvaluateConfig,
    *,
    known_sounds: Iterable[KnownSound] = (),
    progress: Progress | None = None,
) -> Draw:
    """Return the notes and pairs to evaluate, and functions that compute the shared results once.

    Raises:
        InputError: For the reasons that ``evaluate_codec`` gives.
    """
    among = pitched_rows(notes, split=config.split) if has_partials(codec) else notes.select(split=config.split)
    check_notes(codec, notes, among, config)
    if not has_partials(codec) and (n_training := len(notes.select(split="train"))) < 2:
        raise InputError(f"the training split must hold at least two notes for the PCA, got {n_training}")
    steps, seed = Steps(progress), config.seed
    rows = draw_notes(notes, config.n_notes, split=config.split, seed=seed, among=among)
    pairs = draw_pairs(notes, config.n_pairs, split=config.split, seed=seed)
    training = draw_notes(notes, config.n_classifier_notes, split="train", seed=seed)

    def classifier() -> Classifier:
        step = steps.begin("training the classifier", len(training))
        return train_classifier(notes, training, n_steps=config.n_classifier_steps, seed=seed, step=step)

    def half_way() -> dict[str, Tensor]:
        return half_way_morphs(codec, notes, pairs, seed=seed, step=steps.begin("morphs", len(pairs)))

    shared = cache(classifier), cache(lambda: reconstruct_notes(codec, notes, draw)), cache(half_way)
    draw = Draw(config, rows, pairs, known_sounds, steps, CodecFacts.of(codec, notes).code_size, *shared)
    return draw


def reconstruct_notes(codec: Codec, notes: Notes, draw: Draw) -> Reconstructions:
    """Reconstruct all notes, batch by batch, and return the figures of every ``BatchStudy`` that applies."""
    config, studies = draw.config, [study for study in BATCH_STUDIES if study.applies(codec, notes) is None]
    linear = None
    if not has_partials(codec):
        draw.classifier()  # trained now, before the PCA takes much memory
        draw.steps.begin("fitting the PCA", 1)
        n_components = config.n_components or draw.code_size
        linear = fit_baseline(codec, notes, n_components=n_components, n_bytes=config.baseline_bytes, seed=config.seed)
    step = draw.steps.begin("reconstruction", len(draw.rows))
    collected, latents, first = {study.name: Collected() for study in studies}, [], []
    for batch in resynthesise_notes(
        codec, notes, draw.rows, linear=linear, n_estimated=config.n_estimated, seed=config.seed
    ):
        for study in studies:
            collected[study.name].add(study.measure_batch(codec, notes, draw, batch))
        latents.append(batch.latents)
        if batch.start < config.n_note_sounds:
            first.append(batch)
        step(len(batch.rows))
    return Reconstructions(
        {name: figures.table() for name, figures in collected.items()},
        torch.cat(latents),
        tuple(first),
        linear.n_components if linear else None,
        len(linear.images) if linear else 0,
    )
