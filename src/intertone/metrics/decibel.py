"""Distances of one sound's spectrogram in dB from another's, cell by cell."""

from torch import Tensor

from intertone.metrics.pair import same_shape, unit_rms
from intertone.metrics.spectral import LOG_MEL_STFT
from intertone.stft import magnitude_to_db, stft

FLOOR_DB = 60.0
"""Depth of the floor below the loudest cell of the reference; without one, silence would decide the error."""


def decibel_images(estimate: Tensor, reference: Tensor, *, floor_db: float = FLOOR_DB) -> tuple[Tensor, Tensor]:
    """Return both spectrograms in dB relative to the loudest cell of the reference.

    Both sounds at RMS 1, ``|STFT|`` with Hann 1024/256, ``D = 20·log10(max(S, eps) / max S_ref)`` with ``eps``
    ``floor_db`` below ``max S_ref``.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``; its level does not matter.
        reference: The same shape.
        floor_db: Depth of the floor of both.

    Returns:
        dB, each ``(..., 513, n_frames)``, none below ``-floor_db``; the reference's maximum is 0. A silent sound lies
        on the floor, and any other one far above a silent reference, by up to some 300 dB.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> first, second = decibel_images(torch.randn(16000), torch.randn(16000))
        >>> second.shape, float(second.max()), float(second.min()) >= -60
        (torch.Size([513, 64]), 0.0, True)
    """
    first, second = (stft(unit_rms(sound), LOG_MEL_STFT).abs() for sound in same_shape(estimate, reference))
    peak = second.amax((-2, -1), keepdim=True).clamp_min(1e-10)
    return magnitude_to_db(first, peak, top_db=floor_db), magnitude_to_db(second, peak, top_db=floor_db)


def db_rmse(estimate: Tensor, reference: Tensor, *, floor_db: float = FLOOR_DB, loud_only: bool = False) -> Tensor:
    """Return the root of the mean squared difference of two spectrograms in dB.

    ``sqrt(mean (D_estimate − D_reference)²)`` of ``decibel_images``, over all cells or over those that the reference
    fills.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``.
        reference: The same shape.
        floor_db: Depth of the floor below the reference's loudest cell; state it beside the number.
        loud_only: Only the cells where the reference is above its floor; all of them where it is silent.

    Returns:
        dB, ``(...,)``; 0 for sounds that differ in gain or polarity only. A delay of 5 ms costs a note about
        0.5 dB, or 1 dB of its loud cells, and noise 3 dB.

    Raises:
        ValueError: If the shapes differ.

    Source:
        The loss of an autoencoder on dB spectrograms; Roche et al. (2019), "Autoencoders for music sound modeling",
        report it as RMSE.

    Example:
        >>> import torch
        >>> sound = torch.randn(1, 16000)
        >>> round(float(db_rmse(-0.5 * sound, sound)), 3)
        0.0
    """
    first, second = decibel_images(estimate, reference, floor_db=floor_db)
    error = (first - second).square()
    if not loud_only:
        return error.mean((-2, -1)).sqrt()
    loud = second > -floor_db
    loud = loud | ~loud.any(-1, keepdim=True).any(-2, keepdim=True)
    return ((error * loud).sum((-2, -1)) / loud.sum((-2, -1))).sqrt()


def log_spectral_distance(estimate: Tensor, reference: Tensor, *, floor_db: float = FLOOR_DB) -> Tensor:
    """Return the mean over the frames of the root of the mean squared difference in dB (LSD).

    ``mean_t sqrt(mean_f (D_estimate − D_reference)²)`` of ``decibel_images``: a bad frame counts less than in
    ``db_rmse``, which is never smaller.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``.
        reference: The same shape.
        floor_db: Depth of the floor below the reference's loudest cell; 60 is known as LSD60.

    Returns:
        dB, ``(...,)``; 0 for sounds that differ in gain or polarity only. A delay of 5 ms costs a note about 0.5 dB.

    Raises:
        ValueError: If the shapes differ.

    Source:
        Gray and Markel (1976), "Distance measures for speech processing", the root-mean-square log spectral measure.

    Example:
        >>> import torch
        >>> sound = torch.randn(1, 16000)
        >>> round(float(log_spectral_distance(-0.5 * sound, sound)), 3)
        0.0
    """
    first, second = decibel_images(estimate, reference, floor_db=floor_db)
    return (first - second).square().mean(-2).sqrt().mean(-1)
