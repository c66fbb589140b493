"""Respell: durable sessions and time travel for Lua agent scripts.

    import respell

    with respell.open("./sessions") as store:
        done = respell.run("script.lua", store=store, input={"city": "Oslo"})
        print(done.session.status, done.session.events)
        session = respell.session(done.session, store=store)
        print(session.replay().identical, session.artifacts.list())

The names below are the public face; what they do is explained where they are defined.
They are imported when first used, so that `import respell` itself costs next to nothing.
"""

from __future__ import annotations

from respell._version import __version__

TYPE_CHECKING = False  # typing's own would be imported by every worker, for nothing
if TYPE_CHECKING:
    from typing import Any

    from respell import debug, hooks
    from respell.analytics import OverTime, SessionStats, StoreStats
    from respell.api import (
        builder,
        causes,
        check,
        create,
        diff,
        events,
        fork,
        gc,
        import_,
        list_sessions,
        open,
        replay,
        resume,
        run,
        session,
        stats,
        stats_over_time,
        timeline,
    )
    from respell.artifacts.record import ArtifactRecord
    from respell.engine.doubt import Settlements
    from respell.engine.replay import ReplayResult
    from respell.engine.run import RunResult
    from respell.errors import RespellError
    from respell.history.diff import Difference
    from respell.history.events import Event
    from respell.hooks import HookContext, HookRegistry, hook
    from respell.policies import Policies, PolicyContext, Verdict, policy
    from respell.policies.middleware import Middleware, middleware
    from respell.policies.notices import Notice
    from respell.sessions.artifacts import SessionArtifacts
    from respell.sessions.building import SessionBuilder
    from respell.sessions.causality import Cause
    from respell.sessions.record import SessionQuery, SessionRecord
    from respell.sessions.session import Session, current
    from respell.sessions.state import SessionState
    from respell.store import Store
    from respell.store.bus_rows import BusEvent
    from respell.store.listening import Subscription
    from respell.tools import ToolContext, ToolRegistry, tool

_HOME = {
    "ArtifactRecord": "respell.artifacts.record",
    "BusEvent": "respell.store.bus_rows",
    "Cause": "respell.sessions.causality",
    "Difference": "respell.history.diff",
    "Event": "respell.history.events",
    "HookContext": "respell.hooks",
    "HookRegistry": "respell.hooks",
    "Middleware": "respell.policies.middleware",
    "Notice": "respell.policies.notices",
    "OverTime": "respell.analytics",
    "Policies": "respell.policies",
    "PolicyContext": "respell.policies",
    "ReplayResult": "respell.engine.replay",
    "RespellError": "respell.errors",
    "RunResult": "respell.engine.run",
    "Session": "respell.sessions.session",
    "SessionArtifacts": "respell.sessions.artifacts",
    "SessionBuilder": "respell.sessions.building",
    "SessionQuery": "respell.sessions.record",
    "SessionRecord": "respell.sessions.record",
    "SessionState": "respell.sessions.state",
    "SessionStats": "respell.analytics",
    "Settlements": "respell.engine.run",
    "Store": "respell.store",
    "StoreStats": "respell.analytics",
    "Subscription": "respell.store.listening",
    "ToolContext": "respell.tools",
    "ToolRegistry": "respell.tools",
    "Verdict": "respell.policies",
    "builder": "respell.api",
    "causes": "respell.api",
    "check": "respell.api",
    "create": "respell.api",
    "current": "respell.sessions.session",
    "diff": "respell.api",
    "events": "respell.api",
    "fork": "respell.api",
    "gc": "respell.api",
    "hook": "respell.hooks",
    "import_": "respell.api",
    "list_sessions": "respell.api",
    "middleware": "respell.policies.middleware",
    "open": "respell.api",
    "policy": "respell.policies",
    "replay": "respell.api",
    "resume": "respell.api",
    "run": "respell.api",
    "session": "respell.api",
    "stats": "respell.api",
    "stats_over_time": "respell.api",
    "timeline": "respell.api",
    "tool": "respell.tools",
}

__all__ = [
    "ArtifactRecord",
    "BusEvent",
    "Cause",
    "Difference",
    "Event",
    "HookContext",
    "HookRegistry",
    "Middleware",
    "Notice",
    "OverTime",
    "Policies",
    "PolicyContext",
    "ReplayResult",
    "RespellError",
    "RunResult",
    "Session",
    "SessionArtifacts",
    "SessionBuilder",
    "SessionQuery",
    "SessionRecord",
    "SessionState",
    "SessionStats",
    "Settlements",
    "Store",
    "StoreStats",
    "Subscription",
    "ToolContext",
    "ToolRegistry",
    "Verdict",
    "__version__",
    "builder",
    "causes",
    "check",
    "create",
    "current",
    "debug",
    "diff",
    "events",
    "fork",
    "gc",
    "hook",
    "hooks",
    "import_",
    "list_sessions",
    "middleware",
    "open",
    "policy",
    "replay",
    "resume",
    "run",
    "session",
    "stats",
    "stats_over_time",
    "timeline",
    "tool",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None and name not in ("debug", "hooks"):
        raise AttributeError(f"module 'respell' has no attribute {name!r}")
    from importlib import import_module

    if home is None:
        return import_module(f"respell.{name}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
