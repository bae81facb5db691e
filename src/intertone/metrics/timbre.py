"""Timbre distance of two sounds by statistics of their mel-frequency cepstral coefficients (MFCC)."""

import torch
from torch import Tensor

from intertone.metrics.spectral import LOG_MEL_16K, log_mel

N_MFCC = 13
"""Number of coefficients; the first one, which is the level of the frame, is not used."""


def mfcc_statistics(audio: Tensor) -> Tensor:
    """Return mean and standard deviation over time of MFCC 2–13.

    MFCC are the orthonormal cosine transform (DCT-II) of ``log_mel`` at 16 kHz over the bands.

    Args:
        audio: 16 kHz mono, ``(samples,)``; its level does not matter.

    Returns:
        dB, ``(24,)``, float64: the means, then the standard deviations.

    Raises:
        ValueError: If ``audio`` is not one-dimensional.

    Source:
        Davis and Mermelstein (1980), "Comparison of parametric representations for monosyllabic word recognition", for
        the coefficients; 2–13 as in Cífka et al. (2021), "Self-supervised VQ-VAE for one-shot music style transfer".

    Example:
        >>> mfcc_statistics(torch.randn(16000)).shape
        torch.Size([24])
    """
    if audio.ndim != 1:
        raise ValueError(f"audio must be (samples,), got {tuple(audio.shape)}")
    from scipy import fft  # slow to import, and not needed for a morph

    bands = log_mel(audio.float(), LOG_MEL_16K).double().numpy()
    coefficients = torch.from_numpy(fft.dct(bands, axis=0, norm="ortho")[1:N_MFCC])
    return torch.cat([coefficients.mean(1), coefficients.std(1, correction=0)])


def mfcc_distance(estimate: Tensor, reference: Tensor) -> float:
    """Return the cosine distance, 1 − cosine, of the ``mfcc_statistics`` of two sounds.

    Cífka et al. use the same coefficients as the input of a trained triplet distance; the values of the two distances
    cannot be compared. Given two sounds of one instrument and one sound of another, with different notes, this distance
    is smallest between the first two in about four of five cases.

    Args:
        estimate: 16 kHz mono, ``(samples,)``.
        reference: The same, of any length.

    Returns:
        0…2; 0 for equal statistics, such as those of sounds that differ in gain or polarity only; 1 if one sound is
        silent.

    Raises:
        ValueError: If a sound is not one-dimensional.

    Example:
        >>> sound = torch.randn(16000)
        >>> round(mfcc_distance(-0.5 * sound, sound), 6)
        0.0
    """
    first, second = (mfcc_statistics(sound) for sound in (estimate, reference))
    return max(0.0, 1 - float(torch.nn.functional.cosine_similarity(first, second, dim=0)))
