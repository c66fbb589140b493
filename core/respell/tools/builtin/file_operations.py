"""file_operations: reads, writes and arranges files the script has permission for."""

from __future__ import annotations

import difflib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from respell.effect import Manner
from respell.errors import UsageError
from respell.times import rfc3339
from respell.tools.atomic import sync_folder, write_atomically
from respell.tools.files import MAX_READ_BYTES, regular
from respell.tools.model import ONCE, READS, REPEATABLE, Tool, ToolContext
from respell.tools.result import ToolResult, worded

MAX_ENTRIES = 10_000
_CHUNK = 1 << 20

_PARAMETERS = {
    "type": "object",
    "properties": {
        "operation": {
            "type": "string",
            "description": "read, write, append, delete, create_dir, list_dir, copy, move, "
            "metadata or exists",
        },
        "path": {"type": "string", "description": "the file or folder"},
        "input": {
            "type": "string",
            "contentEncoding": "binary",
            "description": "what to write or append",
        },
        "source_path": {"type": "string", "description": "copy, move: from where"},
        "target_path": {"type": "string", "description": "copy, move: to where"},
        "recursive": {
            "type": "boolean",
            "default": False,
            "description": "create_dir: create missing parents too",
        },
    },
    "required": ["operation"],
    "additionalProperties": False,
}

