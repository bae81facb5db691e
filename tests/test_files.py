"""Files are replaced whole or not at all; settings are frozen, complete and refuse what they do not know."""

import contextlib
import errno
import itertools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from intertone import files
from intertone.__main__ import _loses_exceptions, _outer_codes
from intertone.config import Settings, override
from intertone.errors import InputError
from intertone.files import check_output, replacing, staged_folder, temporary_prefix, write_json


class ConvConfig(Settings):
    kind: Literal["conv"] = "conv"
    latent_dim: int = 4
    channels: tuple[int, ...] = (8, 16)


class DenseConfig(Settings):
    kind: Literal["dense"] = "dense"
    hidden_size: int = Field(default=32, ge=1)


class SharpConfig(Settings):
    kind: Literal["sharp"] = "sharp"
    slope: float = 1.0


class FlatConfig(Settings):
    kind: Literal["flat"] = "flat"
    gain: float = 1.0


class ToneConfig(Settings):
    shape: Annotated[SharpConfig | FlatConfig, Field(discriminator="kind")] = FlatConfig()


class RunConfig(Settings):
    seed: int = 0
    rate: float = 1e-3
    model: Annotated[ConvConfig | DenseConfig, Field(discriminator="kind")] = ConvConfig()
    tone: ToneConfig | None = None
    layers: list[Annotated[ConvConfig | DenseConfig, Field(discriminator="kind")]] = []  # noqa: RUF012

    @model_validator(mode="after")
    def _check(self) -> "RunConfig":
        if self.seed > 99:
            raise ValueError(f"seed must be at most 99, got {self.seed}")
        return self


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_replacing_makes_and_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for content in ("one", "two"):
        with replacing(path) as temporary:
            assert temporary.parent == tmp_path
            assert temporary.suffix == ".txt"
            temporary.write_text(content)
        assert path.read_text() == content
    assert names_in(tmp_path) == ["a.txt"]


def test_replacing_keeps_the_old_file_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"


def test_replacing_gives_the_permissions_of_an_ordinary_new_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_text("")
    with replacing(tmp_path / "replaced") as temporary:
        temporary.write_text("")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "replaced")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_replacing_leaves_everything_as_it_was_after_a_failure(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission is denied"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_replacing_says_why_it_could_not_write(tmp_path: Path, number: int, reason: str) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(InputError, match=f"a.txt must be writable, but .*{reason}"), replacing(path):
        raise OSError(number, os.strerror(number))
    assert names_in(tmp_path) == []


def test_folders_are_made_and_removed_again_where_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(KeyError), replacing(tmp_path / "new" / "one" / "a.txt"):
        raise KeyError
    with pytest.raises(KeyError), staged_folder(tmp_path / "new" / "one"):
        raise KeyError
    assert names_in(tmp_path) == []
    with replacing(tmp_path / "new" / "one" / "a.txt") as temporary:
        temporary.write_text("a")
    with staged_folder(tmp_path / "new" / "two" / "three", older=["b.txt"]) as folder:
        (folder / "b.txt").write_text("b")
    assert (tmp_path / "new" / "one" / "a.txt").read_text() == "a"
    assert names_in(tmp_path / "new" / "two" / "three") == ["b.txt"]


def test_files_of_an_earlier_run_are_removed_when_the_new_ones_are_there(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "own.txt"):
        (tmp_path / name).write_text("old")
    with pytest.raises(KeyError), staged_folder(tmp_path, older=["a.txt", "b.txt"]):
        raise KeyError
    assert names_in(tmp_path) == ["a.txt", "b.txt", "own.txt"]
    with staged_folder(tmp_path, older=["a.txt", "b.txt"]) as folder:
        (folder / "b.txt").write_text("new")
    assert names_in(tmp_path) == ["b.txt", "own.txt"] and (tmp_path / "b.txt").read_text() == "new"


def test_replacing_refuses_a_file_as_folder_and_a_folder_as_target(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder must be writable, but"), replacing(tmp_path / "folder"):
        pass
    assert names_in(tmp_path) == ["folder"]


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from intertone.files import replacing, staged_folder
with replacing(Path({str(tmp_path)!r}) / "a.txt") as file, staged_folder(Path({str(tmp_path)!r}) / "b") as folder:
    (folder / "a.txt").write_text("lost")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (-signal.SIGKILL, "")
    assert len(names_in(tmp_path)) == 2
    own, elsewhere = f"{temporary_prefix()}mine", ".intertone-0000000-1-other"
    for name in (own, elsewhere, ".intertone-old"):
        (tmp_path / name).write_text("")
    write_json(tmp_path / "c.json", 1)
    assert names_in(tmp_path) == sorted([own, elsewhere, ".intertone-old", "c.json"])


def interrupt_at(step: int, write: Callable[[], None]) -> bool:
    """Call ``write`` and raise KeyboardInterrupt at one of its steps, or as soon after it as the program would.

    Return whether ``write`` has so many steps. A step is an instruction of ``files`` or of ``contextlib``, and a line
    of other modules.
    """
    left = step

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., object]:
        nonlocal left
        frame.f_trace_opcodes = frame.f_code.co_filename in (files.__file__, contextlib.__file__)
        if event == ("opcode" if frame.f_trace_opcodes else "line"):
            left -= 1
            if left <= 0 and not any(map(_loses_exceptions, _outer_codes(frame))):
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    with contextlib.suppress(KeyboardInterrupt):
        sys.settrace(trace)
        try:
            write()
        finally:
            sys.settrace(before)
    return left <= 0


@pytest.mark.parametrize("kind", ["file", "folder", "aside"])
def test_an_interruption_at_any_step_leaves_nothing_unfinished(tmp_path: Path, kind: str) -> None:
    def write() -> None:
        if kind == "file":
            with replacing(tmp_path / "new") as temporary:
                temporary.write_text("new")
        elif kind == "folder":
            with staged_folder(tmp_path / "new") as folder:
                (folder / "a.txt").write_text("new")
        else:
            with files.temporary_folder(tmp_path) as folder:
                (folder / "a.txt").write_text("new")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files, "UNFINISHED", set())
        patched.setattr(os, "fsync", lambda _: None)  # it would take milliseconds at each of hundreds of steps
        for step in itertools.count(1):
            interrupted = interrupt_at(step, write)
            files.remove_unfinished()
            assert names_in(tmp_path) in ([], ["new"]), step
            if not interrupted:
                break
            if (tmp_path / "new").is_dir():
                shutil.rmtree(tmp_path / "new")
            (tmp_path / "new").unlink(missing_ok=True)
    assert step > 100
    assert names_in(tmp_path) == ([] if kind == "aside" else ["new"])


