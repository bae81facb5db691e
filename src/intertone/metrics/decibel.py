"""Distances between two dB spectrograms."""

from torch import Tensor

from intertone.metrics.pair import same_shape, unit_rms
from intertone.metrics.spectral import LOG_MEL_STFT
from intertone.stft import magnitude_to_db, stft

FLOOR_DB = 60.0
"""Floor in dB below the loudest cell of the reference; without a floor, silent cells would dominate the error."""


def decibel_images(estimate: Tensor, reference: Tensor, *, floor_db: float = FLOOR_DB) -> tuple[Tensor, Tensor]:
    """Return both spectrograms in dB relative to the loudest cell of the reference.

    Both sounds are scaled to RMS 1. With ``S`` the magnitude STFT (Hann window 1024, hop 256), the result is
    ``D = 20·log10(max(S, eps) / max S_ref)``, where ``eps`` is ``floor_db`` below ``max S_ref``.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``; its level does not matter.
        reference: The same shape.
        floor_db: Floor of both spectrograms, dB below the loudest cell of the reference.

    Returns:
        dB, each ``(..., 513, n_frames)``, at least ``-floor_db``; the maximum of the reference is 0. A silent sound is
        at the floor everywhere. Against a silent reference, any other sound has values of up to 300 dB.

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
    """Return the root mean squared difference of two spectrograms in dB.

    ``sqrt(mean (D_estimate − D_reference)²)`` of ``decibel_images``, over all cells or over those where the reference
    is above the floor.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``.
        reference: The same shape.
        floor_db: Floor in dB below the reference's loudest cell; results with different floors are not comparable.
        loud_only: Whether only cells are used where the reference is above the floor; a silent reference uses all.

    Returns:
        dB, ``(...,)``; 0 for sounds that differ in gain or polarity only. A delay of 5 ms gives about 0.5 dB for a
        note (1 dB with ``loud_only``), and 3 dB for noise.

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
    """Return the log-spectral distance (LSD): the mean over the frames of the root mean squared difference in dB.

    ``mean_t sqrt(mean_f (D_estimate − D_reference)²)`` of ``decibel_images``. A single bad frame has less weight than
    in ``db_rmse``, which is never smaller than this distance.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``.
        reference: The same shape.
        floor_db: Floor in dB below the reference's loudest cell; the result for 60 is known as LSD60.

    Returns:
        dB, ``(...,)``; 0 for sounds that differ in gain or polarity only. A delay of 5 ms gives about 0.5 dB for a
        note.

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
