"""Variables: what an optimisation moves, and the sound that it stands for."""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from intertone.config import Settings
from intertone.phase import PhaseConfig
from intertone.representation.waveform import mu_law
from intertone.stft import SpectrogramConfig, istft, stft
from intertone.transfer.signal import (
    CompandedSignal,
    FrameSignal,
    MagnitudeSignal,
    Signal,
    Waveform,
    overlap_add,
)

FADE_SECONDS = (0.002, 0.01)
"""Raised-cosine ramps at the beginning and at the end of a waveform; longer ones at the beginning soften attacks."""


LOG_RANGE = (-10.0, 16.0)
"""Range of the logarithm of 1 + magnitude that has an effect: sounds lie in 0…12, and where a line search steps beyond,
the logarithm of a magnitude that was rounded to −1 would be infinite."""


class InitConfig(Settings):
    """First value of the variable."""

    start: Literal["content", "noise"] = Field("content", description="from the content, or from nothing")
    noise: Literal["normal", "uniform"] = Field("normal", description="distribution of what is added")
    deviation: float = Field(
        0.0, ge=0, description="standard deviation or half range of what is added, in units of the variable"
    )

    def first(self, content: Tensor, generator: torch.Generator) -> Tensor:
        """Return the first value, the shape of the content's.

        All channels of a sound have the same noise; without the content, in proportion to their RMS in it, so that one
        side stays louder than the other.
        """
        base, share = content, torch.ones(())
        if self.start == "noise":
            base = torch.zeros_like(content)
            rms = content.detach().flatten(1).square().mean(1).sqrt()
            share = (rms / rms.square().mean().sqrt().clamp_min(1e-12)).reshape(-1, *[1] * (content.ndim - 1))
        shape = (1, *content.shape[1:])
        if self.noise == "normal":
            drawn = torch.randn(shape, generator=generator)
        else:
            drawn = 2 * torch.rand(shape, generator=generator) - 1
        return base + self.deviation * share * drawn.to(content)


class Variable(ABC):
    """What is optimised.

    Attributes:
        parameter: The numbers that a solver moves.
        levelled: Whether the sound is at the content's RMS level wherever the parameter is moved.
    """

    parameter: Tensor
    levelled: bool = False

    @abstractmethod
    def signal(self) -> Signal:
        """Return the sound as the objective sees it, with gradient to the parameter."""

    @abstractmethod
    def reference(self, audio: Tensor) -> Signal:
        """Return another sound ``(channels, samples)`` as the objective is to see it beside this variable."""

    @abstractmethod
    def audio(self, generator: torch.Generator) -> Tensor:
        """Return the sound, ``(channels, samples)``, on the level of the working sounds."""


class WaveformConfig(Settings):
    """The samples, under ramps at both ends, at the RMS level of the content whatever their scale."""

    kind: Literal["waveform"] = "waveform"

    def build(self, content: Tensor, sample_rate: int, init: InitConfig, generator: torch.Generator) -> "WaveVariable":
        """Return the variable for a content ``(channels, samples)``."""
        return WaveVariable(content, sample_rate, init, generator)


class WaveVariable(Variable):
    """Samples."""

    levelled = True

    def __init__(self, content: Tensor, sample_rate: int, init: InitConfig, generator: torch.Generator) -> None:
        self.parameter = init.first(content, generator)
        self.fade = _ramps(content.shape[-1], sample_rate).to(content)
        self.level = content.square().mean().sqrt()

    def signal(self) -> Signal:
        """Return the samples under the ramps, at the content's level."""
        return Waveform(self._levelled(self.parameter))

    def reference(self, audio: Tensor) -> Signal:
        """Return the sound itself."""
        return Waveform(audio)

    def audio(self, generator: torch.Generator) -> Tensor:
        """Return the samples under the ramps, at the content's level."""
        return self._levelled(self.parameter.detach())

    def _levelled(self, samples: Tensor) -> Tensor:
        faded = self.fade * samples
        return self.level / faded.square().mean().sqrt().clamp_min(1e-9) * faded


class MuLawConfig(Settings):
    """Samples companded by the μ-law without quantisation; a hyperbolic tangent keeps them within ±1."""

    kind: Literal["mu-law"] = "mu-law"

    def build(self, content: Tensor, sample_rate: int, init: InitConfig, generator: torch.Generator) -> "MuLawVariable":
        """Return the variable for a content ``(channels, samples)``."""
        return MuLawVariable(content, init, generator)


