"""``intertone evaluate``: measures a codec on held-out notes."""

from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli import options
from intertone.cli.progress import terminal_bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from torch import Tensor

    from intertone.page import Table


class Split(StrEnum):
    """Split of a note set."""

    train = "train"
    valid = "valid"
    test = "test"


class Budget(StrEnum):
    """Number of notes of the evaluation: 512 (``full``) or 4 (``smoke``)."""

    full = "full"
    smoke = "smoke"


def evaluate(
    context: typer.Context,
    data: options.NotesOption,
    codec: options.CodecArgument = options.DEFAULT_CODEC,
    notes: Annotated[
        int | None, typer.Option("--notes", min=2, help="Number of notes. (default: the budget's, 512 or 4)")
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="Split of the notes that are evaluated.")] = Split.test,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the HTML page, the measured values, sounds and pictures."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", min=0, max=2**32 - 1, help="Seed of the random choice of notes and of the random phase."
        ),
    ] = 0,
    budget: Annotated[
        Budget,
        typer.Option("--budget", help="full: 512 notes; smoke: 4 notes, about half a minute, to test the command."),
    ] = Budget.full,
    device: options.DeviceOption = "cpu",
    force: options.ForceOption = False,
    json: options.JsonOption = False,
) -> None:
    """Evaluate a codec beside baselines: reconstruction, phase, recognition, morphs at mix 0.5, speed."""
    report = options.Report(context, as_json=json)
    if out is not None:
        options.check_own_output(out, (), "an evaluation's", mark="evaluation.json", force=force)

    from rich.console import Console

    from intertone.codec import Codec
    from intertone.data.notes import Notes
    from intertone.evaluate import BUDGETS, EvaluateConfig, evaluate_codec, write_evaluation

    changes: dict[str, str | int] = {"split": split.value, "seed": seed}
    if notes is not None:
        changes |= {"n_notes": notes, "n_pairs": max(2, notes // 2), "n_moves": max(1, 3 * notes // 4)}
    config = EvaluateConfig.parse({**BUDGETS[budget.value].model_dump(), **changes}, source="the options")
    loaded, note_set = Codec.load(codec, device=device), Notes.open(data)
    with terminal_bar() as bar:
        task = bar.add_task("")
        result = evaluate_codec(
            loaded,
            note_set,
            config=config,
            known_sounds=_synthetic_notes(loaded.sample_rate, seed),
            progress=lambda name, done, total: bar.update(task, description=name, completed=done, total=total),
        )
    command = options.command_line()
    written = [] if out is None else write_evaluation(out, result, command=command)
    if not json:
        console = Console()
        for table in result.tables:
            show_table(console, table)
    files = [str(path) for path in written]
    text = f"wrote {files[0]} and {len(files) - 1} files beside it" if files else ""
    report.finish({"codec_name": codec, "command": command, **result.figures, "written": files}, text)


def _synthetic_notes(sample_rate: int, seed: int) -> "Iterator[tuple[str, Tensor, float]]":
    """Yield name, sound (``(samples,)``) and f0 (Hz) of each synthetic note of the bench."""
    from intertone.bench.synthetic_pairs import PAIRS, synthetic_pair

    for name in PAIRS:
        pair = synthetic_pair(name, seed=seed % 2**31, sample_rate=sample_rate)
        yield f"{name}, A", pair.a, pair.f0_a
        yield f"{name}, B", pair.b, pair.f0_b


def show_table(console: "Console", part: "Table") -> None:
    """Print a table without breaking words.

    Where the columns do not fit into the width of the console, they are divided into groups that are printed one below
    the other; each group begins with the first column.

    Args:
        console: Console to print on.
        part: The table.
    """
    console.print(part.title, style="bold", markup=False, highlight=False)
    console.print(part.note, style="dim", markup=False, highlight=False)
    for columns in _groups(list(zip(part.columns, *part.rows, strict=True)), console.width):
        _show_columns(console, columns)
    if part.verdict:
        console.print(part.verdict, markup=False, highlight=False)
        console.print()


def _show_columns(console: "Console", columns: "list[tuple[str, ...]]") -> None:
    from rich import box
    from rich.table import Table

    from intertone.page import is_number

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    widths = _widths(columns, _text_width(columns, console.width))
    for index, ((name, *cells), width) in enumerate(zip(columns, widths, strict=True)):
        right = index > 0 and all(map(is_number, cells))
        table.add_column(name, justify="right" if right else "left", width=width, overflow="fold")
    for row in list(zip(*columns, strict=True))[1:]:
        table.add_row(*row)
    console.print(table)


def _groups(columns: "list[tuple[str, ...]]", width: int) -> "list[list[tuple[str, ...]]]":
    """Return as few groups of columns as fit into ``width``; each group begins with the first column."""
    first, *others = columns
    for count in range(1, len(others) + 1):
        edges = [len(others) * number // count for number in range(count + 1)]
        groups = [[first, *others[low:high]] for low, high in pairwise(edges)]
        if all(sum(_least_widths(group)) <= _text_width(group, width) for group in groups):
            return groups
    return [columns]


def _text_width(columns: "list[tuple[str, ...]]", width: int) -> int:
    """Return the number of characters of a line that are left for text: each column takes two for its margins."""
    return width - 2 * len(columns)


def _widths(columns: "list[tuple[str, ...]]", available: int) -> list[int]:
    """Return the width of each column, characters: its longest text, reduced until the row fits into ``available``.

    Column titles and the cells of the first column may be broken between words, other cells may not. No column
    becomes narrower than its longest unbreakable text.
    """
    widths, least = [max(map(len, column)) for column in columns], _least_widths(columns)
    while sum(widths) > available and widths != least:
        slack = [width - limit for width, limit in zip(widths, least, strict=True)]
        widths[slack.index(max(slack))] -= 1
    return widths


def _least_widths(columns: "list[tuple[str, ...]]") -> list[int]:
    """Return the length of the longest unbreakable text of each column: a word, or a cell after the first column."""
    least = []
    for index, (name, *cells) in enumerate(columns):
        words = [*name.split(), *(word for cell in cells for word in (cell.split() if index == 0 else [cell]))]
        least.append(max(map(len, words), default=1))
    return least
