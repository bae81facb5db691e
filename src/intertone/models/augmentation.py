"""Input augmentation: what is appended to a frame on its way into an encoder; the target stays the frame."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from intertone.errors import InputError
from intertone.stft import mel_triangles

AugmentationKind = Literal["none", "first-difference", "second-difference", "mel", "mfcc"]

FEWEST_BINS = 9
"""Bins of the smallest spectrum, of 16 samples."""

QUIETEST = 1e-4
"""Mel magnitude below which the logarithm of a cepstrum does not go: 80 dB under the loudest bin of a frame."""


class Differences(nn.Module):
    """Differences of neighbouring bins, or differences of these.

    Args:
        n_features: Bins of a frame.
        order: 1 or 2.

    Attributes:
        size: Numbers that are appended.
    """

    def __init__(self, n_features: int, order: int) -> None:
        super().__init__()
        self.order, self.size = order, n_features - order

    def forward(self, frames: Tensor) -> Tensor:
        """Return the differences of frames ``(..., n_features)``: ``(..., size)``."""
        return frames.diff(n=self.order)


class MelBands(nn.Module):
    """Mel bands of a frame of magnitudes, or their cepstrum.

    Args:
        frequencies: Hz of each bin of a frame, rising, ``(n_features,)``; the bands lie between 0 Hz and the last.
        n_mels: Bands.
        cepstrum: First coefficient and the one after the last, of the orthonormal cosine transform of the bands'
            natural logarithms; none: the bands themselves.

    Attributes:
        size: Numbers that are appended.
    """

    bank: Tensor
    cosines: Tensor | None

    def __init__(self, frequencies: Tensor, *, n_mels: int, cepstrum: tuple[int, int] | None = None) -> None:
        super().__init__()
        # made anew from the settings, so that the weights on disk are the network's alone
        bank = mel_triangles(frequencies, n_mels=n_mels, f_min=0, f_max=float(frequencies[-1]))
        self.register_buffer("bank", bank, persistent=False)
        cosines = None if cepstrum is None else cosine_transform(n_mels)[slice(*cepstrum)]
        self.register_buffer("cosines", cosines, persistent=False)
        self.size = n_mels if cosines is None else len(cosines)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the bands or coefficients of frames ``(..., n_features)``: ``(..., size)``."""
        bands = (frames.square() @ self.bank.T).clamp_min(QUIETEST**2).sqrt()
        return bands if self.cosines is None else bands.log() @ self.cosines.T


def cosine_transform(size: int) -> Tensor:
    """Return the matrix of the orthonormal discrete cosine transform of type II, ``(size, size)``.

    Example:
        >>> matrix = cosine_transform(4)
        >>> bool(torch.allclose(matrix @ matrix.T, torch.eye(4), atol=1e-6))
        True
    """
    order, place = torch.arange(size, dtype=torch.float64)[:, None], torch.arange(size) + 0.5
    matrix = torch.cos(math.pi / size * order * place) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix.float()


def build_augmentation(
    kind: AugmentationKind, n_features: int, *, frequencies: Tensor | None, n_mels: int, cepstrum: tuple[int, int]
) -> Differences | MelBands | None:
    """Return what is appended to frames, or None.

    Args:
        kind: Which.
        n_features: Bins of a frame.
        frequencies: Hz of each bin, ``(n_features,)``, for ``mel`` and ``mfcc``; None: they are not fixed.
        n_mels: Bands of these.
        cepstrum: First coefficient of ``mfcc`` and the one after the last.

    Raises:
        InputError: If the features are too few rows to be a spectrum, or mel bands are asked for and the bins lie at
            no fixed frequencies.

    Source:
        Colonel, Curro and Keene (2018), "Autoencoding Neural Networks as Musical Audio Synthesizers".
    """
    if kind != "none" and n_features < FEWEST_BINS:
        raise InputError(f"{kind} must be computed from the bins of a spectrum, got features of {n_features} rows")
    match kind:
        case "none":
            return None
        case "first-difference" | "second-difference":
            return Differences(n_features, 1 if kind == "first-difference" else 2)
        case "mel" | "mfcc":
            if frequencies is None:
                raise InputError(f"augmentation must be none or of differences without fixed frequencies, got {kind}")
            return MelBands(frequencies, n_mels=n_mels, cepstrum=cepstrum if kind == "mfcc" else None)
