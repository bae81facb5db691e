"""``intertone transfer``: style transfer, which gives one sound the timbre or texture of another."""

import re
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli import options
from intertone.cli.progress import ProgressLines, elapsed, terminal_bar
from intertone.errors import InputError
from intertone.files import disk_errors, replacing
from intertone.remark import RemarkLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from intertone.transfer import Limits, Step, TransferConfig, TransferResult

logger = RemarkLogger(__name__)

EVALUATIONS = 1.15
"""Mean number of loss evaluations per iteration that the progress bar assumes; line searches need more than one."""

ALL = "all"
"""Value of ``--preset`` that runs every system."""

PAGE = "index.html"
"""Name of the page of ``--preset all``."""

PAGE_RATE = 22050
"""Sample rate of content and style on the page, Hz: the highest rate of a published system."""


class Budget(StrEnum):
    """Time budget of an optimisation: 60 seconds (``quick``), or all iterations of the publication."""

    quick = "quick"
    published = "published"


class Source(StrEnum):
    """Input sound whose loudness over time the result follows (``--envelope-from``)."""

    content = "content"
    style = "style"


def transfer_style(
    context: typer.Context,
    content: Annotated[
        Path | None, typer.Argument(metavar="CONTENT", help="The sound that keeps its notes and rhythm.")
    ] = None,
    style: Annotated[
        Path | None, typer.Argument(metavar="STYLE", help="The sound whose timbre or texture is wanted.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File of the new sound; with --preset all, a folder.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="A system that --list names, a settings file (.toml, .json), or all.")
    ] = "house",
    list_presets: Annotated[bool, typer.Option("--list", help="Print the systems and what each is good for.")] = False,
    strength: Annotated[
        float,
        typer.Option(
            min=0, help="Weight of the style. 0: the content unchanged; 1: the published balance; larger: more style."
        ),
    ] = 1.0,
    budget: Annotated[
        Budget, typer.Option(help="quick: end after 60 seconds; published: all iterations of the publication.")
    ] = Budget.quick,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Largest number of iterations. (default: the system's)")
    ] = None,
    envelope_from: Annotated[
        Source | None,
        typer.Option(
            help="Input whose loudness over time the result follows, for systems with an envelope term, such as verma."
        ),
    ] = None,
    seed: options.SeedOption = 0,
    preview: Annotated[
        int | None,
        typer.Option(min=1, help="Also write the sound after every N evaluations, as OUT-0050.wav."),
    ] = None,
    sample_rate: Annotated[
        int | None, typer.Option("--sample-rate", help="Sample rate of the output, Hz. (default: the system's)")
    ] = None,
    format: options.FormatOption = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Also draw content, style, result and loss terms to this .png, .pdf or .svg file."),
    ] = None,
    force: options.ForceOption = False,
    json: options.JsonOption = False,
) -> None:
    """Give a sound the timbre or texture of another, and keep its notes and rhythm."""
    report = options.Report(context, as_json=json)
    if list_presets:
        from intertone.transfer import load_preset, preset_names

        named = {name: load_preset(name).purpose for name in preset_names()}
        width = max(map(len, named))
        report.finish({"presets": named}, "\n".join(f"{name:{width}}  {line}" for name, line in named.items()))
        return
    for given, name in ((content, "CONTENT"), (style, "STYLE"), (out, "-o")):
        if given is None:
            raise InputError(f"{name} must be given, got none; intertone transfer --help lists the options")
    assert content is not None and style is not None and out is not None
    settings = _Settings(strength, budget, iterations, envelope_from, seed, as_json=json)
    if preset == ALL:
        for value, name in ((preview, "--preview"), (plot, "--plot"), (sample_rate, "--sample-rate")):
            if value is not None:
                raise InputError(f"--preset all must be used without {name}, got both")
        _exhibit(report, content, style, out, settings, force=force)
        return
    options.check_sound_files([content, style], out, plot, force=force)
    older: list[Path] = []
    if preview is not None:
        older = _check_previews(content, style, out, force=force)
    from intertone.audio import load_audio
    from intertone.transfer import load_preset

    config = settings.apply(preset, load_preset(preset))
    rate = config.sample_rate if sample_rate is None else sample_rate
    options.check_kind(out, rate, format)
    sounds = [load_audio(source, sample_rate=config.sample_rate)[0] for source in (content, style)]
    previews: list[str] = []

    def keep(step: "Step", heard: "Callable[[], Tensor]") -> None:
        if preview is not None and step.number % preview == 0:
            path = out.with_name(f"{out.stem}-{step.number:04d}{out.suffix}")
            options.save_result(path, heard(), config.sample_rate, rate, format)
            previews.append(str(path))

    result = settings.run(preset, sounds, config, keep)
    drawn = {"content": sounds[0], "style": sounds[1], preset: result.audio}
    if plot is not None:
        from intertone.transfer.picture import draw_transfer

        draw_transfer(plot, drawn, sample_rate=config.sample_rate, steps=result.descent.steps)
    for path in older:
        if str(path) not in previews:
            path.unlink(missing_ok=True)
    wrote = options.save_result(out, result.audio, config.sample_rate, rate, format)
    took = elapsed()
    steps = result.descent.steps
    figures = {
        "outputs": [str(out), *previews],
        "preset": preset,
        "strength": strength,
        "seed": seed,
        "evaluations": len(steps),
        "ended": result.descent.stop,
        "first": result.first,
        "realised": result.realised,
        "seconds": round(took, 3),
    }
    text = f"wrote {wrote}: {_outcome(result)} ({took:.1f} s)"
    report.finish(figures, text + (f"\nwrote {plot}" if plot is not None else ""))


