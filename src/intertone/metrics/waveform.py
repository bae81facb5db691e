"""Waveform distance, which is meaningful only for sounds with the same phase."""

import torch
from torch import Tensor

from intertone.level import db_to_power, power_to_db
from intertone.metrics.pair import same_shape

SDR_LIMIT_DB = 120.0
"""Largest absolute SI-SDR in dB; the rounding of float32 samples does not allow more."""


def scale_invariant_sdr(estimate: Tensor, reference: Tensor, *, phase: str) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio (SI-SDR).

    ``10·log10(‖a·x‖² / ‖a·x − y‖²)`` with ``a = ⟨y, x⟩ / ‖x‖²`` for the estimate ``y`` and the reference ``x``. It
    compares waveforms, so a sound with an estimated phase has the score of noise even if it sounds good; such sounds
    are refused.

    Args:
        estimate: ``(..., samples)``; its level does not matter.
        reference: The same shape.
        phase: Method by which the phase of the estimate was found, as in ``PhaseConfig.method``; only ``"kept"`` is
            accepted.

    Returns:
        dB, ``(...,)``, within ±120, higher is better. It does not depend on gain and polarity, but on delay. -120 if
        exactly one sound is silent, 120 if both are.

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
