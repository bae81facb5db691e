"""Real-time phase gradient heap integration (RTPGHI): frame by frame, with a look-ahead of at most one frame."""

import math
from heapq import heappop, heappush
from typing import Literal

import numpy as np
import torch

from intertone.phase.gradient import gradient_over_time, gradient_scale, log_magnitude
from intertone.stft import SpectrogramConfig

LookAhead = Literal[0, 1]
"""Number of later frames that are needed for the phase of a frame."""

TOLERANCE = 1e-6
"""Magnitude relative to the maximum of the frame and the previous one below which a bin gets random phase."""


class RealTimePhase:
    """Phase estimator for a stream of magnitude frames.

    Args:
        config: The analysis settings of the frames.
        look_ahead: With 1, the change of a frame's magnitude over time is measured with both its neighbours, so that
            its phase is known after the next frame; with 0, it is measured with the two previous frames.
        generator: Source of random phase; None: torch's global generator.

    Source:
        Průša and Søndergaard (2016), "Real-time spectrogram inversion using phase gradient heap integration".

    Example:
        >>> stream = RealTimePhase(SpectrogramConfig(n_fft=16, hop_length=4))
        >>> stream.push(np.ones(9)) is None  # waits for the next frame
        True
        >>> stream.push(np.ones(9)).shape, stream.finish().shape
        ((9,), (9,))
    """

    def __init__(
        self, config: SpectrogramConfig, *, look_ahead: LookAhead = 1, generator: torch.Generator | None = None
    ) -> None:
        self.config = config
        self.look_ahead = look_ahead
        self._generator = generator
        self._frames: list[np.ndarray] = []  # the last frames that are needed for the slope
        self._phase = np.zeros(config.n_bins)  # of the last estimated frame, relative to its centre

    def push(self, magnitude: np.ndarray) -> np.ndarray | None:
        """Take the next frame and return the phase that is known now.

        Args:
            magnitude: ``(n_bins,)``, >= 0.

        Returns:
            Phase of the transform, radians, ``(n_bins,)``: that of this frame, or with look-ahead that of the previous
            frame; None if there is no previous frame.

        Raises:
            ValueError: If ``magnitude`` does not have ``config.n_bins`` bins.
        """
        if magnitude.shape != (self.config.n_bins,):
            raise ValueError(f"a frame must have n_bins={self.config.n_bins} bins, got shape {magnitude.shape}")
        self._frames = [*self._frames[-2:], magnitude.astype(np.float64)]
        count = len(self._frames)
        if self.look_ahead == 0:
            return self._next(count - 1, ((0.0,), (-1.0, 1.0), (0.5, -2.0, 1.5))[count - 1])
        return None if count == 1 else self._next(count - 2, ((-1.0, 1.0), (-0.5, 0.0, 0.5))[count - 2])

    def finish(self) -> np.ndarray | None:
        """Return the phase of the last frame at the end of the stream; None without look-ahead or without frames."""
        if self.look_ahead == 0 or not self._frames:
            return None
        self._frames = self._frames[-2:]
        count = len(self._frames)
        return self._next(count - 1, ((0.0,), (-1.0, 1.0))[count - 1])

    def _next(self, place: int, weights: tuple[float, ...]) -> np.ndarray:
        """Return the phase of a stored frame; its slope is the sum of the stored log magnitudes times ``weights``."""
        n_bins, generator = self.config.n_bins, self._generator
        device = "cpu" if generator is None else generator.device
        frames = np.stack(self._frames)
        self._phase = integrate_frame(
            frames[place],
            self.config,
            before=frames[place - 1] if place else np.zeros(n_bins),
            known=self._phase,
            slope=np.asarray(weights) @ log_magnitude(frames),
            fallback=2 * math.pi * torch.rand(n_bins, generator=generator, device=device).double().cpu().numpy(),
        )
        return transform_phase(self._phase)


def integrate_in_real_time(
    magnitude: np.ndarray,
    config: SpectrogramConfig,
    *,
    look_ahead: LookAhead = 1,
    generator: torch.Generator | None = None,
) -> np.ndarray:
    """Return the phases that ``RealTimePhase`` finds for the frames of a sound.

    Args:
        magnitude: ``(n_frames, n_bins)``, >= 0, at least one frame.
        config: The analysis settings that made it.
        look_ahead: Number of later frames that each phase needs.
        generator: Source of random phase; None: torch's global generator.

    Returns:
        Phase of the transform, radians, the shape of ``magnitude``.

    Raises:
        ValueError: If ``magnitude`` does not have ``config.n_bins`` columns.

    Example:
        >>> config = SpectrogramConfig(n_fft=16, hop_length=4)
        >>> integrate_in_real_time(np.ones((3, 9)), config).shape
        (3, 9)
    """
    stream = RealTimePhase(config, look_ahead=look_ahead, generator=generator)
    found = [*(stream.push(frame) for frame in magnitude), stream.finish()]
    return np.stack([phase for phase in found if phase is not None])


