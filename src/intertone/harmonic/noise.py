"""The stochastic component: power of noise bands over time, and noise of given powers."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.stft import SpectrogramConfig, hann_window, istft, mel_filterbank, stft

POWER_FLOOR = 1e-14
"""Mean square of a band that counts as silent: −140 dB."""

BLOCK_FRAMES = 32


class NoiseBands:
    """Sound ⇄ powers of bands that are equally wide in mel.

    Args:
        sample_rate: Hz.
        hop_length: Samples from one frame to the next.
        n_bands: Number of bands, from 0 Hz on.
        f_max: Upper edge of the highest, Hz.
        longer: Length of the windows over that for synthesis.

    Raises:
        ValueError: If the windows are too short to tell the lowest bands apart.
    """

    def __init__(self, sample_rate: int, hop_length: int, n_bands: int, f_max: float, *, longer: int = 1) -> None:
        n_fft = longer * 2 ** math.ceil(math.log2(2 * hop_length))
        self.config = SpectrogramConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length)
        filterbank = mel_filterbank(self.config, n_mels=n_bands, f_min=0, f_max=f_max)
        reach = filterbank.sum(0, keepdim=True)
        self.shares = filterbank / reach.clamp_min(1e-6)
        """Share of each bin in each band, ``(n_bands, n_bins)``; each column adds up to 1."""
        self.shares[:, 0] = self.shares[:, int((reach[0] > 0).nonzero()[0, 0])]
        self.shares[-1, int((reach[0] > 0).nonzero()[-1, 0]) + 1 :] = 1
        self.widths = self.shares.sum(1, keepdim=True)
        if not bool((self.widths > 0).all()):
            raise ValueError(
                f"every band of noise must hold a bin: a longer hop_length or fewer bands, got {hop_length}, {n_bands}"
            )
        # mean of |STFT|² of white noise of unit power, over a bin: Σ window²; half of the spectrum holds all of it
        self.unit = 0.375 * n_fft * n_fft / 2

    @property
    def centres(self) -> Tensor:
        """Hz, in the middle of each band, ``(n_bands,)``, float64."""
        bins = torch.arange(self.config.n_bins, dtype=torch.float64) * self.config.sample_rate / self.config.n_fft
        return (self.shares.double() @ bins) / self.widths[:, 0].double()

    def powers(self, spectrum: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean square of each band of an STFT, ``(channels, n_bands, n_frames)``, ≥ ``POWER_FLOOR``.

        Cells, ``(n_bins, n_frames)``, have a ``weight`` > 0; all alike if not given.
        """
        power = _squares(spectrum) / self.unit
        if weight is not None:
            return (self.shares @ (power * weight) * self.widths / (self.shares @ weight)).clamp_min(POWER_FLOOR)
        return (self.shares @ power).clamp_min(POWER_FLOOR)

    def floor(self, sound: Tensor, f0: Tensor, multiples: Tensor) -> Tensor:
        """Return the mean square of each band, measured between the partials, ``(channels, n_bands, n_frames)``.

        It is found by the mean of the logarithm, 2.5 dB below the mean for noise: a few loud bins hardly count.

        Args:
            sound: ``(channels, samples)``.
            f0: Hz, ``(n_frames,)``.
            multiples: Frequencies of the partials in f0, rising, ``(n_partials,)``.

        Source:
            Euler's constant is minus the mean of the logarithm of an exponentially distributed number.
        """
        half, least = self.config.n_fft // 2, POWER_FLOOR / self.config.n_bins
        samples = (len(f0) - 1) * self.config.hop_length
        padded = pad(sound[:, :samples], (half, half + max(0, samples - sound.shape[-1])))
        windows = padded.unfold(-1, self.config.n_fft, self.config.hop_length)
        taper = hann_window(self.config, sound)
        parts = []
        for some in torch.arange(len(f0)).split(BLOCK_FRAMES):  # few at a time stay near the processor
            spectrum = torch.fft.rfft(windows[:, some[0] : some[-1] + 1] * taper).transpose(1, 2)
            weight = self.between(f0[some], multiples, sharpness=8)
            level = (_squares(spectrum) / self.unit).clamp_min_(least).log_()
            parts.append((self.shares @ level.mul_(weight)) / (self.shares @ weight))
        return ((torch.cat(parts, -1) + np.euler_gamma).exp() * self.widths).clamp_min(POWER_FLOOR)

    def between(self, f0: Tensor, multiples: Tensor, *, sharpness: int = 2) -> Tensor:
        """Return how far each bin lies from the nearest partial, 0.001…1, ``(n_bins, n_frames)``.

        Below the first partial, and where a bin is too wide to lie between two, all bins have weight 1. Above the last
        one, further partials are taken to lie f0 apart.

        Args:
            f0: Hz, ``(n_frames,)``.
            multiples: Frequencies of the partials in f0, rising, ``(n_partials,)``.
            sharpness: Power of the sinusoid that is 0 at the partials: 2, 4 or 8; a larger one for the middle only.
        """
        bin_hz = self.config.sample_rate / self.config.n_fft
        frequency = np.arange(self.config.n_bins) * bin_hz
        further = np.arange(1, frequency[-1] / float(f0.min()) + 2)
        known = np.concatenate([[0], multiples.numpy(), float(multiples[-1]) + further])
        resolved = ((f0 / (2 * bin_hz) - 1.5) / 2).clamp(0, 1).float()
        found = []
        for some, share in zip(f0.split(BLOCK_FRAMES), resolved.split(BLOCK_FRAMES), strict=True):
            place = torch.from_numpy(np.interp(frequency / some[:, None].numpy(), known, np.arange(len(known))))
            far = (place - place.round()).float().mul_(math.pi).sin_()
            for _ in range(sharpness.bit_length() - 1):
                far.square_()
            found.append(far.masked_fill_(place < 0.5, 1).sub_(1).mul_(share[:, None]).add_(1))
        return torch.cat(found).clamp_min_(0.02 if sharpness == 2 else 0.001).T

    def band_of(self, hz: Tensor) -> Tensor:
        """Return the band in which each frequency lies, the lowest for NaN and infinity."""
        bin_hz = self.config.sample_rate / self.config.n_fft
        nearest = (hz.nan_to_num(0, 0, 0) / bin_hz).round().long().clamp(0, self.config.n_bins - 1)
        return self.shares.argmax(0)[nearest]

    def gains(self, powers: Tensor) -> Tensor:
        """Return the gains that give white noise of unit power these powers; neighbouring bands overlap.

        Powers are ``(channels, n_bands, n_frames)``, gains ``(channels, n_bins, n_frames)``, linear, > 0.
        """
        density = powers.clamp_min(POWER_FLOOR) / self.widths  # of each bin
        level = density.log().transpose(1, 2) @ self.shares  # frame by frame, as a spectrum lies in memory
        return level.mul_(0.5).exp_().mul_((self.config.n_fft / 2) ** 0.5).transpose(1, 2)

    def spectrum(self, sound: Tensor) -> Tensor:
        """Return the STFT that the bands are powers of, complex, ``(channels, n_bins, n_frames)``."""
        return stft(sound, self.config)

    def sound(self, spectrum: Tensor, samples: int) -> Tensor:
        """Return the sound of an STFT, ``(channels, samples)``: the way back from ``spectrum``."""
        return istft(spectrum, self.config, length=samples)


def _squares(spectrum: Tensor) -> Tensor:
    """Return the squared magnitudes of complex numbers."""
    parts = torch.view_as_real(spectrum)
    return parts[..., 0].square().addcmul_(parts[..., 1], parts[..., 1])
