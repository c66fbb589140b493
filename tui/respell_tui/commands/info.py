"""`respell info`: versions, paths, and what confines the Lua process here."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from respell import sandbox
from respell._version import __version__
from respell.errors import ConfigError
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
    if known["problems"]:
        there += "  (unless the configuration says otherwise, once it makes sense)"
    fields(out, [
        ("store", paths["store"] + there),
        ("program", paths["program"]),
        ("settings", "\n".join(paths["settings"]) or "there is no file"),
        ("mistakes", "\n".join(known["problems"])),
    ])  # fmt: skip
    out.line()
    box = known["sandbox"]
    out.line(f"sandbox of the Lua process on {box['platform']}, {box['machine']}:")
    for name, layer in box["layers"].items():
        word = (
            out.paint("active ", "green") if layer["available"] else out.paint("missing", "yellow")
        )
        out.line(f"  {name:<14}", word, f"  {layer['detail']}" if layer["detail"] else "")
    out.line()
    layers = ", ".join(known["tool_layers"]) or "none"
    fields(out, [("confinement of what tools compute", layers)])
    return 0


def _collect(command: Command) -> dict[str, Any]:
    import lupa.lua54

    import respell
    from respell.config import places
    from respell.store import sqlite_version
    from respell.tools.confinement import layers

    lua = ".".join(str(part) for part in lupa.lua54.LUA_VERSION)
    files, problems = places()
    store = _store(command).absolute()
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
            "settings": [str(place.path) for place in files if place.exists],
        },
        "problems": list(problems),
        "store_exists": store.exists(),
        "sandbox": sandbox.describe(),
        "tool_layers": layers(),
    }


def _store(command: Command) -> Path:
    """Return the store's folder, as far as that can be said where the configuration is broken."""
    try:
        return command.store_path()
    except ConfigError:
        from respell.store import default_folder

        named = getattr(command.args, "store", None) or os.environ.get("RESPELL_STORE")
        return Path(named).expanduser() if named else default_folder()
