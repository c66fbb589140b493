"""One session at a glance, as plain data and as lines."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from respell import values
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.describe import age, bytes_, count, dollars, doubts, seconds
from respell_tui.icons import Icons, of_state
from respell_tui.paint import Line, Part, cell
from respell_tui.shown.sessions import STATE_ROLES, states
from respell_tui.text import fit, wrap

_LABEL = 10
_MOST_LINES = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """How much of a limit is used.

    Attributes:
        name: The limit's name.
        used: How much is used.
        limit: The limit.
        text: Both in words.
    """

    name: str
    used: float
    limit: float
    text: str

    @property
    def share(self) -> float:
        """The share that is used, 0 to 1."""
        return min(1.0, self.used / self.limit) if self.limit else 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of one session.

    Attributes:
        record: What the store says.
        state: The word for how it is.
        holder: Who runs it; empty for nobody.
        doubts: number, name and args of each effect in doubt.
        bars: Its limits with what is used of them.
        origin: What it belongs below or was forked from, in words.
    """

    record: SessionRecord
    state: str
    holder: str
    doubts: tuple[dict[str, Any], ...]
    bars: tuple[Bar, ...]
    origin: str


def read_summary(store: Store, session_id: str) -> Summary:
    """Read what is known of a session.

    Raises:
        SessionNotFound: It was deleted.
    """
    record = store.sessions.get(session_id)
    holder = store.leases.holder(record.key)
    return Summary(
        record=record,
        state=states(store, [record])[record.id],
        holder=str(holder) if holder else "",
        doubts=() if holder else tuple(doubts(store, record)),
        bars=tuple(_bars(record)),
        origin=_origin(record),
    )


def _origin(record: SessionRecord) -> str:
    if record.forked_from:
        return f"fork of {record.forked_from[:8]} at {record.forked_at}"
    return f"below {record.parent_session_id[:8]}" if record.parent_session_id else ""


def _bars(record: SessionRecord) -> Iterator[Bar]:
    used: Mapping[str, Any] = {
        **record.usage, "artifacts": record.artifacts,
        "max_duration": record.usage.get("active_s", 0.0),
    }  # fmt: skip
    for name, limit in record.limits.items():
        if name in used and isinstance(limit, int | float):
            now = used[name] or 0
            text = f"{_amount(name, now)} of {_amount(name, limit)}"
            yield Bar(name, float(now), float(limit), text)


def _amount(name: str, value: float) -> str:
    if name == "cost_usd":
        return dollars(value)
    if name.endswith("_bytes"):
        return bytes_(int(value))
    if name == "max_duration":
        return seconds(float(value))
    return f"{value:,}"


# As lines ----------------------------------------------------------------------------------


def summary_lines(
    it: Summary, cells: int, now: int, icons: Icons, *, alone: bool = False
) -> list[Line]:
    """Return a session at a glance, in lines of at most so many cells.

    What asks for a person comes first: the question, what is in doubt, the error.

    Args:
        it: What is known.
        cells: How many cells there are.
        now: The time, in µs since 1970 UTC.
        icons: The signs.
        alone: Its artifacts are not seen beside it: it is said how to get there.
    """
    record = it.record
    rows: list[Line] = [_status(it, now, icons)]
    rows += _urgent(it, cells)
    rows += _field("script", record.script or "none: it belongs to the script that created it",
                   cells)  # fmt: skip
    if record.args:
        rows += _field("arguments", shlex.join(record.args), cells)
    if record.input is not None:
        rows += _field("input", values.json_line(record.input), cells)
    there = " (3 goes there)" if alone and record.artifacts else ""
    rows += _field("events", f"{record.events:,}   artifacts {record.artifacts:,}{there}", cells)
    rows += _used(record, cells)
    rows += [_bar(bar, cells, icons) for bar in it.bars]
    rows += _field("began", _moment(record.created_at, now), cells)
    if record.ended_at is not None:
        rows += _field("ended", _moment(record.ended_at, now), cells)
    for label, text in (
        ("run by", it.holder), ("tags", ", ".join(record.tags)), ("origin", it.origin),
        ("about", record.description), ("id", record.id),
    ):  # fmt: skip
        if text:
            rows += _field(label, text, cells)
    return rows


