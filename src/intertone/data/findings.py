"""Summary of an import: the entries of ``report.jsonl`` counted by kind and reason, with examples."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from intertone.data.row import ReportLine

MOST_EXAMPLES = 3
"""Number of file names that are given as examples; the report has all names."""

Kind = Literal["found", "changed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """Row of the table that an import prints.

    Attributes:
        kind: ``found``: a fact read from a name or a sound; ``changed``: a conversion of a sound; ``skipped``: a file
            that was left out.
        what: The fact, the conversion, or the reason for skipping without its details.
        count: Number of files.
        examples: Names of the first of these files.
    """

    kind: Kind
    what: str
    count: int
    examples: tuple[str, ...]


def read_findings(folder: Path | str) -> list[Finding]:
    """Return the findings of an imported note set; empty for a set that was not imported or has no report."""
    path = Path(folder) / "report.jsonl"
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return count_findings(json.loads(line) for line in lines)


def count_findings(report: Iterable[ReportLine]) -> list[Finding]:
    """Return the findings of the entries of a report, sorted by kind, then the most frequent first.

    Args:
        report: Entries of ``report.jsonl``; those without a file, of rendered instruments, are ignored.

    Example:
        >>> count_findings([
        ...     {"file": "a.wav", "pitch": 60, "pitch_from": "name", "done": ["padded to 4 s"]},
        ...     {"file": "b.txt", "skipped": "a sound's name must end in .wav, got .txt"},
        ... ])[-1]
        Finding(kind='skipped', what="a sound's name must end in .wav", count=1, examples=('b.txt',))
    """
    files: dict[tuple[Kind, str], list[str]] = {}
    for line in report:
        for key in _facts(line) if "file" in line else ():
            files.setdefault(key, []).append(line["file"])
    order = {"found": 0, "changed": 1, "skipped": 2}
    found = [Finding(kind, what, len(names), tuple(names[:MOST_EXAMPLES])) for (kind, what), names in files.items()]
    return sorted(found, key=lambda finding: (order[finding.kind], -finding.count, finding.what))


def reason(text: str) -> str:
    """Return the reason why a file was skipped, without the details after ``, got``."""
    return text.split(", got")[0]


def _facts(line: ReportLine) -> list[tuple[Kind, str]]:
    if isinstance(skipped := line.get("skipped"), str):
        return [("skipped", reason(skipped))]
    # reports of earlier versions have no origin of the pitch, which was always the name
    origin = line.get("pitch_from", "name" if line.get("pitch", -1) >= 0 else "")
    pitch = f"pitch from the {origin}" if origin else "pitch unknown"
    facts: list[tuple[Kind, str]] = [("found", pitch)]
    if line.get("velocity", -1) >= 0:
        facts.append(("found", "velocity from the name"))
    return facts + [("changed", done) for done in line.get("done", [])]
