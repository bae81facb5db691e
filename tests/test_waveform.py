"""The waveform as features: the μ-law and its gradient, and a level that stays."""

import math

import pytest
import torch

from intertone.representation.waveform import WaveformConfig, WaveformRepresentation, inverse_mu_law, mu_law


def test_the_companding_is_that_of_g711() -> None:
    samples = torch.tensor([-1.0, -0.1, 0.0, 0.003, 0.5, 1.0], dtype=torch.float64)
    expected = [math.copysign(math.log(1 + 255 * abs(x)) / math.log(256), x) for x in samples.tolist()]
    assert torch.allclose(mu_law(samples), torch.tensor(expected, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(inverse_mu_law(mu_law(samples)), samples, atol=1e-12)


@pytest.mark.parametrize("function", [mu_law, inverse_mu_law])
def test_the_gradient_is_right_at_0_too(function: object) -> None:
    samples = torch.tensor([-0.7, -1e-3, 0.0, 1e-3, 0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, (samples,), eps=1e-9, atol=1e-3)


def test_a_rounded_waveform_is_within_half_a_step() -> None:
    samples = torch.linspace(-1, 1, 4001)
    rounded = inverse_mu_law((mu_law(samples) * 128).round() / 128)
    # the slope of the inverse is log 256 · (1 + 255 |x|) / 255, half a step is 1 / 256
    step = math.log(256) * (1 / 255 + samples.abs()) / 256
    assert bool(((rounded - samples).abs() <= 1.02 * step).all())


@pytest.mark.parametrize("scale", ["mu_law", "amplitude"])
def test_channels_are_rows_and_come_back(scale: str) -> None:
    representation = WaveformRepresentation(WaveformConfig.model_validate({"scale": scale}))
    audio = torch.rand(2, 3, 50, generator=torch.Generator().manual_seed(0)) - 0.5
    analysis = representation.analyse(audio)
    assert analysis.features.shape == (6, 1, 50)
    assert torch.equal(analysis.features[4, 0] > 0, audio[1, 1] > 0)
    assert torch.allclose(representation.synthesise(analysis), audio, atol=1e-6)
    padded = analysis._replace(features=torch.nn.functional.pad(analysis.features, (0, 14)))
    assert torch.allclose(representation.synthesise(padded), audio, atol=1e-6)


def test_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="audio must hold at least one sample, got none"):
        WaveformRepresentation(WaveformConfig()).analyse(torch.zeros(0))
