"""What else is said of a reconstruction: the other numbers of the field, each with its unit and which way is better."""

from dataclasses import dataclass

from torch import Tensor

from intertone.codec import Codec
from intertone.evaluate.phase_stage import spectrogram_of
from intertone.evaluate.reconstruction import Figures, Reconstructions, at_16_khz
from intertone.metrics import (
    attack_time_error,
    db_rmse,
    log_spectral_distance,
    loudness_error,
    multi_resolution_stft_distance,
    peak_agreement,
    scale_invariant_sdr,
    spectral_convergence,
    structural_similarity,
)

SHORTEST_SAMPLES = 2305
"""At 16 kHz: eleven frames, for structural similarity; what needs so much is left out for shorter notes."""


@dataclass(frozen=True)
class Measure:
    """How a figure is shown.

    Attributes:
        words: What it is called, with its unit.
        better: ``"lower"``, ``"higher"`` or ``"zero"``.
        decimals: That are shown.
        factor: It is multiplied by this before it is shown.
    """

    words: str
    better: str
    decimals: int = 2
    factor: float = 1.0


MEASURES = {
    "db_rmse": Measure("dB RMSE, all cells, dB", "lower"),
    "db_rmse_loud": Measure("dB RMSE, above the floor, dB", "lower"),
    "log_spectral_distance": Measure("log-spectral distance, dB", "lower"),
    "own_convergence": Measure("spectral convergence, own STFT, dB", "lower", 1),
    "second_convergence": Measure("spectral convergence, another STFT, dB", "lower", 1),
    "multi_resolution": Measure("multi-resolution STFT distance", "lower"),
    "similarity": Measure("structural similarity", "higher", 3),
    "peak_precision": Measure("peaks: precision, %", "higher", 1, 100),
    "peak_recall": Measure("peaks: recall, %", "higher", 1, 100),
    "peak_f1": Measure("peaks: F1, %", "higher", 1, 100),
    "sdr": Measure("SI-SDR, dB", "higher", 1),
    "attack": Measure("attack time, decades off", "lower", 3),
    "loudness": Measure("loudness, LU too loud", "zero"),
}


def measure_reconstructions(codec: Codec, batch: Reconstructions) -> Figures:
    """Return the figures of ``MEASURES`` of every reconstruction of a batch.

    Args:
        codec: Only the settings of its spectrogram are used.
        batch: The reconstructions.

    Returns:
        Figures; ``sdr`` is of sounds that have kept their phase only, and ``multi_resolution`` and ``similarity`` of
        notes of at least 0.15 s.
    """
    own = spectrogram_of(codec)
    reference = at_16_khz(batch.audio, batch.sample_rate)
    figures = {}
    for (method, phase), sound in batch.sounds.items():
        estimate = at_16_khz(sound, batch.sample_rate)
        figures[method, phase] = _at_16_khz(estimate, reference, phase) | {
            "own_convergence": spectral_convergence(sound, batch.audio, own)
        }
    return figures


def _at_16_khz(estimate: Tensor, reference: Tensor, phase: str) -> dict[str, Tensor]:
    peaks = peak_agreement(estimate, reference)
    figures = {
        "db_rmse": db_rmse(estimate, reference),
        "db_rmse_loud": db_rmse(estimate, reference, loud_only=True),
        "log_spectral_distance": log_spectral_distance(estimate, reference),
        "second_convergence": spectral_convergence(estimate, reference),
        "peak_precision": peaks.precision,
        "peak_recall": peaks.recall,
        "peak_f1": peaks.f1,
        "attack": attack_time_error(estimate, reference),
        "loudness": loudness_error(estimate, reference),
    }
    if phase == "kept":
        figures["sdr"] = scale_invariant_sdr(estimate, reference, phase=phase)
    if reference.shape[-1] >= SHORTEST_SAMPLES:
        figures["multi_resolution"] = multi_resolution_stft_distance(estimate, reference)
        figures["similarity"] = structural_similarity(estimate, reference)
    return figures
