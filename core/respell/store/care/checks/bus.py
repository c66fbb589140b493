"""The event bus: what waits for whom, and how much of it."""

from __future__ import annotations

from respell.store.care.inspection import Inspection, Mend

_LOST = (
    "FROM deliveries AS d WHERE NOT EXISTS (SELECT 1 FROM bus_events AS e"
    " WHERE e.sequence = d.sequence) OR NOT EXISTS (SELECT 1 FROM subscriptions AS b"
    " WHERE b.key = d.subscription)"
)
_UNHEARD = (
    "FROM bus_events WHERE NOT EXISTS (SELECT 1 FROM deliveries"
    " WHERE deliveries.sequence = bus_events.sequence)"
)
_COUNTED = (
    "(SELECT count(*) FROM deliveries WHERE subscription = key),"
    " (SELECT ifnull(sum(d.bytes), 0) FROM deliveries AS d WHERE subscription = key)"
)
_MISCOUNTED = f"FROM subscriptions WHERE (waiting, bytes) IS NOT ({_COUNTED})"


def check_bus(it: Inspection) -> None:
    """Check that what waits for somebody is there, and that it is counted."""
    _check_rows(
        it, "bus.lost", "deliveries", _LOST,
        "of what waits on the event bus {0} can't be delivered: the event or who waits for it is "
        "gone",
        "DELETE FROM deliveries WHERE rowid IN (SELECT d.rowid {0})", "forgets it",
    )  # fmt: skip
    _check_rows(
        it, "bus.unheard", "bus_events", _UNHEARD,
        "the event bus has {0} that nobody waits for",
        "DELETE FROM bus_events WHERE sequence IN (SELECT sequence {0})", "removes it",
    )  # fmt: skip
    _check_rows(
        it, "bus.counters", "subscriptions", _MISCOUNTED,
        "{0} of the event bus miscounts what waits",
        f"UPDATE subscriptions SET (waiting, bytes) = ({_COUNTED}) WHERE key IN (SELECT key {{0}})",
        "counts it again",
    )  # fmt: skip


def _check_rows(
    it: Inspection, kind: str, table: str, wrong: str, what: str, mend: str, promise: str
) -> None:
    found = it.rows(table, f"SELECT count(*) {wrong}")
    count = found[0][0] if found else 0
    if not count:
        return

    def do() -> str:
        changed = it.database.write(mend.format(wrong))
        return f"{changed} put right"

    def still() -> bool:
        return it.database.row(f"SELECT 1 {wrong} LIMIT 1") is not None

    named = {"deliveries": "event", "bus_events": "event", "subscriptions": "subscription"}[table]
    counted = f"{count} {named}{'' if count == 1 else 's'}"
    it.found(kind, what.format(counted), "", Mend(promise, do, still=still))
