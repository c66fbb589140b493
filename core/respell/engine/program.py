"""What a session runs: one script, its arguments, and where it stands in the file system.

The first event of every session with a program, `lifecycle.start`, records all of it, so a
resume, a replay and a fork need nothing from outside the store.
"""

from __future__ import annotations

import os
import secrets
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from respell import values
from respell._version import __version__
from respell.errors import StoreCorrupt, StoreError, UsageError
from respell.history.record import Record
from respell.security import Permissions
from respell.store import Store

START = "lifecycle.start"
MAX_SCRIPT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """A script and what it is run with.

    Attributes:
        name: Chunk name, as events and error messages show it (the file's name).
        source: The script's bytes.
        args: The command line's arguments, `args` and `...` in the script; what is no UTF-8
            in them as `os.fsdecode` gives it.
        input: The value of the global `input`.
        seed: Two 64-bit integers that seed `math.random`.
        script_dir: Folder that `require` looks in.
        cwd: Folder that relative paths start from.
        permissions: What effects may touch.
        script_changed: The history was begun with another script, so lines differ.
        without: Names of globals that the script does not have.
    """

    name: str
    source: bytes
    args: tuple[str, ...] = ()
    input: Any = None
    seed: tuple[int, int] = (0, 0)
    script_dir: Path = field(default_factory=Path)
    cwd: Path = field(default_factory=Path)
    permissions: Permissions = field(default_factory=Permissions)
    script_changed: bool = False
    without: tuple[str, ...] = ()

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        args: tuple[str, ...] = (),
        input: Any = None,
        allow: tuple[str, ...] = (),
        deny: tuple[str, ...] = (),
    ) -> Program:
        """Return the program of a script file, with a new seed.

        Args:
            path: The script.
            args: Its arguments.
            input: A value for its global `input`.
            allow: Permissions to add, `KIND` or `KIND=PATTERN`.
            deny: Permissions to take away, by kind.

        Raises:
            UsageError: The file can't be read, or is not text.
        """
        file = Path(path)
        source = read_script(file)
        cwd = Path.cwd()
        script_dir = file.resolve().parent
        return cls(
            name=values.unicode(file.name),
            source=source,
            args=args,
            input=input,
            seed=new_seed(),
            script_dir=script_dir,
            cwd=cwd,
            permissions=Permissions.from_flags(allow, deny, script_dir=script_dir, cwd=cwd),
        )

    def with_source(self, source: bytes, name: str | None = None) -> Program:
        """Return the same program with another script."""
        return replace(self, source=source, name=name or self.name)

    def save(self, store: Store) -> bytes:
        """Store the script and return the canonical arguments of `lifecycle.start`."""
        return values.encode(
            {
                "name": self.name,
                "script": store.blobs.put(self.source),
                "args": _as_lua(self.args),
                "input": self.input,
                "seed": list(self.seed),
                "script_dir": os.fsencode(self.script_dir),
                "cwd": os.fsencode(self.cwd),
                "permissions": self.permissions.to_dict(),
                "without": list(self.without),
                "respell": __version__,
            }
        )

    @classmethod
    def load(cls, store: Store, start: Record) -> Program:
        """Return the program that a session's first event recorded.

        Raises:
            StoreCorrupt: The first event is not `lifecycle.start`, or holds no program.
        """
        if start.name != START:
            raise StoreCorrupt(
                f"the history begins with {start.name!r} where {START!r} belongs. "
                "Run `respell check`."
            )
        recorded = start.arguments()
        try:
            script = recorded["script"]
            return cls(
                name=recorded["name"],
                source=store.blobs.get(script if isinstance(script, bytes) else script.encode()),
                args=tuple(os.fsdecode(one) for one in recorded.get("args") or ()),
                input=recorded.get("input"),
                seed=tuple(recorded["seed"]),
                script_dir=Path(os.fsdecode(recorded["script_dir"])),
                cwd=Path(os.fsdecode(recorded["cwd"])),
                permissions=Permissions.from_dict(recorded["permissions"]),
                without=tuple(recorded.get("without") or ()),
            )
        except StoreError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreCorrupt(
                f"the first event of the history does not hold a program ({error!r:.80}); run "
                "`respell check`"
            ) from error

    def init(self, *, session_id: str, **modes: Any) -> bytes:
        """Return the INIT payload for a worker.

        Args:
            session_id: Id of the session that runs.
            modes: trace, trace_from, ask_all, stops_at_end, script_changed, count_lines,
                edits (see `respell/lua/effects.lua`).
        """
        return values.encode(
            {
                "name": self.name,
                "source": self.source,
                "args": _as_lua(self.args),
                "input": self.input,
                "seed": list(self.seed),
                "session_id": session_id,
                "script_changed": self.script_changed,
                "without": list(self.without),
                **modes,
            }
        )


def _as_lua(args: tuple[str, ...]) -> list[str | bytes]:
    """Return arguments as scripts get them: those that are no UTF-8 as the bytes they are."""
    return [one if one.isascii() else _text_or_bytes(one) for one in args]


def _text_or_bytes(text: str) -> str | bytes:
    try:
        data = text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text  # half of a surrogate pair: no value can hold it, and that is told
    return data if values.unicode(text) != text else text


def read_script(file: Path) -> bytes:
    """Return a script's bytes.

    Raises:
        UsageError: The file can't be read, is too large or is no Lua text.
    """
    try:
        if file.stat().st_size > MAX_SCRIPT_BYTES:
            raise UsageError(f"{file} is larger than {MAX_SCRIPT_BYTES >> 20} MiB: not a script")
        source = file.read_bytes()
    except OSError as error:
        raise UsageError(f"can't read the script {file}: {error.strerror}") from None
    if source.startswith(b"\x1bLua"):
        raise UsageError(f"{file} is compiled Lua; Respell runs Lua source only")
    return source


def new_seed() -> tuple[int, int]:
    """Return two random 64-bit integers, as Lua's `math.randomseed` takes them."""
    first, second = struct.unpack("<qq", secrets.token_bytes(16))
    return first, second
