"""Metrics of a note as a whole: attack, loudness, pitch, and ViSQOL."""

import importlib.util
import math
import os
import sys

import numpy as np
import pytest
import torch
from conftest import SAMPLE_RATE, tone
from torch import Tensor

from intertone.errors import InputError
from intertone.metrics import (
    attack_time,
    attack_time_error,
    loudness_error,
    pitch_accuracy,
    pitch_error_cents,
    rms_envelope,
    visqol_mos,
)
from intertone.pitch.note import pitch_to_hz
from intertone.pitch.yin import note_pitch

KEYS = range(21, 109)


def rising(seconds: float) -> Tensor:
    """A tone of 1.5 seconds whose amplitude rises in a straight line and then stays."""
    time = torch.arange(round(1.5 * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    return ((time / seconds).clamp(max=1) * torch.sin(2 * torch.pi * 1000 * time)).float()


def delayed(sound: Tensor, seconds: float) -> Tensor:
    n = round(seconds * SAMPLE_RATE)
    return torch.cat([torch.zeros(n), sound[: len(sound) - n]])


# envelope and attack


def test_envelope_is_the_rms_of_the_samples_before_each_step() -> None:
    audio = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0))
    envelope = rms_envelope(audio, SAMPLE_RATE, window_seconds=0.01, step_seconds=0.004)
    assert envelope.shape == (2, 1 + -(-1000 // 64))
    padded = np.pad(audio.double().numpy(), ((0, 0), (160, 0)))
    for n in range(envelope.shape[1]):
        end = min(64 * n, 1000) + 160  # the last window ends with the sound
        wanted = np.sqrt((padded[:, end - 160 : end] ** 2).mean(1))
        assert envelope[:, n].numpy() == pytest.approx(wanted, abs=1e-9)
    with pytest.raises(ValueError, match="at least one sample, got none"):
        rms_envelope(torch.zeros(0), SAMPLE_RATE)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 1.0])
def test_attack_of_a_straight_rise_is_seven_tenths_of_it(seconds: float) -> None:
    assert float(attack_time(rising(seconds), SAMPLE_RATE)) == pytest.approx(0.7 * seconds, abs=0.002)


def test_attack_of_a_sudden_tone_is_the_windows_and_that_of_silence_one_step() -> None:
    sudden = torch.cat([torch.zeros(4000), torch.ones(4000)])
    # the RMS of the window is sqrt(t / 10 ms): 20 % at 0.4 ms and 90 % at 8.1 ms
    assert float(attack_time(sudden, SAMPLE_RATE)) == pytest.approx(0.0077, abs=0.0005)
    assert float(attack_time(sudden[4000:], SAMPLE_RATE)) == pytest.approx(0.0077, abs=0.0005)
    assert float(attack_time(torch.zeros(100), SAMPLE_RATE)) == pytest.approx(0.001)


def test_attack_does_not_depend_on_level_polarity_delay_or_sample_rate() -> None:
    sound = rising(0.1)
    wanted = float(attack_time(sound, SAMPLE_RATE))
    for other in (1e-3 * sound, -sound, delayed(sound, 0.005)):
        assert float(attack_time(other, SAMPLE_RATE)) == pytest.approx(wanted, rel=1e-4)
    time = torch.arange(44100) / 44100
    same = (time / 0.1).clamp(max=1) * torch.sin(2 * torch.pi * 1000 * time)
    assert float(attack_time(same, 44100)) == pytest.approx(wanted, abs=0.001)


def test_attack_error_is_in_decades_and_grows_with_the_difference() -> None:
    reference = rising(0.1)
    assert float(attack_time_error(-0.1 * reference, reference)) == pytest.approx(0, abs=1e-4)
    errors = [float(attack_time_error(rising(seconds), reference)) for seconds in (0.1, 0.15, 0.2, 0.4)]
    assert errors == sorted(errors)
    assert errors[2] == pytest.approx(math.log10(2), abs=0.02)
    assert float(attack_time_error(rising(0.05), reference)) == pytest.approx(math.log10(2), abs=0.02)
    batch = attack_time_error(torch.stack([rising(0.2), rising(0.4)])[:, None], torch.stack([reference] * 2)[:, None])
    assert batch[:, 0].tolist() == pytest.approx(errors[2:], abs=1e-6)
    assert float(attack_time_error(torch.zeros(100), torch.zeros(100))) == 0
    with pytest.raises(ValueError, match="shapes must be equal"):
        attack_time_error(reference, reference[1:])


# loudness