def _check_previews(content: Path, style: Path, out: Path, *, force: bool) -> list[Path]:
    """Return previews of an earlier run; refuse them unless ``force``, and an input with the name of a preview."""
    named = re.compile(rf"{re.escape(out.stem)}-\d{{4,}}{re.escape(out.suffix)}")
    for source in (content, style):
        if source.parent.resolve() == out.parent.resolve() and named.fullmatch(source.name):
            raise InputError(
                f"an input must not have the name of a preview, {out.stem}-0001{out.suffix} …, got {source}"
            )
    older = sorted(path for path in out.parent.glob("*") if named.fullmatch(path.name))
    if older and not force:
        raise InputError(f"previews must be new files, or --force must be given, got {older[0]}, which exists")
    return older


class _Settings:
    """Options of ``intertone transfer`` that change a system's settings or its time limit."""

    def __init__(
        self,
        strength: float,
        budget: Budget,
        iterations: int | None,
        envelope_from: Source | None,
        seed: int,
        *,
        as_json: bool,
    ) -> None:
        self.strength = strength
        self.budget = budget
        self.iterations = iterations
        self.envelope_from = envelope_from
        self.seed = seed
        self.as_json = as_json

    def apply(self, name: str, config: "TransferConfig") -> "TransferConfig":
        """Return a system's settings changed by ``--iterations`` and ``--envelope-from``.

        Raises:
            InputError: If ``--envelope-from`` was given and the system has no term of the envelope over time.
        """
        if self.iterations is not None:
            config = config.with_iterations(self.iterations)
        if self.envelope_from is not None:
            has = [term.statistic.kind == "time-envelope" for term in config.terms]
            if not any(has):
                raise InputError(
                    f"--envelope-from must be used with a system that has an envelope term, such as verma, got {name}"
                )
            reference = self.envelope_from.value
            terms = tuple(
                term.model_copy(update={"reference": reference}) if own else term
                for term, own in zip(config.terms, has, strict=True)
            )
            config = config.model_copy(update={"terms": terms})
        return config

    def limits(self, config: "TransferConfig") -> "Limits":
        """Return the limits of the optimisation; with the budget ``quick``, at most ``QUICK_SECONDS``."""
        from intertone.transfer.solver import QUICK_SECONDS

        known = config.limits.seconds
        if self.budget == Budget.published:
            return config.limits
        return config.limits.model_copy(update={"seconds": min(QUICK_SECONDS, known or QUICK_SECONDS)})

    def run(
        self,
        name: str,
        sounds: "list[Tensor]",
        config: "TransferConfig",
        keep: "Callable[[Step, Callable[[], Tensor]], None] | None" = None,
    ) -> "TransferResult":
        """Return the transfer; meanwhile a bar or progress lines show the loss terms and the remaining time."""
        from rich.progress import BarColumn, TextColumn

        from intertone.transfer import transfer

        limits = self.limits(config)
        with terminal_bar(TextColumn(name), BarColumn(), TextColumn("{task.description}")) as bar:
            task = bar.add_task("", total=1.0)
            lines = ProgressLines(bar, as_json=self.as_json)
            iterations = config.solver.iterations + (config.draft.solver.iterations if config.draft else 0)

            def report(step: "Step", heard: "Callable[[], Tensor]") -> None:
                shares = [step.number / (EVALUATIONS * iterations)]
                if limits.seconds is not None:
                    shares.append(step.seconds / limits.seconds)
                done = min(1.0, max(shares))
                terms = ", ".join(f"{term} {value:.3g}" for term, value in step.terms.items())
                text = f"{terms}, {step.seconds * (1 - done) / done:.0f} s left"
                bar.update(task, completed=done, description=text)
                lines.show(step.seconds, f"{name}: {step.number} evaluations, {text}")
                if keep is not None:
                    keep(step, heard)

            content, style = sounds
            return transfer(
                content, style, config, strength=self.strength, seed=self.seed, limits=limits, report=report
            )


