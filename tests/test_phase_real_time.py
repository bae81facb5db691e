"""Phase gradient heap integration in real time: its signs, its order, its quality beside other methods."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from intertone.cli.options import Phase
from intertone.data.notes import Notes
from intertone.data.patch import draw_patch
from intertone.data.patch_set import VirtualAnalogueConfig, render_patches
from intertone.data.virtual_analogue import play_patch
from intertone.metrics import spectral_convergence
from intertone.phase import PhaseMethod, RealTimePhase, estimate_phase, gradient, integrate_in_real_time, real_time
from intertone.phase.real_time import LookAhead, integrate_frame
from intertone.stft import SpectrogramConfig, istft, stft

RATE = 44100
PLAYED = SpectrogramConfig(sample_rate=RATE, n_fft=4096, hop_length=1024)
SECOND = SpectrogramConfig(sample_rate=RATE, n_fft=2048, hop_length=256)
SMALL = SpectrogramConfig(n_fft=128, hop_length=32)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wrapped(angle: np.ndarray) -> np.ndarray:
    return np.abs((angle + np.pi) % (2 * np.pi) - np.pi)


def steady_tone(f0: float, seconds: float = 1.5) -> torch.Tensor:
    """Partials up to 18 kHz of amplitude 1 / k."""
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    order = torch.arange(1, int(18000 / f0), dtype=torch.float64)[:, None]
    sound = (torch.sin(2 * torch.pi * f0 * order * time + order**2) / order).sum(0)
    return (0.5 * sound / sound.abs().max()).float()


def play(seed: int, key: int = 57) -> torch.Tensor:
    (sound,) = play_patch(draw_patch(seed), [[key]], [100], sample_rate=RATE, hold_seconds=0.4, release_seconds=0.2)
    return torch.from_numpy(sound)


def original_phase(magnitude: np.ndarray, config: SpectrogramConfig) -> np.ndarray:
    """The phase of the code beside Colonel's CANNe: time gradient alone, other sign, half its size, no heap."""
    gamma, n_bins = 0.17055 * config.n_fft**2, config.n_bins
    log = np.log(np.maximum(magnitude, 1e-10 * magnitude.max()))
    rise = np.zeros_like(log)
    rise[:, 1:-1] = log[:, 2:] - log[:, :-2]
    advance = np.pi * config.hop_length * np.arange(n_bins) / n_bins - config.hop_length * n_bins / (2 * gamma) * rise
    phase = np.zeros_like(log)
    phase[1:] = np.cumsum((advance[1:] + advance[:-1]) / 2, 0)
    return phase.astype(np.float32)


def convergence(audio: torch.Tensor, *methods: PhaseMethod) -> list[float]:
    """Return the convergence on the second analysis with the phase of each method and of the original code, dB."""
    magnitude = stft(audio, PLAYED).abs()
    phases = [estimate_phase(magnitude, PLAYED, method=method, generator=seeded()) for method in methods]
    phases.append(torch.from_numpy(original_phase(magnitude.T.numpy(), PLAYED).T))
    sounds = [istft(torch.polar(magnitude, phase), PLAYED, length=len(audio)) for phase in phases]
    return [float(spectral_convergence(sound, audio, SECOND)) for sound in sounds]


# signs


