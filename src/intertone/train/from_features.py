"""Prepared features: what a representation has made of notes, on disk."""

import numpy as np
from torch import Tensor

from intertone.data.features import Images
from intertone.errors import InputError
from intertone.models.contract import Model
from intertone.pitch.note import hz_to_pitch
from intertone.train.batch import Columns, Rows, chosen_rows
from intertone.train.settings import TrainConfig


class PreparedNotes:
    """Notes of a set of prepared features.

    The pitch is the one that was measured where the features were made, or the note set's where none was.

    Args:
        config: The settings.
        images: The prepared features.
        model: What is trained; it says what it must be conditioned on.

    Raises:
        InputError: If features and settings do not fit.
    """

    room = 0
    """Prepared features are not cropped."""

    def __init__(self, config: TrainConfig, images: Images, model: Model) -> None:
        if images.representation != config.representation.model_dump(mode="json"):
            raise InputError(
                f"the images must have been made with the run's representation, got other settings in {images.folder}"
            )
        if config.crop_samples:
            raise InputError("crop_samples must be 0 with prepared features; crops are made of a note set")
        if unknown := set(model.needs) - {"pitch", "velocity"}:
            raise InputError(
                f"a model that needs {sorted(unknown)[0]} must be trained on a note set, got prepared features"
            )
        self.images, self.n_frames, self.needs = images, images.n_frames, model.needs
        given = np.where(images.pitch < 0, np.nan, images.pitch.astype(np.float64))
        measured = np.isfinite(images.f0)
        pitch = np.where(measured, hz_to_pitch(images.f0), given)
        f0 = np.where(measured, images.f0, 440 * 2 ** ((given - 69) / 12))
        usable = chosen_rows(config, images.pitch, images.instrument)
        if "pitch" in model.needs:
            usable &= np.isfinite(pitch)
        self.columns = Columns(pitch, f0, images.velocity, images.instrument, images.split, usable)

    def read(self, rows: Rows, starts: Rows | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features of notes, and what a model is conditioned on."""
        assert starts is None, "prepared features are not cropped"
        told = self.columns.conditions(rows)
        return self.images.features(rows), {name: told[name] for name in self.needs}

    def examples(self, rows: Rows) -> Tensor:
        """Return the notes that are kept as sound beside the features, ``(notes, samples)``."""
        return self.images.examples()
