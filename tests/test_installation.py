"""The wheel works away from the checkout; make cpu asks for what it needs."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from commands import names_in

from intertone.web.server import static_files

ROOT = Path(__file__).parent.parent


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_make_cpu_asks_for_the_address_of_the_cpu_builds(tmp_path: Path) -> None:
    words = ("make", "--no-print-directory", "-f", ROOT / "Makefile", "cpu", f"VENV={tmp_path}", "PYTHON=false")
    asked = run(*words, cwd=tmp_path)
    assert asked.returncode == 2 and "make cpu INDEX=ADDRESS" in asked.stderr
    assert "pytorch.org" not in asked.stderr and names_in(tmp_path) == []
    shown = run(*words, "INDEX=ADDRESS", "--dry-run", cwd=tmp_path)
    last = shown.stdout.splitlines()[-1]
    assert last == f"{tmp_path}/bin/pip install -c constraints.txt torch --index-url ADDRESS", shown.stderr


def test_the_commands_for_windows_do_what_make_morph_does() -> None:
    page, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/install.md", "Makefile"))
    block = page.split("**Windows**", 1)[1].split("```")[1].strip().splitlines()
    assert block[:2] == ["py -m venv .venv", r".venv\Scripts\activate"]
    wanted = makefile.split("\nmorph:", 1)[1].split("\n\n", 1)[0]
    assert f"$(BIN)/{block[-1]} --force".replace("\\", "/") in wanted
    assert f"$(BIN)/{block[2]}".replace("install", "install -q") in makefile


@pytest.mark.slow
def test_a_wheel_morphs_away_from_the_checkout(tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    python = Path(sys.executable)
    built = run(
        python, "-m", "pip", "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation", "-w", tmp_path, source,
        cwd=tmp_path,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("intertone-*.whl")
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(wheel) as content:
        assert {f"intertone/web/static/{name}" for name in static_files()} <= set(content.namelist())
    assert run(python, "-m", "venv", "--without-pip", place, cwd=tmp_path).returncode == 0
    (packages,) = place.glob("lib/python*/site-packages")
    # the dependencies, but not the checkout: its own .pth is not read there
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    added = run(python, "-m", "pip", "--python", place, "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    assert added.returncode == 0, added.stderr
    where = run(place / "bin" / "python", "-c", "import intertone; print(intertone.__file__)", cwd=tmp_path)
    assert where.stdout.startswith(str(packages)), where.stderr
    examples = (ROOT / "examples" / "english-horn.wav", ROOT / "examples" / "sitar.wav")
    made = run(place / "bin" / "intertone", "morph", *examples, "-o", "new.wav", cwd=tmp_path)
    assert made.returncode == 0 and (tmp_path / "new.wav").stat().st_size > 100_000, made.stderr
    shipped = {path.parent.name for path in (ROOT / "src/intertone/codecs").glob("*/config.json")}
    assert {path.parent.name for path in packages.glob("intertone/codecs/*/model.safetensors")} == shipped
    assert len(list(packages.glob("intertone/transfer/presets/*"))) > 3 and (packages / "intertone/py.typed").is_file()
