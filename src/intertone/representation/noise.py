"""What is no partial: noise, as the power of bands over time, and noise of given powers."""

import math

import numpy as np
import torch
from torch import Tensor

from intertone.stft import SpectrogramConfig, istft, mel_filterbank, stft

POWER_FLOOR = 1e-14
"""Mean square of a band below which nothing is told apart from silence: −140 dB."""


class NoiseBands:
    """Sound ⇄ powers of bands that are equally wide in mel.

    Args:
        sample_rate: Hz.
        hop_length: Samples from one frame to the next.
        n_bands: How many, from 0 Hz on.
        f_max: Upper edge of the highest, Hz.
        longer: How many times as long as for playing the windows are.
    """

    def __init__(self, sample_rate: int, hop_length: int, n_bands: int, f_max: float, *, longer: int = 1) -> None:
        n_fft = longer * 2 ** math.ceil(math.log2(2 * hop_length))
        self.config = SpectrogramConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length)
        filterbank = mel_filterbank(self.config, n_mels=n_bands, f_min=0, f_max=f_max)
        reach = filterbank.sum(0, keepdim=True)
        self.shares = filterbank / reach.clamp_min(1e-6)
        """How much of each bin belongs to each band, ``(n_bands, n_bins)``; each column adds up to 1."""
        self.shares[:, 0] = self.shares[:, int((reach[0] > 0).nonzero()[0, 0])]
        self.shares[-1, int((reach[0] > 0).nonzero()[-1, 0]) + 1 :] = 1
        self.widths = self.shares.sum(1, keepdim=True)
        # mean of |STFT|² of white noise of unit power, over a bin: Σ window²; half of the spectrum holds all of it
        self.unit = 0.375 * n_fft * n_fft / 2

    @property
    def centres(self) -> Tensor:
        """Hz, in the middle of each band, ``(n_bands,)``, float64."""
        bins = torch.arange(self.config.n_bins, dtype=torch.float64) * self.config.sample_rate / self.config.n_fft
        return (self.shares.double() @ bins) / self.widths[:, 0].double()

    def powers(self, spectrum: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean square of what lies in each band.

        Args:
            spectrum: ``(channels, n_bins, n_frames)``, complex.
            weight: How much each cell tells of the noise, ``(n_bins, n_frames)``, > 0; all alike if not given.

        Returns:
            ``(channels, n_bands, n_frames)``, ≥ ``POWER_FLOOR``.
        """
        power = spectrum.abs().square() / self.unit
        if weight is not None:
            return (self.shares @ (power * weight) * self.widths / (self.shares @ weight)).clamp_min(POWER_FLOOR)
        return (self.shares @ power).clamp_min(POWER_FLOOR)

    def floor(self, spectrum: Tensor, weight: Tensor) -> Tensor:
        """Return the mean square of what lies in each band, of what a few loud bins do not count for.

        The mean of the logarithm, which for noise lies 2.5 dB below that of the power.

        Args:
            spectrum: ``(channels, n_bins, n_frames)``, complex.
            weight: How much each cell tells of the noise, ``(n_bins, n_frames)``, > 0.

        Returns:
            ``(channels, n_bands, n_frames)``, ≥ ``POWER_FLOOR``.

        Source:
            Euler's constant is minus the mean of the logarithm of an exponentially distributed number.
        """
        power = (spectrum.abs().square() / self.unit).clamp_min(POWER_FLOOR / self.config.n_bins)
        mean = (self.shares @ (power.log() * weight)) / (self.shares @ weight)
        return ((mean + np.euler_gamma).exp() * self.widths).clamp_min(POWER_FLOOR)

    def between(self, f0: Tensor, multiples: Tensor, *, sharpness: int = 2) -> Tensor:
        """Return how far each bin lies from the nearest partial.

        Below the first partial, and where a bin is too wide to lie between two, all bins tell the same.

        Args:
            f0: Hz, ``(n_frames,)``.
            multiples: Frequencies of the partials in f0, rising, ``(n_partials,)``.
            sharpness: Power of the sinusoid that is 0 at the partials; larger for the middle between them only.

        Returns:
            0.001…1, ``(n_bins, n_frames)``.
        """
        bin_hz = self.config.sample_rate / self.config.n_fft
        frequency = torch.arange(self.config.n_bins, dtype=torch.float64) * bin_hz
        known = np.concatenate([[0], multiples.numpy()])
        place = np.interp((frequency[:, None] / f0).numpy(), known, np.arange(len(known)))
        far = torch.from_numpy(np.where(place < 0.5, 1.0, np.abs(np.sin(np.pi * place)) ** sharpness))
        resolved = ((f0 / (2 * bin_hz) - 1.5) / 2).clamp(0, 1)
        return (1 - resolved * (1 - far)).clamp_min(0.02 if sharpness == 2 else 0.001).float()

    def gains(self, powers: Tensor) -> Tensor:
        """Return what white noise of unit power is multiplied by, ``(channels, n_bins, n_frames)``.

        Args:
            powers: Mean squares of the bands, ``(channels, n_bands, n_frames)``.
        """
        density = powers.clamp_min(POWER_FLOOR) / self.widths  # of each bin
        return (self.shares.T @ density.log()).mul(0.5).exp() * (self.config.n_fft / 2) ** 0.5

    def spectrum(self, sound: Tensor) -> Tensor:
        """Return the STFT that the bands are powers of."""
        return stft(sound, self.config)

    def sound(self, spectrum: Tensor, samples: int) -> Tensor:
        """Return the sound of an STFT."""
        return istft(spectrum, self.config, length=samples)

    def white(self, channels: int, samples: int, generator: torch.Generator) -> Tensor:
        """Return the STFT of white noise of unit power, each channel another."""
        return stft(torch.randn(channels, samples, generator=generator), self.config)
