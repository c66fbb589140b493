"""`respell stats`: what a session, or all of them, used and hold."""

from __future__ import annotations

from respell.analytics import (
    Bucket,
    EffectStats,
    OverTime,
    Pseudonyms,
    SessionStats,
    StoreStats,
    over_time,
    session_stats,
    store_stats,
)
from respell.errors import UsageError
from respell.policies.limits import shown
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import parse_rfc3339
from respell_tui.context import Command
from respell_tui.describe import bytes_, count, dollars, seconds
from respell_tui.output import Column, fields, table

_OVER_TIME = (
    ("sessions", 0), ("events", 2), ("effects", 0), ("succeeded", 3), ("active", 0), ("tokens", 4),
    ("cost", 0), ("hooks", 6), ("stored", 5),
)  # fmt: skip


def stats(command: Command) -> int:
    """Show the numbers of one session, or of the store; over time, if that is asked for."""
    args = command.args
    if args.id is None:
        with command.open_store() as store:
            return _show(command, store, None)
    with command.with_session(args.id) as (store, session):
        return _show(command, store, session)


def _show(command: Command, store: Store, session: SessionRecord | None) -> int:
    args = command.args
    private = args.privacy or command.config.analytics.privacy
    others = Pseudonyms(store) if private else None
    found: StoreStats | SessionStats | OverTime
    if args.by is not None or args.since is not None or args.until is not None:
        since, until = _time(args.since, "--since"), _time(args.until, "--until")
        found = over_time(store, session, by=args.by or "day", since=since, until=until)
        found = found if others is None else others.over_time(found)
    elif session is None:
        of_store = store_stats(store)
        found = of_store if others is None else others.store(of_store)
    else:
        of_session = session_stats(store, session)
        found = of_session if others is None else others.session(of_session)
    if args.json:
        command.out.json(found.to_json())
    elif isinstance(found, OverTime):
        _show_over_time(command, found)
    elif isinstance(found, StoreStats):
        _show_store(command, found)
    else:
        _show_session(command, found)
    return 0


def _time(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        return parse_rfc3339(text)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None


def _show_over_time(command: Command, found: OverTime) -> None:
    if not found.buckets:
        command.err.line("nothing happened" + (" then" if found.since or found.until else ""))
        return
    places = 16 if found.by == "hour" else 10
    rows = [
        _over_time_row(one.start[:places].replace("T", " "), one) for one in found.buckets
    ]  # fmt: skip
    rows.append(_over_time_row("all", found.totals))
    columns = [Column(found.by), *(Column(title, right=True, leave=leave)
               for title, leave in _OVER_TIME)]  # fmt: skip
    table(command.out, columns, rows)


def _over_time_row(label: str, one: Bucket) -> list[str]:
    rate = one.success_rate
    return [
        label, str(one.sessions), f"{one.events:,}", f"{one.effects:,}",
        "" if rate is None else f"{100 * rate:.1f} %",
        seconds(one.active_s), f"{one.tokens:,}" if one.tokens else "",
        dollars(one.cost_usd) if one.cost_usd else "",
        "" if not one.hook_calls else f"{100 * one.hook_overhead:.1f} %",
        bytes_(one.artifact_bytes) if one.artifacts else "",
    ]  # fmt: skip


def _show_store(command: Command, found: StoreStats) -> None:
    sessions = [f"{number} {status}" for status, number in found.sessions.items() if number]
    artifacts = f"{found.artifacts}, {bytes_(found.artifact_bytes)}"
    if found.dedup_ratio > 1:
        artifacts += f" of which {bytes_(found.distinct_bytes)} differ"
    fields(command.out, [
        ("store", found.path),
        ("sessions", ", ".join(sessions) or "none"),
        ("running", str(found.running) if found.running else ""),
        ("events", f"{found.events:,}"),
        ("operations", f"{found.operations:,}"),
        ("active", seconds(found.active_s)),
        ("tokens", f"{found.tokens:,}"),
        ("cost", dollars(found.cost_usd) if found.cost_usd else ""),
        ("artifacts", artifacts),
        ("content", f"{count(found.blobs, 'blob')} of {bytes_(found.blob_bytes)}, stored in "
                    f"{bytes_(found.stored_bytes)}{_times(found.compression_ratio, 'smaller')}"),
        ("on disk", f"{bytes_(found.disk_bytes)}: " + ", ".join(
            f"{place} {bytes_(size)}" for place, size in found.disk.items() if size)),
    ])  # fmt: skip


def _show_session(command: Command, found: SessionStats) -> None:
    rate = found.success_rate
    hooks = found.hooks
    fields(command.out, [
        ("session", found.session_id),
        ("status", found.status),
        ("events", f"{found.events:,} ({found.records:,} records)"),
        ("runs", str(found.runs)),
        ("took", f"{seconds(found.elapsed_s)}: {seconds(found.active_s)} active, "
                 f"{seconds(found.suspended_s)} suspended"),
        ("operations", f"{found.operations:,}"),
        ("succeeded", "" if rate is None else f"{100 * rate:.1f} %"),
        ("tokens", f"{found.tokens:,}"),
        ("cost", dollars(found.cost_usd) if found.cost_usd else ""),
        ("output", f"{count(found.output_lines, 'line')}, {count(found.log_lines, 'log line')}"),
        ("hooks", "" if not hooks.calls else f"{count(hooks.calls, 'call')} in "
                  f"{seconds(hooks.total_s)} ({100 * hooks.overhead:.1f} % of the active time)"),
        ("artifacts", _artifacts(found)),
        ("state", count(found.state_keys, "key")),
        ("limits", ", ".join(one.replace("=", " = ", 1) for one in shown(found.limits))),
    ])  # fmt: skip
    if found.effects:
        command.out.line()
        _table(command, found.effects)


def _artifacts(found: SessionStats) -> str:
    if not found.artifacts:
        return ""
    sizes = found.artifact_sizes
    text = f"{found.artifacts} of {count(sizes.names, 'name')}, {bytes_(sizes.bytes)}"
    return text + f", stored in {bytes_(sizes.stored_bytes)}"


def _table(command: Command, effects: dict[str, EffectStats]) -> None:
    ordered = sorted(effects.items(), key=lambda item: (-item[1].total_s, -item[1].count, item[0]))
    rows = [
        [
            name,
            str(one.count),
            str(one.failed) if one.failed else "",
            str(one.open) if one.open else "",
            seconds(one.total_s) if one.total_s else "",
            seconds(one.longest_s) if one.longest_s else "",
        ]
        for name, one in ordered
    ]
    numbers = ("count", "failed", "open", "time", "longest")
    columns = [Column("effect", least=20), *(Column(title, right=True) for title in numbers)]
    table(command.out, columns, rows)


def _times(ratio: float, word: str) -> str:
    return f" ({ratio:.1f}× {word})" if ratio > 1 else ""
