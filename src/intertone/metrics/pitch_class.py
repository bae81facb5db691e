"""Similarity of the melodies of two sounds by their chroma (pitch classes), independent of the instrument."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.level import db_to_amplitude
from intertone.metrics.pair import unit_rms
from intertone.pitch.chroma import chroma_filterbank
from intertone.stft import SpectrogramConfig, stft

CHROMA_STFT = SpectrogramConfig(sample_rate=16000, n_fft=2048, hop_length=512)
MAX_SHIFT_SECONDS = 0.25
"""Largest delay between aligned frames; without a limit, the alignment could match different sequences of notes."""

SOUNDING_DB = 40.0
"""Range below the loudest frame, in dB; frames below it count as silent."""

Array = npt.NDArray[np.float64]


def chroma_similarity(estimate: Tensor, reference: Tensor) -> float:
    """Return the mean cosine similarity of the chroma vectors of two sounds along their best alignment.

    A chroma vector is the power of a frame (window 2048, hop 512) in the twelve pitch classes. The alignment is found
    by dynamic time warping with the steps (1, 1), (1, 0) and (0, 1) and a delay of at most 0.25 s. If only one of two
    aligned frames is silent, their similarity is 0; if both are, it is 1.

    Args:
        estimate: 16 kHz mono, ``(samples,)``; its level does not matter.
        reference: The same.

    Returns:
        0…1; 1 for sounds that differ in gain or polarity only.

    Raises:
        ValueError: If a sound is not one-dimensional, or the lengths differ by more than 0.25 s.

    Source:
        Müller (2007), "Information retrieval for music and motion", chapters 3 and 4.

    Example:
        >>> tone = torch.sin(torch.arange(32000) * 0.17)
        >>> round(chroma_similarity(-0.5 * tone, tone), 3)
        1.0
    """
    first, second = (_chroma(sound) for sound in (estimate, reference))
    shift = round(MAX_SHIFT_SECONDS * CHROMA_STFT.sample_rate / CHROMA_STFT.hop_length)
    if abs(first.shape[1] - second.shape[1]) > shift:
        raise ValueError(f"lengths must differ by at most {MAX_SHIFT_SECONDS} s, got {len(estimate)}, {len(reference)}")
    silent = (first.sum(0) == 0)[:, None] & (second.sum(0) == 0)[None, :]
    return _best_path(np.where(silent, 1.0, first.T @ second), shift)


def _chroma(audio: Tensor) -> Array:
    """Return the chroma of each frame, normalised to length 1, ``(12, n_frames)``; 0 for silent frames."""
    if audio.ndim != 1:
        raise ValueError(f"audio must be (samples,), got {tuple(audio.shape)}")
    magnitude = stft(unit_rms(audio.float()), CHROMA_STFT).abs()
    level = magnitude.square().sum(0).sqrt()
    power = (chroma_filterbank(CHROMA_STFT) @ magnitude.square()).double()
    sounding = level > level.max() * db_to_amplitude(-SOUNDING_DB)
    return torch.where(sounding, torch.nn.functional.normalize(power, dim=0), 0.0).numpy()


def _best_path(similarity: Array, shift: int) -> float:
    """Return the mean similarity along the path of least total dissimilarity, at most ``shift`` off the diagonal."""
    rows, columns = similarity.shape
    cost = np.full((rows + 1, columns + 1), np.inf)
    length = np.zeros((rows + 1, columns + 1), np.int64)
    cost[0, 0] = 0
    for row in range(rows):
        for column in range(max(0, row - shift), min(columns, row + shift + 1)):
            step = min(((row, column), (row, column + 1), (row + 1, column)), key=lambda place: cost[place])
            cost[row + 1, column + 1] = cost[step] + 1 - similarity[row, column]
            length[row + 1, column + 1] = length[step] + 1
    return float(1 - cost[rows, columns] / length[rows, columns])
