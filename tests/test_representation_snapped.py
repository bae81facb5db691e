import math

import pytest
import torch
from conftest import SAMPLE_RATE, tone

from intertone.phase import PhaseConfig
from intertone.representation import (
    Analysis,
    DecibelConfig,
    PitchNormalisedConfig,
    PitchNormalisedRepresentation,
    SpectrogramRepresentation,
    build_representation,
)
from intertone.stft import SpectrogramConfig

ESTIMATED = PhaseConfig(method="pghi-fast")


def snapped() -> PitchNormalisedRepresentation:
    return PitchNormalisedRepresentation(PitchNormalisedConfig())


def partials(f0: float, *, below: float = 5000, samples: int = 8000) -> torch.Tensor:
    """A steady note whose partials stay below ``below`` Hz, faded at its ends."""
    time = torch.arange(samples, dtype=torch.float64) / SAMPLE_RATE
    sines = sum(torch.sin(2 * torch.pi * k * f0 * time + k * k) / k for k in range(1, int(below / f0) + 1))
    fade = torch.hann_window(1600, dtype=torch.float64)
    envelope = torch.ones(samples, dtype=torch.float64)
    envelope[:800], envelope[-800:] = fade[:800], fade[800:]
    return (0.2 * sines * envelope).float()


def snr_db(estimate: torch.Tensor, reference: torch.Tensor) -> float:
    return float(10 * torch.log10(reference.square().sum() / (estimate - reference).square().sum()))


@pytest.mark.parametrize("f0", [185.0, 220.0, 250.0, 311.1, 340.0])
def test_partials_of_every_note_of_an_octave_lie_on_the_same_rows(f0: float) -> None:
    features, context = snapped().analyse(partials(f0))
    assert features.shape == (1, 512, 33)
    # 250 Hz is bin 16 of 15.625 Hz
    spectrum = features[0].mean(1)
    for order in range(1, 8):
        assert abs(int(spectrum[16 * order - 8 : 16 * order + 8].argmax()) - 8) <= (order > 4)
    assert abs(1200 * math.log2(context.hops[0] / 256 * 250 / f0)) < 5


def test_a_note_at_the_base_is_an_ordinary_spectrogram() -> None:
    audio = partials(250)
    ours, theirs = snapped().analyse(audio)[0], SpectrogramRepresentation(DecibelConfig()).analyse(audio)[0]
    assert torch.equal(ours, theirs)
    assert torch.allclose(snapped().analyse(torch.zeros(4000))[0], torch.zeros(1))  # silence has no pitch


@pytest.mark.parametrize("samples", [1000, 7999, 8000, 8001])
@pytest.mark.parametrize("f0", [190.0, 340.0])
def test_the_way_back_gives_the_sound(f0: float, samples: int) -> None:
    representation, audio = snapped(), torch.stack([partials(f0, samples=samples), partials(f0 + 3, samples=samples)])
    features, context = representation.analyse(audio)
    assert features.shape == (2, 512, representation.n_frames(samples))
    again = representation.synthesise(Analysis(features, context))
    assert again.shape == audio.shape
    assert snr_db(again, audio) > (40 if samples == 1000 else 55)
    estimated = representation.synthesise(Analysis(features, context), phase=ESTIMATED, generator=torch.Generator())
    assert estimated.shape == audio.shape
    assert 10 * abs(float(torch.log10(estimated.square().sum() / audio.square().sum()))) < 0.5


def test_what_rises_above_half_of_the_sample_rate_is_lost() -> None:
    # 190 Hz becomes 250: what lies above 6080 Hz is gone, the rest is there
    audio = partials(190, below=7800)
    again = snapped().synthesise(snapped().analyse(audio))
    power = (torch.fft.rfft(again).abs() / torch.fft.rfft(audio).abs().clamp_min(1e-3)).square()
    hertz = torch.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    loud = torch.fft.rfft(audio).abs() > 1
    assert float(power[loud & (hertz < 5500)].min()) > 0.98
    assert float(power[loud & (hertz > 6300)].max()) < 0.02


def test_sounds_of_a_batch_have_pitches_of_their_own() -> None:
    representation, audio = snapped(), torch.stack([partials(190), tone(57, seconds=0.5)]).unsqueeze(1)
    features, context = representation.analyse(audio)
    assert context.hops == (195, 225)
    for item in range(2):
        assert torch.equal(features[item], representation.analyse(audio[item])[0][0])
    assert torch.equal(
        representation.synthesise(Analysis(features, context))[1],
        representation.synthesise(representation.analyse(audio[1])),
    )


def test_between_two_notes_of_an_octave_lies_one_note() -> None:
    representation, audio = snapped(), [partials(200), partials(288)]
    (a, first), (b, second) = (representation.analyse(sound) for sound in audio)
    weights = torch.tensor([0.5, 0.5])
    mixed = representation.mix([first, second], weights)
    sound = representation.synthesise(Analysis(0.5 * a + 0.5 * b, mixed), generator=torch.Generator().manual_seed(0))
    spectrum = torch.fft.rfft(sound).abs()
    assert abs(float(spectrum.argmax()) * SAMPLE_RATE / len(sound) - 240) <= 2
    assert float(spectrum[[100, 144]].max()) < 0.05 * float(spectrum.max())  # neither end is heard
    only = representation.mix([first, second], weights, pitch=torch.tensor([0.0, 1.0]))
    assert only.hops == second.hops
    assert only.edited
    with pytest.raises(ValueError, match="phase method kept must be used with a context that is not edited"):
        representation.synthesise(Analysis(a, mixed), phase=PhaseConfig(method="kept"))


def test_settings_and_refusals() -> None:
    representation = build_representation(PitchNormalisedConfig(top_db=60))
    assert isinstance(representation, PitchNormalisedRepresentation)
    assert (representation.n_features, representation.scales[0].range_db, representation.sample_rate) == (
        512,
        60,
        16000,
    )
    assert representation.facts()["representation"] == "snapped"
    assert representation.samples(representation.n_frames(64000)) == 64000
    with pytest.raises(ValueError, match=r"hop_length must be in 1\.\.n_fft/√8=362, .* got 363"):
        PitchNormalisedConfig(spectrogram=SpectrogramConfig(hop_length=363))
    with pytest.raises(ValueError, match="or the last one or two of these axes, got"):
        representation.analyse(torch.zeros(1, 1, 0))
