"""The JSON Schema of a Python function's parameters, from its type hints and docstring."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

from respell.errors import UsageError
from respell.schema import BINARY
from respell.tools.model import ToolContext

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    bytes: {"type": "string", "contentEncoding": BINARY},
    Path: {"type": "string"},
    list: {"type": "array"},
    dict: {"type": "object"},
    type(None): {"type": "null"},
}
_ARRAYS = (list, tuple, set, frozenset, Sequence, Iterable, Set)
_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?):\s*$")
_ARGUMENT = re.compile(r"^(?P<indent> +)\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?:\s*(?P<text>.*)$")


@dataclass(frozen=True, slots=True)
class Signature:
    """How a function is called with the parameters of a tool.

    Attributes:
        schema: JSON Schema of its parameters.
        description: First paragraph of its docstring.
        hints: Type of each parameter, to turn values into.
        context: Name of the parameter that takes the `ToolContext`; None without.
        absent: Names of parameters that are None when left out, and have no default.
    """

    schema: dict[str, Any]
    description: str
    hints: Mapping[str, Any]
    context: str | None
    absent: tuple[str, ...]

    def arguments(self, params: Mapping[str, Any], ctx: ToolContext) -> dict[str, Any]:
        """Return the keyword arguments for checked parameters."""
        arguments: dict[str, Any] = dict.fromkeys(self.absent)
        for name, value in params.items():
            arguments[name] = converted(self.hints.get(name, Any), value)
        if self.context is not None:
            arguments[self.context] = ctx
        return arguments


def signature_of(fn: Callable[..., Any]) -> Signature:
    """Return the signature of a function that is to be a tool.

    Raises:
        UsageError: A parameter has no JSON form; names it and what to write instead.
    """
    what = f"the tool function {getattr(fn, '__qualname__', fn)}"
    try:
        hints = typing.get_type_hints(fn, include_extras=True)
    except (NameError, TypeError) as error:
        raise UsageError(f"{what}: its type hints can't be read: {error}") from None
    summary, described = _docstring(inspect.getdoc(fn) or "")
    schema: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    required: list[str] = []
    absent: list[str] = []
    context = None
    for name, parameter in inspect.signature(fn).parameters.items():
        hint = hints.get(name, Any)
        if hint is ToolContext:
            context = name
        elif parameter.kind is parameter.VAR_KEYWORD:
            schema["additionalProperties"] = _schema(hint, f"{what}, parameter {name}")
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise UsageError(f"{what}: {parameter} can't be given by name; tools get named values")
        else:
            entry = _schema(hint, f"{what}, parameter {name}")
            if name in described:
                entry.setdefault("description", described[name])
            if parameter.default is not parameter.empty:
                _note_default(entry, parameter.default)
            else:
                (absent if _optional(hint) else required).append(name)
            schema["properties"][name] = entry
    if required:
        schema["required"] = required
    return Signature(schema, summary, hints, context, tuple(absent))


def converted(hint: Any, value: Any) -> Any:
    """Return a checked value as the type that a hint names."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Annotated, NotRequired, Required):
        return converted(inner[0], value)
    if origin in (Union, types.UnionType):
        fitting = [one for one in inner if _fits(one, value)]
        return converted(fitting[0], value) if fitting else value
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if isinstance(value, dict) and (is_dataclass(hint) or typing.is_typeddict(hint)):
        types_of = typing.get_type_hints(hint, include_extras=True)
        named = {name: converted(types_of[name], item) for name, item in value.items()}
        return hint(**named)
    if hint is bytes and isinstance(value, str):
        return value.encode()
    if hint is float and isinstance(value, int):
        return float(value)
    if hint is int and isinstance(value, float):
        return int(value)
    if hint is Path:
        return Path(value)
    return _converted_items(hint, origin, inner, value)


def _converted_items(hint: Any, origin: Any, inner: tuple[Any, ...], value: Any) -> Any:
    plain = origin or hint
    if isinstance(value, list):
        items = [converted(inner[0] if inner else Any, item) for item in value]
        return plain(items) if plain in (tuple, set, frozenset) else items
    if isinstance(value, dict) and len(inner) == 2:
        return {key: converted(inner[1], item) for key, item in value.items()}
    return value


