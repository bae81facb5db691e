import math

import librosa
import numpy as np
import pytest
import torch
from conftest import SAMPLE_RATE, tone
from scipy.signal import lfilter

from intertone.audio import resample
from intertone.loudness import _k_weighted, integrated_loudness, k_weighting
from intertone.pitch.comb import comb_partials, fit_comb, spectral_peaks
from intertone.pitch.heterodyne import refine_pitch
from intertone.pitch.note import hz_to_cents, hz_to_pitch, key_name, note_name, parse_note, pitch_to_hz
from intertone.pitch.stiffness import (
    STIFFEST,
    at_frames,
    common_error,
    fit_inharmonicity,
    partial_orders,
    stretched,
)
from intertone.pitch.yin import note_pitch, track_pitch

KEYS = range(21, 109)


def cents_off(audio: torch.Tensor, pitch: float, **options: float) -> float:
    return float(hz_to_cents(note_pitch(audio, SAMPLE_RATE, **options), pitch_to_hz(pitch)))


def test_frequencies_and_midi_numbers_are_inverse_in_every_type() -> None:
    numbers = np.arange(0, 128, 0.25)
    hertz = 440 * 2 ** ((numbers - 69) / 12)
    assert np.allclose(hz_to_pitch(hertz), numbers, atol=1e-12)
    assert np.allclose(hz_to_pitch(torch.from_numpy(hertz)).numpy(), numbers, atol=1e-12)
    assert all(abs(hz_to_pitch(pitch_to_hz(pitch)) - pitch) < 1e-12 for pitch in numbers.tolist())
    assert hz_to_pitch(440.0) == 69.0 and type(hz_to_pitch(440.0)) is float
    assert hz_to_pitch(torch.tensor([torch.nan])).isnan().all()


def test_names_of_notes_come_back_as_their_numbers() -> None:
    for pitch in range(128):
        assert parse_note(key_name(pitch)) == pitch and note_name(pitch) == key_name(pitch).replace("♯", "s")
    assert (parse_note("cb4"), parse_note("B#3"), parse_note("C10"), parse_note("Cs4")) == (59, 60, None, None)


@pytest.mark.parametrize(("tilt", "decay"), [(0.3, 0.5), (1, 1.5), (2, 6)])
def test_every_key_is_found_within_five_cents(tilt: float, decay: float) -> None:
    errors = [cents_off(tone(pitch, seconds=0.5, tilt=tilt, decay=decay), pitch) for pitch in KEYS]
    assert np.abs(errors).max() < 5


def test_a_note_between_the_keys_is_told_from_its_neighbours() -> None:
    for pitch in (21.4, 60.15, 107.7):
        assert abs(cents_off(tone(pitch, seconds=0.5), pitch)) < 3


def test_librosa_agrees_on_every_key() -> None:
    worst = 0.0
    for pitch in KEYS:
        audio, f0 = tone(pitch, seconds=0.5), pitch_to_hz(pitch)
        # librosa takes whole samples of lag and a parabola between them: high keys need more samples
        rate = SAMPLE_RATE if pitch < 55 else 8 * SAMPLE_RATE
        track = librosa.yin(
            resample(audio, SAMPLE_RATE, rate).numpy(),
            fmin=f0 / 1.5,
            fmax=1.5 * f0,
            sr=rate,
            frame_length=4096 if pitch < 55 else 8192,
            hop_length=rate // 16,
        )
        ours = note_pitch(audio, SAMPLE_RATE, f_min=f0 / 2.2, f_max=min(2.2 * f0, 7900))
        worst = max(worst, abs(float(hz_to_cents(ours, float(np.median(track))))))
    assert worst < 3


def test_vibrato_is_followed() -> None:
    time = torch.arange(2 * SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    f0 = 440 * 2 ** (50 / 1200 * torch.sin(2 * torch.pi * 5.5 * time))
    angle = 2 * torch.pi * torch.cumsum(f0, 0) / SAMPLE_RATE
    audio = torch.stack([torch.sin(order * angle) / order for order in range(1, 9)]).sum(0).float()
    track, periodicity = track_pitch(audio, SAMPLE_RATE, f_min=300, f_max=700, hop_length=128)
    wanted = f0[(128 * torch.arange(len(track))).clip(max=len(f0) - 1)]
    errors = hz_to_cents(track, wanted)[4:-4]
    assert float(errors.abs().max()) < 5
    assert float(periodicity.min()) > 0.95


def test_frames_are_those_of_the_spectrogram_and_a_step_lies_where_it_is() -> None:
    audio = torch.cat([tone(60, seconds=0.5, decay=0), tone(72, seconds=0.5, decay=0)])
    track, _ = track_pitch(audio, SAMPLE_RATE, f_min=150, f_max=1000, hop_length=100)
    assert track.shape == (161,)
    assert float(hz_to_cents(track[:76], pitch_to_hz(60)).abs().max()) < 5
    assert float(hz_to_cents(track[85:], pitch_to_hz(72)).abs().max()) < 5


def test_periodicity_is_the_share_of_the_tone_in_a_mixture() -> None:
    generator = torch.Generator().manual_seed(0)
    audio = tone(57, decay=0, seconds=1)
    noise = torch.randn(SAMPLE_RATE, generator=generator)
    noise *= (audio.square().mean() / 3 / noise.square().mean()).sqrt()
    track, periodicity = track_pitch(audio + noise, SAMPLE_RATE, f_min=100, f_max=1000)
    assert float(periodicity[2:-2].mean()) == pytest.approx(0.75, abs=0.03)  # energy 1 of 1 + 1/3
    assert float(hz_to_cents(track[2:-2], 220).abs().median()) < 5


def test_noise_is_not_periodic_and_silence_is_defined() -> None:
    noise = torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(1))
    _, periodicity = track_pitch(noise, SAMPLE_RATE)
    assert float(periodicity.max()) < 0.25
    assert math.isnan(note_pitch(noise, SAMPLE_RATE))
    track, periodicity = track_pitch(torch.zeros(1000), SAMPLE_RATE)
    assert bool(track.isnan().all())
    assert float(periodicity.abs().max()) == 0
    assert math.isnan(note_pitch(torch.zeros(1000), SAMPLE_RATE))


