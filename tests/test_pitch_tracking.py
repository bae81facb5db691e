import math

import pytest
import torch
from conftest import SAMPLE_RATE, tone

from intertone.errors import InputError
from intertone.pitch import PitchTrack, follow_pitch
from intertone.pitch.note import hz_to_cents, pitch_to_hz

HOP = 160


def follow(audio: torch.Tensor, **options: float) -> PitchTrack:
    return follow_pitch(audio, SAMPLE_RATE, hop_length=HOP, **options)


def partials(f0: torch.Tensor | float, amplitudes: dict[int, float], seconds: float = 0.8) -> torch.Tensor:
    """Partials of these amplitudes over a line of frequency, one value for each sample."""
    line = torch.as_tensor(f0, dtype=torch.float64).expand(round(seconds * SAMPLE_RATE))
    periods = torch.cumsum(line, 0) / SAMPLE_RATE
    sines = [size * torch.sin(2 * torch.pi * order * periods + order**2) for order, size in amplitudes.items()]
    return 0.1 * torch.stack(sines).sum(0).float()


def worst(track: PitchTrack, f0: torch.Tensor | float, skip: int = 0) -> float:
    line = torch.as_tensor(f0, dtype=torch.float64)
    if line.ndim:
        line = line[(HOP * torch.arange(len(track.f0))).clip(max=len(line) - 1)]
    errors = hz_to_cents(track.f0, line).abs()
    return float(errors[skip : len(errors) - skip].max())


