"""Effect of a single value of the latent code on the decoded spectrum."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.draw import Rows
from intertone.evaluate.resynthesis import spectrogram_of
from intertone.models import Model

Array = npt.NDArray[np.float64]

N_MOVED = 3
"""Number of code values that are varied, one at a time."""

SPREADS = 2.0
"""Change of a value in either direction, in standard deviations."""


@dataclass(frozen=True)
class Move:
    """Effect of changing one value of the code on the mean spectrum.

    Attributes:
        number: Index of the value in a latent vector.
        channel: Channel of the value.
        deviation: Standard deviation of the value over notes.
        bin_hz: Width of a feature row, Hz.
        hz: Lower and upper edge of the feature rows at the position of the value in the code, Hz.
        up: Change of each feature row when the value is increased, dB.
        down: Change of each feature row when the value is decreased, dB.
        inside: Share of the squared change that is within ``hz``.
        width: Width of the narrowest band that contains 90 % of the squared change, Hz.
    """

    number: int
    channel: int
    deviation: float
    bin_hz: float
    hz: tuple[float, float]
    up: tuple[float, ...]
    down: tuple[float, ...]
    inside: float
    width: float


@torch.inference_mode()
def move_numbers(codec: Codec, notes: Notes, pooled: Array, rows: Rows) -> tuple[Move, ...]:
    """Return the change of the mean spectrum when single values of the code are changed.

    The values with the largest standard deviation over ``pooled`` are chosen, at most one of each channel. Each is
    changed by two standard deviations in either direction, in all latent vectors. The spectrum is the mean over notes
    and frames of the decoded features, in dB.

    Args:
        codec: A codec whose code keeps the frequency and time axes (convolutional).
        notes: The note set.
        pooled: Codes for the standard deviations, averaged over time, ``(n, latent_dim)``.
        rows: Row numbers of the notes whose codes are changed.

    Returns:
        One entry for each value.

    Raises:
        InputError: If the codec's representation is no spectrogram, or its code does not keep the axes.
    """
    representation = codec.representation
    range_db = representation.scales[0].range_db
    spectrogram = spectrogram_of(codec)
    bin_hz = spectrogram.sample_rate / spectrogram.n_fft
    features, _ = representation.analyse(notes.audio(rows).unsqueeze(1))
    latents = codec.encode_features(features)
    n_rows, reduction = rows_of_code(codec.model, features[:1])
    deviation = pooled.std(0)
    numbers: list[int] = []
    for number in np.argsort(-deviation):
        if number // n_rows not in [known // n_rows for known in numbers] and len(numbers) < N_MOVED:
            numbers.append(int(number))
    still = _mean_spectrum(codec, latents)
    moved = []
    for number in numbers:
        change = {}
        for word, sign in (("up", 1), ("down", -1)):
            other = latents.clone()
            other[:, number] += sign * SPREADS * float(deviation[number])
            change[word] = range_db * (_mean_spectrum(codec, other) - still)
        squares = change["up"] ** 2 + change["down"] ** 2
        first = number % n_rows * reduction
        moved.append(
            Move(
                number,
                number // n_rows,
                float(deviation[number]),
                bin_hz,
                (first * bin_hz, (first + reduction) * bin_hz),
                tuple(round(float(value), 4) for value in change["up"]),
                tuple(round(float(value), 4) for value in change["down"]),
                float(squares[first : first + reduction].sum() / max(squares.sum(), 1e-30)),
                _narrowest(squares, 0.9) * bin_hz,
            )
        )
    return tuple(moved)


def rows_of_code(model: Model, features: Tensor) -> tuple[int, int]:
    """Return the number of frequency rows of a code that keeps the axes, and the feature rows per code row.

    Args:
        model: The model.
        features: Any features, ``(batch, n_features, n_frames)``.

    Raises:
        InputError: If the code does not keep the frequency axis.
    """
    maps = [model.n_features, *(found.shape[2] for found in model.activations(features).values() if found.ndim == 4)]
    if model.n_frames is not None or len(maps) == 1:
        facts = ", ".join(f"{name} {value}" for name, value in model.facts().items())
        raise InputError(
            f"a code must have a frequency and a time axis, for parts of it to be shifted, got a model with {facts}"
        )
    return maps[-1], math.prod(-(-rows // fewer) for rows, fewer in pairwise(maps))


def _mean_spectrum(codec: Codec, latents: Tensor) -> Array:
    return codec.decode_features(latents).clamp(0, 1).mean((0, -1)).double().cpu().numpy()


def _narrowest(squares: Array, share: float) -> int:
    """Return the length of the shortest range of rows with at least ``share`` of the sum; 0 if the sum is 0."""
    if not squares.any():
        return 0
    total = np.concatenate([[0.0], np.cumsum(squares)])
    stops = np.searchsorted(total, total[:-1] + share * total[-1] - 1e-12)
    lengths = stops - np.arange(len(squares))
    return int(lengths[stops <= len(squares)].min())
