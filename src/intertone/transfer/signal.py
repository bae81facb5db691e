"""A sound as an objective sees it: samples, a magnitude spectrogram, or windowed frames."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.representation.waveform import inverse_mu_law, mu_law
from intertone.stft import SpectrogramConfig, frames_to_spectrum


class Signal(ABC):
    """What front ends read; each kind refuses in words what it cannot show."""

    @abstractmethod
    def magnitude(self, config: SpectrogramConfig) -> Tensor:
        """Return the magnitude of the short-time Fourier transform, ``(channels, n_bins, n_frames)``."""

    @abstractmethod
    def audio(self) -> Tensor:
        """Return samples, ``(channels, samples)``."""

    @abstractmethod
    def frames(self, frame_length: int, hop_length: int) -> Tensor:
        """Return frames under a Hann window, ``(channels, n_frames, frame_length)``."""

    @abstractmethod
    def companded(self) -> Tensor:
        """Return samples on the scale of the 8-bit μ-law without its steps, −1…1, ``(channels, samples)``."""


class Waveform(Signal):
    """A sound given by its samples, ``(channels, samples)``."""

    def __init__(self, samples: Tensor) -> None:
        self._samples = samples

    def magnitude(self, config: SpectrogramConfig) -> Tensor:
        """Return magnitudes with a gradient that is finite at 0."""
        return root_of_power(self.spectrum(config))

    def spectrum(self, config: SpectrogramConfig) -> Tensor:
        """Return the short-time Fourier transform, ``(channels, n_bins, n_frames)``."""
        return frames_to_spectrum(self._samples, config).mT

    def audio(self) -> Tensor:
        """Return the samples."""
        return self._samples

    def frames(self, frame_length: int, hop_length: int) -> Tensor:
        """Return the frames that lie inside the sound, the last completed by zeros."""
        missing = -(self._samples.shape[-1] - frame_length) % hop_length
        missing = max(missing, frame_length - self._samples.shape[-1])
        padded = torch.nn.functional.pad(self._samples, (0, missing))
        window = torch.hann_window(frame_length, dtype=padded.dtype, device=padded.device)
        return padded.unfold(-1, frame_length, hop_length) * window

    def companded(self) -> Tensor:
        """Return the samples after the μ-law."""
        return mu_law(self._samples)


class MagnitudeSignal(Signal):
    """A sound given by the magnitudes of one spectrogram, ``(channels, n_bins, n_frames)``; it has no phase."""

    def __init__(self, magnitude: Tensor, config: SpectrogramConfig) -> None:
        self._magnitude = magnitude
        self._config = config

    def magnitude(self, config: SpectrogramConfig) -> Tensor:
        """Return the magnitudes; those of other settings are refused."""
        if config != self._config:
            raise InputError(f"a term on a log-magnitude variable must have the settings {self._config}, got {config}")
        return self._magnitude

    def audio(self) -> Tensor:
        """Raise: magnitudes are no samples."""
        raise InputError("a term on a log-magnitude variable must have the front end stft, got one that needs samples")

    def frames(self, frame_length: int, hop_length: int) -> Tensor:
        """Raise: magnitudes are no frames."""
        return self.audio()

    def companded(self) -> Tensor:
        """Raise: magnitudes are no samples."""
        return self.audio()


class FrameSignal(Signal):
    """A sound given by windowed frames that overlap and are free of each other, ``(channels, n_frames, length)``."""

    def __init__(self, frames: Tensor, hop_length: int) -> None:
        self._frames = frames
        self._hop_length = hop_length

    def magnitude(self, config: SpectrogramConfig) -> Tensor:
        """Raise: the frames have a transform of their own."""
        raise InputError("a variable of free frames must have the front end frames, got stft")

    def audio(self) -> Tensor:
        """Return the sum of the overlapping frames."""
        return overlap_add(self._frames, self._hop_length)

    def frames(self, frame_length: int, hop_length: int) -> Tensor:
        """Return the frames themselves."""
        if (frame_length, hop_length) != (self._frames.shape[-1], self._hop_length):
            raise InputError(
                f"the front end must have the frames of the variable, {self._frames.shape[-1]} samples every "
                f"{self._hop_length}, got {frame_length} every {hop_length}"
            )
        return self._frames

    def companded(self) -> Tensor:
        """Return the sum of the frames after the μ-law."""
        return mu_law(self.audio())


class CompandedSignal(Waveform):
    """A sound given on the scale of the μ-law, where an optimisation moves it; ``(channels, samples)``."""

    def __init__(self, companded: Tensor) -> None:
        super().__init__(inverse_mu_law(companded))
        self._companded = companded

    def companded(self) -> Tensor:
        """Return the companded samples, which the optimiser changes, ``(channels, samples)``."""
        return self._companded


POWER_FLOOR = 1e-8
"""Added to the power of a bin before the square root, whose gradient is infinite at 0. It is 80 dB below the power of a
bin of magnitude 1."""


def root_of_power(spectrum: Tensor) -> Tensor:
    """Return ``sqrt(re² + im² + POWER_FLOOR)`` of a complex tensor."""
    power: Tensor = spectrum.real.square() + spectrum.imag.square()
    return (power + POWER_FLOOR).sqrt()


def overlap_add(frames: Tensor, hop_length: int) -> Tensor:
    """Return the sum of overlapping frames ``(channels, n_frames, length)``: ``(channels, samples)``."""
    samples = frames.shape[-1] + (frames.shape[-2] - 1) * hop_length
    summed: Tensor = torch.nn.functional.fold(
        frames.mT, output_size=(1, samples), kernel_size=(1, frames.shape[-1]), stride=(1, hop_length)
    )
    return summed[:, 0, 0]
