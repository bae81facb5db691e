"""Magnitude to phase: Griffin-Lim, fast Griffin-Lim, and phase gradient heap integration (PGHI)."""

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from scipy import sparse
from scipy.sparse import csgraph
from torch import Tensor

from intertone.config import Settings
from intertone.stft import SpectrogramConfig, frames_to_spectrum, istft, spectrum_to_audio

PhaseMethod = Literal["pghi-fast", "pghi", "fast-griffin-lim", "griffin-lim"]
"""Method of finding a phase: PGHI and then fast Griffin-Lim, PGHI alone, or iterations from random phase."""

MOMENTUM = 0.99
"""Acceleration of fast Griffin-Lim, as in librosa and the paper."""

TOLERANCE = 1e-7
"""Cells below this share of the maximum are too quiet for a phase to be integrated over them."""

HANN_GAMMA = 0.25645
"""Time-frequency ratio of a Hann window: gamma = HANN_GAMMA · n_fft² (phaseret, pghi_findgamma)."""


def griffin_lim(
    magnitude: Tensor,
    config: SpectrogramConfig,
    *,
    n_iter: int = 32,
    momentum: float = MOMENTUM,
    length: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Estimate the audio whose spectrogram is closest to ``magnitude``.

    Starts from random phase and alternates between the signals that have this magnitude and the spectrograms that
    some signal really has.

    Args:
        magnitude: Linear (not dB, not mel) magnitude, ``(..., n_bins, n_frames)``, >= 0.
        config: The analysis settings that made ``magnitude``.
        n_iter: Iterations; the error falls fast, then slowly.
        momentum: 0 is the 1984 method; 0.99 is the accelerated one.
        length: Samples to return; without it, the longest sound with this number of frames.
        generator: Source of the starting phase; fix its seed to repeat a result.

    Returns:
        Audio at ``config.sample_rate`` Hz, ``(..., length)``.

    Raises:
        ValueError: If ``magnitude`` does not have ``config.n_bins`` bins, or ``momentum`` is not in [0, 1).

    Source:
        Griffin and Lim (1984); Perraudin, Balazs and Søndergaard (2013), "A fast Griffin-Lim algorithm".

    Example:
        >>> config = SpectrogramConfig(sample_rate=8000, n_fft=256, hop_length=64)
        >>> griffin_lim(torch.rand(2, 129, 11), config, n_iter=4).shape
        torch.Size([2, 640])
    """
    method: PhaseMethod = "fast-griffin-lim" if momentum else "griffin-lim"
    phase = estimate_phase(
        magnitude, config, method=method, n_iter=n_iter, momentum=momentum, length=length, generator=generator
    )
    return istft(torch.polar(magnitude, phase), config, length=length)


def estimate_phase(
    magnitude: Tensor,
    config: SpectrogramConfig,
    *,
    method: PhaseMethod = "pghi-fast",
    n_iter: int = 32,
    momentum: float = MOMENTUM,
    length: int | None = None,
    generator: torch.Generator | None = None,
    block_frames: int = 4096,
) -> Tensor:
    """Find a phase under which ``magnitude`` is close to the spectrogram of a sound.

    A long sound is worked through in blocks of ``block_frames`` that overlap; the frames that a block shares with the
    one before keep their phase, and the new ones are integrated from them, so that the blocks join. The last few
    frames of a block, which its end cuts through, are found anew in the next.

    Args:
        magnitude: Linear, ``(..., n_bins, n_frames)``, >= 0.
        config: The analysis settings that made ``magnitude``; ``n_fft / hop_length`` of 4 or more works far better
            than 2.
        method: ``pghi-fast`` integrates the phase gradient and then iterates; ``pghi`` only integrates;
            ``fast-griffin-lim`` and ``griffin-lim`` iterate from random phase.
        n_iter: Iterations of Griffin-Lim; ``pghi`` needs none.
        momentum: Acceleration of the two fast methods; ``griffin-lim`` has none.
        length: Samples of the sound, if it is known to end within the last hop.
        generator: Source of random phase; without it, torch's own.
        block_frames: Frames held in memory at a time.

    Returns:
        Phase in radians, the shape of ``magnitude``.

    Raises:
        ValueError: If ``magnitude`` has not ``config.n_bins`` bins, ``momentum`` is not in [0, 1) or ``n_iter`` is
            negative.

    Source:
        Griffin and Lim (1984); Perraudin et al. (2013); Průša, Balazs and Søndergaard (2017), "A noniterative method
        for reconstruction of phase from STFT magnitude".

    Example:
        >>> config = SpectrogramConfig(n_fft=256, hop_length=64)
        >>> estimate_phase(torch.rand(129, 40), config, n_iter=2).shape
        torch.Size([129, 40])
    """
    if magnitude.shape[-2] != config.n_bins:
        raise ValueError(f"magnitude must have n_bins={config.n_bins} rows, got {magnitude.shape[-2]}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be in [0, 1), got {momentum}")
    if n_iter < 0:
        raise ValueError(f"n_iter must be >= 0, got {n_iter}")
    acceleration = 0.0 if method == "griffin-lim" else momentum
    flat = magnitude.reshape(-1, *magnitude.shape[-2:]).transpose(-1, -2)
    phase = torch.empty_like(flat)
    overlap = min(4 * math.ceil(config.n_fft / config.hop_length), block_frames // 2)
    n_known = overlap - overlap // 4
    n_frames = flat.shape[-2]
    for item in range(len(flat)):
        known = None
        for start in range(0, max(1, n_frames - overlap), block_frames - overlap):
            stop = min(start + block_frames, n_frames)
            block = flat[item, start:stop].contiguous()
            last = length if stop == n_frames and length is not None else (stop - 1) * config.hop_length
            samples = last - start * config.hop_length
            spectrum = _start(block, config, method, known, generator)
            if method != "pghi" and samples > 0:  # a lone frame at the end spans none
                spectrum = _iterate(spectrum, block, config, n_iter, acceleration, samples, known)
            phase[item, start:stop] = spectrum.angle()
            known = spectrum[len(spectrum) - overlap :][:n_known].angle()
    return phase.transpose(-1, -2).reshape(magnitude.shape)


def _start(
    magnitude: Tensor,
    config: SpectrogramConfig,
    method: PhaseMethod,
    known: Tensor | None,
    generator: torch.Generator | None,
) -> Tensor:
    """Return the first complex estimate ``(n_frames, n_bins)``: PGHI's, or one of uniformly random phase."""
    device = generator.device if generator is not None else magnitude.device
    phase = (2 * math.pi * torch.rand(magnitude.shape, generator=generator, device=device)).to(magnitude.device)
    if method in ("pghi-fast", "pghi"):
        values = integrate_phase(
            magnitude.cpu().numpy(),
            config,
            fallback=phase.cpu().numpy(),
            known=None if known is None else known.cpu().numpy(),
        )
        phase = torch.from_numpy(values).to(magnitude)
    if known is not None:
        phase[: len(known)] = known
    return torch.polar(magnitude, phase)


def _iterate(
    spectrum: Tensor,
    magnitude: Tensor,
    config: SpectrogramConfig,
    n_iter: int,
    momentum: float,
    length: int,
    known: Tensor | None,
) -> Tensor:
    """Run (fast) Griffin-Lim on one sound; all arrays ``(n_frames, n_bins)``, frames of ``known`` phase held."""
    held = None if known is None else torch.polar(magnitude[: len(known)], known)
    previous: Tensor | None = None
    for _ in range(n_iter):
        consistent = frames_to_spectrum(spectrum_to_audio(spectrum, config, length=length), config)
        ahead = consistent
        if momentum and previous is not None:
            # c = t + momentum (t - previous), up to a factor that the next line removes
            ahead = torch.add(consistent, previous, alpha=-momentum / (1 + momentum))
        previous = consistent
        spectrum = _with_magnitude(ahead, magnitude)
        if held is not None:
            spectrum[: len(held)] = held
    return spectrum


def _with_magnitude(spectrum: Tensor, magnitude: Tensor) -> Tensor:
    """Return ``magnitude · spectrum / |spectrum|``."""
    parts = torch.view_as_real(spectrum)
    scale = magnitude * torch.rsqrt(parts.square().sum(-1).clamp_min(1e-30))
    return torch.view_as_complex(parts * scale.unsqueeze(-1))


def phase_gradient(magnitude: np.ndarray, config: SpectrogramConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the phase advance over time and over frequency that a magnitude implies.

    For a Gaussian window the phase gradient is a derivative of the log magnitude; a Hann window is close to one. The
    phase is that of a frame measured from its centre: the transform's own phase is this plus pi per bin.

    Args:
        magnitude: ``(n_frames, n_bins)``, >= 0.
        config: The analysis settings that made it.

    Returns:
        ``(over_time, over_frequency)``, radians a hop and radians a bin, both the shape of ``magnitude``.

    Source:
        Průša, Balazs and Søndergaard (2017), equations 19 and 20 in the discrete form of phaseret; one-sided
        differences at the borders.

    Example:
        >>> over_time, _ = phase_gradient(np.ones((3, 9)), SpectrogramConfig(n_fft=16, hop_length=4))
        >>> float(over_time[0, 1] / np.pi)  # bin 1 turns 2 pi · 4 / 16 in a hop of 4
        0.5
    """
    log = np.log(np.maximum(magnitude, 1e-10 * max(float(magnitude.max()), 1e-30)))
    gamma = HANN_GAMMA * config.n_fft**2
    scale = config.hop_length * config.n_fft / gamma
    bins = np.arange(config.n_bins) * (2 * math.pi * config.hop_length / config.n_fft)
    over_time = _difference(log, 1)
    over_time[:, [0, -1]] = 0
    over_time *= scale
    over_time += bins
    over_frequency = _difference(log, 0)
    over_frequency *= -1 / scale
    return over_time, over_frequency


def _difference(values: np.ndarray, axis: int) -> np.ndarray:
    """Return central differences a step, one-sided at the ends, 0 for a single row."""
    return np.gradient(values, axis=axis) if values.shape[axis] > 1 else np.zeros_like(values)


def integrate_phase(
    magnitude: np.ndarray,
    config: SpectrogramConfig,
    *,
    fallback: np.ndarray,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Integrate the phase gradient of ``magnitude`` along its ridges (PGHI).

    The heap of the original visits the loudest reachable cell next; the paths that it takes are close to a maximum
    spanning forest of the grid, each edge as good as its two ends are loud. Here the forest is built outright and
    the phase summed along it from the loudest cell of each tree.

    Args:
        magnitude: ``(n_frames, n_bins)``, >= 0.
        config: The analysis settings that made it.
        fallback: Phase of the cells that are too quiet, radians, the shape of ``magnitude``.
        known: Phase of the first frames, ``(n_known, n_bins)``, to integrate from.

    Returns:
        Phase of the transform, radians, the shape of ``magnitude``.

    Source:
        Průša, Balazs and Søndergaard (2017), algorithm 1; the spanning forest is our formulation.

    Example:
        >>> config = SpectrogramConfig(n_fft=16, hop_length=4)
        >>> integrate_phase(np.ones((3, 9)), config, fallback=np.zeros((3, 9))).shape
        (3, 9)
    """
    n_frames, n_bins = magnitude.shape
    cells = n_frames * n_bins
    peak = float(magnitude.max())
    if peak <= 0:
        return fallback.astype(np.float32)
    over_time, over_frequency = phase_gradient(magnitude, config)
    parents = _spanning_forest(magnitude, 0 if known is None else len(known), TOLERANCE * peak)
    index = np.arange(cells)
    inside = (parents >= 0) & (parents < cells)
    step = parents[inside] - index[inside]
    # trapezoid: mean of the gradients at both ends, towards the child
    gradient = np.where(np.abs(step) == 1, over_frequency.ravel()[inside], over_time.ravel()[inside])
    ends = parents[inside]
    gradient = gradient + np.where(np.abs(step) == 1, over_frequency.ravel()[ends], over_time.ravel()[ends])
    phase = np.zeros(cells + 1)
    phase[:cells][inside] = -0.5 * np.sign(step) * gradient
    half_turns = np.tile(math.pi * (np.arange(n_bins) % 2), n_frames)
    if known is not None:
        phase[: known.size] = known.ravel() - half_turns[: known.size]
    jump = np.append(np.where(inside, parents, cells), cells)
    while (jump < cells).any():
        phase += phase[jump]
        jump = jump[jump]
    phase = phase[:cells] + half_turns
    phase = np.where(parents >= 0, phase, fallback.ravel())
    return phase.reshape(n_frames, n_bins).astype(np.float32)


def _spanning_forest(magnitude: np.ndarray, n_known: int, threshold: float) -> np.ndarray:
    """Return each cell's parent: a cell, ``cells`` for a root, -1 where the magnitude is below ``threshold``."""
    n_frames, n_bins = magnitude.shape
    cells = magnitude.size
    flat = magnitude.ravel()
    loud = magnitude > threshold
    index = np.arange(cells).reshape(n_frames, n_bins)
    starts, ends = [], []
    for first, second in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        both = loud[first] & loud[second]
        starts.append(index[first][both])
        ends.append(index[second][both])
    start, end = np.concatenate(starts), np.concatenate(ends)
    # csgraph minimises and takes 0 for "no edge": small positive weights are good
    peak = float(flat.max())
    weight = 2 - (flat[start] + flat[end]) / (2 * peak)
    roots = np.flatnonzero(_local_maxima(magnitude, loud))
    root_weight = 4 - flat[roots] / peak
    if n_known:
        first_known = index[:n_known][loud[:n_known]]
        keep = roots >= n_known * n_bins
        roots = np.concatenate([first_known, roots[keep]])
        root_weight = np.concatenate([np.full(len(first_known), 0.5), root_weight[keep]])
    start = np.concatenate([start, np.full(len(roots), cells)])
    end = np.concatenate([end, roots])
    weight = np.concatenate([weight, root_weight])
    graph = sparse.csr_array((weight, (start, end)), shape=(cells + 1, cells + 1))
    tree = csgraph.minimum_spanning_tree(graph)
    _, parents = csgraph.breadth_first_order(tree, cells, directed=False)
    parents = parents[:cells].astype(np.int64)
    return np.where(parents < 0, -1, parents)


def _local_maxima(magnitude: np.ndarray, loud: np.ndarray) -> np.ndarray:
    """Return where a loud cell is at least as large as its four neighbours; every connected region has one."""
    padded = np.pad(magnitude, 1, constant_values=-1)
    centre = padded[1:-1, 1:-1]
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return loud & np.logical_and.reduce([centre >= neighbour for neighbour in neighbours])


class PhaseConfig(Settings):
    """Settings of the phase on the way back.

    ``kept`` reuses the sound's own phase and is refused for an edited code.
    """

    method: PhaseMethod | Literal["kept"] = "pghi-fast"
    n_iter: int = Field(32, ge=0, le=100_000, description="iterations of Griffin-Lim")
    momentum: float = Field(MOMENTUM, ge=0, lt=1, description="acceleration of the fast methods")

    def estimate(
        self, magnitude: Tensor, config: SpectrogramConfig, *, length: int, generator: torch.Generator | None
    ) -> Tensor:
        """Return ``estimate_phase`` of a magnitude; the kept phase is not estimated."""
        assert self.method != "kept"
        return estimate_phase(
            magnitude,
            config,
            method=self.method,
            n_iter=self.n_iter,
            momentum=self.momentum,
            length=length,
            generator=generator,
        )
