"""Sound files come back as they were saved; what is too large, damaged or silent is refused in one sentence."""

import errno
import io
import logging
import math
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly
from torch import Tensor

from intertone import audio as module
from intertone.audio import load_audio, remove_dc, resample, save_audio, three_axes
from intertone.errors import InputError


def tone(*, seconds: float = 0.25, sample_rate: int = 16_000, frequency: float = 1000.0, peak: float = 0.5) -> Tensor:
    time = torch.arange(round(seconds * sample_rate), dtype=torch.float64) / sample_rate
    return (peak * torch.sin(2 * math.pi * frequency * time)).float()


def stereo() -> Tensor:
    return torch.stack([tone(), tone(frequency=440.0, peak=0.3)])


def amplitude(audio: Tensor, frequency: float, sample_rate: int) -> float:
    """Amplitude of one frequency, from the middle half, where a whole number of its periods must fit."""
    middle = audio.double()[len(audio) // 4 : len(audio) * 3 // 4]
    phase = 2j * math.pi * frequency / sample_rate * torch.arange(len(middle), dtype=torch.float64)
    return 2 * abs((middle * torch.exp(phase)).mean().item())


def write(
    path: Path, samples: np.ndarray, *, subtype: str, sample_rate: int = 16_000, format: str | None = None
) -> Path:
    soundfile.write(path, samples, sample_rate, subtype=subtype, format=format)
    return path


def wav(
    *, samples: bytes = bytes(range(1, 201)) * 50, channels: int = 1, rate: int = 16_000, claim: int | None = None
) -> bytes:
    """A 16-bit WAV file whose header may lie."""
    claim = len(samples) if claim is None else claim
    block = 2 * channels % 65_536
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block % 2**32, block, 16)
    riff = min(36 + claim, 2**32 - 1)
    return b"".join([b"RIFF", struct.pack("<I", riff), b"WAVEfmt ", struct.pack("<I", 16), form,
                     b"data", struct.pack("<I", claim), samples])  # fmt: skip