def test_a_removal_that_fails_does_not_hide_why_the_block_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(ValueError, match="the true reason"):
        patched.setattr(files, "_remove", refuse_removal)
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise ValueError("the true reason")
    assert len(list(tmp_path.iterdir())) == 1
    files.remove_unfinished()
    assert list(tmp_path.iterdir()) == []
    files.UNFINISHED.clear()


def refuse_removal(path: Path) -> None:
    raise PermissionError(errno.EACCES, "permission is denied", str(path))


def test_check_output_accepts_new_and_existing_files(tmp_path: Path) -> None:
    source, path = tmp_path / "a.wav", tmp_path / "b.wav"
    source.write_text("")
    assert check_output(path, [source]) == path
    path.write_text("")
    assert check_output(str(path), [source, tmp_path / "missing.wav"]) == path


def test_check_output_refuses_an_input_under_any_name(tmp_path: Path) -> None:
    source = tmp_path / "a.wav"
    source.write_text("")
    (tmp_path / "soft.wav").symlink_to(source)
    (tmp_path / "hard.wav").hardlink_to(source)
    (tmp_path / "sub").mkdir()
    for name in ("a.wav", "soft.wav", "hard.wav", "sub/../a.wav"):
        with pytest.raises(InputError, match="must not be one of the inputs"):
            check_output(tmp_path / name, [source])
    with pytest.raises(InputError, match="must not be one of the inputs"):
        check_output(source, [tmp_path / "soft.wav"])


def test_check_output_refuses_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, Path(os.devnull), tmp_path / "pipe"):
        with pytest.raises(InputError, match="must be a regular file"):
            check_output(path)


def test_check_output_refuses_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert check_output(tmp_path / "missing" / "more" / "a.wav").name == "a.wav"
    with pytest.raises(InputError, match=r"folder must be a folder, got .*file, which is not one"):
        check_output(tmp_path / "file" / "a.wav")


