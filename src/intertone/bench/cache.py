"""Cache of bench results on disk: one file for each pair, named by a hash of the sounds and of the evaluating code."""

import hashlib
import json
import os
from functools import cache as once
from pathlib import Path

import numpy as np
import scipy
import torch

from intertone.bench.judge import Rows
from intertone.bench.pair import Pair
from intertone.bench.score import BENCH_VERSION, Row
from intertone.bench.summary import METRICS, PARTS
from intertone.codec import Codec
from intertone.errors import InputError
from intertone.files import write_json
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

AROUND = ("__init__", "cache", "exchange", "real_pairs", "report", "result", "run", "summary", "user_pairs")
"""Modules of this folder that do not affect results, so that changing them keeps the cache valid."""

OF_CODECS = (
    "codec.py",
    "curve.py",
    "harmonic/**/*.py",
    "models/*.py",
    "morphing/*.py",
    "representation/*.py",
)
"""Further files that affect the results of a codec."""

NEEDED = ("metrics/*.py", "phase/*.py", "pitch/*.py", "audio.py", "latent.py", "level.py", "loudness.py", "stft.py")
FIGURES = {*METRICS, *PARTS, "morph_score", "seconds"}


def default_cache() -> Path:
    """Return the user's cache folder of the bench, below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "intertone" / "bench"


def codec_mark(codec: Codec | None) -> str:
    """Return a hash of a codec's settings, weights, device type and code; an empty string for None."""
    if codec is None:
        return ""
    digest = hashlib.sha256(f"{codec.config.model_dump_json()} {codec.device.type} {_source(OF_CODECS)}".encode())
    for name, value in sorted(codec.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]


def read_rows(folder: Path | None, pair: Pair, mark: str = "") -> Rows:
    """Return the cached results of a pair by method.

    Incomplete results are left out; a missing or damaged file gives no results.

    Args:
        folder: Folder of the cache; None: there is no cache, and the result is empty.
        pair: The pair.
        mark: Hash of ``codec_mark`` for the results of a codec; empty for those of all other methods.
    """
    if folder is None:
        return {}
    try:
        content = json.loads((folder / _name(pair, mark)).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    rows = content.items() if isinstance(content, dict) else ()
    return {name: row for name, row in rows if isinstance(row, dict) and _is_whole(row)}


def write_rows(folder: Path, pair: Pair, rows: Rows, mark: str = "") -> None:
    """Write the results of a pair to the cache; if that fails, log a warning."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _name(pair, mark), rows)
    except (InputError, OSError) as error:
        logger.warning("the results of %s could not be cached: %s", pair.name, error)


def _is_whole(row: Row) -> bool:
    optional = (type(None), int, float)
    return set(row) | {"oracle_distance", "oracle_ratio"} >= FIGURES and all(
        isinstance(value, optional) for value in row.values()
    )


def _name(pair: Pair, mark: str) -> str:
    """Return the file name: a hash of the sounds, the bench version and the evaluating code."""
    text = f"{BENCH_VERSION} {_source()} {pair.kind} {pair.f0_a!r} {pair.f0_b!r} {pair.sample_rate} {type(pair)}"
    digest = hashlib.sha256(" ".join([text, *mark.split()]).encode())
    for sound in (pair.a, pair.b):
        digest.update(sound.contiguous().numpy().tobytes())
    return f"v{BENCH_VERSION}-{digest.hexdigest()[:24]}.json"


def _source(more: tuple[str, ...] = ()) -> str:
    return source_digest(("bench/*.py", *NEEDED, *more), tuple(f"bench/{stem}.py" for stem in AROUND))


@once
def source_digest(patterns: tuple[str, ...], without: tuple[str, ...] = ()) -> str:
    """Return a hash of files of the package and of the versions of torch, numpy and scipy.

    The files are read at the first call with the same arguments; later calls return that hash.

    Args:
        patterns: Glob patterns of the files, relative to the package's folder.
        without: Files that are excluded.

    Returns:
        16 hexadecimal digits.
    """
    package = Path(__file__).parent.parent
    files = {path for pattern in patterns for path in package.glob(pattern)} - {package / name for name in without}
    digest = hashlib.sha256(f"{torch.__version__} {np.__version__} {scipy.__version__}".encode())
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
