"""Settings of an evaluation: the split, the seed, and the number of notes of each study."""

from typing import Literal

from pydantic import Field

from intertone.config import Settings


class EvaluateConfig(Settings):
    """Split, seed and number of the notes that are evaluated."""

    split: Literal["train", "valid", "test"] = Field("test", description="split of the notes that are evaluated")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="seed of the selection of notes and of random phase")
    n_notes: int = Field(512, ge=2, description="notes that are reconstructed")
    n_estimated: int = Field(
        128,
        ge=1,
        description="reconstructed notes, in whole batches, that the slow parts use: baselines with an estimated "
        "phase, other measures, librosa",
    )
    n_pairs: int = Field(256, ge=2, description="pairs of notes for half-way morphs")
    n_moves: int = Field(400, ge=1, description="notes that are transposed (harmonic codecs only)")
    n_tracked: int = Field(48, ge=1, description="notes of each instrument for the f0 tracker (harmonic codecs only)")
    n_network_pairs: int = Field(16, ge=2, description="pairs that are morphed with random weights or another code")
    n_path_pairs: int = Field(16, ge=1, description="pairs whose morphs from A to B are classified")
    n_classifier_notes: int = Field(6000, ge=2, description="training notes of the classifier")
    n_classifier_steps: int = Field(700, ge=1, description="training steps of the classifier, 128 notes each")
    baseline_bytes: float = Field(2e9, gt=0, description="memory for the training features that the PCA is fitted to")
    n_components: int = Field(0, ge=0, description="components of the PCA; 0: as many as the codec's code has numbers")
    batch_size: int = Field(32, ge=1, description="pairs in the batch whose speed is measured")
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
"""Settings by budget: ``full`` (minutes) gives figures to quote, ``smoke`` (seconds) only checks that all studies run.
"""
