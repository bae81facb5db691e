"""Reading and writing of sound files, resampling and removal of a DC offset."""

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from intertone import container as containers
from intertone.container import MAX_CHANNELS, check_rate, choose_container
from intertone.errors import InputError
from intertone.files import check_output, mebibytes, replacing
from intertone.level import check_peak
from intertone.remark import RemarkLogger

MIN_SECONDS, MAX_SECONDS, MAX_DECODED_BYTES = 0.02, 300.0, 256 * 2**20  # bytes as float32
MAX_FILE_BYTES = 2 * MAX_DECODED_BYTES + 64 * 2**20  # 64-bit samples, and room for tags and pictures
SILENCE_PEAK = 1e-5  # -100 dBFS
DC_RATIO = 1e-2  # of the channel's peak: a smaller mean is harmless, and without it silence would be offset instead
DC_FADE_SECONDS = 0.01
BLOCK_FRAMES = 65_536

_logger = RemarkLogger(__name__)


def load_audio(path: Path | str, *, sample_rate: int | None = None) -> tuple[Tensor, int]:
    """Read a WAV, FLAC, OGG, MP3 or AIFF file.

    The size is checked in the header and again while decoding, since a header can be wrong. If the mean of a channel
    exceeds ``DC_RATIO`` of its peak, the DC offset of all channels is removed. This, resampling, and a file that is
    shorter than its header says are logged.

    Args:
        path: The file.
        sample_rate: Rate to resample to, Hz; None keeps the rate of the file.

    Returns:
        The audio, float32 ``(channels, samples)``, and its sample rate in Hz.

    Raises:
        InputError: If the file is missing, unreadable, damaged, outside the limits above, silent, or not finite.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "tone.wav"
        >>> save_audio(path, torch.sin(torch.arange(8000) * 0.3), sample_rate=8000)
        >>> audio, sample_rate = load_audio(path, sample_rate=16000)
        >>> audio.shape, sample_rate
        (torch.Size([1, 16000]), 16000)
    """
    path = Path(path)
    if sample_rate is not None:
        check_rate(sample_rate)
    audio, file_rate = _decode(path, sample_rate)
    peaks, means = _finite_peaks(audio, path), audio.mean(-1, dtype=torch.float64).abs()
    check_peak(float(peaks.max()), str(path))
    offset = means.max().item() if (means > DC_RATIO * peaks).any() else 0.0
    if offset:
        audio = remove_dc(audio, file_rate)
    audio = resample(audio, file_rate, rate := sample_rate or file_rate)
    if (peak := _finite_peaks(audio, path).max().item()) < SILENCE_PEAK:
        beside = f" after the removal of a DC offset of {offset:.2g}" if offset else ""
        raise InputError(f"a sound must not be all silence, got a peak of {peak:.2g}{beside} at {rate} Hz in {path}")
    if offset:
        _logger.info("%s: removed a DC offset of %.2g", path.name, offset)
    if rate != file_rate:
        _logger.info("%s: resampled from %d to %d Hz", path.name, file_rate, rate)
    return audio, rate


def audio_extent(path: Path | str) -> tuple[int, float]:
    """Return the number of channels and the length of a sound file, s, after decoding it to its end.

    Args:
        path: The file.

    Returns:
        ``(channels, seconds)``.

    Raises:
        InputError: If the file is missing, unreadable, damaged or outside the limits; silent sounds are accepted.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "tone.wav"
        >>> save_audio(path, torch.rand(2, 4000), sample_rate=8000)
        >>> audio_extent(path)
        (2, 0.5)
    """
    audio, rate = _decode(Path(path), None)
    return len(audio), audio.shape[-1] / rate


