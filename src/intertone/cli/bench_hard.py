"""``intertone bench morph --hard``: methods of morphing on bells, plucks, ensembles, drums, chords and melodies."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from intertone.cli.options import Report, check_own_output, command_line
from intertone.cli.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from intertone.codec import Codec


def run_hard(
    report: Report,
    methods: list[str],
    *,
    seed: int,
    seeds: int,
    per_kind: int,
    out: Path | None,
    workers: int | None,
    cache: Path | None,
    sample_rate: int | None,
    device: str,
    force: bool,
) -> None:
    """Evaluate methods on the hard pairs, print the tables, and write them to ``out`` unless that is None.

    Args:
        report: Report of the subcommand, which prints the result.
        methods: Names of codecs and baselines; empty: all baselines.
        seed: The first seed.
        seeds: Number of consecutive seeds, beginning with ``seed``.
        per_kind: Number of pairs of each kind with each seed.
        out: Folder for the result; None: nothing is written.
        workers: Number of processes; None: one for each processor.
        cache: Folder in which scores are cached; None: nothing is cached.
        sample_rate: Sample rate of the pairs where no codec is named, Hz; None: 16000.
        device: Device on which the codecs run.
        force: Whether an earlier result in ``out`` is replaced.

    Raises:
        InputError: If a method is unknown, codecs have different sample rates, a device is given without a codec, or
            a folder cannot be written.
    """
    from intertone.bench.hard.methods import BASELINES, load_codecs, method_names
    from intertone.bench.hard.pairs import draw_hard_pairs
    from intertone.bench.hard.report import WRITTEN, hard_result, hard_tables, hard_verdict, write_hard_bench
    from intertone.bench.hard.run import run_hard_pairs
    from intertone.errors import InputError

    if out is not None:
        check_own_output(out, WRITTEN, "the hard pairs'", force=force)
    names = methods or [*BASELINES]
    codecs = load_codecs(names, device=device)
    if device != "cpu" and not codecs:
        raise InputError(f"--device must be used with a codec, got {device} without one")
    rate = _common_rate(codecs, sample_rate)
    numbers = [*range(seed, seed + seeds)]
    pairs = [pair for number in numbers for pair in draw_hard_pairs(per_kind=per_kind, seed=number, sample_rate=rate)]
    with progress_bar("rows") as progress:
        entries = run_hard_pairs(
            pairs,
            method_names(names, codecs),
            codecs,
            cache=cache,
            workers=workers or os.cpu_count() or 1,
            progress=progress,
        )
    result = hard_result(entries, seeds=numbers, per_kind=per_kind, sample_rate=rate)
    if out is not None:
        write_hard_bench(out, result, pairs, codecs, command=command_line())
    if not report.as_json:
        from rich.console import Console

        from intertone.cli.evaluation import show_table

        console = Console()
        for table in hard_tables(result):
            show_table(console, table)
    lines = hard_verdict(result)
    report.finish({**result, "verdict": lines}, "\n".join([*lines, *([f"wrote {out}"] if out else [])]))


def refuse_beside_hard(given: "Mapping[str, bool]") -> None:
    """Refuse options that select pairs, since --hard selects them itself.

    Args:
        given: For each option, whether it was given.

    Raises:
        InputError: If at least one was given.
    """
    from intertone.errors import InputError

    for option, is_given in given.items():
        if is_given:
            raise InputError(f"--hard must be used without {option}, since it draws its own pairs, got both")


def _common_rate(codecs: "Mapping[str, Codec]", sample_rate: int | None) -> int:
    """Return the sample rate that all codecs share, Hz; without codecs ``sample_rate``, or 16000 where that is None."""
    from intertone.bench.score import SAMPLE_RATE
    from intertone.errors import InputError

    rates = sorted({codec.sample_rate for codec in codecs.values()})
    if rates and sample_rate is not None:
        raise InputError(f"--sample-rate must be used without a codec, whose rate is fixed, got {sample_rate} with one")
    if len(rates) > 1:
        raise InputError(f"all codecs must have the same sample rate, got {' and '.join(map(str, rates))} Hz")
    return rates[0] if rates else SAMPLE_RATE if sample_rate is None else sample_rate