def test_check_output_refuses_to_replace_where_it_must_not(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("")
    assert check_output(tmp_path / "b.wav", replace=False).name == "b.wav"
    with pytest.raises(InputError, match=r"must be a new file, or --force must be given, got .*a\.wav, which exists"):
        check_output(tmp_path / "a.wav", replace=False)


def test_check_output_refuses_a_name_the_system_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be writable, but"):
        check_output(tmp_path / ("a" * 5000))


def test_write_json_round_trip_in_order(tmp_path: Path) -> None:
    path, content = tmp_path / "a.json", {"b": [1, 2.5, None], "a": {"text": "ü"}}
    write_json(path, content)
    assert json.loads(path.read_text(encoding="utf-8")) == content
    assert path.read_text().startswith('{\n  "b": [') and path.read_text().endswith("}\n")


def test_write_json_leaves_the_old_file_when_the_content_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)
    for content, error in ((float("nan"), ValueError), (object(), TypeError)):
        with pytest.raises(error):
            write_json(path, content)
    assert path.read_text() == "1\n"
    assert names_in(tmp_path) == ["a.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"sed": 1}, "run.toml: sed is not a setting; did you mean seed?"),
        ({"model": {"kind": "conv", "latent_dims": 3}}, "model.latent_dims is not a setting; did you mean latent_dim?"),
        ({"model": {"kind": "dense", "hiden": 3}}, "model.hiden is not a setting; did you mean hidden_size?"),
        ({"tone": {"shape": {"kind": "sharp", "slop": 3}}}, "tone.shape.slop is not a setting; did you mean slope?"),
        ({"layers": [{"kind": "conv", "chanels": 1}]}, "layers.0.chanels is not a setting; did you mean channels?"),
        ({"xyzzy": 1}, "run.toml: xyzzy is not a setting"),
        ({"seed": "many"}, "seed must be an integer, got 'many'"),
        ({"rate": float("nan")}, "rate must be a finite number, got nan"),
        ({"model": {"kind": "dense", "hidden_size": 0}}, "model.hidden_size must be at least 1, got 0"),
        ({"model": {"kind": "tree"}}, "model.kind must be one of 'conv', 'dense', got 'tree'"),
        ({"seed": 100}, "^run.toml: seed must be at most 99, got 100$"),
    ],
)
def test_settings_say_what_is_wrong(content: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        RunConfig.parse(content, source="run.toml")


def test_settings_without_a_near_name_suggest_none() -> None:
    with pytest.raises(InputError, match=r"xyzzy is not a setting$"):
        RunConfig.parse({"xyzzy": 1})


def test_settings_are_frozen_also_inside() -> None:
    config = RunConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 1
    with pytest.raises(ValidationError, match="frozen"):
        config.model.kind = "conv"


def test_settings_read_toml_and_json_alike(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('seed = 3\n[model]\nkind = "dense"\nhidden_size = 7\n')
    (tmp_path / "a.json").write_text('{"seed": 3, "model": {"kind": "dense", "hidden_size": 7}}')
    expected = RunConfig(seed=3, model=DenseConfig(hidden_size=7))
    assert RunConfig.read(tmp_path / "a.toml") == RunConfig.read(tmp_path / "a.json") == expected


def test_settings_overrides_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("seed = 3\nrate = 0.5\n")
    config = RunConfig.read(path, overrides=["seed=4", "model.kind=dense", "model.hidden_size=5", "seed=6"])
    assert config == RunConfig(seed=6, rate=0.5, model=DenseConfig(hidden_size=5))


def test_settings_write_what_read_reads(tmp_path: Path) -> None:
    config = RunConfig(seed=3, rate=1 / 3, model=DenseConfig(), tone=ToneConfig(shape=SharpConfig(slope=0.1)))
    config.write(tmp_path / "config.json")
    assert RunConfig.read(tmp_path / "config.json") == config
    assert json.loads((tmp_path / "config.json").read_text())["model"] == {"kind": "dense", "hidden_size": 32}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", b"seed = ", "must be valid TOML, got .*a.toml"),
        ("a.json", b"{", "must be valid JSON"),
        ("a.json", b"[1]", "must hold a table"),
        ("a.json", b"[" * 100_000, "must be valid JSON"),
        ("a.toml", b"\xff\xfe", "must be valid TOML"),
        ("a.toml", b"seed = 2024-01-01", "seed must be an integer, got 2024-01-01"),
    ],
)
def test_settings_refuse_malformed_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        RunConfig.read(tmp_path / name)


def test_settings_refuse_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(InputError, match="the settings file must exist"):
            RunConfig.read(path)


def test_override_changes_a_copy() -> None:
    content = {"model": {"depth": 3}}
    changed = override(content, ["model.depth=5", "model.kind = conv", "a.b.c=[1, 2]", "flag=true", 'text="x=y"'])
    assert changed == {"model": {"depth": 5, "kind": "conv"}, "a": {"b": {"c": [1, 2]}}, "flag": True, "text": "x=y"}
    assert content == {"model": {"depth": 3}}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("seed", "must be name=value, got 'seed'"),
        ("=3", "must be name=value, got '=3'"),
        ("seed.x=3", "where seed is a value"),
    ],
)
def test_override_refuses(assignment: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        override({"seed": 1}, [assignment])


def test_digest_is_stable() -> None:
    # the first 16 digits of: printf '{"kind": "sharp", "slope": 1.0}' | sha256sum
    assert SharpConfig().digest() == "5c3ed3010d15cc37"
    assert RunConfig(seed=1, rate=1).digest() == RunConfig.parse({"rate": 1.0, "seed": 1}).digest()
    assert RunConfig().digest() == RunConfig(model=ConvConfig(latent_dim=4)).digest()


def test_digest_feels_every_setting() -> None:
    configs = [
        RunConfig(),
        RunConfig(seed=1),
        RunConfig(rate=1.0000000000000002e-3),
        RunConfig(model=DenseConfig()),
        RunConfig(model=ConvConfig(channels=(16, 8))),
        RunConfig(tone=ToneConfig()),
        RunConfig(layers=[ConvConfig()]),
    ]
    assert len({config.digest() for config in configs}) == len(configs)
