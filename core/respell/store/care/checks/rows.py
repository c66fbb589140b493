"""Rows: what they refer to, whom they belong to, and what was derived from them."""

from __future__ import annotations

import struct

from respell.errors import NotFound, StoreCorrupt
from respell.history.record import Part, Record
from respell.store.care.checks.histories import open_effects_mend
from respell.store.care.inspection import Inspection, Mend, text_of
from respell.store.database import Row
from respell.store.sessions import OWN_SCOPES, OWNED_TABLES

_AGAIN = "Store its content once more, or restore it from a backup"
_EVENTS_NAMED = 5
_OWNED = ("records", *OWNED_TABLES)


def check_references(it: Inspection) -> None:
    """Check that what rows refer to is there."""
    _check_artifact_contents(it)
    _check_scripts(it)
    _check_kept(it)
    _check_large(it)
    _check_open_effects(it)


def check_derived(it: Inspection) -> None:
    """Check what was derived from other rows, and that no row belongs to nobody."""
    _check_artifact_counters(it)
    _check_tags(it)
    _check_folded(it)
    _check_owners(it)
    _check_scopes(it)


# References ------------------------------------------------------------------------------


def _check_artifact_contents(it: Inspection) -> None:
    total = it.rows("artifacts", "SELECT count(*) FROM artifacts WHERE NOT deleted")
    it.report.artifacts = total[0][0] if total else 0
    for key, sequence, name, version, content, size, found in it.rows(
        "artifacts",
        "SELECT a.session, a.sequence, CAST(a.name AS BLOB), a.version, a.content_hash, a.size,"
        " b.size FROM artifacts AS a LEFT JOIN blobs AS b ON b.hash = a.content_hash"
        " WHERE NOT a.deleted AND b.size IS NOT a.size",
    ):
        session = it.name(key)
        lacks = (
            f"has lost its content (blob {content.hex()})"
            if found is None
            else f"should have {size} bytes, and its content has {found}"
        )
        it.found(
            "artifact.content",
            f"artifact {text_of(name)!r} version {version} of session {session} "
            f"({session}/{sequence}/{content.hex()[:8]}) {lacks}",
            _AGAIN,
            session=session,
            blob=content,
        )


def _check_scripts(it: Inspection) -> None:
    for key, script in it.rows(
        "sessions",
        "SELECT key, CAST(script_hash AS BLOB) FROM sessions WHERE script_hash IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM blobs WHERE hash = unhex(script_hash))",
    ):
        it.found(
            "session.script",
            f"the script of session {it.name(key)} (blob {text_of(script)}) is not in the store: "
            "it can be looked at, and neither resumed nor replayed",
            _AGAIN,
            session=it.name(key),
        )


def _check_kept(it: Inspection) -> None:
    for key, address in it.rows(
        "blob_refs",
        "SELECT session, hash FROM blob_refs WHERE NOT EXISTS"
        " (SELECT 1 FROM blobs WHERE blobs.hash = blob_refs.hash)",
    ):
        events = it.rows(
            "records",
            "SELECT DISTINCT number FROM records WHERE session = ? AND large IS NOT NULL"
            f" AND instr(large, ?) LIMIT {_EVENTS_NAMED}",
            (key, address),
        )
        named = f" (event {', '.join(str(event) for (event,) in events)})" if events else ""
        it.found(
            "reference.missing",
            f"the history of session {it.name(key)}{named} refers to blob {address.hex()}, which "
            "is not in the store",
            _AGAIN,
            session=it.name(key),
            blob=address,
        )


def _check_large(it: Inspection) -> None:
    """Check that the large values of records are known to be needed."""
    for key, seq, address in it.large_values():
        if it.rows(
            "blob_refs", "SELECT 1 FROM blob_refs WHERE (session, hash) = (?, ?)", (key, address)
        ):
            continue
        if not _is_large_value(it, key, seq, address):
            continue  # the session was deleted just now
        it.found(
            "reference.unlisted",
            f"a large value of record {seq} of session {it.name(key)} (blob {address.hex()}) is "
            "not listed among what its history refers to",
            "",
            _keeping(it, key, seq, address),
            session=it.name(key),
            blob=address,
        )


