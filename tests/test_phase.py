"""The phase that a magnitude implies: its signs, its quality beside librosa's, its blocks and its seeds."""

import math
from itertools import pairwise
from typing import get_args

import librosa
import numpy as np
import pytest
import torch
from conftest import tone

from intertone.metrics import spectral_convergence
from intertone.phase import PhaseMethod, estimate_phase, griffin_lim, integrate_phase, phase_gradient
from intertone.stft import SpectrogramConfig, istft, stft

METHODS: tuple[PhaseMethod, ...] = get_args(PhaseMethod)
QUARTER = SpectrogramConfig(n_fft=1024, hop_length=256)
SMALL = SpectrogramConfig(n_fft=128, hop_length=32)
NOTES = [(40, 1.0, 1.5), (48, 0.7, 1.5), (55, 1.5, 2.0), (62, 0.5, 3.0), (69, 1.0, 4.0)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wrapped(angle: np.ndarray) -> np.ndarray:
    return np.abs((angle + np.pi) % (2 * np.pi) - np.pi)


def invert(audio: torch.Tensor, config: SpectrogramConfig, **settings: object) -> torch.Tensor:
    """Forget the phase of a sound and find another."""
    samples = audio.shape[-1]
    magnitude = stft(audio, config).abs()
    phase = estimate_phase(magnitude, config, length=samples, **{"generator": seeded(), **settings})  # type: ignore[arg-type]
    return istft(torch.polar(magnitude, phase), config, length=samples)


def mean_convergence(estimates: list[torch.Tensor], references: list[torch.Tensor]) -> float:
    return float(spectral_convergence(torch.stack(estimates), torch.stack(references)).mean())


# the phase gradient


@pytest.mark.parametrize(("pitch", "tilt", "decay"), [(48, 1.0, 1.5), (60, 0.5, 3.0), (69, 2.0, 0.5)])
def test_the_gradient_has_the_right_sign_and_size(pitch: int, tilt: float, decay: float) -> None:
    config = SpectrogramConfig(n_fft=1024, hop_length=128)
    swell = 1 + 0.8 * torch.sin(2 * torch.pi * 9 * torch.arange(16000) / 16000)
    spectrum = stft(tone(pitch, tilt=tilt, decay=decay) * swell, config).T.numpy()
    magnitude = np.abs(spectrum)
    angle = np.angle(spectrum * (-1.0) ** np.arange(513))  # pi·m removed from bin m
    over_time, over_frequency = phase_gradient(magnitude, config)
    loud = magnitude > 0.01 * magnitude.max()

    def step_errors(time_gradient: np.ndarray, frequency_gradient: np.ndarray) -> tuple[float, float]:
        trapezoid = (time_gradient[1:] + time_gradient[:-1]) / 2
        in_time = wrapped(np.diff(angle, axis=0) - trapezoid)[loud[1:] & loud[:-1]]
        trapezoid = (frequency_gradient[:, 1:] + frequency_gradient[:, :-1]) / 2
        in_frequency = wrapped(np.diff(angle, axis=1) - trapezoid)[loud[:, 1:] & loud[:, :-1]]
        return float(np.median(in_time)), float(np.median(in_frequency))

    right = step_errors(over_time, over_frequency)
    assert right[0] < 0.1 and right[1] < 0.1
    # bin m turns 2·pi·m·128/1024 in a hop whatever the magnitude; the rest is what may have the wrong sign
    carrier = np.arange(513) * (np.pi / 4)
    reversed_ = step_errors(2 * carrier - over_time, -over_frequency)
    omitted = step_errors(np.broadcast_to(carrier, over_time.shape), np.zeros_like(over_frequency))
    assert min(reversed_) > 0.5 and min(omitted) > 0.25


def test_the_gradient_of_a_gaussian_by_hand() -> None:
    config = SpectrogramConfig(n_fft=16, hop_length=4)
    frames, bins = np.mgrid[:5, :9]
    over_time, over_frequency = phase_gradient(np.exp(0.3 * bins + 0.2 * frames), config)
    # a·M/gamma = 4·16 / (0.25645·16²) = 0.97485; over time 0.97485·0.3 + 2·pi·m·4/16, over frequency −0.2 / 0.97485
    assert over_time[2, 1:-1] == pytest.approx(0.97485 * 0.3 + np.pi / 2 * np.arange(1, 8), abs=1e-4)
    assert over_time[2, [0, 8]] == pytest.approx([0, 4 * np.pi])
    assert over_frequency == pytest.approx(np.full((5, 9), -0.2 / 0.97485), abs=1e-4)


# quality


@pytest.mark.parametrize(("pitch", "tilt"), [(48, 1.0), (60, 0.5), (69, 2.0)])
def test_pghi_alone_finds_a_steady_note(pitch: int, tilt: float) -> None:
    config = SpectrogramConfig(n_fft=1024, hop_length=128)
    note = tone(pitch, tilt=tilt, decay=0.5)
    estimate = invert(note, config, method="pghi")
    assert spectral_convergence(estimate, note, config) <= -30
    assert spectral_convergence(estimate, note) <= -30


def test_pghi_and_then_iterations_beat_librosa_by_ten_decibels() -> None:
    notes = [tone(pitch, tilt=tilt, decay=decay) for pitch, tilt, decay in NOTES]
    ours = [invert(note, QUARTER) for note in notes]
    theirs = [_librosa(note, QUARTER, momentum=0.99) for note in notes]
    assert mean_convergence(ours, notes) < mean_convergence(theirs, notes) - 10


@pytest.mark.parametrize("hop_length", [256, 512])
@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_griffin_lim_is_as_good_as_librosas(hop_length: int, momentum: float) -> None:
    config = SpectrogramConfig(n_fft=1024, hop_length=hop_length)
    notes = [tone(pitch, tilt=tilt, decay=decay) for pitch, tilt, decay in NOTES]
    ours = [
        griffin_lim(stft(note, config).abs(), config, momentum=momentum, length=16000, generator=seeded(1))
        for note in notes
    ]
    theirs = [_librosa(note, config, momentum=momentum) for note in notes]
    assert abs(mean_convergence(ours, notes) - mean_convergence(theirs, notes)) < 1.5


def _librosa(audio: torch.Tensor, config: SpectrogramConfig, *, momentum: float) -> torch.Tensor:
    settings = {"n_fft": config.n_fft, "hop_length": config.hop_length, "pad_mode": "constant"}
    magnitude = np.abs(librosa.stft(audio.numpy(), **settings))
    estimate = librosa.griffinlim(
        magnitude, n_iter=32, momentum=momentum, length=len(audio), random_state=0, **settings
    )
    return torch.from_numpy(estimate)


def test_griffin_lim_never_gets_worse() -> None:
    note = tone(57, seconds=0.5)
    errors = []
    for n_iter in range(12):
        estimate = invert(note, QUARTER, method="griffin-lim", n_iter=n_iter)
        errors.append(float(spectral_convergence(estimate, note, QUARTER)))
    assert all(later <= earlier + 1e-4 for earlier, later in pairwise(errors))
    assert errors[-1] < errors[0] - 4


def test_momentum_0_is_griffin_lim_exactly() -> None:
    magnitude = stft(tone(57, seconds=0.3), QUARTER).abs()
    settings = {"n_iter": 7, "length": 4800}
    accelerated = estimate_phase(
        magnitude, QUARTER, method="fast-griffin-lim", momentum=0.0, generator=seeded(), **settings
    )
    plain = estimate_phase(magnitude, QUARTER, method="griffin-lim", generator=seeded(), **settings)
    assert torch.equal(accelerated, plain)
    audio = griffin_lim(magnitude, QUARTER, momentum=0.0, generator=seeded(), **settings)
    assert torch.equal(audio, istft(torch.polar(magnitude, plain), QUARTER, length=4800))


def test_integration_follows_a_known_phase() -> None:
    config = SpectrogramConfig(n_fft=1024, hop_length=128)
    spectrum = stft(tone(57, decay=0.5), config).T[20:60]
    magnitude, phase = spectrum.abs().numpy(), spectrum.angle().numpy()
    found = integrate_phase(magnitude, config, fallback=np.zeros_like(phase), known=phase[:10])
    loud = magnitude > 0.1 * magnitude.max()
    assert wrapped(found - phase)[:10][loud[:10]].max() < 1e-5
    assert np.median(wrapped(found - phase)[10:][loud[10:]]) < 0.2


# blocks


@pytest.mark.parametrize("block_frames", [64, 40])
@pytest.mark.parametrize(("pitch", "tilt"), [(48, 1.0), (60, 0.5), (69, 2.0)])
def test_blocks_join_without_a_click(pitch: int, tilt: float, block_frames: int) -> None:
    note = tone(pitch, tilt=tilt, decay=0.5, seconds=3)  # 189 frames
    whole, blocks = (invert(note, QUARTER, block_frames=frames) for frames in (4096, block_frames))
    assert spectral_convergence(blocks, note) < spectral_convergence(whole, note) + 8
    # the error of every 32 ms, relative to the mean frame: a click would stand out at its block's end
    short = SpectrogramConfig(n_fft=512, hop_length=128)
    estimate, reference = stft(blocks, short).abs(), stft(note, short).abs()
    error = (estimate - reference).square().sum(0) / reference.square().sum(0).mean()
    assert 10 * torch.log10(error.max()) < -20


def test_pghi_does_not_depend_on_the_blocks() -> None:
    note = tone(60, tilt=0.5, decay=0.5, seconds=3)
    whole, blocks = (invert(note, QUARTER, method="pghi", block_frames=frames) for frames in (4096, 48))
    assert abs(spectral_convergence(whole, note) - spectral_convergence(blocks, note)) < 1


@pytest.mark.parametrize("block_frames", [1, 2, 3, 7, 21, 22])
@pytest.mark.parametrize("method", METHODS)
def test_any_size_of_block_gives_every_frame_a_phase(method: PhaseMethod, block_frames: int) -> None:
    magnitude = torch.rand(65, 22, generator=seeded()) + 0.1
    phase = estimate_phase(magnitude, SMALL, method=method, n_iter=2, block_frames=block_frames, generator=seeded())
    assert phase.shape == (65, 22) and phase.isfinite().all()


# seeds, batches, odd inputs


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bits(method: PhaseMethod) -> None:
    magnitude = stft(tone(57, seconds=0.2), QUARTER).abs()
    one, again, other = (
        estimate_phase(magnitude, QUARTER, method=method, n_iter=3, generator=seeded(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_without_a_generator_torchs_own_is_used() -> None:
    magnitude = torch.rand(65, 9, generator=seeded())
    torch.manual_seed(3)
    one = estimate_phase(magnitude, SMALL, method="griffin-lim", n_iter=1)
    again = estimate_phase(magnitude, SMALL, method="griffin-lim", n_iter=1, generator=seeded(3))
    assert torch.equal(one, again)


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_equals_one_by_one(method: PhaseMethod) -> None:
    magnitude = torch.stack([stft(tone(pitch, seconds=0.2), QUARTER).abs() for pitch in (45, 52, 60, 67)])
    settings = {"method": method, "n_iter": 3, "length": 3200}
    batch = estimate_phase(magnitude.unflatten(0, (2, 2)), QUARTER, generator=seeded(), **settings)
    generator = seeded()  # consumed sound by sound
    single = [estimate_phase(each, QUARTER, generator=generator, **settings) for each in magnitude]
    assert torch.equal(batch.flatten(0, 1), torch.stack(single))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_frames", [1, 2, 5])
def test_silence_stays_silence(method: PhaseMethod, n_frames: int) -> None:
    magnitude = torch.zeros(65, n_frames)
    phase = estimate_phase(magnitude, SMALL, method=method, n_iter=2)
    assert phase.shape == (65, n_frames) and phase.isfinite().all()
    assert not istft(torch.polar(magnitude, phase), SMALL).any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("samples", [1, 31, 32, 33])
def test_the_shortest_sounds(method: PhaseMethod, samples: int) -> None:
    audio = torch.rand(samples, generator=seeded()) + 0.5
    estimate = invert(audio, SMALL, method=method, n_iter=4)
    assert estimate.shape == (samples,) and estimate.isfinite().all()
    assert estimate.norm() < 2 * audio.norm()


def test_silence_inside_a_sound_stays_quiet() -> None:
    note = tone(57, seconds=1)
    note[6000:10000] = 0
    estimate = invert(note, QUARTER)
    assert estimate[7100:8900].abs().max() < 1e-3 * note.abs().max()


def test_one_loud_cell_in_silence() -> None:
    magnitude = torch.zeros(65, 8)
    magnitude[10, 4] = 1.0
    assert estimate_phase(magnitude, SMALL, method="pghi").isfinite().all()


# refusals


def test_refusals() -> None:
    magnitude = torch.rand(65, 4)
    with pytest.raises(ValueError, match="magnitude must have n_bins=65 rows, got 64"):
        estimate_phase(magnitude[:-1], SMALL)
    for momentum in (1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got"):
            griffin_lim(magnitude, SMALL, momentum=momentum)
    with pytest.raises(ValueError, match="n_iter must be >= 0, got -1"):
        estimate_phase(magnitude, SMALL, n_iter=-1)
    with pytest.raises(ValueError, match="length must have n_frames=4, got 200, which has 8"):
        estimate_phase(magnitude, SMALL, method="griffin-lim", length=200)
