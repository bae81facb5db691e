"""Spectrograms on a logarithmic frequency axis."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from intertone.downmix import mix_to_mono
from intertone.pitch.note import hz_to_pitch, pitch_to_hz
from intertone.plot import draw_hertz, draw_spectrogram, log_spectrogram, new_figure, pitch_range, plot_spectrograms

RATE = 44100
TIME = torch.arange(2 * RATE) / RATE


FADE = (20 * torch.minimum(TIME, 2 - TIME)).clamp(max=1)


def tone(pitch: float) -> torch.Tensor:
    return FADE * torch.sin(2 * math.pi * pitch_to_hz(pitch) * TIME)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000])
@pytest.mark.parametrize("pitch", [33, 45, 55.25, 67, 80, 100.5])
def test_a_tone_lies_in_the_row_of_its_pitch(pitch: float, rate: int) -> None:
    sound = torch.sin(2 * math.pi * pitch_to_hz(pitch) * torch.arange(rate) / rate)
    db, pitches = log_spectrogram(sound, rate)
    middle = db[:, db.shape[1] // 2]
    # a bin of the longest window is 5.4 Hz, 1.6 semitones at 55 Hz
    assert abs(pitches[middle.argmax()] - pitch) <= max(0.25, 12 * math.log2(1 + 2.7 / pitch_to_hz(pitch)))
    assert middle.max() > -1


def test_a_tone_is_as_loud_wherever_it_lies() -> None:
    levels = [float(log_spectrogram(tone(50) + tone(pitch), RATE)[0][:, 300].max()) for pitch in (30, 70, 90, 110)]
    both, pitches = log_spectrogram(tone(40) + tone(60) + tone(79) + tone(103), RATE)
    tops = [both[np.abs(pitches - pitch) < 1, 300].max() for pitch in (40, 60, 79, 103)]
    assert levels == pytest.approx([0] * 4, abs=0.5)
    assert tops == pytest.approx([0] * 4, abs=1.5)  # between two bins a Hann window is 1.4 dB lower


def test_low_partials_are_apart_and_high_ones_begin_on_time() -> None:
    db, pitches = log_spectrogram(tone(36) + tone(43), RATE)  # C2 and G2: 33 Hz apart
    rows = db[:, db.shape[1] // 2]
    between = rows[(pitches > 38) & (pitches < 41)].min()
    assert between < -15
    late = torch.where(TIME < 1, 0, tone(100))
    loud = (log_spectrogram(late, RATE)[0].max(0) > -20).argmax() / (RATE / 256)
    assert loud == pytest.approx(1, abs=0.02)


def test_channels_of_opposite_polarity_are_drawn() -> None:
    db, _ = log_spectrogram(torch.stack([tone(50), -0.5 * tone(50)]), RATE)
    assert np.array_equal(db, log_spectrogram(0.75 * tone(50), RATE)[0])


def test_an_offset_says_nothing_about_the_polarity_of_a_channel() -> None:
    pair = torch.stack([0.1 * tone(50) + 0.2, 0.1 * tone(50) - 0.2])
    assert torch.allclose(mix_to_mono(pair), 0.1 * tone(50), atol=1e-6)


def test_the_axis_ends_where_nothing_is_heard() -> None:
    low, high = pitch_range([tone(60) + 0.1 * tone(96), tone(48) + 1e-5 * tone(120)], RATE)
    assert 43 < low < 47 and 97 < high < 102
    assert pitch_range([tone(69)], RATE) == pytest.approx((51, 87), abs=1)  # three octaves at least
    assert pitch_range([torch.zeros(9000)], RATE) == (21, pytest.approx(hz_to_pitch(RATE / 2), abs=0.51))


def test_marks_are_notes_and_hertz() -> None:
    figure = new_figure(4, 3)
    axes = figure.subplots()
    draw_spectrogram(axes, tone(60), RATE, pitches=(40, 110))
    draw_hertz(axes)
    figure.canvas.draw()
    (right,) = axes.child_axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C3", "C4", "C5", "C6", "C7", "C8"]
    assert list(axes.get_yticks()) == [48, 60, 72, 84, 96, 108]
    hertz = dict(zip([label.get_text() for label in right.get_yticklabels()], right.get_yticks(), strict=True))
    assert hertz["500"] == pytest.approx(hz_to_pitch(500)) and hertz["2 k"] == pytest.approx(hz_to_pitch(2000))


@pytest.mark.parametrize("samples", [1, 50, 3000, 20 * RATE])
def test_sounds_of_any_length_are_drawn(tmp_path: Path, samples: int) -> None:
    generator = torch.Generator().manual_seed(0)
    sounds = {"noise $x$": torch.randn(2, samples, generator=generator), "silence": torch.zeros(samples)}
    plot_spectrograms(tmp_path / "picture.png", sounds, sample_rate=RATE)
    image = imread(tmp_path / "picture.png")
    assert image.shape[0] == 728 and image.shape[1] == pytest.approx(1014, abs=2)
    assert log_spectrogram(sounds["noise $x$"], RATE)[0].shape[1] <= 1200
