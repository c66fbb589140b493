"""Values against a JSON Schema, with errors that name the place.

`jsonschema` takes longer to import than most scripts run. So a value that is plainly right
is recognised here; only the rest, which is mostly wrong, is left to it.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from respell import patterns, values
from respell.errors import UsageError

BINARY = "binary"
"""`contentEncoding` of a string that may be any bytes."""

_MAX_CHECKS = 100_000  # keywords looked at: a schema can branch without end
_SILENT = frozenset(
    {"title", "description", "default", "examples", "contentEncoding", "$schema", "$comment"}
)


def fitted(schema: Any, value: Any) -> Any:
    """Return a copy of a value from Lua in the form that the schema means.

    An empty table is an empty array where one is wanted, and 30.0 an integer.
    """
    if not isinstance(schema, Mapping):
        return value
    kind = schema.get("type")
    match value:
        case {} if not value and kind == "array":
            return []
        case dict():
            known = schema.get("properties") or {}
            rest = schema.get("additionalProperties")
            return {key: fitted(known.get(key, rest), item) for key, item in value.items()}
        case list():
            return [fitted(schema.get("items"), item) for item in value]
        case float() if kind == "integer" and value.is_integer():
            return int(value)
    return value


def validate(schema: Any, value: Any, what: str, *, trusted: bool = False) -> None:
    """Make sure that a value fits a schema.

    Args:
        schema: JSON Schema, 2020-12; references lead within it only.
        value: Plain data as values cross to and from Lua.
        what: What the value is, for the error, e.g. `parameter`.
        trusted: The schema is not a script's, so its patterns may cost what they like.

    Raises:
        UsageError: It does not; names where in the value, what it is and what is allowed.
            Or the schema itself is wrong.
    """
    if not plainly_valid(schema, value):
        _explain(schema, value, what, trusted)


def check_schema(schema: Any) -> None:
    """Do nothing when this is a JSON Schema.

    Raises:
        UsageError: It is not one; says what is wrong.
    """
    import jsonschema

    try:
        _validator(schema)
    except jsonschema.SchemaError as error:
        raise UsageError(f"the JSON Schema is wrong: {error.message:.200}") from None
    except RecursionError:
        raise UsageError("the JSON Schema refers to itself without end") from None


def plainly_valid(schema: Any, value: Any) -> bool:
    """Return True only if the value is valid; False says nothing."""
    if schema is True:
        return True
    if not isinstance(schema, Mapping):
        return False
    return all(
        keyword in _SILENT or (keyword in _PLAIN and _PLAIN[keyword](schema, value))
        for keyword in schema
    )


def _plain_type(schema: Mapping[str, Any], value: Any) -> bool:
    return isinstance(schema["type"], str) and _is_type(schema["type"], value, schema)


def _plain_properties(schema: Mapping[str, Any], value: Any) -> bool:
    return isinstance(value, dict) and all(
        plainly_valid(item, value[name])
        for name, item in schema["properties"].items()
        if name in value
    )


def _plain_required(schema: Mapping[str, Any], value: Any) -> bool:
    return isinstance(value, dict) and all(name in value for name in schema["required"])


def _plain_rest(schema: Mapping[str, Any], value: Any) -> bool:
    rest, known = schema["additionalProperties"], schema.get("properties") or {}
    if not isinstance(value, dict) or "patternProperties" in schema:
        return False
    unknown = [value[name] for name in value if name not in known]
    return not unknown if rest is False else all(plainly_valid(rest, item) for item in unknown)


def _plain_items(schema: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, list) or "prefixItems" in schema:
        return False
    return all(plainly_valid(schema["items"], item) for item in value)


def _plain_enum(schema: Mapping[str, Any], value: Any) -> bool:
    return isinstance(value, str) and value in schema["enum"]


def _plain_minimum(schema: Mapping[str, Any], value: Any) -> bool:
    return _is_type("number", value, {}) and bool(value >= schema["minimum"])


def _plain_maximum(schema: Mapping[str, Any], value: Any) -> bool:
    return _is_type("number", value, {}) and bool(value <= schema["maximum"])


_PLAIN: dict[str, Callable[[Mapping[str, Any], Any], bool]] = {
    "type": _plain_type,
    "properties": _plain_properties,
    "required": _plain_required,
    "additionalProperties": _plain_rest,
    "items": _plain_items,
    "enum": _plain_enum,
    "minimum": _plain_minimum,
    "maximum": _plain_maximum,
}


def _is_type(kind: str, value: Any, schema: Mapping[str, Any]) -> bool:
    match value:
        case bool():
            return kind == "boolean"
        case int():
            return kind in ("integer", "number")
        case float():
            return kind == "number" or (kind == "integer" and value.is_integer())
        case str():
            return kind == "string"
        case bytes():
            return kind == "string" and schema.get("contentEncoding") == BINARY
        case list():
            return kind == "array"
        case dict():
            return kind == "object"
        case None:
            return kind == "null"
    return False


# What is not plainly valid ------------------------------------------------------------------


def _explain(schema: Any, value: Any, what: str, trusted: bool) -> None:
    import jsonschema
    from referencing.exceptions import Unresolvable

    _budget.left, _budget.trusted = _MAX_CHECKS, trusted
    try:
        errors = list(_validator(schema).iter_errors(value))
        worst = jsonschema.exceptions.best_match(errors)
    except jsonschema.SchemaError as error:
        raise UsageError(f"the JSON Schema is wrong: {error.message:.200}") from None
    except RecursionError:
        raise UsageError("the JSON Schema refers to itself without end") from None
    except Unresolvable as error:
        raise UsageError(f"the JSON Schema refers to what it does not have: {error}") from None
    if worst is not None:
        raise UsageError(_sentence(what, worst))


class _Budget(threading.local):
    left = 0
    trusted = False


_budget = _Budget()


def _validator(schema: Any) -> Any:
    import jsonschema
    from jsonschema import Draft202012Validator as Base
    from referencing import Registry

    # Scripts may hand in anything here, so numbers and nesting are checked first.
    if not isinstance(schema, bool | Mapping):
        raise UsageError(f"a JSON Schema is a table, not {_described(schema)}")
    Base.check_schema(schema)
    own = {
        "type": _type,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "uniqueItems": _unique_items,
    }
    keywords = {name: _counted(check) for name, check in {**Base.VALIDATORS, **own}.items()}
    checker = jsonschema.validators.extend(Base, keywords)
    # An empty registry: by default an unknown reference would be fetched from the network.
    return checker(schema, registry=Registry())


Check = Callable[[Any, Any, Any, Any], Iterable[Any] | None]


def _counted(check: Check) -> Check:
    def counted(validator: Any, argument: Any, instance: Any, schema: Any) -> Iterable[Any] | None:
        _budget.left -= 1
        if _budget.left < 0:
            raise UsageError("the JSON Schema takes too long to check: it branches too much")
        return check(validator, argument, instance, schema)

    return counted


def _type(validator: Any, types: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    kinds = [types] if isinstance(types, str) else types
    if not any(_is_type(kind, instance, schema) for kind in kinds):
        yield ValidationError(f"must be {_listed(kinds)}")


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(instance, str) and not _found(pattern, instance):
        yield ValidationError(f"must match the pattern {pattern}")


def _pattern_properties(
    validator: Any, properties: Any, instance: Any, schema: Any
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in properties.items():
        for name, item in instance.items():
            if isinstance(name, str) and _found(pattern, name):
                yield from validator.descend(item, subschema, path=name, schema_path=pattern)


def _unique_items(validator: Any, unique: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    # By canonical bytes: comparing each with each takes hours on a long array.
    if unique and isinstance(instance, list):
        seen = {values.encode(_integers(item)) for item in instance}
        if len(seen) < len(instance):
            yield ValidationError("has the same item twice")


def _integers(value: Any) -> Any:
    """Return a copy in which 1.0 is 1, which JSON Schema takes for the same."""
    match value:
        case float() if value.is_integer():
            return int(value) if abs(value) < 2**63 else value
        case list():
            return [_integers(item) for item in value]
        case dict():
            return {key: _integers(item) for key, item in value.items()}
    return value


def _found(pattern: str, text: str) -> bool:
    if not _budget.trusted:
        return patterns.search(pattern, text)
    import re

    return re.search(pattern, text) is not None


# Words --------------------------------------------------------------------------------------

_MAX_TEXT = 60  # what of a name or a text that somebody gave is said again
_MAX_NAMES = 10

_NAMES = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "nil",
    "number": "a number",
    "object": "a table with named fields",
    "string": "a string",
}


def _sentence(what: str, error: Any) -> str:
    path = _path(error.absolute_path)
    subject = f"{what} {path}".rstrip()
    match error.validator:
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            names = ", ".join(_path([*error.absolute_path, name]) for name in missing)
            return f"{what} {names} is missing"
        case "additionalProperties" if error.validator_value is False:
            return _unknown(what, error)
        case "enum":
            allowed = ", ".join(str(choice) for choice in error.validator_value)
            return f"{subject} is {_described(error.instance)}; allowed are: {allowed}"
        case "type" if isinstance(error.instance, bytes) and "string" in error.validator_value:
            return f"{subject} must be text; it is bytes that are not UTF-8"
        case "type" | "pattern":
            return f"{subject} {error.message}, not {_described(error.instance)}"
        case "minLength" | "maxLength":
            bound = "at least" if error.validator == "minLength" else "at most"
            noun = "character" if error.validator_value == 1 else "characters"
            allowed = f"{bound} {error.validator_value} {noun}"
            return f"{subject} must have {allowed}, not {len(error.instance)}"
    return f"{subject}: {error.message:.300}"


def _unknown(what: str, error: Any) -> str:
    known = list(error.schema.get("properties") or {})
    names = [name for name in error.instance if name not in known]
    shown = ", ".join(_path([*error.absolute_path, name]) for name in names[:_MAX_NAMES])
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    first = [_cut(str(name)) for name in names[:1]]
    near = difflib.get_close_matches(first[0], known, n=1, cutoff=0.5) if first else []
    hint = f"; did you mean {near[0]}?" if near else "."
    return f"{what} {shown}{more} is unknown{hint} Known are: {', '.join(known) or 'none'}"


def _path(parts: Iterable[Any]) -> str:
    """Return a path as a script would write it: arrays begin at 1."""
    text = ""
    for part in parts:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{_cut(str(part))}"
    return text.removeprefix(".")


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _listed(kinds: Iterable[str]) -> str:
    return " or ".join(_NAMES.get(kind, kind) for kind in kinds)


def _described(value: Any) -> str:
    match value:
        case None:
            return "nil"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f'"{value:.{_MAX_TEXT}}"' + ("…" if len(value) > _MAX_TEXT else "")
        case bytes():
            return f"{len(value)} bytes"
        case list():
            return f"an array of {len(value)}"
    return "a table"
