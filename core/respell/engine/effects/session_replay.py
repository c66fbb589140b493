"""Replaying and comparing sessions from a script. Nothing is changed by it.

The host performs these in a thread: a replay takes as long as the script once computed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, cast

from respell import values
from respell.arguments import Arguments
from respell.effect import Kind
from respell.engine.effects import EffectContext, effect
from respell.engine.effects.acting import acting_as, id_in_script
from respell.engine.replay import Mode, ReplayResult, replay
from respell.errors import EffectFailed, LimitReached, UsageError
from respell.history import diff as comparing
from respell.history.events import Event, events, spell_out_hashes
from respell.sessions.record import SessionRecord
from respell.sessions.timeline import concerns, ids_of, teller_of
from respell.times import now_us, parse_rfc3339, rfc3339

_OPTIONS = (
    "mode", "from", "to", "filter", "compare_results", "stop_on_error", "timeout_seconds",
    "modifications", "start_from", "end_at", "hook_filter", "max_duration_seconds",
    "include_failed",
)  # fmt: skip
_MODES = ("exact", "modified", "simulate", "debug")  # debug, as v0.6.0 has it: exact here
_MODIFICATION = ("event", "outcome", "path", "value", "enabled")
_MOST_MODIFICATIONS = 10_000

# Each takes a process and as much memory as its session may.
_AT_ONCE = threading.BoundedSemaphore(2)
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a script asked of a replay.

    Attributes:
        mode: As the engine knows it.
        first: Number of the first event that counts.
        last: Number of the last one that is re-executed; None for all.
        counts: Whether an event counts; None if all do.
        edits: Other outcomes, by event number.
        compare: Whether differences are told.
        stop_on_error: Whether it ends at the first difference.
        timeout_s: Most seconds it may take.
    """

    mode: Mode
    first: int
    last: int | None
    counts: Callable[[Event], bool] | None
    edits: dict[int, Any]
    compare: bool
    stop_on_error: bool
    timeout_s: float | None


# Replay ----------------------------------------------------------------------------------