def save_audio(path: Path | str, audio: Tensor, *, sample_rate: int, format: str | None = None) -> None:
    """Write a sound file atomically. The suffix of ``path`` chooses the file type; equal input gives equal bytes.

    A sound with a peak above 1 is scaled down to a peak of 1 with the same gain for all channels; a warning is logged.

    Args:
        path: The file to make or replace: ``.wav``, ``.flac``, ``.ogg``, ``.mp3``, ``.aiff`` or ``.aif``.
        audio: Floating point, ``(samples,)`` or ``(channels, samples)``, up to 8 channels (MP3: 2), full scale at 1.
        sample_rate: Hz. MP3 allows nine rates, OGG at most 200000, and FLAC multiples of 10 above 65535.
        format: ``pcm16``, ``pcm24``, ``pcm32`` or ``float32``, if the file type supports it. None: 24 bit, or the only
            coding of OGG (Vorbis) and MP3, for which nothing else is allowed.

    Raises:
        InputError: If the file type cannot hold this audio, it is empty, not finite or larger than 256 MiB as float32,
            or ``path`` cannot be written; an existing file then stays unchanged.
        ValueError: If ``audio`` has another shape or type.

    Example:
        >>> save_audio("tone.flac", torch.zeros(2, 800), sample_rate=8000, format="pcm32")
        Traceback (most recent call last):
        ...
        intertone.errors.InputError: the format of FLAC must be one of pcm16, pcm24, got pcm32
    """
    encoded = _file_bytes(check_output(path), audio, sample_rate, format)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded)


def encode_audio(name: str, audio: Tensor, *, sample_rate: int, format: str | None = None) -> bytes:
    """Return the bytes of the sound file that ``save_audio`` would write.

    Args:
        name: Name of the sound in errors and warnings; its suffix chooses the file type.
        audio: The same as for ``save_audio``.
        sample_rate: Hz.
        format: The same as for ``save_audio``.

    Returns:
        Content of a complete sound file.

    Raises:
        InputError: If the file type cannot hold this audio, or it is empty, not finite or too large.
        ValueError: If ``audio`` has another shape or type.

    Example:
        >>> encode_audio("tone.flac", torch.zeros(800), sample_rate=8000, format="pcm16")[:4]
        b'fLaC'
    """
    return bytes(_file_bytes(Path(name), audio, sample_rate, format))


def three_axes(audio: Tensor) -> Tensor:
    """Return audio with three axes: missing axes of batch and channels are added with length 1.

    Args:
        audio: ``(batch, channels, samples)``, ``(channels, samples)`` or ``(samples,)``.

    Returns:
        The same values, ``(batch, channels, samples)``.

    Raises:
        ValueError: If ``audio`` has no axis or more than three, or no sample.

    Example:
        >>> three_axes(torch.zeros(2, 100)).shape, three_axes(torch.zeros(100)).shape
        (torch.Size([1, 2, 100]), torch.Size([1, 1, 100]))
    """
    if not 1 <= audio.ndim <= 3 or not audio.numel():
        raise ValueError(
            f"audio must be (batch, channels, samples), or the last one or two of these axes, got {tuple(audio.shape)}"
        )
    return audio.reshape(*(1,) * (3 - audio.ndim), *audio.shape)


