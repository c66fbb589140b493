"""What a dialog asks for, and the value that a waiting session gets out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from respell import values
from respell.errors import UsageError
from respell.schema import validate

TEXT, YES_NO, CHOICE, JSON = "text", "yes/no", "choice", "json"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to type or choose.

    Attributes:
        name: The key of its value.
        label: What stands in front of it.
        kind: `text`, `yes/no`, `choice` or `json`.
        value: What is there at first; a bool for `yes/no`.
        hint: What to type, shown where nothing is typed.
        choices: Of a `choice`: the values as JSON.
        required: It must have a value.
        suggestions: What can be completed.
    """

    name: str
    label: str
    kind: str = TEXT
    value: Any = ""
    hint: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False
    suggestions: tuple[str, ...] = ()


WHOLE = "value"
"""Name of the one field of a form for something else than a table."""


def fields_of(schema: Any) -> list[Field]:
    """Return the fields of a form for a value of a JSON Schema.

    Args:
        schema: The schema; anything else is a form for any value.
    """
    if not isinstance(schema, Mapping):
        return [Field(WHOLE, "value", JSON, hint="JSON, or just text", required=True)]
    properties = schema.get("properties")
    if schema.get("type", "object") != "object" or not isinstance(properties, Mapping):
        return [_field(WHOLE, schema, required=True, label="value")]
    wanted = schema.get("required")
    required = wanted if isinstance(wanted, Sequence) and not isinstance(wanted, str) else ()
    return [
        _field(str(name), its if isinstance(its, Mapping) else {}, required=name in required)
        for name, its in properties.items()
    ] or [Field(WHOLE, "value", JSON, "{}", "JSON", required=True)]  # fmt: skip


def _field(name: str, schema: Mapping[str, Any], *, required: bool, label: str = "") -> Field:
    kind, choices = schema.get("type"), schema.get("enum")
    default = schema.get("default")
    shown = "" if default is None else default if isinstance(default, str) else json.dumps(default)
    hint = _hint(schema)
    text = label or name
    if isinstance(choices, list) and choices:
        options = tuple(values.json_line(one) for one in choices[:200])
        chosen = values.json_line(default) if default in choices else ""
        return Field(name, text, CHOICE, chosen, hint, options, required)
    if kind == "boolean":
        return Field(name, text, YES_NO, bool(default), hint, (), required)
    if kind == "string":
        return Field(name, text, TEXT, shown, hint, (), required)
    return Field(name, text, JSON, shown, hint or "JSON", (), required)


def _hint(schema: Mapping[str, Any]) -> str:
    parts = [str(schema["type"])] if isinstance(schema.get("type"), str) else []
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        parts.append(f"{low} to {high}")
    elif low is not None or high is not None:
        parts.append(f"{low} or more" if low is not None else f"{high} or less")
    short, long = schema.get("minLength"), schema.get("maxLength")
    if short and long is not None:
        parts.append(f"{short} to {long} characters")
    elif short or long is not None:
        parts.append(f"{short} characters or more" if short else f"{long} characters or less")
    if isinstance(schema.get("description"), str):
        parts.append(schema["description"])
    return ", ".join(parts)[:200]


def value_of(schema: Any, fields: Sequence[Field], given: Mapping[str, Any]) -> Any:
    """Return the value that was filled in.

    Args:
        schema: The schema; anything else takes any value.
        fields: The form's fields.
        given: What each has: a bool or text, by name.

    Raises:
        UsageError: Something is missing, is no JSON or does not fit the schema; says what.
    """
    made: dict[str, Any] = {}
    for field in fields:
        raw = given.get(field.name, "")
        if field.kind == YES_NO:
            made[field.name] = bool(raw)
        elif raw == "" and not (field.kind == TEXT and field.required):
            if field.required:
                raise UsageError(f"{field.label} is missing")
        elif field.kind == TEXT:
            made[field.name] = raw
        else:
            made[field.name] = _parsed(field, raw, is_any=not isinstance(schema, Mapping))
    value = made.get(WHOLE) if [one.name for one in fields] == [WHOLE] else made
    if isinstance(schema, Mapping):
        validate(schema, value, "value")
    return value


def _parsed(field: Field, raw: str, *, is_any: bool) -> Any:
    try:
        return values.parse_json(raw, what=field.label)
    except UsageError:
        if is_any and raw.strip()[:1] not in ("{", "[", '"'):
            return raw
        raise
