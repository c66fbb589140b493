"""One Lua runtime with Respell's own base library, and nothing else in it.

lupa's documented hazards are kept out by construction: Lua 5.4 only (its 5.5 hands out
wrong objects), only bytes and numbers cross to Python, Python keeps no table, function or
coroutine of a script, and the `python` bridge table is taken away before a script is read.
"""

from __future__ import annotations

import os

import lupa.lua54

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Port = dict[str, Callable[..., Any]]

LUA_VERSION = (5, 4)
LUA_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "lua")

# Later files use what earlier ones provide.
LIBRARY = (
    "codec", "order", "gc", "base", "coroutines", "strings", "tables", "standing", "guards",
    "answers", "effects", "branches", "scope", "edits", "models", "modules", "io", "os", "json",
    "program",
)  # fmt: skip
GLOBALS = (
    "logger", "utils", "config", "state", "session", "replay", "artifact", "hook_points",
    "hook_results", "hook_registry", "hook", "event", "tool", "streaming", "agent",
    "agent_registry", "agent_lifecycle", "agent_health", "agent_contexts", "agent_groups",
    "workflow_conditions", "workflow_steps", "workflow_kinds", "workflow_parallel",
    "workflow_runs", "workflow",
)  # fmt: skip
DEBUGGER = (
    "chunk_marks",
    "inspection",
    "over_time",
    "code_lines",
    "data_points",
    "predicates",
    "scouting",
    "debugger",
)  # what a worker has besides that a debugger drives


def load_library(more: tuple[str, ...] = ()) -> list[tuple[str, bytes]]:
    """Return name and source of every Lua file of ours, boot first, and of `more`."""
    files = []
    for name in ("boot", *LIBRARY, *GLOBALS, *more):
        with open(os.path.join(LUA_FOLDER, name + ".lua"), "rb") as file:
            files.append((name, file.read()))
    return files


def new_runtime(
    port: Port, *, memory_bytes: int | None = None, library: list[tuple[str, bytes]] | None = None
) -> tuple[Callable[[], None], Callable[[int], None]]:
    """Return what runs a script in a new runtime, and never returns; and what sets its memory.

    Args:
        port: The functions through which the Lua side reaches the host: `send(frame)`,
            `receive() -> frame`, `receive_answer() -> frame` (which stays awake for a moment),
            `finish(frame)`, `die(kind, message)`, `trace(bytes)`, `entropy(n) -> bytes`,
            `now() -> microseconds since 1970 UTC`; where a debugger drives it also `fork(tie)` and
            `digest(name, text) -> 12 hexadecimal digits`.
        memory_bytes: Most that Lua may allocate, or None for no limit.
        library: What `load_library` returned, where files can't be read any more.
    """
    lua = lupa.lua54.LuaRuntime(
        encoding=None,
        register_eval=False,
        register_builtins=False,
        unpack_returned_tuples=True,
        attribute_filter=_refuse_attributes,
        max_memory=memory_bytes or 0,
    )
    if lua.lua_version != LUA_VERSION:
        raise RuntimeError(f"Lua {LUA_VERSION} is needed, lupa brought {lua.lua_version}")
    files = library if library is not None else load_library()
    boot = lua.compile(files[0][1], name=b"=respell/boot")
    install, seal, start = boot(lua.table_from({k.encode(): f for k, f in port.items()}))
    for name, source in files[1:]:
        install(name.encode(), source)
    seal()
    return start, lua.set_max_memory


def _refuse_attributes(_obj: object, _name: object, _setting: bool) -> object:
    raise AttributeError("Lua may not look into Python objects")
