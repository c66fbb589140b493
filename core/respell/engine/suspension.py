"""What a suspended script waits for, and whether a value given at resume fits it."""

from __future__ import annotations

from typing import Any

from respell import values
from respell.errors import EffectFailed, UsageError


def suspension_of(args: dict[str, Any]) -> dict[str, Any]:
    """Return `{prompt, schema}` from the arguments of `session.suspend`.

    Raises:
        EffectFailed: The schema is not a JSON schema.
    """
    schema = args.get("schema")
    if schema is not None:
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for

        if not isinstance(schema, dict):
            raise EffectFailed("schema must be a table: a JSON schema")
        try:
            validator_for(schema).check_schema(schema)
        except SchemaError as error:
            raise EffectFailed(f"schema is not a JSON schema: {error.message}") from None
    return {"prompt": args.get("prompt"), "schema": schema}


def check_value(waiting_for: dict[str, Any], value: Any) -> None:
    """Check a value given at resume against what the script waits for.

    Raises:
        UsageError: It does not fit the schema; says where, and shows the schema.
    """
    schema = waiting_for.get("schema")
    if schema is None:
        return
    from jsonschema import ValidationError, validate

    try:
        validate(value, schema)
    except ValidationError as error:
        raise UsageError(
            f"the value does not fit what the script waits for: {error.message} "
            f"(at {error.json_path}). Its schema: {values.json_line(schema)}"
        ) from None
