"""Notes as they sound: features are made on the training device."""

import numpy as np
import torch
from torch import Tensor

from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.models.contract import Model
from intertone.representation import AnyRepresentation
from intertone.train.batch import Columns, Rows, chosen_rows
from intertone.train.settings import TrainConfig

N_EXAMPLES = 4
"""Notes that are kept as sound, for the ear."""


class SoundNotes:
    """The notes of a set, shown through a representation.

    What the model needs and the representation measures comes from the sound, everything else from the note set.

    Args:
        config: The settings.
        notes: The note set.
        representation: Makes the features.
        model: What is trained; it says what it must be conditioned on.
        device: Where the features are made.

    Raises:
        InputError: If notes and settings do not fit.
    """

    def __init__(
        self,
        config: TrainConfig,
        notes: Notes,
        representation: AnyRepresentation,
        model: Model,
        device: torch.device,
    ) -> None:
        self.notes, self.representation, self.device = notes, representation, device
        rate = representation.sample_rate
        if notes.sample_rate != rate:
            raise InputError(f"the notes must have the representation's sample_rate={rate}, got {notes.sample_rate}")
        if config.crop_samples > notes.samples:
            raise InputError(f"crop_samples must be in 0..{notes.samples} with these notes, got {config.crop_samples}")
        self.samples = config.crop_samples or notes.samples
        self.n_frames, self.room = representation.n_frames(self.samples), notes.samples - self.samples
        self.measured = [name for name in model.needs if name in representation.measures]
        self.known = [name for name in model.needs if name not in self.measured]
        if unknown := set(self.known) - {"pitch", "velocity"}:
            raise InputError(
                f"the representation or the note set must tell the {sorted(unknown)[0]} that this model needs, "
                f"got a {config.representation.kind} representation"
            )
        pitch = np.where(notes.pitch < 0, np.nan, notes.pitch.astype(np.float64))
        usable = chosen_rows(config, notes.pitch, notes.instrument)
        if "pitch" in self.known:
            usable &= notes.pitch >= 0
        f0 = 440 * 2 ** ((pitch - 69) / 12)
        self.columns = Columns(pitch, f0, notes.velocity, notes.instrument, notes.split, usable)

    def read(self, rows: Rows, starts: Rows | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features of notes or crops, each with its own reference, and what a model is conditioned on."""
        audio = self.notes.audio(rows)
        if starts is not None:
            crops = [sound[start : start + self.samples] for sound, start in zip(audio, starts, strict=True)]
            audio = torch.stack(crops)
        with torch.no_grad():
            features, context = self.representation.analyse(audio.to(self.device).unsqueeze(1))
        told = self.columns.conditions(rows)
        measured = {name: context.conditions[name] for name in self.measured}
        return features, {name: told[name] for name in self.known} | measured

    def examples(self, rows: Rows) -> Tensor:
        """Return up to four of these notes, ``(notes, samples)``, as long as what the model sees."""
        chosen = rows[np.linspace(0, len(rows) - 1, min(N_EXAMPLES, len(rows))).astype(int)]
        return self.notes.audio(chosen)[:, : self.samples]