def _is_large_value(it: Inspection, key: int, seq: int, address: bytes) -> bool:
    sql = "SELECT 1 FROM records WHERE session = ? AND seq = ? AND instr(large, ?)"
    return it.rows("records", sql, (key, seq, address)) != []


def _keeping(it: Inspection, key: int, seq: int, address: bytes) -> Mend:
    def do() -> str:
        it.store.blobs.keep(address, key)
        return "it was listed"

    return Mend("lists it", do, still=lambda: _is_large_value(it, key, seq, address))


def _check_open_effects(it: Inspection) -> None:
    """Check that the effects listed as without outcome are what their intents say."""
    sql = (
        "SELECT session, number, seq, CAST(name AS BLOB), due FROM open_effects"
        " WHERE session IN (SELECT key FROM sessions WHERE deleted = 0)"
    )
    for row in it.rows("open_effects", sql):
        key, number, seq, name, _ = row
        # Once more: the session may just have been deleted, and its key given to another.
        if (
            not _is_intent(it, row)
            and row in it.rows("open_effects", sql)
            and not _is_intent(it, row)
        ):
            it.found(
                "effect.listed",
                f"effect {number} ({text_of(name)}) of session {it.name(key)} is listed as "
                f"without outcome, and record {seq} is not its intent",
                "",
                open_effects_mend(it, key),
                session=it.name(key),
            )


def _is_intent(it: Inspection, row: Row) -> bool:
    key, number, seq, name, listed_due = row
    try:
        for _, body in it.store.history.records(key, seq, seq):
            record = Record.unpack(body)
            due = record.metadata().get("due") if record.meta else None
            listed = (number, text_of(name), listed_due)
            return record.part is Part.INTENT and (record.number, record.name, due) == listed
    except (NotFound, StoreCorrupt, struct.error, IndexError, ValueError):
        return True  # a finding of its own
    return False


# What is derived -------------------------------------------------------------------------


def _check_artifact_counters(it: Inspection) -> None:
    for key, said, count, sequence, last in it.rows(
        "artifacts",
        "SELECT * FROM (SELECT key, artifacts,"
        " (SELECT count(*) FROM artifacts WHERE session = key AND NOT artifacts.deleted) AS count,"
        " sequence, (SELECT ifnull(max(sequence), 0) FROM artifacts WHERE session = key) AS last"
        " FROM sessions WHERE NOT deleted) WHERE artifacts <> count OR sequence < last",
    ):
        it.found(
            "session.counters",
            f"session {it.name(key)} should have {said} artifacts, the last of them number "
            f"{sequence}; it has {count}, the last of them number {last}",
            "",
            _counting(it, key),
            session=it.name(key),
        )


def _counting(it: Inspection, key: int) -> Mend:
    def do() -> str:
        it.database.write(
            "UPDATE sessions SET artifacts ="
            " (SELECT count(*) FROM artifacts WHERE session = key AND NOT artifacts.deleted),"
            " sequence = max(sequence,"
            " (SELECT ifnull(max(sequence), 0) FROM artifacts WHERE session = key)) WHERE key = ?",
            (key,),
        )
        return "the counters were set to what there is"

    return Mend("sets the counters to what there is", do, key)


_TAGS = (
    "SELECT value, session, created_at, sequence FROM artifacts,"
    " json_each(CASE WHEN json_valid(tags) THEN tags END) WHERE NOT deleted"
)
_INDEXED_TAGS = "SELECT tag, session, created_at, sequence FROM artifact_tags"


