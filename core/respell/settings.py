"""What can be set: every key of `respell.toml`, with its type, its range and its default.

The dataclasses below are the only place where a setting is declared. `respell.config` reads
them from files and from the environment, docs/configuration.md explains them to people.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any

from respell.errors import ConfigError
from respell.setting import (
    Kind,
    Setting,
    added,
    free,
    higher,
    lower,
    never,
    only,
    rates_by_name,
    slower,
)


def _setting(kind: Kind, default: Any, doc: str, **more: Any) -> Any:
    return field(default=default, metadata={"kind": kind, "doc": doc, **more})


def _limit(kind: Kind, doc: str, least: float = 1) -> Any:
    return _setting(kind, None, doc, least=least, from_project=lower)


_TINY = 0.001


@dataclass(frozen=True)
class LimitSettings:
    """`[session.limits]`: the limits of every new session, unless it is given others."""

    operations: int | None = _limit("integer", "effects a session may perform")
    memory_bytes: int | None = _limit(
        "integer", "memory of its Lua runtime, in bytes; without it 1 GiB", 2 * 1024**2
    )
    max_duration: float | None = _limit("number", "seconds it may be active", _TINY)
    max_idle_time: float | None = _limit("number", "seconds it may do nothing", _TINY)
    idle_grace: float | None = _limit(
        "number", "seconds it may go on doing nothing after it was warned", _TINY
    )
    tokens: int | None = _limit("integer", "tokens its agents may use")
    tokens_per_request: int | None = _limit("integer", "tokens one request to a model may use")
    cost_usd: float | None = _limit("number", "what its agents may cost, in US dollars", 1e-6)
    artifacts: int | None = _limit("integer", "artifacts it may have")
    artifact_bytes: int | None = _limit("integer", "bytes its artifacts may have together")
    history_bytes: int | None = _limit("integer", "bytes its history may have")
    rate: tuple[str, ...] = _setting(
        "rates", (), "how often effects may be performed, all of them or one kind by its name",
        from_project=slower,
    )  # fmt: skip

    def given(self) -> dict[str, Any]:
        """Return those that are set, by name; rates as a table."""
        values = {it.name: getattr(self, it.name) for it in fields(self) if it.name != "rate"}
        found = {name: value for name, value in values.items() if value is not None}
        return {**found, "rate": rates_by_name(self.rate)} if self.rate else found


@dataclass(frozen=True)
class RetentionSettings:
    """`[session.retention]`: what becomes of sessions that have ended."""

    archive_after_days: float | None = _setting(
        "number", None, "archives completed and failed sessions so many days after their end",
        least=_TINY, of_store=True,
    )  # fmt: skip
    delete_after_days: float | None = _setting(
        "number", None, "deletes sessions so many days after their end",
        least=_TINY, of_store=True,
    )  # fmt: skip


@dataclass(frozen=True)
class SessionSettings:
    """`[session]`."""

    enabled: bool = _setting(
        "boolean", True, "without it, new sessions have no globals Session and Artifact"
    )
    storage_path: str = _setting(
        "path", "", "the folder that sessions are kept in; empty for the platform's data folder",
        environment="RESPELL_STORE",
    )  # fmt: skip
    max_active_sessions: int = _setting(
        "integer", 100, "sessions of one store that may run at the same time",
        least=1, from_project=lower,
    )  # fmt: skip
    artifact_compression: bool = _setting(
        "boolean", True, "compresses content above 10 KiB where that makes it smaller"
    )
    durability: str = _setting(
        "text", "full", "full: survives a power cut; process: survives the death of the process",
        choices=("full", "process"), of_store=True,
    )  # fmt: skip
    limits: LimitSettings = field(default_factory=LimitSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)


@dataclass(frozen=True)
class PolicySettings:
    """`[policies]`: what limits come to, and how policies are put together."""

    composition: str = _setting(
        "text", "sequential",
        "sequential: the first policy that denies decides; parallel: all are asked at the same "
        "time; voting: the share that allows decides",
        choices=("sequential", "parallel", "voting"), from_project=only("sequential"),
    )  # fmt: skip
    threshold: float = _setting(
        "number", 0.5, "the share of policies that has to allow an effect in a vote",
        least=_TINY, most=1.0, from_project=higher,
    )  # fmt: skip
    on_limit: str = _setting(
        "text", "suspend", "what becomes of a session that a limit or a policy stops",
        choices=("suspend", "fail"),
    )  # fmt: skip
    on_rate: str = _setting(
        "text", "wait",
        "wait: an effect that a rate does not let through is performed later; stop: the session "
        "is stopped there",
        choices=("wait", "stop"), from_project=only("stop"),
    )  # fmt: skip
    rate: tuple[str, ...] = _setting(
        "rates", (), "rates of all sessions of a store together", from_project=slower
    )
    alerts: tuple[float, ...] = _setting(
        "numbers", (0.5, 0.75, 0.9), "shares of a limit at which it is told how much is used",
        least=_TINY, most=0.999, from_project=added,
    )  # fmt: skip
    warn_before: tuple[float, ...] = _setting(
        "numbers", (300.0, 60.0), "seconds before the end of max_duration at which that is told",
        least=_TINY, from_project=added,
    )  # fmt: skip


@dataclass(frozen=True)
class ArtifactSettings:
    """`[artifacts]`: what becomes an artifact by itself."""

    collect_tool_results: bool = _setting("boolean", True, "collects what tools return")
    collect_agent_outputs: bool = _setting("boolean", True, "collects what agents answer")
    collect_min_bytes: int = _setting("integer", 0, "collects nothing smaller", least=0)
    collect_max_bytes: int = _setting(
        "integer", 10 * 1024**2, "collects nothing larger", least=0, from_project=lower
    )
    collect_sampling: float = _setting(
        "number", 1.0, "the share of outcomes that is collected", least=0.0, most=1.0
    )
    collect_tags: tuple[str, ...] = _setting(
        "texts", ("auto-collected",), "tags of what is collected"
    )


@dataclass(frozen=True)
class StorageSettings:
    """`[storage]`: how the store is kept tidy."""

    gc_grace_hours: float = _setting(
        "number", 24.0, "`respell gc` spares what was put away in the last so many hours",
        least=0.0, of_store=True,
    )  # fmt: skip


@dataclass(frozen=True)
class AnalyticsSettings:
    """`[analytics]`: what numbers tell of whom."""

    privacy: bool = _setting(
        "boolean", False, "puts pseudonyms in place of ids, names and paths in `respell stats`",
        from_project=only(True),
    )  # fmt: skip


@dataclass(frozen=True)
class SecuritySettings:
    """`[security]`: what scripts may do, and who is told."""

    allow: tuple[str, ...] = _setting(
        "rules", (), "permissions of every new session, as with `--allow`", from_project=never
    )
    deny: tuple[str, ...] = _setting(
        "rules", (), "what every new session may not do, as with `--deny`", from_project=added
    )
    sessions: str = _setting(
        "text", "created",
        "created: a script acts as sessions it created, and as those without program that it "
        "loads or resumes; own: not as the latter",
        choices=("created", "own"), from_project=only("own"),
    )  # fmt: skip
    audit: bool = _setting(
        "boolean", True, "keeps a log of refusals and of what is done to sessions",
        from_project=only(True),
    )  # fmt: skip
    ask: bool = _setting(
        "boolean", True, "asks on a terminal when a script may not do what it wants",
        from_project=only(False),
    )  # fmt: skip
    trusted: tuple[str, ...] = _setting(
        "folders", (), "folders below which a project's respell.toml counts in full",
        from_project=never,
    )  # fmt: skip


@dataclass(frozen=True)
class LoggingHookSettings:
    """`[hooks.logging]`."""

    enabled: bool = _setting("boolean", False, "logs each effect and each operation on a session")
    level: str = _setting(
        "text", "info", "the level of its lines", choices=("debug", "info", "warn", "error")
    )
    include_data: bool = _setting("boolean", False, "has arguments and outcomes in the lines")
    file: str = _setting(
        "path", "", "a file that lines are added to, as JSON; empty for Python's logging only",
        from_project=never,
    )  # fmt: skip


@dataclass(frozen=True)
class MetricsHookSettings:
    """`[hooks.metrics]`."""

    enabled: bool = _setting(
        "boolean", False, "counts effects and how long they take, as an artifact of the session"
    )


@dataclass(frozen=True)
class SecurityHookSettings:
    """`[hooks.security]`."""

    enabled: bool = _setting(
        "boolean", False, "looks at what tools and models are given", from_project=only(True)
    )
    max_param_bytes: int = _setting(
        "integer", 10 * 1024, "bytes that parameters may have", least=1, from_project=lower
    )
    sensitive_names: tuple[str, ...] = _setting(
        "texts", ("password", "passwd", "secret", "token", "api_key", "apikey", "private_key"),
        "names that no parameter with a value may have, in any case", from_project=added,
    )  # fmt: skip
    block: bool = _setting(
        "boolean", False, "cancels what is found; else the audit log and a warning tell of it",
        from_project=only(True),
    )  # fmt: skip


@dataclass(frozen=True)
class CachingHookSettings:
    """`[hooks.caching]`."""

    enabled: bool = _setting("boolean", False, "answers equal requests from a cache in the store")
    agents: bool = _setting("boolean", True, "caches what models answer")
    tools: tuple[str, ...] = _setting("texts", (), "tools whose results are cached")
    ttl_seconds: float = _setting(
        "number", 300.0, "seconds for which an answer is good", least=_TINY
    )
    max_entries: int = _setting(
        "integer", 1000, "outcomes that are kept for hooks; the oldest make room",
        least=1, most=1_000_000, from_project=lower,
    )  # fmt: skip


@dataclass(frozen=True)
class RateLimitHookSettings:
    """`[hooks.rate_limit]`."""

    enabled: bool = _setting(
        "boolean", False, "limits how often tools are called and models asked",
        from_project=only(True),
    )  # fmt: skip
    per_second: float = _setting(
        "number", 10.0, "calls per second", least=_TINY, most=1e6, from_project=lower
    )
    burst: int = _setting("integer", 50, "calls that may come at once", least=1, from_project=lower)
    scope: str = _setting(
        "text", "global", "global: of all together; component: of each tool and agent",
        choices=("global", "component"), from_project=only("global"),
    )  # fmt: skip
    action: str = _setting(
        "text", "cancel", "cancel: the call gets an error; wait: it waits its turn",
        choices=("cancel", "wait"),
    )  # fmt: skip


@dataclass(frozen=True)
class RetryHookSettings:
    """`[hooks.retry]`."""

    enabled: bool = _setting("boolean", False, "performs calls again that have failed")
    tools: tuple[str, ...] = _setting("texts", (), "the tools that are called again; empty for all")
    max_attempts: int = _setting(
        "integer", 3, "attempts in all", least=1, most=100, from_project=lower
    )
    delay_s: float = _setting("number", 0.1, "seconds before the second attempt", least=0.0)
    factor: float = _setting("number", 2.0, "by which each wait is longer", least=1.0, most=100.0)
    max_delay_s: float = _setting("number", 60.0, "no wait is longer", least=0.0, most=86400.0)
    jitter: bool = _setting("boolean", True, "makes waits up to half shorter, at random")


@dataclass(frozen=True)
class CostTrackingHookSettings:
    """`[hooks.cost_tracking]`."""

    enabled: bool = _setting(
        "boolean", False, "adds up what a session's models cost", from_project=only(True)
    )
    warn_usd: float = _setting(
        "number", 10.0, "US dollars at which it tells", least=1e-6, from_project=lower
    )
    alert_usd: float = _setting(
        "number", 50.0, "US dollars at which it tells again", least=1e-6, from_project=lower
    )
    block_usd: float = _setting(
        "number", 100.0, "US dollars from which on requests are cancelled",
        least=1e-6, from_project=lower,
    )  # fmt: skip


@dataclass(frozen=True)
class DebuggingHookSettings:
    """`[hooks.debugging]`."""

    enabled: bool = _setting(
        "boolean", False, "keeps the last effects with their data, as an artifact of the session"
    )
    max_traces: int = _setting(
        "integer", 1000, "entries that are kept", least=1, most=100_000, from_project=lower
    )


@dataclass(frozen=True)
class HookSettings:
    """`[hooks]`: functions around what a script does."""

    timeout_seconds: float = _setting(
        "number", 5.0, "seconds that a hook written in Lua may compute before it is stopped",
        least=_TINY, most=3600.0, from_project=lower,
    )  # fmt: skip
    python: bool = _setting(
        "boolean", True, "has hooks written in Python run around what sessions do",
        from_project=only(True),
    )  # fmt: skip
    logging: LoggingHookSettings = field(default_factory=LoggingHookSettings)
    metrics: MetricsHookSettings = field(default_factory=MetricsHookSettings)
    security: SecurityHookSettings = field(default_factory=SecurityHookSettings)
    caching: CachingHookSettings = field(default_factory=CachingHookSettings)
    rate_limit: RateLimitHookSettings = field(default_factory=RateLimitHookSettings)
    retry: RetryHookSettings = field(default_factory=RetryHookSettings)
    cost_tracking: CostTrackingHookSettings = field(default_factory=CostTrackingHookSettings)
    debugging: DebuggingHookSettings = field(default_factory=DebuggingHookSettings)


@dataclass(frozen=True)
class HttpRequestSettings:
    """`[tools.http_request]`: the most a call may ask for."""

    timeout_s: float = _setting(
        "number", 3600.0, "seconds a call may take", least=_TINY, most=3600.0, from_project=lower
    )
    max_body_bytes: int = _setting(
        "integer", 64 * 1024**2, "bytes an answer may have",
        least=0, most=64 * 1024**2, from_project=lower,
    )  # fmt: skip


@dataclass(frozen=True)
class ProcessExecutorSettings:
    """`[tools.process_executor]`: the most a call may take."""

    timeout_s: float = _setting(
        "number", 600.0, "seconds a process may take", least=_TINY, most=600.0, from_project=lower
    )
    max_output_bytes: int = _setting(
        "integer", 1024**2, "bytes of each of its two streams that are kept",
        least=0, most=64 * 1024**2, from_project=lower,
    )  # fmt: skip


@dataclass(frozen=True)
class ToolSettings:
    """`[tools]`."""

    disabled: tuple[str, ...] = _setting(
        "texts", (), "tools that scripts can't call", from_project=added
    )
    http_request: HttpRequestSettings = field(default_factory=HttpRequestSettings)
    process_executor: ProcessExecutorSettings = field(default_factory=ProcessExecutorSettings)


@dataclass(frozen=True)
class UiSettings:
    """`[ui]`: how the terminal UI looks."""

    theme: str = _setting(
        "text", "dark",
        "its colours: dark, light, contrast, terminal (the terminal's own), or any theme of "
        "Textual",
    )  # fmt: skip
    icons: str = _setting("text", "unicode", "its signs", choices=("unicode", "ascii"))


@dataclass(frozen=True)
class DebugSettings:
    """`[debug]`: the debugger in line mode."""

    keep_lines: int = _setting(
        "integer", 1000,
        "lines typed in `respell debug` that are kept for the next time; 0 keeps none",
        least=0, most=100_000, from_project=lower,
    )  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """All of them, one attribute per table of `respell.toml`."""

    session: SessionSettings = field(default_factory=SessionSettings)
    policies: PolicySettings = field(default_factory=PolicySettings)
    artifacts: ArtifactSettings = field(default_factory=ArtifactSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    analytics: AnalyticsSettings = field(default_factory=AnalyticsSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    tools: ToolSettings = field(default_factory=ToolSettings)
    hooks: HookSettings = field(default_factory=HookSettings)
    debug: DebugSettings = field(default_factory=DebugSettings)
    ui: UiSettings = field(default_factory=UiSettings)


# All of them by key ------------------------------------------------------------------------


@cache
def describe() -> tuple[Setting, ...]:
    """Return every setting, in the order of the documentation."""
    return tuple(_declared(Settings, ""))


@cache
def by_key() -> dict[str, Setting]:
    """Return every setting by its key."""
    return {setting.key: setting for setting in describe()}


@cache
def sections() -> frozenset[str]:
    """Return the keys of all tables, e.g. `session.limits`."""
    keys = [setting.key.split(".") for setting in describe()]
    return frozenset(".".join(key[:depth]) for key in keys for depth in range(1, len(key)))


def find(key: str) -> Setting:
    """Return the setting of a key.

    Raises:
        ConfigError: There is none; names the nearest.
    """
    found = by_key().get(key)
    if found is None:
        raise ConfigError(f"there is no setting {key!r:.80}{nearest(key)}")
    return found


def nearest(key: str) -> str:
    """Return a hint at the key that was meant, to be put behind a message; empty for none."""
    known = [*by_key(), *sections()]
    last = key.rpartition(".")[2]
    same = [one for one in known if one.rpartition(".")[2] == last]
    near = same or difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if not near:
        names = {one.rpartition(".")[2]: one for one in known}
        near = [names[it] for it in difflib.get_close_matches(last, names, n=1, cutoff=0.7)]
    return f"; did you mean {near[0]}?" if near else ""


def make(values: dict[str, Any]) -> Settings:
    """Return the settings with these values, by key, checked already; defaults elsewhere."""
    made: Settings = _made(Settings, "", values)
    return made


def _made(cls: Any, prefix: str, values: dict[str, Any]) -> Any:
    given = {}
    for it in fields(cls):
        key = f"{prefix}{it.name}"
        if it.default is MISSING:  # a table
            given[it.name] = _made(it.default_factory, f"{key}.", values)
        elif key in values:
            given[it.name] = values[key]
    return cls(**given)


def _declared(cls: Any, prefix: str) -> Iterator[Setting]:
    nested = []
    for it in fields(cls):
        key = f"{prefix}{it.name}"
        meta = it.metadata
        if it.default is MISSING:  # a table
            nested.append((it.default_factory, f"{key}."))
            continue
        own = "RESPELL_" + key.replace(".", "_").upper()
        other = meta.get("environment")
        yield Setting(
            key=key,
            kind=meta["kind"],
            default=it.default,
            doc=meta["doc"],
            least=meta.get("least"),
            most=meta.get("most"),
            choices=meta.get("choices", ()),
            environment=(other, own) if other else (own,),
            from_project=meta.get("from_project", free),
            of_store=meta.get("of_store", False),
        )
    for section, below in nested:
        yield from _declared(section, below)
