"""The base of all settings: frozen, strict, read from TOML or JSON, overridden by ``name=value``."""

import copy
import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from intertone.errors import InputError
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
        """Write the completed settings as JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))

    def digest(self) -> str:
        """Return a short hash that is equal exactly when all settings are equal.

        Runs and caches on disk hold digests, so one must not change where a later version knows a setting more.
        """
        text = json.dumps(_counted(self, self.model_dump(mode="json")), sort_keys=True)
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
        except tomllib.TOMLDecodeError:
            table[last] = text.strip()
    return result


def _read_mapping(path: Path) -> dict[str, Json]:
    if not path.is_file():
        raise InputError(f"the settings file must exist, got {path}")
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise InputError(f"the settings file must be readable, got {error.strerror} for {path}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        language = "JSON" if path.suffix == ".json" else "TOML"
        raise InputError(f"the settings file must be valid {language}, got {path}: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"the settings file must hold a table, got {path}")
    return content


def _first_problem(cls: type[BaseModel], error: ValidationError, content: Json) -> str:
    problem = error.errors()[0]
    name = ".".join(_as_written(problem["loc"], content))
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(problem["loc"][-1]), sorted(set(_names(cls))), n=1, cutoff=0.5)
        return f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else "")
    message = problem["msg"].removeprefix("Value error, ")
    value = problem.get("input")
    got = "" if isinstance(value, dict) or problem["type"] == "value_error" else f", got {value!r}"
    return f"{name}: {message}{got}" if name else f"{message}{got}"


def _as_written(location: tuple[int | str, ...], content: Json) -> Iterator[str]:
    """Leave out the tag of a union, which Pydantic puts into the location but nobody wrote."""
    *inner, last = location or ("",)
    for part in inner:
        if isinstance(content, Mapping) and part not in content:
            continue
        yield str(part)
        if isinstance(content, Mapping):
            content = content.get(str(part))
        else:
            content = content[part] if isinstance(content, list) and isinstance(part, int) else None
    yield str(last)


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
