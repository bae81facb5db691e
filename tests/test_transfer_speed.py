"""Fast forms of what style transfer computes most, against the direct ones."""

import pytest
import torch
from torch import Tensor

from intertone.transfer.convolution import FOURIER_WIDTH, TimeConvolution
from intertone.transfer.target import products


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_frames", [1, 11, 12, 32, 33, 75])
@pytest.mark.parametrize("width", [2, FOURIER_WIDTH - 1, FOURIER_WIDTH, 16, 17])
def test_a_convolution_by_spectra_is_the_direct_one_with_its_gradient(width: int, n_frames: int) -> None:
    rows, kernels = noise(2, 5, n_frames).double(), noise(300, 5, width, seed=1).double()
    convolve = TimeConvolution(kernels)
    assert convolve.fourier == (width >= FOURIER_WIDTH)
    weights = noise(2, 300, max(1, n_frames - width + 1), seed=2).double()
    found = []
    for apply in (convolve, lambda given: torch.conv1d(given, kernels)):
        given = rows.clone().requires_grad_(True)
        output = apply(torch.nn.functional.pad(given, (0, max(0, width - n_frames))))
        (output * weights).sum().backward()
        found.append((output.detach(), given.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-10)


def test_a_convolution_in_single_precision_is_exact_to_a_millionth_of_its_largest_value() -> None:
    rows, kernels = noise(1, 200, 150), noise(64, 200, 128, seed=1)
    exact = torch.conv1d(rows.double(), kernels.double())
    assert float((TimeConvolution(kernels)(rows) - exact).abs().max() / exact.abs().max()) < 1e-6


def test_a_convolution_completes_what_is_shorter_than_its_kernels() -> None:
    kernels = noise(4, 3, 12)
    rows = noise(1, 3, 7, seed=1)
    expected = torch.einsum("frk,crk->cf", kernels[..., :7], rows)[..., None]
    torch.testing.assert_close(TimeConvolution(kernels)(rows), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 9), (3, 4, 9)])
def test_products_of_rows_have_the_gradient_of_two_factors(shape: tuple[int, ...]) -> None:
    weights = noise(*shape[:-1], shape[-2], seed=1).double()  # not symmetric
    first, second = (noise(*shape).double().requires_grad_(True) for _ in range(2))
    (products(first) * weights).sum().backward()
    (second @ second.mT * weights).sum().backward()
    assert first.grad is not None and second.grad is not None
    torch.testing.assert_close(products(first), second @ second.mT)
    torch.testing.assert_close(first.grad, second.grad)
