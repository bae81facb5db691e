"""The sound of a code that comes from no sound: numbers are chosen, the codec decodes them, and a level is given."""

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
"""Loudness of a played code, LUFS.

At −29 the peaks of 282 notes from the codes of ``harmonic``, and of 382 of 383 notes of a sound bank, stay below 1; at
−23, the loudness of broadcasts, 35 and 13 would exceed it.
"""

PEAK = 0.99
"""Largest peak; a sound that would exceed it at ``LOUDNESS`` stays quieter."""

LARGEST = 1e15
"""Decoded numbers stay below this: the squares of larger ones, times the window's gain, leave float32."""

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
    """Return the sound of a code alone.

    Its two ends are faded over 5 ms, and it is brought to −29 LUFS, as far as its peak allows: a code says nothing
    about the level, and sounds of different codes shall be compared.

    Args:
        codec: The codec.
        latents: ``(latent_dim,)``: one vector for the whole sound; or ``(latent_dim, n_latents)``, as ``Codec.encode``
            gives them for one channel.
        seconds: Length. Default: all that the latents stand for, of which the last may be padding, where what sounds is
            arbitrary; a single vector needs it, unless the codec has only one length.
        pitch: MIDI number, for codecs that take a pitch: those must be given one.
        velocity: 1…127, for codecs that take one; unknown if not given.
        phase: How a phase is found, where one must be.
        generator: Source of random phase and noise.

    Returns:
        Mono sound at ``codec.sample_rate`` Hz, ``(samples,)``, peak below 1, on the CPU.

    Raises:
        InputError: If the latents do not fit the codec or are not finite, last shorter than ``seconds``, or decode to
            nothing finite; or pitch or velocity are missing, out of range, or not taken.
        ValueError: If the phase shall be kept: a code alone has none.

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
    # on the CPU, where the context is
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
    """Return a loop of the spectrum that one vector of latents decodes to: its end goes on in its beginning.

    Args:
        codec: A codec of single frames, whose features are magnitudes.
        latents: ``(latent_dim,)``.
        seconds: Length; the nearest whole number of hops is made, and peaks move to multiples of 1 / length.
        pitch, velocity: As for ``play_code``.
        white_noise: Whether the phases are those of white noise, as in the player of manne.
        generator: Source of the phases at the start, or of the noise.

    Returns:
        Mono sound at ``codec.sample_rate`` Hz, ``(samples,)``, not faded, at the level of ``play_code``.

    Raises:
        InputError: As ``play_code``, or if the codec is none of single frames.
    """
    _check_latents(codec, latents)
    rate = codec.sample_rate
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise InputError(f"a sound must last {MIN_SECONDS:g} to {MAX_SECONDS:g} s, got {seconds:g}")
    if codec.model.frames_per_latent > 1 or codec.fixed_length is not None:
        raise InputError("a loop must be made with a codec of single frames, got one whose latents stand for more")
    if latents.ndim != 1:
        raise InputError(f"a loop is made of one vector of latents, got {latents.shape[1]}")
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
    """Return a sound at −29 LUFS, or as near to it as a peak of 0.99 allows.

    Args:
        sound: Mono, ``(samples,)``, of any level.
        sample_rate: Hz.

    Returns:
        The same shape; silence stays silent. Both exceptions are remarked on.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 440 * torch.arange(16000) / 16000)
        >>> round(integrated_loudness(to_loudness(1e-9 * tone, 16000), 16000), 1)
        -29.0
    """
    peak = float(sound.abs().max())
    if not peak:
        logger.warning("the sound is silent: its code decodes to nothing")
        return sound
    sound = sound / peak
    short = integrated_loudness(sound, sample_rate) - LOUDNESS
    if (gain := db_to_amplitude(-short)) <= PEAK:
        return gain * sound
    quieter = -short - amplitude_to_db(PEAK)
    logger.info("the sound is %.1f LU below %g LUFS, or its peak would exceed 1", quieter, LOUDNESS)
    return PEAK * sound


def takes_pitch(codec: Codec) -> bool:
    """Tell whether a code is played at a pitch: the network is conditioned on it, or the features follow it."""
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
    """Refuse latents so large that the powers of what is decoded are not finite."""
    if not bool((values.abs() < LARGEST).all()):
        largest = float(latents.abs().max())
        raise InputError(f"the latents must decode to finite numbers, got latents up to {largest:.3g}")


def _length(codec: Codec, latents: Tensor, seconds: float | None) -> int:
    """Return the samples of a sound that latents can be decoded to."""
    model, representation, rate = codec.model, codec.representation, codec.sample_rate
    n_frames = model.n_frames
    if n_frames is None and latents.ndim == 2:
        n_frames = latents.shape[1] * model.frames_per_latent
    longest = None if n_frames is None else representation.samples(n_frames)
    if seconds is None:
        if longest is None:
            raise InputError("one vector of latents lasts as long as is wanted, so the seconds must be given")
        return longest
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise InputError(f"a sound must last {MIN_SECONDS:g} to {MAX_SECONDS:g} s, got {seconds:g}")
    samples = round(seconds * rate)
    if longest is not None and samples > longest:
        raise InputError(f"these latents last {longest / rate:.2f} s at most, got {seconds:g} s")
    return samples


def played_conditions(codec: Codec, pitch: float | None, velocity: float | None) -> dict[str, Tensor]:
    """Return what a codec is conditioned on when a code is played, ``(1, size, 1)`` each; NaN where it is unknown.

    Raises:
        InputError: If pitch or velocity are missing, out of range, or not taken.
    """
    needs, rows = codec.model.decoder_needs, codec.representation.rows
    if takes_pitch(codec):
        if pitch is None:
            raise InputError("a code of this codec is played at a pitch, which must be given, got none")
        if not 0 <= pitch <= 127:
            raise InputError(f"a pitch must be a MIDI number in 0..127, got {pitch:g}")
        if rows is not None and pitch_to_hz(pitch) > rows.f_max:
            raise InputError(
                f"a pitch must be at most {rows.f_max:g} Hz with this codec, got {pitch_to_hz(pitch):.0f} Hz"
            )
    elif pitch is not None:
        raise InputError(f"the latents of this codec hold the pitch themselves, so none can be given, got {pitch:g}")
    if velocity is not None and "velocity" not in needs:
        raise InputError(f"this codec takes no velocity, got {velocity:g}")
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
    """Return a sound faded in and out over 5 ms: latents that are held begin and end with a step."""
    ramp = (torch.arange(sound.shape[-1]) / round(FADE_SECONDS * sample_rate)).clamp(max=1)
    return sound * ramp * ramp.flip(0)
