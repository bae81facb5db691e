"""The base of all settings: frozen, strict, read from TOML or JSON, overridden by ``name=value``."""

import copy
import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from intertone.errors import InputError, did_you_mean, shortened
from intertone.files import Json, write_json


class Settings(BaseModel):
    """Base of every ``<Thing>Config``: immutable, finite numbers, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    later: ClassVar[frozenset[str]] = frozenset()
    """Settings that came after digests were saved: they count only where they are not at their default."""

    removed: ClassVar[frozenset[str]] = frozenset()
    """Settings that earlier versions saved and that follow from others now: saved settings are read without them."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_removed(cls, content: object) -> object:
        # saved settings are complete; what somebody wrote is refused as any unknown name
        if isinstance(content, dict) and cls.model_fields.keys() - cls.later <= content.keys():
            return {name: value for name, value in content.items() if name not in cls.removed}
        return content

    @classmethod
    def parse(cls, content: Mapping[str, Any], *, source: str = "the settings") -> Self:
        """Check ``content`` and complete it with the defaults.

        Args:
            content: Nested mapping, as read from TOML or JSON.
            source: What to call the origin in an error.

        Returns:
            The completed settings.

        Raises:
            InputError: If a name is unknown (with the nearest known one) or a value is not allowed.

        Example:
            >>> class SpeedConfig(Settings):
            ...     rate: int = 3
            >>> SpeedConfig.parse({"rat": 4})
            Traceback (most recent call last):
            ...
            intertone.errors.InputError: the settings: rat is no setting; did you mean rate?
        """
        try:
            return cls.model_validate(dict(content))
        except ValidationError as error:
            raise InputError(f"{source}: {_first_problem(cls, error, content)}") from None

    @classmethod
    def read(cls, path: Path | str, *, overrides: Iterable[str] = ()) -> Self:
        """Read settings from a ``.toml`` or ``.json`` file.

        Args:
            path: The file.
            overrides: ``name.name=value`` assignments that win over the file, the value in TOML.

        Returns:
            The completed settings.

        Raises:
            InputError: If the file is missing, malformed, or names something unknown.
        """
        path = Path(path)
        content = override(_read_mapping(path), overrides)
        return cls.parse(content, source=str(path))

    def write(self, path: Path | str) -> None:
        """Write the completed settings as JSON, atomically; ``later`` ones at their defaults are left out."""
        write_json(path, self.counted())

    def counted(self) -> dict[str, Json]:
        """Return the settings as JSON without ``later`` ones at their defaults, as an earlier version wrote them."""
        return _counted(self, self.model_dump(mode="json"))

    def digest(self) -> str:
        """Return a short hash that is equal exactly when all settings are equal.

        Runs and caches on disk hold digests, so one must not change where a later version knows a setting more.
        """
        text = json.dumps(self.counted(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _counted(settings: Settings, dumped: dict[str, Json]) -> dict[str, Json]:
    """Return the dumped settings without the later ones that are at their defaults, those of tables inside too."""
    counted = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if name not in settings.later or value != field.default:
            part = dumped[name]
            counted[name] = _counted(value, part) if isinstance(value, Settings) and isinstance(part, dict) else part
    return counted


def override(content: Mapping[str, Json], assignments: Iterable[str]) -> dict[str, Any]:
    """Return a copy of nested ``content`` with ``name.name=value`` assignments applied.

    Args:
        content: Nested mapping.
        assignments: Each ``path=value``; the value is TOML, and plain words need no quotes.

    Returns:
        The changed copy.

    Raises:
        InputError: If an assignment has no ``=`` or passes through something that is no table.

    Example:
        >>> override({"model": {"depth": 3}}, ["model.depth=5", "model.kind=conv"])
        {'model': {'depth': 5, 'kind': 'conv'}}
    """
    result: dict[str, Any] = copy.deepcopy(dict(content))
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if not separator or not name.strip():
            raise InputError(f"an override must be name=value, got {assignment!r}")
        *tables, last = name.strip().split(".")
        table = result
        for key in tables:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise InputError(f"an override must name a setting, got {assignment!r}, where {key} is a value")
        try:
            table[last] = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            table[last] = text.strip()
    return result


MOST_LEVELS = 32
"""Largest number of tables within each other in a settings file."""


def check_settings_file(path: Path) -> Path:
    """Return the path of a settings file, refused if there is none.

    Raises:
        InputError: If it is no file.
    """
    if not os.path.isfile(path):  # noqa: PTH113, Path.is_file raises for a name that is too long
        raise InputError(f"the settings file must exist, got {path}")
    return path


def _read_mapping(path: Path) -> dict[str, Json]:
    check_settings_file(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise InputError(f"the settings file must be readable, got {error.strerror} for {path}") from None
    except (ValueError, RecursionError) as error:
        language = "JSON" if path.suffix == ".json" else "TOML"
        raise InputError(f"the settings file must be valid {language}, got {path}: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"the settings file must hold a table, got {path}")
    if _is_deeper(content, MOST_LEVELS):
        raise InputError(f"the settings file must have at most {MOST_LEVELS} levels of tables, got more in {path}")
    return content


def _is_deeper(content: Json, levels: int) -> bool:
    inside = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return bool(inside) and (levels == 0 or any(_is_deeper(each, levels - 1) for each in inside))


def _first_problem(cls: type[BaseModel], error: ValidationError, content: Json) -> str:
    problems = error.errors()
    # a misspelt key that must be given is two problems, of which this one says what to do
    problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
    name = ".".join(_as_written(problem["loc"], content))
    if problem["type"] == "extra_forbidden":
        return f"{name} is no setting{did_you_mean(str(problem['loc'][-1]), _names(cls))}"
    if problem["type"] == "value_error":
        message = problem["msg"].removeprefix("Value error, ")
        return f"{name}: {message}" if name else message
    if "discriminator" in problem.get("ctx", {}):
        name = f"{name}.{problem['ctx']['discriminator'].strip(chr(39))}"
    return f"{name} {requirement(problem)}, got {_value(problem)}"


REQUIREMENTS = {
    "missing": "must be given",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "union_tag_not_found": "must be given",
    "union_tag_invalid": "must be one of {expected_tags}",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} or fewer entries",
    "finite_number": "must be a finite number",
}
"""Requirements in words, by Pydantic's name of the problem, where its own sentence is not plain."""

KINDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "tuple": "a list",
    "list": "a list",
    "dict": "a table",
    "model": "a table",
}
"""Requirements of a value, by the beginning of Pydantic's name of the problem."""


def requirement(problem: Mapping[str, Any]) -> str:
    """Return what must hold of a value that was refused, ``must be at least 0`` for instance.

    Args:
        problem: One of ``errors()`` of Pydantic's ``ValidationError``.
    """
    name = problem["type"]
    if name in REQUIREMENTS:
        facts = {
            key: f"{value:g}" if isinstance(value, float) else value for key, value in problem.get("ctx", {}).items()
        }
        return REQUIREMENTS[name].format(**facts)
    kind = KINDS.get(name.split("_")[0])
    if kind is not None and name.endswith(("_type", "_parsing", "_from_float")):
        return f"must be {kind}"
    return str(problem["msg"]).replace("Input should", "must", 1)


def _value(problem: Mapping[str, Any]) -> str:
    """Return the value that was refused, as it is to be read in a sentence."""
    match problem["type"]:
        case "missing" | "union_tag_not_found":
            return "none"
        case "union_tag_invalid":
            return shortened(repr(problem["ctx"]["tag"]))
        case _:
            value = problem["input"]
            text = "a table" if isinstance(value, Mapping) else repr(value) if isinstance(value, str) else str(value)
            return shortened(text)


def _as_written(location: tuple[int | str, ...], content: Json) -> Iterator[str]:
    """Leave out the tag of a union, which Pydantic puts into the location but nobody wrote."""
    *inner, last = location or ("",)
    for part in inner:
        if isinstance(content, Mapping) and part not in content:
            continue
        yield shortened(str(part))
        if isinstance(content, Mapping):
            content = content.get(str(part))
        else:
            content = content[part] if isinstance(content, list) and isinstance(part, int) else None
    if isinstance(content, Mapping | list | tuple):  # else the tag of a union of values
        yield shortened(str(last))


def _names(cls: type[BaseModel]) -> Iterator[str]:
    for name, field in cls.model_fields.items():
        yield name
        yield from _nested_names(field.annotation)


def _nested_names(annotation: Any) -> Iterator[str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _names(annotation)
    elif isinstance(annotation, UnionType) or get_args(annotation):
        for part in get_args(annotation):
            yield from _nested_names(part)
