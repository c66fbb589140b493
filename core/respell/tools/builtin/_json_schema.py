"""JSON against a JSON Schema; runs in a process of its own, see `respell.tools.confinement`."""

from __future__ import annotations

import json

import jsonschema
import jsonschema_specifications
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable

from respell.errors import UsageError
from respell.tools.builtin._json_text import NotJson, loaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_ERRORS = 100
_MAX_MESSAGE = 500
_MAX_PATH = 1000

_DRAFTS = (
    jsonschema.Draft3Validator,
    jsonschema.Draft4Validator,
    jsonschema.Draft6Validator,
    jsonschema.Draft7Validator,
    jsonschema.Draft201909Validator,
    jsonschema.Draft202012Validator,
)


def warm_up() -> None:
    """Run once in every draft, so that nothing is left to be imported."""
    schema = {"properties": {"a": {"pattern": "b", "format": "email", "type": "string"}}}
    for draft in _DRAFTS:
        schema["$schema"] = draft.META_SCHEMA["$schema"]
        judge({"schema": json.dumps(schema), "input": '{"a": "c"}'})


def judge(payload: dict[str, str]) -> dict[str, Any]:
    """Return whether a value fits a schema.

    Args:
        payload: `schema`: JSON; of draft 7, unless its `$schema` names another; and `input`:
            JSON, or a text.

    Returns:
        is_valid, and errors: at most `MAX_ERRORS`, each with path (a JSON pointer), message
        and keyword.

    Raises:
        UsageError: The schema is none, or refers to what it does not have.
    """
    try:
        schema = loaded(payload["schema"])
    except NotJson as error:
        raise UsageError(f"parameter schema is not JSON: {error}") from None
    try:
        value = loaded(payload["input"])
    except NotJson:
        value = payload["input"]
    if not isinstance(schema, dict | bool):
        raise UsageError(
            "parameter schema must be a JSON Schema: an object, true or false, not "
            f"{json.dumps(schema)[:60]}"
        )
    draft = validator_for(schema, default=jsonschema.Draft7Validator)
    try:
        draft.check_schema(schema)
        # References lead within the schema, or to the drafts themselves: nothing is fetched.
        validator = draft(
            schema,
            registry=jsonschema_specifications.REGISTRY,
            format_checker=draft.FORMAT_CHECKER,
        )
        errors = sorted(validator.iter_errors(value), key=_place)
    except jsonschema.SchemaError as error:
        where = error.json_path.replace("$", "schema", 1)
        raise UsageError(f"the JSON Schema is wrong: {where}: {_message(error)}") from None
    except Unresolvable as error:
        raise UsageError(f"the JSON Schema refers to what it does not have: {error}") from None
    except RecursionError:
        raise UsageError("the JSON Schema refers to itself without end") from None
    return {"is_valid": not errors, "errors": [_described(one) for one in errors[:MAX_ERRORS]]}


def _place(error: Any) -> list[tuple[bool, Any]]:
    return [(isinstance(part, str), part) for part in error.absolute_path]


def _described(error: Any) -> dict[str, Any]:
    return {
        "path": _pointer(error)[:_MAX_PATH],
        "message": _message(error),
        "keyword": error.validator,
    }


def _pointer(error: Any) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in error.absolute_path)
    return "".join(f"/{part}" for part in parts)


def _message(error: Any) -> str:
    """Return what is wrong; the value as JSON, not as Python writes it."""
    shown = json.dumps(error.instance, ensure_ascii=False)
    if len(shown) > _MAX_MESSAGE // 2:
        shown = shown[: _MAX_MESSAGE // 2] + "…"
    return str(error.message).replace(repr(error.instance), shown, 1)[:_MAX_MESSAGE]
