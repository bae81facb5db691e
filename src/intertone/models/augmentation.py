"""Input augmentation: quantities computed from a frame that are appended to the encoder's input, not to its target."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from intertone.errors import InputError
from intertone.stft import mel_triangles

AugmentationKind = Literal["none", "first-difference", "second-difference", "mel", "mfcc"]

"""Kind of the appended quantities; ``none``: nothing is appended."""
FEWEST_BINS = 9
"""Smallest number of bins of a spectrum: that of 16 samples."""
QUIETEST = 1e-4
"""Floor of the mel magnitudes of a cepstrum: 80 dB below the loudest bin of a frame."""


class Differences(nn.Module):
    """First or second differences of neighbouring bins.

    Args:
        n_features: Number of bins of a frame.
        order: 1 or 2.

    Attributes:
        size: Number of appended values.
    """

    def __init__(self, n_features: int, order: int) -> None:
        super().__init__()
        self.order, self.size = order, n_features - order

    def forward(self, frames: Tensor) -> Tensor:
        """Return the differences, ``(..., size)``, of frames, ``(..., n_features)``."""
        return frames.diff(n=self.order)


class MelBands(nn.Module):
    """Mel bands of a magnitude frame, or their cepstrum.

    Args:
        frequencies: Frequency of each bin, Hz, rising, ``(n_features,)``; the bands reach from 0 Hz to the last one.
        n_mels: Number of bands.
        cepstrum: First coefficient and the one after the last of the orthonormal cosine transform of the bands' natural
            logarithms; None: the bands themselves are appended.

    Attributes:
        size: Number of appended values.
    """

    bank: Tensor
    cosines: Tensor | None

    def __init__(self, frequencies: Tensor, *, n_mels: int, cepstrum: tuple[int, int] | None = None) -> None:
        super().__init__()
        # not saved with the weights, since it is computed from the settings
        bank = mel_triangles(frequencies, n_mels=n_mels, f_min=0, f_max=float(frequencies[-1]))
        self.register_buffer("bank", bank, persistent=False)
        cosines = None if cepstrum is None else cosine_transform(n_mels)[slice(*cepstrum)]
        self.register_buffer("cosines", cosines, persistent=False)
        self.size = n_mels if cosines is None else len(cosines)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the bands or coefficients, ``(..., size)``, of frames, ``(..., n_features)``."""
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
    """Return the module that computes the appended values, or None for ``none``.

    Args:
        kind: Kind of the augmentation.
        n_features: Number of bins of a frame.
        frequencies: Frequency of each bin, Hz, ``(n_features,)``, for ``mel`` and ``mfcc``; None: they are not fixed.
        n_mels: Number of mel bands, for ``mel`` and ``mfcc``.
        cepstrum: First coefficient of ``mfcc`` and the one after the last.

    Raises:
        InputError: If there are too few features for a spectrum, or ``kind`` needs frequencies and they are None.

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
                raise InputError(
                    "augmentation must be none, first-difference or second-difference for features whose rows have no "
                    f"fixed frequencies, got {kind}"
                )
            return MelBands(frequencies, n_mels=n_mels, cepstrum=cepstrum if kind == "mfcc" else None)
