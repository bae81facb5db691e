"""Table of the sounds that an import changed or skipped."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intertone.files import Json


def show_findings(notes: Path, *, as_json: bool) -> "list[Json]":
    """Print what the import of a note set found, changed and skipped, unless ``as_json``.

    Args:
        notes: Folder of the note set; nothing is printed for a set that was not imported from files.
        as_json: Whether the subcommand prints JSON, so that no table is printed here.

    Returns:
        The rows of the table as JSON objects.
    """
    from intertone.data.findings import read_findings

    findings = read_findings(notes)
    if findings and not as_json:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table("sounds", "what", "files", "for example", box=None, padding=(0, 2, 0, 0))
        for finding in findings:
            more = " …" if finding.count > len(finding.examples) else ""
            example = Text(", ".join(finding.examples) + more)
            table.add_row(finding.kind, Text(finding.what), str(finding.count), example)
        console = Console()
        console.print(table)
        console.print(Text(f"{notes / 'report.jsonl'} lists every file"), soft_wrap=True)
    return [asdict(finding) for finding in findings]
