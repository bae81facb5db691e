"""Agreement of the partials of two sounds: precision, recall and F1 of spectral peaks."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from intertone.level import db_to_amplitude, db_to_power
from intertone.metrics.pair import same_shape
from intertone.metrics.spectral import LOG_MEL_STFT
from intertone.stft import stft

PEAK_RANGE_DB = 45.0
"""A peak counts down to so far below the maximum of its frame."""

FRAME_RANGE_DB = 40.0
"""A frame counts down to so far below the loudest frame of the reference."""

TOLERANCE_CENTS = 35.0
MEL_RANGE_DB = 40.0
"""A mel cell counts down to so far below the maximum of its image."""


class PeakAgreement(NamedTuple):
    """Three shares of 0…1, each ``(...,)``; all are 1 where there is nothing to find and nothing was found."""

    precision: Tensor
    recall: Tensor
    f1: Tensor


def peak_agreement(estimate: Tensor, reference: Tensor) -> PeakAgreement:
    """Return how many spectral peaks of the estimate are right, and how many of the reference were found.

    Peaks are the local maxima of ``|STFT|``, Hann 1024/256, less than 45 dB below the maximum of their frame, at the
    top of the parabola through the dB of three bins. A peak is right if the other sound has one in the same frame
    within 35 cents or one bin (15.6 Hz), whichever is wider: below 770 Hz the bin is. Counted over all frames of the
    sound together whose energy in the reference is less than 40 dB below its loudest frame.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``; its level does not matter.
        reference: The same shape.

    Returns:
        Precision is right peaks per peak of the estimate, recall is found peaks per peak of the reference, F1 is
        their harmonic mean. 1 for sounds that differ in gain or polarity only; close to 1 after a delay of 5 ms. 0
        where one of the two has no peak, as in silence.

    Raises:
        ValueError: If the shapes differ.

    Source:
        After Natsiou, Longo and O'Leary (2023), arXiv 2301.07665, who judge the accuracy of the generated frequencies;
        all thresholds are our own.

    Example:
        >>> time = torch.arange(16000) / 16000
        >>> low, both = torch.sin(2500 * time), torch.sin(2500 * time) + torch.sin(9000 * time)
        >>> [round(float(share), 2) for share in peak_agreement(low, both)]
        [1.0, 0.5, 0.67]
    """
    magnitudes = [stft(sound, LOG_MEL_STFT).abs() for sound in same_shape(estimate, reference)]
    energy = magnitudes[1].square().sum(-2, keepdim=True)
    active = energy >= energy.amax(-1, keepdim=True) * db_to_power(-FRAME_RANGE_DB)
    (first, place_1), (second, place_2) = (_peaks(magnitude) for magnitude in magnitudes)
    first, second = first & active, second & active
    right, found = _partners(first, place_1, second, place_2)
    return _agreement(_count(right), _count(first), _count(found), _count(second))


def mel_peak_agreement(estimate: Tensor, reference: Tensor) -> PeakAgreement:
    """Return precision, recall and F1 of the peaks of two mel images: only to reproduce Natsiou et al. (2023).

    The paper's thresholds are not known; these are guesses. Peaks are local maxima along frequency less than 40 dB
    below the maximum of their image. A peak of the estimate is right if it lies within one band of a peak of the
    reference in the same frame that no other has taken. To judge a sound, take ``peak_agreement``.

    Args:
        estimate: Mel bands in dB, ``(..., n_mels, n_frames)``; a constant added to it does not matter.
        reference: The same shape.

    Returns:
        The three shares, each ``(...,)``.

    Raises:
        ValueError: If the shapes differ.

    Source:
        Natsiou, Longo and O'Leary (2023), arXiv 2301.07665.

    Example:
        >>> reference = torch.tensor([[0.0], [-50.0], [-10.0], [-50.0], [-50.0], [-50.0]])
        >>> estimate = torch.tensor([[-50.0], [0.0], [-50.0], [-50.0], [0.0], [-50.0]])
        >>> [round(float(share), 2) for share in mel_peak_agreement(estimate, reference)]
        [0.5, 0.5, 0.5]
    """
    first, second = (_mel_peaks(image) for image in same_shape(estimate, reference))
    n_mels = first.shape[-2]
    free = torch.nn.functional.pad(second, (0, 0, 1, 1))  # one band more at either end, where no peak is
    right = torch.zeros_like(first[..., 0, :], dtype=torch.long)
    # upwards, each peak takes the lowest one that it can: no other choice makes more pairs
    for band in range(n_mels):
        wanting = first[..., band, :].clone()
        for neighbour in (band, band + 1, band + 2):
            taken = wanting & free[..., neighbour, :]
            free[..., neighbour, :] &= ~taken
            wanting &= ~taken
            right += taken
    n_right = right.sum(-1)
    return _agreement(n_right, _count(first), n_right, _count(second))


def mel_mask_agreement(estimate: Tensor, reference: Tensor) -> PeakAgreement:
    """Return precision, recall and F1 of the loud cells of two mel images: only to reproduce Natsiou et al. (2023).

    The other reading of the paper, whose definition is not known: a cell is loud if it is less than 40 dB below the
    maximum of its image, and right if it is loud in both.

    Args:
        estimate: Mel bands in dB, ``(..., n_mels, n_frames)``; a constant added to it does not matter.
        reference: The same shape.

    Returns:
        The three shares, each ``(...,)``.

    Raises:
        ValueError: If the shapes differ.

    Source:
        As ``mel_peak_agreement``.

    Example:
        >>> image = torch.tensor([[0.0, -39.0], [-41.0, -60.0]])
        >>> [round(float(share), 2) for share in mel_mask_agreement(torch.zeros(2, 2), image)]
        [0.5, 1.0, 0.67]
    """
    first, second = (_loud(image) for image in same_shape(estimate, reference))
    n_right = _count(first & second)
    return _agreement(n_right, _count(first), n_right, _count(second))


def _peaks(magnitude: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the peaks are, and the place of each in bins; no peak is at 0 Hz or at the highest bin."""
    here, below, above = magnitude[..., 1:-1, :], magnitude[..., :-2, :], magnitude[..., 2:, :]
    threshold = magnitude.amax(-2, keepdim=True) * db_to_amplitude(-PEAK_RANGE_DB)
    mask = (here > below) & (here >= above) & (here > threshold)
    low, middle, high = (torch.log(part.clamp_min(1e-30)) for part in (below, here, above))
    bend = low - 2 * middle + high
    offset = torch.where(mask, (low - high) / torch.where(mask, 2 * bend, 1.0), 0.0)
    bins = torch.arange(1, magnitude.shape[-2] - 1, device=magnitude.device, dtype=magnitude.dtype)[:, None]
    pad = (0, 0, 1, 1)
    return torch.nn.functional.pad(mask, pad), torch.nn.functional.pad(bins + offset, pad)


