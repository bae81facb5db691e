"""Comparison of short crops of two sounds: difference of their textures, and detection of copied passages."""

import math

import torch
from torch import Tensor

from intertone.metrics.spectral import LOG_MEL_16K, log_mel

CROP_SECONDS = 0.5
STEP_FRAMES = 2
"""Hop between the crops of ``crop_distance``, in frames of 16 ms; 2 instead of 1 halves the computation."""

COPY_OVERLAP = 4
"""Overlap of the crops of ``largest_crop_correlation``: their hop is the length of a crop divided by this number."""

AUDIBLE_DB = 40.0
"""Range below the loudest crop, in dB, within which crops are compared."""


def crop_distance(estimate: Tensor, reference: Tensor) -> float:
    """Return the energy distance between the crops of two sounds, which are represented by log-mel statistics.

    Crops of 0.5 s begin every 32 ms. Each is represented by the mean and the standard deviation over its frames of the
    64 bands of ``log_mel``. With ``d`` the root-mean-square difference of two crops, the distance is
    ``2·mean d(x, y) − mean d(x, x′) − mean d(y, y′)``: a maximum mean discrepancy (MMD) with the kernel −d.

    Args:
        estimate: 16 kHz mono, ``(samples,)``, at least 0.5 s; its level does not matter.
        reference: The same, of any length.

    Returns:
        dB, >= 0; 0 for equal sets of crops, such as those of sounds that differ in gain or polarity only.

    Raises:
        ValueError: If a sound is shorter than a crop or not one-dimensional.

    Source:
        Székely and Rizzo (2013), "Energy statistics: A class of statistics based on distances"; Sejdinovic et al.
        (2013), "Equivalence of distance-based and RKHS-based statistics in hypothesis testing".

    Example:
        >>> sound = torch.randn(16000)
        >>> round(crop_distance(-0.5 * sound, sound), 3)
        0.0
    """
    first, second = (_crop_statistics(sound) for sound in (estimate, reference))
    across, own, other = (_mean_distance(a, b) for a, b in ((first, second), (first, first), (second, second)))
    return max(0.0, 2 * across - own - other)


def largest_crop_correlation(estimate: Tensor, reference: Tensor, *, sample_rate: int) -> float:
    """Return the largest normalised cross-correlation between a crop of one sound and another sound.

    Crops of 0.5 s of the estimate begin every 125 ms; each is compared with the reference at every delay. Crops more
    than 40 dB below the loudest one are left out, and so are equally quiet passages of the reference. Two notes of
    nearly sinusoidal instruments at equal pitch have a value near 1 without being copies, so the value must be compared
    with that of the ground truth.

    Args:
        estimate: Mono, ``(samples,)``, at least 0.5 s; level and polarity do not matter.
        reference: The same, of any length.
        sample_rate: Hz, of both.

    Returns:
        0…1; 1 if a crop is a copied passage of the reference, 0 if one of the two sounds is silent.

    Raises:
        ValueError: If a sound is shorter than a crop or not one-dimensional.

    Example:
        >>> noise = torch.randn(32000, generator=torch.Generator().manual_seed(0))
        >>> round(largest_crop_correlation(-0.5 * noise[4000:20000], noise, sample_rate=16000), 3)
        1.0
    """
    length = round(CROP_SECONDS * sample_rate)
    first, second = (_checked(sound, length).double() for sound in (estimate, reference))
    crops = first.unfold(0, length, max(1, length // COPY_OVERLAP))
    energies = crops.square().sum(1)
    loudest = float(energies.max())
    sums = torch.nn.functional.pad(second.square().cumsum(0), (1, 0))
    places = (sums[length:] - sums[:-length]).clamp_min(0)
    if loudest == 0 or float(places.max()) == 0:
        return 0.0
    share = 10 ** (-AUDIBLE_DB / 10)
    crops = crops[energies >= share * loudest]
    crops = crops / crops.norm(dim=1, keepdim=True)
    size = 2 ** math.ceil(math.log2(len(second) + length))
    spectrum = torch.fft.rfft(second, size)
    products = torch.fft.irfft(spectrum * torch.fft.rfft(crops, size).conj(), size)[:, : len(places)]
    audible = places >= share * places.max()
    return min(1.0, float((products[:, audible].abs() / places[audible].sqrt()).max()))


def _checked(audio: Tensor, length: int) -> Tensor:
    if audio.ndim != 1 or len(audio) < length:
        raise ValueError(f"audio must be (samples,), at least {length} of them, got {tuple(audio.shape)}")
    return audio


def _crop_statistics(audio: Tensor) -> Tensor:
    """Return mean and standard deviation of each band over each crop, ``(n_crops, 2 * n_mels)``."""
    config = LOG_MEL_16K.stft
    length = round(CROP_SECONDS * config.sample_rate)
    frames = log_mel(_checked(audio, length).float()).double().unfold(-1, length // config.hop_length, STEP_FRAMES)
    return torch.cat([frames.mean(-1), frames.std(-1, correction=0)]).T


def _mean_distance(a: Tensor, b: Tensor) -> float:
    exact = "donot_use_mm_for_euclid_dist"  # so that the distance of a crop from itself is 0
    return float(torch.cdist(a, b, compute_mode=exact).mean()) / math.sqrt(a.shape[1])
