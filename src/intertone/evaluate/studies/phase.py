"""Error of phase estimation on true magnitudes.

Only codecs with a spectrogram representation are measured; of the codec only the settings of the spectrogram are used.
"""

import importlib.util
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.figure import BATCH, Summary, seeded, spread, summary
from intertone.evaluate.resynthesis import ESTIMATED, spectrogram_of
from intertone.evaluate.study import Draw, Shown, Study
from intertone.metrics import spectral_convergence
from intertone.page import Table, percent
from intertone.phase import estimate_phase
from intertone.stft import SpectrogramConfig, istft, stft


@dataclass(frozen=True)
class Phase:
    """Spectral convergence of true magnitudes with an estimated phase, dB.

    Attributes:
        iterations: Number of Griffin-Lim iterations of both methods.
        pghi_fast: Result of this package's ``pghi-fast``.
        librosa: Result of librosa's fast Griffin-Lim; this and the next two are None if librosa is not installed.
        difference: ``pghi_fast`` minus ``librosa``, note by note.
        share_better: Share of the notes for which ``pghi-fast`` has the lower value.
    """

    iterations: int
    pghi_fast: Summary
    librosa: Summary | None = None
    difference: Summary | None = None
    share_better: float | None = None


class PhaseStudy(Study[Phase]):
    """Study of phase estimation on true magnitudes, compared with librosa's fast Griffin-Lim if it is installed.

    Both methods get the same magnitudes, iterations and momentum. They are measured with another STFT than the one
    whose error they minimise.
    """

    name = "phase"

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None if the study applies, as to codecs of spectrograms; otherwise why it does not."""
        try:
            spectrogram_of(codec)
        except InputError as error:
            return f"Phase estimation: {error}."
        return None

    @torch.inference_mode()
    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Phase:
        """Return the spectral convergence on the first notes."""
        with_librosa = importlib.util.find_spec("librosa") is not None
        config, seed = spectrogram_of(codec), draw.config.seed
        rows = draw.rows[: draw.config.n_estimated]
        step = draw.steps.begin("phase", len(rows))
        ours: list[float] = []
        theirs: list[float] = []
        for start in range(0, len(rows), BATCH):
            audio = notes.audio(rows[start : start + BATCH])
            magnitude = stft(audio, config).abs()
            phase = estimate_phase(
                magnitude,
                config,
                n_iter=ESTIMATED.n_iter,
                momentum=ESTIMATED.momentum,
                length=notes.samples,
                generator=seeded(seed),
            )
            sound = istft(torch.polar(magnitude, phase), config, length=notes.samples)
            ours += spectral_convergence(sound, audio).tolist()
            if with_librosa:
                other = torch.stack([_librosa_griffin_lim(image, config, notes.samples, seed) for image in magnitude])
                theirs += spectral_convergence(other, audio).tolist()
            step(len(audio))
        if not with_librosa:
            return Phase(ESTIMATED.n_iter, summary(ours))
        difference = np.array(ours) - np.array(theirs)
        share = float((difference < 0).mean())
        return Phase(ESTIMATED.n_iter, summary(ours), summary(theirs), summary(difference), share)

    def show(self, result: Phase) -> Shown:
        """Return the convergence as a table."""
        found = {"pghi-fast": result.pghi_fast, "librosa griffinlim": result.librosa, "difference": result.difference}
        note = "Spectral convergence of true magnitudes with an estimated phase, measured with another STFT than the "
        note += "one whose error is minimised. "
        note += (
            "librosa is not installed, so its Griffin-Lim is left out."
            if result.librosa is None
            else f"pghi-fast is better for {percent(result.share_better)} of the notes."
        )
        rows = [
            (name, str(figure.n), *spread(figure, "mean", "median", "p90", decimals=1))
            for name, figure in found.items()
            if figure
        ]
        title = f"Phase: {result.iterations} iterations"
        return Shown("Phase", (Table(title, note, ("method", "notes", "mean dB", "median dB", "90 % dB"), rows),))


def _librosa_griffin_lim(magnitude: Tensor, config: SpectrogramConfig, samples: int, seed: int) -> Tensor:
    import librosa

    sound = librosa.griffinlim(
        magnitude.numpy(),
        n_iter=ESTIMATED.n_iter,
        momentum=ESTIMATED.momentum,
        hop_length=config.hop_length,
        n_fft=config.n_fft,
        window="hann",
        pad_mode="constant",
        length=config.hop_length * (magnitude.shape[-1] - 1),
        random_state=seed,
    )
    return torch.from_numpy(sound)[:samples]
