"""Metrics of a transfer: style, content, noise, copying, and distance from the ground truth."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from intertone.bench.cache import source_digest
from intertone.bench.transfer.pairs import SAMPLE_RATE, TransferPair
from intertone.metrics import (
    chroma_similarity,
    crop_distance,
    envelope_correlation,
    flatness_ratio,
    gram_distance,
    largest_crop_correlation,
    log_spectral_distance,
    mfcc_distance,
    multi_resolution_stft_distance,
    noise_floor_lift,
    onset_f1,
    texture_snr,
)

MEASURE_VERSION = 1
"""Version of the metrics, to be increased when one of them changes; stored results are then measured again."""

NEEDED = ("bench/transfer/measure.py", "metrics/*.py", "pitch/chroma.py", "pitch/note.py", "level.py", "stft.py")
"""Source files on which the metrics depend."""

Aspect = Literal["style", "content", "noise", "copy", "truth"]


@dataclass(frozen=True)
class Figure:
    """Description of a metric.

    Attributes:
        title: Short name with the unit, for table headers.
        aspect: Property of the transfer that the metric measures.
        higher: Whether higher values are better.
        meaning: Definition in a few words, for the notes of tables.
    """

    title: str
    aspect: Aspect
    higher: bool
    meaning: str


FIGURES: dict[str, Figure] = {
    "mfcc_distance": Figure(
        "MFCC", "style", False, "cosine distance of mean and deviation of MFCC 2–13 from the style's"
    ),
    "texture_snr": Figure(
        "texture dB", "style", True, "signal-to-noise ratio of the cochlear envelopes' statistics, six classes"
    ),
    "crop_distance": Figure(
        "crops dB", "style", False, "energy distance of 0.5 s crops from the style's, in log-mel statistics"
    ),
    "gram_distance": Figure(
        "Gram", "style", False, "relative distance of the Gram matrix of 4,096 random filters from the style's"
    ),
    "onset_f1": Figure("onset F1", "content", True, "onsets within 50 ms of the content's"),
    "envelope_correlation": Figure("energy", "content", True, "correlation of the frame energies with the content's"),
    "chroma_similarity": Figure("chroma", "content", True, "cosine of the aligned chroma with the content's"),
    "flatness_ratio": Figure(
        "flatness", "noise", False, "spectral flatness over that of the flatter one of content and style"
    ),
    "noise_floor_lift": Figure("floor dB", "noise", False, "lift of the noise floor above that of content and style"),
    "crop_correlation": Figure(
        "copy", "copy", False, "largest normalised cross-correlation of a 0.5 s crop with the style"
    ),
    "log_spectral_distance": Figure("LSD dB", "truth", False, "log-spectral distance from the ground truth"),
    "stft_distance": Figure("MR-STFT", "truth", False, "multi-resolution STFT distance from the ground truth"),
}
"""The metrics of a transfer by name."""


def measure_transfer(output: Tensor, pair: TransferPair) -> dict[str, float]:
    """Return all metrics of a transfer.

    Args:
        output: Output of a method for the pair's content and style, ``(samples,)``, with the length of the content.
        pair: The pair with its ground truth.

    Returns:
        Name of the metric → value, in the order of ``FIGURES``; all values are finite.

    Raises:
        ValueError: If the output is not finite, is silent, or has another length than the content.
    """
    if output.shape != pair.content.shape:
        raise ValueError(f"the output must be {tuple(pair.content.shape)}, got {tuple(output.shape)}")
    if not output.isfinite().all() or not output.abs().max() > 0:
        raise ValueError("the output must be finite and not silent")
    content, style, truth = pair.content, pair.style, pair.truth
    return {
        "mfcc_distance": mfcc_distance(output, style),
        "texture_snr": texture_snr(output, style),
        "crop_distance": crop_distance(output, style),
        "gram_distance": gram_distance(output, style),
        "onset_f1": onset_f1(output, content),
        "envelope_correlation": float(envelope_correlation(output, content)),
        "chroma_similarity": chroma_similarity(output, content),
        "flatness_ratio": flatness_ratio(output, content, style),
        "noise_floor_lift": noise_floor_lift(output, content, style),
        "crop_correlation": largest_crop_correlation(output, style, sample_rate=SAMPLE_RATE),
        "log_spectral_distance": float(log_spectral_distance(output, truth)),
        "stft_distance": float(multi_resolution_stft_distance(output, truth)),
    }


def measure_mark() -> str:
    """Return the version of the metrics with a hash of their code and libraries, stored with each result."""
    return f"v{MEASURE_VERSION}-{source_digest(NEEDED)}"
