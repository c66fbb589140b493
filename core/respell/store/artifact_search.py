"""Finding artifacts: a query as SQL that reads nothing but an index until the page is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from respell.artifacts.record import SORTS, ArtifactQuery
from respell.errors import UsageError
from respell.globs import has_wildcard
from respell.store.database import Database, Row
from respell.store.queries import Where
from respell.values import INT_MAX

MAX_PATTERN_BYTES = 1024

_COLUMNS = {"name": "folded_name"}
_FROM_A = ("name", "artifact_type")
_REST_BYTES = 500  # of ids, times and hashes
_ENOUGH = 1000  # tags are compared by how many artifacts have them, up to this many


@dataclass(frozen=True, slots=True)
class _Source:
    """FROM and WHERE of a search; `table` is what has session, sequence and created_at."""

    sql: str
    table: str
    bindings: list[Any]


def count(database: Database, query: ArtifactQuery) -> int:
    """Return how many artifacts match, whatever the query's limit and offset are.

    Raises:
        UsageError: No artifact can be found by that.
    """
    source = _source(database, query)
    if source is None:
        return 0
    return int(database.value(f"SELECT count(*) {source.sql}", source.bindings))


def metadata_size(database: Database, query: ArtifactQuery) -> int:
    """Return about how many bytes of metadata a page has.

    Raises:
        UsageError: No artifact can be found or sorted by that.
    """
    source = _source(database, query)
    if source is None:
        return 0
    sql = (
        "SELECT total(length(a.description) + ifnull(length(a.tags), 0)"
        f" + ifnull(length(a.custom), 0) + {_REST_BYTES}) FROM {_page(query, source)}"
    )
    return int(database.value(sql, [*source.bindings, *_window(query)]))


def page(database: Database, query: ArtifactQuery, columns: str, joined: str) -> list[Row]:
    """Return the artifacts that match, in the query's order.

    Args:
        database: Where they are.
        query: Which ones.
        columns: What to select, of the artifact `a` and what is joined.
        joined: The joins.

    Raises:
        UsageError: No artifact can be found or sorted by that.
    """
    source = _source(database, query)
    if source is None:
        return []
    sql = f"SELECT {columns} FROM {_page(query, source)} {joined} {_order(query, 'a')}"
    return database.rows(sql, [*source.bindings, *_window(query)])


def _page(query: ArtifactQuery, source: _Source) -> str:
    return (
        f"(SELECT {source.table}.session, {source.table}.sequence {source.sql}"
        f" {_order(query, source.table)} LIMIT ? OFFSET ?) AS page"
        " CROSS JOIN artifacts AS a ON a.session = page.session AND a.sequence = page.sequence"
    )


def _window(query: ArtifactQuery) -> tuple[int, int]:
    limit = -1 if query.limit is None else min(query.limit, INT_MAX)
    return limit, min(query.offset, INT_MAX)


def _order(query: ArtifactQuery, table: str) -> str:
    descends = query.sort not in _FROM_A if query.desc is None else query.desc
    direction = "DESC" if descends else "ASC"
    column = _COLUMNS.get(query.sort, query.sort)
    terms = (f"{table}.{it} {direction}" for it in (column, "session", "sequence"))
    return f"ORDER BY {', '.join(terms)}"


def _source(database: Database, query: ArtifactQuery) -> _Source | None:
    """Return where to look; None where nothing can be found, as there is no such session."""
    _check(query)
    keys = _keys(database, query)
    if keys == [] and not query.granted:
        return None
    filters = _filters(query)
    if query.tags:
        return _tagged(database, query, keys, filters)
    by_time = query.sort == "created_at" and keys is None and not filters.bindings
    # All but the newest of all sessions is found by reading an index that has everything.
    index = "artifacts_recent" if by_time else "artifacts_found"
    where = Where("a.deleted = 0")
    _add_scope(database, where, "a", keys, query)
    sql = f"FROM artifacts AS a INDEXED BY {index} WHERE {where} AND {filters}"
    return _Source(sql, "a", where.bindings + filters.bindings)


def _tagged(
    database: Database, query: ArtifactQuery, keys: list[int] | None, filters: Where
) -> _Source:
    rarest = min(query.tags, key=lambda tag: _frequency(database, tag, keys))
    where = Where()
    where.add("t.tag = ?", rarest)
    _add_scope(database, where, "t", keys, query)
    for tag in query.tags:
        if tag != rarest:
            where.add(
                "EXISTS (SELECT 1 FROM artifact_tags AS other WHERE other.tag = ? AND"
                " other.session = t.session AND other.created_at = t.created_at"
                " AND other.sequence = t.sequence)",
                tag,
            )
    if query.sort == "created_at" and not filters.bindings:
        return _Source(f"FROM artifact_tags AS t WHERE {where}", "t", where.bindings)
    sql = (
        "FROM artifact_tags AS t CROSS JOIN artifacts AS a"
        f" ON a.session = t.session AND a.sequence = t.sequence WHERE {where} AND {filters}"
    )
    return _Source(sql, "a", where.bindings + filters.bindings)


def _frequency(database: Database, tag: str, keys: list[int] | None) -> int:
    where = Where()
    where.add("tag = ?", tag)
    if keys is not None and len(keys) == 1:
        where.add("session = ?", keys[0])
    sql = f"SELECT count(*) FROM (SELECT 1 FROM artifact_tags WHERE {where} LIMIT {_ENOUGH})"
    return int(database.value(sql, where.bindings))


def _add_scope(
    database: Database, where: Where, table: str, keys: list[int] | None, query: ArtifactQuery
) -> None:
    """Add what sessions and times an artifact has to be of."""
    if keys is None:
        if database.row("SELECT 1 FROM sessions WHERE deleted LIMIT 1") is not None:
            where.add(f"{table}.session NOT IN (SELECT key FROM sessions WHERE deleted)")
    elif query.granted:
        own, single = json.dumps(keys), json.dumps(sorted(query.granted))
        some = json.dumps(sorted({*keys, *(key for key, _ in query.granted)}))
        # The first condition is what an index is for.
        where.add(
            f"{table}.session IN (SELECT value FROM json_each(?)) AND"
            f" ({table}.session IN (SELECT value FROM json_each(?)) OR"
            f" ({table}.session, {table}.sequence) IN"
            " (SELECT value ->> 0, value ->> 1 FROM json_each(?)))",
            some, own, single,
        )  # fmt: skip
    elif len(keys) == 1:
        where.add(f"{table}.session = ?", keys[0])
    else:
        where.add(f"{table}.session IN (SELECT value FROM json_each(?))", json.dumps(keys))
    where.add_given(f"{table}.created_at >= ?", query.created_after)
    where.add_given(f"{table}.created_at < ?", query.created_before)


def _filters(query: ArtifactQuery) -> Where:
    """Return what an artifact itself has to be like."""
    where = Where()
    where.add_given("a.artifact_type = ?", query.artifact_type)
    where.add_given("a.name = ?", query.name)
    if query.name_pattern is not None:
        if has_wildcard(query.name_pattern):
            where.add("a.name GLOB ?", query.name_pattern)
        else:
            where.add("instr(a.folded_name, ?)", query.name_pattern.casefold())
    if query.mime_type is not None and query.mime_type.endswith("/*"):
        beginning = query.mime_type[:-1]
        where.add("substr(a.mime_type, 1, ?) = ?", len(beginning), beginning)
    else:
        where.add_given("a.mime_type = ?", query.mime_type)
    for condition, size in (("a.size >= ?", query.min_size), ("a.size <= ?", query.max_size)):
        where.add_given(condition, None if size is None else min(size, INT_MAX))
    if query.text:
        where.add(
            "(instr(a.folded_name, ?) OR instr(a.folded_text, ?))", *[query.text.casefold()] * 2
        )
    return where


def _keys(database: Database, query: ArtifactQuery) -> list[int] | None:
    """Return the keys of the sessions to look in; None for all."""
    if query.session_id is None and query.session_ids is None:
        return None
    wanted = {query.session_id} if query.session_ids is None else set(query.session_ids)
    if query.session_id is not None:
        wanted &= {query.session_id}
    rows = database.rows(
        "SELECT key FROM sessions WHERE id IN (SELECT value FROM json_each(?)) AND NOT deleted"
        " ORDER BY key",
        (json.dumps(sorted(map(str, wanted))),),
    )
    return [key for (key,) in rows]


def _check(query: ArtifactQuery) -> None:
    if query.sort not in SORTS:
        raise UsageError(
            f"artifacts can't be sorted by {query.sort!r}; choose one of {', '.join(SORTS)}"
        )
    for name in ("limit", "offset", "min_size", "max_size"):
        value = getattr(query, name)
        if value is not None and value < 0:
            raise UsageError(f"{name} must be 0 or more, not {value}")
    pattern = query.name_pattern or ""
    if len(pattern.encode(errors="surrogatepass")) > MAX_PATTERN_BYTES or "\0" in pattern:
        raise UsageError(f"name_pattern may have {MAX_PATTERN_BYTES} bytes, and none that is zero")
