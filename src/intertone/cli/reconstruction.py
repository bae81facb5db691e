"""``intertone reconstruct`` and ``intertone gains``: one sound through the codec, its code as it is or turned."""

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli import options
from intertone.cli.progress import elapsed, late_bar
from intertone.errors import InputError
from intertone.remark import RemarkLogger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from intertone.phase import PhaseConfig

KeptPhaseOption = Annotated[
    options.Phase,
    typer.Option(
        "--phase",
        help="Method that estimates the phase; with harmonic codecs, all but kept leave out the residual.",
    ),
]


def reconstruct(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="IN", help="The sound.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File of the reconstructed sound.")],
    phase: KeptPhaseOption = options.Phase.kept,
    iterations: options.IterationsOption = None,
    seed: options.SeedOption = 0,
    codec: options.CodecOption = options.DEFAULT_CODEC,
    device: options.DeviceOption = "cpu",
    sample_rate: options.RateOption = None,
    format: options.FormatOption = None,
    plot: options.PlotOption = None,
    force: options.ForceOption = False,
    json: options.JsonOption = False,
) -> None:
    """Send one sound through the codec, to hear what it keeps."""
    report = options.Report(context, as_json=json)
    options.check_sound_files([source], out, plot, force=force)
    found = options.phase_config(phase, iterations)
    send(
        report, source, out, codec=codec, device=device, phase=found,
        iterations=iterations, seed=seed, sample_rate=sample_rate, format=format, plot=plot,
    )  # fmt: skip


def gains(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="IN", help="The sound.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The sound with its code changed.")],
    gain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="UNIT=GAIN",
            help="Gain of one of the latent_dim numbers that `intertone info` names, from 1; may be repeated.",
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="Gains of five groups of neighbouring numbers, or of as many as --bounds makes: 1,0.5,1,2,1."
        ),
    ] = None,
    bounds: Annotated[
        str | None,
        typer.Option(
            help="Numbers of the code after which a group ends. (default: 3, 6, 9 and 12 sixteenths of the code)"
        ),
    ] = None,
    seed: options.SeedOption = 0,
    codec: options.CodecOption = options.DEFAULT_CODEC,
    device: options.DeviceOption = "cpu",
    sample_rate: options.RateOption = None,
    format: options.FormatOption = None,
    plot: options.PlotOption = None,
    force: options.ForceOption = False,
    json: options.JsonOption = False,
) -> None:
    """Multiply the numbers that a codec makes of a sound, its code, and decode them with the sound's own phase."""
    report = options.Report(context, as_json=json)
    options.check_sound_files([source], out, plot, force=force)
    wanted = Gains(read_gains(gain or []), read_numbers("--groups", groups), read_numbers("--bounds", bounds))
    send(
        report, source, out, codec=codec, device=device, phase=options.phase_config(options.Phase.kept, None),
        gains=wanted, seed=seed, sample_rate=sample_rate, format=format, plot=plot,
    )  # fmt: skip