class MuLawVariable(Variable):
    """Companded samples before the bound."""

    def __init__(self, content: Tensor, init: InitConfig, generator: torch.Generator) -> None:
        # the bound at ±1 is reached nowhere
        self.parameter = torch.atanh((init.first(mu_law(content), generator)).clamp(-0.9999, 0.9999))

    def signal(self) -> Signal:
        """Return the companded samples."""
        return CompandedSignal(torch.tanh(self.parameter))

    def reference(self, audio: Tensor) -> Signal:
        """Return the sound itself."""
        return Waveform(audio)

    def audio(self, generator: torch.Generator) -> Tensor:
        """Return the expanded samples."""
        return CompandedSignal(torch.tanh(self.parameter.detach())).audio()


class FreeFramesConfig(Settings):
    """Windowed frames that overlap and are free of each other; their sum is the sound.

    Source:
        Mital (2017), "Time Domain Neural Audio Style Transfer".
    """

    kind: Literal["free-frames"] = "free-frames"
    frame_length: int = Field(2048, ge=16, description="samples of a frame")
    hop_length: int = Field(256, ge=1, description="samples from one frame to the next")

    def build(self, content: Tensor, sample_rate: int, init: InitConfig, generator: torch.Generator) -> "FrameVariable":
        """Return the variable for a content ``(channels, samples)``."""
        return FrameVariable(self, content, init, generator)


class FrameVariable(Variable):
    """Frames under a Hann window."""

    def __init__(self, config: FreeFramesConfig, content: Tensor, init: InitConfig, generator: torch.Generator) -> None:
        self.config = config
        self.samples = content.shape[-1]
        frames = Waveform(content).frames(config.frame_length, config.hop_length)
        self.parameter = init.first(frames, generator)
        # a sample lies under frame_length / hop_length windows, whose mean is a half
        self.gain = 2 * config.hop_length / config.frame_length

    def signal(self) -> Signal:
        """Return the frames."""
        return FrameSignal(self.parameter, self.config.hop_length)

    def reference(self, audio: Tensor) -> Signal:
        """Return the frames of another sound."""
        return Waveform(audio)

    def audio(self, generator: torch.Generator) -> Tensor:
        """Return the sum of the frames at the level of the sounds; the original only adds them up."""
        added = overlap_add(self.parameter.detach(), self.config.hop_length)
        return self.gain * added[..., : self.samples]


class LogMagnitudeConfig(Settings):
    """The logarithm of 1 + magnitude of a spectrogram; a phase is found at the end.

    A sound of several channels has one variable, the root of the mean power of the channels; the level of each channel
    against that, and its phase against that of the loudest one, are those of the content.
    """

    later: ClassVar[frozenset[str]] = frozenset({"levelled", "rounding"})

    kind: Literal["log-magnitude"] = "log-magnitude"
    n_fft: int = Field(2048, ge=16, le=65536, multiple_of=2, description="samples of a frame")
    hop_length: int = Field(512, ge=1, description="samples from one frame to the next")
    bounded: bool = Field(
        True, description="whether a parameter below 0 stands for the magnitude of its amount, or for one below 0"
    )
    rounding: float = Field(
        0.0, ge=0, description="logarithm over which the reflection of bounded magnitudes at 0 is rounded; 0: a corner"
    )
    levelled: bool = Field(False, description="whether the power of all magnitudes is always that of the content's")
    phase: PhaseConfig = Field(default_factory=lambda: PhaseConfig(method="fast-griffin-lim", n_iter=100))

    def build(
        self, content: Tensor, sample_rate: int, init: InitConfig, generator: torch.Generator
    ) -> "MagnitudeVariable":
        """Return the variable for a content ``(channels, samples)``."""
        return MagnitudeVariable(self, content, sample_rate, init, generator)


