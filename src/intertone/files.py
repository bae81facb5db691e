"""Atomic writing: a file holds either its previous or its complete new content, never a part of it."""

import errno
import json
import os
import shutil
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
"""Temporary files and folders that exist or are about to be made; the process must not end before they are removed."""


@contextmanager
def disk_errors(path: Path | str) -> Iterator[None]:
    """Replace an ``OSError`` of the block by an ``InputError`` whose sentence says why ``path`` cannot be written.

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
    """Give a temporary file in the folder of ``path``, and rename it to ``path`` when the block ends without an error.

    The temporary file has the suffix of ``path``. It is flushed to disk before it is renamed, and removed when the
    block fails or is interrupted, so an existing file is only replaced by a complete one.

    Args:
        path: The file to make or replace; missing parent folders are made.

    Returns:
        A context manager that gives the path of the temporary file.

    Raises:
        InputError: If ``path`` cannot be written: no permission, or no space left.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with replacing(folder / "a.txt") as temporary:
        ...     _ = temporary.write_text("done")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    path = Path(path)
    with _folders(path):
        remove_leftovers(path.absolute().parent)
        with disk_errors(path), _temporary(path.parent, path.suffix) as temporary:
            temporary.touch(mode=0o600, exist_ok=False)
            yield temporary
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)


@contextmanager
def staged_folder(folder: Path | str, *, older: Iterable[str] = ()) -> Iterator[Path]:
    """Give an empty temporary folder, and move its files into ``folder`` when the block ends without an error.

    Args:
        folder: It is made if it does not exist, with its parents. Files of the same name are replaced, others stay.
        older: Names of files of an earlier run in ``folder``, which are removed after the new files have been moved.

    Returns:
        A context manager that gives the path of the temporary folder.

    Raises:
        InputError: If ``folder`` cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with staged_folder(folder / "new") as temporary:
        ...     _ = (temporary / "a.txt").write_text("done")
        >>> [file.name for file in (folder / "new").iterdir()]
        ['a.txt']
    """
    folder = Path(folder).absolute()
    with _folders(folder), disk_errors(folder), temporary_folder(folder.parent) as staged:
        yield staged
        _move(staged, folder, older)


def _move(staged: Path, folder: Path, older: Iterable[str]) -> None:
    files = sorted(staged.iterdir())
    for file in files:
        if (folder / file.name).is_dir():
            raise InputError(f"the output must be a regular file, got the folder {folder / file.name}")
    folder.mkdir(exist_ok=True)
    for file in files:
        file.replace(folder / file.name)
    for name in set(older) - {file.name for file in files}:
        (folder / name).unlink(missing_ok=True)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Give an empty folder in ``parent``, and remove it with its files when the block ends.

    Args:
        parent: Absolute path of an existing folder.

    Returns:
        A context manager that gives the path of the folder.

    Raises:
        OSError: If the folder cannot be made.
    """
    remove_leftovers(parent)
    with _temporary(parent) as folder:
        folder.mkdir(mode=0o700)
        yield folder


@contextmanager
def _temporary(parent: Path, suffix: str = "") -> Iterator[Path]:
    """Give a new path in ``parent`` for a file or folder, and remove what is there when the block ends.

    The path is in ``UNFINISHED`` before anything is made there, so an interruption at any moment leaves nothing.
    """
    path = parent / f"{temporary_prefix()}{os.urandom(4).hex()}{suffix}"
    UNFINISHED.add(path)
    try:
        yield path
    finally:
        with suppress(OSError):  # it would replace the exception of the block; the end of the process tries again
            _remove(path)
            UNFINISHED.discard(path)


def remove_unfinished() -> None:
    """Remove what an interruption during its own removal has left; it is called at the end of the process."""
    for path in list(UNFINISHED):  # a thread may change it meanwhile
        with suppress(OSError):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def regular(path: Path) -> Path:
    """Return ``path`` if it is a regular file or does not exist, so that reading it cannot block.

    Raises:
        OSError: If ``path`` is a pipe, a device or a folder.

    Example:
        >>> regular(Path(os.devnull))
        Traceback (most recent call last):
        ...
        OSError: [Errno 22] it is not a regular file: '/dev/null'
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return path


def temporary_prefix() -> str:
    """Return the prefix of this process's temporary files, which identifies the computer and the process."""
    return f"{_computer_prefix()}{os.getpid()}-"


@cache
def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes that were killed on this computer; each folder is searched once.

    Files of running processes and of other computers stay. Failures are ignored.

    Args:
        folder: Absolute path of the folder.
    """
    with suppress(OSError):
        for path in folder.glob(f"{_computer_prefix()}*"):
            process = path.name.removeprefix(_computer_prefix()).partition("-")[0]
            if process.isdecimal() and not _lives(int(process)):
                _remove(path)


@cache
def _computer_prefix() -> str:
    """Return a prefix that identifies this computer, its PID namespace (container) and its boot."""
    parts = [os.uname().nodename if hasattr(os, "uname") else ""]
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    return f".intertone-{zlib.crc32(os.fsencode(' '.join(parts))):08x}-"


def _lives(process: int) -> bool:
    if os.name != "posix":  # on Windows, os.kill with signal 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # the process exists and belongs to another user
        pass
    return True


def check_output(path: Path | str, inputs: Iterable[Path | str] = (), *, replace: bool = True) -> Path:
    """Refuse an output file that is an input, not a regular file or not writable, before the work begins.

    Args:
        path: The output file.
        inputs: The input files.
        replace: Whether a file that exists may be replaced.

    Returns:
        ``path`` as a ``Path``.

    Raises:
        InputError: If ``path`` is one of ``inputs``, exists and is not a regular file or must not be replaced, or lies
            in a folder that cannot be made or written to.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            kind = "which is a folder" if path.is_dir() else "which is not one"
            raise InputError(f"the output must be a regular file, got {path}, {kind}")
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
    """Refuse an output folder that cannot be made or written to, before the work begins.

    Args:
        path: The folder; neither it nor its parents need to exist.

    Returns:
        ``path`` as a ``Path``.

    Raises:
        InputError: If ``path`` exists and is not a folder, or cannot be made or written to.
    """
    path = Path(path)
    with disk_errors(path):
        if path.exists() and not path.is_dir():
            raise InputError(f"the output must be a folder, got {path}, which is not one")
        _check_place(path / "file")
        path.absolute().is_symlink()  # raises an OSError for a name that is too long
    return path


def check_own_folder(path: Path | str, known: Iterable[str], what: str) -> Path:
    """Refuse an output folder that holds other files than the known ones.

    Args:
        path: The folder; it must be new, empty, or hold only files of ``known`` names.
        known: Names that the folder may hold.
        what: Whose folder it must be, for the error sentence, such as ``"an evaluation's"``.

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
        content: Any value that ``json.dumps`` accepts; NaN and infinity are refused.

    Raises:
        InputError: If the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def readable_name(name: str) -> str:
    r"""Return a file name as valid text; bytes that are not UTF-8 become escapes such as ``\xfc``.

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
    """Make the parent folders of ``path``; when the block fails, remove those that were made and are empty."""
    missing = [parent for parent in path.absolute().parents if not parent.exists()]
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _write_error(path, error) from error
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # it fails if the folder is no longer empty
                folder.rmdir()
        raise


def _check_place(path: Path) -> None:
    """Refuse a file whose nearest existing parent is not a folder or is not writable."""
    place = path.absolute().parent
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise InputError(f"the output's folder must be a folder, got {place}, which is not one")
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