def test_loudness_error_is_the_gain_and_not_the_polarity_or_a_delay() -> None:
    sound = tone(60)
    gains = torch.tensor([[1.0, -1.0], [2.0, 0.1]])
    errors = loudness_error(gains[..., None] * sound, sound.expand(2, 2, -1))
    assert errors.tolist() == [
        pytest.approx([0, 0], abs=1e-4),
        pytest.approx([6.02, -20], abs=0.01),
    ]
    assert abs(float(loudness_error(delayed(sound, 0.005), sound))) < 0.1
    silence = torch.zeros_like(sound)
    assert float(loudness_error(silence, silence)) == 0
    assert -80 < float(loudness_error(silence, sound)) == -float(loudness_error(sound, silence)) < -40
    with pytest.raises(ValueError, match="shapes must be equal"):
        loudness_error(sound, sound[1:])


# pitch


def test_half_a_semitone_is_read_as_50_cents_on_every_key() -> None:
    sharp = torch.stack([tone(pitch + 0.5, seconds=0.3) for pitch in KEYS])
    cents = pitch_error_cents(sharp, torch.tensor(KEYS))
    assert cents.shape == (88,)
    assert float((cents - 50).abs().max()) < 2


def test_pitch_does_not_depend_on_level_polarity_or_delay_and_may_be_searched_nearby() -> None:
    sound = tone(57.2)
    for other in (sound, 1e-3 * sound, -sound, delayed(sound, 0.005)):
        assert float(pitch_error_cents(other, 57)) == pytest.approx(20, abs=2)
    label = pitch_to_hz(57)
    near = float(pitch_error_cents(sound, 57, f_min=label / 2, f_max=2 * label))
    assert near == pytest.approx(1200 * math.log2(note_pitch(sound, SAMPLE_RATE) / label), abs=1)
    assert math.isnan(float(pitch_error_cents(torch.zeros(8000), 57)))
    assert pitch_error_cents(torch.stack([sound, sound]).view(2, 1, -1), 57).shape == (2, 1)
    with pytest.raises(ValueError, match=r"pitch must be one number or of shape \(2,\), got \(3,\)"):
        pitch_error_cents(torch.stack([sound, sound]), torch.tensor([57, 57, 57]))


def test_accuracy_counts_the_notes_within_half_a_semitone_and_none_without_a_pitch() -> None:
    noise = torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    sounds = torch.stack([tone(60), tone(60.4), tone(60.6), tone(48), noise])
    cents = pitch_error_cents(sounds, 60)
    assert cents[:4].tolist() == pytest.approx([0, 40, 60, -1200], abs=3)
    assert math.isnan(float(cents[4]))
    assert float(pitch_accuracy(cents)) == pytest.approx(0.4)
    assert float(pitch_accuracy(cents, tolerance_cents=70)) == pytest.approx(0.6)
    assert float(pitch_accuracy(cents[:1])) == 1
    with pytest.raises(ValueError, match="at least one note, got none"):
        pitch_accuracy(torch.zeros(0))


# ViSQOL


def test_visqol_says_what_to_install_where_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "visqol", None)
    with pytest.raises(InputError, match=r"visqol-python must be installed .*pip install intertone\[visqol\]"):
        visqol_mos(tone(60), tone(60), SAMPLE_RATE)


@pytest.mark.skipif(
    importlib.util.find_spec("visqol") is None and not os.environ.get("CI"),
    reason="pip install -c constraints.txt -e '.[visqol]' (needs a C++ compiler)",
)
def test_visqol_prefers_the_sound_itself_to_a_noisy_one_and_that_to_silence() -> None:
    sound = tone(60)
    noise = torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    silence = torch.zeros_like(sound)
    estimates = torch.stack([sound, sound + 0.001 * noise, sound + 0.1 * noise, silence])
    scores = visqol_mos(estimates.view(2, 2, -1), sound.expand(2, 2, -1), SAMPLE_RATE)
    assert scores.shape == (2, 2)
    scores = scores.flatten().tolist()
    assert scores[0] == pytest.approx(4.732, abs=0.01)
    assert scores == sorted(scores, reverse=True) and scores[1] > 4 > 3 > scores[2]
    assert scores[3] == 1
    assert float(visqol_mos(-0.1 * sound, sound, SAMPLE_RATE)) == pytest.approx(4.732, abs=0.01)
    assert float(visqol_mos(sound, silence, SAMPLE_RATE)) == 1
    assert float(visqol_mos(silence, silence, SAMPLE_RATE)) == pytest.approx(4.732)
    with pytest.raises(InputError, match=r"at least 0.96 s for ViSQOL, got 0.5 s"):
        visqol_mos(sound[:8000], sound[:8000], SAMPLE_RATE)
