"""Checksums of rows that no hash chain covers: sessions, inputs, artifacts, state, grants, audit.

They tell `check` that a row is not what was written. Columns that change with every append
are left out; those are compared with the records themselves. A row without a sum (NULL) was
written by something else and is not compared.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgpack

SUMMED: Mapping[str, tuple[str, ...]] = {
    "sessions": (
        "id", "name", "description", "status", "script", "script_hash", "args", "tags", "metadata",
        "parent_session_id", "forked_from", "forked_at", "fork_of", "fork_seq", "created_by",
        "created_at", "ended_at", "usage", "limits", "waiting_for", "error", "deleted", "redacted",
        "permissions",
    ),
    "session_inputs": ("session", "input"),
    "artifacts": (
        "session", "sequence", "name", "version", "content_hash", "previous_hash",
        "artifact_type", "mime_type", "size", "description", "tags", "custom", "is_value",
        "created_at", "created_by", "parent_artifact", "event", "deleted",
    ),
    "state": ("scope", "key", "value"),
    "bus_events": (
        "id", "type", "data", "session", "correlation_id", "cause_session", "cause_number",
        "source", "language", "target_language", "at", "expires",
    ),
    "subscriptions": (
        "session", "name", "pattern", "prefix", "about", "language", "own_only", "owner",
        "created_at",
    ),
    "grants": (
        "session", "kind", "target", "grantee", "level", "expires_at", "granted_by", "granted_at",
    ),
    "debug_marks": ("session", "kind", "name", "value"),
    "audit": ("at", "session", "actor", "action", "target", "allowed", "reason"),
}  # fmt: skip
"""The columns of each table that its column `sum` covers, in their order."""

_pack = msgpack.Packer(use_bin_type=True, unicode_errors="surrogatepass").pack


def row_sum(*columns: str | bytes | int | float | None) -> int:
    """Return the checksum of a row's columns, 32 bits: no change of up to four bytes fits it."""
    return zlib.crc32(_pack(columns))


def sum_sql(table: str, given: Mapping[str, str] | None = None) -> str:
    """Return SQL for the sum of a row.

    Args:
        table: One of `SUMMED`.
        given: SQL that stands for some of the columns, as those that are about to change.
    """
    given = given or {}
    return f"row_sum({', '.join(given.get(name, name) for name in SUMMED[table])})"