def resample(audio: Tensor, source_rate: int, target_rate: int) -> Tensor:
    """Convert the sample rate with soxr's VHQ filter.

    The filter has linear phase, so it adds no delay. Rows are converted one by one, so equal rows stay equal. The
    result carries no gradient.

    Args:
        audio: ``(..., samples)``, at least one sample.
        source_rate: Rate of ``audio`` in Hz, 4000 to 384000.
        target_rate: Wanted rate in Hz, in the same range; frequencies above half of it are removed.

    Returns:
        float32 ``(..., ceil(samples * target_rate / source_rate))``; ``audio`` itself when the rates are equal.

    Raises:
        InputError: If a rate is out of range.

    Example:
        >>> resample(torch.rand(2, 44100), 44100, 16000).shape
        torch.Size([2, 16000])
    """
    check_rate(source_rate)
    check_rate(target_rate)
    if source_rate == target_rate:
        return audio
    samples = -(-audio.shape[-1] * target_rate // source_rate)
    padding = -(
        -source_rate // target_rate
    )  # soxr rounds the length down; this many zeros make the result at least one sample longer
    result = torch.empty(*audio.shape[:-1], samples)
    rows = audio.detach().cpu().float().reshape(-1, audio.shape[-1]).numpy()
    for row, converted in zip(rows, result.view(-1, samples).numpy(), strict=True):
        converted[:] = soxr.resample(np.pad(row, (0, padding)), source_rate, target_rate, quality="VHQ")[:samples]
    return result.to(audio.device)


def remove_dc(audio: Tensor, sample_rate: int) -> Tensor:
    """Subtract an offset from each channel so that its mean becomes 0, without adding a step at the beginning or end.

    The DC offset of a recording mostly lasts from the first to the last sample. A sound with an asymmetric waveform has
    a mean other than 0 too, but may begin or end at 0. Where the first or last sample is below half the mean, the
    subtracted offset is faded in or out with a raised cosine of ``DC_FADE_SECONDS``, and increased so that the mean is
    still 0.

    Args:
        audio: ``(..., samples)``, at least one sample.
        sample_rate: Hz.

    Returns:
        Audio of the same shape and type; the mean of every channel is 0.

    Example:
        >>> remove_dc(torch.tensor([1.0, 3.0]), 8000)
        tensor([-1.,  1.])
        >>> remove_dc(torch.tensor([0.0, 1.0, 1.0, 0.0]), 100)
        tensor([0., 0., 0., 0.])
    """
    samples = audio.shape[-1]
    mean = audio.mean(-1, keepdim=True, dtype=torch.float64)
    at_zero = audio[..., [0, -1]].abs() < mean.abs() / 2
    length = min(round(DC_FADE_SECONDS * sample_rate), samples // 2)
    fade = (0.5 + 0.5 * torch.cos(torch.pi * torch.arange(length) / max(1, length))).to(
        audio
    )  # share of the offset that is left out
    missing = at_zero.sum(-1, keepdim=True) * fade.sum(dtype=torch.float64) / samples
    offset = (mean / (1 - missing)).to(audio.dtype)
    result = audio - offset
    result[..., :length] += offset * at_zero[..., :1] * fade
    result[..., samples - length :] += offset * at_zero[..., 1:] * fade.flip(-1)
    return result


class _Stream(soundfile.SoundFile):
    """Sound file that is read without seeking, so that a FLAC file whose header omits the length can be read too."""

    def seekable(self) -> bool:
        return False


def _decode(path: Path, sample_rate: int | None) -> tuple[Tensor, int]:
    try:
        if not path.is_file():
            raise InputError(f"a sound must be an existing regular file, got {path}")
        if not 0 < (size := path.stat().st_size) <= MAX_FILE_BYTES:
            raise InputError(f"a sound file must have 1 byte to {MAX_FILE_BYTES >> 20} MiB, got {size} bytes in {path}")
        with containers.SoundReader(path.open("rb", buffering=0)) as handle, _open(handle, path) as sound:
            audio = _decode_blocks(sound, path, sample_rate)
            if sound.format == "OGG" and not containers.ogg_is_whole(handle, path):
                seconds = audio.shape[-1] / sound.samplerate
                _logger.warning("%s: its last page is missing, so it may be cut after %.4g s", path.name, seconds)
            return audio, sound.samplerate
    except OSError as error:
        raise InputError(f"a sound file must be readable, got {error.strerror} for {path}") from error


def _open(handle: containers.SoundReader, path: Path) -> _Stream:
    try:
        containers.check_signature(handle.peek(4), path)
        sound = _Stream(handle)
    except (
        soundfile.LibsndfileError,
        TypeError,
    ) as error:  # TypeError: the suffix is .raw, which soundfile takes as a file without a header
        reason, kinds = getattr(error, "error_string", "no header").rstrip(".").lower(), containers.READABLE
        raise InputError(f"a sound must be a valid {kinds} file, got {path} (decoder: {reason})") from None
    if sound.format not in ("WAV", "WAVEX", "RF64", "AIFF", "FLAC", "OGG", "MP3"):
        raise InputError(f"a sound must be a {containers.READABLE} file, got {sound.format} in {path}")
    return sound


def _decode_blocks(sound: _Stream, path: Path, sample_rate: int | None) -> Tensor:
    if not 1 <= sound.channels <= MAX_CHANNELS:
        raise InputError(f"a sound must have 1 to {MAX_CHANNELS} channels, got {sound.channels} in {path}")
    check_rate(sound.samplerate, f" in {path}")
    if sound.frames < containers.UNKNOWN_FRAMES:
        _check_size(sound, path, sound.frames, sample_rate)
    blocks: list[np.ndarray] = []
    frames = 0
    while True:
        try:
            block = sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            seconds = frames / sound.samplerate
            raise InputError(f"a sound must decode to its end, got an error after {seconds:.4g} s in {path}") from None
        if len(block) == 0:
            break
        frames += len(block)
        _check_size(sound, path, frames, sample_rate)
        blocks.append(np.ascontiguousarray(block.T))
    _check_size(sound, path, frames, sample_rate, shortest=MIN_SECONDS)
    if claim := containers.claimed_bytes(sound.extra_info):
        _logger.warning("%s: its header claims %d bytes of sound, it holds %d", path.name, *claim)
    elif frames < sound.frames < containers.UNKNOWN_FRAMES:
        _logger.warning("%s: its header claims %d samples, it holds %d", path.name, sound.frames, frames)
    return torch.from_numpy(np.concatenate(blocks, axis=1))


def _check_size(sound: _Stream, path: Path, frames: int, sample_rate: int | None, shortest: float = 0.0) -> None:
    seconds = frames / sound.samplerate
    size = frames * sound.channels * 4 * max(1.0, (sample_rate or 0) / sound.samplerate)
    if not shortest <= seconds <= MAX_SECONDS:
        raise InputError(f"a sound must last {MIN_SECONDS:g} to {MAX_SECONDS:g} s, got {seconds:.6g} s in {path}")
    if size > MAX_DECODED_BYTES:
        limit = mebibytes(MAX_DECODED_BYTES)
        raise InputError(
            f"a sound must decode to at most {limit} as float32, got {mebibytes(size)} for {seconds:.6g} s in {path}"
        )


def _file_bytes(path: Path, audio: Tensor, sample_rate: int, format: str | None) -> memoryview:
    audio = torch.as_tensor(audio)
    if audio.ndim not in (1, 2) or not audio.is_floating_point():
        raise ValueError(f"audio must be floating point, (channels, samples), got {audio.dtype}, {tuple(audio.shape)}")
    audio = torch.atleast_2d(audio.detach())
    container, subtype = choose_container(path, format, channels=len(audio), sample_rate=sample_rate)
    if not 0 < (n_bytes := audio.numel() * 4) <= MAX_DECODED_BYTES:
        got = mebibytes(n_bytes) if n_bytes else "no samples"
        raise InputError(f"a sound must have samples and at most {mebibytes(MAX_DECODED_BYTES)}, got {got} for {path}")
    if (peak := _finite_peaks(audio, path).max().item()) > 1:
        _logger.warning("%s: scaled down from a peak of %.4g to 1", path.name, peak)
    return _encode(audio, max(peak, 1.0), sample_rate=sample_rate, container=container, subtype=subtype)


def _encode(audio: Tensor, scale: float, *, sample_rate: int, container: str, subtype: str | None) -> memoryview:
    stream = io.BytesIO()
    settings = {"samplerate": sample_rate, "channels": len(audio), "format": container, "subtype": subtype}
    with soundfile.SoundFile(stream, "w", **settings) as sound:
        for block in audio.split(BLOCK_FRAMES, dim=-1):  # one large block can overflow the OGG encoder's stack
            sound.write((block.double() / scale).T.contiguous().cpu().numpy())
    encoded = stream.getbuffer()
    if (
        subtype == "FLOAT"
    ):  # the PEAK chunk (identifier, size, version, time, …) stores the time of writing, which is set to 0
        position = bytes(encoded[:128]).index(b"PEAK") + 12
        encoded[position : position + 4] = bytes(4)
    elif container == "OGG":
        containers.fix_ogg_serial_number(encoded)
    return encoded


def _finite_peaks(audio: Tensor, path: Path) -> Tensor:
    low, high = torch.aminmax(audio, dim=-1)
    if not (peaks := torch.maximum(low.abs(), high.abs())).isfinite().all():
        raise InputError(f"every sample must be a finite number, got infinity or NaN in {path}")
    return peaks
