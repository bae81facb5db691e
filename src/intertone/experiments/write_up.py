"""The Markdown page of a paper: hand-written text with generated tables between marks, and pictures."""

import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from intertone.errors import InputError
from intertone.files import disk_errors, replacing

MARK = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

TRIAL = "*Of `--budget smoke`, a trial of the command: these figures say nothing.*"
"""Line above a table of a trial, whose figures are not results."""


def fill(text: str, tables: Mapping[str, str], *, others: Collection[str] = ()) -> str:
    """Return a page with its tables replaced by the given ones.

    Args:
        text: Markdown with ``<!-- table: name -->`` … ``<!-- end -->`` around each table.
        tables: Name → Markdown of the table.
        others: Names of tables that may be on the page and are not changed.

    Returns:
        The page; text outside the marks is not changed.

    Raises:
        InputError: If the page has no mark, or a mark with an unknown name.

    Example:
        >>> fill("Ours:\\n<!-- table: ours -->\\nold\\n<!-- end -->\\n", {"ours": "| new |"})
        'Ours:\\n<!-- table: ours -->\\n| new |\\n<!-- end -->\\n'
    """
    names = [found[1] for found in MARK.findall(text)]
    if not names:
        raise InputError("the page must have a mark <!-- table: name --> … <!-- end -->, got none")
    for name in names:
        if name not in tables and name not in others:
            known = [*tables, *(other for other in others if other not in tables)]
            raise InputError(f"a mark must name one of the tables {', '.join(known)}, got {name}")
    return MARK.sub(lambda found: f"{found[1]}{tables[found[2]]}\n{found[3]}" if found[2] in tables else found[0], text)


def read_page(page: Path, tables: Mapping[str, str], *, others: Collection[str] = ()) -> str:
    """Return a page from disk with its tables replaced.

    Raises:
        InputError: If the page cannot be read, has no mark, or has a mark with an unknown name.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"the page must be a readable text file, got {page}") from None
    return fill(text, tables, others=others)


def mark_trial(tables: Mapping[str, str]) -> dict[str, str]:
    """Return tables with the line ``TRIAL`` above each."""
    return {name: f"{TRIAL}\n\n{table}" for name, table in tables.items()}


def check_trial(text: str, names: Collection[str]) -> None:
    """Refuse a page with results in the tables that a trial would replace.

    Args:
        text: The page.
        names: Names of the tables that would be replaced.

    Raises:
        InputError: If one of these tables has content that is not from a trial.

    Example:
        >>> check_trial("<!-- table: ours -->\\n<!-- end -->\\n", ["ours"])
        >>> check_trial("<!-- table: ours -->\\n| 3 dB |\\n<!-- end -->\\n", ["ours"])
        Traceback (most recent call last):
        ...
        intertone.errors.InputError: a page for --budget smoke must hold no results yet, got some in the table ours
    """
    for found in MARK.finditer(text):
        table = found[0].removeprefix(found[1]).removesuffix(found[3]).strip()
        if found[2] in names and table and not table.startswith(TRIAL):
            raise InputError(f"a page for --budget smoke must hold no results yet, got some in the table {found[2]}")


def write_page(page: Path, tables: Mapping[str, str], pictures: Path, *, others: Collection[str] = ()) -> None:
    """Replace the tables of a page, and copy the pictures to ``images/`` in the folder of the page.

    Args:
        page: The page.
        tables: Name → Markdown of the table.
        pictures: Folder of the ``.png`` files; the name of a copy consists of those of the page and the picture.
        others: Names of tables that may be on the page and are not changed.

    Raises:
        InputError: If the page cannot be read or its marks do not fit, or its folder cannot be written.
    """
    text = read_page(page, tables, others=others)
    images = page.parent / "images"
    make_folders(images)
    for picture in sorted(pictures.glob("*.png")):
        with replacing(images / f"{page.stem}-{picture.name}") as temporary:
            shutil.copyfile(picture, temporary)
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def whole_page(title: str, tables: Mapping[str, str], *, command: str) -> str:
    """Return all tables as one Markdown page, for the folder of the experiments.

    Args:
        title: Title of the page.
        tables: Name → Markdown of the table.
        command: Command that made the tables.

    Example:
        >>> whole_page("A paper", {"our-results": "| 3 dB |"}, command="replay")
        '# A paper\\n\\n`replay`\\n\\n## Our results\\n\\n| 3 dB |\\n'
    """
    parts = [f"# {title}", f"`{command}`"]
    for name, table in tables.items():
        parts += [f"## {name.capitalize().replace('-', ' ')}", table]
    return "\n\n".join(parts) + "\n"


def number(value: float | None, decimals: int) -> str:
    """Return a number as text with ``decimals`` decimals and a typographic minus sign; a dash for None."""
    return "–" if value is None else f"{value:.{decimals}f}".replace("-", "−")


def make_folders(*folders: Path) -> None:
    """Create folders and their parents, unless they exist."""
    for folder in folders:
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