def _status(it: Summary, now: int, icons: Icons) -> Line:
    role = STATE_ROLES[it.state]
    since = age(it.record.updated_at, now)
    return [
        (f" {of_state(icons, it.state)} ", role), (it.state, role or "strong"),
        ("  " + ("now" if since == "now" else f"since {since}"), "dim"),
        ("  redacted: can be viewed, not resumed" if it.record.redacted else "", "warn"),
    ]  # fmt: skip


def _urgent(it: Summary, cells: int) -> Iterator[Line]:
    waiting, error = it.record.waiting_for, it.record.error
    if waiting is not None and it.state == "suspended":
        yield from _field("waits for", str(waiting.get("prompt") or "a value"), cells, "warn")
        yield [(" " * (_LABEL + 1), ""), ("r", "key"), (" answers", "dim")]
    for one in it.doubts:
        text = f"event {one['number']} {one['name']} {values.json_line(one['args'])}"
        yield from _field("in doubt", text, cells, "warn", most=2)
    if it.doubts:
        yield [(" " * (_LABEL + 1), ""), ("r", "key"),
               (" says what became of it: again, its outcome, or failed", "dim")]  # fmt: skip
    if error is not None:
        text = str(error.get("message") or "it failed").strip("\n")
        yield from _field("error", text, cells, "bad")
        trace = str(error.get("traceback") or "").strip("\n")
        if trace:
            yield from _field("", trace, cells, "dim")


def _used(record: SessionRecord, cells: int) -> list[Line]:
    usage = record.usage
    parts = [count(usage.get("operations", 0), "operation"),
             f"{seconds(usage.get('active_s', 0.0))} active"]  # fmt: skip
    if usage.get("tokens"):
        parts.append(f"{usage['tokens']:,} tokens")
    if usage.get("cost_usd"):
        parts.append(dollars(usage["cost_usd"]))
    if usage.get("artifact_bytes"):
        parts.append(f"{bytes_(usage['artifact_bytes'])} of artifacts")
    return _field("used", ", ".join(parts), cells)


def _bar(bar: Bar, cells: int, icons: Icons) -> Line:
    room = max(5, min(20, cells - _LABEL - 2 - len(bar.text) - len(bar.name) - 3))
    filled = round(bar.share * room)
    role = "bad" if bar.share >= 0.9 else "warn" if bar.share >= 0.75 else "good"
    return [
        (" " * (_LABEL + 1), ""), (icons.full * filled, role),
        (icons.empty * (room - filled), "dim"), (f" {bar.name} ", ""), (bar.text, "dim"),
    ]  # fmt: skip


def _field(
    label: str, text: str, cells: int, role: str = "", *, most: int = _MOST_LINES
) -> list[Line]:
    room = max(10, cells - _LABEL - 2)
    lines = [part for line in text.split("\n")[: most + 1] for part in _wrapped(line, room, most)]
    if len(lines) > most:
        lines = [*lines[: most - 1], fit(lines[most - 1] + " …", room)]
    rows: list[Line] = []
    for at, line in enumerate(lines or [""]):
        head: Part = (f" {label if at == 0 else '':<{_LABEL}}", "dim")
        rows.append([head, (line, role)])
    return rows


def _wrapped(line: str, room: int, most: int) -> Sequence[str]:
    return wrap(cell(line[: room * (most + 1)]), room)


def _moment(at: int, now: int) -> str:
    shown = datetime.fromtimestamp(at / 1_000_000, tz=UTC).astimezone()
    ago = age(at, now)
    return f"{shown:%Y-%m-%d %H:%M:%S}  ({ago if ago == 'now' else ago + ' ago'})"