def without_length(flac: bytes) -> bytes:
    """Set the total number of samples in the STREAMINFO block to 0, which means unknown."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# round trips


@pytest.mark.parametrize(
    ("suffix", "format", "tolerance"),
    [
        *[(suffix, "pcm16", 1.5 / 2**15) for suffix in (".wav", ".aiff", ".aif", ".flac")],
        *[(suffix, "pcm24", 1.5 / 2**23) for suffix in (".wav", ".aiff", ".aif", ".flac")],
        *[(suffix, None, 1.5 / 2**23) for suffix in (".wav", ".aiff", ".aif", ".flac")],
        *[(suffix, "pcm32", 2**-24) for suffix in (".wav", ".aiff", ".aif")],
        *[(suffix, "float32", 0.0) for suffix in (".wav", ".aiff", ".aif")],
    ],
)
def test_save_then_load_gives_the_same_samples(
    tmp_path: Path, suffix: str, format: str | None, tolerance: float
) -> None:
    path, expected = tmp_path / f"a{suffix}", stereo()
    save_audio(path, expected, sample_rate=16_000, format=format)
    audio, sample_rate = load_audio(path)
    assert sample_rate == 16_000
    assert audio.dtype == torch.float32
    assert audio.shape == expected.shape
    assert audio.is_contiguous()
    assert (audio - expected).abs().max() <= tolerance


@pytest.mark.parametrize(("suffix", "tolerance"), [(".ogg", 0.02), (".mp3", 0.02)])
def test_lossy_files_keep_length_rate_and_tone(tmp_path: Path, suffix: str, tolerance: float) -> None:
    path = tmp_path / f"a{suffix}"
    save_audio(path, stereo(), sample_rate=16_000)
    audio, sample_rate = load_audio(path)
    assert sample_rate == 16_000
    assert audio.shape == stereo().shape
    assert amplitude(audio[0], 1000, 16_000) == pytest.approx(0.5, abs=tolerance)
    assert amplitude(audio[1], 440, 16_000) == pytest.approx(0.3, abs=tolerance)


@pytest.mark.parametrize(
    ("subtype", "format", "tolerance"),
    [
        ("PCM_U8", "WAV", 1.5 / 2**7),
        ("PCM_16", "WAVEX", 1.5 / 2**15),
        ("PCM_24", "RF64", 1.5 / 2**23),
        ("DOUBLE", "WAV", 0.0),
        ("PCM_S8", "AIFF", 1.5 / 2**7),
        ("DOUBLE", "AIFF", 0.0),
    ],
)
def test_load_reads_what_others_write(tmp_path: Path, subtype: str, format: str, tolerance: float) -> None:
    path = write(tmp_path / "a.wav", stereo().T.numpy(), subtype=subtype, format=format)
    audio, _ = load_audio(path)
    assert (audio - stereo()).abs().max() <= tolerance


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".flac", ".ogg"])
@pytest.mark.parametrize("channels", range(1, 9))
def test_mono_to_eight_channels_keep_their_order(tmp_path: Path, suffix: str, channels: int) -> None:
    frequencies = [200.0 * (index + 1) for index in range(channels)]
    expected = torch.stack([tone(frequency=frequency) for frequency in frequencies])
    save_audio(tmp_path / f"a{suffix}", expected, sample_rate=16_000)
    audio, _ = load_audio(tmp_path / f"a{suffix}")
    assert audio.shape == expected.shape
    for row, frequency in zip(audio, frequencies, strict=True):
        assert amplitude(row, frequency, 16_000) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("suffix", "rates"),
    [
        (".wav", [4_000, 4_001, 96_001, 384_000]),
        (".aiff", [4_000, 4_001, 96_001, 384_000]),
        (".flac", [4_000, 4_001, 65_535, 65_540, 384_000]),
        (".ogg", [4_000, 7_999, 44_100, 200_000]),
        (".mp3", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]),
    ],
)
def test_sample_rates_survive(tmp_path: Path, suffix: str, rates: list[int]) -> None:
    for rate in rates:
        save_audio(tmp_path / f"a{suffix}", tone(sample_rate=rate), sample_rate=rate)
        audio, sample_rate = load_audio(tmp_path / f"a{suffix}")
        assert sample_rate == rate
        assert audio.shape == (1, round(0.25 * rate))


@pytest.mark.parametrize("samples", [module.BLOCK_FRAMES - 1, module.BLOCK_FRAMES, 2 * module.BLOCK_FRAMES + 1])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_blocks_join_without_a_seam(tmp_path: Path, samples: int, suffix: str) -> None:
    expected = tone(seconds=samples / 16_000)
    save_audio(tmp_path / f"a{suffix}", expected, sample_rate=16_000)
    audio, _ = load_audio(tmp_path / f"a{suffix}")
    assert audio.shape == (1, samples)
    assert (audio[0] - expected).abs().max() < (0.1 if suffix == ".ogg" else 1e-6)  # Vorbis is worst at the start


def test_the_content_decides_and_not_the_suffix(tmp_path: Path) -> None:
    save_audio(tmp_path / "a.flac", tone(), sample_rate=16_000)
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.flac").read_bytes())
    assert torch.equal(load_audio(tmp_path / "a.wav")[0], load_audio(tmp_path / "a.flac")[0])


def test_a_suffix_may_be_upper_case_and_a_name_may_have_any_letter(tmp_path: Path) -> None:
    path = tmp_path / "größe 音 %s.WAV"
    save_audio(path, tone(), sample_rate=16_000)
    assert load_audio(path)[0].shape == (1, 4000)


def test_audio_with_a_gradient_or_in_half_precision_can_be_saved(tmp_path: Path) -> None:
    for sound in (tone().requires_grad_(), tone().half(), tone().double(), stereo().T.contiguous().T):
        save_audio(tmp_path / "a.wav", sound, sample_rate=16_000)
        audio, _ = load_audio(tmp_path / "a.wav")
        assert (audio - torch.atleast_2d(sound.detach()).float()).abs().max() < 1e-6


# what happens on the way, and what is said about it


def test_load_resamples_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_audio(tmp_path / "guitar.wav", tone(sample_rate=44_100), sample_rate=44_100)
    with caplog.at_level(logging.INFO):
        audio, sample_rate = load_audio(tmp_path / "guitar.wav", sample_rate=16_000)
    assert caplog.messages == ["guitar.wav: resampled from 44100 to 16000 Hz"]
    assert sample_rate == 16_000
    assert torch.equal(audio, resample(load_audio(tmp_path / "guitar.wav")[0], 44_100, 16_000))


def test_load_is_silent_when_nothing_is_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_audio(tmp_path / "a.wav", tone(), sample_rate=16_000)
    with caplog.at_level(logging.INFO):
        load_audio(tmp_path / "a.wav", sample_rate=16_000)
    assert caplog.messages == []


def test_load_removes_a_large_offset_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_audio(tmp_path / "a.wav", stereo() + torch.tensor([[0.1], [0.0]]), sample_rate=16_000, format="float32")
    with caplog.at_level(logging.INFO):
        audio, _ = load_audio(tmp_path / "a.wav")
    assert caplog.messages == ["a.wav: removed a DC offset of 0.1"]
    assert (audio - stereo()).abs().max() < 1e-6


def test_load_refuses_a_constant_in_one_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_audio(tmp_path / "a.wav", torch.full((8000,), 0.3), sample_rate=16_000, format="float32")
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(InputError, match=r"got a peak of .* after the removal of a DC offset of 0.3"),
    ):
        load_audio(tmp_path / "a.wav", sample_rate=44_100)
    assert caplog.messages == []


def test_load_keeps_a_small_offset_bit_for_bit(tmp_path: Path) -> None:
    expected = tone() + 0.9 * module.DC_RATIO * 0.5
    save_audio(tmp_path / "a.wav", expected, sample_rate=16_000, format="float32")
    assert torch.equal(load_audio(tmp_path / "a.wav")[0][0], expected)


def test_remove_dc_takes_the_mean_of_each_channel() -> None:
    audio = torch.tensor([[[1.0, 3.0], [0.0, 0.0]], [[-5.0, 5.0], [2.0, 2.0]]])
    expected = torch.tensor([[[-1.0, 1.0], [0.0, 0.0]], [[-5.0, 5.0], [0.0, 0.0]]])
    assert torch.equal(remove_dc(audio, 16_000), expected)
    assert audio[0, 0, 0] == 1


def faded_pulses(seconds: float, fade_seconds: float) -> torch.Tensor:
    """Return waves that are three times as high as deep, faded to 0 at both ends, at 16 kHz."""
    samples = round(16_000 * seconds)
    sound = 0.3 * torch.sin(2 * torch.pi * 200 * torch.arange(samples) / 16_000).clamp_min(-0.1)
    places = torch.arange(samples)
    return sound * (torch.minimum(places, places.flip(-1)) / (16_000 * fade_seconds)).clamp(max=1)


@pytest.mark.parametrize("fade_seconds", [0.001, 0.02])
def test_remove_dc_makes_no_step_at_the_ends_of_a_faded_sound(fade_seconds: float) -> None:
    sound = torch.stack([faded_pulses(0.5, fade_seconds), -faded_pulses(0.5, fade_seconds)])
    mean = sound.mean(-1)
    assert mean.abs().min() > 0.05
    clean = remove_dc(sound, 16_000)
    assert clean[:, [0, -1]].abs().max() < 1e-6
    # from one sample to the next the subtraction changes by π/2 / (0.01 · 16000) of the mean at most
    change = (clean - sound).diff(dim=-1).abs()
    assert change.max() < 1.03 * torch.pi / 320 * mean.abs().max()
    assert change[:, 160:-160].max() < 1e-6
    assert clean.mean(-1).abs().max() < 1e-6
    assert (clean - sound)[:, 160:-160].add(mean[:, None]).abs().max() < 0.03 * mean.abs().max()


def test_remove_dc_treats_each_end_and_each_channel_by_itself() -> None:
    offset = 0.1 + 0.02 * torch.sin(2 * torch.pi * 200 * torch.arange(8_000) / 16_000)
    faded_out = offset * (torch.arange(8_000, 0, -1) / 400).clamp(max=1)
    sound = torch.stack([offset, faded_out, torch.zeros(8_000), torch.full((8_000,), torch.nan)])
    clean = remove_dc(sound, 16_000)
    assert torch.equal(clean[0], offset - offset.mean(dtype=torch.float64).float())
    assert clean[1, 0].abs() < 0.005 and clean[1, -1].abs() < 0.0005
    assert torch.equal(clean[2], sound[2])
    assert clean[3].isnan().all()


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5, 48, 321])
def test_remove_dc_of_a_very_short_sound(samples: int) -> None:
    sound = torch.sin(torch.pi * torch.arange(samples) / max(1, samples - 1))
    clean = remove_dc(sound, 16_000)
    assert clean.isfinite().all() and clean.abs().max() <= 1.2
    assert clean.mean().abs() < 1e-6
    assert samples < 3 or clean[[0, -1]].abs().max() < 1e-6


def test_load_says_what_it_removes_from_a_faded_sound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sound = faded_pulses(0.5, 0.02)
    save_audio(tmp_path / "a.wav", sound, sample_rate=16_000, format="float32")
    with caplog.at_level(logging.INFO):
        audio, _ = load_audio(tmp_path / "a.wav")
    assert caplog.messages == [f"a.wav: removed a DC offset of {sound.mean():.2g}"]
    assert torch.equal(audio[0], remove_dc(sound, 16_000)) and audio[0, 0] == 0


@pytest.mark.parametrize("format", ["pcm16", "pcm24", "pcm32", "float32"])
def test_save_scales_peaks_down_together_and_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, format: str
) -> None:
    sound = torch.stack([tone(peak=2.0), tone(peak=0.5)])
    save_audio(tmp_path / "a.wav", sound, sample_rate=16_000, format=format)
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.WARNING, "a.wav: scaled down from a peak of 2 to 1")
    ]
    audio, _ = load_audio(tmp_path / "a.wav")
    assert audio.abs().max() <= 1
    assert (audio - sound / 2).abs().max() < 1e-4


def test_save_scales_a_negative_peak_too_and_leaves_full_scale_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sound = tone(peak=1.0)
    sound[100], sound[200] = -1.0, 1.0
    save_audio(tmp_path / "a.wav", sound, sample_rate=16_000, format="float32")
    assert caplog.messages == []
    assert torch.equal(load_audio(tmp_path / "a.wav")[0][0], sound)
    save_audio(tmp_path / "a.wav", sound.clamp(max=0) * 3, sample_rate=16_000)
    assert caplog.messages == ["a.wav: scaled down from a peak of 3 to 1"]


def test_save_scales_what_float32_cannot_hold(tmp_path: Path) -> None:
    save_audio(tmp_path / "a.wav", tone().double() * 1e300, sample_rate=16_000)
    assert (load_audio(tmp_path / "a.wav")[0][0] - tone() * 2).abs().max() < 1e-6


def test_one_silent_channel_among_audible_ones_is_fine(tmp_path: Path) -> None:
    save_audio(tmp_path / "a.wav", torch.stack([torch.zeros(4000), tone()]), sample_rate=16_000)
    audio, _ = load_audio(tmp_path / "a.wav", sample_rate=22_050)
    assert audio[0].abs().max() == 0
    assert audio[1].abs().max() == pytest.approx(0.5, abs=0.1)


# resampling


@pytest.mark.parametrize(
    ("source", "target"),
    [(44_100, 16_000), (16_000, 44_100), (4_000, 384_000), (384_000, 4_000), (48_000, 44_100), (8_000, 8_001)],
)
def test_resample_keeps_frequency_amplitude_and_time(source: int, target: int) -> None:
    sound = tone(seconds=0.4, sample_rate=source, frequency=1000)
    expected = tone(seconds=0.4, sample_rate=target, frequency=1000)
    result = resample(sound, source, target)
    assert result.dtype == torch.float32
    assert abs(len(result) - len(expected)) <= 1
    assert amplitude(result, 1000, target) == pytest.approx(0.5, abs=2e-4)
    quarter = len(expected) // 4
    length = min(len(result), len(expected))
    assert (result[:length] - expected[:length])[quarter:-quarter].abs().max() < 1e-3


@pytest.mark.parametrize(("source", "target", "up", "down"), [(44_100, 16_000, 160, 441), (16_000, 48_000, 3, 1)])
def test_resample_agrees_with_scipy(source: int, target: int, up: int, down: int) -> None:
    # noise below half of the pass band, where scipy's shorter filter is flat too
    generator = torch.Generator().manual_seed(0)
    spectrum = torch.fft.rfft(torch.randn(source // 2, generator=generator))
    frequencies = torch.fft.rfftfreq(source // 2, 1 / source)
    sound = torch.fft.irfft(spectrum * (frequencies < min(source, target) / 4))
    expected = torch.from_numpy(resample_poly(sound.numpy(), up, down, window=("kaiser", 12.0)))
    result = resample(sound, source, target)
    assert result.shape == expected.shape
    error = (result - expected)[1000:-1000].square().mean() / expected.square().mean()
    assert 10 * torch.log10(error) < -50


def test_resample_removes_what_the_target_cannot_hold() -> None:
    result = resample(tone(seconds=1, sample_rate=44_100, frequency=9_000), 44_100, 16_000)
    assert result[2000:-2000].abs().max() < 1e-5


@pytest.mark.parametrize("samples", [1, 2, 79, 80, 81, 1000, 4411, 65_537])
@pytest.mark.parametrize(("source", "target"), [(44_100, 16_000), (16_000, 44_100), (384_000, 4_000), (4_000, 384_000)])
def test_resample_length_is_the_quotient_rounded_up(samples: int, source: int, target: int) -> None:
    if samples * target // source > 10**6:
        samples //= 10
    assert resample(torch.rand(samples), source, target).shape == (math.ceil(samples * target / source),)


def test_resample_works_along_the_last_axis_and_keeps_equal_rows_equal() -> None:
    sound = torch.stack([tone(), tone(frequency=300), tone()]).expand(2, 3, -1)
    result = resample(sound, 16_000, 22_050)
    assert result.shape == (2, 3, 5513)
    assert torch.equal(result[0, 0], result[1, 2])
    assert torch.equal(result[0, 1], resample(sound[0, 1], 16_000, 22_050))


def test_resample_repeats_and_equal_rates_return_the_input() -> None:
    sound = tone()
    assert torch.equal(resample(sound, 16_000, 11_025), resample(sound, 16_000, 11_025))
    assert resample(sound, 16_000, 16_000) is sound


@pytest.mark.parametrize(("source", "target", "got"), [(3_999, 8_000, 3_999), (8_000, 384_001, 384_001), (0, 0, 0)])
def test_resample_refuses_rates_out_of_range(source: int, target: int, got: int) -> None:
    with pytest.raises(InputError, match=rf"sample_rate must be in 4000\.\.384000 Hz, got {got}$"):
        resample(tone(), source, target)


# what load refuses


def cut_flac() -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, tone(seconds=10).numpy(), 16_000, format="FLAC")
    return stream.getvalue()[: len(stream.getvalue()) * 3 // 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must have 1 byte to 576 MiB, got 0 bytes in .*a.wav"),
        (b"This is a letter and no sound.\n" * 100, "must be a valid WAV, FLAC, OGG, MP3 or AIFF file, got .*a.wav"),
        (wav()[:30], "must be a valid WAV"),
        (wav(channels=0), "must be a valid WAV"),
        (wav(channels=65_535), "must be a valid WAV"),
        (wav(channels=9), "must have 1 to 8 channels, got 9"),
        (wav(rate=0), "must be a valid WAV"),
        (wav(rate=2**32 - 1), "must be a valid WAV"),
        (wav(rate=2**31 - 1), r"sample_rate must be in 4000..384000 Hz, got 2147483647 in .*a.wav"),
        (wav(rate=3_999), r"sample_rate must be in 4000..384000 Hz, got 3999"),
        (wav(samples=b""), "must last 0.02 to 300 s, got 0 s"),
        (wav(samples=b"", claim=20_000), "must last 0.02 to 300 s, got 0 s"),
        (wav(claim=0), "must last 0.02 to 300 s, got 0 s"),
        (wav(samples=b"\1\2" * 319), "must last 0.02 to 300 s, got 0.0199375 s in"),
        (wav(samples=bytes(20_000)), "must not be all silence, got a peak of 0 at 16000 Hz in .*a.wav"),
        (wav(samples=b"\0\2" * 10_000), "must not be all silence"),
        (cut_flac(), "must decode to its end, got an error after [0-9.]+ s in .*a.wav"),
    ],
)
def test_load_refuses_this_content(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_audio(tmp_path / "a.wav")


def test_load_refuses_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path, tmp_path / "missing.wav", tmp_path / "pipe.wav", Path(os.devnull)):
        with pytest.raises(InputError, match=f"must be an existing regular file, got {path}$"):
            load_audio(path)


def test_load_refuses_a_file_that_the_system_does_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "a.wav").write_bytes(wav())
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"must be readable, got Permission denied for .*a.wav"):
        load_audio(tmp_path / "a.wav")


def test_load_refuses_other_containers_and_raw_samples(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", stereo().T.numpy(), subtype="PCM_16", format="AU")
    with pytest.raises(InputError, match=r"must be a valid WAV, .* got .*a.wav, which is not one"):
        load_audio(tmp_path / "a.wav")
    (tmp_path / "a.raw").write_bytes(wav())
    with pytest.raises(InputError, match=r"must be a valid WAV, .* got .*a.raw \(decoder: no header\)"):
        load_audio(tmp_path / "a.raw")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_load_refuses_samples_that_are_no_numbers(tmp_path: Path, bad: float) -> None:
    sound = stereo()
    sound[1, 77] = bad
    write(tmp_path / "a.wav", sound.T.numpy(), subtype="FLOAT")
    with pytest.raises(InputError, match=r"every sample must be a finite number, got infinity or NaN in .*a.wav"):
        load_audio(tmp_path / "a.wav")


def test_load_refuses_what_float32_cannot_hold(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", tone().double().numpy() * 1e300, subtype="DOUBLE")
    with pytest.raises(InputError, match="every sample must be a finite number"):
        load_audio(tmp_path / "a.wav")


def test_silence_begins_at_minus_100_decibels(tmp_path: Path) -> None:
    for peak in (1.1e-5, 0.9e-5):
        write(tmp_path / f"{peak}.wav", tone(peak=peak).numpy(), subtype="FLOAT")
    assert load_audio(tmp_path / "1.1e-05.wav")[0].abs().max() == pytest.approx(1.1e-5, rel=0.01)
    with pytest.raises(InputError, match="must not be all silence, got a peak of 9e-06"):
        load_audio(tmp_path / "9e-06.wav")


def test_load_refuses_a_sound_that_resampling_silences(tmp_path: Path) -> None:
    window = torch.hann_window(16_000)
    write(tmp_path / "a.wav", (tone(seconds=1, frequency=7_000) * window).numpy(), subtype="FLOAT")
    with pytest.raises(InputError, match=r"must not be all silence, got a peak of .* at 4000 Hz"):
        load_audio(tmp_path / "a.wav", sample_rate=4_000)


@pytest.mark.parametrize("rate", [0, -16_000, 3_999, 384_001])
def test_load_refuses_to_resample_out_of_range(tmp_path: Path, rate: int) -> None:
    with pytest.raises(InputError, match=rf"sample_rate must be in 4000\.\.384000 Hz, got {rate}"):
        load_audio(tmp_path / "a.wav", sample_rate=rate)


# limits, and headers that lie


def sparse_wav(path: Path, seconds: int, *, channels: int = 1, rate: int = 16_000) -> Path:
    """A long WAV file that takes no room on the disk."""
    n_bytes = seconds * rate * channels * 2
    path.write_bytes(wav(samples=b"", channels=channels, rate=rate, claim=n_bytes))
    with path.open("rb+") as handle:
        handle.truncate(44 + n_bytes)
    return path


def test_two_hours_are_refused_from_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfile.SoundFile, "read", None)
    path = sparse_wav(tmp_path / "a.wav", 7200)
    with pytest.raises(InputError, match=r"must last 0.02 to 300 s, got 7200 s in "):
        load_audio(path)


def test_the_decoded_size_is_limited_too_also_after_resampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfile.SoundFile, "read", None)
    path = sparse_wav(tmp_path / "a.wav", 200, channels=8, rate=44_100)
    with pytest.raises(InputError, match=r"at most 256 MiB as float32, got 269.2 MiB for 200 s in "):
        load_audio(path)
    path = sparse_wav(tmp_path / "b.wav", 200, rate=44_100)
    with pytest.raises(InputError, match="at most 256 MiB as float32, got 293 MiB for 200 s in "):
        load_audio(path, sample_rate=384_000)


def test_the_file_size_is_limited(tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb") as handle:
        handle.write(wav())
        handle.truncate(module.MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match=r"must have 1 byte to 576 MiB, got 603979777 bytes in .*a.wav"):
        load_audio(tmp_path / "a.wav")


def test_a_small_file_that_unpacks_beyond_the_limit_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    write(path, np.zeros(301 * 4000, dtype=np.int16), subtype="PCM_16", sample_rate=4_000)
    path.write_bytes(without_length(path.read_bytes()))
    assert path.stat().st_size < 10_000
    with pytest.raises(InputError, match=r"must last 0.02 to 300 s, got 301 s in "):
        load_audio(path)


def test_decoding_stops_at_the_first_block_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.flac"
    write(path, np.zeros((50 * 1024, 8), dtype=np.int16), subtype="PCM_16")
    path.write_bytes(without_length(path.read_bytes()))
    monkeypatch.setattr(module, "BLOCK_FRAMES", 1024)
    monkeypatch.setattr(module, "MAX_DECODED_BYTES", 10 * 1024 * 8 * 4)
    # 11 blocks of 50
    with pytest.raises(InputError, match=r"at most 0.3125 MiB as float32, got 0.3438 MiB for 0.704 s in "):
        load_audio(path)


def test_a_flac_of_unknown_length_is_read_to_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_audio(tmp_path / "a.flac", tone(seconds=10), sample_rate=16_000)
    expected, _ = load_audio(tmp_path / "a.flac")
    (tmp_path / "a.flac").write_bytes(without_length((tmp_path / "a.flac").read_bytes()))
    assert torch.equal(load_audio(tmp_path / "a.flac")[0], expected)
    assert caplog.messages == []


@pytest.mark.parametrize("claim", [10_002, 2**31 - 2, 2**32 - 1])
def test_a_wav_that_claims_more_than_it_holds_is_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, claim: int
) -> None:
    (tmp_path / "whole.wav").write_bytes(wav())
    (tmp_path / "a.wav").write_bytes(wav(claim=claim))
    assert torch.equal(load_audio(tmp_path / "a.wav")[0], load_audio(tmp_path / "whole.wav")[0])
    assert caplog.messages == [f"a.wav: its header claims {claim} bytes of sound, it holds 10000"]


@pytest.mark.parametrize("suffix", [".aiff", ".mp3"])
def test_a_file_that_was_cut_off_is_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    save_audio(path, tone(seconds=2), sample_rate=16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    audio, _ = load_audio(path)
    assert 0.3 < audio.shape[-1] / 32_000 < 0.7
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"a{suffix}: its header claims ")


# what save refuses, and what it leaves behind


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("a.txt", None, "must end in one of .wav, .aiff, .aif, .flac, .ogg, .mp3, got .*a.txt"),
        ("a", None, "must end in one of"),
        ("a.wav", "pcm8", "the format of WAV must be one of pcm16, pcm24, pcm32, float32, got pcm8"),
        ("a.flac", "float32", "the format of FLAC must be one of pcm16, pcm24, got float32"),
        ("a.ogg", "pcm16", "the format of OGG must be left out, since it has one coding, got pcm16"),
        ("a.mp3", "pcm24", "the format of MP3 must be left out"),
        ("folder.wav", None, "the output must be a regular file, got .*folder.wav"),
    ],
)
def test_save_refuses_this_name_or_format(tmp_path: Path, name: str, format: str | None, message: str) -> None:
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(InputError, match=message):
        save_audio(tmp_path / name, tone(), sample_rate=16_000, format=format)
    assert names_in(tmp_path) == ["folder.wav"]


@pytest.mark.parametrize(
    ("name", "sound", "rate", "message"),
    [
        ("a.wav", torch.zeros(0), 16_000, "must have samples and at most 256 MiB, got no samples"),
        ("a.wav", torch.zeros(0, 100), 16_000, "WAV audio must have 1 to 8 channels, got 0"),
        ("a.wav", torch.zeros(9, 100), 16_000, "WAV audio must have 1 to 8 channels, got 9"),
        ("a.mp3", torch.zeros(3, 100), 16_000, "MP3 audio must have 1 to 2 channels, got 3"),
        ("a.wav", torch.tensor([0.0, math.nan]), 16_000, "every sample must be a finite number"),
        ("a.wav", torch.tensor([[0.0], [-math.inf]]), 16_000, "every sample must be a finite number"),
        ("a.wav", torch.zeros(1).expand(2**26 + 1), 16_000, "at most 256 MiB, got 256 MiB for .*a.wav"),
        ("a.wav", torch.zeros(100), 3_999, r"sample_rate must be in 4000..384000 Hz, got 3999"),
        ("a.wav", torch.zeros(100), 384_001, r"sample_rate must be in 4000..384000 Hz, got 384001"),
        ("a.mp3", torch.zeros(100), 44_000, "sample_rate of MP3 must be one of 8000, .*, 48000, got 44000"),
        ("a.ogg", torch.zeros(100), 200_001, "sample_rate of OGG must be at most 200000, got 200001"),
        ("a.flac", torch.zeros(100), 96_001, "sample_rate of FLAC must be a multiple of 10 above 65535, got 96001"),
    ],
)
def test_save_refuses_this_audio(tmp_path: Path, name: str, sound: Tensor, rate: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        save_audio(tmp_path / name, sound, sample_rate=rate)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("sound", [torch.zeros(1, 2, 100), torch.tensor(0.0), torch.zeros(100, dtype=torch.int16)])
def test_save_refuses_another_shape_or_type(tmp_path: Path, sound: Tensor) -> None:
    with pytest.raises(ValueError, match=r"audio must be floating point, .* got torch"):
        save_audio(tmp_path / "a.wav", sound, sample_rate=16_000)


ENCODINGS = [("a.wav", "pcm24"), ("a.wav", "float32"), ("a.aiff", "pcm24"), ("a.aiff", "float32"),
             ("a.flac", "pcm24"), ("a.ogg", None), ("a.mp3", None)]  # fmt: skip


@pytest.mark.parametrize(("name", "format"), ENCODINGS)
def test_equal_input_gives_equal_bytes(tmp_path: Path, name: str, format: str | None) -> None:
    sound = torch.stack([tone(seconds=5), tone(seconds=5, frequency=300)])  # several pages of OGG
    contents = []
    for _ in range(2):
        save_audio(tmp_path / name, sound, sample_rate=16_000, format=format)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(("name", "channels"), [("a.wav", 1), ("a.wav", 8), ("a.aiff", 1), ("a.aiff", 8)])
def test_a_float_file_holds_no_time(tmp_path: Path, name: str, channels: int) -> None:
    save_audio(tmp_path / name, tone().expand(channels, -1), sample_rate=16_000, format="float32")
    content = (tmp_path / name).read_bytes()
    position = content.index(b"PEAK")  # then size, version, time, and for each channel value and position
    size, version, time = struct.unpack("<III" if name == "a.wav" else ">III", content[position + 4 : position + 16])
    assert (size, version, time) == (8 + 8 * channels, 1, 0)


def test_ogg_pages_have_the_checksum_of_the_standard(tmp_path: Path) -> None:
    save_audio(tmp_path / "a.ogg", tone(seconds=5), sample_rate=16_000)
    content = (tmp_path / "a.ogg").read_bytes()
    pages = [b"OggS" + page for page in content.split(b"OggS")[1:]]
    assert len(pages) > 2
    for page in pages:
        assert page[14:18] == bytes(4)
        checksum = 0  # polynomial 0x04c11db7, most significant bit first, starts at 0, over a page whose field is 0
        for byte in page[:22] + bytes(4) + page[26:]:
            checksum ^= byte << 24
            for _ in range(8):
                checksum = (checksum << 1 ^ (0x104C11DB7 if checksum & 0x80000000 else 0)) & 0xFFFFFFFF
        assert page[22:26] == checksum.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), InputError, "a.wav must be writable, but there is no space"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ],
)
def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    expected: type[BaseException],
    message: str | None,
) -> None:
    def write_half(path: Path, content: memoryview) -> None:
        with path.open("wb") as handle:
            handle.write(content[: len(content) // 2])
        raise error

    (tmp_path / "a.wav").write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(expected, match=message):
        save_audio(tmp_path / "a.wav", tone(), sample_rate=16_000)
    assert (tmp_path / "a.wav").read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.wav"]


def test_a_real_limit_of_the_system_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"old")
    program = """
