"""Frames relative to their own maximum: shape apart from level."""

import pytest
import torch

from intertone.phase import PhaseConfig
from intertone.representation import Analysis
from intertone.representation.frames import FramesConfig, FramesRepresentation
from intertone.stft import SpectrogramConfig, stft

CONFIG = FramesConfig(spectrogram=SpectrogramConfig(sample_rate=8000, n_fft=256, hop_length=64))


@pytest.fixture
def representation() -> FramesRepresentation:
    return FramesRepresentation(CONFIG)


def noise(samples: int = 2000, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def test_a_tone_is_1_in_its_bin_at_every_level(representation: FramesRepresentation) -> None:
    fading = torch.sin(2 * torch.pi * 1000 * torch.arange(4000) / 8000) * torch.logspace(0, -4, 4000)  # bin 32
    features, context = representation.analyse(fading)
    inner = features[0, :, 4:-4]
    assert bool((inner.argmax(0) == 32).all()) and float(inner[32].min()) > 0.999
    levels = context.gains[0, 0, 4:-4].log10()
    # 80 dB in 4000 samples: a frame of 64 samples is 0.064 of a power of ten lower
    assert torch.allclose(levels.diff(), torch.full_like(levels[1:], -0.064), atol=1e-3)


def test_gains_times_features_is_the_magnitude(representation: FramesRepresentation) -> None:
    audio = torch.stack([noise(), 0.01 * noise(seed=1)])
    features, context = representation.analyse(audio)
    assert torch.allclose(features * context.gains, stft(audio, CONFIG.spectrogram).abs(), rtol=1e-5, atol=1e-7)
    assert context.gains.shape == (2, 1, representation.n_frames(2000))


def test_a_gain_scales_the_sound_and_not_the_features(representation: FramesRepresentation) -> None:
    soft, loud = (representation.analyse(level * noise()) for level in (0.001, 1.0))
    assert torch.allclose(soft.features, loud.features, atol=1e-4)
    assert torch.allclose(representation.synthesise(Analysis(soft.features, loud.context)), noise(), atol=1e-4)


def test_equal_channels_stay_equal_with_an_estimated_phase(representation: FramesRepresentation) -> None:
    analysis = representation.analyse(noise().expand(2, -1).contiguous())
    for method in ("griffin-lim", "pghi-fast"):
        phase = PhaseConfig(method=method, n_iter=2)
        for generator in (torch.Generator().manual_seed(3), None):
            left, right = representation.synthesise(analysis, phase=phase, generator=generator)
            assert torch.equal(left, right)


def test_a_mixture_follows_weights_over_time(representation: FramesRepresentation) -> None:
    first, second = (representation.analyse(level * noise()).context for level in (1.0, 3.0))
    n_frames = representation.n_frames(2000)
    rising = torch.linspace(0, 1, n_frames, dtype=torch.float64)
    gains = representation.mix([first, second], torch.stack([1 - rising, rising])).gains
    assert torch.allclose(gains, first.gains * (1 + 2 * rising.float()), rtol=1e-5)
    with pytest.raises(ValueError, match="one weight for each of equally shaped sounds must be given, got 1 for"):
        representation.mix([first, second], torch.ones(1))


def test_its_unit_is_no_decibel(representation: FramesRepresentation) -> None:
    (scale,) = representation.scales
    assert (scale.kind, scale.n_rows, scale.unit, scale.per_feature) == ("linear", 129, "", 1.0)