@pytest.mark.parametrize("look_ahead", [0, 1])
def test_a_frame_follows_from_the_one_before(look_ahead: LookAhead, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SpectrogramConfig(sample_rate=RATE, n_fft=1024, hop_length=128)
    time = torch.arange(RATE // 4) / RATE
    sound = steady_tone(220, 0.25) * torch.exp(-40 * time)
    spectrum = stft(sound, config).T[10:-10].numpy()
    magnitude = np.abs(spectrum).astype(np.float64)
    true = np.angle(spectrum * (-1.0) ** np.arange(config.n_bins))
    log = np.log(magnitude + 1e-9)
    slopes = (log[2:] - log[:-2]) / 2 if look_ahead else 0.5 * (3 * log - 4 * np.roll(log, 1, 0) + np.roll(log, 2, 0))

    def error() -> float:
        errors = []
        for place in range(2, len(magnitude) - 1):
            found = integrate_frame(
                magnitude[place],
                config,
                before=magnitude[place - 1],
                known=true[place - 1],
                slope=slopes[place - look_ahead],
                fallback=np.zeros(config.n_bins),
            )
            errors.append(wrapped(found - true[place])[magnitude[place] > 0.01 * magnitude[place].max()])
        return float(np.median(np.concatenate(errors)))

    right, scale = error(), gradient.gradient_scale
    with monkeypatch.context() as patch:
        patch.setattr(gradient, "gradient_scale", lambda config: -scale(config))
        time_reversed = error()
    with monkeypatch.context() as patch:
        patch.setattr(real_time, "gradient_scale", lambda config: -scale(config))
        frequency_reversed = error()
    assert right < 0.05 and time_reversed > 0.3 and frequency_reversed > 0.3


# order


def test_the_phase_comes_from_the_nearest_peak() -> None:
    config = SpectrogramConfig(n_fft=16, hop_length=4)
    magnitude = np.array([0.1, 1.0, 3.0, 2.0, 0.5, 1.5, 4.0, 2.5, 0.2])
    known = np.linspace(0, 2, 9)
    still = {"before": magnitude, "known": known, "slope": np.zeros(9), "fallback": known}
    found = integrate_frame(magnitude, config, **still)
    # bins 2 and 6 are louder than their neighbours; the valley between them, bin 4, is reached from bin 3
    advance = known + gradient.gradient_over_time(np.log(magnitude), config)
    expected = advance[[2, 2, 2, 2, 2, 6, 6, 6, 6]]
    assert wrapped(found - expected) == pytest.approx(np.zeros(9), abs=1e-9)
    assert wrapped(advance[2] - advance[6]) > 0.5


def test_a_partial_that_begins_takes_its_phase_over_frequency() -> None:
    config = SpectrogramConfig(n_fft=16, hop_length=4)
    before = np.array([1e-9, 1e-9, 1.0, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9])
    magnitude = np.array([1e-9, 0.1, 0.5, 0.4, 0.6, 0.7, 0.8, 0.1, 1e-9])
    slope = np.arange(9.0)
    found = integrate_frame(magnitude, config, before=before, known=np.zeros(9), slope=slope, fallback=np.zeros(9))
    # a·M/gamma = 4·16 / (0.25645·16²) = 0.97485: from bin 2 up to bin 6 the phase falls by the slopes' trapezoids
    assert wrapped(found[6] - found[2] + 16 / 0.97485) == pytest.approx(0, abs=1e-4)


def test_quiet_bins_get_random_phase_and_loud_ones_do_not() -> None:
    magnitude = np.full((6, 65), 2e-6)
    magnitude[:, 20:30] = 1.0
    magnitude[:, 40:] = 0.9e-6
    one, other = (integrate_in_real_time(magnitude, SMALL, generator=seeded(seed)) for seed in (0, 1))
    assert np.array_equal(one[:, :40], other[:, :40])
    quiet = one[:, 40:] - np.pi * (np.arange(40, 65) % 2)
    assert not np.isin(quiet, other[:, 40:]).any() and 0.8 * np.pi < np.mod(quiet, 2 * np.pi).mean() < 1.2 * np.pi


def test_loudness_before_counts_for_the_tolerance() -> None:
    magnitude = np.full((2, 65), 1e-7)
    magnitude[0, 20] = 1.0
    one, other = (integrate_in_real_time(magnitude, SMALL, look_ahead=0, generator=seeded(seed)) for seed in (0, 1))
    assert (one[1] != other[1]).all()
    one, other = (integrate_in_real_time(magnitude[1:], SMALL, generator=seeded(seed)) for seed in (0, 1))
    assert np.array_equal(one, other)


# streams


@pytest.mark.parametrize("look_ahead", [0, 1])
@pytest.mark.parametrize("n_frames", [1, 2, 3, 9])
def test_no_phase_waits_for_more_than_the_look_ahead(look_ahead: LookAhead, n_frames: int) -> None:
    magnitude = np.random.default_rng(0).random((10, 65))
    whole = integrate_in_real_time(magnitude, SMALL, look_ahead=look_ahead, generator=seeded())
    assert whole.shape == (10, 65)
    stream = RealTimePhase(SMALL, look_ahead=look_ahead, generator=seeded())
    pushed = [stream.push(frame) for frame in magnitude[:n_frames]]
    found = [phase for phase in pushed if phase is not None]
    assert len(found) == n_frames - look_ahead
    assert all(np.array_equal(one, other) for one, other in zip(found, whole, strict=False))
    assert (stream.finish() is None) == (look_ahead == 0)


def test_a_stream_without_frames_has_no_phase() -> None:
    assert RealTimePhase(SMALL).finish() is None


@pytest.mark.parametrize("look_ahead", [0, 1])
def test_the_level_does_not_matter(look_ahead: LookAhead) -> None:
    magnitude = np.random.default_rng(0).random((5, 65))
    one, other = (
        integrate_in_real_time(factor * magnitude, SMALL, look_ahead=look_ahead, generator=seeded())
        for factor in (1, 2**-20)
    )
    assert one == pytest.approx(other, abs=1e-5)


# quality


@pytest.mark.parametrize(("method", "limit"), [("rtpghi", -28), ("rtpghi-causal", -25)])
def test_a_steady_tone(method: PhaseMethod, limit: float) -> None:
    found, original = convergence(steady_tone(440, 1.0), method)
    assert found <= limit and found < original - 15


def test_notes_beside_the_whole_sound_and_the_original() -> None:
    check(torch.stack([play(seed) for seed in (2, 3)]))


@pytest.mark.slow
def test_forty_held_out_notes(tmp_path: Path) -> None:
    config = VirtualAnalogueConfig(patches=80, pitch_step=12, velocities=(100,), hold_seconds=1, release_seconds=0.5)
    render_patches(tmp_path / "notes", config=config)
    notes = Notes.open(tmp_path / "notes")
    rows = notes.select(split="test")[:40]
    assert len(rows) == 40
    check(notes.audio(rows))


def check(sounds: torch.Tensor) -> None:
    """Hold the median error to limits: a phase that waits for one frame, none, or all, and the original's."""
    found = np.array([convergence(audio, "rtpghi", "rtpghi-causal", "pghi") for audio in sounds])
    one_frame, causal, whole, original = np.median(found, 0)
    assert one_frame <= -20
    assert one_frame <= whole + 3
    assert one_frame <= original - 6
    assert one_frame <= causal <= original - 6


# white noise


def test_the_phase_of_noise_is_that_of_some_noise() -> None:
    noise = torch.randn(20 * SMALL.hop_length, generator=seeded(4))
    magnitude = stft(noise, SMALL).abs()[:, :20]
    phase = estimate_phase(magnitude, SMALL, method="white-noise", generator=seeded(4))
    sound = istft(torch.polar(magnitude, phase), SMALL)
    assert torch.allclose(sound[:-64], noise[: len(sound) - 64], atol=1e-5)
    flat = estimate_phase(torch.ones_like(magnitude), SMALL, method="white-noise", generator=seeded(4))
    assert torch.equal(phase, flat)


# names and refusals


def test_the_command_line_knows_every_method() -> None:
    assert {phase.value for phase in Phase} == {*get_args(PhaseMethod), "kept"}


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"a frame must have n_bins=65 bins, got shape \(64,\)"):
        RealTimePhase(SMALL).push(np.ones(64))