@dataclass(frozen=True)
class Gains:
    """Gains as they were typed.

    Attributes:
        units: Number of the code, from 1 → its gain.
        groups: Gains of groups; none: all 1.
        bounds: How many numbers lie before each group but the first; none: 3, 6, 9 and 12 sixteenths.
    """

    units: "Mapping[int, float]"
    groups: tuple[float, ...] = ()
    bounds: tuple[float, ...] = ()

    def of_code(self, latent_dim: int) -> list[float]:
        """Return the gain of each number of a code.

        Raises:
            InputError: If a unit, a group or a bound does not fit the code.

        Example:
            >>> Gains({2: 3.0}, (1.0, 0.5), (2,)).of_code(4)
            [1.0, 3.0, 0.5, 0.5]
        """
        if self.bounds and not self.groups:
            raise InputError("--bounds must go with --groups")
        if wrong := [unit for unit in self.units if not 1 <= unit <= latent_dim]:
            raise InputError(f"a unit must be in 1..{latent_dim} with this codec, got {wrong[0]}")
        bounds = self.bounds or tuple(latent_dim * part // 16 for part in (3, 6, 9, 12))
        if self.groups and len(self.groups) != len(bounds) + 1:
            raise InputError(f"there must be {len(bounds) + 1} gains for {len(bounds)} bounds, got {len(self.groups)}")
        edges = (0, *bounds, latent_dim)
        if self.groups and (any(b != int(b) for b in edges) or not all(a < b for a, b in pairwise(edges))):
            given = ", ".join(f"{bound:g}" for bound in bounds)
            raise InputError(f"bounds must rise, whole numbers within 1..{latent_dim - 1}, got {given}")
        found = [1.0] * latent_dim
        for value, (first, last) in zip(self.groups, pairwise(edges), strict=False):
            found[int(first) : int(last)] = [value] * int(last - first)
        for unit, value in self.units.items():
            found[unit - 1] = value
        return found


def read_gains(texts: "Sequence[str]") -> dict[int, float]:
    """Read ``UNIT=GAIN`` assignments.

    Raises:
        InputError: If one is none, or names a unit twice.

    Example:
        >>> read_gains(["3=1.8", "12=0"])
        {3: 1.8, 12: 0.0}
    """
    found: dict[int, float] = {}
    for text in texts:
        unit, _, value = text.partition("=")
        try:
            number, gain = int(unit), float(value)
        except ValueError:
            raise InputError(f"--gain must be like 3=1.8, got {text}") from None
        if number in found:
            raise InputError(f"each unit must be given once, got {number} twice")
        found[number] = _finite("--gain", gain)
    return found


def read_numbers(name: str, text: str | None) -> tuple[float, ...]:
    """Read numbers with commas between them.

    Raises:
        InputError: If they are none.
    """
    try:
        return () if text is None else tuple(_finite(name, float(part)) for part in text.split(","))
    except ValueError:
        raise InputError(f"{name} must be numbers with commas between them, got {text}") from None


def _finite(name: str, value: float) -> float:
    if not isfinite(value):
        raise InputError(f"{name} must be finite, got {value}")
    return value


def send(
    report: options.Report,
    source: Path,
    out: Path,
    *,
    codec: str,
    device: str,
    phase: "PhaseConfig",
    iterations: int | None = None,
    gains: Gains | None = None,
    seed: int,
    sample_rate: int | None,
    format: options.SampleFormat | None,
    plot: Path | None,
) -> None:
    """Send a sound through a codec, its code multiplied by gains if they are given, and write what comes out."""

    import torch

    from intertone.codec import Codec
    from intertone.morphing.method import warn_of_noise

    options.check_kind(out, sample_rate, format)
    loaded = Codec.load(codec, device=device)
    factors = None if gains is None else torch.tensor(gains.of_code(loaded.model.latent_dim))
    if factors is not None and bool((factors == 1).all()):
        RemarkLogger(__name__).warning("all gains are 1, so this is what reconstruct makes")
    options.warn_of_phase(loaded, None, iterations)  # the method decides whether the residual is used
    rate = loaded.sample_rate if sample_rate is None else sample_rate
    sound = options.load_for(loaded, source)
    options.check_result(out, [sound], loaded, rate, format)
    with late_bar("analysis and synthesis"):
        warn_of_noise(loaded, sound, source.name)
        generator = torch.Generator().manual_seed(seed)
        again = loaded.reconstruct(sound, phase=phase, gains=factors, generator=generator)
    name = "reconstruction" if gains is None else "with gains"
    with options.drawing(plot, {f"IN: {source.name}": sound, name: again}, loaded.sample_rate):
        text = f"wrote {options.save_result(out, again, loaded.sample_rate, rate, format)}, phase {phase.method}"
    if plot is not None:
        text += f"\nwrote {plot}"
    seconds = elapsed()
    result = {"outputs": [str(out)], "codec": codec, "phase": phase.method, "seed": seed}
    if factors is not None:
        result |= {"gains": factors.tolist()}
    report.finish({**result, "seconds": round(seconds, 3)}, f"{text} ({seconds:.1f} s)")
