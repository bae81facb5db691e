"""How much of a note survives the code, and how much the phase.

The phase is judged on spectrograms, that being what ``phase`` and librosa make sounds from: ``judge_phase`` alone reads
the settings of one. Everything else goes through ``analyse`` and ``synthesise``.
"""

import importlib.util
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.baselines import LinearCode, fit_linear_code, images_that_fit, rank_one
from intertone.evaluate.draw import Rows, draw_notes
from intertone.metrics import log_mel_error, loud_cell_error, spectral_convergence
from intertone.metrics.spectral import LOG_MEL_STFT
from intertone.phase import estimate_phase
from intertone.representation import PhaseConfig
from intertone.stft import istft, stft

BATCH = 16
ESTIMATED = PhaseConfig(method="pghi-fast")

Step = Callable[[int], None]


def summary(values: Sequence[float] | np.ndarray) -> dict[str, float | int]:
    """Return count, mean, median, 10th and 90th percentile.

    Example:
        >>> summary([1.0, 2.0, 6.0])
        {'n': 3, 'mean': 3.0, 'median': 2.0, 'p10': 1.2, 'p90': 5.2}
    """
    array = np.asarray(values, np.float64)
    p10, median, p90 = (round(float(value), 6) for value in np.percentile(array, [10, 50, 90]))
    return {"n": len(array), "mean": round(float(array.mean()), 6), "median": median, "p10": p10, "p90": p90}


def fit_baseline(codec: Codec, notes: Notes, *, n_components: int, n_bytes: float, seed: int) -> LinearCode:
    """Fit a linear code to the features of training notes.

    Args:
        codec: Only its representation is used.
        notes: The note set, at the codec's rate, with at least two training notes.
        n_components: Numbers of the code wanted; fewer where there are too few notes.
        n_bytes: Memory for the images that are fitted to; 1.5 for each component are read even where it is not enough.
        seed: Of the draw of the notes.

    Returns:
        The code, of images ``(n_features, n_frames)``.

    Raises:
        ValueError: If there are fewer than two training notes.
    """
    representation = codec.representation
    cells = representation.n_features * representation.n_frames(notes.samples)
    available = len(notes.select(split="train"))
    n_images = images_that_fit(n_bytes, cells=cells, n_components=n_components, available=available)
    rows = draw_notes(notes, n_images, split="train", seed=seed)

    def read(part: slice) -> Tensor:
        return representation.analyse(notes.audio(rows[part]).unsqueeze(1).to(codec.device))[0]

    return fit_linear_code(read, len(rows), n_components)


@torch.inference_mode()
def judge_reconstruction(
    codec: Codec, notes: Notes, rows: Rows, linear: LinearCode, *, n_estimated: int, seed: int, step: Step
) -> list[dict[str, Any]]:
    """Judge the codec and the baselines on ``rows``, all through one way back.

    Args:
        codec: The codec.
        notes: The note set.
        rows: The notes.
        linear: The linear code of the same size.
        n_estimated: The baselines get an estimated phase for the first so many notes only: it is slow.
        seed: Of random phase.
        step: Called after every batch with the number of notes.

    Returns:
        One row for each method and phase, with ``summary`` of ``log_mel_error`` and ``loud_cell_error``.
    """
    errors: dict[tuple[str, str], list[tuple[Tensor, Tensor]]] = defaultdict(list)
    representation = codec.representation
    mean_image = linear.mean.view(representation.n_features, -1)
    for start in range(0, len(rows), BATCH):
        audio = notes.audio(rows[start : start + BATCH])
        features, context = representation.analyse(audio.unsqueeze(1).to(codec.device))
        images = {
            "codec": codec.decode_features(codec.encode_features(features))[..., : features.shape[-1]],
            "true magnitude": features,
            "PCA": linear.reconstruct(features),
            "rank one": rank_one(features, range_db=representation.feature_range_db),
            "mean image": mean_image.to(features).expand_as(features),
        }
        for method, image in images.items():
            for phase in (PhaseConfig(method="kept"), ESTIMATED):
                kept = phase.method == "kept"
                if (kept and method == "true magnitude") or not (
                    kept or method in ("codec", "true magnitude") or start < n_estimated
                ):
                    continue
                sound = representation.synthesise(image, context, phase=phase, generator=seeded(seed))
                judged = at_16_khz(sound.cpu().squeeze(1), codec.sample_rate)
                errors[method, "kept" if kept else "estimated"].append(
                    _errors(judged, at_16_khz(audio, codec.sample_rate))
                )
        step(len(audio))
    table = []
    for (method, phase_name), found in errors.items():
        mel, loud = (torch.cat(column).numpy() for column in zip(*found, strict=True))
        line = {"method": method, "phase": phase_name, "log_mel_error": summary(mel), "loud_cell_error": summary(loud)}
        table.append(line)
    return table


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
    config = codec.config.representation.spectrogram
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

    config = codec.config.representation.spectrogram
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


def _errors(estimate: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    return log_mel_error(estimate, reference), loud_cell_error(estimate, reference)


def at_16_khz(audio: Tensor, sample_rate: int) -> Tensor:
    """Return ``audio`` at the rate that the metrics are defined for."""
    return resample(audio, sample_rate, LOG_MEL_STFT.sample_rate)


def seeded(seed: int) -> torch.Generator:
    """Return a new generator with ``seed``, so that no result depends on what was judged before."""
    return torch.Generator().manual_seed(seed)
