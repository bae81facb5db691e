"""Base class of all settings: frozen, strict, read from TOML or JSON, overridden by ``name=value``."""

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
    """Base of every ``<Thing>Config``: immutable; infinite numbers, NaN and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    later: ClassVar[frozenset[str]] = frozenset()
    """Names of settings that are younger than saved digests: ``digest`` and files omit them at their default value."""

    removed: ClassVar[frozenset[str]] = frozenset()
    """Names of settings that only earlier versions have: they are ignored in settings that such a version has saved."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_removed(cls, content: object) -> object:
        # saved settings name every field; in an incomplete file, which a person wrote, the name is refused as unknown
        if isinstance(content, dict) and cls.model_fields.keys() - cls.later <= content.keys():
            return {name: value for name, value in content.items() if name not in cls.removed}
        return content

    @classmethod
    def parse(cls, content: Mapping[str, Any], *, source: str = "the settings") -> Self:
        """Check ``content`` and complete it with the defaults.

        Args:
            content: Nested mapping, as read from TOML or JSON.
            source: Name of the origin in an error sentence.

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
            intertone.errors.InputError: the settings: rat is not a setting; did you mean rate?
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
        """Write all settings as JSON, atomically; settings of ``later`` at their default value are left out."""
        write_json(path, self.counted())

    def counted(self) -> dict[str, Json]:
        """Return the settings as JSON content without those of ``later`` that have their default value."""
        return _without_later_defaults(self, self.model_dump(mode="json"))

    def digest(self) -> str:
        """Return a hash of 16 hexadecimal digits of all settings.

        Runs and caches on disk store digests, so a new setting must not change them: see ``later``.
        """
        text = json.dumps(self.counted(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_later_defaults(settings: Settings, dumped: dict[str, Json]) -> dict[str, Json]:
    """Return ``dumped`` without settings of ``later`` that have their default value; nested settings likewise."""
    counted = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if name not in settings.later or value != field.default:
            part = dumped[name]
            counted[name] = (
                _without_later_defaults(value, part) if isinstance(value, Settings) and isinstance(part, dict) else part
            )
    return counted


def override(content: Mapping[str, Json], assignments: Iterable[str]) -> dict[str, Any]:
    """Return a copy of nested ``content`` with ``name.name=value`` assignments applied.

    Args:
        content: Nested mapping.
        assignments: Texts ``name.name=value``; the value is TOML, but a plain word needs no quotes.

    Returns:
        The changed copy.

    Raises:
        InputError: If an assignment has no ``=``, or a name before the last one is not a table.

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
"""Largest nesting depth of tables and lists in a settings file."""


def check_settings_file(path: Path) -> Path:
    """Return the path of a settings file.

    Raises:
        InputError: If ``path`` is not a file.
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
    # a misspelt mandatory key is both unknown and missing; the sentence on the unknown key is the more helpful one
    problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
    name = ".".join(_as_written(problem["loc"], content))
    if problem["type"] == "extra_forbidden":
        return f"{name} is not a setting{did_you_mean(str(problem['loc'][-1]), _names(cls))}"
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
"""Sentence parts by Pydantic's error type, for errors whose Pydantic message is not plain."""

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
"""Names of types in error sentences, by the first word of Pydantic's error type."""


def requirement(problem: Mapping[str, Any]) -> str:
    """Return the requirement that a refused value does not meet, such as ``must be at least 0``.

    Args:
        problem: An item of ``errors()`` of Pydantic's ``ValidationError``.
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
    """Return the refused value as text for an error sentence."""
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
    """Yield the names of a location without union tags, which Pydantic inserts and the settings do not contain."""
    *inner, last = location or ("",)
    for part in inner:
        if isinstance(content, Mapping) and part not in content:
            continue
        yield shortened(str(part))
        if isinstance(content, Mapping):
            content = content.get(str(part))
        else:
            content = content[part] if isinstance(content, list) and isinstance(part, int) else None
    if isinstance(content, Mapping | list | tuple):  # otherwise the last name is a union tag
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