import resource, sys, torch
from intertone.audio import save_audio
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    save_audio(sys.argv[1], torch.zeros(100_000), sample_rate=16_000)
except ValueError as error:
    print(error, end="")
"""
    command = [sys.executable, "-c", program, str(tmp_path / "a.wav")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"{tmp_path / 'a.wav'} must be writable, but it would be larger than the system allows"
    assert (tmp_path / "a.wav").read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.wav"]


def test_missing_axes_are_added_in_front_and_nothing_else_is_taken() -> None:
    for shape, wanted in (((5,), (1, 1, 5)), ((2, 5), (1, 2, 5)), ((3, 2, 5), (3, 2, 5))):
        values = torch.randn(shape, requires_grad=True)
        found = three_axes(values)
        assert found.shape == wanted and bool((found.flatten() == values.flatten()).all())
        found.sum().backward()
        assert values.grad is not None and bool((values.grad == 1).all())
    for shape in ((), (1, 1, 1, 5), (2, 0)):
        with pytest.raises(ValueError, match=r"audio must be \(batch, channels, samples\), or the last one or two"):
            three_axes(torch.zeros(shape))


# what a container states


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_without_its_last_page_is_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, subtype: str
) -> None:
    noise = 0.1 * torch.randn(48_000, generator=torch.Generator().manual_seed(0))
    path = write(tmp_path / "a.ogg", noise.numpy(), subtype=subtype)
    whole = path.read_bytes()
    load_audio(path)
    assert caplog.messages == []
    for cut in (whole.rfind(b"OggS"), len(whole) - 100):
        caplog.clear()
        path.write_bytes(whole[:cut])
        audio, rate = load_audio(path)
        seconds = f"{audio.shape[-1] / rate:.4g}"
        assert caplog.messages == [f"a.ogg: its last page is missing, so it may be cut after {seconds} s"]


def test_streams_one_after_the_other_are_refused_and_junk_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = write(tmp_path / "a.ogg", tone().numpy(), subtype="VORBIS").read_bytes()
    (tmp_path / "two.ogg").write_bytes(content + content)
    with pytest.raises(
        InputError, match=r"an OGG file must hold one stream, got several consecutive ones in .*two.ogg"
    ):
        load_audio(tmp_path / "two.ogg")
    (tmp_path / "a.ogg").write_bytes(content + b"OggS and more")
    assert load_audio(tmp_path / "a.ogg")[0].shape == (1, 4000) and caplog.messages == []


def test_a_cut_rf64_is_read_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.wav", tone().numpy(), subtype="PCM_16", format="RF64")
    load_audio(path)
    assert caplog.messages == []
    content = path.read_bytes()
    path.write_bytes(content[:-2000])
    assert load_audio(path)[0].shape == (1, 3000)
    claimed = len(content) - 8
    assert caplog.messages == [f"a.wav: its header claims {claimed} bytes of sound, it holds {claimed - 2000}"]


@pytest.mark.parametrize("head", [b"\xf0\x7e\x00\x01" + bytes(123), b"FORM\0\0\0\x0eAIFFCOMM\0\0\0\x12"])
def test_a_decoder_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str], head: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(head)
    with pytest.raises(InputError):
        load_audio(tmp_path / "a.wav")
    assert capfd.readouterr() == ("", "")
