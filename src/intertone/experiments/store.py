"""Results on disk: what was found once, with what it depends on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intertone.errors import InputError
from intertone.files import disk_errors, write_json

Result = dict[str, Any]


def read_result(path: Path) -> Result:
    """Return what lies in ``path``, or nothing where there is no such file.

    Raises:
        InputError: If it is damaged.
    """
    if not path.is_file():
        return {}
    (result,) = read_lines(path, whole=True)
    return result


def read_lines(path: Path, *, whole: bool = False) -> list[Result]:
    """Return the objects of a file that has one in each line, or is one as a whole.

    Raises:
        InputError: If it is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = [json.loads(part) for part in ([text] if whole else text.splitlines())]
        if all(isinstance(one, dict) for one in found):
            return found
    except OSError as error:
        raise InputError(f"a result must be readable, got {error.strerror} for {path}") from None
    except (ValueError, RecursionError):
        pass
    raise InputError(f"a result must be whole, got a damaged one in {path}; without it, it is found anew")


def write_result(path: Path, result: Result) -> None:
    """Write ``result`` to ``path``, making its folder; a file that holds just that is left alone."""
    if read_result(path) == result:
        return
    with disk_errors(path):
        path.parent.mkdir(exist_ok=True)
    write_json(path, result)


def remembered(path: Path, key: dict[str, Any], make: Callable[[], Result]) -> Result:
    """Return what ``make`` gives, or gave when it was asked with an equal ``key``.

    Args:
        path: Where it is remembered.
        key: All that the result depends on, as JSON can hold it.
        make: Makes the result.

    Returns:
        The result.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "results" / "sum.json"
        >>> [remembered(path, {"terms": [1, 2]}, lambda: {"sum": found}) for found in (3, 4)]
        [{'sum': 3}, {'sum': 3}]
        >>> remembered(path, {"terms": [2, 2]}, lambda: {"sum": 4})
        {'sum': 4}
    """
    known = read_result(path)
    if known.get("key") != key:
        known = {"key": key, "result": make()}
        write_result(path, known)
    return known["result"]