_SYNONYMS = {
    "mkdir": "create_dir",
    "ls": "list_dir",
    "dir": "list_dir",
    "list": "list_dir",
    "cp": "copy",
    "mv": "move",
    "rename": "move",
    "stat": "metadata",
    "info": "metadata",
}


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    name = _operation(params)
    operation = _OPERATIONS.get(name)
    if operation is None:
        near = difflib.get_close_matches(name, [*_OPERATIONS, *_SYNONYMS], n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise UsageError(
            f"there is no operation {params['operation']!r}{hint} "
            f"Allowed are: {', '.join(_OPERATIONS)}"
        )
    return operation(params, ctx)


def _operation(params: dict[str, Any]) -> str:
    name = str(params.get("operation", "")).lower()
    return _SYNONYMS.get(name, name)


def _needed(params: dict[str, Any], name: str) -> Any:
    if name not in params:
        raise UsageError(f"parameter {name} is missing; {_operation(params)} needs it")
    return params[name]


def _read(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path = _needed(params, "path")
    resolved = ctx.permissions.check_read(path)
    size = regular(resolved, path).st_size
    if size > MAX_READ_BYTES:
        raise UsageError(
            f"{path} has {size} bytes and can't be read at once, which goes up to "
            f"{MAX_READ_BYTES}; io.lines and io.open read it piece by piece"
        )
    data = resolved.read_bytes()
    content = _as_text(data)
    return worded(
        content,
        "read",
        {"input": content, "size": len(data)},
        value=content,
        metadata={"file_path": path, "file_size": len(data)},
    )


def _write(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path, data = _needed(params, "path"), _bytes(_needed(params, "input"))
    resolved = ctx.permissions.check_write(path)
    resolved.parent.mkdir(parents=True, exist_ok=True)
    if resolved.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    write_atomically(resolved, [data])
    return worded(
        f"Wrote {len(data)} bytes to {path}",
        "write",
        metadata={"file_path": path, "file_size": len(data)},
    )


def _append(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path, data = _needed(params, "path"), _bytes(_needed(params, "input"))
    resolved = ctx.permissions.check_write(path)
    resolved.parent.mkdir(parents=True, exist_ok=True)
    if resolved.exists():
        regular(resolved, path)
    with open(resolved, "ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return worded(
        f"Appended {len(data)} bytes to {path}",
        "append",
        {"appended_size": len(data)},
        metadata={"file_path": path},
    )


def _delete(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path = _needed(params, "path")
    resolved = ctx.permissions.check_write(path, moves=True)
    if stat.S_ISDIR(resolved.lstat().st_mode):
        raise UsageError(f"{path} is a folder; delete removes files only")
    resolved.unlink()
    sync_folder(resolved.parent)
    return worded(f"Deleted {path}", "delete", metadata={"file_path": path})


def _create_dir(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path, recursive = _needed(params, "path"), params.get("recursive", False)
    resolved = ctx.permissions.check_write(path)
    resolved.mkdir(parents=recursive, exist_ok=True)
    sync_folder(resolved.parent)
    return worded(
        f"Created directory {path}",
        "create_dir",
        {"recursive": recursive},
        metadata={"file_path": path},
    )


def _list_dir(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path = _needed(params, "path")
    with os.scandir(os.fsencode(ctx.permissions.check_read(path))) as scan:
        found = sorted(scan, key=lambda entry: entry.name)
    entries = list(_entries(path, found[:MAX_ENTRIES]))
    result: dict[str, Any] = {"entries": entries, "count": len(entries)}
    if len(found) > MAX_ENTRIES:
        result["total"] = len(found)
    return worded(f"Found {len(found)} entries in {path}", "list_dir", result)


def _copy(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    source, target = _needed(params, "source_path"), _needed(params, "target_path")
    read_from = ctx.permissions.check_read(source)
    write_to = ctx.permissions.check_write(target)
    regular(read_from, source)
    if write_to.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    write_to.parent.mkdir(parents=True, exist_ok=True)
    size = _copied(read_from, write_to, ctx)
    return worded(
        f"Copied {size} bytes from {source} to {target}",
        "copy",
        {"source": source, "target": target},
    )


def _move(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    source, target = _needed(params, "source_path"), _needed(params, "target_path")
    # What was moved could be read at its new place.
    ctx.permissions.check_read(source, follow=False)
    move_from = ctx.permissions.check_write(source, moves=True)
    move_to = ctx.permissions.check_write(target, moves=True)
    move_from.lstat()
    move_to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(move_from, move_to)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        regular(move_from, source)
        _copied(move_from, move_to, ctx)
        move_from.unlink()
    sync_folder(move_to.parent)
    sync_folder(move_from.parent)
    return worded(f"Moved {source} to {target}", "move", {"source": source, "target": target})


def _metadata(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path = _needed(params, "path")
    resolved = ctx.permissions.check_read(path)
    info = resolved.stat()
    result = {
        "path": path,
        "type": _type(info.st_mode),
        "size": info.st_size,
        "readonly": not os.access(resolved, os.W_OK),
        # Linux does not tell when a file was created to all programs alike.
        "created": _time(getattr(info, "st_birthtime", info.st_ctime)),
        "modified": _time(info.st_mtime),
        "accessed": _time(info.st_atime),
    }
    return worded(f"{path} is a {result['type']} of {info.st_size} bytes", "metadata", result)


def _exists(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    path = _needed(params, "path")
    exists = ctx.permissions.check_read(path).exists()
    text = f"Path {path} exists" if exists else f"Path {path} does not exist"
    return worded(text, "exists", {"exists": exists})


_OPERATIONS: dict[str, Callable[[dict[str, Any], ToolContext], ToolResult]] = {
    "read": _read,
    "write": _write,
    "append": _append,
    "delete": _delete,
    "create_dir": _create_dir,
    "list_dir": _list_dir,
    "copy": _copy,
    "move": _move,
    "metadata": _metadata,
    "exists": _exists,
}

_MANNERS = {
    "read": READS,
    "list_dir": READS,
    "metadata": READS,
    "exists": READS,
    "write": REPEATABLE,
    "create_dir": REPEATABLE,
}


def _decide(params: dict[str, Any]) -> Manner:
    return _MANNERS.get(_operation(params), ONCE)


def _copied(source: Path, target: Path, ctx: ToolContext) -> int:
    def chunks() -> Iterator[bytes]:
        with open(source, "rb") as file:
            while chunk := file.read(_CHUNK):
                ctx.check_cancelled()
                yield chunk

    return write_atomically(target, chunks(), mode=source.stat().st_mode & 0o777)


def _entries(folder: str, found: list[os.DirEntry[bytes]]) -> Iterator[dict[str, Any]]:
    for entry in found:
        try:
            info = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # removed since it was listed
            continue
        yield {
            "name": _as_text(entry.name),
            "path": _as_text(os.path.join(folder.encode(), entry.name)),
            "type": _type(info.st_mode),
            "size": info.st_size,
            "modified": _time(info.st_mtime),
        }


def _type(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISLNK(mode):
        return "symlink"
    return "file" if stat.S_ISREG(mode) else "unknown"


def _time(seconds: float) -> str:
    return rfc3339(int(seconds * 1_000_000))


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _as_text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


TOOL = Tool(
    name="file_operations",
    description="Reads, writes, lists, copies, moves and deletes files",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=_decide,
    category="filesystem",
    tags=("file", "directory"),
    aliases={"content": "input", "source": "source_path", "target": "target_path"},
)
