"""Latent codes of notes for maps: choice of the notes, encoding, and mixtures of the nearest codes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.metrics.envelope import rms_envelope
from intertone.parallel import side_by_side

BATCH = 8
"""Number of notes that are encoded together."""
N_NEAR = 3
"""Number of codes that are mixed at a place between notes."""
LEAST = 3
"""Smallest number of codes, since fewer do not define a plane."""


@dataclass(frozen=True)
class NoteCodes:
    """Latent codes of notes.

    Attributes:
        latents: Codes, ``(n, latent_dim, n_latents)``.
        levels: RMS amplitude of the sound at each latent vector, ``(n, n_latents)``.
        names: Instrument of each note.
        families: Instrument family of each note.
    """

    latents: Tensor
    levels: Tensor
    names: tuple[str, ...]
    families: tuple[str, ...]

    @property
    def means(self) -> Tensor:
        """Mean over time of each code, ``(n, latent_dim)``, weighted by the level so that silence has no effect."""
        weights = self.levels.clamp_min(1e-9)
        return (self.latents * weights[:, None]).sum(-1) / weights.sum(-1, keepdim=True)


def draw_notes(notes: Notes, count: int, *, split: str) -> npt.NDArray[np.int64]:
    """Return randomly drawn notes of a split; the same notes in every call.

    Args:
        notes: The note set.
        count: Largest number of notes.
        split: ``"train"``, ``"valid"`` or ``"test"``.

    Returns:
        Row numbers in the note set, ``(<= count,)``.

    Raises:
        InputError: If the split holds fewer than three notes.
    """
    rows = notes.select(split=split)
    _check(split, "notes", len(rows))
    return np.random.default_rng(0).permutation(rows)[:count]


def note_of_each(notes: Notes, count: int, *, split: str, pitch: float) -> npt.NDArray[np.int64]:
    """Return for each instrument of a split the note that is nearest to a pitch.

    Args:
        notes: The note set.
        count: Largest number of instruments; of more instruments, equally spaced ones in the order of names are taken.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        pitch: MIDI number.

    Returns:
        Row numbers in the note set, ``(<= count,)``.

    Raises:
        InputError: If the split holds fewer than three instruments.
    """
    rows = notes.select(split=split)
    distance = np.where(notes.pitch[rows] < 0, np.inf, abs(notes.pitch[rows] - pitch))
    rows = rows[np.argsort(distance, kind="stable")]
    _, first = np.unique(notes.instrument[rows], return_index=True)
    _check(split, "instruments", len(first))
    chosen = np.linspace(0, len(first) - 1, min(count, len(first))).round().astype(np.int64)
    return rows[first[chosen]]


def _check(split: str, items: str, count: int) -> None:
    if count < LEAST:
        raise InputError(f"the {split} split must hold at least {LEAST} {items}, got {count}")


def encode_notes(
    codec: Codec,
    notes: Notes,
    rows: npt.NDArray[np.int64],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> NoteCodes:
    """Return the codes of notes.

    Args:
        codec: The codec.
        notes: The note set.
        rows: Row numbers in the note set.
        progress: Called with (number of finished notes, number of all notes).

    Raises:
        InputError: If the sample rates differ, or the codec does not accept notes of this length.
    """
    if notes.sample_rate != codec.sample_rate:
        raise InputError(f"the notes must have the codec's sample_rate={codec.sample_rate}, got {notes.sample_rate}")
    latents, levels = [], []
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    seconds = codec.representation.frame_seconds

    def encoded(batch: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        sounds = notes.audio(batch)
        found = codec.encode(sounds[:, None])[0].float().cpu()
        level = rms_envelope(sounds, codec.sample_rate, window_seconds=seconds, step_seconds=seconds)[:, 1:]
        return found, torch.nn.functional.adaptive_avg_pool1d(level.float(), found.shape[-1])

    for found, level in side_by_side(encoded, batches):
        latents.append(found)
        levels.append(level)
        if progress is not None:
            progress(sum(map(len, latents)), len(rows))
    names, families = (tuple(str(name) for name in column[rows]) for column in (notes.instrument, notes.family))
    return NoteCodes(torch.cat(latents), torch.cat(levels), names, families)


def near_weights(points: Tensor, place: Tensor) -> Tensor:
    """Return the weight of each note in the mixture at a place: 1 / distance for the three nearest notes, normalised.

    Args:
        points: Coordinates of the notes, ``(n, 2)``.
        place: Coordinates of the place, ``(2,)``.

    Returns:
        Weights, ``(n,)``, with the sum 1; at most three are not 0.

    Example:
        >>> near_weights(torch.tensor([[0.0, 0.0], [3.0, 0.0], [9.0, 9.0], [0.0, 90.0]]), torch.tensor([1.0, 0.0]))
        tensor([0.6317, 0.3158, 0.0525, 0.0000])
    """
    distance = (points - place).norm(dim=1).clamp_min(1e-9)
    nearest = distance.argsort()[:N_NEAR]
    weights = torch.zeros_like(distance)
    weights[nearest] = 1 / distance[nearest]
    return weights / weights.sum()
