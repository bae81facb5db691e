"""Results on disk, each stored with a key of everything that it depends on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter

from intertone.errors import InputError
from intertone.files import disk_errors, write_json

R = TypeVar("R")

Key = Mapping[str, JsonValue]
"""Everything that a result depends on, as JSON data."""


def as_json(result: R, kind: type[R]) -> JsonValue:
    """Return a result of type ``kind`` as JSON data."""
    found: JsonValue = TypeAdapter(kind).dump_python(result, mode="json", by_alias=True)
    return found


def read_result(path: Path, kind: type[R]) -> R | None:
    """Return the result in the file ``path``, or None if the file does not exist.

    Args:
        path: The file.
        kind: Type of the result: a dataclass, or any other type that pydantic can validate.

    Raises:
        InputError: If the file cannot be read, or its content is no result of this type.
    """
    return read_lines(path, kind, whole=True)[0] if path.is_file() else None


def read_lines(path: Path, kind: type[R], *, whole: bool = False) -> list[R]:
    """Return the objects of a file with one JSON object per line or, if ``whole``, one object in the whole file.

    Raises:
        InputError: If the file cannot be read, or an object is not of type ``kind``.
    """
    adapter = TypeAdapter(kind)
    try:
        text = path.read_text(encoding="utf-8")
        return [adapter.validate_python(json.loads(part)) for part in ([text] if whole else text.splitlines())]
    except OSError as error:
        raise InputError(f"a result must be readable, got {error.strerror} for {path}") from None
    except (ValueError, RecursionError):
        raise _damaged(path) from None


def _damaged(path: Path) -> InputError:
    return InputError(f"a result must be complete, got a damaged one in {path}; delete the file to compute it again")


def write_result(path: Path, result: R, kind: type[R]) -> None:
    """Write ``result`` to ``path`` and create the folder; a file with the same content is not written again."""
    if read_result(path, kind) == result:
        return
    with disk_errors(path):
        path.parent.mkdir(exist_ok=True)
    write_json(path, as_json(result, kind))


def remembered(path: Path, key: Key, kind: type[R], make: Callable[[], R]) -> R:
    """Return the stored result if its key equals ``key``; otherwise compute and store it.

    Args:
        path: File of the stored result.
        key: Everything that the result depends on.
        kind: Type of the result.
        make: Computes the result.

    Raises:
        InputError: If the file is damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "results" / "sum.json"
        >>> [remembered(path, {"terms": [1, 2]}, dict[str, int], lambda: {"sum": found}) for found in (3, 4)]
        [{'sum': 3}, {'sum': 3}]
        >>> remembered(path, {"terms": [2, 2]}, dict[str, int], lambda: {"sum": 4})
        {'sum': 4}
    """
    known = read_result(path, dict[str, JsonValue]) or {}
    if known.get("key") == key:
        try:
            return TypeAdapter(kind).validate_python(known.get("result"))
        except ValueError:
            raise _damaged(path) from None
    result = make()
    write_result(path, {"key": dict(key), "result": as_json(result, kind)}, dict[str, JsonValue])
    return result