def _check_tags(it: Inspection) -> None:
    missing = it.rows("artifact_tags", f"{_TAGS} EXCEPT {_INDEXED_TAGS} LIMIT 1")
    surplus = it.rows("artifact_tags", f"{_INDEXED_TAGS} EXCEPT {_TAGS} LIMIT 1")
    if not missing and not surplus:
        return
    tag, key, _, sequence = (missing or surplus)[0]

    def do() -> str:
        it.database.write("DELETE FROM artifact_tags")
        it.database.write(
            f"INSERT OR IGNORE INTO artifact_tags (tag, session, created_at, sequence) {_TAGS}"
        )
        return "it was made anew"

    it.found(
        "index.tags",
        f"the index of tags is {'not complete' if missing else 'too large'}: it has "
        f"{'no' if missing else 'an'} entry for the tag {tag!r} of artifact {sequence} of session "
        f"{it.name(key)}",
        "",
        Mend("makes it anew", do),
    )


_FOLDED = """
    folded(CAST(name AS BLOB)), folded(CAST(description || ifnull(
        (SELECT group_concat(char(10) || value, '')
            FROM json_each(CASE WHEN json_valid(tags) THEN tags END)), ''
    ) AS BLOB))
"""


def _check_folded(it: Inspection) -> None:
    """Check what artifacts are searched by, when all bytes are wanted."""
    if not it.read_data:
        return
    wrong = f"(folded_name, folded_text) IS NOT ({_FOLDED})"
    for key, sequence in it.rows(
        "artifacts", f"SELECT session, sequence FROM artifacts WHERE NOT deleted AND {wrong}"
    ):
        it.found(
            "index.text",
            f"artifact {sequence} of session {it.name(key)} would not be found by its name or text",
            "",
            _folding(it, key, sequence),
            session=it.name(key),
        )


def _folding(it: Inspection, key: int, sequence: int) -> Mend:
    def do() -> str:
        it.database.write(
            f"UPDATE artifacts SET (folded_name, folded_text) = ({_FOLDED})"
            " WHERE session = ? AND sequence = ?",
            (key, sequence),
        )
        return "it can be found again"

    return Mend("makes what it is found by anew", do)


# Owners ----------------------------------------------------------------------------------


def _check_owners(it: Inspection) -> None:
    if "sessions" in it.unreadable_tables:
        return  # whose rows they are can't be told
    for table in _OWNED:
        for (key,) in it.rows(
            table,
            f"SELECT DISTINCT session FROM {table} WHERE session IS NOT NULL"
            " AND session NOT IN (SELECT key FROM sessions)",
        ):
            it.found(
                "orphan.row",
                f"the table {table} has rows of a session with key {key}, and there is none",
                "",
                _moving_rows(
                    it, table, "session = ? AND session NOT IN (SELECT key FROM sessions)", key
                ),
            )


def _check_scopes(it: Inspection) -> None:
    for prefix in OWN_SCOPES:
        nobodys = f"substr(scope, {len(prefix) + 1}) NOT IN (SELECT id FROM sessions)"
        for (scope,) in it.rows(
            "state",
            f"SELECT DISTINCT scope FROM state WHERE substr(scope, 1, ?1) = ?2 AND {nobodys}",
            (len(prefix), prefix),
        ):
            it.found(
                "orphan.row",
                f"there is state in the scope {scope!r}, and no such session",
                "",
                _moving_rows(it, "state", f"scope = ? AND {nobodys}", scope),
            )


def _moving_rows(it: Inspection, table: str, condition: str, value: int | str) -> Mend:
    def still() -> bool:
        sql = f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1"
        return it.database.row(sql, (value,)) is not None

    def do() -> str:
        columns = [
            name for (name,) in it.database.rows(f"SELECT name FROM pragma_table_info('{table}')")
        ]
        rows = it.database.rows(f"SELECT * FROM {table} WHERE {condition}", (value,))
        path = it.damaged.keep_rows(f"{table}-{value}", columns, rows)
        it.database.write(f"DELETE FROM {table} WHERE {condition}", (value,))
        return f"they are in {path} now"

    return Mend("moves them to damaged/", do, still=still)