NO_DISTANCE = 1e-6
"""Weighted loss term below which a sound is reported as equal to its target; rounding errors are about 1e-10."""


def _outcome(result: "TransferResult") -> str:
    """Return a sentence with the change of each loss term, the number of evaluations and the reason for the end."""
    steps, stop = result.descent.steps, result.descent.stop
    if not steps:
        why = "it was interrupted before the first evaluation" if stop == "interrupted" else "the strength is 0"
        return f"the content, since {why}"
    ended = {
        "iterations": "all iterations done",
        "converged": "ended because no step lowered the loss",
        "plateau": "ended because the loss had stopped falling",
        "time": "ended at the time limit",
        "interrupted": "interrupted; the result with the lowest loss is used",
    }[stop]
    first = {name: 0.0 if value < NO_DISTANCE else value for name, value in result.first.items()}
    parts = ", ".join(f"{name} {first[name]:.3g} → {value:.3g}" for name, value in result.realised.items())
    risen = [name for name, value in result.realised.items() if value > first[name] == 0]
    why = f" ({' and '.join(risen)} can only rise, since the start is the content itself)" if risen else ""
    return f"weighted distances from the targets, start → end: {parts}{why}; {len(steps)} evaluations, {ended}"


def _exhibit(
    report: options.Report, content: Path, style: Path, out: Path, settings: _Settings, *, force: bool
) -> None:
    """Run every system on one pair and write a page with all of them."""
    options.check_inputs([content, style])
    from intertone.audio import load_audio
    from intertone.transfer import load_preset, preset_names
    from intertone.transfer.gallery import Exhibit, gallery_page

    options.check_own_output(out, [PAGE, *(f"{name}.wav" for name in preset_names())], "a transfer's", force=force)

    @cache
    def sounds_at(rate: int) -> "list[Tensor]":  # cached, since each resampling logs a remark
        return [load_audio(source, sample_rate=rate)[0] for source in (content, style)]

    heard = sounds_at(PAGE_RATE)
    out.mkdir(parents=True, exist_ok=True)
    outputs: list[str] = []
    exhibits: list[Exhibit] = []
    for name in preset_names():
        config = load_preset(name)
        try:
            result = settings.run(name, sounds_at(config.sample_rate), settings.apply(name, config))
        except InputError as error:
            logger.warning("%s is left out: %s", name, error)
            exhibits.append(Exhibit(name, config, None, str(error)))
            continue
        path = out / f"{name}.wav"
        options.save_result(path, result.audio, result.sample_rate, result.sample_rate, None)
        outputs.append(str(path))
        exhibits.append(Exhibit(name, config, result))
        logger.info("%s: %s", name, _outcome(result))
    page = gallery_page(heard[0], heard[1], PAGE_RATE, exhibits)
    with disk_errors(out / PAGE), replacing(out / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    report.finish({"outputs": [str(out / PAGE), *outputs]}, f"wrote {out / PAGE} with {len(outputs)} sounds beside it")
