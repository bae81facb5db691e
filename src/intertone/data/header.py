"""``notes.json``: what a note set says of itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intertone.data.split import SPLITS
from intertone.errors import InputError

FORMAT = 1
_COUNTED = ("notes", "instruments", "groups")
_DIGESTS = {
    "files_sha256": "a sound was added, removed or changed since",
    "sha256": "the bank is another one",
}


def read_header(folder: Path | str, *, finished: bool = False) -> dict[str, Any]:
    """Read ``notes.json``.

    Args:
        folder: The note set.
        finished: Refuse a set that is only begun.

    Returns:
        Its content; of a finished set with ``skipped`` and ``remarks``, empty where an older writer gave none.

    Raises:
        InputError: If there is none, it is damaged or of another format, or the set must be finished and is not.
    """
    path = Path(folder) / "notes.json"
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"a note set must have a notes.json, got {folder}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be readable JSON, got {error}") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{path} must describe a note set of format {FORMAT}")
    kinds: dict[str, type] = {"sample_rate": int, "samples": int, "kind": str, "settings": dict, "finished": bool}
    if header.get("finished"):
        header = {"skipped": {}, "remarks": []} | header
        kinds |= {"shards": list, "counts": dict, "skipped": dict, "remarks": list}
    for name, kind in kinds.items():
        if not isinstance(header.get(name), kind):
            raise InputError(f"{path} must give {name} as {kind.__name__}, got {header.get(name)!r}")
    if finished and not header["finished"]:
        raise InputError(f"the note set must be finished, got {folder}; run the command that began it again")
    for split in SPLITS if header["finished"] else ():
        found = header["counts"].get(split)
        if not isinstance(found, dict) or not all(isinstance(found.get(name), int) for name in _COUNTED):
            raise InputError(f"{path} must count {', '.join(_COUNTED)} of {split}, got {found!r}")
    return header


def first_difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say in words where the settings of a set differ from those that are wanted; empty if nowhere."""
    for name, value in wanted.items():
        was = found.get(name)
        if was != value and isinstance(was, dict) and isinstance(value, dict):
            for inner in {**was, **value}:
                if was.get(inner) != value.get(inner):
                    if inner in _DIGESTS:
                        return _DIGESTS[inner]
                    return f"{inner} was {was.get(inner)} there and is {value.get(inner)} now"
        if was != value:
            return f"{name} was {was} there and is {value} now"
    return ""