def _fits(hint: Any, value: Any) -> bool:
    """Return whether one member of a union is the one meant; the first such is taken."""
    origin = get_origin(hint) or hint
    match value:
        case bool():
            return origin is bool
        case None:
            return origin is type(None)
        case str():
            enum = isinstance(origin, type) and issubclass(origin, Enum)
            return origin in (str, Path, bytes, Literal, Any) or enum
        case list():
            return origin in _ARRAYS
        case dict():
            return origin in (dict, Mapping) or is_dataclass(origin) or typing.is_typeddict(origin)
    return isinstance(value, origin) if isinstance(origin, type) else False


def _schema(hint: Any, what: str) -> dict[str, Any]:
    origin, inner = get_origin(hint), get_args(hint)
    if hint in (Any, object, inspect.Parameter.empty):
        return {}
    if _hashable(hint) and hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    if origin is Annotated:
        return _annotated(inner, what)
    if origin in (NotRequired, Required):
        return _schema(inner[0], what)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (Union, types.UnionType):
        return _union(inner, what)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if typing.is_typeddict(hint) or (is_dataclass(hint) and isinstance(hint, type)):
        return _record(hint, what)
    if (origin or hint) in _ARRAYS:
        items = _schema(inner[0], what) if inner else {}
        return {"type": "array", "items": items} if items else {"type": "array"}
    if (origin or hint) in (dict, Mapping):
        rest = _schema(inner[1], what) if inner else {}
        return {"type": "object", "additionalProperties": rest} if rest else {"type": "object"}
    raise UsageError(
        f"{what}: {hint!r} has no JSON form. Use str, int, float, bool, bytes, Path, list, dict, "
        "Literal, an Enum, a TypedDict, a dataclass or unions of them, or pass `parameters=` "
        "with a JSON Schema"
    )


def _hashable(hint: Any) -> bool:
    return isinstance(hint, type) or hint is None


def _annotated(inner: tuple[Any, ...], what: str) -> dict[str, Any]:
    entry = _schema(inner[0], what)
    for note in inner[1:]:
        if isinstance(note, str):
            entry["description"] = note
        elif isinstance(note, Mapping):
            entry.update(note)
    return entry


def _union(inner: tuple[Any, ...], what: str) -> dict[str, Any]:
    # Nil is what is left out in Lua, so None needs no place in the schema.
    members = [_schema(one, what) for one in inner if one is not type(None)]
    if len(members) == 1:
        return members[0]
    if all(set(member) == {"type"} for member in members):
        return {"type": [member["type"] for member in members]}
    return {"anyOf": members}


def _record(hint: Any, what: str) -> dict[str, Any]:
    hints = typing.get_type_hints(hint, include_extras=True)
    if typing.is_typeddict(hint):
        # Postponed annotations hide NotRequired from __required_keys__.
        required = [
            name
            for name, inner in hints.items()
            if name in hint.__required_keys__ and get_origin(inner) is not NotRequired
        ]
    else:
        required = [
            field.name
            for field in fields(hint)
            if field.default is MISSING and field.default_factory is MISSING
        ]
    properties = {name: _schema(inner, f"{what}.{name}") for name, inner in hints.items()}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return {**schema, "required": required} if required else schema


def _optional(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return _optional(get_args(hint)[0])
    return type(None) in get_args(hint)


def _note_default(entry: dict[str, Any], default: Any) -> None:
    if isinstance(default, Enum):
        default = default.value
    if isinstance(default, bool | int | float | str):
        entry["default"] = default


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return the first paragraph, and what the `Args:` section says of each parameter."""
    summary = " ".join(text.split("\n\n", 1)[0].split())
    described: dict[str, str] = {}
    section, indent, name = "", "", ""
    for line in text.splitlines():
        if heading := _SECTION.match(line):
            section, indent = heading[1], ""
        elif section in ("Args", "Arguments", "Parameters"):
            entry = _ARGUMENT.match(line)
            if entry and indent in ("", entry["indent"]):
                indent, name = entry["indent"], entry["name"]
                described[name] = entry["text"].strip()
            elif line.strip() and name:
                described[name] = f"{described[name]} {line.strip()}".strip()
    return summary, described
