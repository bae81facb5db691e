"""Distance of one waveform from another: only for sounds that have the same phase."""

import torch
from torch import Tensor

from intertone.level import db_to_power, power_to_db
from intertone.metrics.pair import same_shape

SDR_LIMIT_DB = 120.0
"""Largest absolute SI-SDR that is returned, dB: rounding of float32 samples allows no more."""


def scale_invariant_sdr(estimate: Tensor, reference: Tensor, *, phase: str) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio (SI-SDR).

    ``10·log10(‖a·x‖² / ‖a·x − y‖²)`` with ``a = ⟨y, x⟩ / ‖x‖²`` for the estimate ``y`` and the reference ``x``. It
    follows the waveform, so an estimated phase scores as noise however good it sounds: such sounds are refused.

    Args:
        estimate: ``(..., samples)``; its level does not matter.
        reference: The same shape.
        phase: How the phase of the estimate was found, as in ``PhaseConfig.method``; only ``"kept"`` is judged.

    Returns:
        dB, ``(...,)``, larger is better, within ±120; the same for any gain and either polarity, but not after a
        delay. -120 where one of the two is silent, 120 where both are.

    Raises:
        ValueError: If the shapes differ, or ``phase`` is not ``"kept"``.

    Source:
        Le Roux, Wisdom, Erdogan and Hershey (2019), "SDR – half-baked or well done?".

    Example:
        >>> x, noise = torch.tensor([1.0, 1.0, 1.0, 1.0]), torch.tensor([1.0, -1.0, 1.0, -1.0])
        >>> round(float(scale_invariant_sdr(x + 0.1 * noise, x, phase="kept")), 2)
        20.0
    """
    if phase != "kept":
        raise ValueError(f"SI-SDR must compare sounds of the same phase ('kept'), got one of phase {phase!r}")
    first, second = (sound.double() for sound in same_shape(estimate, reference))
    energies = first.square().sum(-1) * second.square().sum(-1)
    # the share of the estimate's energy that the scaled reference explains
    share = (first * second).sum(-1).square() / energies.clamp_min(1e-300)
    share = torch.where((first == 0).all(-1) & (second == 0).all(-1), 1.0, share)
    smallest = db_to_power(-SDR_LIMIT_DB)
    return (power_to_db(share.clamp_min(smallest) / (1 - share).clamp_min(smallest))).to(estimate.dtype)
