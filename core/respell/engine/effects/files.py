"""Files: what `io.open` and its methods, `os.remove`, `os.rename` and `os.tmpname` cause.

Opening for reading takes a snapshot, so that what is read later, and again at every
re-execution, is what was there then. Writes name their position, so one that may have
happened is simply done again. An error that C would report is an outcome
`{error = text, code = errno}`; a refusal is raised.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from collections.abc import Callable
from functools import wraps
from typing import Any

from respell.arguments import Arguments
from respell.effect import Kind, Manner
from respell.engine.effects import EffectContext, effect
from respell.engine.effects.confined import (
    bytes_argument,
    failed,
    integer_argument,
    lua_text,
    make_temporary_folder,
    path_argument,
    permissions_of,
)
from respell.errors import StoreError, UsageError

MAX_TRANSFER = 16 << 20
"""Most bytes that one read or write moves."""

_MAX_OFFSET = 2**62
_MODE = re.compile(r"(?P<how>[rwa])(?P<update>\+?)b?")
# Opening a pipe or a device must not wait for its other end; a symlink put in the place of
# the file after it was checked must not be followed.
_SAFELY = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY

Outcome = Any
Performer = Callable[[EffectContext, dict[str, Any]], Outcome]


def _with_c_errors(perform: Performer) -> Performer:
    """Make an outcome of an operating system's error, naming the path the script gave."""

    @wraps(perform)
    def performed(ctx: EffectContext, args: dict[str, Any]) -> Outcome:
        try:
            return perform(ctx, args)
        except StoreError:
            raise
        except OSError as error:
            if isinstance(error, PermissionError) and error.errno is None:
                raise  # our own refusal, which says more than C could
            return failed(args.get("path") or args.get("from") or "", error)

    return performed


def _open_manner(ctx: EffectContext, args: dict[str, Any]) -> Manner:
    mode = args.get("mode")
    if isinstance(mode, str) and mode.startswith(("w", "a")):
        return Manner(Kind.EXTERNAL, idempotent=True)
    return Manner(Kind.READ)


@effect("file.open", kind=_open_manner)
@_with_c_errors
def file_open(ctx: EffectContext, args: dict[str, Any]) -> Outcome:
    """Open a file: `{path, mode}` -> `{hash, size}` for reading, `{size}` for anything else."""
    given = Arguments("io.open", args)
    path = path_argument(given, "path")
    mode = given.given("mode")
    parts = _MODE.fullmatch("r" if mode is None else str(mode))
    if parts is None:
        raise UsageError(
            f"io.open: invalid mode {mode!r}; modes are r, w, a, r+, w+, a+, each with b"
        )
    permissions = permissions_of(ctx)
    reads = parts["how"] == "r" or bool(parts["update"])
    writes = parts["how"] != "r" or bool(parts["update"])
    resolved = permissions.check_read(path) if reads else permissions.resolve(path)
    if writes:
        resolved = permissions.check_write(path)
    flags = os.O_RDWR if reads and writes else os.O_WRONLY if writes else os.O_RDONLY
    if parts["how"] != "r":
        flags |= os.O_CREAT
    descriptor = os.open(resolved, flags | _SAFELY, 0o666)
    try:
        size = _regular_size(descriptor)
        if not writes:
            return _snapshot(ctx, descriptor)
        if parts["how"] == "w" and size:
            os.ftruncate(descriptor, 0)
            size = 0
        return {"size": size}
    finally:
        os.close(descriptor)


def _snapshot(ctx: EffectContext, descriptor: int) -> dict[str, Any]:
    with open(descriptor, "rb", closefd=False) as file:
        address, size = ctx.store.blobs.put_stream(file)
    # Until the outcome is recorded nothing else says that the blob is needed.
    ctx.store.blobs.keep(address, ctx.session.key)
    return {"hash": address, "size": size}


@effect("file.read", kind=Kind.READ)
@_with_c_errors
def file_read(ctx: EffectContext, args: dict[str, Any]) -> Outcome:
    """Read a window of a file open for update: `{path, offset, size}` -> bytes."""
    given = Arguments("file:read", args)
    path = path_argument(given, "path")
    offset = integer_argument(given, "offset", most=_MAX_OFFSET)
    size = integer_argument(given, "size", most=MAX_TRANSFER)
    resolved = permissions_of(ctx).check_read(path)
    descriptor = os.open(resolved, os.O_RDONLY | _SAFELY)
    try:
        _regular_size(descriptor)
        return _pread(descriptor, size, offset)
    finally:
        os.close(descriptor)


@effect("file.write", kind=Kind.EXTERNAL, idempotent=True, quick=True)
@_with_c_errors
def file_write(ctx: EffectContext, args: dict[str, Any]) -> Outcome:
    """Write at a position: `{path, offset, data}` -> `{written}`, the number of bytes."""
    given = Arguments("file:write", args)
    path = path_argument(given, "path")
    offset = integer_argument(given, "offset", most=_MAX_OFFSET)
    data = bytes_argument(given, "data")
    if len(data) > MAX_TRANSFER:
        raise UsageError(f"file:write: {len(data)} bytes at once; {MAX_TRANSFER} is the most")
    resolved = permissions_of(ctx).check_write(path)
    descriptor = os.open(resolved, os.O_WRONLY | os.O_CREAT | _SAFELY, 0o666)
    try:
        _regular_size(descriptor)
        _pwrite(descriptor, data, offset)
        if ctx.store.durability == "full":
            # Once the outcome is committed this is never written again.
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return {"written": len(data)}


@effect("file.remove", kind=Kind.EXTERNAL, quick=True)
@_with_c_errors
def file_remove(ctx: EffectContext, args: dict[str, Any]) -> Outcome:
    """Remove a file or an empty folder: `{path}` -> `{removed = true}`."""
    path = path_argument(Arguments("os.remove", args), "path")
    resolved = permissions_of(ctx).check_write(path, moves=True)
    if stat.S_ISDIR(resolved.lstat().st_mode):
        resolved.rmdir()
    else:
        resolved.unlink()
    return {"removed": True}


@effect("file.rename", kind=Kind.EXTERNAL, quick=True)
@_with_c_errors
def file_rename(ctx: EffectContext, args: dict[str, Any]) -> Outcome:
    """Rename a file or folder: `{from, to}` -> `{renamed = true}`."""
    given = Arguments("os.rename", args)
    source, target = path_argument(given, "from"), path_argument(given, "to")
    permissions = permissions_of(ctx)
    # What was renamed could be read under its new name.
    permissions.check_read(source, follow=False)
    rename_from = permissions.check_write(source, moves=True)
    rename_to = permissions.check_write(target, moves=True)
    os.rename(rename_from, rename_to)
    return {"renamed": True}


@effect("file.temporary", kind=Kind.EXTERNAL, idempotent=True, quick=True)
@_with_c_errors
def file_temporary(ctx: EffectContext, args: dict[str, Any]) -> Outcome:
    """Make an empty temporary file, which this session alone can open: `{}` -> `{path}`."""
    folder = make_temporary_folder(ctx.session.id)
    descriptor, path = tempfile.mkstemp(prefix="lua_", dir=folder)
    os.close(descriptor)
    return {"path": lua_text(path)}


def _regular_size(descriptor: int) -> int:
    """Return the size of a file.

    Raises:
        OSError: It is a folder, a pipe, a device or the like.
    """
    info = os.fstat(descriptor)
    if stat.S_ISDIR(info.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(info.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file")
    return info.st_size


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    parts = []
    while size > 0 and (part := os.pread(descriptor, size, offset)):
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return b"".join(parts)


def _pwrite(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written
