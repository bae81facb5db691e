"""Pitch classes of frames."""

import pytest
import torch

from intertone.pitch.chroma import class_of_pitch, one_hot_classes, strongest_class
from intertone.representation.contract import mix_conditions
from intertone.representation.frames import FramesConfig, FramesRepresentation
from intertone.stft import SpectrogramConfig

CONFIG = FramesConfig(spectrogram=SpectrogramConfig(sample_rate=44100, n_fft=4096, hop_length=1024))


def tone(pitch: float, *, decay: float = 1.0) -> torch.Tensor:
    f0, time = 440 * 2 ** ((pitch - 69) / 12), torch.arange(22050) / 44100
    partials = [torch.sin(2 * torch.pi * f0 * k * time) / k**decay for k in range(1, 1 + min(20, int(20000 / f0)))]
    return 0.1 * torch.stack(partials).sum(0)


@pytest.mark.parametrize("pitch", range(36, 97, 5))
@pytest.mark.parametrize("decay", [1.0, 2.0])
def test_the_class_of_a_harmonic_tone_is_that_of_its_pitch(pitch: int, decay: float) -> None:
    chroma = FramesRepresentation(CONFIG).analyse(tone(pitch, decay=decay)).context.conditions["chroma"]
    assert chroma.shape == (1, 12, 23)
    assert torch.equal(chroma[..., 5:-5], class_of_pitch(pitch).expand(1, 12, 23)[..., 5:-5])


def test_silence_has_no_class() -> None:
    chroma = FramesRepresentation(CONFIG).analyse(torch.zeros(8192)).context.conditions["chroma"]
    assert float(chroma.abs().max()) == 0
    assert float(strongest_class(torch.zeros(5, 2), torch.rand(12, 5)).abs().max()) == 0
    assert one_hot_classes(torch.tensor([[1.0], [3.0], [2.0]])).flatten().tolist() == [0, 1, 0]


def test_of_a_mixture_the_strongest_class_counts() -> None:
    both = [{"chroma": class_of_pitch(60)}, {"chroma": class_of_pitch(67)}]
    for weights, pitch in (([0.6, 0.4], 60), ([0.3, 0.7], 67)):
        mixed = mix_conditions(both, torch.tensor(weights))["chroma"]
        assert torch.equal(mixed, class_of_pitch(pitch))
    tie = torch.tensor([0.5, 0.5])
    assert torch.equal(mix_conditions(both, tie)["chroma"], class_of_pitch(60))
    assert torch.equal(mix_conditions(both[::-1], tie)["chroma"], class_of_pitch(67))
    silent = [{"chroma": torch.zeros(1, 12, 1)}] * 2
    assert float(mix_conditions(silent, torch.tensor([0.5, 0.5]))["chroma"].abs().max()) == 0
