"""The rules of the house that a machine can check: layers, names, sizes, and an import that does nothing."""

import ast
import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import intertone

PACKAGE = Path(intertone.__file__).parent
ROOT = PACKAGE.parent.parent
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    ("errors", "config", "container", "files", "parallel", "level", "downmix", "ratio", "remark", "shipped"),
    ("audio", "stft", "curve", "page_style"),
    ("phase", "pitch", "loudness", "losses"),
    ("harmonic", "models", "latent", "metrics", "data", "plot", "page"),
    ("representation",),
    ("codec", "recogniser"),
    ("train",),
    ("morphing", "transfer"),
    ("instrument",),
    ("evaluate", "bench"),
    ("experiments",),
    ("papers",),
    ("web",),
    ("cli",),
    ("__init__", "__main__"),
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}


def modules_of(package: Path) -> dict[str, Path]:
    """Dotted name below the package → file; a folder's ``__init__`` has the folder's name."""
    modules = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        modules[".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)] = path
    return modules


def imports_of(path: Path, package: Path, modules: dict[str, Path]) -> Iterator[str]:
    """The package's modules that a file imports, wherever in the file it does."""
    folder = [package.name, *path.relative_to(package).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            # `from package import module` names a module, `from package.module import name` does not
            names = [
                f"{source}.{alias.name}" if f"{source}.{alias.name}".partition(".")[2] in modules else source
                for alias in node.names
            ]
        else:
            continue
        for name in names:
            root, _, inner = name.partition(".")
            if root == package.name:
                yield inner or "__init__"


def violations(package: Path) -> list[str]:
    """What breaks the rule that imports point strictly down, in words."""
    modules = modules_of(package)
    found = []
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        own = name.partition(".")[0]
        if own not in LAYER:
            found.append(f"{own} has no layer")
            continue
        for target in imports_of(path, package, modules):
            other = target.partition(".")[0]
            if other not in LAYER:
                found.append(f"{name} imports {target}, which has no layer")
            elif other == "__init__":
                # the version is all that a module may take from the top
                taken = ast.parse(path.read_text(encoding="utf-8"))
                names = {
                    alias.name
                    for node in ast.walk(taken)
                    if isinstance(node, ast.ImportFrom) and node.module == package.name
                    for alias in node.names
                    if alias.name not in modules
                }
                if names - {"__version__"}:
                    found.append(f"{name} imports {', '.join(sorted(names))} from the package itself")
            elif other == own or LAYER[own] == LAYER[other] == 0:
                graph.setdefault(name, set()).add(target)
            elif LAYER[other] >= LAYER[own]:
                found.append(f"{name} (layer {LAYER[own]}) imports {target} (layer {LAYER[other]})")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append(f"a circle: {' → '.join(error.args[1])}")
    return found


def run(code: str) -> str:
    """Run Python in a fresh process and return what it prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600).stdout


# layers


def test_imports_point_strictly_down() -> None:
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("files", "violation"),
    [
        ({"stft.py": "from pkg.phase import x"}, "stft (layer 1) imports phase (layer 2)"),
        ({"stft.py": "def f():\n    import pkg.codec"}, "stft (layer 1) imports codec (layer 5)"),
        ({"stft.py": "from .codec import x"}, "stft (layer 1) imports codec (layer 5)"),
        ({"stft.py": "from pkg import audio"}, "stft (layer 1) imports audio (layer 1)"),
        (
            {"data/notes.py": "if TYPE_CHECKING:\n    from pkg.train import x"},
            "data.notes (layer 3) imports train (layer 6)",
        ),
        ({"losses.py": "from pkg.phase import x"}, "losses (layer 2) imports phase (layer 2)"),
        ({"cli/a.py": "from pkg import morph"}, "cli.a imports morph from the package itself"),
        (
            {"data/a.py": "from pkg.data.b import x", "data/b.py": "from . import a"},
            "a circle: data.a → data.b → data.a",
        ),
        ({"config.py": "import pkg.files", "files.py": "import pkg.config"}, "a circle: config → files → config"),
        ({"helpers.py": ""}, "helpers has no layer"),
        ({"stft.py": "import pkg.helpers"}, "stft imports helpers, which has no layer"),
    ],
)
def test_a_violation_is_caught(files: dict[str, str], violation: str, tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    for name in ("__init__.py", "audio.py", "phase.py", "codec.py", "train.py", "losses.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("")
    assert violations(package) == []
    for name, text in files.items():
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text(text)
    found = violations(package)
    if violation.startswith("a circle"):
        (circle,) = found
        assert set(circle.removeprefix("a circle: ").split(" → ")) == set(violation[10:].split(" → "))
    else:
        assert found == [violation]


def test_what_is_allowed_passes(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("from pkg.codec import Codec")
    (package / "codec.py").write_text("import torch\nfrom pkg import __version__, stft\nfrom pkg.data import notes")
    (package / "stft.py").write_text("from pkg.config import x")
    (package / "config.py").write_text("from pkg.errors import x")
    (package / "errors.py").write_text("")
    (package / "data" / "__init__.py").write_text("from pkg.data.notes import x")
    (package / "data" / "notes.py").write_text("from ..stft import x")
    assert violations(package) == []


def test_a_measurement_is_at_most_six_modules_deep() -> None:
    modules = modules_of(PACKAGE)
    inside = {name: path for name, path in modules.items() if name.partition(".")[0] == "evaluate"}
    graph = {
        name: {other for other in imports_of(path, PACKAGE, modules) if other in inside}
        for name, path in inside.items()
    }
    depth: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        depth[name] = 1 + max((depth[other] for other in graph[name]), default=0)
    assert max(depth.values()) <= 6, depth


# the public names


def test_every_public_name_is_imported_twice_from_a_fresh_package() -> None:
    run(
        "import importlib, sys, types\n"
        f"for name, home in {intertone._HOMES}.items():\n"
        "    for loaded in [module for module in sys.modules if module.split('.')[0] == 'intertone']:\n"
        "        del sys.modules[loaded]\n"
        "    first = getattr(importlib.import_module('intertone'), name)\n"
        "    importlib.import_module(f'intertone.{home}')\n"
        "    second = getattr(importlib.import_module('intertone'), name)\n"
        "    assert first is second and not isinstance(first, types.ModuleType), name"
    )


def test_every_name_has_one_home_and_none_is_a_modules() -> None:
    source = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    declared = {
        alias.name: node.module
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("intertone.")
        for alias in node.names
    }
    assert declared == {name: f"intertone.{home}" for name, home in intertone._HOMES.items()}
    assert sorted(intertone.__all__) == intertone.__all__ == sorted(declared)
    assert set(intertone.__all__) <= set(dir(intertone))
    # beside these, at the top of the package, a name would be ambiguous
    names = {module.partition(".")[0] for module in modules_of(PACKAGE)} | set(LAYER)
    assert not names & set(intertone.__all__)
    with pytest.raises(AttributeError, match="module 'intertone' has no attribute 'morf'"):
        intertone.morf  # noqa: B018


def test_folders_export_what_they_say() -> None:
    for path in PACKAGE.glob("*/__init__.py"):
        module = importlib.import_module(f"intertone.{path.parent.name}")
        exported = getattr(module, "__all__", [])
        assert exported == sorted(exported)
        assert all(hasattr(module, name) for name in exported)
        modules = {file.stem for file in path.parent.glob("*.py")} - {"__init__"}
        assert not set(exported) & modules
        # nor may a function hide the module beside it
        assert all(inspect.ismodule(getattr(module, name)) for name in modules if hasattr(module, name))


# an import that does nothing


def test_importing_the_package_is_instant() -> None:
    loaded = json.loads(run("import sys, json, intertone; print(json.dumps(sorted(sys.modules)))"))
    assert not {"torch", "numpy", "scipy", "soundfile", "pydantic", "typer", "matplotlib"} & set(loaded)
    assert [name for name in loaded if name.startswith("intertone")] == ["intertone"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["morph", "--help"], ["train", "--help"], ["data", "--help"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom intertone.cli import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit as leave:\n    assert not leave.code\n"
        "heavy = {'torch', 'numpy', 'scipy', 'soundfile', 'soxr', 'safetensors', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    assert run(code)


def test_importing_every_module_leaves_the_process_as_it_was() -> None:
    names = [f"intertone.{name}" for name in modules_of(PACKAGE) if name != "__main__" and name != "__init__"]
    run(
        "import importlib, logging, signal, torch\n"
        "def state(): return (torch.get_num_threads(), torch.initial_seed(), logging.getLogger('intertone').handlers,"
        " logging.getLogger().handlers, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))\n"
        f"before = state()\nfor name in {names}: importlib.import_module(name)\n"
        "assert state() == before"
    )


# files


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring and docstring.splitlines()[0].endswith((".", "?"))


SCRIPTS = sorted([*(ROOT / "tests" / "fixtures").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_does_nothing_when_it_is_imported(path: Path) -> None:
    """The search for doctests imports every module under ``tests``; a script that ran there wrote a fixture anew."""
    defining = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        guarded = isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert guarded or text or isinstance(node, defining), f"line {node.lineno}"


def test_nothing_prints_outside_the_command_line() -> None:
    printing = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        if path.parent.name != "cli"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_what_is_done_is_told_by_remarks_alone() -> None:
    """A line that is only logged would reach neither the command line nor a request that collects."""
    logging = [str(path.relative_to(PACKAGE)) for path in FILES if "getLogger(" in path.read_text(encoding="utf-8")]
    assert logging == ["cli/options.py", "remark.py"]


def test_only_one_file_touches_sound_files() -> None:
    touching = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        if re.search(r"^\s*(import|from) soundfile", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert set(touching) <= {"audio.py", "cli/information.py"}  # the second asks for its version only


def test_the_version_has_one_home() -> None:
    assert importlib.metadata.version("intertone") == intertone.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"] and "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "intertone.__version__"}
    holders = [path.name for path in FILES if f'"{intertone.__version__}"' in path.read_text(encoding="utf-8")]
    assert holders == ["__init__.py"]


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").read_bytes() == b""
