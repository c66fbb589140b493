"""Conditions put together at run time, and columns that hold JSON or canonical values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from respell import values

_NO_LIMIT = -1


class Where:
    """Conditions of one query, joined by AND, with their bindings."""

    def __init__(self, *conditions: str) -> None:
        """Begin with conditions that need no bindings."""
        self._conditions = list(conditions)
        self.bindings: list[Any] = []

    def add(self, condition: str, *bindings: Any) -> None:
        """Add a condition whose `?` stand for the bindings."""
        self._conditions.append(condition)
        self.bindings += bindings

    def add_given(self, condition: str, binding: Any) -> None:
        """Add a condition of one binding, unless that is None."""
        if binding is not None:
            self.add(condition, binding)

    def add_tags(self, column: str, tags: Sequence[str]) -> None:
        """Demand that a JSON array has all of these."""
        for tag in tags:
            self.add(f"EXISTS (SELECT 1 FROM json_each({column}) WHERE value = ?)", tag)

    def add_text(self, columns: Sequence[str], text: str | None) -> None:
        """Demand that one of the columns contains the text, in any case."""
        if text:
            either = " OR ".join(f"instr(folded({column}), ?)" for column in columns)
            self.add(f"({either})", *[text.casefold()] * len(columns))

    def __str__(self) -> str:
        return " AND ".join(self._conditions) or "1"


def order(
    columns: dict[str, str],
    sort: str,
    desc: bool | None,
    *,
    from_a: Sequence[str],
    last: Sequence[str],
    limit: int | None,
    offset: int,
) -> tuple[str, list[int]]:
    """Return ORDER BY and LIMIT as SQL with its bindings.

    Args:
        columns: What SQL sorts by, for each name that may be sorted by.
        sort: One of those names; any other raises `KeyError`.
        desc: Descending; None means so, except for the names in `from_a`.
        from_a: Names that ascend unless asked otherwise.
        last: What decides between equals.
        limit: At most so many rows; None for all.
        offset: Skip so many.
    """
    direction = "DESC" if (sort not in from_a if desc is None else desc) else "ASC"
    terms = ", ".join(f"{term} {direction}" for term in (columns[sort], *last))
    sql = f" ORDER BY {terms} LIMIT ? OFFSET ?"
    return sql, [_NO_LIMIT if limit is None else limit, offset]


def json_or_null(value: Any) -> str | None:
    """Return JSON text for a column; NULL for an empty list or dict."""
    return json.dumps(value) if value else None


@lru_cache(maxsize=64)
def _parsed(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def limits_of(text: str) -> dict[str, Any]:
    """Return the limits of a session's column; a host reads the same ones again and again."""
    return {
        name: value.copy() if isinstance(value, dict) else value
        for name, value in _parsed(text).items()
    }


def value_or_null(value: Any) -> bytes | None:
    """Return canonical bytes for a column; NULL for None and an empty dict."""
    return None if value is None or value == {} else values.encode(value)
