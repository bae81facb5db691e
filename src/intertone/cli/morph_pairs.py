"""``intertone morph --pairs``: the morphs of all pairs of a folder."""

import hashlib
import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from intertone.audio import audio_extent
from intertone.cli import morph_options, options
from intertone.cli.morph_files import Order, morph_one
from intertone.cli.progress import progress_bar
from intertone.container import SUFFIXES
from intertone.errors import InputError
from intertone.files import regular, write_json
from intertone.models.weights import weights_digest
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

RECORD = "morphs.json"
"""File of --pairs that holds the settings, and for each morph the names and hashes of its two sounds."""


def find_pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return the files of each pair of a folder, by the name of the morph.

    The pairs are the files ``NAME-a`` and ``NAME-b``; without such files, every sound is paired with every other.

    Raises:
        InputError: If the folder holds no pair, or two files differ only in their suffix.
    """
    if not folder.is_dir():
        raise InputError(f"--pairs must be a folder, got {folder}")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    ends = {path.stem: path for path in files}
    if len(ends) < len(files):
        raise InputError(f"the sounds of --pairs must have different names before their suffixes, got {folder}")
    firsts = [stem.removesuffix("-a") for stem in ends if stem.endswith("-a")]
    pairs = {name: (ends[f"{name}-a"], ends[f"{name}-b"]) for name in firsts if f"{name}-b" in ends}
    if not pairs:
        pairs = {f"{first.stem}+{second.stem}": (first, second) for first, second in combinations(files, 2)}
    if not pairs:
        raise InputError(f"--pairs must hold two sounds or more, got {len(files)} in {folder}")
    return pairs


def morph_pairs(order: Order, folder: Path, out: Path, *, force: bool) -> tuple[dict[str, Any], str, bool]:
    """Write the morph of every pair of a folder; morphs of an interrupted run that are up to date are kept.

    A pair that cannot be morphed is left out with a warning.

    Args:
        order: Settings of the run.
        folder: Folder of the sounds; see ``find_pairs``.
        out: Folder for the morphs.
        force: Whether morphs that were made with other settings may be replaced.

    Returns:
        The same as ``morph_one``, and whether every pair was morphed.

    Raises:
        InputError: If ``out`` holds other files, or morphs with other settings while ``force`` is False.
    """
    pairs = find_pairs(folder)
    settings = {
        "codec": order.name,
        "weights": weights_digest(order.codec.model),
        "mix": morph_options.mix_content(order.mixes[0]),
        "ratios": {name: morph_options.mix_content(mix) for name, mix in order.ratios.items()},
        "morph": order.config.counted(),
        "phase": order.phase.model_dump(),
        "seed": order.seed,
        "sample_rate": order.rate,
        "format": order.form and order.form.value,
    }
    record = _earlier(out, settings, force=force)
    names = {name: f"{name}.wav" for name in pairs}
    foreign = sorted(each for each in names.values() if each not in record and (out / each).exists())
    options.check_older(out, foreign, replace=force)
    out.mkdir(parents=True, exist_ok=True)
    made, kept, failed = 0, 0, dict[str, str]()
    broken = _unreadable({source for sources in pairs.values() for source in sources})
    with progress_bar("pairs", total=len(pairs)) as progress:
        for number, (name, sources) in enumerate(pairs.items()):
            path = out / names[name]
            if unread := [source for source in sources if source in broken]:
                failed[name] = broken[unread[0]]
                progress(number + 1, len(pairs))
                continue
            try:
                hashes = [_hash(source) for source in sources]
                if path.is_file() and record.get(path.name, {}).get("hashes") == hashes:
                    kept += 1
                else:
                    # the record names a file before the file exists, so that a resumed run knows it as its own
                    record[path.name] = {"sounds": [source.name for source in sources], "hashes": None}
                    write_json(out / RECORD, {"settings": settings, "morphs": record})
                    logger.info("%s: A is %s, B is %s", name, sources[0].name, sources[1].name)
                    content, text = morph_one(order, sources, path, None)
                    for line in text.splitlines()[:-1]:  # what was found; the last line names the file
                        logger.info("%s: %s", name, line)
                    facts = {key: value for key, value in content.items() if key != "outputs"}
                    record[path.name] |= {"hashes": hashes, **facts}
                    made += 1
            except InputError as error:
                if not path.exists():
                    record.pop(path.name, None)
                failed[name] = str(error)
                logger.warning("%s is left out: %s", name, error)
            progress(number + 1, len(pairs))
    for name in set(record) - set(names.values()) if force else ():
        (out / name).unlink(missing_ok=True)
        del record[name]
    write_json(out / RECORD, {"settings": settings, "morphs": record})
    outputs = [str(out / name) for pair, name in names.items() if pair not in failed]
    counts = [f"{made} new", *([f"{kept} kept"] if kept else []), *([f"{len(failed)} left out"] if failed else [])]
    text = f"wrote {out}: {', '.join(counts)} of {len(pairs)} pairs, {RECORD}"
    return {"outputs": outputs, "left_out": failed}, text, not failed


def _earlier(out: Path, settings: Mapping[str, Any], *, force: bool) -> dict[str, dict[str, Any]]:
    """Return the entries of an earlier run by file name.

    Entries with other settings are refused unless ``force``; their hashes are None then, so that they are made again.
    """
    record = out / RECORD
    options.check_own_output(out, (), "a folder of --pairs", mark=RECORD)
    if not record.exists():
        return {}
    try:
        content = json.loads(regular(record).read_text(encoding="utf-8"))
        found, morphs = content["settings"], {Path(name).name: dict(each) for name, each in content["morphs"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found, morphs = None, {}
    if found == json.loads(json.dumps(settings)) and not force:
        return morphs
    older = sorted(name for name in morphs if (out / name).exists())
    options.check_older(out, older or [RECORD], replace=force)
    return {name: {**each, "hashes": None} for name, each in morphs.items()}


def _unreadable(sources: set[Path]) -> dict[Path, str]:
    """Return the reason for each sound that cannot be read, and log one warning for each."""
    broken: dict[Path, str] = {}
    for source in sorted(sources):
        try:
            audio_extent(source)
        except InputError as error:
            broken[source] = str(error)
            logger.warning("all pairs of %s are left out: %s", source.name, error)
    return broken


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"a sound file must be readable, got {error.strerror} for {path}") from error
