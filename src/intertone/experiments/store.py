"""Results on disk: what was found once, with what it depends on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter

from intertone.errors import InputError
from intertone.files import disk_errors, write_json

R = TypeVar("R")

Key = Mapping[str, JsonValue]
"""All that a result depends on, as JSON can hold it."""


def as_json(result: R, kind: type[R]) -> JsonValue:
    """Return a result as JSON can hold it."""
    found: JsonValue = TypeAdapter(kind).dump_python(result, mode="json", by_alias=True)
    return found


def read_result(path: Path, kind: type[R]) -> R | None:
    """Return the result in ``path``, or None where there is no such file.

    Args:
        path: The file.
        kind: What it holds: a dataclass, or anything else that pydantic can check.

    Raises:
        InputError: If it is damaged.
    """
    return read_lines(path, kind, whole=True)[0] if path.is_file() else None


def read_lines(path: Path, kind: type[R], *, whole: bool = False) -> list[R]:
    """Return the objects of a file that has one in each line, or is one as a whole.

    Raises:
        InputError: If it is damaged.
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
    return InputError(f"a result must be whole, got a damaged one in {path}; without it, it is found anew")


def write_result(path: Path, result: R, kind: type[R]) -> None:
    """Write ``result`` to ``path``, making its folder; a file that holds just that is left alone."""
    if read_result(path, kind) == result:
        return
    with disk_errors(path):
        path.parent.mkdir(exist_ok=True)
    write_json(path, as_json(result, kind))


def remembered(path: Path, key: Key, kind: type[R], make: Callable[[], R]) -> R:
    """Return what ``make`` gives, or gave when it was asked with an equal ``key``.

    Args:
        path: Where it is remembered.
        key: All that the result depends on.
        kind: What the result is.
        make: Makes the result.

    Returns:
        The result.

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
