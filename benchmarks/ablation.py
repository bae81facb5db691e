"""Ablation of constants: figures with each constant and with its neutral value, as tables in a page.

    python benchmarks/ablation.py FOLDER --notes BANK [NAMES…] [--page PAGE]

FOLDER keeps the results by a hash of the source and of the constant, so an interrupted run goes on; NAMES are modules,
constants or groups of figures (``path``, ``COMB_COST``, ``loops``). BANK is a note set rendered from a soundfont.
"""

import argparse
import ast
import hashlib
import importlib.machinery
import json
import math
import multiprocessing
import os
import sys
import types
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ablation_constants import CONSTANTS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "intertone"
PAGE = ROOT / "docs" / "ablation.md"
BEGIN, END = "<!-- begin of the tables -->", "<!-- end of the tables -->"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

EQUAL = 1e-9
"""Difference of a figure that is rounding."""

Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Constant:
    """A constant, its value and its neutral value, both as Python, and the figures that it may change."""

    module: str
    name: str
    value: str
    neutral: str
    groups: tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where results are kept")
    parser.add_argument("names", nargs="*", help="modules, constants or groups; pitch and instrument if none is given")
    parser.add_argument("--notes", type=Path, required=True, help="a note set rendered from a soundfont")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the tables are written")
    options = parser.parse_intermixed_args()
    os.environ |= ONE_THREAD
    sys.path.insert(0, str(SOURCE.parent))
    options.folder.mkdir(parents=True, exist_ok=True)
    chosen = choose(options.names)
    lines: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for number, constant in enumerate(chosen, 1):
        line = row(constant, options.folder, options.notes)
        lines.setdefault(constant.groups, []).append(line)
        print(f"{number} of {len(chosen)}: {' | '.join(line[1])}", flush=True)
    write_page(options.page, tables(lines, options.folder, options.notes))


def choose(names: Sequence[str]) -> list[Constant]:
    """Return the constants that are asked for; a name that fits none, and a constant that is gone, end the program."""
    found = []
    for module, (groups, neutrals) in CONSTANTS.items():
        short = module.rpartition(".")[2]
        for name, neutral in neutrals.items():
            wanted = {module, short, name, module.partition(".")[0], *groups}
            if wanted & set(names) or (not names and not module.startswith("harmonic")):
                found.append(Constant(module, name, value_of(module, name), neutral, groups))
    if not found:
        sys.exit(f"ablation.py: names must be modules, constants or groups of figures, got {' '.join(names)}")
    return found


def assignment(tree: ast.Module, name: str) -> tuple[ast.Assign | ast.Tuple, int] | None:
    """Return where a name is given its value: the assignment, and the place in the tuple, −1 for none."""
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            continue
        (target,) = node.targets
        if isinstance(target, ast.Name) and target.id == name:
            return node, -1
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for place, element in enumerate(target.elts):
                if isinstance(element, ast.Name) and element.id == name:
                    return node.value, place
    return None


def value_of(module: str, name: str) -> str:
    """Return the value of a constant as it stands in the source."""
    path = SOURCE.joinpath(*module.split(".")).with_suffix(".py")
    found = assignment(ast.parse(path.read_text(encoding="utf-8")), name) if path.exists() else None
    if found is None:
        sys.exit(f"ablation.py: {module}.{name} must be a constant of the package, but there is none")
    node, place = found
    return ast.unparse(node.value if isinstance(node, ast.Assign) else node.elts[place])


def neutralise(module: str, name: str, neutral: str) -> None:
    """Make Python read a module with another value of a constant, so that what is derived from it follows."""

    class Loader(importlib.machinery.SourceFileLoader):
        def get_code(self, fullname: str) -> types.CodeType:
            tree = ast.parse(self.get_data(self.path))
            node, place = assignment(tree, name) or sys.exit(f"ablation.py: {module}.{name} is no constant")
            value = ast.parse(neutral, mode="eval").body
            if isinstance(node, ast.Assign):
                node.value = value
            else:
                node.elts[place] = value
            return compile(ast.fix_missing_locations(tree), self.path, "exec")

    class Finder(importlib.machinery.PathFinder):
        @classmethod
        def find_spec(cls, fullname, path=None, target=None):  # type: ignore[no-untyped-def]
            if fullname != f"intertone.{module}":
                return None
            spec = super().find_spec(fullname, path, target)
            spec.loader = Loader(fullname, spec.origin)
            return spec

    sys.meta_path.insert(0, Finder)


