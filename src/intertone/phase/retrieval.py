"""Phase retrieval from the magnitude spectrogram of a sound, and its settings."""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from intertone.config import Settings
from intertone.phase.forest import integrate_phase
from intertone.phase.real_time import LookAhead, integrate_in_real_time
from intertone.stft import SpectrogramConfig, frames_to_spectrum, istft, spectrum_to_audio

PhaseMethod = Literal["pghi-fast", "pghi", "rtpghi", "rtpghi-causal", "fast-griffin-lim", "griffin-lim", "white-noise"]
"""Method of phase retrieval: PGHI followed by fast Griffin-Lim, PGHI alone, real-time PGHI with one frame of look-ahead
or with none, fast or plain Griffin-Lim from random phase, or the phase of white noise."""
LOOK_AHEAD: Mapping[PhaseMethod, LookAhead] = {"rtpghi": 1, "rtpghi-causal": 0}
"""Number of frames of look-ahead of each real-time method."""
MOMENTUM = 0.99
"""Acceleration of fast Griffin-Lim, 0…1, as in librosa and the paper."""


def griffin_lim(
    magnitude: Tensor,
    config: SpectrogramConfig,
    *,
    n_iter: int = 32,
    momentum: float = MOMENTUM,
    length: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return audio whose spectrogram is close to ``magnitude``, by the Griffin-Lim algorithm.

    It begins with random phase and alternates between two projections: onto the spectra with this magnitude, and onto
    the spectra of signals.

    Args:
        magnitude: Linear (not dB, not mel) magnitude, ``(..., n_bins, n_frames)``, >= 0.
        config: The analysis settings that made ``magnitude``.
        n_iter: Number of iterations; the error decreases fast at first, then slowly.
        momentum: 0 is the algorithm of 1984; 0.99 the accelerated one.
        length: Number of samples of the result; None: that of the longest sound with this number of frames.
        generator: Source of the initial phase; None: torch's global generator.

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
    """Return a phase with which ``magnitude`` is close to the spectrum of a sound.

    PGHI and Griffin-Lim process a long sound in overlapping blocks of ``block_frames``. The frames that a block shares
    with the previous one keep their phase, and the integration continues from them. The last few frames of a block,
    whose windows extend beyond it, are estimated again in the next block.

    Args:
        magnitude: Linear, ``(..., n_bins, n_frames)``, >= 0.
        config: The analysis settings that made ``magnitude``. ``n_fft / hop_length`` should be 4 or more; with 2 the
            result is much worse.
        method: ``pghi-fast`` integrates the phase gradient and then iterates with fast Griffin-Lim. ``pghi``,
            ``rtpghi`` (one frame of look-ahead) and ``rtpghi-causal`` (none) only integrate. ``fast-griffin-lim`` and
            ``griffin-lim`` iterate from random phase. ``white-noise`` gives the phase of white noise and ignores the
            magnitude.
        n_iter: Number of iterations of Griffin-Lim, for ``pghi-fast``, ``fast-griffin-lim`` and ``griffin-lim``.
        momentum: Acceleration of ``pghi-fast`` and ``fast-griffin-lim``, 0…1.
        length: Number of samples of the sound; None: that of the longest sound with this number of frames.
        generator: Source of random phase; None: torch's global generator.
        block_frames: Number of frames of a block, which limits the memory.

    Returns:
        Phase in radians, of the shape of ``magnitude``.

    Raises:
        ValueError: If ``magnitude`` does not have ``config.n_bins`` bins, ``momentum`` is not in [0, 1), or ``n_iter``
            is negative.

    Source:
        Griffin and Lim (1984); Perraudin et al. (2013); Průša, Balazs and Søndergaard (2017), "A noniterative method
        for reconstruction of phase from STFT magnitude"; Průša and Søndergaard (2016) for the real-time methods;
        the player of Colonel and Keene (2020), "Conditioning Autoencoder Latent Spaces", for the phase of white noise.

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
    flat = magnitude.reshape(-1, *magnitude.shape[-2:]).transpose(-1, -2)
    phase = torch.empty_like(flat)
    acceleration = 0.0 if method == "griffin-lim" else momentum
    for frames, found in zip(flat, phase, strict=True):
        if method in LOOK_AHEAD:
            values = integrate_in_real_time(
                frames.cpu().numpy(), config, look_ahead=LOOK_AHEAD[method], generator=generator
            )
            found.copy_(torch.from_numpy(values))
        elif method == "white-noise":
            found.copy_(_noise_phase(len(frames), config, generator))
        else:
            found.copy_(_in_blocks(frames, config, method, n_iter, acceleration, length, generator, block_frames))
    return phase.transpose(-1, -2).reshape(magnitude.shape)


def _noise_phase(n_frames: int, config: SpectrogramConfig, generator: torch.Generator | None) -> Tensor:
    """Return the phase of the transform of white noise, ``(n_frames, n_bins)``."""
    device = None if generator is None else generator.device
    noise = torch.randn(n_frames * config.hop_length, generator=generator, device=device)
    return frames_to_spectrum(noise, config)[:n_frames].angle()


def _in_blocks(
    magnitude: Tensor,
    config: SpectrogramConfig,
    method: PhaseMethod,
    n_iter: int,
    momentum: float,
    length: int | None,
    generator: torch.Generator | None,
    block_frames: int,
) -> Tensor:
    """Return the phase of one sound by PGHI or Griffin-Lim; both arrays ``(n_frames, n_bins)``."""
    phase = torch.empty_like(magnitude)
    overlap = min(4 * math.ceil(config.n_fft / config.hop_length), block_frames // 2)
    n_known = overlap - overlap // 4
    n_frames = len(magnitude)
    known = None
    for start in range(0, max(1, n_frames - overlap), block_frames - overlap):
        stop = min(start + block_frames, n_frames)
        block = magnitude[start:stop].contiguous()
        last = length if stop == n_frames and length is not None else (stop - 1) * config.hop_length
        samples = last - start * config.hop_length
        spectrum = _start(block, config, method, known, generator)
        if method != "pghi" and samples > 0:  # a single last frame has no samples to iterate on
            spectrum = _iterate(spectrum, block, config, n_iter, momentum, samples, known)
        phase[start:stop] = spectrum.angle()
        known = spectrum[len(spectrum) - overlap :][:n_known].angle()
    return phase


def _start(
    magnitude: Tensor,
    config: SpectrogramConfig,
    method: PhaseMethod,
    known: Tensor | None,
    generator: torch.Generator | None,
) -> Tensor:
    """Return the initial complex spectrum, ``(n_frames, n_bins)``: with the phase of PGHI, or with random phase."""
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
    """Return the spectrum after (fast) Griffin-Lim, ``(n_frames, n_bins)``; frames with ``known`` phase keep it."""
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


class PhaseConfig(Settings):
    """Settings of the phase in synthesis.

    ``kept`` uses the phase of the analysed sound; it is refused for an edited context.
    """

    method: PhaseMethod | Literal["kept"] = "pghi-fast"
    n_iter: int = Field(32, ge=0, le=100_000, description="number of iterations of Griffin-Lim")
    momentum: float = Field(MOMENTUM, ge=0, lt=1, description="acceleration of pghi-fast and fast-griffin-lim")

    def estimate(
        self, magnitude: Tensor, config: SpectrogramConfig, *, length: int, generator: torch.Generator | None
    ) -> Tensor:
        """Return ``estimate_phase`` of a magnitude with these settings; ``method`` must not be ``kept``."""
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
