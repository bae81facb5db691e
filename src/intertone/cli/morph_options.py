"""Command-line options of morphs, which ``morph`` and ``keys`` share, and their conversion to settings."""

import math
import re
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli.options import given
from intertone.errors import InputError
from intertone.remark import RemarkLogger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from intertone.codec import Codec
    from intertone.morphing import MorphConfig
    from intertone.ratio import Mix

MOST_SOUNDS = 26
"""Largest number of sounds of a morph, since each is named by a letter A to Z."""

OPTIONS = {
    "pitch": "--pitch",
    "alignment": "--align",
    "length": "--length",
    "strength": "--strength",
    "register_strength": "--register",
    "hold_seconds": "--seconds",
}
"""Option of each field of ``MorphConfig``, for error sentences."""

SMALLEST_CHANGE = 0.01
"""Change of the mix after the end of a sound that is too small for a warning, on the scale from 0 (A) to 1 (B)."""


class Align(StrEnum):
    """Alignment of the sounds in time."""

    none = "none"
    onset = "onset"
    envelope = "envelope"


class NetworkUse(StrEnum):
    """Use of the network."""

    residual = "residual"
    full = "full"
    none = "none"


def parse_network(text: str) -> NetworkUse:
    """Return a use of the network; the error for a name of an earlier version gives the present name."""
    if text in list(NetworkUse):
        return NetworkUse(text)
    from intertone.morphing.settings import RENAMED

    named = f" ({RENAMED[text]} now)" if text in RENAMED else ""
    raise typer.BadParameter(f"it must be residual, full or none, got {text}{named}")


MixOption = Annotated[
    str | None,
    typer.Option(
        "--mix",
        help="0 is sound A, 1 is sound B; -0.5 to 1.5 is possible. 0:0,1.5:0.7,4:1 changes with time (seconds:mix). "
        ".2,.3,.5 gives each sound a weight. (default: 0.5, or equal weights)",
    ),
]
PitchOption = Annotated[
    str | None,
    typer.Option(
        "--pitch",
        help="Pitch of the result. glide: interpolated with the mix; a, b, …: that of sound A, B, …; a note (A3, 57): "
        "glide, transposed to that note; nearest: glide, transposed to the nearest key; free: set by "
        "--mix-pitch. (default: glide, or free with --mix-pitch)",
    ),
]
AlignOption = Annotated[
    Align | None,
    typer.Option(
        "--align",
        help="Alignment in time. none: sounds stay where they are; onset: onsets coincide; envelope: attack, sustain "
        "and release coincide. (default: envelope)",
    ),
]
LengthOption = Annotated[
    str | None,
    typer.Option(
        "--length",
        help="Length of the result, for sounds without one pitch. mean: interpolated with the mix; longest: that of "
        "the longest sound; a, b, …: that of sound A, B, …. (default: mean)",
    ),
]
HarmonicsOption = Annotated[
    str | None, typer.Option("--mix-harmonics", help="As --mix, for the levels of the partials only.")
]
NoiseOption = Annotated[str | None, typer.Option("--mix-noise", help="As --mix, for the noise only.")]
EnvelopeOption = Annotated[
    str | None,
    typer.Option("--mix-envelope", help="As --mix, for the loudness over time, the attack and the length only."),
]
MixPitchOption = Annotated[
    str | None, typer.Option("--mix-pitch", help="As --mix, for the pitch only; implies --pitch free.")
]
EvenOption = Annotated[bool, typer.Option("--even", help="Change the mix so that equal steps sound equally large.")]
NetworkOption = Annotated[
    NetworkUse | None,
    typer.Option(
        "--network",
        parser=parse_network,
        metavar="residual|full|none",
        help="residual: the measured sounds are interpolated, and the network corrects the result; full: everything "
        "is decoded by the network; none: interpolation only. (default: residual; full with spectrogram codecs)",
    ),
]
StrengthOption = Annotated[
    float | None,
    typer.Option(
        "--strength",
        help="With --network residual: factor of the network's correction between two timbres, 0 (none) to 4. "
        "(default: 0.5)",
    ),
]
RegisterOption = Annotated[
    float | None,
    typer.Option(
        "--register",
        help="With --network residual: factor of the network's change of timbre when a sound is transposed, 0 (none) "
        "to 4. (default: 1.0)",
    ),
]


def check_sounds(count: int, *, least: int) -> None:
    """Refuse fewer than ``least`` sounds or more than ``MOST_SOUNDS``.

    Raises:
        InputError: If ``count`` is outside this range.
    """
    if not least <= count <= MOST_SOUNDS:
        raise InputError(f"there must be {least} to {MOST_SOUNDS} sounds, got {count}")


def read_mix(text: str | None, n_sounds: int) -> "Mix":
    """Return the mix of ``--mix``; equal weights where ``text`` is None.

    Raises:
        InputError: If ``text`` is not a mix of ``n_sounds`` sounds.
    """
    if text is None:
        return 0.5 if n_sounds == 2 else (1 / n_sounds,) * n_sounds
    return _parsed("--mix", text, n_sounds)


