"""``intertone bench``: methods of morphing and of style transfer, evaluated side by side."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli.bench_hard import refuse_beside_hard, run_hard
from intertone.cli.options import (
    DeviceOption,
    ForceOption,
    JsonOption,
    Report,
    check_notes,
    check_own_output,
    command_line,
)
from intertone.cli.progress import late_bar, progress_bar
from intertone.files import disk_errors

if TYPE_CHECKING:
    from intertone.bench.pair import Pair
    from intertone.bench.result import BenchResult, BenchRun, Part
    from intertone.page import Table

app = typer.Typer(no_args_is_help=True)

SeedOption = Annotated[
    int, typer.Option("--seed", min=0, max=2**31, help="Seed of the synthetic notes; with --seeds, the first seed.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder for the results and an HTML page with all sounds.")
]
KNOWN = ("bench.json", "bench.md", "bench.html")
"""Names of the files that ``bench morph`` writes into its folder."""


@app.command("morph")
def bench_morph(
    context: typer.Context,
    methods: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CODEC]...",
            help="A shipped codec's name, or a folder with config.json; with --hard, several codecs or baselines.",
        ),
    ] = None,
    hard: Annotated[
        bool, typer.Option("--hard", help="Evaluate pairs of bells, plucks, ensembles, drums, chords and melodies.")
    ] = False,
    per_kind: Annotated[
        int | None,
        typer.Option("--per-kind", min=1, max=100, help="With --hard: number of pairs of each kind. (default: 4)"),
    ] = None,
    seed: SeedOption = 0,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=100, help="Number of consecutive seeds, beginning with --seed.")
    ] = 1,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Note set; pairs of recorded notes are drawn from its test split.", callback=check_notes
        ),
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", help="Folder with your own pairs: NAME-a.wav, NAME-b.wav.")
    ] = None,
    synthetic: Annotated[bool, typer.Option(help="Whether the synthetic pairs are evaluated.")] = True,
    decoys: Annotated[
        bool, typer.Option(help="Whether decoys, made to deceive the metrics, are evaluated too, to test the bench.")
    ] = True,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Evaluate only this synthetic pair, for example S1; can be repeated."),
    ] = None,
    out: OutOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=64, help="Number of processes. (default: number of CPUs)")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder of cached baselines. (default: the user's cache)")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Compute all baselines again and cache none.")] = False,
    sample_rate: Annotated[
        int | None,
        typer.Option("--sample-rate", help="Sample rate of the notes where no codec is given, Hz. (default: 16000)"),
    ] = None,
    device: DeviceOption = "cpu",
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Evaluate morphs: a codec beside crossfade, interpolated spectrograms, a harmonic model and an oracle."""
    report = Report(context, as_json=json)
    from intertone.bench.cache import default_cache
    from intertone.bench.run import run_bench
    from intertone.bench.score import SAMPLE_RATE
    from intertone.codec import Codec
    from intertone.errors import InputError

    if no_cache and cache is not None:
        raise InputError(f"either --cache or --no-cache must be left out, got both, --cache {cache}")
    kept = None if no_cache else cache or default_cache()
    if hard:
        other = {"--data": data is not None, "--pairs": pairs is not None, "--only": bool(only)}
        refuse_beside_hard({**other, "--no-synthetic": not synthetic, "--no-decoys": not decoys})
        run_hard(
            report,
            methods or [],
            seed=seed,
            seeds=seeds,
            per_kind=per_kind or 4,
            out=out,
            workers=workers,
            cache=kept,
            sample_rate=sample_rate,
            device=device,
            force=force,
        )
        return
    codec = _codec_without_hard(methods or [], per_kind)
    if codec is not None and sample_rate is not None:
        raise InputError(f"--sample-rate must be used without a codec, whose rate is fixed, got {sample_rate} with one")
    if codec is None and device != "cpu":
        raise InputError(f"--device must be used with a codec, got {device} without one")
    if only and not synthetic:
        raise InputError(f"--only must name pairs that are evaluated, got {only[0]} and --no-synthetic")
    _check_parts(synthetic, only or [], data, pairs)
    if out is not None:
        check_own_output(out, KNOWN, "a bench's", force=force)
    loaded = Codec.load(codec, device=device) if codec is not None else None
    rate = loaded.sample_rate if loaded else SAMPLE_RATE if sample_rate is None else sample_rate
    selected, skipped = _selected_pairs(rate, synthetic, seed, seeds, only or [], data, pairs)
    everything = [pair for part in selected.values() for pair in part]
    if not json:
        typer.echo(f"{len(everything)} pairs; results in the cache are not computed again", err=True)
    with progress_bar("pairs", total=len(everything), lines=not json) as progress:
        scored = run_bench(
            everything,
            loaded,
            decoys=decoys,
            cache=kept,
            workers=workers or os.cpu_count() or 1,
            progress=progress,
        )
    parts = _parts(scored, {title: [pair.name for pair in part] for title, part in selected.items()})
    result: BenchResult = {
        "codec": codec,
        "bench_version": scored["bench_version"],
        "sample_rate": scored["sample_rate"],
        "ratios": scored["ratios"],
        "parts": parts,
        "skipped": skipped,
    }
    if out is not None:
        from intertone.bench.report import write_bench

        write_bench(out, result, everything, loaded, command=command_line())
    _print_result(report, result, "codec" if loaded else None, out, json)
    if any(part["self_test"] for part in parts.values()):
        typer.echo(
            "intertone: the scores do not rank the baselines as expected, so they are not reliable",
            err=True,
        )
        raise typer.Exit(1)
    _exit_if_skipped(skipped)