def transform_phase(phase: np.ndarray) -> np.ndarray:
    """Return the phase of the transform, ``(..., n_bins)`` float32, from a phase relative to the frame's centre."""
    return (phase + math.pi * (np.arange(phase.shape[-1]) % 2)).astype(np.float32)


def integrate_frame(
    magnitude: np.ndarray,
    config: SpectrogramConfig,
    *,
    before: np.ndarray,
    known: np.ndarray,
    slope: np.ndarray,
    fallback: np.ndarray,
) -> np.ndarray:
    """Return the phase of one frame, integrated from that of the previous frame.

    The integration always continues at the loudest bin that has been reached: a bin of the previous frame leads to the
    same bin of this frame, a bin of this frame to its two neighbours.

    Args:
        magnitude: ``(n_bins,)``, >= 0.
        config: The analysis settings that made it.
        before: Magnitude of the previous frame, ``(n_bins,)``.
        known: Phase of the previous frame relative to its centre, radians, ``(n_bins,)``.
        slope: Derivative over time of this frame's log magnitude, per hop, ``(n_bins,)``.
        fallback: Phase of bins below the tolerance, radians, ``(n_bins,)``.

    Returns:
        Phase relative to the centre of the frame, radians in [−pi, pi), ``(n_bins,)``.

    Source:
        Průša and Søndergaard (2016), algorithm 1.
    """
    n_bins = config.n_bins
    both = np.stack([before, magnitude])
    over_time = gradient_over_time(log_magnitude(both), config).mean(0)
    over_frequency = slope / -gradient_scale(config)
    # the heap holds ranks, since integers are faster to compare; the loudest bin of both frames has rank 0
    bins = np.argsort(-both.ravel(), kind="stable")
    ranks = np.empty_like(bins)
    ranks[bins] = np.arange(len(bins))
    loud = magnitude > TOLERANCE * both.max()
    phase = _integrate(
        (known + over_time).tolist(),
        (0.5 * (over_frequency[1:] + over_frequency[:-1])).tolist(),
        fallback.tolist(),
        missing=loud.tolist(),
        bins=(bins % n_bins).tolist(),
        entries=np.sort(ranks[:n_bins][loud]).tolist(),
        ranks=ranks[n_bins:].tolist(),
    )
    return np.mod(np.array(phase) + math.pi, 2 * math.pi) - math.pi


def _integrate(
    advanced: list[float],
    steps: list[float],
    phase: list[float],
    *,
    missing: list[bool],
    bins: list[int],
    entries: list[int],
    ranks: list[int],
) -> list[float]:
    """Return ``phase`` with its missing values integrated.

    Args:
        advanced: Phase of each bin of the previous frame plus its advance in one hop.
        steps: Phase advance from each bin to the next higher one.
        phase: Phase of each bin; it is changed in place.
        missing: Whether the phase of each bin is missing; it is changed in place.
        bins: Bin of each rank.
        entries: Rising ranks of the bins of the previous frame whose bins in this frame are missing.
        ranks: Rank of each bin of this frame.
    """
    last, left = len(phase) - 1, sum(missing)
    heap: list[int] = []  # ranks of bins of this frame; those of the previous frame are already sorted
    coming = iter([*entries, len(bins)])
    entry = next(coming)
    while left:
        found = []
        if heap and heap[0] < entry:
            m = bins[heappop(heap)]
            if m > 0 and missing[m - 1]:
                phase[m - 1] = phase[m] - steps[m - 1]
                found.append(m - 1)
            if m < last and missing[m + 1]:
                phase[m + 1] = phase[m] + steps[m]
                found.append(m + 1)
        else:
            m = bins[entry]
            entry = next(coming)
            if missing[m]:
                phase[m] = advanced[m]
                found.append(m)
        for m in found:
            missing[m] = False
            heappush(heap, ranks[m])
        left -= len(found)
    return phase