class MagnitudeVariable(Variable):
    """Logarithm of 1 + magnitude, ``(1, n_bins, n_frames)``."""

    def __init__(
        self,
        config: LogMagnitudeConfig,
        content: Tensor,
        sample_rate: int,
        init: InitConfig,
        generator: torch.Generator,
    ) -> None:
        self.config = config
        self.spectrogram = SpectrogramConfig(sample_rate=sample_rate, n_fft=config.n_fft, hop_length=config.hop_length)
        self.spectrum = stft(content, self.spectrogram)
        self.samples = content.shape[-1]
        mean = _mean_magnitude(self.spectrum)
        self.level = mean.square().mean().sqrt()
        self.parameter = self._unreflected(init.first(torch.log1p(mean), generator))

    def signal(self) -> Signal:
        """Return the magnitudes."""
        return MagnitudeSignal(self._magnitude(self.parameter), self.spectrogram)

    def reference(self, audio: Tensor) -> Signal:
        """Return the magnitudes of another sound, of all its channels in one."""
        return MagnitudeSignal(_mean_magnitude(stft(audio, self.spectrogram)), self.spectrogram)

    def audio(self, generator: torch.Generator) -> Tensor:
        """Return the sound of the magnitudes under the phase that was found for them."""
        magnitude = self._magnitude(self.parameter.detach())
        phase = self.config.phase.estimate(magnitude.abs(), self.spectrogram, length=self.samples, generator=generator)
        loudest = int(self.spectrum.abs().square().sum((1, 2)).argmax())
        mean = _mean_magnitude(self.spectrum)
        # a bin in which the content is silent is the same in all channels
        share = torch.where(mean > 1e-9, self.spectrum.abs() / mean.clamp_min(1e-9), 1.0)
        apart = self.spectrum.angle() - self.spectrum[loudest].angle()
        spectrum = torch.polar((magnitude.abs() * share), phase + apart) * magnitude.sign()
        return istft(spectrum, self.spectrogram, length=self.samples)

    def _magnitude(self, logarithm: Tensor) -> Tensor:
        magnitude = torch.expm1(self._reflected(logarithm).clamp(*LOG_RANGE))
        if not self.config.levelled:
            return magnitude
        return self.level / magnitude.square().mean().sqrt().clamp_min(1e-9) * magnitude

    def _reflected(self, parameter: Tensor) -> Tensor:
        """Return the logarithms that a parameter stands for."""
        if not self.config.bounded:
            return parameter
        rounding = self.config.rounding
        return (parameter.square() + rounding**2).sqrt() - rounding if rounding else parameter.abs()

    def _unreflected(self, logarithm: Tensor) -> Tensor:
        """Return the parameter that stands for logarithms."""
        if not self.config.bounded or not self.config.rounding:
            return logarithm
        return logarithm.sign() * (logarithm.abs() * (logarithm.abs() + 2 * self.config.rounding)).sqrt()


def _mean_magnitude(spectrum: Tensor) -> Tensor:
    """Return the root of the mean power of the channels, ``(1, n_bins, n_frames)``."""
    return spectrum.abs().square().mean(0, keepdim=True).sqrt()


class MaskConfig(Settings):
    """Gains of the content's spectrogram, smooth in time and frequency: nothing appears that the content has not.

    The logarithm of the gain is given at points of a coarse grid and interpolated between them. All gains begin at 1:
    the settings of a system with another first value are refused.
    """

    kind: Literal["mask"] = "mask"
    n_fft: int = Field(1024, ge=16, le=65536, multiple_of=2, description="samples of a frame")
    hop_length: int = Field(256, ge=1, description="samples from one frame to the next")
    grid: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        (8, 8), description="bins and frames from one point of the grid to the next"
    )

    def build(self, content: Tensor, sample_rate: int, init: InitConfig, generator: torch.Generator) -> "MaskVariable":
        """Return the variable for a content ``(channels, samples)``."""
        return MaskVariable(self, content, sample_rate)


class MaskVariable(Variable):
    """Logarithm of gains, the same for all channels, ``(1, 1, n_points, n_points)``."""

    def __init__(self, config: MaskConfig, content: Tensor, sample_rate: int) -> None:
        self.spectrogram = SpectrogramConfig(sample_rate=sample_rate, n_fft=config.n_fft, hop_length=config.hop_length)
        self.spectrum = stft(content, self.spectrogram)
        self.samples = content.shape[-1]
        shape = [-(-size // step) + 1 for size, step in zip(self.spectrum.shape[1:], config.grid, strict=True)]
        self.parameter = torch.zeros(1, 1, *shape)

    def signal(self) -> Signal:
        """Return the content under the gains."""
        return Waveform(self._masked(self.parameter))

    def reference(self, audio: Tensor) -> Signal:
        """Return the sound itself."""
        return Waveform(audio)

    def audio(self, generator: torch.Generator) -> Tensor:
        """Return the content under the gains."""
        return self._masked(self.parameter.detach())

    def _masked(self, gains: Tensor) -> Tensor:
        size = list(self.spectrum.shape[1:])
        smooth = torch.nn.functional.interpolate(gains, size=size, mode="bilinear", align_corners=True)[0]
        return istft(self.spectrum * smooth.exp(), self.spectrogram, length=self.samples)


VariableConfig = Annotated[
    WaveformConfig | MuLawConfig | FreeFramesConfig | LogMagnitudeConfig | MaskConfig, Field(discriminator="kind")
]


def _ramps(samples: int, sample_rate: int) -> Tensor:
    """Return gains that rise from 0 and fall to 0, ``(samples,)``; of very short sounds over half of it each."""
    gains = torch.ones(samples)
    first, last = (min(round(seconds * sample_rate), samples // 2) for seconds in FADE_SECONDS)
    if first:
        gains[:first] = 0.5 - 0.5 * torch.cos(torch.pi * torch.arange(first) / first)
    if last:
        gains[-last:] = 0.5 + 0.5 * torch.cos(torch.pi * (torch.arange(last) + 1) / last)
    return gains
