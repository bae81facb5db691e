"""How much of a note survives the code: the codec beside the baselines, all through one way back."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.baselines import LinearCode, fit_linear_code, images_that_fit, rank_one
from intertone.evaluate.draw import Rows, draw_notes
from intertone.metrics import log_mel_error, loud_cell_error
from intertone.metrics.spectral import LOG_MEL_STFT
from intertone.phase import PhaseConfig
from intertone.representation import Analysis

BATCH = 16
ESTIMATED = PhaseConfig(method="pghi-fast")

Step = Callable[[int], None]


def summary(values: Sequence[float] | np.ndarray) -> dict[str, float | int]:
    """Return count, mean, median, 10th and 90th percentile.

    Example:
        >>> summary([1.0, 2.0, 6.0])
        {'n': 3, 'mean': 3.0, 'median': 2.0, 'p10': 1.2, 'p90': 5.2}
    """
    array = np.asarray(values, np.float64)
    p10, median, p90 = (round(float(value), 6) for value in np.percentile(array, [10, 50, 90]))
    return {"n": len(array), "mean": round(float(array.mean()), 6), "median": median, "p10": p10, "p90": p90}


def fit_baseline(codec: Codec, notes: Notes, *, n_components: int, n_bytes: float, seed: int) -> LinearCode:
    """Fit a linear code to the features of training notes.

    Args:
        codec: Only its representation is used.
        notes: The note set, at the codec's rate, with at least two training notes.
        n_components: Numbers of the code wanted; fewer where there are too few notes.
        n_bytes: Memory for the images that are fitted to; 1.5 for each component are read even where it is not enough.
        seed: Of the draw of the notes.

    Returns:
        The code, of images ``(n_features, n_frames)``.

    Raises:
        ValueError: If there are fewer than two training notes.
    """
    representation = codec.representation
    cells = representation.n_features * representation.n_frames(notes.samples)
    available = len(notes.select(split="train"))
    n_images = images_that_fit(n_bytes, cells=cells, n_components=n_components, available=available)
    rows = draw_notes(notes, n_images, split="train", seed=seed)

    def read(part: slice) -> Tensor:
        return representation.analyse(notes.audio(rows[part]).unsqueeze(1).to(codec.device))[0]

    return fit_linear_code(read, len(rows), n_components)


@dataclass(frozen=True)
class Reconstructions:
    """Some notes, and what the codec and the baselines make of them.

    Attributes:
        start: How many notes came before these.
        rows: Of the notes, ``(n,)``.
        audio: The notes, ``(n, samples)``.
        sample_rate: Of all sounds, Hz.
        latents: Their code, ``(n, latent_dim, n_latents)``.
        sounds: (method, ``"kept"`` or ``"estimated"``) → ``(n, samples)``.
    """

    start: int
    rows: Rows
    audio: Tensor
    sample_rate: int
    latents: Tensor
    sounds: dict[tuple[str, str], Tensor]


Figures = dict[tuple[str, str], dict[str, Tensor]]
"""(method, phase) → name of a figure → one number a note, ``(n,)``; NaN where it cannot be told."""


@torch.inference_mode()
def reconstruct_notes(
    codec: Codec, notes: Notes, rows: Rows, linear: LinearCode, *, n_estimated: int, seed: int
) -> Iterator[Reconstructions]:
    """Yield the codec's and the baselines' reconstructions of ``rows`` batch by batch, all through one way back.

    Args:
        codec: The codec.
        notes: The note set.
        rows: The notes.
        linear: The linear code of the same size.
        n_estimated: The baselines get an estimated phase for the first so many notes only: it is slow.
        seed: Of random phase.

    Returns:
        An iterator over batches, in the order of ``rows``.
    """
    representation = codec.representation
    mean_image = linear.mean.view(representation.n_features, -1)
    for start in range(0, len(rows), BATCH):
        audio = notes.audio(rows[start : start + BATCH])
        features, context = representation.analyse(audio.unsqueeze(1).to(codec.device))
        latents = codec.encode_features(features)
        images = {
            "codec": codec.decode_features(latents)[..., : features.shape[-1]],
            "true magnitude": features,
            "PCA": linear.reconstruct(features),
            "rank one": rank_one(features, range_db=representation.scales[0].range_db),
            "mean image": mean_image.to(features).expand_as(features),
        }
        sounds = {}
        for method, image in images.items():
            for phase in (PhaseConfig(method="kept"), ESTIMATED):
                kept = phase.method == "kept"
                if (kept and method == "true magnitude") or not (
                    kept or method in ("codec", "true magnitude") or start < n_estimated
                ):
                    continue
                sound = representation.synthesise(Analysis(image, context), phase=phase, generator=seeded(seed))
                sounds[method, "kept" if kept else "estimated"] = sound.cpu().squeeze(1)
        batch = rows[start : start + BATCH]
        yield Reconstructions(start, batch, audio, codec.sample_rate, latents.cpu(), sounds)


def reconstruction_errors(batch: Reconstructions) -> Figures:
    """Return ``log_mel_error`` and ``loud_cell_error``, dB, of every reconstruction."""
    reference = at_16_khz(batch.audio, batch.sample_rate)
    figures = {}
    for key, sound in batch.sounds.items():
        estimate = at_16_khz(sound, batch.sample_rate)
        figures[key] = {
            "log_mel_error": log_mel_error(estimate, reference),
            "loud_cell_error": loud_cell_error(estimate, reference),
        }
    return figures


class Collected:
    """Figures of one batch after the other, as a table of summaries."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))

    def add(self, figures: Figures) -> None:
        """Take the figures of a batch."""
        for key, columns in figures.items():
            for name, values in columns.items():
                self._parts[key][name].append(values)

    def table(self) -> list[dict[str, Any]]:
        """Return one row for each method and phase, with the ``summary`` of each figure, NaN left out.

        A figure that no note has is None.
        """
        table = []
        for (method, phase), columns in self._parts.items():
            line: dict[str, Any] = {"method": method, "phase": phase}
            for name, parts in columns.items():
                values = torch.cat(parts).double()
                values = values[~values.isnan()]
                line[name] = summary(values.numpy()) if len(values) else None
            table.append(line)
        return table


def at_16_khz(audio: Tensor, sample_rate: int) -> Tensor:
    """Return ``audio`` at the rate that the metrics are defined for."""
    return resample(audio, sample_rate, LOG_MEL_STFT.sample_rate)


def seeded(seed: int) -> torch.Generator:
    """Return a new generator with ``seed``, so that no result depends on what was judged before."""
    return torch.Generator().manual_seed(seed)
