"""Front ends: what of a sound the terms of an objective see, differentiable from the samples."""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from intertone.config import Settings
from intertone.stft import SpectrogramConfig, magnitude_to_mel, mel_filterbank
from intertone.transfer.signal import Signal, Waveform, root_of_power

Scale = Literal["log1p", "magnitude", "power"]


class StftFrontEnd(Settings):
    """Magnitudes of the short-time Fourier transform.

    Rows are bins, columns frames.
    """

    kind: Literal["stft"] = "stft"
    n_fft: int = Field(2048, ge=16, le=65536, multiple_of=2, description="samples of a frame")
    hop_length: int = Field(512, ge=1, description="samples from one frame to the next")
    n_bins: int | None = Field(None, ge=1, description="lowest bins that are kept; not set: all")
    scale: Scale = Field("log1p", description="logarithm of 1 + gain · magnitude, magnitude, or power")
    gain: float = Field(1.0, gt=0, description="factor of the magnitude in the logarithm; larger shows quieter bins")

    def spectrogram(self, sample_rate: int) -> SpectrogramConfig:
        """Return the settings of the transform."""
        return SpectrogramConfig(sample_rate=sample_rate, n_fft=self.n_fft, hop_length=self.hop_length)

    def frame_seconds(self, sample_rate: int) -> float:
        """Return the seconds from one column to the next."""
        return self.hop_length / sample_rate

    def features(self, signal: Signal, sample_rate: int) -> Tensor:
        """Return ``(channels, n_bins, n_frames)``."""
        magnitude = signal.magnitude(self.spectrogram(sample_rate))[:, : self.n_bins]
        match self.scale:
            case "log1p":
                return torch.log1p(self.gain * magnitude)
            case "magnitude":
                return magnitude
            case "power":
                return magnitude.square()


class FramesFrontEnd(Settings):
    """Real part, imaginary part and magnitude of the transform of windowed frames, one above the other.

    The frames are completed by as many zeros before their transform. Rows are bins, columns frames.

    Source:
        Mital (2017), "Time Domain Neural Audio Style Transfer".
    """

    kind: Literal["frames"] = "frames"
    frame_length: int = Field(2048, ge=16, description="samples of a frame")
    hop_length: int = Field(256, ge=1, description="samples from one frame to the next")
    part: Literal["all", "magnitude"] = Field("all", description="all three parts, or the magnitude alone")

    def frame_seconds(self, sample_rate: int) -> float:
        """Return the seconds from one column to the next."""
        return self.hop_length / sample_rate

    def features(self, signal: Signal, sample_rate: int) -> Tensor:
        """Return ``(channels, 3, frame_length, n_frames)``, or without the axis of 3 for the magnitude alone."""
        frames = signal.frames(self.frame_length, self.hop_length)
        spectrum = torch.fft.rfft(frames, n=2 * self.frame_length)[..., : self.frame_length].mT
        magnitude = root_of_power(spectrum)
        if self.part == "magnitude":
            return magnitude
        return torch.stack([spectrum.real, spectrum.imag, magnitude], 1)


class RealImaginaryFrontEnd(Settings):
    """Real and imaginary part of the short-time Fourier transform, over its largest magnitude, squashed to ±1.

    ``2·σ(30·z) − 1``, where z is the part over the largest magnitude of the sound.

    Source:
        Caracalla and Roebel (2020), "Sound texture synthesis using RI spectrograms"; the constants are those of a
        public reimplementation and may differ from the authors'.
    """

    kind: Literal["real-imaginary"] = "real-imaginary"
    n_fft: int = Field(512, ge=16, le=65536, multiple_of=2, description="samples of a frame")
    hop_length: int = Field(256, ge=1, description="samples from one frame to the next")
    slope: float = Field(30.0, gt=0, description="of the sigmoid")

    def frame_seconds(self, sample_rate: int) -> float:
        """Return the seconds from one column to the next."""
        return self.hop_length / sample_rate

    def features(self, signal: Signal, sample_rate: int) -> Tensor:
        """Return ``(channels, 2, n_bins, n_frames)``."""
        config = SpectrogramConfig(sample_rate=sample_rate, n_fft=self.n_fft, hop_length=self.hop_length)
        spectrum = Waveform(signal.audio()).spectrum(config)
        largest = root_of_power(spectrum.detach()).max()
        parts = torch.stack([spectrum.real, spectrum.imag], 1) / largest
        return 2 * torch.sigmoid(self.slope * parts) - 1


class LogMelFrontEnd(Settings):
    """Natural logarithm of mel bands plus a floor. Rows are bands, columns frames."""

    kind: Literal["log-mel"] = "log-mel"
    n_fft: int = Field(1024, ge=16, le=65536, multiple_of=2, description="samples of a frame")
    hop_length: int = Field(256, ge=1, description="samples from one frame to the next")
    n_mels: int = Field(40, ge=1, description="bands from f_min to half of the sample rate")
    f_min: float = Field(40.0, ge=0, description="Hz, lower edge of the lowest band")
    floor: float = Field(1e-2, gt=0, description="added to the magnitude of a band before the logarithm")

    def frame_seconds(self, sample_rate: int) -> float:
        """Return the seconds from one column to the next."""
        return self.hop_length / sample_rate

    def features(self, signal: Signal, sample_rate: int) -> Tensor:
        """Return ``(channels, n_mels, n_frames)``."""
        config = SpectrogramConfig(sample_rate=sample_rate, n_fft=self.n_fft, hop_length=self.hop_length)
        magnitude = signal.magnitude(config)
        bank = mel_filterbank(config, n_mels=self.n_mels, f_min=self.f_min, f_max=sample_rate / 2).to(magnitude)
        return torch.log(magnitude_to_mel(magnitude, bank) + self.floor)


