"""Respell: durable sessions and time travel for Lua agent scripts.

    import respell

    with respell.open("./sessions") as store:
        done = respell.run("script.lua", store=store, input={"city": "Oslo"})
        print(done.session.status, done.session.events)
        print(respell.replay(done.session, store=store).identical)

The names below are the public face; what they do is explained where they are defined.
They are imported when first used, so that `import respell` itself costs next to nothing.
"""

from __future__ import annotations

from respell._version import __version__

TYPE_CHECKING = False  # typing's own would be imported by every worker, for nothing
if TYPE_CHECKING:
    from typing import Any

    from respell.api import diff, fork, open, replay, resume, run
    from respell.engine.replay import ReplayResult
    from respell.engine.run import RunResult, Settlements
    from respell.errors import RespellError
    from respell.history.diff import Difference
    from respell.history.events import Event, events
    from respell.sessions.record import SessionQuery, SessionRecord
    from respell.store import Store
    from respell.tools import ToolRegistry, tool

_HOME = {
    "Difference": "respell.history.diff",
    "Event": "respell.history.events",
    "ReplayResult": "respell.engine.replay",
    "RespellError": "respell.errors",
    "RunResult": "respell.engine.run",
    "SessionQuery": "respell.sessions.record",
    "SessionRecord": "respell.sessions.record",
    "Settlements": "respell.engine.run",
    "Store": "respell.store",
    "ToolRegistry": "respell.tools",
    "diff": "respell.api",
    "events": "respell.history.events",
    "fork": "respell.api",
    "open": "respell.api",
    "replay": "respell.api",
    "resume": "respell.api",
    "run": "respell.api",
    "tool": "respell.tools",
}

__all__ = [
    "Difference",
    "Event",
    "ReplayResult",
    "RespellError",
    "RunResult",
    "SessionQuery",
    "SessionRecord",
    "Settlements",
    "Store",
    "ToolRegistry",
    "__version__",
    "diff",
    "events",
    "fork",
    "open",
    "replay",
    "resume",
    "run",
    "tool",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'respell' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
