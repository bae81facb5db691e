"""Sounds of chosen latent codes, which are decoded without a source sound and scaled to a fixed loudness."""

import math

import torch
from torch import Tensor

from intertone.audio import MAX_SECONDS, MIN_SECONDS
from intertone.codec import Codec
from intertone.errors import InputError
from intertone.instrument.keys import FADE_SECONDS
from intertone.instrument.steady import loop_of_magnitude
from intertone.level import amplitude_to_db, db_to_amplitude
from intertone.loudness import integrated_loudness
from intertone.phase import PhaseConfig
from intertone.pitch.chroma import class_of_pitch
from intertone.pitch.note import pitch_to_hz
from intertone.remark import RemarkLogger
from intertone.representation import Analysis
from intertone.stft import SpectrogramConfig

LOUDNESS = -29.0
"""Loudness of the sound of a code, LUFS.

At −29 the peaks of all 282 notes from the codes of ``harmonic``, and of 382 of 383 notes of a SoundFont, are below 1;
at −23, the loudness of broadcasts, 35 and 13 of them would exceed 1.
"""
PEAK = 0.99
"""Largest peak; a sound that would exceed it at ``LOUDNESS`` is made quieter."""
LARGEST = 1e15
"""Limit of decoded values: the squares of larger ones, multiplied by the window's gain, exceed the range of float32."""

logger = RemarkLogger(__name__)