@app.command("transfer")
def bench_transfer(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results, all sounds, and an HTML page that plays them.")
    ],
    methods: Annotated[
        list[str] | None, typer.Argument(metavar="[METHODS]...", help="Methods to compare with the baselines.")
    ] = None,
    pairs: Annotated[int, typer.Option("--pairs", min=1, max=1000, help="Number of pairs.")] = 20,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=2**31, help="Seed of the instruments, the melodies and the bootstrap.")
    ] = 0,
    soundfont: Annotated[
        Path | None,
        typer.Option("--soundfont", help="SoundFont that plays the melodies. (default: the installed FluidR3Mono_GM)"),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Number of processes.")] = 1,
    json: JsonOption = False,
) -> None:
    """Evaluate style transfer between melodies of two instruments; repeat an interrupted command to resume it."""
    report = Report(context, as_json=json)
    from intertone.bench.transfer.methods import find_method
    from intertone.bench.transfer.pairs import draw_transfer_pairs
    from intertone.bench.transfer.report import (
        RESULTS,
        WRITTEN,
        transfer_result,
        transfer_tables,
        transfer_verdict,
        write_transfer_bench,
    )
    from intertone.bench.transfer.run import run_transfers

    for name in methods or []:
        find_method(name)
    check_own_output(out, (*WRITTEN, RESULTS), "a transfer bench's")
    drawn = draw_transfer_pairs(n_pairs=pairs, seed=seed, soundfont=soundfont)
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with progress_bar("results") as progress:
        run = run_transfers(drawn, methods or [], folder=out / RESULTS, workers=workers, progress=progress)
    result = transfer_result(run, seed=seed)
    write_transfer_bench(out, result, drawn, command=command_line())
    if not json:
        _print_tables(transfer_tables(result))
    lines = transfer_verdict(result)
    report.finish({**result, "verdict": lines}, "\n".join([*lines, f"wrote {out}"]))


@app.command("export")
def bench_export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder for the pairs; it must be new or empty.")],
    seed: SeedOption = 0,
    sample_rate: Annotated[int, typer.Option("--sample-rate", help="Sample rate of the notes, Hz.")] = 16000,
    force: Annotated[bool, typer.Option("--force", help="Replace an export with another seed or sample rate.")] = False,
    json: JsonOption = False,
) -> None:
    """Write the synthetic pairs as sound files with a manifest, so that other systems can morph them."""
    report = Report(context, as_json=json)
    from intertone.bench.exchange import export_pairs
    from intertone.files import check_output_folder

    with late_bar("pairs"):
        names = export_pairs(check_output_folder(folder), seed=seed, sample_rate=sample_rate, force=force)
    text = f"wrote {len(names)} pairs to {folder}; add the morphs that manifest.json names, then: bench score {folder}"
    report.finish({"folder": str(folder), "pairs": names, "seed": seed, "sample_rate": sample_rate}, text)


@app.command("score")
def bench_score(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="A folder of `bench export` to which morphs were added, or a folder with your own pairs.",
        ),
    ],
    sample_rate: Annotated[
        int,
        typer.Option(
            "--sample-rate", min=16000, max=48000, help="Sample rate to which your own pairs are resampled, Hz."
        ),
    ] = 16000,
    json: JsonOption = False,
) -> None:
    """Evaluate morphs that another system has made."""
    report = Report(context, as_json=json)
    from intertone.bench.exchange import SUBMISSION, score_folder

    with progress_bar("pairs") as progress:
        scored = score_folder(folder, sample_rate=sample_rate, progress=progress)
    result: BenchResult = {
        "bench_version": scored["bench_version"],
        "sample_rate": scored["sample_rate"],
        "ratios": scored["ratios"],
        "skipped": scored["skipped"],
        "parts": _parts(scored, {"Submission": list(scored["pairs"])}),
    }
    _print_result(report, result, SUBMISSION, None, json)
    _exit_if_skipped(scored["skipped"])


