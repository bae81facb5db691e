"""The table of what an import found, changed and skipped."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intertone.files import Json


def show_findings(notes: Path, *, as_json: bool) -> "list[Json]":
    """Print what the import of a note set found, changed and skipped, unless JSON was asked for.

    Args:
        notes: The note set; nothing is printed where it was not imported.
        as_json: Whether the result is printed as JSON.

    Returns:
        The lines of the table, for JSON.
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
        console.print(Text(f"every file is in {notes / 'report.jsonl'}"), soft_wrap=True)
    return [asdict(finding) for finding in findings]