def measured(group: str, constant: Constant | None, notes: Path) -> Figures:
    """Return the figures of a group in this process, which has not imported the package yet."""
    if constant is not None:
        neutralise(constant.module, constant.name, constant.neutral)
    import torch
    from ablation_figures import figures

    torch.set_num_threads(1)
    return figures(group, notes)


def row(constant: Constant, folder: Path, notes: Path) -> tuple[str, list[str]]:
    """Return a constant's line of the table: every figure with and without it, and which figures change."""
    cells, changed, shifted = [], [], []
    for group in constant.groups:
        with_it = kept(group, None, folder, notes)
        without = kept(group, constant, folder, notes)
        if without is None:
            cells += ["fails"] * len(with_it or {})
            changed.append("it fails")
            continue
        for name, values in (with_it or {}).items():
            pairs = list(zip(without[name], values, strict=True))
            difference, spread = sum(new - old for new, old in pairs) / len(values), max(values) - min(values)
            if not math.isfinite(difference) or abs(difference) > spread + EQUAL:
                changed.append(name)
            elif all(new > old + EQUAL for new, old in pairs) or all(new < old - EQUAL for new, old in pairs):
                shifted.append(name)
            old, new = sum(values) / len(values), sum(without[name]) / len(values)
            cells.append(f"{old:.4g}" if abs(new - old) <= EQUAL else f"{old:.4g} / {new:.4g}")
    outcome = "changes: " + ", ".join(changed) if changed else "shifts: " + ", ".join(shifted) if shifted else "–"
    return constant.module, [f"`{constant.name}`", constant.value, constant.neutral, *cells, outcome]


def kept(group: str, constant: Constant | None, folder: Path, notes: Path) -> Figures | None:
    """Return figures, from the folder where they are there; None where the code fails without the constant."""
    digest = hashlib.sha256(f"{group} {constant} {notes.resolve()}".encode())
    for path in (*sorted(SOURCE.rglob("*.py")), *sorted(Path(__file__).parent.glob("ablation_[!c]*.py"))):
        digest.update(path.read_bytes())
    file = folder / f"{digest.hexdigest()[:24]}.json"
    if not file.exists():
        import torch  # noqa: F401  # once for all processes

        result: Figures | dict[str, str]
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as process:
            try:
                result = process.submit(measured, group, constant, notes).result()
            except Exception as error:
                if constant is None:
                    raise
                result = {"error": repr(error)}
        part = file.with_suffix(".part")
        name = f"{constant.module}={constant.name}={constant.neutral}" if constant else ""
        part.write_text(json.dumps({"group": group, "constant": name, "figures": result}), encoding="utf-8")
        part.replace(file)
    figures: Figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
    return None if "error" in figures else figures


def tables(lines: dict[tuple[str, ...], list[tuple[str, list[str]]]], folder: Path, notes: Path) -> str:
    """Return one table for all constants that the same figures belong to."""
    parts = []
    for groups, rows in lines.items():
        figures = {
            f"{name}": values for group in groups for name, values in (kept(group, None, folder, notes) or {}).items()
        }
        heads = ["constant", "value", "neutral", *figures, "outcome"]
        spreads = [f"± {max(values) - min(values):.3g}" for values in figures.values()]
        table = [heads, ["---"] * len(heads), ["spread of the sets", "", "", *spreads, ""]]
        table += [[f"{module}: {cells[0]}", *cells[1:]] for module, cells in rows]
        parts.append("\n".join("| " + " | ".join(line) + " |" for line in table))
    return "\n\n".join(parts)


def write_page(path: Path, text: str) -> None:
    """Put the tables between the markers of the page, whose other text stays."""
    page = path.read_text(encoding="utf-8") if path.exists() else f"# Ablation of constants\n\n{BEGIN}\n{END}\n"
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    path.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
