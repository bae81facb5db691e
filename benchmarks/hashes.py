"""Hashes of what a checkout makes: codes, sounds, prepared features and trained weights, to compare two checkouts.

    PYTHONPATH=before/src python benchmarks/hashes.py --cache DIR -o before.json
    PYTHONPATH=after/src python benchmarks/hashes.py --cache DIR -o after.json
    python benchmarks/hashes.py --compare before.json after.json

Both runs must be on one machine: sums are rounded differently on another processor. PyTorch has one thread. The cache
holds what both read: sounds played by FluidSynth, and note sets and prepared features that the checkout of the first
run made, so the second run also shows that it reads what the first one wrote. The hashes are of no use elsewhere and
are not committed.

Everything is made with the command line and with the names that ``intertone`` itself exports, so the script survives
changes inside the package. The results are kept as arrays in a folder beside the file of hashes, and ``--compare`` says
how large each difference is, in dB relative to the first result.

Needs pyfluidsynth, libfluidsynth3 and fluidr3mono-gm-soundfont where the cache is empty.
"""

import argparse
import fnmatch
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hash_entries import entries
from hash_sources import CHECKOUT

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Variables that libraries read when they are loaded."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, help="folder of sounds and note sets, the same for all that is compared")
    parser.add_argument("-o", "--out", type=Path, help="the JSON file of hashes; arrays go to a folder of its name")
    parser.add_argument("--only", help="make or compare only what matches, such as 'harmonic/*' or 'train'")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"), help="two files of hashes")
    options = parser.parse_args()
    if options.compare:
        sys.exit(compare(*options.compare, options.only))
    if options.cache is None or options.out is None:
        parser.error("--cache and --out are needed, or --compare")
    if not ONE_THREAD.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    torch.set_num_threads(1)
    measure(options.cache.resolve(), options.out.resolve(), options.only)


def measure(cache: Path, out: Path, only: str | None) -> None:
    """Make every entry that ``only`` matches and write its hashes and arrays."""
    started = time.monotonic()
    arrays = out.with_suffix("")
    arrays.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    chosen = [entry for entry in entries(cache) if only is None or matches(entry[0], only)]
    for number, (name, make) in enumerate(chosen, 1):
        before = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="intertone-hashes-") as folder:
                results = make(Path(folder))
            found |= {f"{name}{suffix}": keep(arrays, f"{name}{suffix}", result) for suffix, result in results.items()}
            said = f"{len(results)} results"
        except (Exception, SystemExit) as error:  # the others shall still be made
            found[name] = {"error": f"{type(error).__name__}: {error}"}
            said = found[name]["error"]
        seconds, total = time.monotonic() - before, time.monotonic() - started
        print(f"{number}/{len(chosen)} {name}: {said} ({seconds:.1f} s, {total:.0f} s in all)", flush=True)
        out.write_text(json.dumps({"environment": environment(), "results": found}, indent=1) + "\n", encoding="utf-8")


def matches(name: str, pattern: str) -> bool:
    """Say whether an entry is asked for: by a shell pattern, or by a part of its name."""
    return fnmatch.fnmatch(name, pattern) or pattern in name


def keep(folder: Path, name: str, result: np.ndarray) -> dict[str, Any]:
    """Write a result as an array and return its hash; text is an array of bytes."""
    result = np.ascontiguousarray(result)
    path = folder / f"{name.replace('/', '--')}.npy"
    np.save(path, result.astype(np.float32) if result.dtype.kind == "f" else result)
    digest = hashlib.sha256(f"{result.dtype.str} {result.shape} ".encode() + result.tobytes()).hexdigest()
    return {"sha256": digest, "shape": list(result.shape), "array": path.name}


def environment() -> dict[str, str]:
    """Return what decides how sums are rounded, and the commit."""
    git = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    return {"commit": commit or "unknown", "capability": torch.backends.cpu.get_cpu_capability(), **versions}


def compare(first: Path, second: Path, only: str | None) -> int:
    """Print a line for each result that differs; return 1 if there is one."""
    one, other = (json.loads(path.read_text(encoding="utf-8")) for path in (first, second))
    for name in ("capability", "python", "torch", "numpy"):
        if one["environment"][name] != other["environment"][name]:
            print(f"note: {name} was {one['environment'][name]}, then {other['environment'][name]}")
    names = [name for name in {**one["results"], **other["results"]} if only is None or matches(name, only)]
    different = 0
    for name in names:
        a, b = one["results"].get(name), other["results"].get(name)
        if a is not None and b is not None and "error" not in a and a.get("sha256") == b.get("sha256"):
            continue
        different += 1
        print(f"{name}: {difference(first, a, second, b)}")
    print(f"{different} of {len(names)} results differ")
    return int(different > 0)


def difference(first: Path, a: dict[str, Any] | None, second: Path, b: dict[str, Any] | None) -> str:
    """Say how two results differ."""
    for path, result in ((first, a), (second, b)):
        if result is None:
            return f"missing in {path}"
        if "error" in result:
            return f"error in {path}: {result['error']}"
    assert a is not None and b is not None
    if a["shape"] != b["shape"]:
        return f"shape {a['shape']}, then {b['shape']}"
    try:
        x, y = (np.load(path.with_suffix("") / found["array"]) for path, found in ((first, a), (second, b)))
    except OSError as error:
        return f"differs, and an array is missing: {error}"
    if x.dtype.kind != "f" or y.dtype.kind != "f":
        return "the text differs" if x.dtype == y.dtype == np.uint8 else f"differs, {x.dtype} and {y.dtype}"
    x, y = x.astype(np.float64), y.astype(np.float64)
    level, scale = np.sqrt(np.mean((x - y) ** 2)), np.sqrt(np.mean(x**2))
    if not np.isfinite(level):
        return "differs, not all values are finite"
    if not level:
        return "differs in type only"
    relative = f"{20 * np.log10(level / scale):.1f} dB relative" if scale else "the first is zero"
    return f"{relative}, largest difference {np.abs(x - y).max():.3g}"


if __name__ == "__main__":
    main()
