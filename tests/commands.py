"""Running the command line in this process; the command that runs JavaScript."""

from pathlib import Path

import pytest

from intertone import cli

NODE = ("node", "--single-threaded")
"""Node without threads of its compiler, which can block its end for ever (nodejs/node issue 54918; 1 of 700 runs)."""


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def run(*arguments: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run the command in this process and return its exit code, stdout and stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as leave:
        cli.main([str(word) for word in arguments])
        raise SystemExit(0)
    out, err = capsys.readouterr()
    return int(leave.value.code or 0), out, err


def refused(here: Path, *arguments: str | Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused and leave every file as it was; return the sentence."""
    before = {name: (here / name).read_bytes() for name in names_in(here) if (here / name).is_file()}
    names = names_in(here)
    code, out, err = run(*arguments, capsys=capsys)
    assert (code, out) == (2, "")
    assert names_in(here) == names
    assert {name: (here / name).read_bytes() for name in before} == before
    assert "Traceback" not in err
    (sentence,) = [line for line in err.splitlines() if line.startswith("intertone: ")]
    assert err.splitlines()[-1] == sentence
    return sentence.removeprefix("intertone: ")
