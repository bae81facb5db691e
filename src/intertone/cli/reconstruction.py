"""``intertone reconstruct`` and ``intertone gains``: one sound is encoded and decoded; ``gains`` scales its code."""

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
        help="Method that estimates the phase. With harmonic codecs, every method but kept leaves out the residual.",
    ),
]


def reconstruct(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="IN", help="File of the sound.")],
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
    """Encode and decode one sound with a codec, to hear what the codec preserves."""
    report = options.Report(context, as_json=json)
    options.check_sound_files([source], out, plot, force=force)
    found = options.phase_config(phase, iterations)
    send(
        report, source, out, codec=codec, device=device, phase=found,
        iterations=iterations, seed=seed, sample_rate=sample_rate, format=format, plot=plot,
    )  # fmt: skip


def gains(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="IN", help="File of the sound.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File of the changed sound.")],
    gain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="UNIT=GAIN",
            help="Gain of one latent dimension, numbered 1 to latent_dim (see `intertone info`); may be repeated.",
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="Gains of five groups of neighbouring latent dimensions, or of the groups of --bounds: 1,0.5,1,2,1."
        ),
    ] = None,
    bounds: Annotated[
        str | None,
        typer.Option(
            help="Last latent dimension of each group but the last. (default: 3, 6, 9 and 12 sixteenths of latent_dim)"
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
    """Multiply the latent code of a sound by gains, and decode it with the phase of the sound."""
    report = options.Report(context, as_json=json)
    options.check_sound_files([source], out, plot, force=force)
    wanted = Gains(read_gains(gain or []), read_numbers("--groups", groups), read_numbers("--bounds", bounds))
    send(
        report, source, out, codec=codec, device=device, phase=options.phase_config(options.Phase.kept, None),
        gains=wanted, seed=seed, sample_rate=sample_rate, format=format, plot=plot,
    )  # fmt: skip


@dataclass(frozen=True)
class Gains:
    """Gains of the options ``--gain``, ``--groups`` and ``--bounds``.

    Attributes:
        units: Gain of single latent dimensions, which are numbered from 1. They replace the gains of groups.
        groups: Gain of each group of neighbouring dimensions; empty: 1 for all.
        bounds: Last dimension of each group but the last; empty: 3, 6, 9 and 12 sixteenths of ``latent_dim``.
    """

    units: "Mapping[int, float]"
    groups: tuple[float, ...] = ()
    bounds: tuple[float, ...] = ()

    def of_code(self, latent_dim: int) -> list[float]:
        """Return the gain of each latent dimension, ``latent_dim`` numbers.

        Raises:
            InputError: If a unit or a bound lies outside the code, or the number of groups does not fit the bounds.

        Example:
            >>> Gains({2: 3.0}, (1.0, 0.5), (2,)).of_code(4)
            [1.0, 3.0, 0.5, 0.5]
        """
        if self.bounds and not self.groups:
            raise InputError("--bounds must be used with --groups, got --bounds alone")
        if wrong := [unit for unit in self.units if not 1 <= unit <= latent_dim]:
            raise InputError(f"a latent dimension must be in 1..{latent_dim} with this codec, got {wrong[0]}")
        bounds = self.bounds or tuple(latent_dim * part // 16 for part in (3, 6, 9, 12))
        if self.groups and len(self.groups) != len(bounds) + 1:
            raise InputError(f"there must be {len(bounds) + 1} gains for {len(bounds)} bounds, got {len(self.groups)}")
        edges = (0, *bounds, latent_dim)
        if self.groups and (any(b != int(b) for b in edges) or not all(a < b for a, b in pairwise(edges))):
            given = ", ".join(f"{bound:g}" for bound in bounds)
            raise InputError(f"bounds must be rising integers within 1..{latent_dim - 1}, got {given}")
        found = [1.0] * latent_dim
        for value, (first, last) in zip(self.groups, pairwise(edges), strict=False):
            found[int(first) : int(last)] = [value] * int(last - first)
        for unit, value in self.units.items():
            found[unit - 1] = value
        return found


def read_gains(texts: "Sequence[str]") -> dict[int, float]:
    """Return the gain of each latent dimension in texts ``DIMENSION=GAIN``; the first dimension is 1.

    Raises:
        InputError: If a text does not have this form, a gain is not finite, or a dimension occurs twice.

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
            raise InputError(f"each latent dimension must be given once, got {number} twice")
        found[number] = _finite("--gain", gain)
    return found


def read_numbers(name: str, text: str | None) -> tuple[float, ...]:
    """Return the numbers of a text that has commas between them; nothing for None.

    Raises:
        InputError: If a part is not a finite number; ``name`` is the option in the error sentence.
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
    """Encode a sound, multiply its code by ``gains`` unless that is None, decode it, and write the result."""

    import torch

    from intertone.codec import Codec
    from intertone.morphing.method import warn_of_noise

    options.check_kind(out, sample_rate, format)
    loaded = Codec.load(codec, device=device)
    factors = None if gains is None else torch.tensor(gains.of_code(loaded.model.latent_dim))
    if factors is not None and bool((factors == 1).all()):
        RemarkLogger(__name__).warning("all gains are 1, so the result equals that of intertone reconstruct")
    options.warn_of_phase(loaded, None, iterations)  # --phase is never ignored: it decides on the residual
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
