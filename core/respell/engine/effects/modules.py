"""Modules: what `require` loads, always as source, always recorded."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from respell.arguments import Arguments
from respell.effect import Kind
from respell.engine.effects import EffectContext, effect
from respell.engine.effects.confined import lua_text, permissions_of
from respell.errors import UsageError

MAX_MODULE_BYTES = 16 << 20

_PLACES = ("{}.lua", "{}/init.lua")


@effect("module.load", kind=Kind.READ)
def module_load(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Find a module beside the script: `{name}` -> `{path, source}`, or `{error}`.

    `a.b` is a/b.lua or a/b/init.lua in the script's folder; `path` is relative to it. The
    error is the list of files that are not there, as in `require`'s own message.
    """
    name = Arguments("require", args).text("name", empty=False)
    if name is None or "\0" in name:
        raise UsageError("require: name must be a string without NUL bytes")
    permissions = permissions_of(ctx)
    tried = []
    for place in _PLACES:
        path = place.format(name.replace(".", "/").strip("/"))
        shown = os.path.join(ctx.script_dir, path)
        try:
            source = _source(permissions.check_read(shown))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            tried.append(shown)
            continue
        except OSError as error:
            if error.errno is None:  # a refusal of ours
                raise
            return {"error": lua_text(f"{shown}: {error.strerror}")}
        return {"path": lua_text(path), "source": source}
    return {"error": lua_text("".join(f"\n\tno file '{path}'" for path in tried))}


def _source(path: Path) -> bytes:
    info = path.stat()
    if stat.S_ISDIR(info.st_mode):
        raise IsADirectoryError
    if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_MODULE_BYTES:
        raise UsageError(f"{path} is not a file of at most {MAX_MODULE_BYTES} bytes: no module")
    return path.read_bytes()