def test_level_does_not_matter_and_a_long_sound_goes_in_blocks() -> None:
    audio = tone(64, seconds=0.5)
    assert note_pitch(1e-3 * audio, SAMPLE_RATE) == pytest.approx(note_pitch(audio, SAMPLE_RATE), rel=1e-6)
    long = tone(64, seconds=6, decay=0.1)
    track, _ = track_pitch(long, SAMPLE_RATE, hop_length=64)
    assert float(hz_to_cents(track, pitch_to_hz(64)).abs().max()) < 3


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"f_min < f_max < 8000 Hz must hold, got 100 and 9000"):
        track_pitch(torch.zeros(100), SAMPLE_RATE, f_min=100, f_max=9000)
    with pytest.raises(ValueError, match=r"audio must be \(samples,\)"):
        track_pitch(torch.zeros(2, 100), SAMPLE_RATE)
    with pytest.raises(ValueError, match="hop_length must be >= 1, got 0"):
        note_pitch(torch.zeros(100), SAMPLE_RATE, hop_length=0)


def test_k_weighting_is_the_standards_at_48_khz() -> None:
    (shelf, shelf_poles), (high_pass, high_pass_poles) = k_weighting(48000)
    # ITU-R BS.1770-4, tables 1 and 2
    assert shelf == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285], abs=1e-9)
    assert shelf_poles == pytest.approx([1, -1.69065929318241, 0.73248077421585], abs=1e-9)
    assert high_pass == pytest.approx([1, -2, 1])
    assert high_pass_poles == pytest.approx([1, -1.99004745483398, 0.99007225036621], abs=1e-9)


@pytest.mark.parametrize("samples", [10, 65536, 150000])
def test_k_weighting_in_blocks_is_that_of_the_filters(samples: int) -> None:
    sound = torch.randn(samples, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    filtered = sound.numpy()
    for numerator, denominator in k_weighting(44100):
        filtered = lfilter(numerator, denominator, filtered)
    assert np.abs(_k_weighted(sound, 44100) - filtered).max() < 1e-10


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_loudness_of_a_tone_and_of_a_quieter_one(rate: int) -> None:
    audio = torch.sin(2 * torch.pi * 997 * torch.arange(2 * rate) / rate)
    level = integrated_loudness(audio, rate)
    assert level == pytest.approx(-3.01, abs=0.1)
    assert integrated_loudness(0.1 * audio, rate) == pytest.approx(level - 20, abs=1e-4)
    assert integrated_loudness(torch.stack([audio, audio]), rate) == pytest.approx(level + 3.01, abs=0.01)
    # two seconds in eight: the gate leaves the blocks of silence out
    assert integrated_loudness(torch.cat([audio, torch.zeros(6 * rate)]), rate) == pytest.approx(-3.3, abs=0.3)
    assert integrated_loudness(1e-5 * audio, rate) == -math.inf


@pytest.mark.parametrize("inharmonicity", [0.0, 1e-4, 3e-3])
def test_partials_of_a_stiff_string_tell_f0_and_inharmonicity(inharmonicity: float) -> None:
    time = torch.arange(SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    turns = 220 * stretched(16, inharmonicity)[:, None] * time
    sound = ((2 * torch.pi * turns).sin() / partial_orders(16)[:, None]).sum(0).float()
    track, found = refine_pitch(sound, 223.0, SAMPLE_RATE)
    assert track.shape == (201,) and bool(((track[10:-10] - 220).abs() < 0.05).all())
    assert abs(found - inharmonicity) < 1e-5 + 0.01 * inharmonicity
    # the spectrum of a whole note tells the same
    if inharmonicity < 4e-4:
        comb = fit_comb(spectral_peaks(torch.cat([sound, sound]), SAMPLE_RATE), 215, 225)
        assert abs(comb.f0 - 220) < 0.1 and abs(comb.inharmonicity - inharmonicity) < 2e-5
        assert comb_partials(comb, 700)[:3].round().tolist() == [220.0, 440.0, 660.0]


def test_partials_agree_by_their_weights_and_silence_says_nothing() -> None:
    kernel = torch.tensor([[[0.5, 1.0, 0.5]]], dtype=torch.float64)
    error = torch.tensor([[0.01] * 5, [0.03] * 5], dtype=torch.float64)
    weight = torch.tensor([[3.0, 3, 3, 0, 0], [1.0, 1, 1, 0, 0]], dtype=torch.float64)
    found = common_error(error, weight, kernel)
    assert found[:3].numpy() == pytest.approx(0.015, rel=2e-4) and found[4] == 0
    assert at_frames(found).shape == (6,) and fit_inharmonicity(9 * stretched(4, 0.5), torch.ones(4)) == STIFFEST
