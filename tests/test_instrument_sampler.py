"""The ``smpl`` chunk: written, read back, and in the way of nobody who reads the sound."""

import struct
from pathlib import Path

import pytest
import soundfile
import torch
from commands import run
from conftest import SAMPLE_RATE, tone

from intertone.audio import encode_audio, load_audio, save_audio
from intertone.errors import InputError
from intertone.instrument import Loop, Sampler, read_sampler, save_sample, with_sampler

NOISE = 0.5 * torch.randn(1, 4001, generator=torch.Generator().manual_seed(0)).clamp(-1.9, 1.9)


def chunks(wav: bytes) -> dict[bytes, bytes]:
    found, place = {}, 12
    while place < len(wav):
        name, size = struct.unpack_from("<4sI", wav, place)
        found[name] = wav[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    assert place == len(wav)
    return found


@pytest.mark.parametrize("format", ["pcm16", "pcm24", "pcm32", "float32"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [4000, 4001])
def test_what_is_written_is_read_back_and_the_sound_stays(
    tmp_path: Path, format: str, channels: int, samples: int
) -> None:
    sampler = Sampler(61, 25.0, Loop(100, 4000))
    sound, path = NOISE[:, :samples].expand(channels, -1), tmp_path / "a.wav"
    save_sample(path, sound, sampler, sample_rate=22050, format=format)
    save_audio(tmp_path / "plain.wav", sound, sample_rate=22050, format=format)
    assert read_sampler(path) == sampler
    assert read_sampler(tmp_path / "plain.wav") is None
    wav = path.read_bytes()
    assert struct.unpack_from("<I", wav, 4)[0] == len(wav) - 8 and len(wav) % 2 == 0
    written, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == 22050 and written.shape == (samples, channels)
    assert (written == soundfile.read(tmp_path / "plain.wav", dtype="float32", always_2d=True)[0]).all()
    assert torch.equal(load_audio(path)[0], load_audio(tmp_path / "plain.wav")[0])


def test_each_field_is_where_the_format_has_it() -> None:
    wav = with_sampler(encode_audio("a.wav", NOISE, sample_rate=16000), Sampler(69, 50.0, Loop(10, 20)))
    fields = struct.unpack("<15I", chunks(wav)[b"smpl"])
    # 1/16000 s in ns; 50 cents are half of 2³²; one loop that goes forward and whose last sample is 19
    assert fields == (0, 0, 62500, 69, 0x80000000, 0, 0, 1, 0, 0, 0, 10, 19, 0, 0)
    assert struct.unpack("<9I", chunks(with_sampler(wav, Sampler(0)))[b"smpl"]) == (0, 0, 62500, 0, 0, 0, 0, 0, 0)


def test_a_second_chunk_replaces_the_first() -> None:
    plain = encode_audio("a.wav", NOISE, sample_rate=16000, format="float32")
    once = with_sampler(with_sampler(plain, Sampler(40, loop=Loop(1, 99))), Sampler(50, 99.99))
    assert once == with_sampler(plain, Sampler(50, 99.99))
    assert {name: body for name, body in chunks(once).items() if name != b"smpl"} == chunks(plain)


def test_other_loops_and_damaged_chunks(tmp_path: Path) -> None:
    wav = bytearray(with_sampler(encode_audio("a.wav", NOISE, sample_rate=16000), Sampler(69, loop=Loop(10, 20))))
    start = wav.index(b"smpl") + 8
    path = tmp_path / "a.wav"

    def changed(place: int, value: int) -> Path:
        other = wav.copy()
        struct.pack_into("<I", other, start + place, value)
        path.write_bytes(other)
        return path

    # a loop that goes to and fro is no forward loop
    assert read_sampler(changed(40, 1)) == Sampler(69)
    with pytest.raises(InputError, match=r"must hold a key in 0\.\.127 and its 1 loops, got 200 in "):
        read_sampler(changed(12, 200))
    with pytest.raises(InputError, match=r"must hold a key in 0\.\.127 and its 7 loops"):
        read_sampler(changed(28, 7))
    path.write_bytes(wav[: start + 20])
    with pytest.raises(InputError, match="a smpl chunk must have 36 bytes or more, got 20"):
        read_sampler(path)
    path.write_bytes(b"OggS" + bytes(40))
    with pytest.raises(InputError, match="the file must be a WAV file, got"):
        read_sampler(path)
    with pytest.raises(InputError, match="a sound file must be readable, got No such file"):
        read_sampler(tmp_path / "none.wav")


@pytest.mark.parametrize(
    ("sampler", "message"), [((128,), "root must be"), ((60, 100.0), "cents in"), ((60, -1.0), "got 60 and -1.0")]
)
def test_refused_numbers(sampler: tuple[int, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampler(*sampler)


@pytest.mark.parametrize("loop", [Loop(5, 5), Loop(0, 4002), Loop(-1, 9)])
def test_a_loop_beyond_the_sound(loop: Loop) -> None:
    wav = encode_audio("a.wav", NOISE, sample_rate=16000)
    with pytest.raises(ValueError, match="the loop must be within the file"):
        with_sampler(wav, Sampler(60, loop=loop))
    with pytest.raises(ValueError, match="the file must be a WAV file, got other bytes"):
        with_sampler(b"fLaC" + wav[4:], Sampler(60))
    with pytest.raises(ValueError, match="the chunk b'data' must have 12003 bytes"):
        with_sampler(wav[:9000], Sampler(60))


@pytest.mark.parametrize(
    ("cents", "told"),
    [(0, (57, 0)), (20, (57, 20)), (-3, (57, 0)), (-20, (56, 80))],
    ids=["key", "above", "near", "below"],
)
def test_a_morph_tells_its_pitch(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cents: int,
    told: tuple[int, int],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, tilt in (("a.wav", 1.0), ("b.wav", 2.0)):
        save_audio(name, tone(57 + cents / 100, seconds=0.6, tilt=tilt), sample_rate=SAMPLE_RATE)
    words = ("morph", "a.wav", "b.wav", "--codec", "harmonic-16k", "--network", "none")
    assert run(*words, "-o", "out.wav", capsys=capsys)[0] == 0
    found = read_sampler("out.wav")
    assert found is not None and (found.root, found.loop) == (told[0], None)
    assert found.cents == pytest.approx(told[1], abs=1.01)
    assert run(*words, "-o", "row", "--steps", "3", capsys=capsys)[0] == 0
    assert {read_sampler(path) for path in Path("row").iterdir()} == {found}
    # without a pitch nothing is told
    save_audio("b.wav", NOISE.repeat(1, 3), sample_rate=SAMPLE_RATE)
    assert run(*words[:5], "-o", "noise.wav", capsys=capsys)[0] == 0
    assert read_sampler("noise.wav") is None
