"""What is judged, how much of it, and what is known of it beforehand."""

import logging
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from pydantic import Field

from intertone.codec import Codec
from intertone.config import Settings
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.draw import Rows
from intertone.models import ConditionedConfig

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
    n_moves: int = Field(400, ge=1, description="notes that are moved to another pitch, by a codec that can")
    n_tracked: int = Field(48, ge=1, description="notes of each instrument for the tracker of f0, where there is one")
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
        n_moves=2,
        n_tracked=1,
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


class Steps:
    """Adds up the progress of one stage after the other.

    Args:
        progress: Called with (what is done, notes or pairs done, of how many).
    """

    def __init__(self, progress: Callable[[str, int, int], None] | None) -> None:
        self.progress, self.name, self.done, self.total = progress, "", 0, 0

    def begin(self, name: str, total: int) -> None:
        """Go on to a stage of ``total`` notes or pairs."""
        self.name, self.done, self.total = name, 0, total
        self(0)

    def __call__(self, n: int) -> None:
        self.done += n
        if self.progress:
            self.progress(self.name, min(self.done, self.total), self.total)


def codec_facts(codec: Codec, notes: Notes) -> dict[str, Any]:
    """Return what there is to say of a codec, and of its code of a note."""
    model = codec.config.model
    n_latents = codec.model.n_latents(codec.representation.n_frames(notes.samples))
    code_size = codec.model.latent_dim * n_latents
    if isinstance(model, ConditionedConfig):  # some of the numbers are those of the whole note
        code_size = codec.model.latent_dim + model.local_dim * (n_latents - 1)
    return {
        "representation": codec.config.representation.kind,
        "sample_rate": codec.sample_rate,
        "code_size": code_size,
        "latent_dim": codec.model.latent_dim,
        "n_latents": n_latents,
        "parameters": sum(value.numel() for value in codec.model.parameters()),
    }


def note_facts(notes: Notes, rows: Rows, pairs: Rows) -> dict[str, Any]:
    """Return what there is to say of the notes ``rows`` and the pairs that are judged."""
    return {
        "kind": notes.kind,
        "digest": notes.digest(),
        "seconds": notes.samples / notes.sample_rate,
        "n_notes": len(rows),
        "n_instruments": len(np.unique(notes.instrument[rows])),
        "n_groups": len(np.unique(notes.group[rows])),
        "n_pairs": len(pairs),
    }


def check_notes(codec: Codec, notes: Notes, rows: Rows, config: EvaluateConfig) -> None:
    """Refuse notes that cannot be judged; that there are fewer than wanted is logged.

    Args:
        codec: The codec.
        notes: The note set.
        rows: Those of the split that may be judged.
        config: Which split.

    Raises:
        InputError: If the rates differ, there are fewer than three notes, or the codec does not take their length.
    """
    if notes.sample_rate != codec.sample_rate:
        raise InputError(f"the notes must have the codec's sample_rate={codec.sample_rate}, got {notes.sample_rate}")
    if len(rows) < 3:  # two ends of a pair, and another note
        raise InputError(f"the {config.split} split must hold at least three notes, got {len(rows)}")
    if len(rows) < config.n_notes:
        text = "the %s split holds %d notes that can be judged: all of them are, not the %d that are wanted"
        logger.info(text, config.split, len(rows), config.n_notes)
    codec.encode(notes.audio(rows[:1]))  # refuses notes of a length that it does not take
