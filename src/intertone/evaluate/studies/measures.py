"""Further error measures of reconstructions, each with its unit and with the direction that is better."""

from dataclasses import dataclass

from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.figure import Figures, Line, at_16_khz
from intertone.evaluate.resynthesis import Resynthesis, spectrogram_of
from intertone.evaluate.study import Draw, Shown, Study
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
from intertone.page import Table

SHORTEST_SAMPLES = 2305
"""Samples at 16 kHz that structural similarity needs (eleven frames); two measures are left out for shorter notes."""


@dataclass(frozen=True)
class Measure:
    """Presentation of a figure in the table.

    Attributes:
        words: Name with unit.
        better: Which values are better: ``"lower"``, ``"higher"``, or ``"zero"`` for values near 0.
        decimals: Number of decimals.
        factor: Factor on the value, such as 100 for percent.
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
    "attack": Measure("attack time error, decades", "lower", 3),
    "loudness": Measure("loudness error, LU", "zero"),
}


ARROWS = {"lower": " ↓", "higher": " ↑", "zero": ""}


@dataclass(frozen=True)
class Measures:
    """Figures of ``MEASURES`` on the first notes, for each method and phase."""

    lines: tuple[Line, ...]


class MeasuresStudy(Study[Measures]):
    """Study of reconstructions by further error measures."""

    name = "measures"

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None if the study applies, as to codecs of spectrograms; otherwise why it does not."""
        try:
            spectrogram_of(codec)
        except InputError as error:
            return f"Other measures of reconstructions: {error}."
        return None

    def measure_batch(self, codec: Codec, notes: Notes, draw: Draw, batch: Resynthesis) -> Figures:
        """Return the figures of ``MEASURES`` of a batch, or none for batches after the first ``n_estimated`` notes.

        ``sdr`` is measured with the kept phase only, ``multi_resolution`` and ``similarity`` on notes of at least
        0.15 s only.
        """
        if batch.start >= draw.config.n_estimated:
            return {}
        own = spectrogram_of(codec)
        reference = at_16_khz(batch.audio, batch.sample_rate)
        figures: Figures = {}
        for (method, phase), sound in batch.sounds.items():
            estimate = at_16_khz(sound, batch.sample_rate)
            figures[method, phase] = _at_16_khz(estimate, reference, phase) | {
                "own_convergence": spectral_convergence(sound, batch.audio, own)
            }
        return figures

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Measures:
        """Return the figures of the first notes."""
        return Measures(draw.reconstructions().figures[self.name])

    def show(self, result: Measures) -> Shown:
        """Return a table for each kind of phase, with a column for each method."""
        titles = {"kept": "the note's own phase", "estimated": "an estimated phase"}
        return Shown("Other measures", tuple(_table(result, phase, title) for phase, title in titles.items()))


def _table(result: Measures, phase: str, title: str) -> Table:
    lines = {line.method: line for line in result.lines if line.phase == phase}
    rows = []
    for name, measure in MEASURES.items():
        figures = [line.get(name) for line in lines.values()]
        if any(figures):
            cells = [
                "–" if figure is None else f"{measure.factor * figure.mean:z.{measure.decimals}f}" for figure in figures
            ]
            rows.append((measure.words + ARROWS[measure.better], *cells))
    n_notes = max((line["db_rmse"].n for line in lines.values()), default=0)
    note = (
        f"Means over the first {n_notes} notes; ↓: lower is better, ↑: higher is better. All at 16 kHz, and at equal "
        "RMS except spectral convergence and loudness. dB RMSE, log-spectral distance and similarity: STFT 1024/256, "
        "floor −60 dB. Peaks agree if they are in the same frame and within 35 cents or one bin. Attack time: from 20 "
        "to 90 % of the envelope; 0.3 decades are a factor of 2."
    )
    if phase == "estimated":
        note += " SI-SDR is left out: it compares waveforms, which an estimated phase changes."
    return Table(f"Reconstruction with {title}: other measures", note, ("measure", *lines), rows)


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
