"""Sessions, artifacts, sizes and times as people read them, and sessions as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from respell.history.events import Event
from respell.sessions.lifecycle import ENDED
from respell.sessions.pausing import is_paused
from respell.sessions.record import SessionRecord, session_json
from respell.store import Store
from respell.times import SECOND
from respell_tui.output import json_text
from respell_tui.text import one_line

STATES = ("running", "paused", "interrupted")
"""How an active session with a program can be."""

_STYLES = {
    "running": "green", "paused": "yellow", "suspended": "yellow", "interrupted": "yellow",
    "failed": "red", "completed": "cyan",
}  # fmt: skip


def session_object(
    store: Store, session: SessionRecord, *, running: bool | None = None
) -> dict[str, Any]:
    """Return a session as `--json` shows it.

    Args:
        store: Where it is.
        session: The session.
        running: Whether a live host holds it; None to look.
    """
    if running is None:
        running = store.leases.holder(session.key) is not None
    return session_json(
        session,
        running=running,
        interrupted=is_interrupted(session, running),
        in_doubt=[] if running else doubts(store, session),
    )


def is_interrupted(session: SessionRecord, running: bool) -> bool:
    """Return whether a program ought to run, and nobody runs it."""
    return session.status == "active" and session.has_program and not running


def doubts(store: Store, session: SessionRecord) -> list[dict[str, Any]]:
    """Return number, name and args of a session's effects in doubt."""
    if session.status in ENDED or not store.history.open_effects(session.key):
        return []
    # The engine takes long to load, and hardly any session that is looked at needs it.
    from respell.engine.doubt import in_doubt

    return [
        {"number": one.number, "name": one.name, "args": one.record.arguments()}
        for one in in_doubt(store, session)
    ]


def state_word(store: Store, session: SessionRecord, running: bool) -> str:
    """Return the one word that says how a session is: its status, or one of `STATES`."""
    if running:
        return "paused" if is_paused(store, session) else "running"
    return "interrupted" if is_interrupted(session, running) else session.status


def style_of(word: str) -> tuple[str, ...]:
    """Return how a state's word is painted."""
    return (_STYLES[word],) if word in _STYLES else ()


def remark(session: SessionRecord) -> str:
    """Return what a list says about a session besides: its question, or its error."""
    if session.waiting_for is not None:
        return f"waits: {session.waiting_for.get('prompt') or 'for a value'}"
    if session.error is not None:
        return str(session.error.get("message") or "")
    return ""


def age(at: int, now: int) -> str:
    """Return how long ago something was, e.g. `3 min`.

    Args:
        at: Microseconds since 1970 UTC.
        now: Likewise.
    """
    seconds = max(0, now - at) // SECOND
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s" if seconds else "now"


def clock(at: int) -> str:
    """Return a time of this place, e.g. `11-29 15:26:15`.

    Args:
        at: Microseconds since 1970 UTC.
    """
    return f"{datetime.fromtimestamp(at / 1_000_000, tz=UTC).astimezone():%m-%d %H:%M:%S}"


def seconds(value: float) -> str:
    """Return a duration in seconds, e.g. `0.035 s` or `2 min 5 s`."""
    if value < 60:
        return f"{value:.3g} s" if value < 10 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s"


def bytes_(size: int) -> str:
    """Return a size, e.g. `512 B` or `1.9 MiB`."""
    if size < 1024:
        return f"{size} B"
    for power, unit in enumerate(("KiB", "MiB"), start=1):
        if size < 1024 ** (power + 1):
            return f"{size / 1024**power:.1f} {unit}"
    return f"{size / 1024**3:.1f} GiB"


def dollars(cost: float) -> str:
    """Return what was paid, e.g. `$0.0312`; nothing is `$0`."""
    return f"${cost:,.4f}" if cost else "$0"


def count(number: int, word: str) -> str:
    """Return a number with its noun, e.g. `1 event` or `3 events`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def arguments(event: Event, *, full: bool = False) -> str:
    """Return an event's arguments in one line; of output, its text."""
    if event.kind == "output":
        text = event.args.get("text", "")
        shown = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return one_line(shown.rstrip("\n"))
    args = event.to_json("", full=full)["args"]
    return one_line(", ".join(f"{key} = {json_text(value)}" for key, value in args.items()))


def ending(event: Event, *, full: bool = False) -> str:
    """Return in one line how an event ended; empty where there is nothing to say."""
    if event.error is not None:
        return one_line(f"failed: {event.error}")
    if not event.ended:
        return "not ended"
    if event.kind != "effect" or event.outcome is None:
        return ""
    return one_line(f"= {json_text(event.to_json('', full=full)['outcome'])}")
