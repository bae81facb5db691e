"""Voices that beat: their partials pass through zero, and nothing clicks there when they are moved or mixed."""

import math

import pytest
import torch
from methods import by_partials, mixture
from scipy import signal
from torch import Tensor

from intertone.bench.hard.phase_jump import phase_jumps
from intertone.harmonic.morph.modulation import separate_modulation
from intertone.harmonic.synthesis import signed_amplitudes
from intertone.pitch.note import pitch_to_hz
from intertone.representation import HarmonicConfig, HarmonicRepresentation

RATE = 16000
CONFIG = HarmonicConfig(sample_rate=RATE, hop_length=160, f_max=7600)
REPRESENTATION = HarmonicRepresentation(CONFIG)
C3 = 48.0


def pad(cents: float = 6.0) -> Tensor:
    """Two seconds of two voices of eight partials, detuned by so many cents up and down, in two channels.

    The voices of the second channel are detuned by a tenth more, so that they cancel at other times.
    """
    time = torch.arange(2 * RATE, dtype=torch.float64) / RATE
    channels = []
    for detuned in (cents, 1.1 * cents):
        voices = (pitch_to_hz(C3) * 2 ** (sign * detuned / 1200) for sign in (-1, 1))
        channels.append(sum(torch.sin(2 * math.pi * hz * k * time + k) / k for hz in voices for k in range(1, 9)))
    envelope = (time / 0.2).clamp(max=1) * ((2 - time) / 0.2).clamp(max=1)
    return (0.1 * envelope * torch.stack([torch.as_tensor(each) for each in channels])).float()


def steady() -> Tensor:
    """Two seconds of one voice of 20 partials in both channels."""
    time = torch.arange(2 * RATE, dtype=torch.float64) / RATE
    sound = sum(torch.sin(2 * math.pi * pitch_to_hz(C3) * k * time + k * k) / k**1.5 for k in range(1, 20))
    envelope = (time / 0.2).clamp(max=1) * ((2 - time) / 0.2).clamp(max=1)
    return (0.2 * envelope * torch.as_tensor(sound)).float().expand(2, -1)


def between_partials_db(sound: Tensor, f0: float) -> float:
    """Loudest 10 ms between the first and the second partial, relative to the mean of the sound, dB."""
    band = signal.butter(4, [1.35 * f0, 1.65 * f0], "band", fs=RATE, output="sos")
    heard = signal.sosfiltfilt(band, sound.double().numpy())[6400:25600].reshape(-1, 160)
    return 10 * math.log10(float((heard**2).mean(1).max() / sound.double().square().mean()))


def test_the_sounds_themselves_have_nothing_between_their_partials() -> None:
    assert between_partials_db(pad()[0], pitch_to_hz(C3)) < -75
    assert between_partials_db(steady()[0], pitch_to_hz(C3)) < -75


@pytest.mark.parametrize("semitones", [-5, 3, 7])
def test_a_transposed_pad_does_not_click_where_its_voices_cancel(semitones: int) -> None:
    moved = mixture(by_partials(CONFIG), [REPRESENTATION.analyse(pad()[None])], [1.0], pitch=str(C3 + semitones))
    found = REPRESENTATION.synthesise(moved)[0]
    for channel in found:
        assert between_partials_db(channel, pitch_to_hz(C3 + semitones)) < -57


@pytest.mark.parametrize("mix", [0.25, 0.5, 0.75])
def test_no_phase_jumps_between_a_pad_and_a_steady_sound(mix: float) -> None:
    analyses = [REPRESENTATION.analyse(each[None]) for each in (pad(), steady())]
    found = REPRESENTATION.synthesise(mixture(by_partials(CONFIG), analyses, [1 - mix, mix]))[0]
    for channel in found:
        assert between_partials_db(channel, pitch_to_hz(C3)) < -38
        assert phase_jumps(channel, [pitch_to_hz(C3)], RATE) == 0


def test_the_steady_phase_passes_a_zero_slowly() -> None:
    (analysed,) = REPRESENTATION.analyse(pad(12)[None]).context.sounds
    separated = separate_modulation(analysed, REPRESENTATION.synthesiser)
    middle = slice(30, -30)
    own, slow = (each.phase[:, :4].diff().abs()[..., middle].max() for each in (analysed, separated))
    assert float(own) > 0.4 and float(slow) < 0.2  # periods in 10 ms


def test_an_amplitude_that_passes_through_zero_gets_a_sign() -> None:
    # a cosine that turns by another tenth of a period in each frame
    frames = torch.arange(12, dtype=torch.float64)
    beat = torch.cos(2 * math.pi * (frames + 0.5) / 11)
    phase = 0.1 * frames + torch.where(beat < 0, 0.5, 0.0)
    amplitude, rest = signed_amplitudes(beat.abs(), phase)
    assert torch.allclose(amplitude, beat)
    assert torch.allclose(rest.diff(), torch.full((11,), 0.1).double(), atol=1e-9)
    # without a dip, a phase that moves by half a period in each frame is that of another frequency
    level, turning = torch.ones(8), 0.5 * torch.arange(8)
    assert all(torch.equal(*pair) for pair in zip(signed_amplitudes(level, turning), (level, turning), strict=True))
    assert [len(each) for each in signed_amplitudes(torch.ones(1), torch.zeros(1))] == [1, 1]
