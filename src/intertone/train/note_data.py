"""Notes to train with: as they sound, or as features that were prepared."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.data.features import FeatureSet
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.models.contract import Trainable
from intertone.pitch.note import hz_to_pitch
from intertone.representation import AnyRepresentation
from intertone.train.settings import ChoiceConfig, TrainConfig

Rows = npt.NDArray[np.int64]

N_EXAMPLES = 4
"""Notes that are kept as sound, for the ear."""

STORED_CONDITIONS = {"pitch", "velocity"}
"""Conditions that a note set can give."""


class NoteData:
    """Notes to train with.

    Args:
        choice: Which of them are used.
        stored: The notes.
        known: Conditions that come from the note set: ``pitch``, ``velocity``; a note whose pitch is unknown is not
            used where it is one of these.
        f0: Hz that was measured of each, in the place of the note set's pitch; NaN where none was.

    Attributes:
        pitch: MIDI number of each note, fractions allowed; NaN where it is unknown.
        f0: The same in Hz.
        velocity: 1…127; −1 where it is unknown.
        instrument: Names.
        split: ``train``, ``valid`` or ``test``.
        usable: Whether the run takes it.
        n_frames: Columns of the features.
        room: The last sample where a crop may begin.
    """

    n_frames: int
    room = 0

    def __init__(
        self,
        choice: ChoiceConfig,
        stored: Notes | FeatureSet,
        known: Iterable[str],
        f0: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.known = tuple(known)
        self.velocity, self.instrument, self.split = stored.velocity, stored.instrument, stored.split
        given = np.where(stored.pitch < 0, np.nan, stored.pitch.astype(np.float64))
        found = np.full(len(stored), np.nan) if f0 is None else f0
        measured = np.isfinite(found)
        self.pitch = np.where(measured, hz_to_pitch(found), given)
        self.f0 = np.where(measured, found, 440 * 2 ** ((given - 69) / 12))
        self.usable = _chosen(choice, stored)
        if "pitch" in self.known:
            self.usable &= np.isfinite(self.pitch)

    def read(self, rows: Rows, starts: Rows | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features of notes and what a model is conditioned on.

        Args:
            rows: ``(batch,)``.
            starts: First sample of the crop of each; None: whole notes.

        Returns:
            ``(batch, n_features, n_frames)``, and the conditions that the model needs.
        """
        raise NotImplementedError

    def examples(self, rows: Rows) -> Tensor:
        """Return a few notes as they sound, ``(notes, samples)``, for the ear; ``rows`` may be validated with."""
        raise NotImplementedError

    def known_conditions(self, rows: Rows) -> dict[str, Tensor]:
        """Return the conditions that come from the note set, ``(rows, 1, 1)`` each, NaN where unknown."""
        velocity = self.velocity[rows].astype(np.float64)
        velocity[velocity < 0] = np.nan
        columns = {"pitch": self.pitch[rows], "velocity": velocity}
        return {name: torch.from_numpy(columns[name]).float()[:, None, None] for name in self.known}


class SoundNotes(NoteData):
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
        model: Trainable,
        device: torch.device,
    ) -> None:
        self.notes, self.representation, self.device = notes, representation, device
        rate = representation.sample_rate
        if notes.sample_rate != rate:
            raise InputError(f"the notes must have the representation's sample_rate={rate}, got {notes.sample_rate}")
        if config.crop_samples > notes.samples:
            raise InputError(f"crop_samples must be in 0..{notes.samples} with these notes, got {config.crop_samples}")
        self.samples = config.crop_samples or notes.samples
        self.n_frames = representation.n_frames(self.samples)
        self.room = min(notes.samples - self.samples, config.crop_latest or notes.samples)
        self.measured = [name for name in model.needs if name in representation.measures]
        known = [name for name in model.needs if name not in self.measured]
        if unknown := set(known) - STORED_CONDITIONS:
            raise InputError(
                f"the representation or the note set must tell the {sorted(unknown)[0]} that this model needs, "
                f"got a {config.representation.kind} representation"
            )
        super().__init__(config.choice, notes, known)

    def read(self, rows: Rows, starts: Rows | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features of notes or crops, each with its own reference, and what a model is conditioned on."""
        audio = self.notes.audio(rows)
        if starts is not None:
            crops = [sound[start : start + self.samples] for sound, start in zip(audio, starts, strict=True)]
            audio = torch.stack(crops)
        with torch.no_grad():
            features, context = self.representation.analyse(audio.to(self.device).unsqueeze(1))
        measured = {name: context.conditions[name] for name in self.measured}
        return features, self.known_conditions(rows) | measured

    def examples(self, rows: Rows) -> Tensor:
        """Return up to four of these notes, ``(notes, samples)``, as long as what the model sees."""
        chosen = rows[np.linspace(0, len(rows) - 1, min(N_EXAMPLES, len(rows))).astype(int)]
        return self.notes.audio(chosen)[:, : self.samples]


class PreparedNotes(NoteData):
    """Notes of a set of prepared features.

    The pitch is the one that was measured where the features were made, or the note set's where none was.

    Args:
        config: The settings.
        features: The prepared features.
        model: What is trained; it says what it must be conditioned on.

    Raises:
        InputError: If features and settings do not fit.
    """

    def __init__(self, config: TrainConfig, features: FeatureSet, model: Trainable) -> None:
        if features.representation != config.representation.model_dump(mode="json"):
            raise InputError(
                "the features must have been made with the run's representation, "
                f"got other settings in {features.folder}"
            )
        if config.crop_samples:
            raise InputError("crop_samples must be 0 with prepared features; crops are made of a note set")
        if unknown := set(model.needs) - STORED_CONDITIONS:
            raise InputError(
                f"a model that needs {sorted(unknown)[0]} must be trained on a note set, got prepared features"
            )
        super().__init__(config.choice, features, model.needs, features.f0)
        self.features, self.n_frames = features, features.n_frames

    def read(self, rows: Rows, starts: Rows | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features of notes, and what a model is conditioned on."""
        assert starts is None, "prepared features are not cropped"
        return self.features.features(rows), self.known_conditions(rows)

    def examples(self, rows: Rows) -> Tensor:
        """Return the notes that are kept as sound beside the features, ``(notes, samples)``."""
        return self.features.examples()


def _chosen(choice: ChoiceConfig, stored: Notes | FeatureSet) -> npt.NDArray[np.bool_]:
    """Tell which notes ``choice`` takes."""
    keep = np.ones(len(stored), bool)
    if (choice.pitch_min, choice.pitch_max) != (0, 127):
        keep &= (stored.pitch >= choice.pitch_min) & (stored.pitch <= choice.pitch_max)
    if choice.instruments:
        keep &= np.isin(stored.instrument, choice.instruments)
    return keep
