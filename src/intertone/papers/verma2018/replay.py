"""Replay of Verma and Smith (2018): transfers, bandwidths, and verdicts on the findings."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, nan

from torch import Tensor

from intertone.experiments.finding import Finding, findings_table, overall
from intertone.experiments.store import as_json
from intertone.experiments.transfer_study import (
    RESULT,
    TransferFigures,
    Transferred,
    figures_of,
    limit_verdict,
    listening,
    run_transfers,
)
from intertone.metrics import spectral_roll_off, spectral_spread
from intertone.models.weights import weights_digest
from intertone.page import Command, Section, markdown_rows
from intertone.papers import publish
from intertone.papers.contract import Outcome, Request
from intertone.papers.verma2018.study import BUDGETS, TASKS, VARIANTS, Task, experiments_of, sounds_of
from intertone.plot import bars_png
from intertone.recogniser import Recogniser

__all__ = ["TABLES", "check_page", "replay"]

TABLES = ("bandwidth", "quality", "findings")
"""Names of the tables, which the marks of a page may name."""

TOWARDS = 0.5
"""Least change of the logarithm of the bandwidth for a finding to hold, as a share of the difference of style and
content."""


@dataclass(frozen=True)
class Bandwidth:
    """Bandwidth of a sound by two measures, ``spectral_spread`` and ``spectral_roll_off``, Hz."""

    spread: float
    roll_off: float


@dataclass(frozen=True)
class Bandwidths:
    """Bandwidths of a transfer's content, style and result."""

    content: Bandwidth
    style: Bandwidth
    result: Bandwidth

    def way(self) -> tuple[float, float]:
        """Return the change of the logarithmic bandwidth from content to result, as a share of that to the style.

        The two values are those of the spread and of the roll-off; 0 is the content's bandwidth, 1 the style's.

        Example:
            >>> dull, bright = Bandwidth(100, 400), Bandwidth(1000, 1600)
            >>> Bandwidths(bright, dull, Bandwidth(100, 800)).way()
            (1.0, 0.5)
        """
        return _share(self.content.spread, self.style.spread, self.result.spread), _share(
            self.content.roll_off, self.style.roll_off, self.result.roll_off
        )


def _share(content: float, style: float, result: float) -> float:
    """Return log(result / content) / log(style / content); NaN if content and style are equal."""
    return log(result / content) / log(style / content) if content != style else nan


def check_page(request: Request) -> None:
    """Refuse a page whose marks do not fit the tables, see ``publish.check_page``."""
    publish.check_page(request, TABLES)


def replay(request: Request) -> Outcome:
    """Run all transfers that have no stored result, and write tables, pictures and pages.

    Args:
        request: The request of the command line.

    Returns:
        The tables, and the path of the written tables.

    Raises:
        InputError: If the network does not exist, the soundfont is not installed, or folder or page do not fit.
        KeyboardInterrupt: If the process received an interrupt; repeating the call runs the remaining transfers.
    """
    budget, recogniser = BUDGETS[request.budget], Recogniser.load(request.network)
    done = run_transfers(
        experiments_of(budget, request.network),
        sounds_of(budget, request.soundfont),
        request.out,
        weights=weights_digest(recogniser.model),
        on_count=request.on_count,
    )
    widths = {
        name: Bandwidths(*(bandwidth(sound) for sound in (each.content, each.style, each.sounds[RESULT])))
        for name, each in done.items()
    }
    figures = {name: figures_of(each, RESULT) for name, each in done.items()}
    found = findings(widths, figures)
    tables = {
        "bandwidth": bandwidth_table(widths),
        "quality": quality_table(done, figures),
        "findings": findings_table(found),
    }
    output = publish.Output(
        title="Verma and Smith 2018",
        tables=tables,
        pictures={"bandwidth": bars_png(_bars(widths), y_label="roll-off, Hz", decimals=0)},
        found={
            "budget": budget.model_dump(mode="json"),
            "seconds": {name: each.record.seconds for name, each in done.items()},
            "bandwidths": as_json(widths, dict[str, Bandwidths]),
            "figures": as_json(figures, dict[str, TransferFigures]),
            "findings": as_json(found, tuple[Finding, ...]),
        },
        sections=[Section("Transfers", [Command(request.command), *(listening(each) for each in done.values())])],
    )
    return publish.write_output(request, output)