@pytest.mark.parametrize("pitch", [21, 33, 60, 84, 108])
def test_a_tone_is_found_within_five_cents_and_stays_there(pitch: int) -> None:
    track = follow(tone(pitch, seconds=0.8))
    assert bool(track.voiced.all())
    assert worst(track, pitch_to_hz(pitch)) < 5
    assert float(hz_to_cents(track.f0[1:], track.f0[:-1]).abs().max()) < 1
    assert float(track.periodicity.min()) > 0.99


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_any_sample_rate_gives_the_same_line(rate: int) -> None:
    time = torch.arange(rate // 2, dtype=torch.float64) / rate
    audio = sum(torch.sin(2 * torch.pi * 311 * order * time) / order for order in range(1, 6))
    track = follow_pitch(audio.float(), rate, hop_length=rate // 100)
    assert len(track.f0) == 1 + math.ceil((rate // 2) / (rate // 100))
    assert float(hz_to_cents(track.f0, 311).abs().max()) < 1


@pytest.mark.parametrize("f0", [65.0, 220.0, 500.0])
@pytest.mark.parametrize(
    "amplitudes",
    [
        {2: 1, 3: 1, 4: 0.5, 5: 0.5, 6: 0.3},  # no fundamental
        {1: 0.1, 2: 1, 3: 0.1, 4: 0.5},  # the second partial 20 dB above its neighbours
        {1: 1, 3: 0.5, 5: 0.3, 7: 0.2, 9: 0.1},  # odd partials only, as of a clarinet
        {1: 1},
    ],
)
def test_the_octave_is_right_whatever_the_partials(f0: float, amplitudes: dict[int, float]) -> None:
    track = follow(partials(f0, amplitudes))
    assert bool(track.voiced.all())
    assert worst(track, f0) < 5


@pytest.mark.parametrize("f0", [55.0, 110.0, 440.0, 1000.0])
def test_vibrato_and_a_slide_of_an_octave_in_a_second_are_followed_within_20_cents(f0: float) -> None:
    time = torch.arange(SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    amplitudes = {order: 1 / order for order in range(1, 4)}
    vibrato = f0 * 2 ** (50 / 1200 * torch.sin(2 * torch.pi * 6 * time))
    assert worst(follow(partials(vibrato, amplitudes, 1.0)), vibrato, skip=8) < 20
    slide = f0 * 2**time
    assert worst(follow(partials(slide, amplitudes, 1.0)), slide, skip=8) < 20


@pytest.mark.parametrize("amplitudes", [{order: 1 / order for order in range(1, 8)}, {1: 1, 2: 0.1, 3: 0.05}])
def test_steps_of_an_octave_within_one_breath_are_not_taken_for_errors(amplitudes: dict[int, float]) -> None:
    line = torch.tensor([220.0, 440.0, 220.0, 440.0]).repeat_interleave(3200)
    track = follow(partials(line, amplitudes, 0.8))
    wanted = line[(HOP * torch.arange(len(track.f0))).clip(max=len(line) - 1)]
    inside = (torch.arange(len(track.f0)) % 20 - 10).abs() < 7  # 70 ms around the middle of every note
    assert float(hz_to_cents(track.f0, wanted)[inside].abs().max()) < 5


def test_partials_that_are_not_harmonic_do_not_pull_the_pitch_aside() -> None:
    # the modes of a xylophone's bar; the similarity alone is best near a multiple of the third one's period
    time = torch.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    modes = {1.0: 1.0, 2.99: 0.3, 5.76: 0.5}
    audio = torch.stack([size * torch.sin(2 * torch.pi * 93 * ratio * time) for ratio, size in modes.items()]).sum(0)
    track = follow(audio)
    assert worst(track, 93) < 30
    assert float(hz_to_cents(track.f0[1:], track.f0[:-1]).abs().max()) < 3


def test_silence_is_bridged_by_a_straight_line_in_log_frequency() -> None:
    quiet = torch.zeros(4 * SAMPLE_RATE // 10)
    audio = torch.cat([quiet, tone(57, seconds=0.4), quiet, tone(69, seconds=0.4), quiet])
    track = follow(audio)
    assert not bool(track.voiced[:36].any()) and not bool(track.voiced[165:].any())
    assert bool(track.voiced[45:75].all()) and bool(track.voiced[125:155].all())
    gap = slice(88, 112)
    assert not bool(track.voiced[gap].any())
    assert float(hz_to_cents(track.f0[:80], 220).abs().max()) < 5
    assert float(hz_to_cents(track.f0[122:], 440).abs().max()) < 5
    steps = torch.log2(track.f0[gap]).diff()
    assert float(steps.min()) > 0 and float(steps.max() - steps.min()) < 1e-9
    assert float(track.periodicity[:36].max()) == 0


@pytest.mark.parametrize("f0", [110.0, 440.0, 1760.0])
def test_a_note_of_60_milliseconds_is_found(f0: float) -> None:
    note = partials(f0, {1: 1, 2: 0.5, 3: 0.3}, 0.06) * torch.hann_window(960).sqrt()
    track = follow(torch.cat([torch.zeros(4000), note, torch.zeros(4000)]))
    assert int(track.voiced.sum()) >= 4
    assert worst(track, f0) < 20


def test_a_pluck_is_followed_down_to_silence() -> None:
    audio = tone(52, seconds=1.0, decay=12)
    track = follow(audio)
    assert worst(track, pitch_to_hz(52)) < 5
    assert bool(track.voiced[1:57].all())  # e^-12t is -60 dB at 0.58 s


def test_noise_has_no_voice_and_silence_no_frequency() -> None:
    noise = 0.1 * torch.randn(2 * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    track = follow(noise)
    assert not bool(track.voiced.any()) and bool(track.f0.isnan().all())
    assert 0 < float(track.periodicity.max()) < 0.35
    track = follow(torch.zeros(1000))
    assert track.f0.dtype == track.periodicity.dtype == torch.float64 and track.voiced.dtype == torch.bool
    assert track.f0.shape == track.voiced.shape == track.periodicity.shape == (8,)
    assert bool(track.f0.isnan().all()) and float(track.periodicity.abs().max()) == 0


def test_a_tone_in_noise_is_as_periodic_as_its_share() -> None:
    audio = tone(57, decay=0, seconds=1)
    noise = torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    noise = noise * (audio.square().mean() / 4 / noise.square().mean()).sqrt()
    clean, noisy = follow(audio), follow(audio + noise)
    assert worst(noisy, 220) < 20
    assert float(clean.periodicity.min()) > 0.99 > 0.95 > float(noisy.periodicity.median()) > 0.75


def test_channels_have_one_track_whatever_their_polarity() -> None:
    audio = tone(60, seconds=0.5)
    single = follow(audio)
    for pair in ([audio, -audio], [audio, torch.zeros_like(audio)], [audio, 0.3 * audio]):
        track = follow(torch.stack(pair))
        assert float(hz_to_cents(track.f0, single.f0).abs().max()) < 0.01
        assert torch.equal(track.voiced, single.voiced)


def test_two_notes_at_once_give_one_of_them_or_their_common_period() -> None:
    track = follow(tone(60, seconds=0.5) + tone(67, seconds=0.5))
    assert bool(track.f0.isfinite().all())
    f0 = float(track.f0.median())
    wanted = [pitch_to_hz(60), pitch_to_hz(67), pitch_to_hz(60) / 2]
    assert min(abs(1200 * math.log2(f0 / each)) for each in wanted) < 30


def test_level_does_not_matter_and_a_range_may_be_given() -> None:
    audio = tone(64, seconds=0.4)
    assert worst(follow(1e-3 * audio), follow(audio).f0[0].item()) < 1
    low = follow(audio, f_min=100, f_max=250)  # the octave below repeats as well
    assert float(hz_to_cents(low.f0, pitch_to_hz(52)).abs().max()) < 5


@pytest.mark.parametrize("samples", [1, 7, 300, 1601])
def test_the_shortest_sounds_have_their_frames(samples: int) -> None:
    track = follow(torch.ones(samples))
    assert len(track.f0) == 1 + math.ceil(samples / HOP)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=r"audio must be \(samples,\) or \(channels, samples\).*got \(1, 2, 3\)"):
        follow(torch.zeros(1, 2, 3))
    with pytest.raises(InputError, match=r"audio must be .* not empty, got \(0,\)"):
        follow(torch.zeros(0))
    with pytest.raises(InputError, match="every sample must be a finite number"):
        follow(torch.full((100,), torch.nan))
    with pytest.raises(InputError, match="hop_length must be 1 or more, got 0"):
        follow_pitch(torch.zeros(100), SAMPLE_RATE, hop_length=0)
    with pytest.raises(InputError, match="f_min < f_max <= 7000 Hz must hold, got 300 and 200"):
        follow(torch.zeros(100), f_min=300, f_max=200)
