"""Table of what an import found, changed and skipped: lines of ``report.jsonl``, counted by reason, with examples."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from intertone.data.row import ReportLine

MOST_EXAMPLES = 3
"""Names of files that are given for each reason; the report has them all."""

Kind = Literal["found", "changed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One line of the table that an import prints.

    Attributes:
        kind: ``found``: read from a name or a sound; ``changed``: done to a sound; ``skipped``: left out.
        what: What was found or done, or why the file was skipped, without particulars.
        count: Number of files.
        examples: Names of the first of them.
    """

    kind: Kind
    what: str
    count: int
    examples: tuple[str, ...]


def read_findings(folder: Path | str) -> list[Finding]:
    """Read the report of an imported note set; a set of another kind, or without a report, has no findings."""
    path = Path(folder) / "report.jsonl"
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return count_findings(json.loads(line) for line in lines)


def count_findings(report: Iterable[ReportLine]) -> list[Finding]:
    """Count what the lines of a report say, by kind, the most frequent first.

    Args:
        report: Lines of ``report.jsonl``; those of programs and drawn instruments, which name no file, do not count.

    Example:
        >>> count_findings([
        ...     {"file": "a.wav", "pitch": 60, "pitch_from": "name", "done": ["padded to 4 s"]},
        ...     {"file": "b.txt", "skipped": "a sound's name must end in .wav, got .txt"},
        ... ])[-1]
        Finding(kind='skipped', what="a sound's name must end in .wav", count=1, examples=('b.txt',))
    """
    files: dict[tuple[Kind, str], list[str]] = {}
    for line in report:
        for key in _said(line) if "file" in line else ():
            files.setdefault(key, []).append(line["file"])
    order = {"found": 0, "changed": 1, "skipped": 2}
    found = [Finding(kind, what, len(names), tuple(names[:MOST_EXAMPLES])) for (kind, what), names in files.items()]
    return sorted(found, key=lambda finding: (order[finding.kind], -finding.count, finding.what))


def reason(text: str) -> str:
    """Return why a file was skipped, without its particulars."""
    return text.split(", got")[0]


def _said(line: ReportLine) -> list[tuple[Kind, str]]:
    if isinstance(skipped := line.get("skipped"), str):
        return [("skipped", reason(skipped))]
    # reports of earlier versions do not say where a pitch comes from; it came from the name
    origin = line.get("pitch_from", "name" if line.get("pitch", -1) >= 0 else "")
    pitch = f"pitch from the {origin}" if origin else "pitch unknown"
    said: list[tuple[Kind, str]] = [("found", pitch)]
    if line.get("velocity", -1) >= 0:
        said.append(("found", "velocity from the name"))
    return said + [("changed", done) for done in line.get("done", [])]
