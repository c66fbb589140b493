"""`respell info`: versions, paths, and what confines the Lua process here."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from respell._version import __version__
from respell.engine import sandbox
from respell_tui.context import Command
from respell_tui.output import fields

_LIBRARIES = ("apsw", "blake3", "httpx", "jsonschema", "lupa", "lz4", "msgpack", "textual")


def info(command: Command) -> int:
    """Show what this installation is made of."""
    known = _collect(command)
    if command.args.json:
        command.out.json(known)
        return 0
    out = command.out
    versions, paths = known["versions"], known["paths"]
    fields(out, [(name, text) for name, text in versions.items()])
    out.line()
    there = "" if known["store_exists"] else "  (not there yet)"
    fields(out, [("store", paths["store"] + there), ("program", paths["program"])])
    out.line()
    box = known["sandbox"]
    out.line(f"sandbox of the Lua process on {box['platform']}, {box['machine']}:")
    for name, layer in box["layers"].items():
        word = (
            out.paint("active ", "green") if layer["available"] else out.paint("missing", "yellow")
        )
        out.line(f"  {name:<14}", word, f"  {layer['detail']}" if layer["detail"] else "")
    return 0


def _collect(command: Command) -> dict[str, Any]:
    import lupa.lua54

    import respell
    from respell.store import sqlite_version

    lua = ".".join(str(part) for part in lupa.lua54.LUA_VERSION)
    store = command.store_path().absolute()
    return {
        "versions": {
            "respell": __version__,
            "python": platform.python_version(),
            "lua": lua,
            "sqlite": sqlite_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
        "paths": {
            "store": str(store),
            "program": str(respell.__path__[0]),
        },
        "store_exists": store.exists(),
        "sandbox": sandbox.describe(),
    }
