"""What a tool call gives a script.

Every call returns `{success, result, text, metadata, error, duration_s}`. `result` is the
plain value; `text` and `metadata` are what rs-llmspell v0.6.0 gave, where a tool either
wrapped its answer in an envelope, or answered in words beside one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from respell import values
from respell.tools.plain import plain


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returns that wants to say more than a value.

    Attributes:
        value: The plain value.
        text: The answer as text; by default the value itself where it is text, else as JSON.
        metadata: Anything besides.
        success: False for a failure that the script should get as a value, not as an error.
        error: What went wrong, where not successful.
    """

    value: Any = None
    text: str | bytes | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    success: bool = True
    error: str | None = None

    def as_dict(self, *, duration_s: float) -> dict[str, Any]:
        """Return what the script sees, as plain values.

        Args:
            duration_s: How long the call took.

        Raises:
            UsageError: The value has no text and no JSON form.
        """
        value = plain(self.value)
        return {
            "success": self.success,
            "result": value,
            "text": _text_of(value) if self.text is None else plain(self.text),
            "metadata": plain(self.metadata),
            "error": self.error,
            "duration_s": round(duration_s, 6),
        }


def envelope(operation: str, result: Any = None, **more: Any) -> dict[str, Any]:
    """Return v0.6.0's envelope of a success.

    Args:
        operation: What was done.
        result: The answer, left out when None.
        more: message, metadata, …; left out where None.
    """
    fields = {"operation": operation, "success": True, "result": result, **more}
    return {name: value for name, value in fields.items() if value is not None}


def enveloped(operation: str, result: Any, **more: Any) -> ToolResult:
    """Return a result whose text is its envelope, as most tools do it."""
    return ToolResult(result, text=pretty_json(envelope(operation, result, **more)))


def worded(
    text: str | bytes, operation: str, result: Any = None, *, value: Any = None, **more: Any
) -> ToolResult:
    """Return a result that answers in words and has its envelope in the metadata.

    Args:
        text: The answer.
        operation: What was done.
        result: The envelope's result.
        value: The plain value; by default `result`.
        more: The envelope's other fields.
    """
    response = envelope(operation, result, **more)
    return ToolResult(
        result if value is None else value, text, {"operation": operation, "response": response}
    )


def pretty_json(value: Any) -> str:
    """Return a value as indented JSON text."""
    return json.dumps(values.to_json(value), ensure_ascii=False, indent=2)


def _text_of(value: Any) -> str | bytes:
    if isinstance(value, str | bytes):
        return value
    return "" if value is None else pretty_json(value)
