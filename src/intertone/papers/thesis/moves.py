"""Effect of one number of a code on the spectrum."""

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
"""Numbers of the code that are moved."""

SPREADS = 2.0
"""Distance that they are moved to either side, in standard deviations."""


@dataclass(frozen=True)
class Move:
    """Effect of moving a number of the code on the mean spectrum.

    Attributes:
        number: Of the code.
        channel: That it belongs to.
        deviation: Its standard deviation.
        bin_hz: Hz of a row.
        hz: Lowest and highest of the rows that it stands for.
        up: Change of each row where it is raised, dB.
        down: The same where it is lowered.
        inside: Share of the squared change that lies in its own rows.
        width: Hz of the narrowest band with nine tenths of it.
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
    """Move single numbers of the code and see what that does to the mean spectrum.

    The numbers that vary most over ``pooled``, one of each channel at most; moved at all times by two of their standard
    deviations to either side. The spectrum is the mean over notes and frames of the decoded features, in dB.

    Args:
        codec: The codec, with a code that keeps the axes.
        notes: The note set.
        pooled: Codes over which the deviations are taken, ``(n, latent_dim)``.
        rows: Notes whose codes are moved.

    Returns:
        One entry for each number.

    Raises:
        InputError: If the codec is none of spectrograms, or the code does not keep the axes.
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
    """Return the rows of a code that keeps the axes, and how many feature rows each of them stands for.

    Args:
        model: The model.
        features: Some, ``(batch, n_features, n_frames)``.

    Raises:
        InputError: If the code has no rows.
    """
    maps = [model.n_features, *(found.shape[2] for found in model.activations(features).values() if found.ndim == 4)]
    if model.n_frames is not None or len(maps) == 1:
        facts = ", ".join(f"{name} {value}" for name, value in model.facts().items())
        raise InputError(f"numbers are moved in a code that keeps the axes, got that of a model with {facts}")
    return maps[-1], math.prod(-(-rows // fewer) for rows, fewer in pairwise(maps))


def _mean_spectrum(codec: Codec, latents: Tensor) -> Array:
    return codec.decode_features(latents).clamp(0, 1).mean((0, -1)).double().cpu().numpy()


def _narrowest(squares: Array, share: float) -> int:
    """Return the length of the shortest run of rows that holds ``share`` of the sum; 0 where there is nothing."""
    if not squares.any():
        return 0
    total = np.concatenate([[0.0], np.cumsum(squares)])
    stops = np.searchsorted(total, total[:-1] + share * total[-1] - 1e-12)
    lengths = stops - np.arange(len(squares))
    return int(lengths[stops <= len(squares)].min())
