"""Settings of an evaluation: which notes, and how many."""

from typing import Literal

from pydantic import Field

from intertone.config import Settings


class EvaluateConfig(Settings):
    """Which notes are evaluated, and how many."""

    split: Literal["train", "valid", "test"] = Field("test", description="of the notes that are evaluated")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="of the draw and of random phase")
    n_notes: int = Field(512, ge=2, description="notes for reconstruction")
    n_estimated: int = Field(
        128,
        ge=1,
        description="of them, in whole batches, for the slow part: baselines with an estimated phase, other measures, "
        "librosa",
    )
    n_pairs: int = Field(256, ge=2, description="pairs for half-way morphs")
    n_moves: int = Field(400, ge=1, description="notes that are transposed, by a codec that can")
    n_tracked: int = Field(48, ge=1, description="notes of each instrument for the tracker of f0, where there is one")
    n_network_pairs: int = Field(16, ge=2, description="of them, for morphs with another network or code")
    n_path_pairs: int = Field(16, ge=1, description="of them, for the families that are heard from A to B")
    n_classifier_notes: int = Field(6000, ge=2, description="training notes of the classifier")
    n_classifier_steps: int = Field(700, ge=1, description="of its training, 128 notes each")
    baseline_bytes: float = Field(2e9, gt=0, description="memory for the training features that the PCA is fitted to")
    n_components: int = Field(0, ge=0, description="of the PCA; 0: as many numbers as the codec's code")
    batch_size: int = Field(32, ge=1, description="pairs of the batch whose speed is measured")
    n_note_sounds: int = Field(12, ge=1, description="notes that are written as sounds")
    n_morph_sounds: int = Field(12, ge=1, description="half-way morphs that are written as sounds")


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
