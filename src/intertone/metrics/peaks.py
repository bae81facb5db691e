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
"""Range below the maximum of a frame, in dB, within which local maxima are peaks."""

FRAME_RANGE_DB = 40.0
"""Range below the loudest frame of the reference, in dB, within which frames are compared."""

TOLERANCE_CENTS = 35.0
MEL_RANGE_DB = 40.0
"""Range below the maximum of a mel spectrogram, in dB, within which cells are loud."""


class PeakAgreement(NamedTuple):
    """Precision, recall and F1, 0…1, each ``(...,)``; all are 1 if neither sound has a peak."""

    precision: Tensor
    recall: Tensor
    f1: Tensor


def peak_agreement(estimate: Tensor, reference: Tensor) -> PeakAgreement:
    """Return precision, recall and F1 of the spectral peaks of the estimate.

    Peaks are the local maxima of the magnitude STFT (Hann window 1024, hop 256) less than 45 dB below the maximum of
    their frame; their frequency is that of a parabola through three bins in dB. Two peaks match if they are in the same
    frame and within 35 cents or one bin (15.6 Hz), whichever is wider (below 770 Hz the bin). Peaks are counted over
    all frames whose energy in the reference is less than 40 dB below its loudest frame.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``; its level does not matter.
        reference: The same shape.

    Returns:
        Precision is the share of the estimate's peaks that match, recall the share of the reference's peaks that
        match, F1 their harmonic mean. 1 for sounds that differ in gain or polarity only; close to 1 after a delay of
        5 ms; 0 if exactly one of the two has no peak, as in silence.

    Raises:
        ValueError: If the shapes differ.

    Source:
        After Natsiou, Longo and O'Leary (2023), arXiv 2301.07665, who evaluate the accuracy of the generated
        frequencies; all thresholds are this project's.

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
    """Return precision, recall and F1 of the peaks of two mel spectrograms, to reproduce Natsiou et al. (2023).

    The thresholds of the paper are not known; these are assumptions. Peaks are local maxima along frequency less than
    40 dB below the maximum of their spectrogram. Two peaks match if they are in the same frame at most one band apart;
    each peak matches at most one other. For the evaluation of sounds, ``peak_agreement`` is the better measure.

    Args:
        estimate: Mel bands in dB, ``(..., n_mels, n_frames)``; a constant added to it does not matter.
        reference: The same shape.

    Returns:
        Precision, recall and F1, each ``(...,)``.

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
    free = torch.nn.functional.pad(second, (0, 0, 1, 1))  # one additional band without peaks on either side
    right = torch.zeros_like(first[..., 0, :], dtype=torch.long)
    # from low to high, each peak takes the lowest free one; no other choice gives more pairs
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
    """Return precision, recall and F1 of the loud cells of two mel spectrograms, to reproduce Natsiou et al. (2023).

    This is another possible reading of the paper, which gives no definition. A cell is loud if it is less than 40 dB
    below the maximum of its spectrogram, and matches if it is loud in both.

    Args:
        estimate: Mel bands in dB, ``(..., n_mels, n_frames)``; a constant added to it does not matter.
        reference: The same shape.

    Returns:
        Precision, recall and F1, each ``(...,)``.

    Raises:
        ValueError: If the shapes differ.

    Source:
        That of ``mel_peak_agreement``.

    Example:
        >>> image = torch.tensor([[0.0, -39.0], [-41.0, -60.0]])
        >>> [round(float(share), 2) for share in mel_mask_agreement(torch.zeros(2, 2), image)]
        [0.5, 1.0, 0.67]
    """
    first, second = (_loud(image) for image in same_shape(estimate, reference))
    n_right = _count(first & second)
    return _agreement(n_right, _count(first), n_right, _count(second))


def _peaks(magnitude: Tensor) -> tuple[Tensor, Tensor]:
    """Return a mask of the peaks, and the frequency of each in bins; the lowest and highest bin are never peaks."""
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
    """Return masks of the peaks of the first and of the second sound that match a peak of the other one."""
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
