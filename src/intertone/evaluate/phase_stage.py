"""How much is lost when only the phase has to be found again.

This is judged on spectrograms, that being what ``phase`` and librosa make sounds from: here alone the settings of one
are read. Everything else in an evaluation goes through ``analyse`` and ``synthesise``.
"""

import importlib.util
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.draw import Rows
from intertone.evaluate.reconstruction import BATCH, ESTIMATED, Step, seeded, summary
from intertone.metrics import spectral_convergence
from intertone.phase import estimate_phase
from intertone.representation import HarmonicConfig
from intertone.stft import SpectrogramConfig, istft, stft


def spectrogram_of(codec: Codec) -> SpectrogramConfig:
    """Return the settings of a codec's spectrogram.

    Raises:
        InputError: If the codec shows sounds in another way.
    """
    config = codec.config.representation
    if isinstance(config, HarmonicConfig):
        raise InputError(f"the codec must show sounds as spectrograms, got a {config.kind} representation")
    return config.spectrogram


@torch.inference_mode()
def judge_phase(codec: Codec, notes: Notes, rows: Rows, *, seed: int, step: Step) -> dict[str, Any]:
    """Judge the estimated phase on true magnitudes, beside librosa's fast Griffin-Lim if that is installed.

    Both get the same magnitudes, iterations and momentum, and are judged on a second analysis, which neither is fitted
    to.

    Args:
        codec: Only the settings of its spectrogram are used.
        notes: The note set, at the codec's rate.
        rows: The notes, at least one.
        seed: Of random phase.
        step: Called after every batch with the number of notes.

    Returns:
        ``iterations``; ``pghi_fast`` and ``librosa``: ``summary`` of ``spectral_convergence``, dB; ``difference``:
        ``summary`` of ours less librosa's of the same note, dB; ``share_better``: how often ours is lower. Without
        librosa, ``librosa`` is None and the last two are missing.
    """
    with_librosa = importlib.util.find_spec("librosa") is not None
    config = spectrogram_of(codec)
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
            other = torch.stack([_librosa_griffin_lim(image, codec, notes.samples, seed) for image in magnitude])
            theirs += spectral_convergence(other, audio).tolist()
        step(len(audio))
    result: dict[str, Any] = {"iterations": ESTIMATED.n_iter, "pghi_fast": summary(ours), "librosa": None}
    if with_librosa:
        difference = np.array(ours) - np.array(theirs)
        result["librosa"] = summary(theirs)
        result["difference"] = summary(difference)
        result["share_better"] = float((difference < 0).mean())
    return result


def _librosa_griffin_lim(magnitude: Tensor, codec: Codec, samples: int, seed: int) -> Tensor:
    import librosa

    config = spectrogram_of(codec)
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