@torch.inference_mode()
def play_code(
    codec: Codec,
    latents: Tensor,
    *,
    seconds: float | None = None,
    pitch: float | None = None,
    velocity: float | None = None,
    phase: PhaseConfig | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the sound of a latent code.

    The sound is faded in and out over 5 ms. It is scaled to −29 LUFS, or less if its peak would exceed 0.99: a code
    contains no level, and equal loudness makes the sounds of different codes comparable.

    Args:
        codec: The codec.
        latents: ``(latent_dim,)``, one vector for the whole sound, or ``(latent_dim, n_latents)``, as from
            ``Codec.encode`` for one channel.
        seconds: Length, s. None: the whole length of the latents, in which the last frames may be padding with
            arbitrary sound. It must be given for a single vector, unless the codec has only one length.
        pitch: MIDI number; required by codecs that are conditioned on pitch, and refused by others.
        velocity: 1…127, for codecs that are conditioned on velocity; None: unknown.
        phase: How the phase is found, for codecs that estimate one; None: ``pghi-fast``.
        generator: Source of random phase and noise.

    Returns:
        Mono sound at ``codec.sample_rate`` Hz, ``(samples,)``, with a peak below 1, on the CPU.

    Raises:
        InputError: If the latents do not fit the codec, are not finite, are shorter than ``seconds``, or decode to
            values that are not finite; or if pitch or velocity are missing, out of range, or refused by the codec.
        ValueError: If ``phase`` is ``kept``, since there is no sound whose phase could be kept.

    Source:
        Colonel, Curro and Keene (2018), "Autoencoding Neural Networks as Musical Audio Synthesizers", for the latents
        as controls of a synthesizer.

    Example:
        >>> from intertone.codec import CodecConfig
        >>> from intertone.models.dense import DenseConfig
        >>> from intertone.representation.frames import FramesConfig
        >>> codec = Codec(CodecConfig(representation=FramesConfig(), model=DenseConfig(widths=(8,))))
        >>> play_code(codec, torch.rand(8), seconds=0.5).shape
        torch.Size([11025])
    """
    _check_latents(codec, latents)
    conditions = played_conditions(codec, pitch, velocity)
    samples = _length(codec, latents, seconds)
    n_frames = codec.representation.n_frames(samples)
    if latents.ndim == 1:
        latents = latents[:, None].expand(-1, codec.model.n_latents(n_frames))
    context = codec.representation.blank(samples, **conditions)
    features = codec.decode_features(latents[None].float(), context.conditions, n_frames=n_frames, generator=generator)
    _check_decoded(features, latents)
    # on the CPU, since the context is there
    sound = codec.representation.synthesise(Analysis(features.cpu(), context), phase=phase, generator=generator)
    _check_decoded(sound, latents)
    return to_loudness(_faded(sound, codec.sample_rate), codec.sample_rate)


@torch.inference_mode()
def play_loop(
    codec: Codec,
    latents: Tensor,
    *,
    seconds: float,
    pitch: float | None = None,
    velocity: float | None = None,
    white_noise: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return a seamless loop of the spectrum of one latent vector.

    Args:
        codec: A codec of single frames, whose features are magnitudes.
        latents: ``(latent_dim,)``.
        seconds: Length, s, which is rounded to an integer number of hops. The frequencies of peaks are rounded to
            multiples of 1 / length.
        pitch, velocity: The same as for ``play_code``.
        white_noise: Whether the phases are those of white noise, as in the player of Colonel and Keene (2020);
            otherwise they are integrated in real time (RTPGHI).
        generator: Source of the initial phases, or of the noise.

    Returns:
        Mono sound at ``codec.sample_rate`` Hz, ``(samples,)``, without fades, with the loudness of ``play_code``.

    Raises:
        InputError: For the same reasons as ``play_code``, or if the codec does not encode single frames.
    """
    _check_latents(codec, latents)
    rate = codec.sample_rate
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise InputError(f"a sound must last {MIN_SECONDS:g} to {MAX_SECONDS:g} s, got {seconds:g}")
    if codec.model.frames_per_latent > 1 or codec.fixed_length is not None:
        raise InputError(
            "a loop must be made with a codec of single frames, got one whose latents cover several frames"
        )
    if latents.ndim != 1:
        raise InputError(f"a loop must be made of one latent vector, got {latents.shape[1]}")
    context = codec.representation.blank(1, **played_conditions(codec, pitch, velocity))
    features = codec.decode_features(latents[None, :, None].float(), context.conditions, n_frames=1).cpu()
    try:
        magnitude = codec.representation.magnitude(Analysis(features, context))[0, :, 0]
    except NotImplementedError as error:
        raise InputError(f"a loop must be made of a spectrum: {error}") from None
    _check_decoded(magnitude, latents)
    config = SpectrogramConfig(
        sample_rate=rate, n_fft=2 * (len(magnitude) - 1), hop_length=codec.representation.hop_length
    )
    n_frames = max(1, round(seconds * rate / config.hop_length))
    sound = loop_of_magnitude(magnitude, config, n_frames=n_frames, white_noise=white_noise, generator=generator)
    return to_loudness(sound, rate)


def to_loudness(sound: Tensor, sample_rate: int) -> Tensor:
    """Return a sound scaled to −29 LUFS, or less if its peak would exceed 0.99.

    Args:
        sound: Mono, ``(samples,)``, of any level.
        sample_rate: Hz.

    Returns:
        Sound of the same shape. Silence stays silent. Silence and a lower loudness are logged.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 440 * torch.arange(16000) / 16000)
        >>> round(integrated_loudness(to_loudness(1e-9 * tone, 16000), 16000), 1)
        -29.0
    """
    peak = float(sound.abs().max())
    if not peak:
        logger.warning("the sound is silent, since its code decodes to zeros")
        return sound
    sound = sound / peak
    short = integrated_loudness(sound, sample_rate) - LOUDNESS
    if (gain := db_to_amplitude(-short)) <= PEAK:
        return gain * sound
    quieter = -short - amplitude_to_db(PEAK)
    logger.info("the sound is %.1f LU below %g LUFS, since its peak would exceed 1", quieter, LOUDNESS)
    return PEAK * sound


def takes_pitch(codec: Codec) -> bool:
    """Return whether decoding needs a pitch: the decoder is conditioned on it, or the features are relative to it."""
    return "pitch" in codec.representation.measures or bool({"pitch", "chroma"} & {*codec.model.decoder_needs})


def _check_latents(codec: Codec, latents: Tensor) -> None:
    latent_dim = codec.model.latent_dim
    if latents.ndim not in (1, 2) or len(latents) != latent_dim or not latents.numel():
        given = "×".join(map(str, latents.shape))
        raise InputError(
            f"the latents of this codec must be {latent_dim} numbers or {latent_dim}×n_latents, got {given}"
        )
    if not bool(latents.isfinite().all()):
        raise InputError("all latents must be finite, got NaN or infinity")


def _check_decoded(values: Tensor, latents: Tensor) -> None:
    """Refuse latents that decode to values at or above ``LARGEST``."""
    if not bool((values.abs() < LARGEST).all()):
        largest = float(latents.abs().max())
        raise InputError(f"the latents must decode to finite numbers, got latents up to {largest:.3g}")


def _length(codec: Codec, latents: Tensor, seconds: float | None) -> int:
    """Return the length of the sound of latents, samples."""
    model, representation, rate = codec.model, codec.representation, codec.sample_rate
    n_frames = model.n_frames
    if n_frames is None and latents.ndim == 2:
        n_frames = latents.shape[1] * model.frames_per_latent
    longest = None if n_frames is None else representation.samples(n_frames)
    if seconds is None:
        if longest is None:
            raise InputError("seconds must be given for a single latent vector, got none")
        return longest
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise InputError(f"a sound must last {MIN_SECONDS:g} to {MAX_SECONDS:g} s, got {seconds:g}")
    samples = round(seconds * rate)
    if longest is not None and samples > longest:
        raise InputError(
            f"seconds must be at most the length of the latents, {longest / rate:.2f} s, got {seconds:g} s"
        )
    return samples


def played_conditions(codec: Codec, pitch: float | None, velocity: float | None) -> dict[str, Tensor]:
    """Return the conditions for decoding a chosen code, ``(1, size, 1)`` each; NaN: unknown.

    Raises:
        InputError: If pitch or velocity are missing, out of range, or refused by the codec.
    """
    needs, rows = codec.model.decoder_needs, codec.representation.rows
    if takes_pitch(codec):
        if pitch is None:
            raise InputError("a pitch must be given with this codec, got none")
        if not 0 <= pitch <= 127:
            raise InputError(f"a pitch must be a MIDI number in 0..127, got {pitch:g}")
        if rows is not None and pitch_to_hz(pitch) > rows.f_max:
            raise InputError(
                f"a pitch must be at most {rows.f_max:g} Hz with this codec, got {pitch_to_hz(pitch):.0f} Hz"
            )
    elif pitch is not None:
        raise InputError(f"a pitch must be left out with this codec, whose latents contain it, got {pitch:g}")
    if velocity is not None and "velocity" not in needs:
        raise InputError(
            f"a velocity must be left out with this codec, which is not conditioned on it, got {velocity:g}"
        )
    if velocity is not None and not 1 <= velocity <= 127:
        raise InputError(f"a velocity must be in 1..127, got {velocity:g}")
    found = {name: torch.full((1, 1, 1), math.nan) for name in needs}
    if pitch is not None:
        found["pitch"] = torch.full((1, 1, 1), float(pitch))
        if "chroma" in needs:
            found["chroma"] = class_of_pitch(pitch)
    if velocity is not None:
        found["velocity"] = torch.full((1, 1, 1), float(velocity))
    return found


def _faded(sound: Tensor, sample_rate: int) -> Tensor:
    """Return a sound with a fade-in and a fade-out of 5 ms, since a constant code begins and ends abruptly."""
    ramp = (torch.arange(sound.shape[-1]) / round(FADE_SECONDS * sample_rate)).clamp(max=1)
    return sound * ramp * ramp.flip(0)
