"""What effects outside the store share: the session's permissions, and paths as Lua sees them."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from respell.arguments import Arguments
from respell.engine.effects import EffectContext
from respell.errors import EffectFailed
from respell.security import Permissions


def permissions_of(ctx: EffectContext) -> Permissions:
    """Return the script's permissions: the store closed, its temporary folder open."""
    permissions = _permissions(ctx.permissions.silent(), ctx.store.path, ctx.session.id)
    ask = ctx.permissions.ask
    return permissions if ask is None else replace(permissions, ask=ask)


@lru_cache(maxsize=64)
def _permissions(permissions: Permissions, store: Path, session_id: str) -> Permissions:
    # Resolves symlinks, which need not be done again for each write.
    return permissions.without(store).with_own(temporary_folder(session_id))


def temporary_folder(session_id: str) -> Path:
    """Return where a session has its temporary files; makes nothing."""
    return _base() / session_id


def make_temporary_folder(session_id: str) -> Path:
    """Make that folder, for this user only, if it is not there yet.

    Raises:
        EffectFailed: Somebody else has made one in its place.
        OSError: It can't be made.
    """
    folder = temporary_folder(session_id)
    for one in (folder.parent, folder):
        one.mkdir(mode=0o700, exist_ok=True)
        info = one.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
            raise EffectFailed(
                f"{one} is not a folder of this user alone, so no temporary file is made there. "
                "Remove it, or set TMPDIR to another place"
            )
    return folder


def remove_temporary_folder(session_id: str) -> None:
    """Remove a session's temporary files; to be called when the session is deleted."""
    shutil.rmtree(temporary_folder(session_id), ignore_errors=True)


def path_argument(given: Arguments, name: str) -> str | bytes:
    """Return an argument that is a path.

    Raises:
        UsageError: It is none.
    """
    value = given.given(name)
    if not isinstance(value, str | bytes):
        raise given.wrong(name, "a path", value)
    return value


def integer_argument(given: Arguments, name: str, *, most: int) -> int:
    """Return an argument that is an integer from 0 to `most`.

    Raises:
        UsageError: It is none.
    """
    value = given.given(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise given.wrong(name, f"an integer from 0 to {most}", value)
    return value


def bytes_argument(given: Arguments, name: str) -> bytes:
    """Return an argument that is any string.

    Raises:
        UsageError: It is none.
    """
    value = given.given(name)
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, bytes):
        raise given.wrong(name, "a string", value)
    return value


def lua_text(text: str | os.PathLike[str]) -> str | bytes:
    """Return text that may have come from a path: bytes where it is not UTF-8."""
    plain = os.fspath(text)
    return plain if plain.isascii() else os.fsencode(plain)


def failed(path: str | bytes, error: OSError) -> dict[str, Any]:
    """Return what `io.open` and its like give for an error: text and number, as in C."""
    reason = error.strerror or str(error)
    return {"error": lua_text(f"{os.fsdecode(path)}: {reason}"), "code": error.errno or 0}


def _base() -> Path:
    return Path(tempfile.gettempdir(), f"respell-{os.getuid()}")
