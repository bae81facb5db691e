"""Timbre of a sound as the statistics of its mel-frequency cepstrum, and how far apart two of them are."""

import torch
from scipy import fft
from torch import Tensor

from intertone.metrics.spectral import LOG_MEL_16K, log_mel

N_MFCC = 13
"""Coefficients; the first, the level of the frame, is left out of every distance."""


def mfcc_statistics(audio: Tensor) -> Tensor:
    """Return mean and standard deviation over time of MFCC 2–13.

    The orthonormal cosine transform (DCT-II) of ``log_mel`` at 16 kHz, over all frames.

    Args:
        audio: 16 kHz mono, ``(samples,)``; its level does not matter.

    Returns:
        dB, ``(24,)``, float64: the means, then the deviations.

    Raises:
        ValueError: If ``audio`` is not one sound.

    Source:
        Davis and Mermelstein (1980), "Comparison of parametric representations for monosyllabic word recognition", for
        the coefficients; 2–13 as in Cífka et al. (2021), "Self-supervised VQ-VAE for one-shot music style transfer".

    Example:
        >>> mfcc_statistics(torch.randn(16000)).shape
        torch.Size([24])
    """
    if audio.ndim != 1:
        raise ValueError(f"audio must be (samples,), got {tuple(audio.shape)}")
    bands = log_mel(audio.float(), LOG_MEL_16K).double().numpy()
    coefficients = torch.from_numpy(fft.dct(bands, axis=0, norm="ortho")[1:N_MFCC])
    return torch.cat([coefficients.mean(1), coefficients.std(1, correction=0)])


def mfcc_distance(estimate: Tensor, reference: Tensor) -> float:
    """Return the cosine distance of the MFCC statistics of two sounds.

    1 − cosine of the two ``mfcc_statistics``. Nothing is trained: it is not the triplet distance of Cífka et al., whose
    input these coefficients are, and its numbers are not to be compared with theirs. Of two sounds of an instrument and
    one of another, playing other notes, it finds the two in about four of five cases.

    Args:
        estimate: 16 kHz mono, ``(samples,)``.
        reference: The same, of any length.

    Returns:
        0 for equal statistics, so for sounds that differ in gain or polarity only, to 2; 1 where one of the two is
        silent.

    Raises:
        ValueError: If one is not one sound.

    Example:
        >>> sound = torch.randn(16000)
        >>> round(mfcc_distance(-0.5 * sound, sound), 6)
        0.0
    """
    first, second = (mfcc_statistics(sound) for sound in (estimate, reference))
    return max(0.0, 1 - float(torch.nn.functional.cosine_similarity(first, second, dim=0)))