def _partners(first: Tensor, place_1: Tensor, second: Tensor, place_2: Tensor) -> tuple[Tensor, Tensor]:
    """Return which peaks of the first and of the second sound have one of the other within the tolerance."""
    n_bins = first.shape[-2]
    widest = 2 ** (TOLERANCE_CENTS / 1200) - 1
    right, found = torch.zeros_like(first), torch.zeros_like(second)
    reach = math.ceil(n_bins * widest) + 1
    for shift in range(-reach, reach + 1):
        low = slice(max(0, -shift), n_bins - max(0, shift))
        high = slice(max(0, shift), n_bins - max(0, -shift))
        p_1, p_2 = place_1[..., low, :], place_2[..., high, :]
        near = (p_1 - p_2).abs() <= (torch.minimum(p_1, p_2) * widest).clamp_min(1)  # one bin
        pair = near & first[..., low, :] & second[..., high, :]
        right[..., low, :] |= pair
        found[..., high, :] |= pair
    return right, found


def _mel_peaks(image: Tensor) -> Tensor:
    padded = torch.nn.functional.pad(image, (0, 0, 1, 1), value=-math.inf)
    here, below, above = padded[..., 1:-1, :], padded[..., :-2, :], padded[..., 2:, :]
    return (here > below) & (here >= above) & _loud(image)


def _loud(image: Tensor) -> Tensor:
    return image > image.amax((-2, -1), keepdim=True) - MEL_RANGE_DB


def _count(mask: Tensor) -> Tensor:
    return mask.sum((-2, -1))


def _agreement(right: Tensor, n_estimate: Tensor, found: Tensor, n_reference: Tensor) -> PeakAgreement:
    precision, recall = right / n_estimate.clamp_min(1), found / n_reference.clamp_min(1)
    f1 = 2 * precision * recall / (precision + recall).clamp_min(1e-12)
    nothing = (n_estimate == 0) & (n_reference == 0)
    return PeakAgreement(*(torch.where(nothing, 1.0, share) for share in (precision, recall, f1)))