def bandwidth(sound: Tensor) -> Bandwidth:
    """Return the bandwidth of a sound ``(samples,)`` at 16 kHz."""
    return Bandwidth(float(spectral_spread(sound)), float(spectral_roll_off(sound)))


def findings(widths: Mapping[str, Bandwidths], figures: Mapping[str, TransferFigures]) -> tuple[Finding, ...]:
    """Return the findings of the paper, each with a verdict and the figures of the replay.

    Args:
        widths: Bandwidths of all transfers by name.
        figures: Figures of the transfers' results by name.
    """
    fork, violin = TASKS
    follows = [
        (figures[f"{task.name}-all"].style_energy, figures[f"{task.name}-bare"].content_energy) for task in TASKS
    ]
    quality = [(figures[f"{task.name}-all"].floor_db, figures[f"{task.name}-bare"].floor_db) for task in TASKS]
    return (
        _changed(fork, widths),
        _changed(violin, widths),
        Finding(
            "with the envelope terms the energy follows the style, without them the content",
            overall([limit_verdict(value, holds=0.7, fails=0.3) for pair in follows for value in pair]),
            "; ".join(f"correlation with the style {a:.2f}, without them with the content {b:.2f}" for a, b in follows),
        ),
        Finding(
            "the envelope terms make the sound better: its noise floor lies 1 dB lower",
            overall([limit_verdict(bare - full, holds=1, fails=-1) for full, bare in quality]),
            "; ".join(f"lift {full:.1f} dB against {bare:.1f} dB" for full, bare in quality),
        ),
    )


def _changed(task: Task, widths: Mapping[str, Bandwidths]) -> Finding:
    """Return whether the bandwidth has changed at least half-way towards the style's, by both measures."""
    spread, roll_off = widths[f"{task.name}-all"].way()
    verdict = overall([limit_verdict(share, holds=TOWARDS, fails=0.1) for share in (spread, roll_off)])
    figures = f"share of the way to the style: spread {spread:.2f}, roll-off {roll_off:.2f}"
    return Finding(f"{task.title}: {task.change} of the bandwidth", verdict, figures)


def bandwidth_table(widths: Mapping[str, Bandwidths]) -> str:
    """Return a table of spread and roll-off of the contents, styles and results."""
    rows = []
    for task in TASKS:
        for variant in VARIANTS:
            one = widths[f"{task.name}-{variant.name}"]
            sounds = (one.content, one.style, one.result)
            cells = [f"{each.spread:.0f}" for each in sounds] + [f"{each.roll_off:.0f}" for each in sounds]
            shares = [f"{share:.2f}" for share in one.way()]
            weights = "random" if variant.random else "trained"
            rows.append((task.title, variant.title, weights, *cells, *shares))
    heads = [f"{measure}, {name}" for measure in ("spread", "roll-off") for name in ("content", "style", "result")]
    columns = ("", "", "weights", *heads)
    return markdown_rows((*columns, "way, spread", "way, roll-off"), rows)


def quality_table(done: Mapping[str, Transferred], figures: Mapping[str, TransferFigures]) -> str:
    """Return a table of the results' distances from style and content, and of their noise."""
    rows = []
    for task in TASKS:
        for variant in VARIANTS:
            name = f"{task.name}-{variant.name}"
            one, record = figures[name], done[name].record
            values = (min(record.losses) / record.losses[0], one.mfcc, one.style_energy, one.content_energy)
            cells = [f"{value:.3f}" for value in (*values, one.content_chroma, one.flatness_ratio)]
            weights = "random" if variant.random else "trained"
            rows.append((task.title, variant.title, weights, *cells, f"{one.floor_db:.1f}"))
    columns = ("loss / first", "MFCC from the style", "energy, style", "energy, content", "chroma, content")
    return markdown_rows(("", "", "weights", *columns, "flatness ratio", "floor, dB"), rows)


def _bars(widths: Mapping[str, Bandwidths]) -> dict[str, dict[str, float]]:
    """Return the roll-off of each task's sounds, for the bar chart."""
    bars = {}
    for task in TASKS:
        full = widths[f"{task.name}-all"]
        bars[task.title] = {
            "content": full.content.roll_off,
            "style": full.style.roll_off,
            "result": full.result.roll_off,
            "without envelope terms": widths[f"{task.name}-bare"].result.roll_off,
            "random weights": widths[f"{task.name}-all-random"].result.roll_off,
        }
    return bars
