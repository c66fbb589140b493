"""What a suspended script waits for, and whether a value given at resume fits it."""

from __future__ import annotations

from typing import Any

from respell import values
from respell.errors import EffectFailed, UsageError
from respell.schema import check_schema, validate


def suspension_of(args: dict[str, Any]) -> dict[str, Any]:
    """Return `{prompt, schema}` from the arguments of `session.suspend`.

    Raises:
        EffectFailed: The schema is not a JSON schema.
    """
    schema = args.get("schema")
    if schema is not None:
        try:
            check_schema(schema)
        except UsageError as error:
            raise EffectFailed(f"Session.suspend: {error}") from None
    return {"prompt": args.get("prompt"), "schema": schema}


def check_value(waiting_for: dict[str, Any], value: Any) -> None:
    """Check a value given at resume against what the script waits for.

    Raises:
        UsageError: It does not fit the schema; says where, and shows the schema.
    """
    schema = waiting_for.get("schema")
    if schema is None:
        return
    try:
        validate(schema, value, "value")
    except UsageError as error:
        how = ""
        if value is None:
            how = " Give the value with `respell resume ID --value JSON`, or `value=` from Python."
        raise UsageError(
            f"this does not fit what the script waits for: {error}. "
            f"Its schema: {values.json_line(schema)}.{how}"
        ) from None
