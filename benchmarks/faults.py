"""Seeds the faults of ``tests/faults.toml``, one at a time, and says which of them the tests catch.

    python benchmarks/faults.py                 # all of them; exit code 1 if one is missed
    python benchmarks/faults.py --only 7        # the seventh
    python benchmarks/faults.py --trust         # without looking first whether the tests pass where there is no fault

Each fault is put into a copy of ``src``; the checkout stays as it is. A fault is caught if one of its tests fails: a
test that is not found, or a copy that cannot be imported, counts as missed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAULTS = ROOT / "tests" / "faults.toml"

PASSED, FAILED = 0, 1
"""Exit codes of pytest; others say that nothing was tested."""


@dataclass(frozen=True)
class Fault:
    """A change of the program that a test must catch.

    Attributes:
        what: What the program does wrong with it.
        file: Where, from the top of the checkout.
        old: The right text, once in the file.
        new: The fault in its place.
        tests: Of which one or more must fail.
    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def read_faults(path: Path = FAULTS) -> list[Fault]:
    """Return the faults of a list, in its order."""
    listed = tomllib.loads(path.read_text(encoding="utf-8"))["fault"]
    return [Fault(**{**one, "tests": tuple(one["tests"])}) for one in listed]


def seed_fault(fault: Fault, root: Path) -> None:
    """Put a fault into a copy of the checkout.

    Raises:
        ValueError: If the text that it replaces is not there exactly once.
    """
    path = root / fault.file
    text = path.read_text(encoding="utf-8")
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.old!r} must be in {fault.file} once, got {text.count(fault.old)} times")
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")


def run_tests(tests: Iterable[str], source: Path) -> subprocess.CompletedProcess[str]:
    """Run tests of the checkout on the package that lies in ``source``."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def try_fault(fault: Fault) -> str | None:
    """Return None where a fault is caught, or what pytest says."""
    with tempfile.TemporaryDirectory(prefix="intertone-fault-") as folder:
        # compiled files keep what all others need not compile again; saved codecs are large and only read
        shutil.copytree(ROOT / "src", Path(folder) / "src", ignore=shutil.ignore_patterns("codecs"))
        (Path(folder) / "src/intertone/codecs").symlink_to(ROOT / "src/intertone/codecs")
        seed_fault(fault, Path(folder))
        result = run_tests(fault.tests, Path(folder) / "src")
    return None if result.returncode == FAILED else result.stdout + result.stderr


def main(arguments: Sequence[str] | None = None) -> int:
    """Seed the faults and return the exit code: 1 if one is missed, or a test fails without one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, metavar="N", help="the fault of this number, counted from 1")
    parser.add_argument("--trust", action="store_true", help="do not run the tests without a fault first")
    options = parser.parse_args(arguments)
    faults = dict(enumerate(read_faults(), 1))
    if options.only is not None:
        if options.only not in faults:
            parser.error(f"--only must be in 1..{len(faults)}, got {options.only}")
        faults = {options.only: faults[options.only]}
    if not options.trust:
        result = run_tests(sorted({test for fault in faults.values() for test in fault.tests}), ROOT / "src")
        if result.returncode != PASSED:
            print(f"without a fault the tests must pass, got:\n{result.stdout}{result.stderr}")
            return 1
    missed = 0
    for number, fault in faults.items():
        said = try_fault(fault)
        missed += said is not None
        print(f"{number:2} {'caught' if said is None else 'MISSED'}  {fault.what}", flush=True)
        if said is not None:
            print(said)
    print(f"{len(faults) - missed} of {len(faults)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
