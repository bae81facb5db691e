"""Writing files so that a name holds either what was there before or the finished new content."""

import errno
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from intertone.errors import InputError

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | None"
"""Content of JSON and TOML files."""

UNFINISHED: set[Path] = set()
"""Temporary files and folders that exist now; a process that ends without leaving their blocks must wait for them."""


@contextmanager
def disk_errors(path: Path | str) -> Iterator[None]:
    """Turn what the system says when ``path`` cannot be written into one sentence.

    Raises:
        InputError: If the block fails with an ``OSError``.

    Example:
        >>> with disk_errors("/nowhere/a.txt"):
        ...     Path("/nowhere/a.txt").write_text("lost")
        Traceback (most recent call last):
        ...
        intertone.errors.InputError: /nowhere/a.txt must be writable, but its folder does not exist
    """
    try:
        yield
    except OSError as error:
        raise _write_error(Path(path), error) from error


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary name beside ``path``; when the block ends without an error it becomes ``path``.

    The temporary file has the suffix of ``path``, is flushed to disk before it is renamed, and is removed when the
    block fails or is interrupted, so an existing file is only ever replaced by a finished one.

    Args:
        path: The file to make or replace; folders that it lies in are made.

    Returns:
        A context manager with the name to write to.

    Raises:
        InputError: If ``path`` cannot be written: no permission, or no space left.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> with replacing(folder / "a.txt") as temporary:
        ...     _ = temporary.write_text("done")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    path = Path(path)
    with _folders(path):
        remove_leftovers(path.absolute().parent)
        try:
            descriptor, name = tempfile.mkstemp(prefix=temporary_prefix(), suffix=path.suffix, dir=path.parent)
        except OSError as error:
            raise _write_error(path, error) from error
        os.close(descriptor)
        temporary = Path(name)
        UNFINISHED.add(temporary)
        yield from _replace(temporary, path)


def _replace(temporary: Path, path: Path) -> Iterator[Path]:
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise _write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
        UNFINISHED.discard(temporary)


@contextmanager
def staged_folder(folder: Path | str, *, older: Iterable[str] = ()) -> Iterator[Path]:
    """Give an empty temporary folder; when the block ends without an error its files move into ``folder``.

    Args:
        folder: Made if it does not exist, with those that it lies in; files of the same name are replaced, others stay.
        older: Names of files of an earlier run, which are removed when the new ones are in their places.

    Returns:
        A context manager with the folder to write to.

    Raises:
        InputError: If ``folder`` cannot be written.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> with staged_folder(folder / "new") as temporary:
        ...     _ = (temporary / "a.txt").write_text("done")
        >>> [file.name for file in (folder / "new").iterdir()]
        ['a.txt']
    """
    folder = Path(folder).absolute()
    with _folders(folder):
        remove_leftovers(folder.parent)
        try:
            staged = Path(tempfile.mkdtemp(prefix=temporary_prefix(), dir=folder.parent))
        except OSError as error:
            raise _write_error(folder, error) from error
        UNFINISHED.add(staged)
        yield from _move(staged, folder, older)


def _move(staged: Path, folder: Path, older: Iterable[str]) -> Iterator[Path]:
    try:
        yield staged
        files = sorted(staged.iterdir())
        for file in files:
            if (folder / file.name).is_dir():
                raise InputError(f"the output must be a regular file, got the folder {folder / file.name}")
        folder.mkdir(exist_ok=True)
        for file in files:
            file.replace(folder / file.name)
        for name in set(older) - {file.name for file in files}:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _write_error(folder, error) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        UNFINISHED.discard(staged)


def regular(path: Path) -> Path:
    """Return ``path``, which a program can read without waiting for another: it is a regular file, or nothing.

    Raises:
        OSError: If it is a pipe, a device or a folder.

    Example:
        >>> regular(Path(os.devnull))
        Traceback (most recent call last):
        ...
        OSError: [Errno 22] it is no regular file: '/dev/null'
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path


def temporary_prefix() -> str:
    """Return the beginning of the names of this process's temporary files, which names the computer and the process."""
    return f"{_computer_prefix()}{os.getpid()}-"