def read_ratios(n_sounds: int, **texts: str | None) -> "dict[str, Mix]":
    """Return the mixes of attributes whose option was given, by attribute.

    Args:
        n_sounds: Number of sounds.
        texts: Value of the option of ``harmonics``, ``noise``, ``envelope`` and ``pitch``; None: not given.

    Raises:
        InputError: If a text is not a mix of ``n_sounds`` sounds.
    """
    return {name: _parsed(f"--mix-{name}", text, n_sounds) for name, text in texts.items() if text is not None}


def read_config(
    codec: "Codec",
    *,
    pitch: str | None,
    align: Align | None,
    network: NetworkUse | None,
    strength: float | None,
    register: float | None,
    even: bool = False,
    length: str | None = None,
    ratios: "Mapping[str, Mix]",
    hold_seconds: float | None = None,
) -> "MorphConfig":
    """Return the settings of the morph.

    Raises:
        InputError: If an option is out of range, contradicts another one, or has no effect with this codec.
    """
    from intertone.morphing import MorphConfig, choose_method

    takes = choose_method(codec).takes
    of_pitch = {
        "--pitch": pitch,
        "--align": align,
        "--length": length,
        **{f"--mix-{name}": value for name, value in ratios.items()},
    }
    for name, value in of_pitch.items():
        if value is not None and not takes.pitch:
            raise InputError(f"{name} must be used with a codec that analyses pitch, got a spectrogram codec")
    used = network or NetworkUse(takes.network)
    for name, share in (("--strength", strength), ("--register", register)):
        if share is not None and used != NetworkUse.residual:
            raise InputError(f"{name} must be used with --network residual, got {used.value}")
    if register is not None and not takes.register:
        raise InputError("--register must be used with a codec that analyses pitch, got a spectrogram codec")
    if pitch is None:
        pitch = "free" if "pitch" in ratios else "glide"
    elif "pitch" in ratios and pitch != "free":
        raise InputError(f"--mix-pitch must be used with --pitch free, got {pitch}")
    settings = given(
        pitch=pitch.lower() if len(pitch) == 1 else pitch,
        alignment=align and align.value,
        network=network and network.value,
        strength=strength,
        register_strength=register,
        even=even,
        length=length and length.lower(),
        hold_seconds=hold_seconds,
    )
    try:
        return MorphConfig.parse(settings, source="the options")
    except InputError as error:
        raise InputError(_as_option(str(error))) from None


def warn_of_late_points(mix: "Mix", ratios: "Mapping[str, Mix]", seconds: float) -> None:
    """Warn of mix curves that still change after the end of the result.

    Args:
        mix: Mix of ``--mix``.
        ratios: Mixes of attributes whose option was given.
        seconds: Length of the result, or of the longest of several results, s.
    """
    import numpy as np

    from intertone.ratio import MixCurve

    for name, curve in {"--mix": mix, **{f"--mix-{name}": value for name, value in ratios.items()}}.items():
        if not isinstance(curve, MixCurve) or curve.seconds[-1] <= seconds:
            continue
        last, *later = curve.at(np.array([seconds, *(second for second in curve.seconds if second > seconds)])).tolist()
        if any(abs(ratio - last) > SMALLEST_CHANGE for ratio in later):
            text = "%s has points up to %g s, but the sound ends at %.2f s, where the mix is %.2f"
            RemarkLogger(__name__).warning(text, name, curve.seconds[-1], seconds, last)


def mix_name(mix: "Mix") -> str:
    """Return a mix as it is written on the command line."""
    from intertone.ratio import MixCurve

    if isinstance(mix, MixCurve):
        return ",".join(f"{second:g}:{ratio:g}" for second, ratio in zip(mix.seconds, mix.ratios, strict=True))
    return _number(mix) if isinstance(mix, int | float) else ",".join(map(_number, mix))


def _number(value: float) -> str:
    """Return a number as a decimal; as a fraction where the decimal would be rounded and the fraction is exact: 1/3."""
    fraction = Fraction(value).limit_denominator(MOST_SOUNDS)
    exact = math.isclose(fraction, value) and not math.isclose(float(f"{value:g}"), value)
    return str(fraction) if exact else f"{value:g}"


def mix_content(mix: "Mix") -> float | list[float] | list[list[float]]:
    """Return a mix as JSON writes it: a number, weights, or pairs of seconds and ratios."""
    from intertone.ratio import MixCurve

    if isinstance(mix, MixCurve):
        return [list(point) for point in zip(mix.seconds, mix.ratios, strict=True)]
    return mix if isinstance(mix, int | float) else list(mix)


def _as_option(problem: str) -> str:
    """Return the error sentence with the name of the setting replaced by its option."""
    setting, _, what = problem.removeprefix("the options: ").partition(" ")
    setting = setting.removesuffix(":")
    if setting not in OPTIONS:
        return problem
    return f"{OPTIONS[setting]} {what.removeprefix(f'{setting} ')}"


def _parsed(option: str, text: str, n_sounds: int) -> "Mix":
    from intertone.ratio import mix_shares, parse_mix

    if n_sounds == 1:
        raise InputError(f"{option} must be used with two sounds or more, got one")
    try:
        mix = parse_mix(text)
        mix_shares(mix, n_sounds)
    except InputError as error:
        raise InputError(f"{option}: {error}") from None
    if re.fullmatch(r"0,([2-9]\d*|\d{2,})", text):
        name, point = f"{option} {text}", text.replace(",", ".")
        RemarkLogger(__name__).warning("%s gives A the weight 0; a decimal number has a point: %s", name, point)
    return mix