@effect("session.replay", kind=Kind.READ)
def session_replay(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Re-execute a session (or the part of its creator's that is about it), and compare."""
    call = "Session.replay"
    record = acting_as(ctx, args.get("session"), call)
    teller = teller_of(ctx.store, record)
    if not teller.has_program:
        raise EffectFailed(
            f"{call}: neither session {id_in_script(ctx, record.id)} nor who created it has a "
            "program that could be re-executed"
        )
    asked = _asked(ctx, call, Arguments(call, args.get("options"), _OPTIONS), record, teller)
    started = now_us()
    ctx.store.audit.note(
        "session.replay", session=record.id, actor=ctx.session.id, target=record.name,
        reason=asked.mode,
    )  # fmt: skip
    with _turn(ctx):
        result = _replayed(ctx, call, teller, asked, asked.mode, asked.edits)
        differences = [result.divergence] if result.divergence is not None else []
        if differences and not asked.stop_on_error and asked.mode != "simulate":
            # Past the difference each call gets the answer that an equal one once got.
            onward = _replayed(ctx, call, teller, asked, "simulate", {})
            if onward.divergence is not None and onward.divergence != result.divergence:
                differences.append(onward.divergence)
    counted = _counted(ctx, teller, asked, result)
    shown = [_difference(one) for one in differences]
    return {
        "session_id": id_in_script(ctx, record.id),
        "correlation_id": id_in_script(ctx, record.id),
        "mode": asked.mode,
        "start_time": rfc3339(started),
        "total_duration": result.total_duration_s,
        "identical": result.identical if asked.compare else None,
        "divergence": _difference(result.divergence)
        if result.divergence is not None and asked.compare
        else None,
        "differences": shown if asked.compare else [],
        "events_replayed": counted.events,
        "hooks_replayed": counted.hooks,
        "successful_replays": counted.events,
        "failed_replays": len(differences),
        "output_identical": result.output_identical if asked.compare else None,
        "metadata": {
            "trace_hash": result.trace_hash,
            "replayed_session": id_in_script(ctx, teller.id),
        },
    }


@contextmanager
def _turn(ctx: EffectContext) -> Iterator[None]:
    """Wait until a replay may begin, unless it is cancelled before."""
    while not _AT_ONCE.acquire(timeout=_LOOK_S):
        if ctx.cancel.is_set():
            raise EffectFailed("the replay was cancelled")
    try:
        yield
    finally:
        _AT_ONCE.release()


def _replayed(
    ctx: EffectContext,
    call: str,
    teller: SessionRecord,
    asked: _Asked,
    mode: Mode,
    edits: dict[int, Any],
) -> ReplayResult:
    try:
        return replay(
            ctx.store, teller, mode=mode, edits=edits, last=asked.last,
            timeout_s=asked.timeout_s, cancel=ctx.cancel,
        )  # fmt: skip
    except UsageError as error:
        raise UsageError(f"{call}: {error}") from None
    except LimitReached as limit:
        # The replay's, not the session's that asks for it: that one goes on.
        raise EffectFailed(f"{call}: {limit}") from None


def _asked(
    ctx: EffectContext, call: str, given: Arguments, record: SessionRecord, teller: SessionRecord
) -> _Asked:
    edits = _edits(ctx, call, given, teller)
    mode = given.choice("mode", _MODES) or ("modified" if edits else "exact")
    if edits and mode != "modified":
        raise UsageError(f"{call}: modifications go with the mode modified, not with {mode}")
    first, last = _number(ctx, given, teller, "from"), _number(ctx, given, teller, "to")
    if teller.key == ctx.session.key:
        # Of the running one, what was before this call.
        last = ctx.number - 1 if last is None else min(last, ctx.number - 1)
    if last is not None and (first or 1) > last:
        raise UsageError(f"{call}: there is nothing from event {first} to event {last}")
    timeout = given.positive("timeout_seconds") or given.positive("max_duration_seconds")
    return _Asked(
        mode=cast(Mode, "exact" if mode == "debug" else mode),
        first=first or 1,
        last=last,
        counts=_counting(ctx, given, record, teller),
        edits=edits,
        compare=given.flag("compare_results") is not False,
        stop_on_error=given.flag("stop_on_error") is not False,
        timeout_s=timeout,
    )


def _number(ctx: EffectContext, given: Arguments, teller: SessionRecord, name: str) -> int | None:
    """Return an event's number that was given as such, or as a time (v0.6.0's names)."""
    other = {"from": "start_from", "to": "end_at"}[name]
    value = given.given(name)
    if value is None:
        name, value = other, given.given(other)
    if not isinstance(value, str):
        return given.integer(name, least=1)
    try:
        at = parse_rfc3339(value)
    except UsageError as error:
        raise UsageError(f"{given.call}: {name}: {error}") from None
    before = 0
    for event in events(ctx.store, teller.key):
        if event.at > at or (name in ("from", "start_from") and event.at == at):
            break
        before = event.number
    return before + 1 if name in ("from", "start_from") else before


def _counting(
    ctx: EffectContext, given: Arguments, record: SessionRecord, teller: SessionRecord
) -> Callable[[Event], bool] | None:
    """Return which events are counted; None for all."""
    patterns = _patterns(given, "filter")
    points = _patterns(given, "hook_filter")
    ids = ids_of(ctx.store, record, teller) if teller.key != record.key else None
    without_failed = given.flag("include_failed") is False
    if not patterns and not points and ids is None and not without_failed:
        return None

    def counts(event: Event) -> bool:
        if ids is not None and not concerns(event, ids):
            return False
        if without_failed and event.error is not None:
            return False
        is_call = event.name == "hook.call"
        if points and is_call and not _matches(str(event.args.get("point")), points):
            return False
        return not patterns or _matches(event.name, patterns) or _matches(event.kind, patterns)

    return counts


def _patterns(given: Arguments, name: str) -> list[str]:
    value = given.given(name)
    if isinstance(value, str):
        return [given.check_text(name, value, most=255, empty=False)]
    return given.texts(name, most=255)


def _matches(text: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


# Modifications ---------------------------------------------------------------------------


def _edits(
    ctx: EffectContext, call: str, given: Arguments, teller: SessionRecord
) -> dict[int, Any]:
    """Return other outcomes by event number.

    A modification is `{event = N, outcome = VALUE}`, or v0.6.0's `{path, value, enabled}`,
    whose path begins with the event's number and leads into its outcome: `12.result.hash`.
    """
    listed = given.given("modifications")
    if listed is None or listed == {}:
        return {}
    if not isinstance(listed, list) or len(listed) > _MOST_MODIFICATIONS:
        raise given.wrong("modifications", "a list of tables", listed)
    edits: dict[int, Any] = {}
    for index, one in enumerate(listed, 1):
        parts = Arguments(f"{call}: modifications[{index}]", one, _MODIFICATION, what="field")
        if parts.flag("enabled") is False:
            continue
        path = parts.text("path", empty=False)
        number = parts.integer("event", least=1) if path is None else None
        if path is not None:
            number, keys = _path(parts, path)
            outcome = edits[number] if number in edits else _outcome(ctx, teller, number)
            edits[number] = _with(parts, path, outcome, keys, parts.given("value"))
        elif number is None:
            raise UsageError(f"{parts.call}: give event and outcome, or path and value")
        else:
            edits[number] = parts.given("outcome")
    return edits


def _path(parts: Arguments, path: str) -> tuple[int, list[str]]:
    number, *keys = path.split(".")
    if not (number.isascii() and number.isdigit()) or int(number) < 1:
        raise UsageError(
            f"{parts.call}: path {path!r:.80} must begin with an event's number, as in 12.result"
        )
    return int(number), keys[1:] if keys[:1] == ["outcome"] else keys


def _outcome(ctx: EffectContext, teller: SessionRecord, number: int) -> Any:
    found = next(events(ctx.store, teller.key, number, number), None)
    return None if found is None else found.outcome


def _with(parts: Arguments, path: str, outcome: Any, keys: list[str], value: Any) -> Any:
    """Return a copy of an outcome in which the place that the keys lead to has another value."""
    if not keys:
        return value
    key, *rest = keys
    if isinstance(outcome, list) and key.isdigit() and 1 <= int(key) <= len(outcome):
        changed = list(outcome)
        changed[int(key) - 1] = _with(parts, path, changed[int(key) - 1], rest, value)
        return changed
    if not isinstance(outcome, dict):
        raise UsageError(f"{parts.call}: there is no {key!r:.80} at {path!r:.80}")
    return {**outcome, key: _with(parts, path, outcome.get(key), rest, value)}


# Results ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many events, and hook calls among them, were re-executed as recorded."""

    events: int
    hooks: int


def _counted(
    ctx: EffectContext, teller: SessionRecord, asked: _Asked, result: ReplayResult
) -> _Counted:
    if asked.counts is None and asked.first == 1:
        return _Counted(result.events_replayed, result.hooks_replayed)
    counted = hooks = 0
    for ordinal, event in enumerate(_caused(ctx, teller, asked.last), 1):
        if ordinal > result.events_replayed:
            break
        if event.number >= asked.first and (asked.counts is None or asked.counts(event)):
            counted += 1
            hooks += event.name == "hook.call"
    return _Counted(counted, hooks)


def _caused(ctx: EffectContext, teller: SessionRecord, last: int | None) -> Iterator[Event]:
    for event in events(ctx.store, teller.key, 1, last):
        if ctx.cancel.is_set():
            raise EffectFailed("the replay was cancelled")
        if event.ordinal:
            yield event


def _difference(report: dict[str, Any]) -> dict[str, Any]:
    number = report.get("event")
    return {
        "event": number,
        "path": f"events.{number}",
        "source": report.get("source"),
        "line": report.get("line"),
        "expected": values.from_json(report.get("expected")),
        "found": values.from_json(report.get("found")),
        "description": report.get("diff"),
    }


@effect("session.replay_metadata", kind=Kind.READ)
def session_replay_metadata(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Return what a replay of a session would go through."""
    call = "Session.getReplayMetadata"
    record = acting_as(ctx, args.get("session"), call)
    teller = teller_of(ctx.store, record)
    last = ctx.number - 1 if teller.key == ctx.session.key else None
    ids = ids_of(ctx.store, record, teller) if teller.key != record.key else None
    total = 0
    all_at: list[int] = []  # first and last
    hooks_at: list[int] = []
    hooks = 0
    for event in _caused(ctx, teller, last):
        if ids is not None and not concerns(event, ids):
            continue
        total += 1
        all_at[1:] = [event.at]
        if event.name == "hook.call":
            hooks += 1
            hooks_at[1:] = [event.at]
    return {
        "session_id": id_in_script(ctx, record.id),
        "correlation_id": id_in_script(ctx, record.id),
        "can_replay": teller.has_program and not teller.redacted,
        "total_events": total,
        "total_hooks": hooks,
        "first_event_timestamp": rfc3339(all_at[0]) if all_at else None,
        "last_event_timestamp": rfc3339(all_at[-1]) if all_at else None,
        "first_hook_timestamp": rfc3339(hooks_at[0]) if hooks_at else None,
        "last_hook_timestamp": rfc3339(hooks_at[-1]) if hooks_at else None,
        "total_duration": (all_at[-1] - all_at[0]) / 1_000_000 if all_at else 0.0,
    }


# Diff ------------------------------------------------------------------------------------


@effect("session.diff", kind=Kind.READ)
def session_diff(ctx: EffectContext, args: dict[str, Any]) -> dict[Any, Any]:
    """Compare two sessions, as `respell diff --json` does."""
    call = "Session.diff"
    a = acting_as(ctx, args.get("a"), call)
    b = acting_as(ctx, args.get("b"), call)
    found = comparing.diff(ctx.store, a, b)
    shown: dict[Any, Any] = values.from_json(
        found.to_json(id_in_script(ctx, a.id), id_in_script(ctx, b.id))
    )
    pairs = [*shown["events"], shown["first_divergence"]]
    for event in (pair[side] for pair in pairs if pair for side in ("a", "b")):
        if event:
            spell_out_hashes(event)
    return shown
