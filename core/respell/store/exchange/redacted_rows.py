"""Rows of a session without what a redaction replaces, as `export_rows` names their columns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from respell.artifacts import naming
from respell.artifacts.record import DEFAULT_MIME, DEFAULT_TYPE
from respell.store.exchange.redaction import Redaction, Unique
from respell.store.exchange.rows import ARTIFACT_COLUMNS
from respell.store.queries import json_or_null

_MAX_SESSION_TAG_BYTES = 255
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/[0-9]{1,18}/[0-9a-f]{8})?")


class RedactedRows:
    """The rows of one session; names that become the same are kept apart."""

    def __init__(self, redaction: Redaction) -> None:
        """Redact with this."""
        self._redaction = redaction
        self._names = _Renamed(lambda name: redaction.short(name, naming.MAX_NAME_BYTES))
        self._keys: dict[str, _Renamed] = {}

    def session(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Return the columns of a session; ids, times and numbers stay."""
        redaction = self._redaction
        made = dict(columns)
        for name in ("name", "description"):
            made[name] = self._text(columns[name])
        for name in ("parent_session_id", "created_by"):
            made[name] = self._text_or_id(columns[name])
        if columns["script"] is not None:
            made["script"] = redaction.content(columns["script"])
            made["script_hash"] = redaction.moved.in_text(columns["script_hash"])
        made["args"] = self._texts(columns["args"])
        made["tags"] = self._texts(columns["tags"], _MAX_SESSION_TAG_BYTES)
        if columns["limits"] is not None:
            made["limits"] = json.dumps(self._limits(json.loads(columns["limits"])))
        for name, keep in (
            ("metadata", ()),
            ("input", ()),
            ("waiting_for", ("prompt", "schema")),
            ("error", ("message", "traceback", "event")),
        ):
            if columns[name] is not None:
                made[name] = redaction.encoded(columns[name], keep=keep)
        return made

    def artifact(self, row: list[Any]) -> list[Any]:
        """Return the columns of an artifact."""
        redaction = self._redaction
        columns = dict(zip(ARTIFACT_COLUMNS, row, strict=True))
        for name in ("content_hash", "previous_hash"):
            if columns[name] is not None:
                columns[name] = redaction.moved.lost(columns[name])
        if not columns["deleted"]:
            columns["size"] = redaction.moved.content[row[ARTIFACT_COLUMNS.index("content_hash")]][
                1
            ]
        columns["name"] = self._names(columns["name"])
        columns["artifact_type"] = self._type(columns["artifact_type"])
        if redaction.text(columns["mime_type"]) != columns["mime_type"]:
            columns["mime_type"] = DEFAULT_MIME
        columns["description"] = self._text(columns["description"])
        for name in ("created_by", "parent_artifact"):
            columns[name] = self._text_or_id(columns[name])
        columns["tags"] = self._texts(columns["tags"], naming.MAX_TAG_BYTES)
        if columns["custom"] is not None:
            columns["custom"] = redaction.encoded(columns["custom"])
        return list(columns.values())

    def state(self, row: list[Any]) -> list[Any]:
        """Return scope, key, value and time of one value of the state."""
        scope, key, value, updated_at = row
        keys = self._keys.setdefault(scope, _Renamed(self._redaction.text))
        return [scope, keys(key), self._redaction.encoded(value), updated_at]

    def _text(self, text: str | None) -> str | None:
        if text is None:
            return None
        return self._redaction.moved.in_text(self._redaction.text(text))

    def _text_or_id(self, text: str | None) -> str | None:
        """Return the id of a session or an artifact brought up to date, or text redacted."""
        if text is not None and _ID.fullmatch(text):
            return self._redaction.moved.in_text(text)
        return self._text(text)

    def _texts(self, column: str | None, most: int | None = None) -> str | None:
        if column is None:
            return None
        made = [
            self._redaction.text(text) if most is None else self._redaction.short(text, most)
            for text in json.loads(column)
        ]
        return json_or_null(made if most is None else list(dict.fromkeys(made)))

    def _limits(self, limits: dict[str, Any]) -> dict[str, Any]:
        return {
            name: {self._redaction.text(of): number for of, number in value.items()}
            if isinstance(value, dict)
            else value
            for name, value in limits.items()
        }

    def _type(self, kind: str) -> str:
        made = self._redaction.short(kind, naming.MAX_TYPE_BYTES)
        return made if naming.check_type("it", made) == made else DEFAULT_TYPE


class _Renamed:
    """New names for old ones, different ones for different ones."""

    def __init__(self, rename: Callable[[str], str]) -> None:
        self._rename = rename
        self._new: dict[str, str] = {}
        self._taken: set[str] = set()
        self._unique = Unique(self._taken, naming.MAX_NAME_BYTES)

    def __call__(self, old: str) -> str:
        if old not in self._new:
            self._new[old] = self._unique(self._rename(old))
            self._taken.add(self._new[old])
        return self._new[old]
