"""The arguments of an entry, compared with its own signature, so that a new entry needs no schema.

A boolean is not a number, and a number is not a string; NumPy's numbers count as numbers and its arrays as lists.
Recipes, studies, estimators and training settings all use this one definition.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from numbers import Integral
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from narrows.errors import NarrowsError, RecipeError, nearest
from narrows.registry import name_of

Schema = TypeVar("Schema", bound=BaseModel)

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a string",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "dataclass_type": "a mapping",
}
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def arguments_of(entry: Callable[..., Any], *, given_by_us: tuple[str, ...] = ()) -> dict[str, inspect.Parameter]:
    """Return the arguments a person may set on ``entry``: those of its signature that are not ``given_by_us``.

    Annotations are resolved to types, so that values can be checked against them.
    """
    hints = get_type_hints(entry.__init__ if inspect.isclass(entry) else entry)
    return {
        name: parameter.replace(annotation=hints.get(name, Any))
        for name, parameter in inspect.signature(entry).parameters.items()
        if name not in given_by_us and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


def checked(
    entry: Callable[..., Any], given: Mapping[str, Any], where: str = "", *, given_by_us: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the arguments ``given`` to ``entry`` as plain values, and its defaults for those that are not.

    Parameters
    ----------
    entry : a class or a function, whose annotations say what it takes
    given : name -> value
    where : what a message puts before an argument's name, such as "net."
    given_by_us : arguments that a person may not set

    Raises
    ------
    RecipeError : an argument that is unknown (with the nearest known one), missing or of the wrong type
    """
    return dict(parsed(_schema(entry, given_by_us), given, where))


def parsed(schema: type[Schema], given: Mapping[str, Any], where: str = "") -> Schema:
    """Return ``given`` as ``schema`` has it; see ``checked``."""
    try:
        # Read from JSON, strict checking still takes a list for a tuple.
        return schema.model_validate_json(json.dumps(_plain(given, where)))
    except ValidationError as error:
        raise _explained(error, schema, given, where) from None


def whole_number(setting: str, value: Any, least: int = 1, most: float = math.inf) -> int:
    """Return ``value`` as an int; NumPy's integers are accepted, booleans are not.

    Raises
    ------
    RecipeError : it is not a whole number from ``least`` to ``most``
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
        limits = f">= {least}" if most == math.inf else f"from {least} to {most}"
        raise RecipeError(setting, f"must be a whole number {limits}", value=value)
    return int(value)


def positive(setting: str, value: float) -> float:
    """Return ``value``.

    Raises
    ------
    RecipeError : it is not a finite number above 0
    """
    if not 0 < value < math.inf:
        raise RecipeError(setting, "must be a number > 0", value=value)
    return value


@lru_cache(maxsize=256)
def _schema(entry: Callable[..., Any], given_by_us: tuple[str, ...]) -> type[BaseModel]:
    accepted: dict[str, Any] = {
        name: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in arguments_of(entry, given_by_us=given_by_us).items()
    }
    return create_model("Arguments", __config__=STRICT, **accepted)


def _plain(value: Any, where: str) -> Any:
    """Return what JSON can say of a value; ``where`` is what a message puts before the names inside it."""
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        value = value.tolist()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(content, f"{where}{key}.") for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(content, where) for content in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, type):
        return name_of(value)
    name = where.rstrip(".") or "a setting"
    raise RecipeError(name, "must be a number, a string, a boolean, or a list or mapping of these", value=value)


def _explained(error: ValidationError, schema: type[BaseModel], given: Any, where: str) -> NarrowsError:
    """Turn pydantic's first complaint into one of ours; a value that may be of several kinds has one for each."""
    # What does not exist comes first, since it may be why something else is missing; then what lies deepest, since that
    # has got furthest.
    errors = sorted(error.errors(), key=lambda one: (one["type"] not in UNKNOWN, -len(_path(one, given))))
    first = errors[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, NarrowsError):
        return cause
    path = _path(first, given)
    name = where + ".".join(path)
    if first["type"] in UNKNOWN:
        return RecipeError(
            name, "is not a setting", value=first["input"], remedy=nearest(path[-1], _keys(schema, path))
        )
    if first["type"] == "missing":
        return RecipeError(name, "must be given")
    same = [other for other in errors if _path(other, given) == path]
    words = re.findall(r"'([^']*)'", " ".join(str(other.get("ctx", {}).get("expected", "")) for other in same))
    remedy = nearest(first["input"], words) if words and isinstance(first["input"], str) else None
    rules = dict.fromkeys(_rule(other) for other in same)
    return RecipeError(name, f"must be {' or '.join(rules)}", value=first["input"], remedy=remedy)


def _rule(error: Any) -> str:
    expected = error.get("ctx", {}).get("expected")
    return KINDS.get(error["type"]) or expected or error["msg"].lower().removeprefix("input should be ")


def _path(error: Any, given: Any) -> list[str]:
    """Return where an error is among what was ``given``, without the kinds of value that pydantic tried."""
    path = []
    for part in error["loc"]:
        inside = part in given if isinstance(given, Mapping) else isinstance(given, Sequence) and isinstance(part, int)
        if inside:
            given = given[part]
        if inside or error["type"] == "missing":
            path.append(str(part))
    return path


def _keys(schema: Any, path: Sequence[str]) -> list[str]:
    """Return the names that stand beside the last of ``path``."""
    for parent in path[:-1]:
        schema = get_args(schema)[0] if get_origin(schema) is list else schema.model_fields[parent].annotation
    if is_dataclass(schema):
        return [field.name for field in fields(schema)]
    return [field.alias or name for name, field in schema.model_fields.items()]
