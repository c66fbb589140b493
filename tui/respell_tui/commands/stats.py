"""`respell stats`: what a session, or all of them, used and hold."""

from __future__ import annotations

from respell.analytics import (
    EffectStats,
    SessionStats,
    StoreStats,
    session_stats,
    store_stats,
)
from respell.policies.limits import shown
from respell_tui.context import Command
from respell_tui.describe import bytes_, count, dollars, seconds
from respell_tui.output import Column, fields, table


def stats(command: Command) -> int:
    """Show the numbers of one session, or of the store."""
    if command.args.id is None:
        with command.open_store() as store:
            of_store = store_stats(store)
        if command.args.json:
            command.out.json(of_store.to_json())
        else:
            _show_store(command, of_store)
        return 0
    with command.with_session(command.args.id) as (store, session):
        of_session = session_stats(store, session)
    if command.args.json:
        command.out.json(of_session.to_json())
    else:
        _show_session(command, of_session)
    return 0


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