def _codec_without_hard(methods: list[str], per_kind: int | None) -> str | None:
    """Return the codec of a bench without --hard, or None; refuse a second codec and --per-kind."""
    from intertone.errors import InputError

    if len(methods) > 1:
        raise InputError(f"at most one codec must be given without --hard, got {' '.join(methods)}")
    if per_kind is not None:
        raise InputError(f"--per-kind must be used with --hard, got {per_kind} without it")
    return methods[0] if methods else None


def _exit_if_skipped(skipped: dict[str, str]) -> None:
    """Exit with code 1 if pairs were skipped. ``skipped`` maps the name of a pair to the reason."""
    if skipped:
        typer.echo(f"intertone: not evaluated, for the reasons above: {', '.join(skipped)}", err=True)
        raise typer.Exit(1)


def _check_parts(synthetic: bool, only: list[str], data: Path | None, folder: Path | None) -> None:
    """Refuse options that select no pair, before anything is loaded."""
    from intertone.bench.synthetic_pairs import PAIRS
    from intertone.bench.user_pairs import find_files
    from intertone.errors import InputError

    if unknown := [name for name in only if name not in PAIRS]:
        raise InputError(f"--only must be one of {', '.join(PAIRS)}, got {unknown[0]}")
    if not synthetic and data is None and folder is None:
        raise InputError("pairs must be selected with --synthetic, --data or --pairs, got none of them")
    if folder is not None:
        find_files(folder)


def _selected_pairs(
    rate: int, synthetic: bool, seed: int, seeds: int, only: list[str], data: Path | None, folder: Path | None
) -> "tuple[dict[str, list[Pair]], dict[str, str]]":
    """Return the pairs of each part of the bench by its title, and the skipped pairs of the user with the reason."""
    from intertone.bench.real_pairs import drawn_pairs
    from intertone.bench.run import synthetic_pairs
    from intertone.bench.user_pairs import folder_pairs
    from intertone.data.notes import Notes
    from intertone.errors import InputError

    only = list(dict.fromkeys(only))
    notes = None if data is None else Notes.open(data)
    if notes is not None and notes.sample_rate != rate:
        raise InputError(f"the notes must have the bench's sample_rate={rate}, got {notes.sample_rate}")
    own = None if folder is None else folder_pairs(folder, sample_rate=rate)
    parts: dict[str, list[Pair]] = {}
    if synthetic:
        parts["Synthetic notes"] = [*synthetic_pairs(seed=seed, n_seeds=seeds, sample_rate=rate, names=only)]
    if notes is not None:
        parts["Real notes"] = [_renamed(pair, "real") for pair in drawn_pairs(notes, seed=seed)]
    if own is not None:
        parts["Your pairs"] = [_renamed(pair, "own") for pair in own.pairs]
    return parts, {} if own is None else own.skipped


def _renamed(pair: "Pair", part: str) -> "Pair":
    from dataclasses import replace

    return replace(pair, name=f"{part}/{pair.name}")


def _parts(scored: "BenchRun", parts: dict[str, list[str]]) -> "dict[str, Part]":
    """Return the results of a run, sorted into parts, each with its summary."""
    from intertone.bench.summary import self_test, summarise

    found: dict[str, Part] = {}
    for title, names in parts.items():
        pairs = {name: scored["pairs"][name] for name in names}
        summary = summarise(pairs)
        found[title] = {"summary": summary, "self_test": self_test(summary, names), "pairs": pairs}
    return found


def _print_result(report: Report, result: "BenchResult", method: str | None, out: Path | None, as_json: bool) -> None:
    from intertone.bench.report import tables, verdict

    lines = verdict(result, method) if method else []
    if not as_json:
        _print_tables(tables(result))
    report.finish({**result, "verdict": lines}, "\n".join([*lines, *([f"wrote {out}"] if out else [])]))


def _print_tables(found: "list[Table]") -> None:
    from rich.console import Console

    from intertone.cli.evaluation import show_table

    console = Console()
    for part in found:
        show_table(console, part)