@cache
def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes that were killed on this computer, once for each folder.

    Files of processes that live, or that run elsewhere, stay; so does what cannot be removed.

    Args:
        folder: The folder, absolute.
    """
    with suppress(OSError):
        for path in folder.glob(f"{_computer_prefix()}*"):
            process = path.name.removeprefix(_computer_prefix()).partition("-")[0]
            if process.isdecimal() and not _lives(int(process)):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


@cache
def _computer_prefix() -> str:
    """Return a prefix of this computer, and of the container that counts the processes, if it is one."""
    parts = [os.uname().nodename if hasattr(os, "uname") else ""]
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    return f".intertone-{zlib.crc32(os.fsencode(' '.join(parts))):08x}-"


def _lives(process: int) -> bool:
    if os.name != "posix":  # elsewhere the question would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True


def check_output(path: Path | str, inputs: Iterable[Path | str] = (), *, replace: bool = True) -> Path:
    """Refuse an output that would destroy an input or is no regular file, before any work is done.

    Args:
        path: Where the result shall go.
        inputs: The files that are read.
        replace: Whether a file that exists may be replaced.

    Returns:
        ``path`` as a ``Path``.

    Raises:
        InputError: If ``path`` is one of ``inputs``, exists and is no regular file or must not be replaced, or lies in
            a folder that cannot be made or written to.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"the output must be a regular file, got {path}, which is something else")
        for source in inputs:
            if path.exists() and Path(source).exists() and path.samefile(source):
                raise InputError(f"the output must not be one of the inputs, got {path} for both")
        if not replace and path.exists():
            raise InputError(f"the output must be a new file, or --force must be given, got {path}, which exists")
    except OSError as error:
        raise _write_error(path, error) from error
    _check_place(path)
    return path


def check_output_folder(path: Path | str) -> Path:
    """Refuse an output folder that cannot be made or written to, before any work is done.

    Args:
        path: The folder; neither it nor those that it lies in need exist.

    Returns:
        ``path`` as a ``Path``.

    Raises:
        InputError: If ``path`` is something else than a folder, or could not be made or written to.
    """
    path = Path(path)
    with disk_errors(path):
        if path.exists() and not path.is_dir():
            raise InputError(f"the output must be a folder, got {path}, which is something else")
        _check_place(path / "file")
        path.absolute().is_symlink()  # a name that is too long is refused by the system here
    return path


def check_own_folder(path: Path | str, known: Iterable[str], what: str) -> Path:
    """Refuse an output folder that holds something else than what would be written there.

    Args:
        path: The folder; new, empty, or with ``known`` names only.
        known: Names that may stand in it.
        what: What the folder would become, for the error.

    Returns:
        ``path`` as a ``Path``.

    Raises:
        InputError: If the folder holds other names, or cannot be written.
    """
    path = Path(path)
    with disk_errors(path):
        if not path.is_dir():
            return path
        other = sorted(
            {entry.name for entry in path.iterdir() if not entry.name.startswith(".intertone-")} - set(known)
        )
    if other:
        raise InputError(f"the output must be a new or empty folder or {what}, got {path}, which holds {other[0]}")
    return path


def write_json(path: Path | str, content: Any) -> None:
    """Write ``content`` as indented JSON, atomically.

    Args:
        path: The file to make or replace.
        content: Anything ``json`` can write; keys stay in their order.

    Raises:
        InputError: If the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def readable_name(name: str) -> str:
    r"""Return a file's name as text that can be written and drawn; bytes that are not UTF-8 become their numbers.

    Example:
        >>> readable_name(os.fsdecode(bytes([103, 108, 252, 99, 107])))
        'gl\\xfcck'
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def mebibytes(size: float) -> str:
    """Return a size in bytes as text in MiB.

    Example:
        >>> mebibytes(3 * 2**19)
        '1.5 MiB'
    """
    return f"{size / 2**20:.4g} MiB"


@contextmanager
def _folders(path: Path) -> Iterator[None]:
    """Make the folders that ``path`` lies in; when the block fails, those that are empty are removed again."""
    missing = [parent for parent in path.absolute().parents if not parent.exists()]
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _write_error(path, error) from error
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # something else was put there meanwhile
                folder.rmdir()
        raise


def _check_place(path: Path) -> None:
    """Refuse a file whose folder exists and is none, or could not be made or written to."""
    place = path.absolute().parent
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise InputError(f"the output's folder must be a folder, got {place}, which is something else")
    if not os.access(place, os.W_OK):
        raise InputError(f"the output's folder must be writable, got {place}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_error(path: Path, error: OSError) -> InputError:
    reason = {
        errno.ENOSPC: "there is no space left on the disk",
        errno.EDQUOT: "the disk quota is used up",
        errno.EACCES: "permission is denied",
        errno.EROFS: "the disk is read-only",
        errno.ENOENT: "its folder does not exist",
        errno.EFBIG: "it would be larger than the system allows",
    }.get(error.errno or 0, error.strerror or str(error))
    return InputError(f"{path} must be writable, but {reason}")
