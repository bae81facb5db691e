"""Convolution over time with fixed kernels, direct or by Fourier transforms of short segments."""

import torch
from torch import Tensor

FOURIER_WIDTH = 10
"""Columns from which on kernels are applied by Fourier transforms. At 16 columns both ways take the same time with 512
filters of 257 rows, at 128 columns the transforms take a third; wide kernels with many filters gain from 11 on."""

CHUNK = 256
"""Number of filters that are transformed at once, so that nothing else as large as all spectra is in memory."""


class TimeConvolution:
    """Inner products of kernels with each place of a sequence of columns, without padding.

    Wide kernels are applied to segments of at least twice their width, which overlap: the spectra of a segment and of
    a kernel are multiplied, and what is free of the circular ends is kept. The result is that of the direct sum but
    for rounding, a millionth of the largest value.

    Args:
        kernels: ``(n_filters, n_rows, width)``.
    """

    def __init__(self, kernels: Tensor) -> None:
        self.width = kernels.shape[-1]
        self.segment = 1 << (2 * self.width - 1).bit_length()
        self.fourier = self.width >= FOURIER_WIDTH
        self.weights = _spectra(kernels, self.segment) if self.fourier else kernels

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the products.

        Args:
            rows: ``(channels, n_rows, n_frames)``; what is shorter than a kernel is completed by zeros.

        Returns:
            ``(channels, n_filters, n_frames − width + 1)``.
        """
        short = max(0, self.width - rows.shape[-1])
        padded = torch.nn.functional.pad(rows, (0, short)) if short else rows
        weights = self.weights.to(padded)
        return self._by_spectra(padded, weights) if self.fourier else torch.nn.functional.conv1d(padded, weights)

    def _by_spectra(self, rows: Tensor, weights: Tensor) -> Tensor:
        """Return the products as those of spectra, ``weights`` from ``_spectra``."""
        channels, n_rows, n_frames = rows.shape
        n_places, step = n_frames - self.width + 1, self.segment - self.width + 1
        n_segments = -(-n_places // step)
        rows = torch.nn.functional.pad(rows, (0, (n_segments - 1) * step + self.segment - n_frames))
        spectra = torch.view_as_real(torch.fft.rfft(rows.unfold(-1, self.segment, step)))
        # for each bin one product of real matrices: real and imaginary parts of the segments with those of the kernels
        columns = spectra.permute(3, 0, 2, 4, 1).reshape(len(weights), -1, n_rows)
        products = torch.bmm(columns, weights.mT).reshape(len(weights), channels, n_segments, 2, 2, -1)
        real = products[..., 0, 0, :] - products[..., 1, 1, :]
        imaginary = products[..., 1, 0, :] + products[..., 0, 1, :]
        found = torch.fft.irfft(torch.complex(real, imaginary).permute(1, 3, 2, 0), n=self.segment)
        return found[..., :step].flatten(2)[..., :n_places]


def _spectra(kernels: Tensor, segment: int) -> Tensor:
    """Return real parts above imaginary parts of the conjugate spectra, ``(n_bins, 2 · n_filters, n_rows)``."""
    n_filters, n_rows, _ = kernels.shape
    found = kernels.new_empty(segment // 2 + 1, 2, n_filters, n_rows)
    for first in range(0, n_filters, CHUNK):
        spectra = torch.fft.rfft(kernels[first : first + CHUNK], n=segment).conj().permute(2, 0, 1)
        found[:, 0, first : first + CHUNK] = spectra.real
        found[:, 1, first : first + CHUNK] = spectra.imag
    return found.flatten(1, 2)
