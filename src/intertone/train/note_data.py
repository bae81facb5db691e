"""Notes to train on, read from a note set (audio) or from prepared features."""

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
"""Largest number of validation notes among the sample sounds of a run."""

STORED_CONDITIONS = {"pitch", "velocity"}
"""Conditions that are stored in a note set, so that no representation has to measure them."""


class NoteData:
    """Notes to train on; the base class of ``SoundNotes`` and ``PreparedNotes``.

    Args:
        choice: Selection of the notes that are used.
        stored: The note set or the prepared features.
        known: Conditions that are read from ``stored``: ``pitch``, ``velocity``. If they include ``pitch``, notes of
            unknown pitch are not used.
        f0: Measured f0 of each note in Hz, which replaces the stored pitch; NaN: not measured. None: no note has one.

    Attributes:
        pitch: MIDI number of each note, with fractions; NaN: unknown.
        f0: The same pitch in Hz.
        velocity: 1…127; −1: unknown.
        instrument: Name of each note's instrument.
        split: ``train``, ``valid`` or ``test`` for each note.
        usable: Whether the run may use the note.
        n_frames: Number of frames of each note or crop.
        room: The last sample at which a crop may begin.
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
        """Return the features and conditions of notes.

        Args:
            rows: Row numbers of the notes, ``(batch,)``.
            starts: First sample of each note's crop, ``(batch,)``; None: whole notes.

        Returns:
            The features, ``(batch, n_features, n_frames)``, and the conditions that the model needs, by name.
        """
        raise NotImplementedError

    def examples(self, rows: Rows) -> Tensor:
        """Return the audio of a few validation notes, ``(notes, samples)``; ``rows`` are those of all such notes."""
        raise NotImplementedError

    def known_conditions(self, rows: Rows) -> dict[str, Tensor]:
        """Return the conditions that are read from the note set, ``(rows, 1, 1)`` each; NaN: unknown."""
        velocity = self.velocity[rows].astype(np.float64)
        velocity[velocity < 0] = np.nan
        columns = {"pitch": self.pitch[rows], "velocity": velocity}
        return {name: torch.from_numpy(columns[name]).float()[:, None, None] for name in self.known}


class SoundNotes(NoteData):
    """Notes of a note set, whose features are computed from the audio when they are read.

    Conditions that the representation measures come from the audio, all others from the note set.

    Args:
        config: The settings of the run.
        notes: The note set.
        representation: The representation that computes the features.
        model: The model that is trained; its ``needs`` name the conditions.
        device: The torch device on which the features are computed.

    Raises:
        InputError: If the sample rates of notes and representation differ, a crop is longer than the notes, or neither
            the note set nor the representation provides a condition that the model needs.
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
                f"the representation or the note set must provide the {sorted(unknown)[0]} that this model needs, "
                f"got a {config.representation.kind} representation"
            )
        super().__init__(config.choice, notes, known)

    def read(self, rows: Rows, starts: Rows | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features and conditions of notes or crops; each one is normalised by its own reference level."""
        audio = self.notes.audio(rows)
        if starts is not None:
            crops = [sound[start : start + self.samples] for sound, start in zip(audio, starts, strict=True)]
            audio = torch.stack(crops)
        with torch.no_grad():
            features, context = self.representation.analyse(audio.to(self.device).unsqueeze(1))
        measured = {name: context.conditions[name] for name in self.measured}
        return features, self.known_conditions(rows) | measured

    def examples(self, rows: Rows) -> Tensor:
        """Return the audio of up to four of these notes, ``(notes, samples)``, cut to the length used in training."""
        chosen = rows[np.linspace(0, len(rows) - 1, min(N_EXAMPLES, len(rows))).astype(int)]
        return self.notes.audio(chosen)[:, : self.samples]


class PreparedNotes(NoteData):
    """Notes whose features were prepared before training.

    The pitch is the one that was measured during preparation, or the note set's if none was measured.

    Args:
        config: The settings of the run.
        features: The prepared features.
        model: The model that is trained; its ``needs`` name the conditions.

    Raises:
        InputError: If the features were made with another representation, the settings ask for crops, or the model
            needs a condition that is not stored with the features.
    """

    def __init__(self, config: TrainConfig, features: FeatureSet, model: Trainable) -> None:
        if features.representation != config.representation.model_dump(mode="json"):
            raise InputError(
                "the features must have been made with the run's representation, "
                f"got other settings in {features.folder}"
            )
        if config.crop_samples:
            raise InputError(
                "crop_samples must be 0 with prepared features; only the sounds of a note set can be cropped"
            )
        if unknown := set(model.needs) - STORED_CONDITIONS:
            raise InputError(
                f"a model that needs {sorted(unknown)[0]} must be trained on a note set, got prepared features"
            )
        super().__init__(config.choice, features, model.needs, features.f0)
        self.features, self.n_frames = features, features.n_frames

    def read(self, rows: Rows, starts: Rows | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the features and conditions of notes; ``starts`` must be None."""
        assert starts is None, "prepared features are not cropped"
        return self.features.features(rows), self.known_conditions(rows)

    def examples(self, rows: Rows) -> Tensor:
        """Return the audio of the notes that is stored with the features, ``(notes, samples)``."""
        return self.features.examples()


def _chosen(choice: ChoiceConfig, stored: Notes | FeatureSet) -> npt.NDArray[np.bool_]:
    """Return whether ``choice`` selects each note, ``(notes,)``."""
    keep = np.ones(len(stored), bool)
    if (choice.pitch_min, choice.pitch_max) != (0, 127):
        keep &= (stored.pitch >= choice.pitch_min) & (stored.pitch <= choice.pitch_max)
    if choice.instruments:
        keep &= np.isin(stored.instrument, choice.instruments)
    return keep