class ConstantQFrontEnd(Settings):
    """Magnitudes of bands at equal steps of pitch, each under a window of equally many periods.

    ``morlet`` is the analytic Morlet wavelet (CWT), a Gaussian in frequency; ``hann`` a Hann window in time (CQT).
    """

    kind: Literal["constant-q"] = "constant-q"
    wavelet: Literal["morlet", "hann"] = "hann"
    bins_per_octave: int = Field(12, ge=1, le=96, description="bands in an octave")
    f_min: float = Field(32.7, gt=0, description="Hz, centre of the lowest band")
    f_max: float = Field(8000.0, gt=0, description="Hz; no band is centred above it or above 0.45 of the sample rate")
    frame_rate: float = Field(100.0, gt=0, description="columns a second, about")
    angular_periods: float = Field(6.0, gt=0, description="ω0 of the Morlet wavelet: larger is sharper in frequency")
    log: bool = Field(True, description="logarithm of 1 + magnitude, or the magnitude")

    def frame_seconds(self, sample_rate: int) -> float:
        """Return the seconds from one column to the next."""
        return self._step(sample_rate) / sample_rate

    def centres(self, sample_rate: int) -> Tensor:
        """Return the Hz of the bands' centres, ``(n_bands,)``."""
        top = min(self.f_max, 0.45 * sample_rate)
        n_bands = 1 + math.floor(self.bins_per_octave * math.log2(top / self.f_min) + 1e-9)
        return self.f_min * 2 ** (torch.arange(n_bands) / self.bins_per_octave)

    def features(self, signal: Signal, sample_rate: int) -> Tensor:
        """Return ``(channels, n_bands, n_frames)``; a tone of amplitude 1 has magnitude 1 in its band."""
        audio = signal.audio()
        centres = self.centres(sample_rate)
        # the longest response, so that the end of the sound does not reach its beginning
        padding = int(sample_rate * self._periods() / float(centres[0]))
        size = audio.shape[-1] + padding
        spectrum = torch.fft.rfft(audio, n=size)
        frequencies = torch.arange(spectrum.shape[-1]) * sample_rate / size
        step, columns = self._step(sample_rate), []
        for centre in centres:
            shaped = 2 * spectrum * self._response(frequencies / centre).to(spectrum.real)
            # the negative half of the spectrum is 0, so the result is analytic
            whole = torch.nn.functional.pad(shaped, (0, size - shaped.shape[-1]))
            columns.append(root_of_power(torch.fft.ifft(whole)[:, : audio.shape[-1] : step]))
        magnitude = torch.stack(columns, 1)
        return torch.log1p(magnitude) if self.log else magnitude

    def _step(self, sample_rate: int) -> int:
        return max(1, round(sample_rate / self.frame_rate))

    def _periods(self) -> float:
        """Return the length of the window in periods of a band's centre."""
        if self.wavelet == "morlet":
            return self.angular_periods
        return 1 / (2 ** (1 / self.bins_per_octave) - 1)

    def _response(self, ratio: Tensor) -> Tensor:
        """Return the response at frequencies given as ratios to the centre; 1 at the centre."""
        if self.wavelet == "morlet":
            return torch.exp(-0.5 * (self.angular_periods * (ratio - 1)).square())
        offset = (ratio - 1) * self._periods()
        return torch.where(
            (offset.abs() - 1).abs() < 1e-6, torch.tensor(0.5), torch.sinc(offset) / (1 - offset.square())
        )


class SamplesFrontEnd(Settings):
    """The samples themselves, or on the scale of the μ-law: one row, one column a sample."""

    kind: Literal["samples"] = "samples"
    scale: Literal["linear", "mu-law"] = Field("mu-law", description="amplitude, or the 8-bit μ-law without its steps")
    segment: int | None = Field(None, ge=1, description="samples that are seen alone; not set: the whole sound")

    def frame_seconds(self, sample_rate: int) -> float:
        """Return the seconds from one column to the next."""
        return 1 / sample_rate

    def features(self, signal: Signal, sample_rate: int) -> Tensor:
        """Return ``(channels, 1, samples)``, or ``(channels · segments, 1, segment)``, the last one with zeros."""
        samples = signal.companded() if self.scale == "mu-law" else signal.audio()
        if self.segment is not None:
            missing = -samples.shape[-1] % self.segment
            samples = torch.nn.functional.pad(samples, (0, missing)).reshape(-1, self.segment)
        return samples[:, None]


FrontEnd = Annotated[
    StftFrontEnd | FramesFrontEnd | RealImaginaryFrontEnd | LogMelFrontEnd | ConstantQFrontEnd | SamplesFrontEnd,
    Field(discriminator="kind"),
]
