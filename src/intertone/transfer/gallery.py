"""Every system on one pair of sounds, in one page with players."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from intertone.page import Clip, Listening, Section, Table, render_page
from intertone.plot import spectrogram_png
from intertone.transfer.run import TransferResult
from intertone.transfer.settings import TransferConfig


@dataclass(frozen=True)
class Exhibit:
    """What one system made of a pair, or why it made nothing.

    Attributes:
        name: Of the system.
        config: Its settings.
        result: What it made; None where it could not.
        problem: Why it could not.
    """

    name: str
    config: TransferConfig
    result: TransferResult | None
    problem: str = ""


def gallery_page(content: Tensor, style: Tensor, sample_rate: int, exhibits: Sequence[Exhibit]) -> str:
    """Return a self-contained page with the two sounds and what each system made of them.

    Args:
        content: ``(channels, samples)`` at ``sample_rate``.
        style: ``(channels, samples)`` at ``sample_rate``.
        sample_rate: Hz, of both.
        exhibits: The systems, in the order of the page.

    Returns:
        The text of an ``.html`` file.
    """
    sources = [
        _clip("content", content, sample_rate),
        _clip("style", style, sample_rate),
    ]
    sections = [Section("The two sounds", [Listening("Sources", "", sources)])]
    clips = [
        _clip(each.name, each.result.audio, each.result.sample_rate) for each in exhibits if each.result is not None
    ]
    if clips:
        sections.append(Section("Results", [Listening("One sound for each system", "", clips)]))
    sections.append(Section("Figures", [_table(exhibits)]))
    return render_page("Style transfer", sections)


def _clip(title: str, audio: Tensor, sample_rate: int) -> Clip:
    return Clip(title, audio, sample_rate, spectrogram_png(audio, sample_rate))


def _table(exhibits: Sequence[Exhibit]) -> Table:
    rows = []
    for each in exhibits:
        if each.result is None:
            rows.append((each.name, each.config.purpose, "", "", "", each.problem))
            continue
        steps, first = each.result.descent.steps, sum(each.result.first.values())
        fall = steps[-1].best / first if steps and first > 0 else float("nan")
        realised = sum(each.result.realised.values()) / first if first > 0 else float("nan")
        figures = (f"{len(steps)}", f"{each.result.seconds:.1f}", f"{fall:.3g}", f"{realised:.3g}")
        rows.append((each.name, each.config.purpose, *figures))
    return Table(
        "What each system did",
        "Loss over its first value: that of the optimisation, and that of the written sound, which is larger where a "
        "phase had to be found.",
        ("system", "good for", "evaluations", "seconds", "loss", "loss of the written sound"),
        rows,
    )
