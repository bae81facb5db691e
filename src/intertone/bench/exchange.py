"""Evaluation of other systems: export of the pairs as files, and scores of morphs that are read from files."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from intertone.audio import audio_extent, save_audio
from intertone.bench.judge import ORACLE
from intertone.bench.pair import Pair
from intertone.bench.result import BenchRun, JudgedPair, judged_pair
from intertone.bench.score import BENCH_VERSION, SAMPLE_RATE, judge_ends, judge_row
from intertone.bench.synthetic_pairs import ALL_RATIOS, PAIRS, SyntheticPair, oracle, synthetic_pair
from intertone.bench.user_pairs import SHORTEST_SECONDS, folder_pairs, read_mono, say_mixed
from intertone.container import SUFFIXES
from intertone.errors import InputError
from intertone.files import check_own_folder, regular, staged_folder, write_json
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

MANIFEST = "manifest.json"
SUBMISSION = "submission"


@dataclass(frozen=True)
class _Manifest:
    """Seed, sample rate and pair names of an export."""

    seed: int
    sample_rate: int
    names: list[str]


def export_pairs(folder: Path, *, seed: int, sample_rate: int, force: bool = False) -> list[str]:
    """Write the synthetic pairs as WAV files, with a manifest that lists the morphs to make.

    ``S1-a.wav`` and ``S1-b.wav`` are the notes of a pair. Its morphs are expected in the same folder as
    ``S1-0.00.wav``, ``S1-0.02.wav``, …, one for each ratio of the manifest, at any sample rate, with the f0
    ``f0_a^(1−ratio)·f0_b^ratio``.

    Args:
        folder: A new or empty folder, or one with an earlier export.
        seed: Seed of the pairs.
        sample_rate: Hz, 8,000…48,000.
        force: Whether an earlier export of another seed or rate is replaced; morphs of that export then do not fit.

    Returns:
        The names of the pairs.

    Raises:
        InputError: If the folder cannot be written or holds files of another kind; without ``force``, if it holds
            another export, or an export whose files were changed; or if seed or sample rate are out of range.
    """
    pairs = [synthetic_pair(name, seed=seed, sample_rate=sample_rate) for name in PAIRS]
    known = [f"{name}-{end}.wav" for name in PAIRS for end in "ab"] + [MANIFEST]
    is_export = (folder / MANIFEST).exists()
    check_own_folder(folder, known if is_export else (), "an export that nobody has added to")
    if is_export and not force:
        _check_same(folder / MANIFEST, seed, sample_rate)
    with staged_folder(folder) as staged:
        entries = []
        for pair in pairs:
            for end, sound in (("a", pair.a), ("b", pair.b)):
                save_audio(staged / f"{pair.name}-{end}.wav", sound[None], sample_rate=sample_rate, format="float32")
            entry = {"name": pair.name, "kind": pair.kind, "title": pair.title, "f0_a": pair.f0_a, "f0_b": pair.f0_b}
            entries.append({**entry, "morphs": [morph_name(pair.name, ratio) for ratio in ALL_RATIOS]})
        content = {"bench_version": BENCH_VERSION, "seed": seed, "sample_rate": sample_rate, "ratios": list(ALL_RATIOS)}
        write_json(staged / MANIFEST, {**content, "pairs": entries})
        if not force:
            _check_unchanged(staged, folder)
    return list(PAIRS)


def _check_unchanged(staged: Path, folder: Path) -> None:
    """Refuse to replace files whose content differs from that of the new export."""
    for file in sorted(staged.iterdir()):
        old = folder / file.name
        if old.is_file() and old.read_bytes() != file.read_bytes():
            raise InputError(f"files of an export must be as they were made, or --force must be given, got {old}")


def _check_same(path: Path, seed: int, sample_rate: int) -> None:
    """Refuse a folder with an export of another seed or sample rate."""
    manifest = _read_manifest(path)
    for name, value, found in (("seed", seed, manifest.seed), ("sample_rate", sample_rate, manifest.sample_rate)):
        if found != value:
            raise InputError(
                f"the folder of an export must be new, empty or an earlier export with the same {name}, or --force "
                f"must be given, got {path.parent} with {name} {found} in place of {value}"
            )


def morph_name(pair: str, ratio: float) -> str:
    """Return the file name of a morph.

    Example:
        >>> morph_name("D2", 0.3)
        'D2-0.30.wav'
    """
    return f"{pair}-{ratio:.2f}.wav"


def score_folder(
    folder: Path, *, sample_rate: int = SAMPLE_RATE, progress: Callable[[int, int], None] | None = None
) -> BenchRun:
    """Evaluate morphs of another system that are stored in a folder.

    If the folder has a manifest, the notes of the pairs are drawn again from its seed, and the oracle is evaluated
    too. Otherwise the pairs are read from the folder by ``folder_pairs``, with the silence before their onsets, and
    there is no oracle. A morph that is longer than its pair is cut, a shorter one is padded with silence, stereo is
    mixed to mono; each change is logged.

    Args:
        folder: Folder of ``export_pairs`` with the morphs added, or one with ``NAME-a``, ``NAME-b``, ``NAME-0.00``, ….
        sample_rate: Sample rate to which pairs without a manifest are resampled, Hz.
        progress: Called with (pairs done, pairs in all).

    Returns:
        The result in the form of ``run_bench``, with the methods ``submission`` and, for exported pairs, ``oracle``;
        and the pairs that were skipped, with reasons.

    Raises:
        InputError: If the folder does not exist, the manifest is damaged or of another bench version, or a morph is
            missing, unreadable or shorter than 1.3 s.
    """
    if not folder.is_dir():
        raise InputError(f"the morphs must lie in a folder, got {folder}")
    pairs, skipped = _pairs(folder, sample_rate)
    _check_morphs(folder, pairs)
    judged: dict[str, JudgedPair] = {}
    for number, pair in enumerate(pairs):
        known = oracle(pair, ALL_RATIOS) if isinstance(pair, SyntheticPair) else None
        ends = judge_ends(pair, known)
        rows = {SUBMISSION: judge_row(ends, _read_morphs(folder, pair))}
        if known is not None:
            rows[ORACLE] = judge_row(ends, known)
        judged[pair.name] = judged_pair(pair, rows)
        if progress:
            progress(number + 1, len(pairs))
    rate = pairs[0].sample_rate
    return {
        "bench_version": BENCH_VERSION,
        "sample_rate": rate,
        "ratios": list(ALL_RATIOS),
        "pairs": judged,
        "skipped": skipped,
    }


def _pairs(folder: Path, sample_rate: int) -> tuple[list[Pair], dict[str, str]]:
    """Return the pairs of a folder, and the reasons why others were skipped, by name."""
    path = folder / MANIFEST
    if not path.exists():
        # the silence before the onset stays, because the morphs were made from the unchanged files
        own = folder_pairs(folder, sample_rate=sample_rate, from_onset=False)
        return [*own.pairs], own.skipped
    manifest = _read_manifest(path)
    drawn = [synthetic_pair(name, seed=manifest.seed, sample_rate=manifest.sample_rate) for name in manifest.names]
    return [replace(pair, name=f"{manifest.seed}/{pair.name}") for pair in drawn], {}


def _read_manifest(path: Path) -> _Manifest:
    """Return the content of a manifest; a damaged one, or one of another bench version, is refused."""
    foreign = InputError(f"the manifest must be one of `intertone bench export`, got a broken or changed {path}")
    try:
        manifest = json.loads(regular(path).read_text(encoding="utf-8"))
        version, seed, rate = (manifest[name] for name in ("bench_version", "seed", "sample_rate"))
        names, ratios = [entry["name"] for entry in manifest["pairs"]], manifest["ratios"]
        known = type(seed) is type(rate) is int and 0 < len(names) == len(set(names) & set(PAIRS))
    except OSError as error:
        raise InputError(f"the manifest must be readable, got {error.strerror} for {path}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise foreign from None
    if version != BENCH_VERSION:
        raise InputError(f"the manifest must be of bench version {BENCH_VERSION}, got {version!r}; export again")
    if not known or ratios != list(ALL_RATIOS):
        raise foreign
    return _Manifest(seed, rate, names)


def _check_morphs(folder: Path, pairs: Sequence[Pair]) -> None:
    """Refuse missing, unreadable or too short morphs before the first one is evaluated."""
    found = [(name, path) for pair in pairs for name, path in _morph_files(folder, pair).items()]
    missing = [name for name, path in found if path is None]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"the folder must hold a morph for every ratio, got none as {missing[0]}{more}")
    mixed: list[str] = []
    for _, path in found:
        assert path is not None
        channels, seconds = audio_extent(path)
        mixed += [path.name] if channels > 1 else []
        if seconds < SHORTEST_SECONDS:
            raise InputError(f"a morph must be {SHORTEST_SECONDS:g} s long or more, got {seconds:.2f} s: {path}")
    say_mixed(mixed)


def _morph_files(folder: Path, pair: Pair) -> dict[str, Path | None]:
    """Return the file of each ratio, with any known suffix, by the name that it would have as WAV; None: missing."""
    files: dict[str, Path | None] = {}
    for ratio in ALL_RATIOS:
        name = morph_name(pair.name.rpartition("/")[2], ratio)
        found = [path for suffix in SUFFIXES if (path := folder / (name.removesuffix(".wav") + suffix)).is_file()]
        if len(found) > 1:
            raise InputError(f"a ratio must have one morph, got {found[0].name} and {found[1].name}")
        files[name] = found[0] if found else None
    return files


def _read_morphs(folder: Path, pair: Pair) -> Tensor:
    sounds, length = [], len(pair.a)
    for path in _morph_files(folder, pair).values():
        assert path is not None
        sound = read_mono(path, sample_rate=pair.sample_rate, mixed=[])
        if len(sound) > length:
            logger.info("%s was cut from %d to %d samples", path.name, len(sound), length)
        elif len(sound) < length:
            logger.info("%s was padded with silence from %d to %d samples", path.name, len(sound), length)
        sounds.append(torch.nn.functional.pad(sound[:length], (0, max(0, length - len(sound)))))
    return torch.stack(sounds)
